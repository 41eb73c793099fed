"""Ensemble scores against the library `scores`, and what calibrated and uncalibrated ensembles must look like."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scores.probability import brier_score_for_ensemble, crps_for_ensemble

from nextframe.errors import ShapeError
from nextframe.verification.additive import Settings, join
from nextframe.verification.ensembles import Areas, Members, Probabilities
from nextframe.verification.metrics import scores_of


def drawn(members: int = 7, batch: int = 3, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Members and truth around one centre, each a draw of its own."""
    draw = np.random.default_rng(seed)
    centre = draw.normal(size=(batch, 1, 2, 1, 9, 11))
    ensemble = centre + spread * draw.normal(size=(batch, members, 2, 1, 9, 11))
    truth = (centre + draw.normal(size=centre.shape))[:, 0]
    return ensemble.astype(np.float32), truth.astype(np.float32)


def both(members: np.ndarray, truth: np.ndarray, *thresholds: float) -> tuple[Members, Probabilities]:
    chosen = Settings(thresholds=thresholds or (0.5,))
    return Members.each(members, truth, chosen).total(), Probabilities.each(members, truth, chosen).total()


def test_crps_and_brier_score_are_those_of_scores() -> None:
    members, truth = drawn()
    found = scores_of(both(members, truth, -0.5, 1.0))
    axes = ("batch", "member", "lead", "channel", "y", "x")
    ensemble = xr.DataArray(members.astype(np.float64), dims=axes)
    observed = xr.DataArray(truth.astype(np.float64), dims=[axis for axis in axes if axis != "member"])
    crps = crps_for_ensemble(ensemble, observed, "member", method="ecdf", preserve_dims=["lead"])
    np.testing.assert_allclose(found["crps"], crps, rtol=1e-6)
    for threshold in (-0.5, 1.0):
        brier = brier_score_for_ensemble(
            ensemble, observed, "member", threshold, fair_correction=False, preserve_dims=["lead"]
        )
        np.testing.assert_allclose(found[f"brier_{threshold:g}"], np.asarray(brier).ravel(), rtol=1e-6)


def test_means_over_squares_are_scored_as_values_are() -> None:
    members, truth = drawn()
    truth[0, 0, 0, :3, :3] = np.nan  # most of a square
    truth[1, 0, 0, 0, 0] = np.nan
    found = scores_of([Areas.each(members, truth, Settings(areas=(1, 4, 10))).total()])
    single = scores_of(both(members, truth))
    np.testing.assert_allclose(found["area_crps_1px"], single["crps"])
    np.testing.assert_allclose(found["area_coverage_1px"], single["coverage"])
    assert not any("10px" in name for name in found)  # frames have no room for such
    # The two rows and two columns of squares that 9 x 11 pixels hold, by themselves.
    squares, observed = [], []
    for row in (0, 4):
        for column in (0, 4):
            part = np.where(np.isnan(truth[:, None]), np.nan, members)[..., row : row + 4, column : column + 4]
            was = truth[..., row : row + 4, column : column + 4]
            squares.append(np.nanmean(part.astype(np.float64), axis=(-2, -1)))
            there = np.isfinite(was).sum((-2, -1)) >= 8
            observed.append(np.where(there, np.nanmean(was.astype(np.float64), axis=(-2, -1)), np.nan))
    expected = scores_of(both(np.stack(squares, -1)[..., None], np.stack(observed, -1)[..., None]))
    np.testing.assert_allclose(found["area_crps_4px"], expected["crps"])
    np.testing.assert_allclose(found["area_coverage_4px"], expected["coverage"])


def test_a_value_reaches_the_threshold_that_it_is() -> None:
    truth = np.full((1, 1, 1, 2, 2), 0.7, np.float32)
    parts = both(np.stack([truth, truth], axis=1), truth, 0.7)
    assert parts[1].came.sum() == 4
    assert scores_of(parts)["brier_0.7"] == [0]


