"""`check_causal`: which input frames each output of a model depends on, found out by trying.

A next-frame model is trained to give frame t + 1 at output t. If output t can read frame t + 1, its loss measures
copying. Nothing in a loss curve shows this; the dependency itself does, by two tests that both have to pass:

- gradient: a random projection of output t is differentiated by the input. Random, so that no two paths cancel as they
  can in a plain sum; a frame that the model does not read has a gradient of exactly zero.
- perturbation: frame s is replaced by noise, and the outputs that change depend on it. This sees what autograd does
  not: detached tensors, rounding, integers, NumPy.

Axes: B batch, T time, C channel, H height, W width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from nextframe.errors import ConfigError, ShapeError
from nextframe.models.dependence import Frames, by_gradient, by_perturbation
from nextframe.models.network import Network

Task = Literal["one-step", "teacher-forcing", "forecast"]
Method = Literal["gradient", "perturbation"]


@dataclass(frozen=True)
class Causality:
    """Result of `check_causal`."""

    task: Task
    """Task of the outputs; see `check_causal`."""
    method: Method
    """The test that found every dependency: "perturbation" where there was no gradient, or where it missed one."""
    frames: int
    """Number of frames T of the movie that was tried; the first is frame 0."""
    past: int
    """Number of them that are the past that forecasts start from; all of them for the task "one-step"."""
    reads: tuple[tuple[int, ...], ...]
    """The input frames that each output depends on."""

    @property
    def latest(self) -> tuple[int | None, ...]:
        """The latest input frame that each output depends on; None for an output that depends on none."""
        return tuple(max(read, default=None) for read in self.reads)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The latest input frame that each output may depend on: the last one before the frame that it forecasts."""
        if self.task == "one-step":
            return tuple(range(len(self.reads)))
        if self.task == "teacher-forcing":
            return tuple(range(self.past - 1, self.past - 1 + len(self.reads)))
        return (self.past - 1,) * len(self.reads)

    @property
    def lookahead(self) -> int:
        """Frames beyond the allowed one that the outputs see at most; 0 for a causal model."""
        seen = zip(self.latest, self.allowed, strict=True)
        return max((late - now for late, now in seen if late is not None and late > now), default=0)

    @property
    def is_causal(self) -> bool:
        """True where no output depends on a frame that is still to come when it is made."""
        return self.lookahead == 0

    @property
    def sentence(self) -> str:
        """Sentence that says what it means for the user."""
        if not any(self.reads):
            return f"No output depends on any input frame (found by {self.method}): this model forecasts nothing."
        if self.task == "one-step":
            return self._one_step()
        return self._teacher_forcing() if self.task == "teacher-forcing" else self._forecast()

    def _one_step(self) -> str:
        late = {t: read[-1] for t, read in enumerate(self.reads) if read and read[-1] > t}
        if not late:
            return (
                "Output t, the forecast of frame t+1, depends on no input frame after t "
                f"(found by {self.method}): every loss measures prediction."
            )
        if len(late) < self.frames - 1:
            named = ", ".join(f"{t} (on frame {frame})" for t, frame in late.items())
            what, worthless = f"These outputs depend on frames after their own: {named}", "each of their losses"
        else:
            worthless = "every loss but the last frame's"
            if set(late.values()) == {self.frames - 1} and self.lookahead > 1:
                what = "Every output depends on the last input frame, even where an earlier one is to be forecast"
            elif self.lookahead == 1:
                what = "Output t depends on input frame t+1, the very frame it is to forecast"
            else:
                what = f"Output t depends on input frames up to t+{self.lookahead}, and is to forecast frame t+1"
        return f"{what}: {worthless} mostly measures copying, not prediction; judge this model by its rollout."

    def _teacher_forcing(self) -> str:
        if self.is_causal:
            return (
                "With teacher forcing, the forecast of a frame depends on no true frame from that one on "
                f"(found by {self.method}): every loss measures prediction one step ahead."
            )
        return (
            "With teacher forcing, the forecast of a frame depends on true frames "
            + ("up to that very one" if self.lookahead == 1 else f"up to {self.lookahead - 1} after that very one")
            + ": its loss mostly measures copying, not prediction; judge this model by its rollout."
        )

    def _forecast(self) -> str:
        if self.is_causal:
            used = sorted({frame for read in self.reads for frame in read})
            which = f"frame {used[0] + 1}" if len(used) == 1 else f"frames {used[0] + 1} to {used[-1] + 1}"
            return (
                f"The forecast depends on {which} of the {self.past} frames of the past (found by {self.method}), "
                "and on no other movie of its batch."
            )
        return (
            "The forecast of a movie depends on another movie of its batch, here on its own continuation: "
            "its scores are not those of a forecast; let it forecast one movie at a time."
        )


