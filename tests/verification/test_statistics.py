"""Scores against other people's implementations, and merging against computing at once."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scores.categorical import BinaryContingencyManager
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from nextframe.errors import ShapeError
from nextframe.verification.additive import Additive, Settings
from nextframe.verification.metrics import measure, scores_of
from nextframe.verification.naming import better, perfect, unit_of
from nextframe.verification.statistics import Events, Values


def pair(batch: int = 3, leads: int = 2, size: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.random((batch, leads, 1, size, size)).astype(np.float32)
    return np.clip(truth + draw.normal(0, 0.2, truth.shape), 0, 1).astype(np.float32), truth


def sums(forecast: np.ndarray, truth: np.ndarray, **settings: Any) -> list[Additive]:
    return [part.total() for part in measure(forecast, truth, Settings(**settings))]


def every(forecast: np.ndarray, truth: np.ndarray, **settings: Any) -> dict[str, np.ndarray]:
    return scores_of(sums(forecast, truth, **settings))


def test_metrics_are_those_of_other_libraries() -> None:
    forecast, truth = pair()
    metrics = every(forecast, truth, thresholds=(0.3, 0.8))
    for lead in range(2):
        a, b = forecast[:, lead], truth[:, lead]
        assert metrics["mse"][lead] == pytest.approx(mean_squared_error(b, a), rel=1e-6)
        assert metrics["rmse"][lead] == pytest.approx(np.sqrt(mean_squared_error(b, a)), rel=1e-6)
        assert metrics["mae"][lead] == pytest.approx(np.abs(a - b).mean(), rel=1e-5)
        assert metrics["psnr"][lead] == pytest.approx(
            peak_signal_noise_ratio(b, a, data_range=1),  # type: ignore[no-untyped-call]
            rel=1e-6,
        )
        entropy = torch.nn.functional.binary_cross_entropy(
            torch.from_numpy(a).double().clamp(1e-7, 1 - 1e-7), torch.from_numpy(b).double()
        )
        assert metrics["bce"][lead] == pytest.approx(float(entropy), rel=1e-6)
        similarity = structural_similarity_index_measure(
            torch.from_numpy(a).double(), torch.from_numpy(b).double(), data_range=1.0
        )
        assert isinstance(similarity, torch.Tensor)
        # torchmetrics leaves a border out that scikit-image keeps.
        assert metrics["ssim"][lead] == pytest.approx(float(similarity), abs=0.02)
        for threshold in (0.3, 0.8):
            table = BinaryContingencyManager(
                fcst_events=xr.DataArray((a >= threshold).astype(float)),
                obs_events=xr.DataArray((b >= threshold).astype(float)),
            ).transform()
            assert metrics[f"csi_{threshold:g}"][lead] == pytest.approx(float(table.critical_success_index()))
            assert metrics[f"pod_{threshold:g}"][lead] == pytest.approx(float(table.probability_of_detection()))
            assert metrics[f"far_{threshold:g}"][lead] == pytest.approx(float(table.false_alarm_ratio()))
            assert metrics[f"hss_{threshold:g}"][lead] == pytest.approx(float(table.heidke_skill_score()))
        assert metrics["bias"][lead] == pytest.approx(float((a - b).mean(dtype=np.float64)), abs=1e-7)
        assert metrics["correlation"][lead] == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], rel=1e-6)


def test_the_fractions_skill_score_is_that_of_pysteps() -> None:
    spatialscores = pytest.importorskip("pysteps.verification.spatialscores")
    forecast, truth = pair(leads=1)
    metrics = every(forecast, truth, thresholds=(0.3, 0.8), scales=(1, 4, 7))
    for threshold in (0.3, 0.8):
        for scale in (1, 4, 7):
            sums = spatialscores.fss_init(threshold, scale)
            for movie in range(3):
                spatialscores.fss_accum(sums, forecast[movie, 0, 0], truth[movie, 0, 0])
            expected = spatialscores.fss_compute(sums)
            assert metrics[f"fss_{threshold:g}_{scale}px"][0] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    cut=st.integers(1, 4),
    seed=st.integers(0, 1000),
    missing=st.floats(0, 0.9),
    thresholds=st.lists(st.floats(0, 1), min_size=1, max_size=3),
)
@pytest.mark.slow
def test_merged_is_the_same_as_joint(cut: int, seed: int, missing: float, thresholds: list[float]) -> None:
    forecast, truth = pair(batch=5, size=12, seed=seed)
    draw = np.random.default_rng(seed)
    truth[draw.random(truth.shape) < missing] = np.nan
    options = {"thresholds": tuple(thresholds), "data_range": 1.0}
    joint = every(forecast, truth, **options)
    first, second = (sums(forecast[part], truth[part], **options) for part in (slice(cut), slice(cut, None)))
    for left, right in ((first, second), (second, first)):
        found = scores_of([a + b for a, b in zip(left, right, strict=True)])
        assert found.keys() == joint.keys()
        for name, values in joint.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-12)


def test_missing_values_count_nowhere() -> None:
    forecast, truth = pair(size=12)
    holes = truth.copy()
    holes[:, :, :, :6] = np.nan
    found = every(forecast, holes)
    half = every(forecast[:, :, :, 6:], truth[:, :, :, 6:])
    for name in ("mse", "mae", "bce", "bias", "correlation", "csi_0.5", "hss_0.5"):
        np.testing.assert_allclose(found[name], half[name], rtol=1e-12)
    assert np.isnan(found["ssim"]).all()


def test_without_an_event_csi_is_not_defined_and_neither_is_bce_outside_0_to_1() -> None:
    zeros = np.zeros((1, 2, 1, 12, 12), np.float32)
    metrics = every(zeros, zeros)
    assert np.isnan(metrics["csi_0.5"]).all()
    assert metrics["psnr"].tolist() == [np.inf, np.inf]
    assert "bce" not in every(zeros + 2, zeros, data_range=2.0)
    assert np.isnan(every(zeros[..., :5], zeros[..., :5])["ssim"]).all()


def test_what_does_not_go_together_is_refused() -> None:
    forecast, truth = pair()
    with pytest.raises(ShapeError, match="another shape"):
        Values.each(forecast[:, :1], truth, Settings())
    with pytest.raises(ValueError, match="cannot be added"):
        _ = Events.each(forecast, truth, Settings()) + Events.each(forecast, truth, Settings(thresholds=(0.1,)))


def test_the_contingency_table_is_whole() -> None:
    forecast, truth = pair()
    found = Events.each(forecast, truth, Settings(thresholds=(0.3, 0.8))).total()
    for n, threshold in enumerate((0.3, 0.8)):
        quiet = (forecast < threshold) & (truth < threshold)
        np.testing.assert_array_equal(found.correct_negatives[n], quiet.sum((0, 2, 3, 4)))


def test_every_metric_is_described() -> None:
    forecast, truth = pair()
    for name in every(forecast, truth):
        assert better(name) in ("lower", "higher", 0.0, 1.0)
        assert (perfect(name) is None) == (name in ("bias", "psnr", "power_8px"))
    assert [unit_of(name, "mm") for name in ("mse", "mae", "psnr", "ssim", "csi_2", "bias")] == [
        "mm²",
        "mm",
        "dB",
        "",
        "",
        "mm",
    ]
    assert unit_of("mse", "mm/h") == "(mm/h)²"
    assert unit_of("mae", "mm/h") == "mm/h"
    assert (unit_of("mse", "1"), unit_of("mse", "kg m-2"), unit_of("mae", "kg m-2")) == ("", "(kg m-2)²", "kg m-2")


def test_ssim_of_pressure_is_that_of_its_anomalies() -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(0, 50, (1, 1, 1, 20, 20)).round()
    forecast = (truth + draw.normal(0, 20, truth.shape)).round()
    both = [(frames + 101325).astype(np.float32) for frames in (forecast, truth)]
    found = every(both[0], both[1], data_range=300.0)["ssim"]
    _, whole = structural_similarity(  # type: ignore[no-untyped-call]
        truth[0, 0, 0] + 101325,
        forecast[0, 0, 0] + 101325,
        data_range=300.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    np.testing.assert_allclose(found, whole[5:-5, 5:-5].mean(), rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1.1, 280.1])
def test_a_constant_forecast_has_no_correlation(value: float) -> None:
    truth = np.random.default_rng(0).random((2, 1, 1, 7, 9)).astype(np.float32)
    assert np.isnan(every(np.full_like(truth, value), truth)["correlation"]).all()


def test_ssim_leaves_out_the_windows_that_lack_a_value() -> None:
    forecast, truth = pair(batch=1, leads=1, size=40)
    forecast[..., 20:] = truth[..., 20:]
    expected = every(forecast[..., 20:], truth[..., 20:])["ssim"]
    forecast[..., :20] = np.nan
    np.testing.assert_allclose(every(forecast, truth)["ssim"], expected)
    forecast, truth = pair(batch=1, leads=1, size=40)
    whole = every(forecast, truth)["ssim"]
    truth[0, 0, 0, 3, 4] = np.nan
    assert every(forecast, truth)["ssim"] == pytest.approx(whole, abs=0.03)
