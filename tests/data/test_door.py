"""The model's door: what goes in comes out, and the source's own memory stays as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextframe.data.door import Door
from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser

METHODS = [
    Normaliser(method="identity", offset=(0.0, 0.0), scale=(1.0, 1.0)),
    Normaliser(method="range", offset=(0.0, -3.0), scale=(50.0, 9.0)),
    Normaliser(method="standard", offset=(2.0, 1.0), scale=(0.5, 4.0)),
    Normaliser(method="log", offset=(0.1, 0.0), scale=(3.0, 1.0), bend=(0.7, 2.0)),
]


def movie() -> np.ndarray:
    """Frames (T, C, H, W) with gaps."""
    frames = np.random.default_rng(0).uniform(-1, 60, (5, 2, 6, 7)).astype(np.float32)
    frames[1, 0, 2:4] = np.nan
    frames[3] = np.nan
    return frames


@pytest.mark.parametrize("normaliser", METHODS, ids=lambda n: n.method)
@pytest.mark.parametrize("static", [None, np.arange(42, dtype=np.float32).reshape(1, 6, 7)], ids=["bare", "static"])
def test_values_come_back_and_gaps_are_told(normaliser: Normaliser, static: np.ndarray | None) -> None:
    frames = movie()
    before = frames.copy()
    door = Door(normaliser, static=static)
    tensor, valid = door.enter(frames)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (5, 2 if static is None else 3, 6, 7)
    np.testing.assert_array_equal(valid.numpy(), np.isfinite(frames))
    assert (tensor[:, :2][~valid] == 0).all()
    back = door.leave(tensor[:, :2])
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[valid.numpy()], frames[valid.numpy()], rtol=2e-5, atol=1e-5)
    np.testing.assert_array_equal(frames, before)
    if static is not None:
        for frame in tensor:
            np.testing.assert_array_equal(frame[2], static[0])


def test_frames_that_cannot_be_written_to_are_taken_and_stay() -> None:
    frames = movie()
    frames.flags.writeable = False
    tensor, _ = Door(METHODS[0]).enter(frames)
    tensor.fill_(7)
    assert np.isnan(frames[3]).all()


def test_a_batch_of_movies_enters_as_each_does() -> None:
    static = np.random.default_rng(1).random((2, 6, 7), dtype=np.float32)
    door = Door(METHODS[1], static=static)
    both = np.stack([movie(), movie()[::-1]])
    together, _ = door.enter(both)
    for n, one in enumerate(both):
        torch.testing.assert_close(together[n], door.enter(one)[0], rtol=0, atol=0)


def test_a_mask_follows_all_other_channels() -> None:
    static = np.arange(42, dtype=np.float32).reshape(1, 6, 7)
    door = Door(METHODS[1], static=static, mask=True)
    tensor, valid = door.enter(movie())
    assert tensor.shape == (5, 2 + 1 + 2, 6, 7)
    np.testing.assert_array_equal(tensor[:, 2], np.broadcast_to(static[0], (5, 6, 7)))
    np.testing.assert_array_equal(tensor[:, 3:] == 1, valid)


def test_at_the_exit_values_are_within_limits_and_missing_where_nothing_was_seen() -> None:
    past = np.ones((2, 3, 1, 2, 2), np.float32)
    past[0, :, 0, 0, 0] = np.nan
    past[1, :2, 0, 1, 1] = np.nan  # the last frame saw it
    limits = Limits(low=(0.0,), high=(9.0,), least=(0.5,))
    members = np.array([-1.0, 0.4, 0.5, 99.0], np.float32).reshape(1, 4, 1, 1, 1, 1)
    members = np.broadcast_to(members, (2, 4, 6, 1, 2, 2))
    held = Door(METHODS[0], limits=limits).hold(members, past)
    assert np.isnan(held[0, ..., 0, 0]).all()
    assert np.isfinite(held).sum() == held.size - 24
    assert held[1, :, 0, 0, 1, 1].tolist() == [0.0, 0.0, 0.5, 9.0]


def test_infinite_values_are_gaps() -> None:
    frames = np.array([[[[np.inf, 1.0]]]], np.float32)
    tensor, valid = Door(Normaliser(method="identity", offset=(0.0,), scale=(1.0,))).enter(frames)
    assert tensor.tolist() == [[[[0.0, 1.0]]]]
    assert valid.tolist() == [[[[False, True]]]]


def test_a_part_of_the_grid_has_its_part_of_the_static_fields() -> None:
    static = np.arange(42, dtype=np.float32).reshape(1, 6, 7)
    door = Door(METHODS[0], static=static)
    rows, columns = slice(1, 4), slice(2, 7)
    part, _ = door.cut(rows, columns).enter(movie()[..., rows, columns])
    torch.testing.assert_close(part, door.enter(movie())[0][..., rows, columns], rtol=0, atol=0)
    bare = Door(METHODS[0])
    assert bare.cut(rows, columns) is bare


def test_coordinates_lead_there_and_back() -> None:
    y, x = np.mgrid[:48, :48]
    t = np.arange(8)[:, None, None]
    hill = np.exp(-((y - 18 - t) ** 2 + (x - 14 - 2 * t) ** 2) / 60).astype(np.float32)[:, None]
    door = Door(Normaliser(method="identity", offset=(0.0,), scale=(1.0,)), coordinates="lagrangian")
    along = door.motion(hill[:5])
    aligned = door.align(hill, 5, along)
    forecast = door.move_on(aligned[5:], hill[4], along)
    assert np.isfinite(forecast).all()  # what flows in is that of the last frame
    np.testing.assert_allclose(forecast[..., 14:-14, 14:-14], hill[5:][..., 14:-14, 14:-14], atol=0.06)
    still = Door(METHODS[0])
    assert still.motion(hill) is None
    assert still.move_on(forecast, hill[4], None) is forecast


def test_gaps_are_filled_with_the_last_frame_seen_where_asked_for() -> None:
    frames = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    frames[0, 0, 0, 0] = frames[2, 0, 1, 1] = np.nan
    frames[:, 0, 0, 1] = np.nan
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    tensor, valid = Door(identity, edges="last").enter(frames, 2)
    assert tensor[:, 0].tolist() == [[[4.0, 0.0], [2.0, 3.0]], [[4.0, 0.0], [6.0, 7.0]], [[8.0, 0.0], [10.0, 7.0]]]
    np.testing.assert_array_equal(valid.numpy(), np.isfinite(frames))
    missing, _ = Door(identity).enter(frames, 2)
    np.testing.assert_array_equal(missing.numpy(), np.nan_to_num(frames))
    batch, _ = Door(identity, edges="last").enter(frames[None, :2])
    torch.testing.assert_close(batch[0], tensor[:2], rtol=0, atol=0)


def test_what_a_network_adds_is_shrunk_by_lead_time_before_it_is_moved() -> None:
    draw = np.random.default_rng(0)
    last = draw.random((1, 12, 12), np.float32)
    forecast = draw.random((4, 1, 12, 12), np.float32)
    inner = (slice(None), slice(None), slice(2, -2), slice(5, -1))
    along = np.broadcast_to(np.array([1.0, 0.0]).reshape(2, 1, 1), (2, 12, 12))  # one pixel to the right
    whole = Door(Normaliser(method="identity", offset=(0.0,), scale=(1.0,)), coordinates="lagrangian")
    door = replace(whole, shrinkage=(0.0, 0.5, 1.0))
    simple = whole.move_on(np.repeat(last[None], 4, axis=0), last, along)
    added = whole.move_on(forecast, last, along) - simple
    arrived = door.move_on(forecast, last, along)
    factors = np.array([0.0, 0.5, 1.0, 1.0]).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(arrived[inner], (simple + factors * added)[inner], atol=1e-6)
    assert replace(door, coordinates="eulerian").move_on(forecast, last, None) is forecast
