"""The free-running forecast: equal to reading the movie again for every frame, at the cost of one step a frame."""

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from nextframe.architectures import Architecture, architectures
from nextframe.config import Norm
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.rollout import frames_from, rollout
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.presets import preset_config


def by_reading_again(model: StackedConvLSTM, past: Tensor, lead_times: int) -> Tensor:
    """As the tutorial forecasts: the frame is appended to the movie, and the whole movie read again."""
    movie = past
    for _ in range(lead_times):
        movie = torch.cat([movie, model(movie)[0][:, -1:]], dim=1)
    return movie[:, past.shape[1] :]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames a ConvLSTM layer read at each call."""
    read: list[int] = []
    scan = ConvLSTM2d.scan

    def counting(self: ConvLSTM2d, frames: Tensor, state: Any = None) -> Any:
        read.append(len(frames))
        return scan(self, frames, state)

    monkeypatch.setattr(ConvLSTM2d, "scan", counting)
    return read


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("seen", [1, 2, 7])
def test_it_equals_reading_again(norm: Norm, seen: int) -> None:
    model = StackedConvLSTM(1, (4, 3), norm=norm).eval()
    past = torch.rand(2, seen, 1, 9, 7)
    expected = by_reading_again(model, past, 12)
    torch.testing.assert_close(rollout(model, past, 12), expected, rtol=0, atol=1e-5)
    model.double()
    torch.testing.assert_close(rollout(model, past.double(), 12), by_reading_again(model, past.double(), 12))


@pytest.mark.parametrize("kind", [StackedConvLSTM, EncoderDecoder])
def test_a_residual_rollout(kind: Any) -> None:
    model = kind(2, (3,), norm="layer", output="linear", residual=True).double().eval()
    past = torch.randn(1, 3, 2, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(rollout(model, past, 4), past[:, -1:].expand(-1, 4, -1, -1, -1))
    with torch.no_grad():
        model.readout.weight.copy_(0.1 * torch.randn_like(model.readout.weight))
    future = rollout(model, past, 4)
    assert not torch.allclose(future[:, 0], future[:, 3])
    if isinstance(model, StackedConvLSTM):
        torch.testing.assert_close(future, by_reading_again(model, past, 4))


def test_an_encoder_decoder_rolls_out_as_it_feeds_back() -> None:
    model = EncoderDecoder(1, (3, 2)).double().eval()
    past = torch.rand(2, 5, 1, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(rollout(model, past, 6), model(past, lead_times=6)[0])


@pytest.mark.parametrize("kind", [StackedConvLSTM, EncoderDecoder])
def test_a_longer_forecast_begins_as_a_shorter_one(kind: Any) -> None:
    model = kind(1, (3,)).double().eval()
    past = torch.rand(1, 3, 1, 5, 5, dtype=torch.float64)
    longest = rollout(model, past, 30)
    assert longest.shape == (1, 30, 1, 5, 5)
    for lead_times in (1, 2, 11):
        torch.testing.assert_close(rollout(model, past, lead_times), longest[:, :lead_times])


def test_each_frame_costs_one_step(steps: list[int]) -> None:
    rollout(StackedConvLSTM(1, (2,)).eval(), torch.rand(1, 7, 1, 5, 5), 20)
    assert steps == [7] + [1] * 19
    steps.clear()
    rollout(EncoderDecoder(1, (2,)).eval(), torch.rand(1, 7, 1, 5, 5), 20)
    assert steps == [6, 1] + [1] * 19


def test_the_same_padding_reads_again(steps: list[int]) -> None:
    model = StackedConvLSTM(1, (2,), temporal_padding="same").double().eval()
    past = torch.rand(2, 3, 1, 5, 5, dtype=torch.float64)
    future = rollout(model, past, 4)
    assert steps == [3, 4, 5, 6]
    torch.testing.assert_close(future, by_reading_again(model, past, 4))


@pytest.mark.parametrize(
    "model",
    [
        StackedConvLSTM(1, (3, 2), norm="layer"),
        StackedConvLSTM(1, (3,), temporal_padding="same"),
        EncoderDecoder(1, (3, 2), norm="layer"),
    ],
    ids=["causal", "same", "encoder-decoder"],
)
def test_gradients_flow(model: Any) -> None:
    past = torch.rand(1, 3, 1, 6, 6, requires_grad=True)
    future = rollout(model, past, 3)
    (slope,) = torch.autograd.grad(future[:, -1].sum(), past, retain_graph=True)
    assert all(slope[:, t].any() for t in range(3))  # the last frame remembers the first
    future.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("kind", [StackedConvLSTM, EncoderDecoder])
def test_training_in_mixed_precision(kind: Any) -> None:
    model = kind(2, (4, 3), norm="layer")
    past = torch.rand(2, 3, 2, 6, 6, requires_grad=True)

    def slopes(future: Tensor) -> tuple[Tensor, ...]:
        loss = (future.float() - 0.3).square().mean()
        return torch.autograd.grad(loss, [past, *model.parameters()])

    expected = rollout(model, past, 3)
    exact = slopes(expected)
    with torch.autocast("cpu", torch.bfloat16):
        future = rollout(model, past, 3)
    rough = slopes(future)
    torch.testing.assert_close(future.float(), expected, rtol=0.05, atol=0.03)
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype == b.dtype
        assert (a - b).norm() < 0.1 * b.norm()


def test_it_leaves_no_graph_in_inference_mode() -> None:
    model = StackedConvLSTM(1, (3,)).double().eval()
    past = torch.rand(1, 3, 1, 5, 5, dtype=torch.float64)
    expected = rollout(model, past, 3)
    assert expected.requires_grad
    with torch.inference_mode():
        future = rollout(model, past, 3)
    assert not future.requires_grad
    torch.testing.assert_close(future, expected.detach())


def test_no_frame_asked_for() -> None:
    with pytest.raises(ConfigError, match="lead_times: asks for no frame"):
        rollout(StackedConvLSTM(1, (2,)), torch.rand(1, 3, 1, 5, 5), 0)


@pytest.mark.parametrize("row", architectures(), ids=lambda row: row.name)
@pytest.mark.parametrize("patch", [1, 2])
def test_frames_are_read_one_after_the_other(row: Architecture, patch: int) -> None:
    """A state that is carried from one true frame to the next is that of the whole past read at once."""
    config = preset_config(row.name).replace({"filters": (4,) * len(row.filters), "patch": patch}).model
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(config, 1, past=4, future=3).eval()
    assert model.streams == (model.task == "one-step")
    if not model.streams:
        return
    past = torch.rand(2, 4, 1, 13, 10)
    state = None
    with torch.inference_mode():
        for n in range(4):
            frame, state = model.begin(past[:, :1]) if n == 0 else model.step(past[:, n], state)
            expected = rollout(model, past[:, : n + 1], 3)
            streamed = torch.stack(list(islice(frames_from(model, frame, state, (past[:, n, 1:],)), 3)), dim=1)
            torch.testing.assert_close(streamed, expected, rtol=0, atol=1e-6)


def test_whoever_reads_the_whole_movie_again_does_not_stream() -> None:
    assert StackedConvLSTM(1, (3,)).streams
    assert not StackedConvLSTM(1, (3,), temporal_padding="same").streams
