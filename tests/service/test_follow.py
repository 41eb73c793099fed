"""A folder that is followed: the products are a function of the frames, whatever happens on the way."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.cli import main
from nextframe.errors import ConfigError
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.service.follow import Follower
from tests.data.test_covariates import SMALL, in_memory
from tests.service.conftest import BEGIN, FRAMES, STEP

Arrives = Callable[..., Path]


def products(folder: Path) -> dict[str, FloatArray]:
    return {path.name: np.load(path) for path in sorted(folder.glob("*.npy"))}


def caught_up(model: ModelForecaster, folder: Path, out: Path, said: list[str] | None = None) -> list[str]:
    tell = (lambda sentence: None) if said is None else said.append
    follower = Follower(model, str(folder / "*.nc"), out, formats=("npy",), lead_times=2, tell=tell)
    return [product.files[0].name for product in follower.run(once=True)]


def name(n: int) -> str:
    return f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z.npy".replace("-", "").replace(":", "")


@pytest.mark.slow
def test_it_catches_up_and_makes_nothing_twice(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    for n in range(6):
        folder = arrives(n).parent
    out = tmp_path / "products"
    assert caught_up(model, folder, out) == [name(n) for n in range(6)]
    assert name(0) == "20160711T210000Z.npy"
    assert caught_up(model, folder, out) == []
    arrives(6)
    assert caught_up(model, folder, out) == [name(6)]
    made = products(out)
    np.testing.assert_allclose(made[name(6)], model.forecast(FRAMES[3:7], 2).values, rtol=0, atol=1e-5)
    (out / name(5)).unlink()
    assert caught_up(model, folder, out) == [name(5)], "what is missing is made again"


@pytest.mark.slow
def test_where_the_model_cannot_others_stand_in(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    for n in (0, 1, 2, 3, 5):
        folder = arrives(n).parent
    for n in (6, 7):
        arrives(n, np.ones((5, 5), np.float32))
    out = tmp_path / "products"
    said: list[str] = []
    follower = Follower(model, str(folder), out, formats=("nc",), lead_times=2, tell=said.append)
    why = [product.why.partition(" ")[0] for product in follower.run(once=True)]
    # One frame that is missing is filled in along the motion.
    assert why == ["persistence", "extrapolation", "extrapolation", "", "", "persistence", "extrapolation"]
    files = sorted(out.glob("*.nc"))
    with xr.open_dataset(files[0]) as first, xr.open_dataset(files[3]) as fourth:
        assert "1 of the 4 frames" in first.attrs["nextframe_fallback"]
        assert "nextframe_fallback" not in fourth.attrs
        assert first.rain.shape == (2, 12, 10)
    with xr.open_dataset(files[5]) as last:
        assert last.rain.shape == (2, 5, 5)
        assert "the frames before it do not fit it: " in last.attrs["nextframe_fallback"]
        assert "12, 10)" in last.attrs["nextframe_fallback"], "the grid that changed"
        assert str(tmp_path) not in last.attrs["nextframe_fallback"], "clients of the service read it, too"
    assert len(said) == 5


@pytest.mark.slow
def test_late_doubled_and_truncated_files_change_nothing(
    model: ModelForecaster, arrives: Arrives, tmp_path: Path
) -> None:
    for n in range(10):
        folder = arrives(n).parent
    caught_up(model, folder, tmp_path / "undisturbed")
    kept = tmp_path / "kept"
    shutil.move(folder, kept)
    folder.mkdir()
    said: list[str] = []
    order = list(range(10))
    random.Random(1).shuffle(order)
    for n in order:
        whole = kept / f"rain{n:03}.nc"
        (folder / whole.name).write_bytes(whole.read_bytes()[: 200 + 400 * n])  # half of it first
        caught_up(model, folder, tmp_path / "disturbed", said)
        shutil.copy2(whole, folder)
        shutil.copy2(whole, folder / f"zz-{whole.name}")  # and a copy
        caught_up(model, folder, tmp_path / "disturbed", said)
    expected, made = products(tmp_path / "undisturbed"), products(tmp_path / "disturbed")
    assert expected.keys() == made.keys()
    for file, values in expected.items():
        np.testing.assert_array_equal(made[file], values)
    assert any("left out until it changes" in sentence for sentence in said)


@pytest.mark.slow
def test_the_scores_of_what_was_issued(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    for n in range(14):
        folder = arrives(n).parent
    caught_up(model, folder, tmp_path / "products")
    skill = json.loads((tmp_path / "products" / ".nextframe" / "skill.json").read_text())
    hour = skill["windows"]["6h"]
    assert hour["forecasts"] == [10, 9]
    assert hour["scores"].keys() == {"model", "persistence", "extrapolation"}
    errors = [(model.forecast(FRAMES[n - 3 : n + 1], 1).values[0, 0] - FRAMES[n + 1]) ** 2 for n in range(3, 13)]
    assert hour["scores"]["model"]["mse"][0] == pytest.approx(np.mean(errors), rel=1e-4)
    assert skill["lead_time_seconds"] == [300, 600]
    assert skill["time"] == "2016-07-11T22:05:00Z"


@pytest.mark.slow
def test_a_model_that_falls_behind_is_said(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    for n in range(14):
        folder = arrives(n, FRAMES[0]).parent  # nothing changes: who says that nothing will is right
    said: list[str] = []
    follower = Follower(
        model,
        str(folder),
        tmp_path / "products",
        formats=("npy",),
        lead_times=2,
        drift=np.timedelta64(30, "m"),
        tell=said.append,
    )
    list(follower.run(once=True))
    assert sum("behind extrapolation for 30 min" in sentence for sentence in said) == 1


@pytest.mark.slow
def test_old_products_go_where_that_is_asked_for(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    for n in range(8):
        folder = arrives(n).parent
    out = tmp_path / "products"
    caught_up(model, folder, out)
    (out / "mine.npy").write_bytes(b"")
    keep = np.timedelta64(10, "m")
    follower = Follower(model, str(folder), out, formats=("npy",), lead_times=2, keep=keep)
    assert not list(follower.run(once=True))
    assert sorted(path.name for path in out.glob("*.npy")) == [name(5), name(6), name(7), "mine.npy"]


@pytest.mark.slow
def test_frames_that_are_removed_take_nothing_from_products(
    model: ModelForecaster, arrives: Arrives, tmp_path: Path
) -> None:
    out = tmp_path / "products"
    for n in range(7):
        folder = arrives(n).parent
    assert len(caught_up(model, folder, out)) == 7
    before = products(out)
    for n in range(4):
        (folder / f"rain{n:03}.nc").unlink()
    assert caught_up(model, folder, out) == []
    arrives(7)
    assert caught_up(model, folder, out) == [name(7)]
    for file, values in before.items():
        np.testing.assert_array_equal(np.load(out / file), values)
    np.testing.assert_allclose(np.load(out / name(7)), model.forecast(FRAMES[4:8], 2).values, atol=1e-5)


def test_of_products_whose_frames_have_gone_few_are_remembered(
    model: ModelForecaster, arrives: Arrives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nextframe.service.follow._REMEMBERED", 2)
    out = tmp_path / "products"
    for n in range(6):
        folder = arrives(n).parent
    assert len(caught_up(model, folder, out)) == 6
    assert caught_up(model, folder, out) == [], "all that are there are remembered"
    for n in range(5):
        (folder / f"rain{n:03}.nc").unlink()
    arrives(6)
    assert caught_up(model, folder, out) == [name(6)]
    remembered = json.loads((out / ".nextframe" / "state.json").read_text())["products"]
    assert sorted(remembered) == [str(BEGIN + n * STEP) for n in (3, 4, 5, 6)]


@pytest.mark.slow
def test_what_became_of_each_frame_is_told(model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    out = tmp_path / "products"

    def told(*numbers: int, frame: FloatArray | None = None) -> list[tuple[str, str | None]]:
        for n in numbers:
            arrives(n, frame)
        follower = Follower(model, str(tmp_path / "incoming"), out, formats=("npy",), lead_times=2)
        return [(product.files[0].name, product.arrival) for product in follower.run(once=True)]

    assert told(0, 1) == [(name(0), "first"), (name(1), "next")]
    assert told(4) == [(name(4), "gap")]
    assert told(5) == [(name(5), "next")]
    assert told(3) == [(name(3), "late"), (name(4), None), (name(5), None)], "these had come before"
    assert told() == []
    assert told(5, frame=FRAMES[9]) == [(name(5), "replaced")]
    (out / name(1)).unlink()
    assert told() == [(name(1), None)], "a product that had gone is no frame"
    for path in (tmp_path / "incoming").iterdir():
        path.unlink()
    assert told(6) == [(name(6), "next")], "of files that have gone it is known that they came"
    assert told(8) == [(name(8), "gap")]


@pytest.mark.slow
def test_a_run_that_reads_one_variable_of_several(run: Path, arrives: Arrives, tmp_path: Path) -> None:
    content = (run / "config.yaml").read_text()
    assert "variable: []" in content
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "config.yaml").write_text(content.replace("variable: []", "variable: [rain]"))
    manifest = (run / "model.json").read_text()
    changed = json.loads(manifest.replace('"variable": []', '"variable": ["rain"]'))
    del changed["checksum"]
    (copy / "model.json").write_text(json.dumps(changed))
    model = ModelForecaster.load(copy)
    assert model.manifest.config.data.variable == ("rain",)
    for n in range(4):
        folder = arrives(n).parent
    said: list[str] = []
    assert caught_up(model, folder, tmp_path / "products", said)[-1] == name(3)
    assert not any("lacks" in sentence or "no variables" in sentence for sentence in said)
    np.testing.assert_allclose(
        np.load(tmp_path / "products" / name(3)), model.forecast(FRAMES[:4], 2).values, atol=1e-5
    )


def test_a_file_is_whole_when_it_has_not_changed_between_two_looks(
    model: ModelForecaster, arrives: Arrives, tmp_path: Path
) -> None:
    path = arrives(0)
    os.utime(path)
    follower = Follower(model, str(path.parent), tmp_path / "products", formats=("npy",))
    assert not follower.incoming.look(print)
    assert follower.incoming.waiting
    os.utime(path, ns=(1, time.time_ns()))
    assert not follower.incoming.look(print), "it has changed"
    assert follower.incoming.look(print)
    assert not follower.incoming.waiting


def test_what_is_asked_for_is_checked_first(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(run), "--input", "x", "--format", "docx", "--out", str(tmp_path / "p")]) == 2
    assert "no format has this suffix" in capsys.readouterr().err
    assert main(["watch", str(run), "--input", "x", "--keep", "soon", "--out", str(tmp_path / "p")]) == 2
    assert "keep: is no length of time" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    with pytest.raises(ConfigError, match="at least 1"):
        Follower(ModelForecaster.load(run), "x", tmp_path / "p", lead_times=0)


@pytest.mark.slow
def test_it_goes_on_after_kills(run: Path, model: ModelForecaster, arrives: Arrives, tmp_path: Path) -> None:
    """A process that follows the folder is killed again and again while frames come."""
    out = tmp_path / "products"
    log = (tmp_path / "log").open("w")
    command = [sys.executable, "-m", "nextframe", "watch", str(run), "--input", str(tmp_path / "incoming" / "*.nc")]
    command += ["--out", str(out), "--format", "npy,nc", "--lead-times", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    process = begin()
    try:
        for n in range(9):
            arrives(n)
            if n in (2, 5):
                deadline = time.monotonic() + 60
                while not (out / name(n - 1)).exists() and time.monotonic() < deadline:
                    time.sleep(0.05)
                process.send_signal(signal.SIGKILL)
                process.wait()
                process = begin()
        deadline = time.monotonic() + 60
        while len(list(out.glob("*.nc"))) < 9 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
        log.close()
    folder = tmp_path / "incoming"
    caught_up(model, folder, tmp_path / "undisturbed")
    expected, made = products(tmp_path / "undisturbed"), products(out)
    assert expected.keys() == made.keys()
    for file, values in expected.items():
        np.testing.assert_array_equal(made[file], values)
    assert not list(out.glob(".*.tmp*"))


@pytest.mark.slow
def test_a_model_with_covariates_reads_those_that_are_there(tmp_path: Path) -> None:
    levels = np.random.default_rng(4).normal(0, 1, 60)
    rain = in_memory("rain", levels)
    folder, beside = tmp_path / "incoming", tmp_path / "nwp"
    folder.mkdir()
    beside.mkdir()
    forecasts = in_memory("nwp", 10 * levels + 280)
    forecasts[:58].to_dataset().to_netcdf(beside / "a.nc", engine="h5netcdf")
    run = nextframe.fit(rain, out=tmp_path / "run", future_covariates=[forecasts], **{**SMALL, "epochs": 1})
    for n in range(50, 56):
        rain[n : n + 1].to_dataset().to_netcdf(folder / f"{n}.nc", engine="h5netcdf")
    given: Any = {"formats": ("npy",), "lead_times": 2, "future_covariates": [str(beside)]}
    follower = Follower(run, str(folder / "*.nc"), tmp_path / "out", **given)
    made = list(follower.run(once=True))
    assert [product.why for product in made][1:] == [""] * 5
    expected = run.forecast(rain[54:56], 2, future_covariates=[forecasts[:58]])
    np.testing.assert_allclose(np.load(made[-1].files[0]), expected.values, atol=1e-5)
    rain[56:57].to_dataset().to_netcdf(folder / "56.nc", engine="h5netcdf")
    (last,) = follower.run(once=True)
    assert "covariate nwp has no frame at 1 of the 3 times" in str(last.forecast.attributes["comment"])
    (beside / "a.nc").unlink()
    rain[57:58].to_dataset().to_netcdf(folder / "57.nc", engine="h5netcdf")
    (last,) = follower.run(once=True)
    assert last.why.startswith("extrapolation in place of the model: ")
    assert "holds no file that can be read" in last.why
    with pytest.raises(ConfigError, match="was trained with covariates, and there are none"):
        Follower(run, str(folder), tmp_path / "other")
