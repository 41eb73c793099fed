"""Lagrangian coordinates: what only moves stands still there, and comes back where it belongs."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import nextframe
from nextframe.config import Coordinates, Edges
from nextframe.data.door import Door
from nextframe.data.flow import optical_flow
from nextframe.data.loading import WindowDataset
from nextframe.data.motion import advect, align, from_lagrangian, motion_field, shift_field
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.translation import Translation
from nextframe.frames.sequence import FrameSequence

IDENTITY = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))


def hill(frames: int = 9, size: int = 64) -> np.ndarray:
    """A soft hill that moves by (1, 2) pixels a frame, (T, 1, H, W)."""
    y, x = np.mgrid[:size, :size]
    t = np.arange(frames)[:, None, None]
    distance = (y - 24 - t) ** 2 + (x - 20 - 2 * t) ** 2
    found: np.ndarray = np.exp(-distance / 60).astype(np.float32)[:, None]
    return found


def to_lagrangian(movie: np.ndarray, past: int) -> np.ndarray:
    door = Door(IDENTITY, coordinates="lagrangian")
    return door.align(movie, past, door.motion(movie[:past]))


def test_what_moves_stands_still() -> None:
    movie = hill()
    still = to_lagrangian(movie, 5)
    np.testing.assert_array_equal(still[4], movie[4])  # the last frame seen is its own
    inner = np.s_[..., 12:-12, 12:-12]
    spread = np.abs(still - still[4])[inner].max()
    assert spread < 0.2 * np.abs(movie - movie[4])[inner].max()


def test_the_future_does_not_enter_the_motion() -> None:
    movie = hill()
    other = movie.copy()
    other[5:] = np.random.default_rng(0).random(other[5:].shape)
    np.testing.assert_array_equal(to_lagrangian(movie, 5)[:5], to_lagrangian(other, 5)[:5])


def test_a_round_trip_comes_back() -> None:
    movie = hill()
    motion = motion_field(movie[3:5])
    back = from_lagrangian(to_lagrangian(movie, 5)[5:], motion)
    inner = np.s_[..., 16:-16, 16:-16]
    np.testing.assert_allclose(back[inner], movie[5:][inner], atol=0.06)


def test_without_motion_nothing_changes() -> None:
    constant = np.ones((6, 1, 10, 10), np.float32)
    np.testing.assert_array_equal(to_lagrangian(constant, 4), constant)
    np.testing.assert_array_equal(from_lagrangian(constant, None), constant)
    assert np.isnan(advect(np.full((1, 5, 5), np.nan, np.float32), np.ones((2, 5, 5)), 3)).all()


def noisy(channels: int = 3, size: tuple[int, int] = (50, 66)) -> tuple[np.ndarray, np.ndarray]:
    """A frame (C, H, W) with gaps, and a motion that differs from place to place."""
    draw = np.random.default_rng(5)
    frame = draw.random((channels, *size)).astype(np.float32)
    frame[0, 10:14, 20:30] = np.nan
    motion = np.stack([gaussian_filter(draw.normal(size=size), 6) * 20 + 1.3 for _ in range(2)])
    return frame, motion


def test_the_advection_is_that_of_pysteps() -> None:
    semilagrangian = pytest.importorskip("pysteps.extrapolation.semilagrangian")
    frame, motion = noisy()
    for field, ours in zip(frame, np.moveaxis(advect(frame, motion, 5), 1, 0), strict=True):
        theirs = semilagrangian.extrapolate(field, motion, 5, interp_order=1, allow_nonfinite_values=True)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_box_of_moved_frames_is_that_part_of_them() -> None:
    _, motion = noisy()
    movie = np.random.default_rng(1).random((7, 3, 50, 66)).astype(np.float32)
    box = slice(5, 30), slice(40, 66)
    np.testing.assert_allclose(align(movie, 4, motion, box), align(movie, 4, motion)[..., *box], atol=1e-5)


def test_the_flow_is_that_of_scikit_image() -> None:
    from skimage.registration import optical_flow_ilk

    draw = np.random.default_rng(2)
    wide = gaussian_filter(draw.random((70, 90)), 2)
    first, second = (wide[3:67, 3:83] / wide.max(), wide[2:66, 1:81] / wide.max())
    ours = optical_flow(first.astype(np.float32), second.astype(np.float32), 8)
    theirs = optical_flow_ilk(first, second, radius=8, gaussian=True)  # type: ignore[no-untyped-call]
    assert np.abs(ours - theirs).max() < 1e-3


def test_a_whole_shift_is_found_to_a_tenth_of_a_pixel() -> None:
    wide = gaussian_filter(np.random.default_rng(3).random((80, 80)), 2).astype(np.float32)
    frames = np.stack([wide[10:70, 10:70], wide[8:68, 11:71]])[:, None]
    motion = shift_field(frames)
    assert motion is not None
    np.testing.assert_allclose(motion[:, 30, 30], (-1, 2), atol=0.11)
    assert shift_field(frames[:1]) is None
    assert shift_field(np.zeros_like(frames)) is None


def test_whole_shifts_are_those_of_scikit_image() -> None:
    from scipy.signal.windows import tukey
    from skimage.registration import phase_cross_correlation

    draw = np.random.default_rng(4)
    for size in ((6, 9), (33, 20), (64, 81)):
        frame = gaussian_filter(draw.normal(size=size), 1.5)
        later = np.roll(frame, draw.integers(-2, 3, 2), (0, 1)) + 0.02 * draw.normal(size=size)
        before, last = (
            (picture - picture.mean()) * tukey(size[0], 0.3)[:, None] * tukey(size[1], 0.3)
            for picture in (frame.astype(np.float32), later.astype(np.float32))
        )
        expected, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
            last, before, upsample_factor=10, normalization=None
        )
        motion = shift_field(np.stack([frame, later]).astype(np.float32)[:, None])
        found = (0, 0) if motion is None else motion[::-1, 0, 0]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_windows_are_moved_once_and_masked_at_the_border() -> None:
    wide = gaussian_filter(np.random.default_rng(0).random((48, 80)), 2).astype(np.float32)
    panning = np.stack([wide[:, 2 * n : 2 * n + 48] for n in range(9)])[:, None]
    sequence = FrameSequence(values=panning, name="panning")
    windows = cut_windows([Span(sequence, 0, 9)], past=5, future=3)
    data = WindowDataset(windows, IDENTITY, coordinates="lagrangian")
    first, again = data[0], data[0]
    np.testing.assert_array_equal(first["future"], again["future"])
    assert not first["future_valid"].all()  # what came in over the border is not known
    assert first["past_valid"][-1].all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coordinates", "edges", "same"),
    [("lagrangian", "last", Extrapolation()), ("translated", "missing", Translation())],
)
def test_an_untrained_residual_model_is_the_simple_forecast(
    coordinates: Coordinates, edges: Edges, same: Forecaster, tmp_path: Path
) -> None:
    colour = np.concatenate([hill(30), 1 - hill(30), 0.5 * hill(30)], 1)
    np.save(tmp_path / "hill.npy", colour)
    model = nextframe.fit(
        tmp_path / "hill.npy",
        out=tmp_path / "run",
        progress=False,
        coordinates=coordinates,
        edges=edges,
        axes="TCHW",
        output="linear",
        residual=True,
        normalisation="standard",  # amounts in logarithms would be moved along the motion of their cube roots
        loss="mse",
        learning_rate=1e-30,
        past=4,
        future=3,
        validation=0.3,
        test=0.0,
        filters=(2,),
        epochs=1,
        batch_size=2,
    )
    past = colour[None, 2:6]
    np.testing.assert_allclose(model.predict(past, 3), same.predict(past, 3), atol=1e-4)
