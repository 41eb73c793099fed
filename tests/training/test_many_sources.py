"""One training on many radars: cuts of one size in a batch, splits by source, weights, resuming and verifying."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

import nextframe
import nextframe.verification.result
from nextframe.api import compare_sources
from nextframe.cli import main
from nextframe.config import RunConfig
from nextframe.data.loading import SeededSampler, WindowDataset
from nextframe.data.mixed import Epochs, SameSize, cut_that_fits, draw_by_source, repeated_by_source
from nextframe.data.normalise import Normaliser, fit_normaliser
from nextframe.data.split import Span, split, split_as, whole_spans
from nextframe.data.windows import Windows, runs_of_one_size
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FrameSequence
from nextframe.runs.folder import load_config
from nextframe.training.lengths import fit_lengths
from nextframe.verification.thresholds import usual_threshold
from tests.frames.test_together import radar

REAL = Path(__file__).parents[3] / "shared" / "data"
SMALL: dict[str, Any] = {
    "filters": (4,), "past": 3, "future": 2, "epochs": 1, "batch_size": 8, "train_crop": 12, "stride": 3,
    "validation": 0.2, "test": 0.2, "progress": False,
}  # fmt: skip


@pytest.fixture
def radars(tmp_path: Path) -> list[str]:
    """Three radars of other sizes, pixels, steps and units."""
    return [
        str(radar(tmp_path / "one.nc", size=32)),
        str(radar(tmp_path / "two.nc", size=24, unit="dBZ", name="reflectivity", minutes=10, seed=1)),
        f"{radar(tmp_path / 'three.nc', size=40, km=2.0, minutes=15, seed=2)}::weight=2",
    ]


def windows_of(radars: list[str]) -> Windows:
    return Windows(whole_spans(nextframe.open_source(radars)), past=3, future=2)


@pytest.mark.slow
def test_a_batch_holds_cuts_of_several_radars_that_change_with_the_epoch(radars: list[str]) -> None:
    windows = windows_of(radars)
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    dataset = WindowDataset(windows, identity, cut=12, seed=7)
    number = len(windows)
    first, again, later = dataset[0, 0], dataset[0, 0], dataset[0, number]
    assert first["past"].shape == (3, 1, 12, 12)
    assert torch.equal(first["past"], again["past"])
    keys = Epochs(SeededSampler(number, 3), number)
    keys.set_epoch(1)
    chosen = list(keys)
    assert sorted(chosen) == [(n, n + number) for n in range(number)]
    batch = torch.stack([dataset[key]["past"] for key in chosen[:8]])
    assert batch.shape == (8, 3, 1, 12, 12)
    assert len({windows[n].sequence.origin for n, _ in chosen[:8]}) > 1
    whole = windows[0].read()[0]
    found = [
        (top, left)
        for top in range(21)
        for left in range(21)
        if np.array_equal(whole[..., top : top + 12, left : left + 12], later["past"].numpy())
    ]
    assert found


@pytest.mark.slow
def test_batches_of_whole_frames_are_of_one_size(radars: list[str]) -> None:
    windows = windows_of(radars)
    batches = list(SameSize(windows, 8))
    assert sorted(n for batch in batches for n in batch) == list(range(len(windows)))
    for batch in batches:
        assert len({windows[n].sequence.shape for n in batch}) == 1
    halves = [list(SameSize(windows, 8, (rank, 2))) for rank in (0, 1)]
    assert sorted(map(tuple, halves[0] + halves[1])) == sorted(map(tuple, batches))
    assert runs_of_one_size([], 3) == []


def test_heavier_sources_are_drawn_more_often(radars: list[str]) -> None:
    windows = windows_of(radars)
    drawn = draw_by_source(windows)
    assert drawn is not None
    assert {(window.sequence.weight, probability) for window, probability in zip(windows, drawn, strict=True)} == {
        (1.0, 0.5),
        (2.0, 1.0),
    }
    assert draw_by_source(windows_of(radars[:2])) is None


def test_a_cut_fits_every_source(radars: list[str]) -> None:
    windows = windows_of(radars)
    assert [cut_that_fits(windows, side) for side in (12, 25, None)] == [12, 24, 24]
    assert cut_that_fits(windows, None, patch=7) == 21
    with pytest.raises(ConfigError, match=r"larger than the frames of .*two\.nc \(expected at most 24"):
        cut_that_fits(windows, None, patch=25)
    weighed = repeated_by_source(windows)
    heavy = sum(window.sequence.weight == 2 for window in windows)
    assert len(weighed) == len(windows) + heavy


def test_splits_by_source_and_by_name(radars: list[str]) -> None:
    source = nextframe.open_source(radars)
    parts = split(source, by="source", validation=0.1, test=0.1)
    names = [[Path(span.sequence.origin).name for span in part] for part in (parts.train, parts.validation, parts.test)]
    assert names == [["one.nc"], ["two.nc"], ["three.nc"]]
    parts = split(source, by="time", validation=0.2, test_source=["two"])
    assert {Path(span.sequence.origin).name for span in parts.test} == {"two.nc"}
    assert {Path(span.sequence.origin).name for span in parts.train} == {"one.nc", "three.nc"}
    with pytest.raises(ConfigError, match="no part of the name of a source"):
        split(source, test_source=["four"])
    with pytest.raises(DataError, match="leaves no source to train on"):
        split(source, test_source=["nc"])
    with pytest.raises(DataError, match="too few sources"):
        split(nextframe.open_source(radars[:2]), by="source")


def test_normalisation_and_threshold_are_of_all_together(tmp_path: Path) -> None:
    paths = [radar(tmp_path / "weak.nc", seed=1), radar(tmp_path / "strong.nc", seed=2, unit="mm", minutes=10)]
    source = nextframe.open_source([str(path) for path in paths])
    parts = [[Span(sequence, 0, len(sequence))] for sequence in source.sequences]
    frames = [sequence.read(0, len(sequence)) for sequence in source.sequences]
    pooled = FrameSequence(values=np.concatenate(frames), name="pooled", units=source.sequences[0].units)
    both = parts[0] + parts[1]
    apart = [fit_normaliser(part) for part in parts]
    for method in ("auto", "standard", "range"):
        found, expected = (
            fit_normaliser(spans, method, output="linear") for spans in (both, [Span(pooled, 0, len(pooled))])
        )
        assert found.method == expected.method
        np.testing.assert_allclose(found.offset + found.scale, expected.offset + expected.scale, rtol=1e-4)
    assert all(one.scale != pytest.approx(fit_normaliser(both).scale, rel=1e-4) for one in apart)
    assert usual_threshold(both) == usual_threshold([Span(pooled, 0, len(pooled))])


def test_a_training_keeps_the_normalisation_of_all_its_training_parts(tmp_path: Path) -> None:
    paths = [str(radar(tmp_path / "one.nc", seed=1)), str(radar(tmp_path / "two.nc", seed=2, unit="mm", minutes=10))]
    model = nextframe.fit(paths, out=tmp_path / "run", split="time", normalisation="standard", **SMALL)
    parts = split_as(nextframe.open_source(paths), load_config(tmp_path / "run" / "config.yaml").data)
    values = np.concatenate([span.sequence.read(span.start, span.stop).ravel() for span in parts.train])
    assert len({span.sequence.origin for span in parts.train}) == 2
    assert model.manifest.normaliser.offset[0] == pytest.approx(values.mean(), rel=1e-3)


def test_events_of_all_sources_are_divided_whole_and_in_order_of_time(tmp_path: Path) -> None:
    days = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    paths = [
        str(radar(tmp_path / f"{name}.nc", size=16 + 4 * day, frames=12, start=f"2020-06-0{day}T00:00", seed=day))
        for name, day in reversed(days.items())
    ]
    later = xr.open_dataset(paths[-1], engine="h5netcdf").load()  # a second event in one of the files
    later["time"] = later["time"] + np.where(np.arange(12) < 6, 0, 6 * 86400).astype("timedelta64[s]")
    later.to_netcdf(tmp_path / "gap.nc", engine="h5netcdf")
    source = nextframe.open_source([*paths[:-1], str(tmp_path / "gap.nc")])
    parts = split(source, by="event", validation=0.2, test=0.2, minimum=5)
    seen = [
        [(Path(span.sequence.origin).stem, span.start, span.stop) for span in part]
        for part in (parts.train, parts.validation, parts.test)
    ]
    in_order = [("gap", 0, 6), ("two", 0, 12), ("three", 0, 12), ("four", 0, 12), ("five", 0, 12), ("gap", 6, 12)]
    assert [event for part in seen for event in part] == in_order
    assert all(seen)


@pytest.mark.long
@pytest.mark.skipif(not (REAL / "radar-more").is_dir(), reason="the real radar archives (../shared/data) are not here")
@pytest.mark.filterwarnings("ignore")  # of the archives: each is tested for its own
def test_all_radars_at_hand_train_in_one_run(tmp_path: Path) -> None:
    paths = sorted([*(REAL / "radar").iterdir(), *(REAL / "radar-more").glob("*.nc")])
    data = [token for path in paths for token in ("--data", str(path))]
    size = ["--filters", "4", "--past", "3", "--future", "2", "--train-crop", "32", "--stride", "20"]
    how = ["--resolution", "4km", "--split", "event", "--epochs", "1", "--no-progress"]
    assert main(["train", "stacked", *data, *size, *how, "--out", str(tmp_path / "run")]) == 0
    config = load_config(tmp_path / "run" / "config.yaml")
    assert len(config.data.sources) == len(paths)
    manifest = json.loads((tmp_path / "run" / "model.json").read_text())
    assert manifest["units"] == ["mm/h"]


@pytest.mark.slow
def test_many_radars_train_resume_and_verify(radars: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = nextframe.fit(radars, out=run, split="time", **SMALL)
    assert model.manifest.units == ("mm/h",)
    config = load_config(run / "config.yaml")
    assert config.data.sources == (*radars[:2], radars[2])
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["sources"] == radars
    again = nextframe.fit(radars, out=run, split="time", resume=True, **SMALL)
    assert again.config == model.config
    skill = nextframe.api.verify_run(run, progress=False, limit=12, baselines=("persistence",), out=tmp_path / "skill")
    assert np.isfinite(skill.scores["model"]["mse"]).all()
    forecast = nextframe.forecast(run, radars[1], lead_times=2)  # in dBZ, which the run brings to mm/h
    assert forecast.units == ("mm/h",)


@pytest.mark.slow
def test_the_command_line_takes_data_several_times_or_a_list(
    radars: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--filters", "4", "--past", "3", "--future", "2", "--epochs", "1", "--train-crop", "12", "--no-progress"]
    data = [token for path in radars for token in ("--data", path)]
    held = ["--test-source", "two", "--split", "time", "--stride", "4", "--validation", "0.25"]
    assert main(["train", "stacked", *data, *common, *held, "--out", str(tmp_path / "a")]) == 0
    listed = {"data": [radars[0], {"path": radars[1], "coarsen": 2}], "split": "time", "validation": 0.25, "test": 0.0}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(listed))
    out = str(tmp_path / "b")
    assert main(["train", "stacked", "--config", str(tmp_path / "c.yaml"), *common, "--stride", "4", "--out", out]) == 0
    assert load_config(tmp_path / "b" / "config.yaml").data.sources == (radars[0], f"{radars[1]}::coarsen=2")
    saved = str(tmp_path / "a" / "config.yaml")
    capsys.readouterr()
    assert main(["train", "--config", saved, "--out", str(tmp_path / "a")]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert (
        main(["train", "--config", saved, "--data", radars[0], "--test-source", "x", "--out", str(tmp_path / "d")]) == 2
    )
    assert "no part of the name of a source" in capsys.readouterr().err


def test_another_source_takes_the_place_of_several() -> None:
    config = RunConfig().replace({"data": "a, b", "sources": ("a", "b")})
    assert config.replace({"data": "c"}).data.sources == ()
    assert config.replace({"epochs": 2}).data.sources == ("a", "b")


@pytest.mark.slow
def test_sources_side_by_side(radars: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = compare_sources(radars, past=3, future=2)
    one, _, three = found.sides
    assert [(side.height, side.pixel, side.step) for side in found.sides] == [
        (32, 1.0, 300.0), (24, 1.0, 600.0), (40, 2.0, 900.0),
    ]  # fmt: skip
    assert one.windows == 20
    raw = nextframe.open_source(radars[0]).sequences[0].read(0, 24)
    assert one.wet == pytest.approx((raw > 0).mean(), abs=0.02)
    assert one.quantiles[2] == pytest.approx(raw.max())
    assert one.speed_kmh is not None
    assert one.speed_kmh == pytest.approx(18, rel=0.4)  # 0.3 km a minute
    assert three.weight == 2
    assert any("pixels differ (1 km, 2 km)" in line for line in found.misfits)
    assert any("time steps differ" in line for line in found.misfits)
    assert main(["inspect", *radars]) == 0
    said = capsys.readouterr().out
    assert "--time-step" in said
    assert "…" not in said  # at the 80 columns of a pipe
    rows = [line.split() for line in said.splitlines() if line.startswith("one.nc")]
    assert [len(row) for row in rows] == [11, 8]  # what it is, and what is in it
    assert rows[0][1:8] == ["24", "10", "32", "x", "32", "1", "5"]
    assert f"{raw.max():.3g}" in rows[1]
    assert main(["inspect", *radars, "--time-step", "30min", "--resolution", "2km", "--json"]) == 0
    assert '"misfits"' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*motion looks faster or slower")  # of the radar with another step
def test_several_sources_are_graded_apart_and_together(
    radars: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    nextframe.fit(radars[0], out=run, split="time", **SMALL)
    data = [str(radar(tmp_path / "new.nc", size=28, seed=5)), *radars[1:2]]
    given = [token for path in data for token in ("--data", path)]
    files = ["--out", str(tmp_path), "--csv", str(tmp_path / "s.csv"), "--no-progress", "--thresholds", "1"]
    assert main(["verify", str(run), *given, *files, "--baselines", "persistence"]) == 0
    said = capsys.readouterr().out
    assert "mean over lead times, by source" in said
    whole = nextframe.verification.result.Verification.from_json(tmp_path / "verification.json")
    assert list(whole.by_source) == data
    assert sum(part.count for part in whole.by_source.values()) == whole.count
    for path in data:
        alone = nextframe.api.verify_run(
            run, data=path, thresholds=[1.0], baselines=("persistence",), out=tmp_path / "alone", progress=False
        )
        part = whole.by_source[path]
        assert part.count == alone.count
        for who, scores in alone.scores.items():
            for metric in ("mse", "mae", "csi_1"):
                np.testing.assert_allclose(part.scores[who][metric], scores[metric], rtol=1e-6, err_msg=metric)
    rows = (tmp_path / "s.csv").read_text().splitlines()
    assert rows[0].startswith("source,forecaster,score")
    assert sum(row.startswith(f"{data[0]},") for row in rows) == sum(row.startswith(",") for row in rows)
    page = (tmp_path / "report.html").read_text()
    assert "By source" in page
    again = nextframe.verify("persistence", data, past=3, lead_times=2, baselines=(), progress=False)
    assert list(again.by_source) == data
    assert main(["verify", str(run), "--data", data[0], "--data", data[0], "--no-progress"]) == 2
    assert "is named twice" in capsys.readouterr().err


def test_lengths_are_fitted_to_the_source_that_is_held_out(radars: list[str]) -> None:
    data = RunConfig().replace({"past": 5, "future": 2, "test_source": ("two.nc",)}).data
    source = nextframe.open_source(radars)
    lengths = fit_lengths(source, data)
    assert "test" not in lengths.options
    assert not any("for the test" in note for note in lengths.notes)
    parts = split_as(source, replace(data, **lengths.options))
    assert {span.sequence.origin for span in parts.test} == {origin for origin in source.origins if "two.nc" in origin}
    past, future = (lengths.options.get(name, getattr(data, name)) for name in ("past", "future"))
    assert all(len(Windows(part, past=past, future=future)) for part in (parts.train, parts.validation, parts.test))
