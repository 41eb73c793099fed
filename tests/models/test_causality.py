"""Which frames an output depends on, for modules, callables and forecasters whose answer is known."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nextframe.config import Norm, TemporalPadding
from nextframe.errors import ConfigError, ShapeError
from nextframe.models.causality import check_causal
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.stacked import StackedConvLSTM

Array = NDArray[Any]
UP_TO_NOW = tuple(tuple(range(t + 1)) for t in range(6))


class Convolved(nn.Module):
    """A 3-D convolution alone, reaching `before` frames back and 2 - `before` ahead."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before, self.conv = before, nn.Conv3d(1, 1, 3, padding=(0, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        padded = nn.functional.pad(frames.transpose(1, 2), (0, 0, 0, 0, self.before, 2 - self.before))
        output: Tensor = self.conv(padded).transpose(1, 2)
        return output


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("residual", [False, True])
def test_causal_stack(norm: Norm, residual: bool) -> None:
    output: Any = "linear" if residual else "sigmoid"
    found = check_causal(StackedConvLSTM(filters=(3, 3), norm=norm, output=output, residual=residual))
    assert found.reads == UP_TO_NOW
    assert found.latest == found.allowed == (0, 1, 2, 3, 4, 5)
    assert (found.is_causal, found.lookahead, found.method, found.task) == (True, 0, "gradient", "one-step")
    assert "depends on no input frame after t" in found.sentence


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("residual", [False, True], ids=["", "residual"])  # whose readout starts at zero
def test_same_padding_sees_its_answer(norm: Norm, residual: bool) -> None:
    output: Any = "linear" if residual else "sigmoid"
    model = StackedConvLSTM(filters=(3, 3), norm=norm, temporal_padding="same", output=output, residual=residual)
    found = check_causal(model)
    assert found.latest == (1, 2, 3, 4, 5, 5)
    assert (found.is_causal, found.lookahead, found.method) == (False, 1, "gradient")
    assert found.sentence == (
        "Output t depends on input frame t+1, the very frame it is to forecast: every loss but the last frame's mostly "
        "measures copying, not prediction; judge this model by its rollout."
    )


@pytest.mark.parametrize(
    ("before", "reads"),
    [
        (2, ((0,), (0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4))),
        (1, ((0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4))),
        (0, ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4), (4,))),
    ],
)
def test_3d_convolution(before: int, reads: tuple[tuple[int, ...], ...]) -> None:
    found = check_causal(Convolved(before), shape=(2, 5, 1, 4, 4))
    assert found.reads == reads
    assert found.lookahead == 2 - before
    assert ("up to t+2, and is to forecast frame t+1" in found.sentence) == (before == 0)


def test_the_tutorials_models_in_full() -> None:
    assert check_causal(EncoderDecoder(3, (4,))).is_causal  # as many channels as the model takes
    with torch.inference_mode():  # as a caller may stand
        assert not check_causal(StackedConvLSTM(temporal_padding="same"), shape=(1, 3, 1, 5, 6)).is_causal


def test_a_norm_over_time_and_one_without_running_statistics() -> None:
    class Normed(nn.Module):
        def __init__(self, norm: nn.Module) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, frames: Tensor) -> Tensor:
            output: Tensor = self.norm(frames.transpose(1, 2)).transpose(1, 2)
            return output

    for norm in (nn.GroupNorm(1, 1), nn.BatchNorm3d(1, track_running_stats=False)):
        found = check_causal(Normed(norm))
        assert found.lookahead == 5
        assert "Every output depends on the last input frame" in found.sentence


def test_batch_norm_is_checked_as_it_forecasts() -> None:
    model = StackedConvLSTM(filters=(2,), norm="batch").train()
    norm = model.norms[0]
    norm.eval()  # a mode of its own, as when fine-tuning
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert check_causal(model).is_causal
    assert model.training
    assert model.layers[0].training
    assert not norm.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)

    def in_training(frames: Tensor) -> Tensor:
        output: Tensor = model.train()(frames)[0]
        return output

    # A function stays in the mode it sets: there, the statistics of a batch know all its frames.
    assert check_causal(in_training, torch.rand(1, 6, 1, 8, 8)).lookahead == 5


