"""Normalisation: what is chosen for which data, that it inverts, and what cannot be learned from."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nextframe.data.normalise import Normaliser, choose_threshold, fit_normaliser
from nextframe.data.split import Span
from nextframe.data.statistics import measure_spans
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.sequence import FrameSequence

random = np.random.default_rng(0)


def spans(values: np.ndarray, *, missing: str = "mask") -> list[Span]:
    sequence = FrameSequence(values=values, name="data.nc", missing=missing)  # type: ignore[arg-type]
    return [Span(sequence, 0, len(sequence))]


def frames(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).reshape(-1, 1, 4, 5)


BINARY = frames((random.random(800) < 0.1).astype(np.uint8))
SHARES = frames(random.random(800).astype(np.float32))
PICTURE = frames(random.integers(0, 256, 800).astype(np.uint8))
CLASSES = frames(random.integers(0, 9, 800).astype(np.uint8))
RAIN = frames(np.where(random.random(800) < 0.8, 0, random.gamma(1, 2, 800)).astype(np.float32))
FLUX = (RAIN * 1e-5).astype(np.float32)
TEMPERATURE = frames(random.normal(285, 4, 800).astype(np.float32))
REFLECTIVITY = frames(np.where(random.random(800) < 0.6, -32.0, random.uniform(0, 50, 800)).astype(np.float32))


@pytest.mark.parametrize(
    ("values", "sigmoid", "linear"),
    [
        (BINARY, "identity", "identity"),
        (SHARES, "identity", "identity"),
        (PICTURE, "range", "range"),
        (CLASSES, "range", "range"),
        (RAIN, "log", "log"),
        (FLUX, "log", "log"),
        (TEMPERATURE, "range", "standard"),
        (REFLECTIVITY, "range", "standard"),
    ],
)
def test_the_method_follows_from_the_data(values: np.ndarray, sigmoid: str, linear: str) -> None:
    assert fit_normaliser(spans(values), "auto", output="sigmoid").method == sigmoid
    assert fit_normaliser(spans(values), "auto", output="linear").method == linear
    normalised = fit_normaliser(spans(values)).apply(values.astype(np.float32))
    assert normalised.min() >= -1e-6
    assert 0.5 < normalised.max() <= 1 + 1e-6


def test_pictures_keep_their_nominal_range_and_classes_use_theirs() -> None:
    dim = np.minimum(PICTURE, 100)
    assert fit_normaliser(spans(dim)).scale == (255.0,)
    assert fit_normaliser(spans(CLASSES)).scale == (8.0,)


@pytest.mark.parametrize("values", [TEMPERATURE, RAIN])
def test_a_linear_output_gets_mean_0_and_deviation_1(values: np.ndarray) -> None:
    normalised = fit_normaliser(spans(values), output="linear").apply(values.astype(np.float64))
    assert normalised.mean() == pytest.approx(0, abs=1e-4)
    assert normalised.std() == pytest.approx(1, abs=1e-4)


finite = st.floats(-1e6, 1e6, width=32)


@given(
    values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=4, max_dims=4, max_side=4), elements=finite),
    method=st.sampled_from(["identity", "range", "standard", "log", "auto"]),
    holes=st.booleans(),
)
@pytest.mark.slow
def test_invert_undoes_apply_and_nan_stays_nan_for_arrays_and_tensors(
    values: np.ndarray, method: str, holes: bool
) -> None:
    if holes:
        values[0, :, 0, 0] = np.nan
    try:
        normaliser = fit_normaliser(spans(values), method, output="linear")  # type: ignore[arg-type]
    except DataError as error:
        if not any(word in str(error) for word in ("constant", "missing")):
            raise
        return
    normalised = normaliser.apply(values)
    restored = normaliser.invert(normalised)
    assert normalised.dtype == restored.dtype == np.float32
    size = np.nanmax(np.abs(values))
    np.testing.assert_allclose(restored, values, rtol=1e-4, atol=2e-6 * size)
    tensor = torch.from_numpy(values.copy())
    np.testing.assert_allclose(normaliser.apply(tensor), normalised, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(normaliser.invert(normaliser.apply(tensor)), restored, rtol=1e-4, atol=2e-6 * size)
    again = Normaliser.from_dict(json.loads(json.dumps(normaliser.to_dict())))
    assert again == normaliser


def test_channels_are_normalised_each_by_its_own() -> None:
    values = np.stack([TEMPERATURE, TEMPERATURE * 100 + 7, np.full_like(TEMPERATURE, 3)], axis=1)[:, :, 0]
    normaliser = fit_normaliser(spans(values), output="linear")
    batch = normaliser.apply(values[None])
    np.testing.assert_allclose(batch[0, :, 0], batch[0, :, 1], atol=1e-3)
    np.testing.assert_array_equal(batch[0, :, 2], 0)  # never changes: offset only
    assert normaliser.scale[2] == 1
    with pytest.raises(ShapeError, match="3 channels"):
        normaliser.apply(values[:, :2])


def test_statistics_come_from_the_given_spans_alone() -> None:
    values = TEMPERATURE.copy()
    values[30:] += 1000
    sequence = FrameSequence(values=values, name="data.nc")
    normaliser = fit_normaliser([Span(sequence, 0, 10), Span(sequence, 20, 30)], "range")
    seen = np.concatenate([values[:10], values[20:30]])
    assert normaliser.offset[0] == seen.min()
    assert normaliser.offset[0] + normaliser.scale[0] == pytest.approx(seen.max())


def test_statistics_in_chunks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextframe.data.statistics.CHUNK_VALUES", 60)
    values = (TEMPERATURE + 1e5).astype(np.float32)  # a large offset: naive sums of squares would cancel
    values[3, 0, :2] = np.nan
    statistics = measure_spans(spans(values))
    exact = values.astype(np.float64)
    assert statistics.mean[0] == pytest.approx(np.nanmean(exact), rel=1e-12)
    assert statistics.deviation[0] == pytest.approx(np.nanstd(exact), rel=1e-9)
    assert (statistics.low[0], statistics.high[0]) == (np.nanmin(values), np.nanmax(values))
    assert statistics.missing == pytest.approx(10 / values.size)


def test_large_data_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextframe.data.statistics.SAMPLE_VALUES", 4000)
    monkeypatch.setattr("nextframe.data.statistics.CHUNK_VALUES", 3000)
    values = np.linspace(0, 1, 40_000, dtype=np.float32).reshape(-1, 1, 20, 20)
    sample = measure_spans(spans(values)).sample
    assert 4000 <= sample.size <= 4100
    assert np.quantile(sample, (0.1, 0.5, 0.9)) == pytest.approx((0.1, 0.5, 0.9), abs=0.03)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((9, 1, 4, 4), 3.0, np.float32), r"data\.nc: all frames are constant \(value 3\.0\)"),
        (np.full((9, 1, 4, 4), np.nan, np.float32), "all values of frame are missing"),
    ],
)
def test_nothing_to_learn_is_said(values: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_normaliser(spans(values))


def test_damaged_frames_are_named() -> None:
    values = TEMPERATURE.copy()
    values[17, 0, 0, 0] = np.inf
    with pytest.raises(DataError, match="frame 17 holds NaN or infinity"):
        fit_normaliser(spans(values, missing="error"))


@pytest.mark.parametrize("method", ["identity", "standard"])
def test_a_sigmoid_output_needs_a_range_that_it_reaches(method: str) -> None:
    with pytest.raises(ConfigError, match=r"sigmoid output, 0\.\.1, cannot reach"):
        fit_normaliser(spans(TEMPERATURE), method)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "numbers",
    [
        {"scale": (0.0,)},
        {"scale": (float("nan"),)},
        {"scale": (1.0, 2.0)},
        {"offset": ()},
        {"method": "log", "bend": ()},
        {"method": "log", "bend": (-1.0,)},
        {"method": "cube"},
    ],
)
def test_a_map_without_an_inverse_cannot_be_made(numbers: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="normalisation"):
        Normaliser(**{"method": "range", "offset": (0.0,), "scale": (1.0,), **numbers})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (BINARY, 0.5, 0.5),
        (SHARES, 0.5, 0.5),
        (PICTURE, 180, 200),  # the upper quartile of evenly spread values
        (RAIN, 1, 2),  # the median of amounts from gamma(1, 2), 1.4, rounded down to 1, 2 or 5
        (TEMPERATURE, 287, 288.5),  # 285 + 0.67 * 4
        (frames(np.where(random.random(800) < 0.9, 0, random.integers(200, 256, 800)).astype(np.uint8)), 120, 128),
        (frames(np.where(random.random(800) < 0.6, 0, 255).astype(np.uint8).clip(20)), 130, 140),
        (frames(np.where(random.random(800) < 0.99, 1000.0, 1001.0).astype(np.float32)), 1000.4, 1000.6),
    ],
)
def test_thresholds_part_events_from_the_rest(values: np.ndarray, low: float, high: float) -> None:
    normaliser = fit_normaliser(spans(values))
    threshold = choose_threshold(spans(values), normaliser)
    assert low <= threshold <= high
    events = values.astype(np.float32) >= threshold
    assert 0 < events.mean() < 0.5 or values is SHARES
    inside = normaliser.apply(values.astype(np.float32)) >= np.float32(normaliser.apply_scalar(threshold))
    np.testing.assert_array_equal(inside, events)


def test_every_method_says_in_a_line_what_it_does() -> None:
    for values in (BINARY, PICTURE, RAIN, TEMPERATURE):
        for output in ("sigmoid", "linear"):
            normaliser = fit_normaliser(spans(values), output=output)
            text = normaliser.describe()
            assert text.startswith(normaliser.method)
            assert "\n" not in text


@pytest.mark.slow
def test_normalising_arrays_needs_no_torch() -> None:
    modules = "nextframe.data.normalise, nextframe.data.windows, nextframe.inspection.survey"
    program = f"import {modules}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
