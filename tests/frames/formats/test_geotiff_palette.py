"""GeoTIFF pictures are turned back to the palette's values, and keep their place and time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe import open_source
from nextframe.errors import ConfigError, DataError, ShapeError

rasterio = pytest.importorskip("rasterio", reason="needs rasterio (extra geotiff)")

COLOURS = np.array([(0, 0, 0), (153, 0, 255), (255, 0, 0), (128, 128, 128)], np.uint8)
VALUES = np.array([0.0, 0.5, 2.0, np.nan], np.float32)
CSV = """# variable: rain_rate
# units: mm/h
#000000,0
#9900ff,0.5
255,0,0,2
grey,missing
"""
PLACE = {"crs": "EPSG:3035", "transform": rasterio.Affine(1000.0, 0.0, 300_000.0, 0.0, -1000.0, 900_000.0)}


def classes(steps: int = 1) -> np.ndarray:
    """Numbers of colours, (T, H, W)."""
    return np.random.default_rng(0).integers(0, len(COLOURS), (steps, 12, 16)).astype(np.uint8)


def rgb(numbers: np.ndarray, *more: np.ndarray) -> np.ndarray:
    """Bands of a frame's colours, (C, H, W)."""
    return np.stack([*np.moveaxis(COLOURS[numbers], -1, 0), *more])


def write(
    path: Path,
    bands: np.ndarray,
    *,
    table: dict[int, tuple[int, ...]] | None = None,
    kinds: tuple[Any, ...] = (),
    tags: dict[str, str] | None = None,
    band_tags: tuple[dict[str, str], ...] = (),
    **profile: Any,
) -> Path:
    """A GeoTIFF of bands (C, H, W)."""
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **{**PLACE, **profile}
    ) as file:
        if table:
            file.write_colormap(1, table)
        if kinds:
            file.colorinterp = kinds
        file.write(bands)
        file.update_tags(**(tags or {}))
        for n, said in enumerate(band_tags, 1):
            file.update_tags(n, **said)
    return path


@pytest.fixture
def palette(tmp_path: Path) -> Path:
    path = tmp_path / "palette.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def values(path: Path, palette: Path, **options: Any) -> np.ndarray:
    """Values of the first channel, (T, H, W)."""
    (sequence,) = open_source(path, palette=str(palette), **options).sequences
    return sequence.read(0, sequence.shape[0])[:, 0]


def test_pictures_become_values_at_their_place_and_time(folder: Path, palette: Path) -> None:
    numbers = classes(3)
    for n, frame in enumerate(numbers):
        write(folder / f"rain_2020013112{5 * n:02}.tif", rgb(frame), tags={"accumulation": "300 s"})
    (sequence,) = open_source(folder, palette=str(palette), time_format="%Y%m%d%H%M").sequences
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], VALUES[numbers])
    assert (sequence.variables, sequence.units, sequence.missing) == (("rain_rate",), ("mm/h",), "mask")
    assert sequence.accumulation == (np.timedelta64(300, "s"),)
    assert sequence.time_step == np.timedelta64(300, "s")
    plain = open_source(folder, time_format="%Y%m%d%H%M").sequences[0]
    assert plain.grid is not None
    assert sequence.grid is not None
    np.testing.assert_array_equal(sequence.grid.x, plain.grid.x)
    np.testing.assert_array_equal(sequence.grid.y, plain.grid.y)
    assert sequence.grid.mapping == plain.grid.mapping is not None


def test_colours_by_a_table_are_looked_up_through_it(folder: Path, palette: Path) -> None:
    numbers = classes(3)
    orders = (np.array([0, 1, 2, 3]), np.array([3, 1, 0, 2]))
    for n, order in enumerate(orders):  # each file has a table of its own
        table = {int(order[m]) + 7: tuple(COLOURS[m].tolist()) for m in range(4)}
        write(folder / f"{n}.tif", (order[numbers[n]] + 7).astype(np.uint8)[None], table=table)
    write(folder / "2.tif", rgb(numbers[2]))
    np.testing.assert_array_equal(values(folder, palette), VALUES[numbers])