def check_causal(
    model: Any,
    frames: Frames | None = None,
    *,
    shape: tuple[int, int, int, int, int] | None = None,
    task: Task | None = None,
    past: int | None = None,
    seed: int = 0,
) -> Causality:
    """Find out which input frames each output of `model` depends on, and so whether it sees its answer.

    The model is called on a movie, and on the same movie with one frame replaced, T + 1 times in all. A torch module is
    checked as it forecasts, in evaluation mode: in training mode, batch normalisation mixes all frames of all movies
    through its statistics. Its modes, its parameters' gradients and torch's random state are left as they were. A
    parameter that is zero throughout and still to be trained, such as a readout that starts at zero, would hide what
    training opens: noise stands in for it.

    Args:
        model: a torch module, or any callable, from frames (B, T, C, H, W) to outputs (B, T, C', H', W') or to a tuple
            that begins with them; a module whose `forward` takes `past` and `future` (`EncoderDecoder`); or an object
            with `predict(past, lead_times)` on NumPy arrays (a `Forecaster`).
        frames: the movie to try it on, values in the model's range. A callable that is no module is given what stands
            here, an array or a tensor; by default random numbers in 0..1, in float32.
        shape: of the random frames; by default (1, 6, C, 12, 12), with C the model's `in_channels`, or 1.
        task: what the outputs are; by default told from the model.
            "one-step": output t forecasts frame t + 1 and may depend on frames up to t.
            "teacher-forcing": the model is called on past and true future; output k forecasts frame `past` + k and may
            depend on frames before that one.
            "forecast": the model is called on the past and forecasts what follows; a module gives any number of frames.
            The continuation of the past stands beside it as another movie of the batch and must not matter.
        past: how many frames are the past, for the last two tasks; by default half of them.
        seed: of the random frames.

    Raises:
        ShapeError: frames that are not (B, T, C, H, W) with two frames or more, or outputs that are no sequence.
        ConfigError: an unknown task, a past that leaves nothing to come, a model that cannot be called, or one whose
            outputs differ from call to call.

    >>> from nextframe.models.stacked import StackedConvLSTM
    >>> check_causal(StackedConvLSTM(filters=(2,))).is_causal
    True
    >>> check_causal(StackedConvLSTM(filters=(2,), temporal_padding="same")).lookahead
    1
    """
    if task is None:
        task = _task_of(model)
    elif task not in get_args(Task):
        raise ConfigError("unknown", where="task", expected=", ".join(get_args(Task)), received=task)
    movie = _movie(model, frames, shape, seed)
    count = movie.shape[1]
    past = count if task == "one-step" else count // 2 if past is None else past
    if task != "one-step" and not (1 <= past < count and (task == "teacher-forcing" or 2 * past <= count)):
        limit = count // 2 if task == "forecast" else count - 1
        raise ConfigError("does not fit the movie", where="past", expected=f"1 to {limit}", received=past)
    with _as_it_forecasts(model, movie, seed) as call:

        def run(tried: Frames) -> Frames:
            if task == "one-step":
                return _sequence(call(tried), model, len(tried), count)
            if task == "teacher-forcing":
                return _sequence(call(tried[:, :past], tried[:, past:]), model, len(tried), count - past)
            join = torch.cat if isinstance(tried, Tensor) else np.concatenate
            pasts = join([tried[:, :past], tried[:, past : 2 * past]])
            outputs = call(pasts, count - past) if _predicts(model) else call(pasts)
            return _sequence(outputs, model, 2 * len(tried), None)[: len(tried)]

        changed = by_perturbation(run, movie, seed)
        sloped = by_gradient(run, movie, seed) if isinstance(movie, Tensor) else None
    dependent = changed if sloped is None else changed | sloped
    return Causality(
        task=task,
        method="gradient" if sloped is not None and np.array_equal(sloped, dependent) else "perturbation",
        frames=count,
        past=past,
        reads=tuple(tuple(np.flatnonzero(row).tolist()) for row in dependent),
    )


