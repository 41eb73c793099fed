"""Round trips: forecasts that are written as fields come back from `open_source` as they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography
from nextframe.frames.grid import Grid
from nextframe.frames.rain import convert_rain
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.source import open_source
from nextframe.frames.units import factor, same_unit
from nextframe.outputs.writers import save_forecast, writers
from tests.outputs.made import degrees, rain, stereographic

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # of rasterio's own transforms
]
HOUR = np.timedelta64(3600 * 10**9, "ns")
LIBRARIES = {".tif": ("rasterio", "pyproj"), ".grib2": ("eccodes", "pyproj"), ".h5": ("pyproj",)}
FIELDS = (".nc", ".zarr", ".tif", ".grib2", ".h5")
NAMES_OF_GRIB = {"rain_rate": "tprate", "rain_amount": "tp", "reflectivity": "rare"}
"""Names that GRIB has for what it holds; those of channels have no place there."""


def forecast(kind: str, grid: Grid | None = None, *, leads: int = 3) -> Forecast:
    made = rain(grid, leads=leads, members=4)
    match kind:
        case "rate":
            return made
        case "hourly sums":
            about = ({"standard_name": "rainfall_amount"},)
            return replace(
                made, variables=("rain_amount",), units=("mm",), variable_attributes=about, accumulation=(HOUR,)
            )
        case _:
            about = ({"standard_name": "equivalent_reflectivity_factor"},)
            return replace(made, variables=("reflectivity",), units=("dBZ",), variable_attributes=about)


def in_place(values: FloatArray, grid: Grid | None) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Values with rows from the south and columns from the west, and the longitudes and latitudes there."""
    assert grid is not None
    geography = Geography(grid)
    rows, columns = np.argsort(geography.y), np.argsort(geography.x)
    there = np.ix_(rows, columns)
    longitude, latitude = geography.lonlat()
    return values[..., rows, :][..., columns], longitude[there], latitude[there]


def hold_same(sequence: FrameSequence, made: Forecast, suffix: str) -> None:
    names = tuple(NAMES_OF_GRIB[name] if suffix == ".grib2" else name for name in made.variables)
    assert sequence.variables == names
    assert all(same_unit(unit, own) or factor(unit, own) for unit, own in zip(sequence.units, made.units, strict=True))
    scale = 1.0 if made.units == ("dBZ",) else factor(sequence.units[0], made.units[0])
    assert scale is not None
    assert sequence.times is not None
    np.testing.assert_array_equal(sequence.times, made.valid_time)
    stated = made.accumulation or (None,)
    assert [summed if summed is None else summed / HOUR for summed in sequence.accumulation] == [
        summed if summed is None else summed / HOUR for summed in stated
    ]
    values, longitude, latitude = in_place(sequence.read(0, len(sequence)) * np.float32(scale), sequence.grid)
    expected, x, y = in_place(made.values, made.grid)
    if suffix == ".grib2":  # packed to 24 bits
        np.testing.assert_allclose(values, expected, atol=2e-6 * float(np.nanmax(expected)))
    else:
        np.testing.assert_array_equal(values, expected)
    np.testing.assert_allclose(longitude, x, atol=2e-6)
    np.testing.assert_allclose(latitude, y, atol=2e-6)


def written(path: Path, made: Forecast, **beside: object) -> None:
    for module in LIBRARIES.get(path.suffix, ()):
        pytest.importorskip(module, reason=f"needs {module}")
    save_forecast(made, path, **beside)  # type: ignore[arg-type]


def test_every_format_of_fields_is_here() -> None:
    others = {".gif", ".mp4", ".png", ".npy", ".csv"}
    assert {writer.suffix for writer in writers()} - others == set(FIELDS)


