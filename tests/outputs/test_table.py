"""The table of output formats: what each holds, what is refused before the work, and odd sizes, names and texts."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageSequence

from nextframe.cli import main
from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.outputs import writers as output
from nextframe.outputs.writer import Beside, Writer
from nextframe.outputs.writers import check_output, save_forecast, suffixes, writers
from nextframe.report.colours import mapped


def forecast(height: int, width: int, unit: str = "1", largest: float = 1.0) -> Forecast:
    values = (np.random.default_rng(0).random((2, 1, height, width)) * largest).astype(np.float32)
    return Forecast(values=values, forecaster="model", units=(unit,))


@pytest.mark.parametrize("name", ["X.NPY", "x.Npy"])
def test_an_array_has_the_name_that_was_asked_for(tmp_path: Path, name: str) -> None:
    made = forecast(3, 4)
    save_forecast(made, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(np.load(tmp_path / name), made.values)


@pytest.mark.parametrize("suffix", [".GIF", ".MP4", ".PNG", ".NC"])
def test_suffixes_are_known_in_capitals(tmp_path: Path, suffix: str) -> None:
    save_forecast(forecast(12, 12), tmp_path / f"f{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"f{suffix}"]
    assert (tmp_path / f"f{suffix}").stat().st_size > 100


@pytest.mark.parametrize(("height", "width"), [(16, 512), (512, 16), (1, 1000), (1000, 1), (1, 1), (9, 5000)])
@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.slow
def test_narrow_frames_are_enlarged_within_bounds(tmp_path: Path, suffix: str, height: int, width: int) -> None:
    made = forecast(height, width)
    path = tmp_path / f"f{suffix}"
    save_forecast(made, path, past=made.values, truth=made.values)
    if suffix == ".gif":
        with Image.open(path) as picture:
            sides, number = picture.size, sum(1 for _ in ImageSequence.Iterator(picture))
    else:
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
            sides, number = (frames[0].width, frames[0].height), len(frames)
    assert number == 4
    assert max(sides) <= 4096
    assert [side % 2 for side in sides] == [0, 0]


@pytest.mark.slow
def test_a_gif_loads_neither_matplotlib_nor_xarray() -> None:
    code = (
        "import sys, tempfile, numpy as np\n"
        "from nextframe.forecasting.forecast import Forecast\n"
        "from nextframe.outputs.writers import save_forecast\n"
        "values = np.random.rand(2, 1, 9, 9).astype('f4')\n"
        "save_forecast(Forecast(values=values, forecaster='model'), tempfile.mkdtemp() + '/f.gif', past=values)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"matplotlib", "xarray", "imageio", "scipy", "torch", "av", "rich"} & loaded


def test_what_a_format_has_no_place_for_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"NumPy array has no place for probabilities; leave out exceed=.*\.gif"):
        check_output(tmp_path / "f.npy", exceed=(0.5,))
    for name, asked in (("f.gif", {"coverage": 0.9}), ("f.png", {"members": True})):
        with pytest.raises(ConfigError, match=r"has no place for .*write to a file that ends in \.nc, \.zarr"):
            check_output(tmp_path / name, **asked)
    with pytest.raises(ConfigError, match="must be between 0 and 1"):
        check_output(tmp_path / "f.nc", coverage=1.5)
    assert check_output(tmp_path / "f.nc", exceed=(1.0,), coverage=0.9, members=True).name == "NetCDF"


def test_the_command_line_asks_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["forecast", "no-such-run", "--out", str(tmp_path / "f.gif"), "--members"]) == 2
    assert "GIF has no place for members; leave out --members" in capsys.readouterr().err
    assert main(["forecast", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert ".gif, .mp4, .png, .npy, .nc, .zarr, .tif, .grib2, .h5 or .csv" in text


def test_a_row_is_all_that_a_format_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(made: Forecast, path: Path, beside: Beside) -> None:
        path.write_text(f"{made.lead_times} {beside.members}")

    row = Writer(name="text", suffix=".txt", write=write, holds=frozenset({"members"}))
    rows = (*writers(), row)
    monkeypatch.setattr(output, "writers", lambda: rows)
    save_forecast(forecast(4, 4), tmp_path / "f.txt", members=True)
    assert (tmp_path / "f.txt").read_text() == "2 True"
    assert suffixes("members")[-1] == ".txt"


@pytest.mark.parametrize("error", [RuntimeError("unable to close file: No space left on device"), OSError(28, "full")])
def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def write(made: Forecast, path: Path, beside: Beside) -> None:
        raise error

    row = replace(writers()[0], suffix=".nc", write=write)
    monkeypatch.setattr(output, "writers", lambda: (row,))
    with pytest.raises(ConfigError, match="cannot be written"):
        save_forecast(forecast(4, 4), tmp_path / "f.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".png", ".npy", ".nc", ".zarr", ".tif"])
@pytest.mark.parametrize("room", [0, 600])
def test_nothing_is_left_where_a_disk_is_full(tmp_path: Path, suffix: str, room: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)  # a file that may not grow is what a full disk is
    save_forecast(forecast(40, 40), tmp_path / f"whole{suffix}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            save_forecast(forecast(40, 40), tmp_path / f"f{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = {path.name for path in tmp_path.iterdir()} - {f"whole{suffix}"}
    assert not left or suffix == ".zarr"  # which is appended to


@pytest.mark.parametrize("unit", ["[mm/h]", "[/]", r"$\degC$", "a\x1b[31mb", "$"])
@pytest.mark.parametrize("suffix", [".png", ".gif"])
@pytest.mark.slow
def test_units_are_shown_as_they_are(tmp_path: Path, unit: str, suffix: str) -> None:
    made = replace(forecast(12, 12, largest=40.0), units=(unit,), forecaster=f"_{unit}")
    save_forecast(made, tmp_path / f"f{suffix}", truth=made.values)
    assert (tmp_path / f"f{suffix}").stat().st_size > 100


@pytest.mark.parametrize("name", ["gray", "viridis", "RdBu_r", "magma"])
def test_colours_are_those_of_matplotlib(name: str) -> None:
    shares = np.linspace(0, 1, 1001)
    np.testing.assert_array_equal(mapped(name, shares), np.round(mpl.colormaps[name](shares)[:, :3] * 255))