def _predicts(model: Any) -> bool:
    return not isinstance(model, nn.Module) and callable(getattr(model, "predict", None))


def _task_of(model: Any) -> Task:
    if isinstance(model, Network):
        return model.task
    if isinstance(model, nn.Module):
        parameters = inspect.signature(model.forward).parameters
        return "teacher-forcing" if {"past", "future"} <= set(parameters) else "one-step"
    if _predicts(model):
        return "forecast"
    if not callable(model):
        raise ConfigError(
            "is neither a torch module, nor a callable, nor has it a predict(past, lead_times)",
            where=type(model).__name__,
        )
    return "one-step"


def _movie(model: Any, frames: Frames | None, shape: tuple[int, ...] | None, seed: int) -> Frames:
    """The frames to try: a tensor on the module's device and of its type for a module, else as they were given."""
    if frames is None:
        network = model if hasattr(model, "in_channels") else getattr(model, "model", model)
        shape = (1, 6, int(getattr(network, "in_channels", 1)), 12, 12) if shape is None else shape
        frames = np.random.default_rng(seed).random(shape, dtype=np.float32)
    if getattr(frames, "ndim", None) != 5 or frames.shape[1] < 2 or min(frames.shape) < 1:
        raise ShapeError(
            "cannot be checked on such frames",
            where=type(model).__name__,
            expected="(batch, time, channel, height, width) with two frames or more",
            received=tuple(getattr(frames, "shape", ())),
        )
    if _predicts(model):
        return np.asarray(frames)
    if not isinstance(model, nn.Module):
        return frames.detach() if isinstance(frames, Tensor) else frames
    tensor = frames.detach() if isinstance(frames, Tensor) else torch.from_numpy(np.ascontiguousarray(frames))
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is None:
        return tensor
    return tensor.to(weight.device, weight.dtype if tensor.is_floating_point() else tensor.dtype)


@contextmanager
def _as_it_forecasts(model: Any, movie: Frames, seed: int) -> Iterator[Callable[..., Any]]:
    """The model as a function, in evaluation mode, without parameters that start at zero; every call draws alike."""
    module = model if isinstance(model, nn.Module) else None
    function = model.predict if _predicts(model) else model
    devices = [movie.device] if isinstance(movie, Tensor) and movie.is_cuda else []
    substitutes = {} if module is None else _started(module, seed)

    def call(*inputs: Any) -> Any:
        with torch.random.fork_rng(devices):
            torch.default_generator.manual_seed(seed)
            for device in devices:
                torch.cuda.default_generators[device.index].manual_seed(seed)
            if module is not None and substitutes:
                return torch.func.functional_call(module, substitutes, inputs)
            return function(*inputs)

    # Set one by one: some modules override `train`, and would not come back by it.
    modes = {} if module is None else {part: part.training for part in module.modules()}
    try:
        for part in modes:
            part.training = False
        with torch.inference_mode(False):
            yield call
    finally:
        for part, mode in modes.items():
            part.training = mode


def _started(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """Noise in place of each parameter that is zero throughout and will be trained."""
    if isinstance(module, torch.jit.ScriptModule):
        return {}
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.1 * torch.randn(p.shape, generator=generator).to(p.device, p.dtype)
        for name, p in module.named_parameters()
        if p.requires_grad and p.is_floating_point() and not p.any()
    }


def _sequence(outputs: Any, model: Any, batch: int, count: int | None) -> Frames:
    """The outputs as one tensor or array (B, K, ...) of `count` frames."""
    if isinstance(outputs, (tuple, list)) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor):
        outputs = np.asarray(outputs)
    if outputs.ndim < 2 or len(outputs) != batch or count not in (None, outputs.shape[1]):
        raise ShapeError(
            "does not return one output a frame",
            where=type(model).__name__,
            expected=(batch, "K" if count is None else count, "C", "H", "W"),
            received=tuple(outputs.shape),
            hint="pass task='forecast' if its outputs are the frames that follow those it reads",
        )
    return outputs
