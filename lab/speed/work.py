"""The work that is measured: the tutorial's two models on the tutorial's batches, and one layer over many sizes.

Shapes: B batch, T time, K lead times, C channels, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Task = Literal["training", "forward", "backward", "inference", "streaming"]
Accelerator = Literal["cpu", "cuda"]

PASSES: tuple[Task, ...] = ("training", "forward", "backward")
"""Tasks on a batch to train on."""


@dataclass(frozen=True)
class Step:
    """What is done on the clock, and what has to go before it off the clock."""

    measured: Callable[[], object]
    """The work itself."""
    before: Callable[[], object] | None = None
    """The forward pass, where the backward pass alone is measured."""

    def __call__(self) -> object:
        """Do both."""
        if self.before is not None:
            self.before()
        return self.measured()


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step of work: a training step on a batch of movies, or a forecast of K frames of each of them."""

    model: str
    """Architecture."""
    batch: int
    """Movies B."""
    past: int
    """Frames seen T."""
    future: int
    """Frames forecast K."""
    filters: tuple[int, ...]
    """Filters of each layer."""
    size: int = 40
    """Height and width of a frame."""
    kernel: int = 3
    """Height and width of the ConvLSTM kernels."""

    @property
    def label(self) -> str:
        """What tables call it: the model, and what differs from the tutorial's."""
        parts: list[str] = [self.model]
        if self.size != 40:
            filters = "-".join(str(f) for f in self.filters)
            parts.append(f"{self.size}x{self.size} pixels, {filters} filters")
        if self.kernel != 3:
            parts.append(f"{self.kernel}x{self.kernel} kernels")
        return ", ".join(parts)

    def frames(self, task: Task) -> int:
        """Frames that one step works through, of all movies: those trained on, or those forecast."""
        if task == "streaming":
            return self.batch
        if task == "inference":
            return self.batch * self.future
        return self.batch * (self.past + self.future - 1)

    def flops(self, task: Task) -> int:
        """Floating-point operations of one step's ConvLSTM convolutions, were each frame read once and directly.

        The backward pass counts twice the forward pass: the gradients by the input and by the weights.
        """
        layers = zip((1, *self.filters[:-1]), self.filters, strict=True)
        per_frame = sum(2 * self.kernel**2 * (c + f) * 4 * f * self.size**2 for c, f in layers)
        read = self.batch * (1 if task == "streaming" else self.past + self.future - 1)
        passes = {"training": 3, "backward": 2}
        return per_frame * read * passes.get(task, 1)


TRAINING: tuple[Work, ...] = (
    Work(model="stacked", batch=10, past=7, future=9, filters=(40, 40, 40)),
    Work(model="encoder-decoder", batch=8, past=10, future=10, filters=(128,)),
)
"""The tutorial's training steps: 15 frames in and out; 9 encoded and 10 decoded."""

INFERENCE: tuple[Work, ...] = (
    Work(model="stacked", batch=1, past=7, future=8, filters=(40, 40, 40)),
    Work(model="encoder-decoder", batch=1, past=10, future=10, filters=(128,)),
)
"""The tutorial's forecasts, of one movie."""

STREAMING: tuple[Work, ...] = (
    Work(model="stacked", batch=1, past=14, future=1, filters=(40, 40, 40)),
    Work(model="encoder-decoder", batch=1, past=10, future=1, filters=(128,)),
)
"""One new frame of one movie, where the state of the frames before is known; who keeps none reads them again."""

TUTORIAL: dict[Task, tuple[Work, ...]] = {
    "training": TRAINING,
    "forward": TRAINING,
    "backward": TRAINING,
    "inference": INFERENCE,
    "streaming": STREAMING,
}

SWEEP: tuple[Work, ...] = tuple(
    Work(model="stacked", batch=2 if size < 128 else 1, past=2, future=3, filters=(filters,), size=size)
    for size in (64, 128, 256)
    for filters in (16, 64, 256)
)
"""One ConvLSTM layer on four frames, over frame sizes and numbers of filters."""
