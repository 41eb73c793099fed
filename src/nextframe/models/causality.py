"""`check_causal`: which later frame does an output depend on? A forecast that has seen its answer is none.

Axes: B batch, T time, C channel, H height, W width. Output t of a next-frame model is to forecast input frame t + 1, so
that a dependency on any frame after t is a leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from nextframe.errors import ShapeError
from nextframe.models.encoder_decoder import EncoderDecoder

_NONE = -1


@dataclass(frozen=True, kw_only=True)
class Causality:
    """What each output depends on."""

    latest: tuple[int, ...]
    """For each output, the latest input frame that it depends on, counted from 0; -1 for none."""
    method: Literal["gradient", "perturbation"]
    """How it was found out."""
    first: int = 0
    """The input frame that output 0 may depend on at most (the last frame of the past, for an encoder-decoder)."""

    @property
    def lookahead(self) -> int:
        """How many frames beyond its own an output sees, at most; 0 for a causal model."""
        return max(0, *(latest - self.first - n for n, latest in enumerate(self.latest)))

    @property
    def is_causal(self) -> bool:
        """Whether no output depends on a later frame."""
        return self.lookahead == 0

    @property
    def sentence(self) -> str:
        """What that means, in one sentence."""
        if self.is_causal:
            return "No output depends on a later frame: the losses measure forecasts."
        seen = "the very frame that it is to forecast" if self.lookahead == 1 else "frames that it is to forecast"
        return (
            f"Output t depends on input frames up to t + {self.lookahead}, {seen}: every loss but that of the last "
            "outputs measures copying rather than forecasting, so judge this model by its rollout alone."
        )


def check_causal(
    model: Any, frames: Tensor | None = None, *, shape: tuple[int, int, int, int, int] = (1, 6, 1, 12, 12)
) -> Causality:
    """Find out which later input frame each output of a model depends on.

    A torch module is asked by gradient, and by perturbation where its output has none. Anything else that can be
    called on an array (B, T, C, H, W) is asked by perturbation: later frames are changed, and the outputs compared. A
    forecaster (anything with `predict(past, lead_times)`) is given the past alone; for it, output t is its forecast from
    frames 0 .. t, and what is found out is whether other members of the batch, the movie's own future among them, change
    that forecast. A module is examined in `eval()` mode: in training, batch norm mixes all frames of a batch by design.

    Args:
        model: a module (B, T, C, H, W) -> (B, T, ...), or -> a tuple that begins with it; an `EncoderDecoder`, whose
            decoder is examined with teacher forcing; a callable on arrays; a forecaster.
        frames: what to feed it; random numbers in 0..1 by default.
        shape: shape of the random frames.

    Raises:
        ShapeError: outputs that have not one time step for each input frame.
    """
    frames = torch.rand(shape, generator=torch.Generator().manual_seed(0)) if frames is None else frames
    if hasattr(model, "predict"):
        return Causality(latest=_forecaster_dependencies(model, frames.numpy()), method="perturbation")
    if not isinstance(model, nn.Module):
        return Causality(latest=_perturb(_of_arrays(model), frames), method="perturbation")
    first = 0
    function: Callable[[Tensor], Any] = model
    if isinstance(model, EncoderDecoder):
        past = frames.shape[1] // 2
        network, first = model, past - 1

        def function(movie: Tensor) -> Any:
            return network(movie[:, :past], movie[:, past:])

    training, tensors = model.training, [*model.parameters(), *model.buffers()]
    frames = frames.to(tensors[0]) if tensors and tensors[0].is_floating_point() else frames
    model.eval()
    try:
        with torch.enable_grad():
            leaf = frames.detach().clone().requires_grad_()
            output = _first(function(leaf))
        _check_output(output, frames, first)
        if output.requires_grad:
            return Causality(latest=_by_gradient(output, leaf), method="gradient", first=first)
        with torch.no_grad():
            return Causality(latest=_perturb(function, frames), method="perturbation", first=first)
    finally:
        model.train(training)


def _first(output: Any) -> Tensor:
    tensor: Tensor = output[0] if isinstance(output, tuple) else output
    return tensor


def _check_output(output: Tensor, frames: Tensor, first: int) -> None:
    expected = frames.shape[1] - (first + 1 if first else 0)
    if output.ndim < 2 or output.shape[1] != expected:
        raise ShapeError(
            "has not one output for each frame",
            where="check_causal",
            expected=f"(batch, {expected}, ...)",
            received=tuple(output.shape),
        )


def _of_arrays(function: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
    return lambda frames: torch.as_tensor(np.asarray(_first(function(frames.numpy()))))


def _by_gradient(output: Tensor, frames: Tensor) -> tuple[int, ...]:
    """A random projection of each output, so that gradients of neighbouring pixels cannot cancel."""
    generator = torch.Generator().manual_seed(1)
    latest = []
    for n in range(output.shape[1]):
        projection = torch.rand(output[:, n].shape, generator=generator, dtype=torch.float64).to(output)
        (gradient,) = torch.autograd.grad(
            (output[:, n] * projection).sum(), frames, retain_graph=True, allow_unused=True
        )
        reached = [] if gradient is None else gradient.abs().amax((0, *range(2, gradient.ndim))).nonzero().flatten()
        latest.append(int(max(reached, default=_NONE)))
    return tuple(latest)


def _perturb(function: Callable[[Tensor], Any], frames: Tensor) -> tuple[int, ...]:
    before = _first(function(frames.clone())).clone()
    latest = [_NONE] * before.shape[1]
    for n in range(frames.shape[1]):
        changed = frames.clone()
        changed[:, n] = 1 - changed[:, n]
        after = _first(function(changed))
        for output in range(before.shape[1]):
            if not torch.equal(before[:, output], after[:, output]):
                latest[output] = n
    return tuple(latest)


def _forecaster_dependencies(model: Any, movie: Any) -> tuple[int, ...]:
    """For each t the latest frame that the forecast from frames 0 .. t depends on, in a batch with later frames."""
    latest = []
    for t in range(movie.shape[1]):
        past = movie[:1, : t + 1]
        found = t
        for later in range(t + 1, movie.shape[1]):
            companion = np.broadcast_to(movie[:1, later : later + 1], past.shape)
            one = model.predict(np.concatenate([past, companion]).astype(np.float32), 1)[:1]
            other = model.predict(np.concatenate([past, 1 - companion]).astype(np.float32), 1)[:1]
            if not np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True):
                found = later
        latest.append(found)
    return tuple(latest)
