"""What was tried for the radar model: ways of matching, and the page."""

import json
from pathlib import Path

import numpy as np
import pytest

from lab.radar import tried
from lab.radar.networks import NETWORKS
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.forecasting.matching import arriving
from nextframe.forecasting.persistence import Persistence
from nextframe.verification.result import Verification


def past_and_forecast() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    wide = draw.gamma(0.3, 4, (40, 60)).astype(np.float32)
    past = np.stack([wide[:, 8 - 2 * n : 48 - 2 * n] for n in range(4)])[:, None]
    return past, draw.random((3, 1, 40, 40)).astype(np.float32)


@pytest.mark.parametrize("name", tried.WAYS)
def test_a_way_keeps_to_what_was_seen(name: str) -> None:
    past, forecast = past_and_forecast()
    made = tried.WAYS[name](forecast, past)
    assert made.shape == forecast.shape
    assert np.isfinite(made).all()
    assert made.min() >= 0
    assert made.max() <= past[-1].max() * (1 + 1e-6)


def test_tiles_have_the_amounts_of_their_own_place() -> None:
    past, forecast = (np.zeros((n, 1, 200, 200), np.float32) for n in (4, 2))
    past[:, :, :100] = np.random.default_rng(0).gamma(1, 2, (100, 200))
    forecast[:] = np.random.default_rng(1).random(forecast.shape)
    made = tried.WAYS[f"`matched`, in tiles of {tried._TILE} pixels"](forecast, past)
    assert made[:, :, 170:].max() == 0  # no tile there reaches the rain
    np.testing.assert_allclose(made[:, :, :30].mean(), arriving(past, 2)[:, :, :30].mean(), rtol=0.1)


def test_extrapolation_along_the_own_motion_is_the_baseline() -> None:
    past, _ = past_and_forecast()
    name, motion = next(iter(tried.MOTIONS.items()))
    np.testing.assert_array_equal(
        tried.Along(name, motion).predict(past[None], 2), Extrapolation().predict(past[None], 2)
    )


def test_a_motion_whose_library_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def missing(past: np.ndarray) -> None:
        raise ImportError("no such library")

    assert list(tried.installed({"still": lambda past: None, "other": missing})) == ["still"]
    assert "other: left out, no such library" in capsys.readouterr().out


def test_another_keeps_the_name_it_is_given() -> None:
    past, _ = past_and_forecast()
    twice = tried.Another(Persistence(), "twice", lambda forecast, _: 2 * forecast)
    assert twice.name == "twice"
    np.testing.assert_array_equal(twice.predict(past[None], 1)[0, 0], 2 * past[-1])


def test_the_page_shows_what_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tried, "RADAR", tmp_path)
    monkeypatch.setattr(tried, "PAGE", tmp_path / "tried.md")
    motion, way = next(iter(tried.MOTIONS)), list(tried.WAYS)[1]
    for folder, names in (
        (tried.TRIED, {motion: 0.5, way: 0.25}),
        (tried.GENERAL, {"model": 0.75, "model, matched": 0.625}),
        ("baselines", {"persistence": 0.125}),
        ("facl", {"model": 0.4375, "model, matched": 0.375}),
    ):
        place = tmp_path / folder / NETWORKS[1].name
        place.mkdir(parents=True)
        command = "nextframe train stacked --minutes 8 --test 0.0000 --loss facl --out runs/radar/facl/without-mch"
        (place / "training.json").write_text(json.dumps({"command": command})) if folder != tried.TRIED else None
        Verification(
            scores={name: {"csi_1": [value, value]} for name, value in names.items()},
            lead_time=[5.0, 60.0],
            lead_time_unit="minutes",
            count=4,
            machine="a machine",
        ).to_json(place / "event.json")
    tried.write_page()
    text = (tmp_path / "tried.md").read_text()
    rows = {tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines() if line[:1] == "|"}
    assert any(row[0] == motion and row[2] == "0.500" for row in rows)
    assert any(row[0] == way and row[2] == "0.250" for row in rows)
    assert any(
        row[:3] == ("`--loss facl`, 8 minutes", NETWORKS[1].name, "matched") and row[4] == "0.375" for row in rows
    )
    assert any(row[:3] == ("as shipped", NETWORKS[1].name, "model") and row[4] == "0.750" for row in rows)
    assert "a machine" in text
