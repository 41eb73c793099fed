"""A general radar model's protocol: who counts how much, what is sure, and what a training is given."""

import json
import math
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.radar import forecasters, measure, page
from lab.radar.networks import NETWORKS, network
from lab.radar.pooled import Event, difference, events, pooled
from nextframe.verification.result import Verification

KNMI, MRMS, FMI = map(network, ("knmi", "mrms", "fmi"))


def event(row: Any, name: str, model: float, persistence: float, metric: str = "csi_1") -> Event:
    scores = {"model": {metric: [model, model]}, "persistence": {metric: [persistence, persistence]}}
    return Event(row, name, [30.0, 90.0], 3, scores)


def test_each_network_counts_as_one_and_so_does_one_storm() -> None:
    found = [event(KNMI, "a", 0.2, 0), event(KNMI, "b", 0.4, 0), event(FMI, "c", 0.9, 0)]
    assert pooled(found, "model", "csi_1") == pytest.approx((0.3 + 0.9) / 2)
    windows = [event(MRMS, str(n), value, 0) for n, value in enumerate((0.1, 0.3))]
    assert pooled([*found, *windows], "model", "csi_1") == pytest.approx((0.3 + 0.9 + 0.2) / 3)


def test_lead_times_beyond_the_hour_are_left_out() -> None:
    this = Event(KNMI, "a", [30.0, 60.0, 90.0], 3, {"model": {"csi_1": [0.8, 0.6, 0.0]}})
    assert this.mean("model", "csi_1") == pytest.approx(0.7)
    assert this.mean("model", "csi_1", (30, 60)) == pytest.approx(0.6)
    assert math.isnan(this.mean("nobody", "csi_1"))


def test_frequency_bias_is_forecast_events_over_those_that_came() -> None:
    # 30 hits, 10 misses, 20 false alarms: 50 forecast, 40 came.
    this = Event(KNMI, "a", [5.0], 1, {"model": {"pod_3": [30 / 40], "far_3": [20 / 50]}})
    assert this.mean("model", "frequency_3") == pytest.approx(50 / 40)


def test_a_difference_is_sure_where_every_network_agrees() -> None:
    agreed = [event(row, "a", 0.5 + n / 100, 0.4) for n, row in enumerate(NETWORKS)]
    found = difference(agreed, "model", "persistence", "csi_1")
    assert found.sure
    assert found.low <= found.mean <= found.high
    assert found.mean == pytest.approx(0.1 + sum(range(len(NETWORKS))) / len(NETWORKS) / 100)
    split = [event(row, "a", 0.5, 0.4 if n % 2 else 0.6) for n, row in enumerate(NETWORKS)]
    assert not difference(split, "model", "persistence", "csi_1").sure
    few = difference(agreed[:4], "model", "persistence", "csi_1")
    assert few.mean > 0
    assert not few.sure


def test_half_the_error_is_as_much_better_on_a_heavy_event_as_on_a_light_one() -> None:
    errors = [event(KNMI, "a", 0.01, 0.02, "mse"), event(FMI, "b", 50, 100, "mse")]
    found = difference(errors, "model", "persistence", "mse")
    assert found.mean == pytest.approx(math.log(2))


def test_a_training_is_given_all_networks_but_one_and_watches_whole_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in NETWORKS:
        for pattern in row.events:
            stem = Path(pattern).stem.rstrip("*").rstrip("-")
            watched = [name for name in row.watches if name.startswith(stem)]
            for name in (f"{stem}-first", *watched) if "*" in pattern else (Path(pattern).name,):
                path = (tmp_path / pattern).with_name(name + Path(pattern).suffix if "*" in pattern else name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    called: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: called.append(command))
    measure.train([MRMS], tmp_path, tmp_path / "out", minutes=2)
    sources = [called[0][n + 1] for n, part in enumerate(called[0]) if part == "--data"]
    assert not any("mrms" in source for source in sources)
    held_out = {"knmi-2021-01-07", "knmi-2021-02-05", "mch-2016-07-11"}
    held_out |= {"dwd-feldberg-2008-06-02", "dwd-tuerkheim-2008-06-02"}
    assert {Path(source.partition("::")[0]).stem for source in sources[-5:]} == held_out
    share = float(called[0][called[0].index("--validation") + 1])
    assert round(share * len(sources)) == 5  # those of the other networks
    (tmp_path / "radar-more" / "knmi-2021-02-04.nc").touch()
    closed = [row for row in NETWORKS if not row.shippable]
    shown = measure.train(closed, tmp_path, tmp_path / "out", minutes=2, tested=True)["command"]
    assert "opera" not in shown
    *_, last = [part for n, part in enumerate(called[1]) if called[1][n - 1] == "--data"]
    assert "knmi-2021-02-04" in last  # the test part
    assert str(tmp_path) not in " ".join(shlex.split(shown)[:-2])


def test_the_page_names_the_best_and_what_is_sure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "RADAR", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "radar.md")
    shutil.copyfile(forecasters.PAGE, tmp_path / "forecasters.md")
    monkeypatch.setattr(forecasters, "PAGE", tmp_path / "forecasters.md")
    monkeypatch.setattr(forecasters, "WINNERS", tmp_path / "winners.png")
    for n, row in enumerate(NETWORKS):
        for folder, scores in (
            ("general", {"model": 0.6 + n / 500, "model, matched": 0.55, "model, matched to validation": 0.5}),
            ("baselines", {"persistence": 0.3, "extrapolation": 0.5, "steps": 0.6, "anvil": 0.7, "linda": 0.4}),
        ):
            place = tmp_path / folder / row.name
            place.mkdir(parents=True)
            if folder == "general":
                note = {"without": [row.name], "command": "nextframe train", "seconds": 1}
                (place / "training.json").write_text(json.dumps(note))
            Verification(
                scores={who: {"csi_1": [value, value]} for who, value in scores.items()},
                lead_time=[5.0, 60.0],
                lead_time_unit="minutes",
                count=4,
                machine="a machine",
            ).to_json(place / "event.json")
    assert {found.network for found in events(tmp_path, "general")} == set(NETWORKS)
    page.write_page("general")
    text = (tmp_path / "radar.md").read_text()
    told = next(line for line in text.splitlines() if line.startswith("| CSI at 1 mm/h |"))
    cells = [cell.strip() for cell in told.split("|")[2:-1]]
    assert cells[0].startswith("**+0.307 (")  # against persistence
    assert cells[3].startswith("**-0.093 (")  # against ANVIL
    assert "**0.700**" in text
    text = (tmp_path / "forecasters.md").read_text()
    (told,) = (line for line in text.splitlines() if line.startswith("| Switzerland |"))
    assert [cell.strip() for cell in told.split("|")[3:6]] == ["", "anvil (-0.098)", ""]  # CSI at 0.2, 1 and 3 mm/h
    assert (tmp_path / "winners.png").is_file()