def test_leaves_no_trace() -> None:
    model = StackedConvLSTM(filters=(2,))
    model(torch.rand(1, 2, 1, 4, 4))[0].sum().backward()
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    state = torch.get_rng_state()
    frames = torch.rand(1, 4, 1, 5, 5, requires_grad=True)
    torch.set_rng_state(state)
    with torch.no_grad():
        assert check_causal(model, frames).method == "gradient"
    assert torch.equal(torch.get_rng_state(), state)
    assert frames.grad is None
    assert len(before) == len(list(model.parameters()))
    for p, gradient in zip(model.parameters(), before, strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, gradient)


def test_the_mode_comes_back_after_a_failure() -> None:
    model = StackedConvLSTM(2, filters=(2,)).train()
    with pytest.raises(ShapeError):
        check_causal(model, shape=(1, 4, 1, 5, 5))
    assert all(part.training for part in model.modules())


class Detached(nn.Module):
    """Causal but for a glance at the next frame that autograd does not see."""

    def forward(self, frames: Tensor) -> Tensor:
        return frames + 0.01 * frames.roll(-1, 1).detach()


class Rounded(nn.Module):
    def forward(self, frames: Tensor) -> Tensor:
        return (frames.roll(-1, 1) > 0.5).long()


class Drawing(nn.Module):
    """Changes its input in place, and drops values even in evaluation mode."""

    def forward(self, frames: Tensor) -> tuple[Tensor, None]:
        return nn.functional.dropout(frames.mul_(2)), None


def test_what_autograd_does_not_see() -> None:
    for module in (Detached(), Rounded()):
        found = check_causal(module)
        assert found.method == "perturbation"
        assert found.latest == (1, 2, 3, 4, 5, 5 if isinstance(module, Detached) else 0)


def test_weights_that_cannot_be_differentiated() -> None:
    with torch.inference_mode():
        model = StackedConvLSTM(filters=(2,), temporal_padding="same")
    found = check_causal(model)
    assert (found.method, found.lookahead) == ("perturbation", 1)


def test_opposite_paths_do_not_cancel() -> None:
    class Difference(nn.Module):
        def forward(self, frames: Tensor) -> Tensor:
            ahead = frames.roll(-1, 1)
            return frames + ahead - ahead.roll(1, -1)  # whose sum over the pixels knows nothing of the next frame

    assert check_causal(Difference(), torch.rand(1, 4, 1, 3, 3)).latest == (1, 2, 3, 3)


def test_random_and_in_place_modules() -> None:
    found = check_causal(Drawing())
    assert found.reads == tuple((t,) for t in range(6))
    assert found.method == "gradient"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("padding", "lookahead"), [("causal", 0), ("same", 1)])
def test_other_types(dtype: torch.dtype, padding: TemporalPadding, lookahead: int) -> None:
    assert check_causal(StackedConvLSTM(filters=(2,), temporal_padding=padding).to(dtype)).lookahead == lookahead


def persistence(frames: Array) -> Array:
    return frames


def leaking(frames: Array) -> Array:
    """Mixes in the next frame, at output 2 alone."""
    output = frames.copy()
    output[:, 2] += 1e-3 * frames[:, 3]
    return output


def test_numpy_callables() -> None:
    found = check_causal(persistence)
    assert found.reads == tuple((t,) for t in range(6))
    assert (found.is_causal, found.method) == (True, "perturbation")
    assert check_causal(lambda frames: frames.mean(axis=1, keepdims=True) + 0 * frames).lookahead == 5
    found = check_causal(leaking)
    assert (found.latest, found.lookahead) == ((0, 1, 3, 3, 4, 5), 1)
    assert "2 (on frame 3)" in found.sentence
    assert check_causal(lambda frames: np.zeros_like(frames)).latest == (None,) * 6
    assert "forecasts nothing" in check_causal(lambda frames: np.zeros_like(frames)).sentence


def test_own_frames() -> None:
    integers = np.random.default_rng(0).integers(0, 255, (2, 4, 3, 5, 5)).astype(np.uint8)
    assert check_causal(persistence, integers).is_causal
    assert check_causal(lambda frames: frames[:, ::-1], integers).latest == (3, 2, 1, 0)
    constant = np.full((1, 3, 1, 4, 4), 7.0)
    constant[..., 0, 0] = np.nan
    assert check_causal(lambda frames: np.roll(frames, -1, axis=1), constant).lookahead == 1
    assert check_causal(lambda frames: frames.cumsum(1), torch.rand(1, 3, 1, 2, 2)).method == "gradient"


