"""Bad input of the formats of operations: one sentence, exit status 2, and a folder that is as it was."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe.cli import main
from nextframe.outputs.writers import save_forecast
from tests.frames.test_together import radar
from tests.outputs.made import degrees, rain

PALETTE = "# variable: rain_rate\n# units: mm/h\n#ffffff,0\n#0000ff,1\n"


def truncated_grib(folder: Path) -> list[str]:
    pytest.importorskip("eccodes", reason="needs ecCodes (extra grib)")
    save_forecast(rain(degrees()), path := folder / "a.grib2")
    path.write_bytes(path.read_bytes()[:-50])
    return ["--input", str(path)]


def double_times(folder: Path) -> list[str]:
    pytest.importorskip("eccodes", reason="needs ecCodes (extra grib)")
    save_forecast(rain(degrees()), path := folder / "a.grib2")
    path.write_bytes(path.read_bytes() * 2)
    return ["--input", str(path)]


def palette_without_a_colour(folder: Path) -> list[str]:
    (folder / "colours.csv").write_text(PALETTE)
    (folder / "pictures").mkdir()
    colours = np.array([(255, 255, 255), (0, 0, 255), (255, 0, 0)], np.uint8)
    for n in range(6):
        frame = np.random.default_rng(n).integers(0, 3, (16, 16))
        Image.fromarray(colours[frame]).save(folder / "pictures" / f"{n}.png")
    return ["--input", str(folder / "pictures"), "--palette", str(folder / "colours.csv")]


def points_outside(folder: Path) -> list[str]:
    pytest.importorskip("pyproj", reason="needs pyproj (extra radar)")
    save_forecast(rain(degrees()), folder / "a.nc")
    (folder / "places.csv").write_text("name,lat,lon\nHere,50.5,4.5\nSydney,-33.9,151.2\n")
    return ["--input", str(folder / "a.nc"), "--points", str(folder / "places.csv"), "--out", str(folder / "p.csv")]


def missing_library(folder: Path) -> list[str]:
    save_forecast(rain(degrees()), folder / "a.nc")
    (folder / "b.grib2").write_bytes(b"GRIB")
    return ["--input", str(folder / "b.grib2")]


def truncated_geotiff(folder: Path) -> list[str]:
    pytest.importorskip("rasterio", reason="needs rasterio (extra geotiff)")
    save_forecast(rain(degrees()), path := folder / "a.tif")
    path.write_bytes(path.read_bytes()[:-100])
    return ["--input", str(path)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of rasterio's own transforms
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (truncated_grib, "the file is truncated"),
        (double_times, "holds tprate at 2020-06-01T12:05:00, as message 0 does"),
        (palette_without_a_colour, "#ff0000"),
        (points_outside, "Sydney"),
        (missing_library, "pip install 'nextframe[grib]'"),
        (truncated_geotiff, "cannot be read as GeoTIFF"),
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], list[str]],
    said: str,
) -> None:
    given = make(tmp_path)
    if make is missing_library:
        monkeypatch.setitem(sys.modules, "eccodes", None)
    before = contents(tmp_path)
    out = [] if "--out" in given else ["--out", str(tmp_path / "next.nc")]
    assert main(["forecast", "persistence", *given, *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_sources_of_unlike_units_are_a_sentence_and_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [radar(tmp_path / "rain.nc"), radar(tmp_path / "heat.nc", unit="K", name="rain_rate")]
    before = contents(tmp_path)
    data = [token for path in paths for token in ("--data", str(path))]
    assert main(["train", "stacked", *data, "--out", str(tmp_path / "run"), "--no-progress"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "heat.nc: cannot be brought to the unit of" in line
    assert contents(tmp_path) == before
    assert not (tmp_path / "run").exists()