@pytest.mark.parametrize("leads", [3, 1])
@pytest.mark.parametrize("make", [stereographic, degrees])
@pytest.mark.parametrize("kind", ["rate", "hourly sums", "reflectivity"])
@pytest.mark.parametrize("suffix", FIELDS)
def test_a_forecast_comes_back(tmp_path: Path, suffix: str, kind: str, make: type[Grid], leads: int) -> None:
    made = forecast(kind, make(north_up=False), leads=leads)  # type: ignore[call-arg]
    written(tmp_path / f"f{suffix}", made)
    (sequence,) = open_source(tmp_path / f"f{suffix}").sequences
    hold_same(sequence, made, suffix)
    assert not sequence.notes


@pytest.mark.parametrize("suffix", [suffix for suffix in FIELDS if suffix != ".zarr"])
def test_a_file_for_each_lead_time_comes_back_as_one_sequence(tmp_path: Path, suffix: str) -> None:
    made = forecast("hourly sums")
    written(tmp_path / f"f-{{lead}}{suffix}", made)
    (sequence,) = open_source(tmp_path).sequences
    hold_same(sequence, made, suffix)


@pytest.mark.parametrize("suffix", [suffix for suffix in FIELDS if suffix != ".h5"])
def test_what_says_how_sure_it_is_stands_beside_and_is_told(tmp_path: Path, suffix: str) -> None:
    made = forecast("hourly sums")
    path = tmp_path / f"f{suffix}"
    written(path, made, exceed=(1.0,), quantiles=(0.9,), members=True)
    source = open_source(path)
    hold_same(source.sequences[0], made, suffix)
    assert "without what describes it in the same file: " in source.notes[0]
    if suffix == ".grib2":  # whose members are sequences of their own
        for member, sequence in zip(made.require_members(), source.sequences[1:], strict=True):
            hold_same(sequence, replace(made, values=member), suffix)


@pytest.mark.parametrize("suffix", FIELDS)
def test_hourly_sums_that_come_back_are_the_same_rates(tmp_path: Path, suffix: str) -> None:
    made = forecast("hourly sums")
    written(tmp_path / f"f{suffix}", made)
    (sequence,) = open_source(tmp_path / f"f{suffix}").sequences
    rates = convert_rain(sequence, "mm/h")
    assert not rates.notes
    assert np.nanmax(rates.read(0, 3)) == pytest.approx(np.nanmax(made.values), rel=1e-5)


def test_probabilities_quantiles_and_members_of_a_geotiff_are_read_by_name(tmp_path: Path) -> None:
    made = forecast("hourly sums")
    written(path := tmp_path / "f.tif", made, exceed=(1.0,), quantiles=(0.9,), members=True)
    names = ("rain_amount_probability_1", "rain_amount_quantile_0.9", "rain_amount_member_2", "rain_amount")
    (sequence,) = open_source(path, variable=names).sequences
    assert sequence.shape[:2] == (3, 4)
    assert sequence.units == ("1", "mm", "mm", "mm")
    assert [summed == HOUR for summed in sequence.accumulation] == [False, True, True, True]
    expected = [made.probability(1.0), made.quantile(0.9), made.require_members()[1], made.values]
    frames = sequence.read(0, 3)
    for channel, field in enumerate(expected):
        np.testing.assert_array_equal(frames[:, channel], field[:, 0])


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".tif"])
def test_several_channels_with_accumulations_of_their_own_come_back(tmp_path: Path, suffix: str) -> None:
    one = forecast("hourly sums")
    made = replace(
        one,
        values=np.concatenate([one.values, one.values * 2, one.values + 280], axis=1),
        members=None,
        variables=("hourly", "daily", "temperature"),
        units=("mm", "mm", "K"),
        variable_attributes=({}, {}, {}),
        accumulation=(HOUR, 24 * HOUR, None),
    )
    written(path := tmp_path / f"f{suffix}", made)
    (sequence,) = open_source(path, variable=made.variables).sequences
    assert sequence.variables == made.variables
    assert sequence.accumulation == made.accumulation
    np.testing.assert_array_equal(sequence.read(0, 3), made.values)
