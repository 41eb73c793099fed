"""Dependence of errors: what is measured of known ones, and members that hang together as they do."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nextframe.data.limits import Limits
from nextframe.data.split import Span
from nextframe.data.windows import Window, cut_windows
from nextframe.errors import CheckpointError
from nextframe.forecasting.adapt import Prepared
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.dependence import Dependence, seed_of
from nextframe.forecasting.error_quantiles import LEVELS
from nextframe.forecasting.forecast import Forecast, Forecaster, central_interval
from nextframe.forecasting.random_fields import BANDS, ranks
from nextframe.forecasting.start import Start
from nextframe.frames.convert import refine
from nextframe.frames.sequence import FrameSequence

SIZE, LEADS, PAST = 64, 3, 2
WIDTH = 3.0  # pixels, of the Gaussian that makes the errors smooth
MEMORY = 0.7


class Nothing(Forecaster):
    """Forecasts zero, so that the truth is the error."""

    name = "nothing"

    def predict(self, past: np.ndarray, lead_times: int) -> np.ndarray:
        forecast: np.ndarray = np.zeros((len(past), lead_times, *past.shape[2:]), np.float32)
        return forecast


def errors(windows: int, seed: int, channels: int = 1, speed: int = 0, size: int = SIZE) -> list[Window]:
    """Windows of smooth errors, skewed, that persist from frame to frame and move along the rows."""
    draw = np.random.default_rng(seed)

    def smooth() -> np.ndarray:
        noise: np.ndarray = gaussian_filter(draw.normal(size=(channels, size, size)), (0, WIDTH, WIDTH), mode="wrap")
        scaled: np.ndarray = noise * (2 * WIDTH * np.sqrt(np.pi))
        return scaled

    cut: list[Window] = []
    for _ in range(windows):
        state, frames = smooth(), []
        for _ in range(PAST + LEADS):
            frames.append(np.exp(0.5 * state))
            state = MEMORY * np.roll(state, speed, axis=-1) + np.sqrt(1 - MEMORY**2) * smooth()
        sequence = FrameSequence(values=np.array(frames, np.float32), name="errors")
        cut += cut_windows([Span(sequence, 0, len(frames))], past=PAST, future=LEADS)
    return cut


@pytest.fixture(scope="module")
def known() -> Calibration:
    return Calibration.fit(Nothing(), errors(24, 0))


def members_of(calibration: Calibration, window: Window, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """Members (M, K, C, H, W) and truth."""
    past, truth = window.read()
    forecast = Nothing().predict(past[None], LEADS)
    return calibration.members(forecast, past[None], **options)[0], truth  # type: ignore[arg-type]


def means(frames: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (size // side for size in frames.shape[-2:])
    mean: np.ndarray = frames.reshape(*frames.shape[:-2], rows, side, columns, side).mean((-3, -1))
    return mean


@pytest.mark.slow
def test_intervals_of_means_over_areas_hold(known: Calibration) -> None:
    together = replace(known, dependence=None)
    windows = errors(24, 1)
    for side in (4, 16, 32):
        shares = []
        for calibration in (known, together):
            covered, width = [], []
            for window in windows:
                members, truth = members_of(calibration, window)
                low, high = central_interval(means(members, side), 0.9)
                was = means(truth, side)
                covered.append((low <= was) & (was <= high))
                width.append((high - low).mean())
            shares.append((np.mean(covered), np.mean(width)))
        (share, width), (share_together, width_together) = shares
        assert 0.83 <= share <= 0.95, (side, share)
        if side > 4:  # as one error everywhere, sums are far too wide
            assert share_together > 0.97
            assert width < 0.7 * width_together


def test_the_quantiles_of_each_pixel_stay_what_they_were(known: Calibration) -> None:
    members, _ = members_of(known, errors(1, 2)[0])
    ordered, _ = members_of(replace(known, dependence=None), errors(1, 2)[0])
    np.testing.assert_array_equal(np.sort(members, axis=0), ordered)
    assert (np.diff(members, axis=0) < 0).any()


def test_a_member_looks_like_the_errors(known: Calibration) -> None:
    """Correlation of neighbours, and from one lead time to the next, of members and of the truth."""

    def correlations(frames: np.ndarray) -> list[float]:
        apart = [np.corrcoef(frames[..., lag:].ravel(), frames[..., :-lag].ravel())[0, 1] for lag in (2, 6)]
        return [*apart, np.corrcoef(frames[:, 1:].ravel(), frames[:, :-1].ravel())[0, 1]]

    drawn = [members_of(known, window) for window in errors(20, 3)]
    members = np.concatenate([members for members, _ in drawn])
    truth = np.stack([truth for _, truth in drawn])
    # A little more than that of the truth: it makes up for tails that quantiles leave out.
    for found, real in zip(correlations(members), correlations(truth), strict=True):
        assert real - 0.05 < found < real + 0.25


def test_errors_move_along_the_motion() -> None:
    motion = np.stack([np.full((SIZE, SIZE), 6.0), np.zeros((SIZE, SIZE))])
    windows = errors(12, 0, speed=6)
    calibration = Calibration.fit(Nothing(), windows, motion=lambda past: motion)
    unmoved = Calibration.fit(Nothing(), windows)

    def persists(known: Dependence | None) -> float:
        assert known is not None
        return float((np.asarray(known.power[0][1:]) * np.asarray(known.persistence[0])).sum(-1).mean())

    assert persists(calibration.dependence) > max(MEMORY, persists(unmoved.dependence) + 0.1)
    members, _ = members_of(calibration, errors(1, 5)[0], motions=[motion])
    moved = np.corrcoef(members[:, 1, 0, :, 6:].ravel(), members[:, 0, 0, :, :-6].ravel())[0, 1]
    stays = np.corrcoef(members[:, 1].ravel(), members[:, 0].ravel())[0, 1]
    assert moved > stays + 0.1


def test_members_come_again_and_differ_from_start_to_start(known: Calibration) -> None:
    one, other = errors(2, 6)
    np.testing.assert_array_equal(members_of(known, one)[0], members_of(known, one)[0])
    assert (members_of(known, one)[0] != members_of(known, other)[0]).any()
    frame = np.array([[1.0, np.nan]], np.float32)
    assert seed_of(frame) == seed_of(frame.copy()) != seed_of(frame + 1)


def test_any_number_of_members_on_any_grid(known: Calibration) -> None:
    members, _ = members_of(known, errors(1, 7, size=24)[0], number=7)
    assert members.shape == (7, LEADS, 1, 24, 24)
    fewer = np.sort(members[:, 0, 0, 0, 0])
    ordered = np.asarray(known.errors[0][0][-1 if known.edges[0][0] == [] else 0])
    levels = np.arange(1, LEVELS + 1) / (LEVELS + 1)
    np.testing.assert_allclose(fewer, np.interp(np.arange(1, 8) / 8, levels, ordered), rtol=1e-5)


@pytest.mark.slow
def test_channels_err_as_they_did() -> None:
    windows = errors(8, 8, channels=2)
    alike: list[Window] = []
    for window in windows:
        values = np.array(window.sequence.values)
        values[:, 1] = values[:, 0] * 2
        sequence = FrameSequence(values=values, name="alike", variables=("a", "b"), units=("1", "1"))
        alike += cut_windows([Span(sequence, 0, len(values))], past=PAST, future=LEADS)
    apart, same = (Calibration.fit(Nothing(), each) for each in (windows, alike))
    for calibration, low, high in ((apart, -0.2, 0.2), (same, 0.9, 1.01)):
        assert calibration.dependence is not None
        assert low <= calibration.dependence.between[0][1] <= high
        drawn = np.concatenate([members_of(calibration, window)[0] for window in windows[:3]])
        assert low <= np.corrcoef(drawn[:, :, 0].ravel(), drawn[:, :, 1].ravel())[0, 1] <= high
    pooled = Calibration.fit(Nothing(), windows, pooled=True)
    members, _ = members_of(pooled, windows[0])
    np.testing.assert_array_equal(members[:, :, 0], members[:, :, 1])  # any number of channels, which err together


def test_missing_values_and_limits_are_passed_over() -> None:
    windows = errors(12, 9)
    cut: list[Window] = []
    for window in windows:
        values = np.array(window.sequence.values)
        values[..., :20, :10] = np.nan
        sequence = FrameSequence(values=values, name="gaps", missing="mask")
        cut += cut_windows([Span(sequence, 0, len(values))], past=PAST, future=LEADS)
    limits = Limits(low=(0.0,), high=(None,), least=(None,))
    calibration = Calibration.fit(Nothing(), cut, limits=limits)
    whole = Calibration.fit(Nothing(), windows)
    assert calibration.dependence is not None
    assert whole.dependence is not None
    near = np.asarray(calibration.dependence.power) - np.asarray(whole.dependence.power)
    assert np.abs(near).max() < 0.25


def test_frames_too_small_to_tell_have_members_in_order() -> None:
    calibration = Calibration.fit(Nothing(), errors(12, 10, size=3))
    assert calibration.dependence is None
    members, _ = members_of(calibration, errors(1, 11, size=3)[0])
    assert (np.diff(members, axis=0) >= 0).all()


def test_it_is_saved_and_read_again(known: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    known.save(path)
    again = Calibration.load(path)
    assert again == known
    assert isinstance(again.dependence, Dependence)


def test_files_of_earlier_versions_are_as_they_were(known: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    tables = asdict(known)
    path.write_text(json.dumps({name: tables[name] for name in ("edges", "errors", "windows")}))
    old = Calibration.load(path)
    assert (old.dependence, old.quantile_map) == (None, None)
    members, _ = members_of(old, errors(1, 12)[0])
    assert (np.diff(members, axis=0) >= 0).all()


@pytest.mark.parametrize(
    "broken",
    [
        {"power": [[[1.0]]]},
        {"power": [[[0.0] * BANDS] * LEADS]},
        {"power": [[[float("nan")] * BANDS] * LEADS]},
        {"persistence": [[[2.0] * BANDS] * (LEADS - 1)]},
        {"between": []},
        {"colour": 1},
    ],
)
def test_a_dependence_that_does_not_fit_is_named(known: Calibration, tmp_path: Path, broken: dict[str, object]) -> None:
    path = tmp_path / "calibration.json"
    tables = asdict(known)
    path.write_text(json.dumps({**tables, "dependence": {**tables["dependence"], **broken}}))
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        Calibration.load(path)


def test_on_finer_pixels_members_keep_the_quantiles_between() -> None:
    """A model of coarse pixels: its members on the source's own grid are interpolated quantiles, in some order."""
    draw = np.random.default_rng(0)
    ordered = np.sort(draw.normal(size=(7, 2, 1, 6, 5)), axis=0).astype(np.float32)
    members = draw.permuted(ordered, axis=0)
    fine = FrameSequence(values=np.zeros((3, 1, 12, 10), np.float32), name="fine")
    start = Start(past=fine, truth=None, places=(-2, -1, 0))
    prepared = Prepared(frames=fine, start=start, factor=2)
    forecast = Forecast(values=ordered[3], forecaster="mine", members=members)
    back = prepared.back(forecast, None, quantiles=True).members
    assert back is not None
    np.testing.assert_allclose(np.sort(back, axis=0), refine(ordered, 2, (12, 10)), atol=1e-6)
    plain = prepared.back(forecast, None).members
    assert plain is not None
    np.testing.assert_array_equal(plain, refine(members, 2, (12, 10)))
    np.testing.assert_array_equal(ranks(back), ranks(plain))
    assert plain.std(0).mean() < 0.9 * back.std(0).mean()  # means of neighbours would be too sure
