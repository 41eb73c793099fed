"""Frames in other units, picked, averaged to cover the whole grid, and interpolated back."""

import numpy as np
import pytest

from nextframe.frames.convert import coarsen_whole, convert_units, picked, refine
from nextframe.frames.footprint import Footprint, pixel_of
from nextframe.frames.grid import Grid
from nextframe.frames.rain import rain_rate
from nextframe.frames.sequence import FrameSequence


def sequence(values: np.ndarray, *units: str, **facts: object) -> FrameSequence:
    return FrameSequence(values=values, name="frames", units=units, **facts)  # type: ignore[arg-type]


def test_units_by_factor_offset_and_relation() -> None:
    both = np.stack([np.full((3, 2, 2), 20.0), np.full((3, 2, 2), 1013.0)], axis=1)
    converted = convert_units(sequence(both, "degC", "hPa"), ("K", "Pa"))
    assert converted is not None
    assert converted.units == ("K", "Pa")
    np.testing.assert_allclose(converted.read(0, 3)[2, :, 0, 0], [293.15, 101300.0])
    echo = np.full((2, 1, 2, 2), 40.0, np.float32)
    rates = convert_units(sequence(echo, "dBZ"), ("mm/h",))
    assert rates is not None
    np.testing.assert_allclose(rates.read(0, 2), rain_rate(echo))
    wet = convert_units(sequence(np.full((2, 1, 2, 2), 1 / 3.6e6), "m s-1"), ("mm/h",))
    assert wet is not None
    np.testing.assert_allclose(wet.read(0, 1), 1.0, rtol=1e-5)


def test_what_has_no_unit_or_the_same_stays_and_what_is_of_another_kind_is_refused() -> None:
    plain = sequence(np.ones((2, 1, 2, 2)), "1")
    assert convert_units(plain, ("mm/h",)) is plain
    rates = sequence(np.ones((2, 1, 2, 2)), "mm h-1")
    assert convert_units(rates, ("mm/h",)) is rates
    assert convert_units(sequence(np.ones((2, 1, 2, 2)), "K"), ("mm/h",)) is None
    assert convert_units(sequence(np.ones((2, 1, 2, 2)), "mm/h"), ("K",)) is None


def test_picked_frames_keep_their_times() -> None:
    times = np.datetime64("2020-01-01", "ns") + np.arange(6) * np.timedelta64(5, "m")
    some = picked(sequence(np.arange(6.0).reshape(6, 1, 1, 1), "1", times=times), [1, 3, 5])
    assert some.read(0, 3).ravel().tolist() == [1, 3, 5]
    assert some.time_step == np.timedelta64(10, "m")
    assert some[1:].read(0, 2).ravel().tolist() == [3, 5]


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (3, 2), (1, 1)])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_blocks_cover_the_grid_and_lead_back_to_it(size: tuple[int, int], factor: int) -> None:
    y, x = np.mgrid[: size[0], : size[1]]
    plane = (2.0 * y + x).astype(np.float32)[None, None]
    coarse = coarsen_whole(sequence(plane, "1"), factor)
    assert coarse.shape[2:] == (-(-size[0] // factor), -(-size[1] // factor))
    fine = refine(coarse.read(0, 1), factor, size)
    assert fine.shape == plane.shape
    assert plane.min() - 1e-5 <= fine.min()
    assert fine.max() <= plane.max() + 1e-5
    inside = (slice(None), slice(None), slice(factor, -2 * factor or None), slice(factor, -2 * factor or None))
    np.testing.assert_allclose(fine[inside], plane[inside], atol=1e-4)  # a plane is interpolated exactly


def test_a_gap_does_not_spread_over_its_neighbours() -> None:
    coarse = np.ones((1, 4, 4), np.float32)
    coarse[0, 0, 0] = np.nan
    fine = refine(coarse, 4, (16, 16))
    assert np.isnan(fine[0, 0, 0])
    np.testing.assert_allclose(fine[np.isfinite(fine)], 1)
    assert np.isfinite(fine[0, 2:, 2:]).all()


def test_the_size_of_pixels_is_told_by_their_coordinates() -> None:
    def pixel(unit: str, *, step: float = 1.0, first: float = 0.0) -> float | None:
        axis = np.linspace(first, first + 4 * step, 5, dtype=np.float64)
        grid = Grid(y=axis[::-1], x=axis, y_attributes={"units": unit}, x_attributes={"units": unit})
        return pixel_of(sequence(np.zeros((1, 1, 5, 5)), "1", grid=grid))

    assert pixel("km") == pytest.approx(1000)
    assert pixel("m", step=500) == pytest.approx(500)
    assert pixel("") is None
    assert pixel_of(sequence(np.zeros((1, 1, 5, 5)), "1")) is None
    assert pixel("degrees_north", step=0.01, first=60.0) == pytest.approx(1111.95 * np.sqrt(0.5), rel=1e-3)


def test_of_several_sources_a_footprint_tells_what_they_have_in_common() -> None:
    def radar(origin: str, step: float) -> FrameSequence:
        axis = np.arange(5.0) * step
        grid = Grid(y=axis, x=axis, y_attributes={"units": "km"}, x_attributes={"units": "km"})
        return sequence(np.zeros((1, 1, 5, 5)), "1", grid=grid, origin=origin)

    assert Footprint.of(radar("", 2.0), radar("", 2.0)).ends == (0.0, 8.0, 0.0, 8.0)
    assert Footprint.of(radar("a", 2.0), radar("b", 2.2)).pixel == pytest.approx(2000.0)
    assert Footprint.of(radar("a", 2.0), radar("b", 1.0)) == Footprint()
