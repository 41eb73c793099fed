"""Limits of variables: told by the unit, by what piles up in the training part, and by manifests that keep none."""

import numpy as np
import pytest

from nextframe.data.limits import Limits, derived_limits, measured_limits
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.statistics import FrameStatistics, measure_spans
from nextframe.frames.sequence import FrameSequence


def statistics(*channels: np.ndarray) -> FrameStatistics:
    """Of frames of 20 x 20 pixels."""
    values = np.stack([np.asarray(c, np.float32).reshape(-1, 20, 20) for c in channels], axis=1)
    sequence = FrameSequence(values=values, name="frames", missing="mask")
    return measure_spans([Span(sequence, 0, len(sequence))])


DRAW = np.random.default_rng(0)
RAIN = DRAW.gamma(0.3, 2, 4000).clip(0.25, None) - 0.25
RAIN[(RAIN > 0) & (RAIN < 0.1)] = 0
ECHO = np.where(RAIN > 0, 10 * np.log10(200 * np.maximum(RAIN, 0.1) ** 1.6), -32.0)
BROAD = DRAW.normal(280, 10, 4000)
COVER = DRAW.uniform(-40, 140, 4000).clip(0, 100)


@pytest.mark.parametrize("unit", ["mm/h", "kg m-2 s-1", "mm"])
def test_rain_is_never_negative_and_less_than_was_measured_is_none(unit: str) -> None:
    limits = measured_limits(statistics(RAIN), (unit,))
    assert (limits.low, limits.high) == ((0.0,), (None,))
    (least,) = limits.least
    assert least is not None
    assert RAIN[RAIN > 0].min() <= least < 0.12


def test_what_averaging_leaves_beside_rain_is_none() -> None:
    haze = np.where(RAIN > 0, RAIN, DRAW.uniform(1e-4, 1e-3, RAIN.shape))
    (least,) = measured_limits(statistics(haze), ("mm/h",)).least
    assert least is not None
    assert least >= 0.1  # two pixels in three have a thousandth of the rain
    assert haze[haze < least].sum() <= 0.001 * haze.sum()


def test_rain_that_was_always_there_is_not_negative_either() -> None:
    assert measured_limits(statistics(RAIN + 3), ("mm/h",)).low == (0.0,)


def test_no_echo_is_the_least_of_reflectivities() -> None:
    limits = measured_limits(statistics(ECHO), ("dBZ",))
    assert limits.low == (-32.0,)
    held = limits.hold(np.array([[[-40.0, -10.0, 30.0]]], np.float32))
    assert held.ravel().tolist() == [-32.0, -32.0, 30.0]
    assert measured_limits(statistics(BROAD - 280), ("dBZ",)) == Limits(low=(None,), high=(None,), least=(None,))


def test_bytes_fractions_and_per_cent() -> None:
    grey = DRAW.integers(20, 200, 4000)
    assert measured_limits(statistics(grey), ("1",), eight_bit=True) == Limits(low=(0.0,), high=(255.0,), least=(None,))
    assert measured_limits(statistics(DRAW.uniform(0.1, 0.8, 4000)), ("1",)).high == (1.0,)
    mask = DRAW.integers(0, 2, 4000)
    assert measured_limits(statistics(mask), ("1",), eight_bit=True).high == (1.0,)
    assert measured_limits(statistics(DRAW.uniform(20, 80, 4000)), ("%",)).high == (100.0,)


def test_what_piles_up_at_an_extreme_is_a_limit_and_what_occurs_there_is_none() -> None:
    limits = measured_limits(statistics(BROAD, COVER), ("K", "percent of sky"))
    assert limits == Limits(low=(None, 0.0), high=(None, 100.0), least=(None, None))
    values = np.stack([np.full((2, 2), 500.0), np.full((2, 2), 500.0)]).astype(np.float32)
    assert limits.hold(values)[:, 0, 0].tolist() == [500.0, 100.0]


def test_winds_have_no_limit_at_zero() -> None:
    assert measured_limits(statistics(BROAD - 280), ("m s-1",)).low == (None,)


def test_manifests_that_keep_none_have_them_from_unit_and_normalisation() -> None:
    log = Normaliser(method="log", offset=(0.5,), scale=(2.0,), bend=(0.3,))
    assert derived_limits(log, ("mm/h",), chosen=True).low == (0.0,)
    assert derived_limits(log, ("1",), chosen=False).low == (None,)
    grey = Normaliser(method="range", offset=(0.0,), scale=(255.0,))
    assert derived_limits(grey, ("1",), chosen=True) == Limits(low=(0.0,), high=(255.0,), least=(None,))
    same = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    assert derived_limits(same, ("1",), chosen=True).high == (1.0,)
    assert derived_limits(same, ("1",), chosen=False).high == (None,)
    warm = Normaliser(method="standard", offset=(280.0,), scale=(10.0,))
    assert derived_limits(warm, ("K",), chosen=True) == Limits(low=(None,), high=(None,), least=(None,))


@pytest.mark.parametrize(
    "broken",
    [
        {"low": [1.0], "high": [0.0], "least": [None]},
        {"low": [None], "high": [None], "least": [1.0]},
        {"low": [float("nan")], "high": [None], "least": [None]},
        {"low": [0.0, 0.0], "high": [None], "least": [None]},
    ],
)
def test_limits_that_hold_nothing_are_refused(broken: dict[str, list[float | None]]) -> None:
    with pytest.raises(ValueError, match="limit"):
        Limits.from_dict(broken)


def test_limits_are_read_as_they_were_written() -> None:
    limits = Limits(low=(0.0, None), high=(None, 1.0), least=(0.1, None))
    assert Limits.from_dict(limits.to_dict()) == limits
