"""Names that are patterns, and several files at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextframe.cli import main
from nextframe.errors import ConfigError
from nextframe.frames.source import open_source
from nextframe.outputs.writers import check_output, save_forecast
from tests.outputs.made import rain


def test_a_pattern_of_the_initial_time_is_one_file(tmp_path: Path) -> None:
    (written,) = save_forecast(rain(), tmp_path / "{init:%Y}" / "{init:%Y%m%d%H%M}-{forecaster}.npy")
    assert written == tmp_path / "2020" / "202006011200-model.npy"
    assert np.load(written).shape == (3, 1, 12, 16)


def test_a_pattern_of_the_lead_time_is_a_file_of_each(tmp_path: Path) -> None:
    made = rain()
    written = save_forecast(made, tmp_path / "f-{valid}-{lead}.npy")
    assert [path.name for path in written] == [f"f-20200601T12{n:02d}-{n:03d}.npy" for n in (5, 10, 15)]
    for lead, path in enumerate(written):
        np.testing.assert_array_equal(np.load(path), made.values[lead : lead + 1])


def test_of_several_files_all_are_written_or_none(tmp_path: Path) -> None:
    nowhere = replace(rain(), grid=None)
    names = ["f.nc", "f-{lead}.npy", "f.zarr", "f.h5", "f.npy"]
    with pytest.raises(ConfigError, match=r"projection to be written as ODIM"):
        save_forecast(nowhere, [tmp_path / name for name in names])
    assert list(tmp_path.iterdir()) == []
    files = save_forecast(rain(), [tmp_path / name for name in ("f.nc", "f.zarr", "f.nc", "f.h5")])
    assert [file.name for file in files] == ["f.nc", "f.zarr", "f.h5"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["f.h5", "f.nc", "f.zarr"]


def test_several_files_take_each_what_they_hold(tmp_path: Path) -> None:
    paths = [tmp_path / "f.nc", tmp_path / "f.npy"]
    assert save_forecast(rain(), paths, members=True) == paths
    assert np.load(paths[1]).shape == (3, 1, 12, 16)
    with pytest.raises(ConfigError, match="has no place for points"):
        check_output(paths, points="places.csv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("f-{month}.nc", r"field that no forecast fills in.*\{init\}"),
        ("f-{init.nc", "no pattern"),
        ("f-{valid:%Y}.nc", "several lead times one name"),
        ("f-{lead:%Y}.nc", "no way to write lead"),
    ],
)
def test_patterns_without_a_meaning_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        save_forecast(rain(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_times_a_pattern_of_times_is_refused(tmp_path: Path) -> None:
    made = replace(rain(), init_time=None, time_step=None)
    with pytest.raises(ConfigError, match="names the time of the last frame seen"):
        save_forecast(made, tmp_path / "{init}.nc")
    written = save_forecast(made, tmp_path / "{lead}.npy")
    assert [path.name for path in written] == ["001.npy", "002.npy", "003.npy"]


def test_the_command_line_writes_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = [str(tmp_path / "f.npy"), str(tmp_path / "{number}.nc"), str(tmp_path / "store.zarr")]
    options = [token for path in out for token in ("--out", path)]
    source = "squares:movies=1,seed=7,frames=6,size=16"
    assert main(["forecast", "squares-stacked", "--input", source, "--lead-times", "2", *options]) == 0
    assert "and" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001.nc", "002.nc", "f.npy", "store.zarr"]
    values = np.load(tmp_path / "f.npy")
    np.testing.assert_array_equal(open_source(tmp_path / "002.nc").sequences[0].read(0, 1)[0], values[1])
