"""Zarr: forecasts one after the other, of which a reader never sees a half."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from nextframe.errors import ConfigError
from nextframe.frames.radar.place import grid_within
from nextframe.outputs import zarr_store
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import STEREO, rain


def files(store: Path) -> dict[str, tuple[int, int]]:
    """Every file of the store that holds values, with its number and time of change."""
    chunks = [path for path in store.rglob("*") if path.is_file() and "c" in path.relative_to(store).parts]
    return {str(path.relative_to(store)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in chunks}


@pytest.mark.slow
def test_forecasts_are_added_one_after_the_other(tmp_path: Path) -> None:
    made = [rain(hour=hour, seed=hour) for hour in (3, 4, 2)]
    store = tmp_path / "f.zarr"
    for forecast in made:
        save_forecast(forecast, store, exceed=(0.5, 5.0), quantiles=(0.5,), members=True)
    with xr.open_zarr(store, consolidated=True) as dataset:
        assert dataset["rain_rate"].dims == ("init_time", "lead_time", "y", "x")
        assert dataset["rain_rate_member"].dims == ("init_time", "member", "lead_time", "y", "x")
        np.testing.assert_array_equal(
            dataset["init_time"].values, [np.datetime64(forecast.init_time) for forecast in made]
        )
        for n, forecast in enumerate(made):
            np.testing.assert_array_equal(dataset["rain_rate"].values[n], forecast.values[:, 0])
            np.testing.assert_array_equal(dataset["rain_rate_member"].values[n], forecast.require_members()[:, :, 0])
            np.testing.assert_array_equal(
                dataset["rain_rate_probability"].values[n, 1], forecast.probability(5.0)[:, 0]
            )
            np.testing.assert_array_equal(dataset["valid_time"].values[n], forecast.valid_time)
        np.testing.assert_allclose(dataset["x"].values, made[0].grid.x if made[0].grid else 0)
        assert dataset["crs"].attrs["grid_mapping_name"] == "polar_stereographic"
    group = zarr.open_group(store, mode="r")
    assert group.metadata.zarr_format == 3
    assert group.metadata.consolidated_metadata is not None
    with xr.open_zarr(store, consolidated=False) as dataset:
        assert dataset.sizes["init_time"] == 3


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = tmp_path / "f.zarr"
    for hour in (1, 2):
        save_forecast(rain(hour=hour), store)
    before = files(store)
    save_forecast(rain(hour=3), store)
    after = files(store)
    changed = {name for name in before if after[name] != before[name]}
    assert {name.split("/")[0] for name in changed} == {"init_time", "valid_time"}  # a chunk of many times
    assert len(after) == len(before) + 1


def test_times_go_on_in_a_further_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_store, "_TIMES", 2)
    made = [rain(hour=hour, seed=hour) for hour in range(5)]
    for forecast in made:
        save_forecast(forecast, tmp_path / "f.zarr")
    with xr.open_zarr(tmp_path / "f.zarr") as dataset:
        hours = (dataset["init_time"].values - np.datetime64("2020-06-01")) / np.timedelta64(1, "h")
        assert hours.tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(dataset["valid_time"].values[4], made[4].valid_time)


def test_earlier_forecasts_are_whole_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at before and after each change that is made to the folder while a forecast is added."""
    store = tmp_path / "f.zarr"
    first = rain(hour=1)
    save_forecast(first, store)
    looks = 0

    def looking(change: Any) -> Any:
        def changed(*arguments: Any, **options: Any) -> Any:
            nonlocal looks
            look()
            done = change(*arguments, **options)
            look()
            looks += 1
            return done

        return changed

    def look() -> None:
        with xr.open_zarr(store) as dataset:
            np.testing.assert_array_equal(dataset["init_time"].values[0], np.datetime64(first.init_time))
            np.testing.assert_array_equal(dataset["valid_time"].values[0], first.valid_time)
            np.testing.assert_array_equal(dataset["rain_rate"].values[0], first.values[:, 0])
            assert not np.isnat(dataset["valid_time"].values).any()

    for owner, name in ((Path, "replace"), (Path, "unlink"), (shutil, "rmtree"), (os, "unlink")):
        monkeypatch.setattr(owner, name, looking(getattr(owner, name)))
    save_forecast(rain(hour=2, seed=1), store)
    assert looks >= 6  # three chunks, three descriptions