def test_the_crps_of_a_single_forecast_is_its_absolute_error() -> None:
    members, truth = drawn(members=1)
    found = scores_of(both(members, truth))
    np.testing.assert_allclose(found["crps"], np.abs(members[:, 0] - truth).mean((0, 2, 3, 4)), rtol=1e-6)
    assert "spread" not in found


def test_members_that_are_like_the_truth_have_level_ranks_and_the_right_spread() -> None:
    members, truth = drawn(members=19, batch=200)
    statistics, events = both(members, truth, 0.0)
    found = scores_of([statistics])
    np.testing.assert_allclose(found["spread"], 1, atol=0.03)
    np.testing.assert_allclose(found["coverage"], 0.9, atol=0.01)
    share = statistics.ranks / statistics.count
    np.testing.assert_allclose(share, 1 / 20, atol=0.006)
    frequency = events.came[0].sum(-1) / events.said[0].sum(-1)
    probability = events.probability[0].sum(-1) / events.said[0].sum(-1)
    np.testing.assert_allclose(frequency, probability, atol=0.06)


def test_members_that_differ_too_little_are_found_out() -> None:
    members, truth = drawn(members=19, batch=50, spread=0.3)
    statistics, _ = both(members, truth)
    found = scores_of([statistics])
    assert found["spread"].max() < 0.5
    assert found["coverage"].max() < 0.5
    assert statistics.ranks[0].min() > 3 * statistics.ranks[10].max()  # a valley


def test_a_truth_that_ties_with_members_is_shared_out() -> None:
    members = np.zeros((1, 3, 1, 1, 1, 2), np.float32)
    members[:, 2] = 5
    truth = np.zeros((1, 1, 1, 1, 2), np.float32)
    truth[..., 1] = 9
    ranks = Members.each(members, truth, Settings()).total().ranks[:, 0]
    np.testing.assert_allclose(ranks, [1 / 3, 1 / 3, 1 / 3, 1])  # ties with two of three; above all three


@pytest.mark.parametrize("last_bit", [-1e-7, 0, 1e-7])
def test_a_truth_at_the_end_of_an_interval_is_inside_whatever_rounding_made_of_the_end(last_bit: float) -> None:
    scale = np.array([1, 1000], np.float32).reshape(2, 1, 1)  # of two variables, and of what rounding makes of each
    members = scale * np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1, 1, 1) * np.ones((1, 2), np.float32)
    truth = scale * np.array([[[[[0, 4]]]]], np.float32)
    moved = members + scale * np.float32(last_bit)
    found = Members.each(moved, truth, Settings()).total()
    assert found.covered == [4]
    np.testing.assert_allclose(found.ranks[:, 0], [1, 1, 0, 0, 1, 1])
    truth[0, 0, 0, 0, 1] += 0.01
    assert Members.each(moved, truth, Settings()).total().covered == [3]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 3), missing=st.floats(0, 0.9))
def test_merged_is_the_same_as_joint(seed: int, cut: int, missing: float) -> None:
    members, truth = drawn(batch=4, seed=seed)
    truth[np.random.default_rng(seed).random(truth.shape) < missing] = np.nan
    for kind in (Members, Probabilities):
        each = kind.each(members, truth, Settings())
        parts = [kind.each(members[a:b], truth[a:b], Settings()) for a, b in ((0, cut), (cut, 4))]
        joined = join(parts, axis=0)
        for name, value in each.arrays().items():
            np.testing.assert_allclose(joined.arrays()[name], value)
        added = join([part.total() for part in parts]).total()
        for name, value in scores_of([each.total()]).items():
            np.testing.assert_allclose(scores_of([added])[name], value, rtol=1e-9)


def test_members_of_another_shape_are_refused() -> None:
    members, truth = drawn()
    with pytest.raises(ShapeError, match="members have another shape"):
        Members.each(members[..., :5], truth, Settings())