def test_encoder_decoder() -> None:
    model = EncoderDecoder(filters=(3, 2))
    found = check_causal(model)
    assert (found.task, found.past, found.method) == ("teacher-forcing", 3, "gradient")
    assert found.reads == ((0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4))
    assert found.is_causal
    assert check_causal(model, past=5).reads == ((0, 1, 2, 3, 4),)
    residual = EncoderDecoder(filters=(3,), output="linear", residual=True)
    assert check_causal(residual).reads == found.reads


def test_a_decoder_that_sees_its_target() -> None:
    class Leaking(EncoderDecoder):
        def forward(self, past: Tensor, future: Tensor | None = None, **options: Any) -> Any:
            output, state = super().forward(past, future, **options)
            return output if future is None else output + self.shift * future, state

        shift = 0.1

    found = check_causal(Leaking(filters=(2,)))
    assert found.latest == (3, 4, 5)
    assert found.lookahead == 1
    assert "true frames up to that very one" in found.sentence


class Forecasts:
    """A forecaster that repeats a mixture of the past's frames, and of what `leak` takes from the batch."""

    def __init__(self, *frames: int, leak: float = 0.0) -> None:
        self.frames, self.leak = frames, leak

    def predict(self, past: Array, lead_times: int) -> Array:
        last = past[:, list(self.frames)].mean(axis=1, keepdims=True)
        return np.repeat(last + self.leak * past.mean(axis=0, keepdims=True)[:, :1], lead_times, axis=1)


def test_forecasters() -> None:
    found = check_causal(Forecasts(-1))
    assert (found.task, found.method, found.reads) == ("forecast", "perturbation", ((2,), (2,), (2,)))
    assert found.is_causal
    assert found.sentence == (
        "The forecast depends on frame 3 of the 3 frames of the past (found by perturbation), "
        "and on no other movie of its batch."
    )
    assert check_causal(Forecasts(0, 1), shape=(2, 9, 3, 4, 4), past=2).reads == ((0, 1),) * 7
    assert check_causal(Forecasts(-1), torch.rand(1, 4, 1, 3, 3)).is_causal


def test_a_forecaster_that_mixes_its_batch() -> None:
    found = check_causal(Forecasts(-1, leak=0.01))
    assert found.latest == (3, 3, 3)
    assert found.lookahead == 1
    assert "depends on another movie of its batch" in found.sentence


def test_a_module_that_returns_the_frames_that_follow() -> None:
    class Direct(nn.Module):
        def __init__(self, across: bool) -> None:
            super().__init__()
            self.across = across

        def forward(self, past: Tensor) -> Tensor:
            mixed = past.flip(1) + past.mean(0, keepdim=True) * self.across
            return mixed.repeat(1, 2, 1, 1, 1)

    with pytest.raises(ShapeError, match="task='forecast'"):
        check_causal(Direct(across=False))
    found = check_causal(Direct(across=False), task="forecast")
    assert found.latest == (2, 1, 0, 2, 1, 0)
    assert (found.is_causal, found.method) == (True, "gradient")
    assert not check_causal(Direct(across=True), task="forecast").is_causal


def test_what_cannot_be_checked() -> None:
    with pytest.raises(ShapeError, match="two frames or more"):
        check_causal(persistence, shape=(1, 1, 1, 4, 4))
    with pytest.raises(ShapeError, match="batch, time, channel"):
        check_causal(persistence, np.zeros((3, 4, 4)))
    with pytest.raises(ShapeError, match="one output a frame"):
        check_causal(lambda frames: frames[:, :-1])
    with pytest.raises(ConfigError, match="neither a torch module"):
        check_causal(3)
    with pytest.raises(ConfigError, match="task: unknown"):
        check_causal(persistence, task="rollout")  # type: ignore[arg-type]
    for past in (0, 4):
        with pytest.raises(ConfigError, match="1 to 3"):
            check_causal(Forecasts(-1), past=past)
    counter = itertools.count()
    with pytest.raises(ConfigError, match="from call to call"):
        check_causal(lambda frames: frames + next(counter))