@pytest.mark.parametrize("clear", [None, 9.0])
def test_what_is_masked_is_transparent(folder: Path, palette: Path, clear: float | None) -> None:
    numbers = classes()[0]
    expected = VALUES[numbers]
    expected[2:5, 3] = np.nan if clear is None else clear
    if clear is not None:
        palette.write_text(f"{CSV}transparent,{clear}\n")
    opacity = np.full((12, 16), 255, np.uint8)
    opacity[2:5, 3] = 0
    opacity[8, 8] = 1  # hardly to be seen, and there
    write(folder / "alpha.tif", rgb(numbers, opacity))
    write(folder / "both.tif", rgb(numbers, opacity), nodata=77)
    marked = np.where(opacity > 0, rgb(numbers), 7).astype(np.uint8)
    write(folder / "nodata.tif", marked, nodata=7)
    index = np.where(opacity > 0, numbers, 9).astype(np.uint8)
    table = {n: tuple(colour.tolist()) for n, colour in enumerate(COLOURS)}
    write(folder / "table.tif", index[None], table=table, nodata=9)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(folder / "mask.tif", rgb(numbers))
        with rasterio.open(folder / "mask.tif", "r+") as file:
            file.write_mask(opacity > 0)
    for path in sorted(folder.iterdir()):
        np.testing.assert_array_equal(values(path, palette)[0], expected, err_msg=path.name)


def test_a_colour_that_has_no_share_of_a_band_is_no_gap(folder: Path, palette: Path) -> None:
    numbers = classes()[0]
    path = write(folder / "a.tif", rgb(numbers), nodata=0)  # which is all of black, and the green of red
    np.testing.assert_array_equal(values(path, palette)[0], np.where(numbers == 0, np.nan, VALUES[numbers]))


def test_grey_bands_are_pictures_and_steps_too(folder: Path, palette: Path) -> None:
    palette.write_text("#000000,0\n#0a0a0a,1\n#141414,2\n#1e1e1e,missing\n")
    numbers = classes(3)
    told = tuple({"valid_time": f"2020-01-31T12:{10 * n:02}:00Z"} for n in range(3))
    path = write(folder / "a.tif", numbers * np.uint8(10), band_tags=told)
    np.testing.assert_array_equal(values(path, palette), np.array([0, 1, 2, np.nan], np.float32)[numbers])


def test_bands_are_read_by_the_colours_that_they_say(folder: Path, palette: Path) -> None:
    red, green, blue, undefined = (rasterio.enums.ColorInterp[k] for k in ("red", "green", "blue", "undefined"))
    numbers = classes()[0]
    turned = write(folder / "bgr.tif", rgb(numbers)[::-1], kinds=(blue, green, red))
    np.testing.assert_array_equal(values(turned, palette)[0], VALUES[numbers])
    infrared = rgb(numbers, np.full((12, 16), 50, np.uint8))
    more = write(folder / "more.tif", infrared, kinds=(red, green, blue, undefined), alpha="no")
    with pytest.raises(ShapeError, match=r"other bands than those of a picture .*red, green, blue, band4.*variable"):
        open_source(more, palette=str(palette))
    np.testing.assert_array_equal(values(more, palette, variable=("red", "green", "blue"))[0], VALUES[numbers])


def test_a_legend_outside_of_the_cut_needs_no_values(folder: Path, palette: Path) -> None:
    numbers = classes()[0]
    picture = rgb(numbers)
    picture[:, :2] = 200
    path = write(folder / "a.tif", picture)
    with pytest.raises(DataError, match=r"frame 0 of .*a.tif: has a colour that the palette lacks .*#c8c8c8 in 32 pix"):
        values(path, palette)
    np.testing.assert_array_equal(values(path, palette, crop=(2, 3, 8, 9))[0], VALUES[numbers][2:10, 3:12])


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_numbers_of_more_than_8_bits_are_no_colours(folder: Path, palette: Path, dtype: str) -> None:
    path = write(folder / "a.tif", classes().astype(dtype))
    with pytest.raises(DataError, match=rf"no colours of 8 bits .*expected uint8, received {dtype}.*leave out palette"):
        open_source(path, palette=str(palette))
    with pytest.raises(ConfigError, match="palette: cannot read"):
        open_source(path, palette=str(folder / "none.csv"))