@pytest.mark.parametrize("stage", ["_move", "write_text", "_publish"])
@pytest.mark.slow
def test_a_failure_on_the_way_is_not_seen_and_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    store = tmp_path / "f.zarr"
    save_forecast(rain(hour=1), store)
    whole = getattr(zarr_store, stage)

    def fail(*arguments: object) -> None:
        if stage == "_move":
            whole(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zarr_store, stage, fail)
        with pytest.raises(KeyboardInterrupt):
            save_forecast(rain(hour=2, seed=1), store)
    with xr.open_zarr(store) as dataset:
        assert dataset.sizes["init_time"] == 1
        np.testing.assert_array_equal(dataset["rain_rate"].values[0], rain(hour=1).values[:, 0])
    save_forecast(rain(hour=3, seed=2), store)
    with xr.open_zarr(store) as dataset:
        np.testing.assert_array_equal(dataset["rain_rate"].values[1], rain(hour=3, seed=2).values[:, 0])
    assert [path.name for path in tmp_path.iterdir()] == ["f.zarr"]


WRITER = """
import sys
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import rain
for n in range(int(sys.argv[2]), 10_000):
    save_forecast(rain(hour=n, seed=n, members=2), sys.argv[1])
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_reader_meets_whole_forecasts_while_writers_are_killed(tmp_path: Path) -> None:
    store = tmp_path / "f.zarr"
    save_forecast(rain(hour=0, seed=0, members=2), store)
    done = 1
    root = str(Path(__file__).parents[2])
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(store), str(done)],
            stdout=subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": root},
        ) as writer:  # fmt: skip
            assert writer.stdout is not None
            assert writer.stdout.readline()
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                with xr.open_zarr(store) as dataset:
                    values, count = dataset["rain_rate"].values, dataset.sizes["init_time"]
                    assert count >= done
                    for n in range(max(done - 1, 0), count):
                        hour = int(
                            (dataset["init_time"].values[n] - np.datetime64("2020-06-01")) / np.timedelta64(1, "h")
                        )
                        np.testing.assert_array_equal(values[n], rain(hour=hour, seed=hour, members=2).values[:, 0])
                    done = count
            writer.send_signal(signal.SIGKILL)
        with xr.open_zarr(store) as dataset:
            done = dataset.sizes["init_time"]
    assert done > 3


def test_forecasts_of_another_kind_are_refused_and_change_nothing(tmp_path: Path) -> None:
    store = tmp_path / "f.zarr"
    save_forecast(rain(hour=1), store)
    index = (store / "zarr.json").read_bytes()
    grid = grid_within((0, 320, 0, 240), (12, 16), "km", STEREO)
    for other, options, message in (
        (rain(hour=2, leads=4), {}, "shape of"),
        (rain(hour=2), {"members": True}, "other variables"),
        (rain(hour=2, unit="dBZ"), {}, "unit of rain_rate"),
        (replace(rain(hour=2), grid=grid), {}, "expected .* to "),
        (rain(hour=1), {}, "a forecast of 2020-06-01T01:00 already"),
    ):
        with pytest.raises(ConfigError, match=message):
            save_forecast(other, store, **options)  # type: ignore[arg-type]
    assert (store / "zarr.json").read_bytes() == index
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group"}))
    with pytest.raises(ConfigError, match="not made by this package"):
        save_forecast(rain(), tmp_path / "other.zarr")


def test_a_store_of_sums_from_before_their_bounds_were_written_grows_on(tmp_path: Path) -> None:
    hour = np.timedelta64(1, "h")
    made = [replace(rain(hour=n, seed=n), variables=("rain",), units=("mm",), accumulation=(hour,)) for n in (3, 4)]
    store = tmp_path / "f.zarr"
    save_forecast(made[0], store)
    shutil.rmtree(store / "valid_time_bnds")
    index = json.loads((store / "zarr.json").read_text())
    del index["consolidated_metadata"]["metadata"]["valid_time_bnds"]
    (store / "zarr.json").write_text(json.dumps(index))
    save_forecast(made[1], store)
    with xr.open_zarr(store) as dataset:
        assert "valid_time_bnds" not in dataset
        for n, forecast in enumerate(made):
            np.testing.assert_array_equal(dataset["rain"].values[n], forecast.values[:, 0])


def test_frames_without_times_are_numbered(tmp_path: Path) -> None:
    made = replace(rain(), init_time=None, time_step=None, grid=None)
    for _ in range(2):
        save_forecast(made, tmp_path / "f.zarr")
    with xr.open_zarr(tmp_path / "f.zarr") as dataset:
        assert dataset["rain_rate"].shape == (2, 3, 12, 16)
    shutil.rmtree(tmp_path / "f.zarr")
