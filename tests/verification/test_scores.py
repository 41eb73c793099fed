"""Scores of two arrays: equal to those of other people's libraries and of a verification, with NaN, axes, xarray."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scores.categorical import BinaryContingencyManager
from scores.continuous import additive_bias, mae, mse, rmse
from scores.continuous.correlation import pearsonr
from scores.probability import brier_score_for_ensemble, crps_for_ensemble
from scores.spatial import fss_2d
from skimage.metrics import peak_signal_noise_ratio

import nextframe
from nextframe import verification
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.verification import metrics as rows
from nextframe.verification import naming
from nextframe.verification.additive import Settings
from nextframe.verification.metrics import METRICS, Metric, measure, scores_of
from nextframe.verification.naming import score_named
from nextframe.verification.statistics import Events
from nextframe.verification.titles import title

DIMS = ("time", "lead_time", "y", "x")


def pair(seed: int = 0, shape: tuple[int, ...] = (3, 4, 20, 22)) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.random(shape)
    return np.clip(truth + draw.normal(0, 0.2, shape), 0, 1), truth


def labelled(*arrays: np.ndarray) -> list[xr.DataArray]:
    coordinates = {"lead_time": np.arange(arrays[0].shape[1]) * 10}
    return [xr.DataArray(array, coordinates, DIMS) for array in arrays]


def test_scores_of_values_are_those_of_other_libraries() -> None:
    forecast, truth = pair()
    forecast[0, 0, :5] = np.nan
    truth[1, :, 3] = np.nan
    a, b = labelled(forecast, truth)
    for ours, theirs in (
        (verification.mse, mse),
        (verification.rmse, rmse),
        (verification.mae, mae),
        (verification.bias, additive_bias),
        (verification.correlation, pearsonr),
    ):
        assert ours(a, b) == pytest.approx(float(theirs(a, b)), rel=1e-9)
        by_lead = ours(a, b, keep="lead_time")
        expected = theirs(a, b, preserve_dims="lead_time")
        xr.testing.assert_allclose(by_lead.drop_vars(by_lead.coords), expected.drop_vars(expected.coords))
        np.testing.assert_array_equal(by_lead["lead_time"], [0, 10, 20, 30])
        np.testing.assert_array_equal(ours(forecast, truth, keep=1), by_lead)
    whole = pair(1)
    assert verification.psnr(*whole) == pytest.approx(
        peak_signal_noise_ratio(whole[1], whole[0], data_range=1.0),  # type: ignore[no-untyped-call]
    )


def test_scores_of_events_are_those_of_other_libraries() -> None:
    forecast, truth = pair()
    for threshold in (0.2, 0.7):
        a, b = (xr.DataArray((part >= threshold).astype(float)) for part in (forecast, truth))
        manager = BinaryContingencyManager(fcst_events=a, obs_events=b).transform()
        for ours, theirs in (
            (verification.csi, manager.critical_success_index()),
            (verification.pod, manager.probability_of_detection()),
            (verification.far, manager.false_alarm_ratio()),
            (verification.hss, manager.heidke_skill_score()),
        ):
            assert ours(forecast, truth, threshold=threshold) == pytest.approx(float(theirs))
        expected = fss_2d(
            *labelled(forecast, truth),
            event_threshold=threshold,
            window_size=(5, 5),
            spatial_dims=("y", "x"),
            zero_padding=True,
        )
        # Of whole windows here, and of those that begin within the frame there: the same where the frame is padded.
        assert verification.fss(forecast, truth, threshold=threshold, scale=5) == pytest.approx(
            float(expected), abs=0.01
        )


def test_scores_of_members_are_those_of_other_libraries() -> None:
    draw = np.random.default_rng(2)
    truth = draw.normal(size=(2, 3, 8, 9))
    members = truth + draw.normal(size=(6, *truth.shape))
    (observed,) = labelled(truth)
    ensemble = xr.DataArray(members, dims=("realization", *DIMS)).assign_coords(observed.coords)
    for fair, method in ((False, "ecdf"), (True, "fair")):
        expected = crps_for_ensemble(ensemble, observed, "realization", method=method, preserve_dims="lead_time")
        found = verification.crps(ensemble, observed, fair=fair, keep="lead_time")
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        np.testing.assert_allclose(verification.crps(members, truth, fair=fair, keep=1), expected, rtol=1e-9)
        moved = np.moveaxis(members, 0, 2)
        np.testing.assert_allclose(verification.crps(moved, truth, member=2, fair=fair, keep=1), expected, rtol=1e-9)
    brier = brier_score_for_ensemble(ensemble, observed, "realization", 0.5, fair_correction=False)
    assert verification.brier(ensemble, observed, threshold=0.5) == pytest.approx(float(np.asarray(brier).ravel()[0]))
    assert verification.crps(truth + 1, truth) == pytest.approx(1)
    assert np.isnan(verification.crps(truth + 1, truth, fair=True))


def test_the_fair_crps_does_not_depend_on_the_number_of_members() -> None:
    draw = np.random.default_rng(3)
    truth = draw.normal(size=(100, 100))
    few, many = (draw.normal(size=(number, 100, 100)) for number in (2, 30))
    assert verification.crps(few, truth) > 1.3 * verification.crps(many, truth)
    assert verification.crps(few, truth, fair=True) == pytest.approx(
        verification.crps(many, truth, fair=True), rel=0.05
    )


def test_every_score_is_that_of_a_verification() -> None:
    """Every row of the table has its function, with the same value as the sums of a verification."""
    draw = np.random.default_rng(4)
    forecast, truth = pair(4)
    members = np.clip(forecast + draw.normal(0, 0.1, (5, *forecast.shape)), 0, 1)
    batch = [array[:, :, None] for array in (forecast, truth)]
    drawn = np.moveaxis(members, 0, 1)[:, :, :, None]
    parts = measure(batch[0], batch[1], Settings(thresholds=(0.4,), scales=(3,), areas=(4,)), members=drawn)
    for name, expected in scores_of([part.total() for part in parts]).items():
        row = score_named(name).metric
        options: dict[str, Any] = {"threshold": 0.4} if "_0.4" in name else {}
        options |= {"scale": 3} if row.name == "fss" else {}
        options |= {"side": 4} if row.name.startswith("area_") else {}
        given = members if row.over.of_members else forecast
        found = getattr(verification, row.name)(given, truth, keep=1, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=name)
    assert {row.name for row in METRICS} == set(verification.__all__) - {"Metric"}


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_a_docstring_has_the_equation_and_the_source_of_the_row(row: Metric) -> None:
    text = " ".join(str(getattr(verification, row.name).__doc__).split())
    assert row.equation in text
    assert row.source in text
    assert row.source or any(character.isdigit() for character in row.equation)
    assert ">>>" in text


def test_what_is_missing_counts_nowhere() -> None:
    forecast, truth = pair()
    holes = truth.copy()
    holes[..., :10] = np.nan
    for name, options in (("mse", {}), ("csi", {"threshold": 0.5}), ("bce", {}), ("correlation", {})):
        score = getattr(verification, name)
        assert score(forecast, holes, **options) == pytest.approx(score(forecast[..., 10:], truth[..., 10:], **options))
    assert np.isnan(verification.mse(forecast, truth * np.nan))


def test_axes_of_dataarrays_are_found_by_name() -> None:
    forecast, truth = pair()
    a, b = labelled(forecast, truth)
    turned = b.transpose("x", "lead_time", "y", "time")
    assert verification.ssim(a, turned) == pytest.approx(verification.ssim(forecast, truth))
    both = verification.csi(a, turned, threshold=0.5, keep=("lead_time", "time"))
    assert both.dims == ("lead_time", "time")
    np.testing.assert_array_equal(both, verification.csi(forecast, truth, threshold=0.5, keep=(1, 0)))
    assert (both.name, both.attrs) == ("csi", {})


def test_numbers_of_other_types_are_taken() -> None:
    ones, zeros = np.ones((3, 3), np.uint8), np.zeros((3, 3), bool)
    assert verification.mae(ones, zeros) == 1
    assert verification.bias([[1, 2]], [[2, 2]]) == -0.5
    assert verification.csi(ones, ones, threshold=0.5) == 1
    assert verification.brier(np.stack([ones, ones]), ones, threshold=0.5) == 0
    assert verification.brier(np.stack([ones, ones]), ones, threshold=1.5) == 0
    assert verification.mse([0.0, 1.0], [0.0, 0.0]) == 0.5
    single = np.full((2, 2), 0.7, np.float32)
    assert verification.csi(single, single, threshold=0.7) == 1


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = pair()
    a, b = labelled(forecast, truth)
    with pytest.raises(ShapeError, match="another shape"):
        verification.mse(forecast[:2], truth)
    with pytest.raises(ShapeError, match="other axes"):
        verification.mse(a.rename(x="longitude"), b)
    with pytest.raises(DataError, match="other coordinates"):
        verification.mse(a.assign_coords(lead_time=[1, 2, 3, 4]), b)
    with pytest.raises(DataError, match="no numbers"):
        verification.mse([["a"]], [["b"]])
    for keep in (2, -1, 7):
        with pytest.raises(ConfigError, match="no leading axis"):
            verification.mse(forecast, truth, keep=keep)
    with pytest.raises(ConfigError, match=r"expected time, lead_time, received y"):
        verification.mse(a, b, keep="y")
    with pytest.raises(ConfigError, match="twice"):
        verification.mse(forecast, truth, keep=(0, 0))
    with pytest.raises(ConfigError, match="must be a number"):
        verification.csi(forecast, truth, threshold=np.nan)
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        verification.fss(forecast, truth, threshold=0.5, scale=0)
    with pytest.raises(ConfigError, match="no axis"):
        verification.crps(np.stack([forecast] * 2), truth, member=9)


@pytest.mark.slow
def test_a_metric_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row more stands in the scores, in the tables and in the report."""
    row = Metric(
        name="frequency_bias",
        title="frequency bias",
        label="frequency bias",
        equation="(hits + false alarms) / (hits + misses)",
        over=Events,
        of=lambda sums: (sums.hits + sums.false_alarms) / (sums.hits + sums.misses),
        better=1.0,
    )
    for module in (rows, naming):
        monkeypatch.setattr(module, "metrics", lambda: (*METRICS, row))
    source = nextframe.open_source("squares:movies=2,frames=12,size=24")
    result = nextframe.verify(
        nextframe.Persistence(), source, past=3, lead_times=2, baselines=(), out=tmp_path, progress=False
    )
    (scores,) = result.scores.values()
    (key,) = (name for name in scores if name.startswith("frequency_bias"))
    assert all(0.3 < value < 3 for value in scores[key])
    assert title(key) == f"frequency bias at {key.rpartition('_')[2]} → 1"
    assert json.loads((tmp_path / "verification.json").read_text())["scores"]["persistence"][key] == scores[key]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count(title(key)) == 2  # a curve and a table
    assert row.equation in page


def test_a_score_that_is_not_known_has_no_better_side() -> None:
    assert title("strange_0.5") == "strange_0.5"
