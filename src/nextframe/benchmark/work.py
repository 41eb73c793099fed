"""The work that is measured: the tutorial's two models on the tutorial's batches.

Shapes: B batch, T time, K lead times, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nextframe.config import ModelKind

Task = Literal["training", "inference", "streaming"]
Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step of work: a training step on a batch of movies, or a forecast of K frames of each of them."""

    model: ModelKind
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

    def frames(self, task: Task) -> int:
        """Frames that one step works through, of all movies: those trained on, or those forecast."""
        if task == "streaming":
            return self.batch
        if task == "inference":
            return self.batch * self.future
        return self.batch * (self.past + self.future - 1)

    def flops(self, task: Task) -> int:
        """Floating-point operations of one step's ConvLSTM convolutions, were each frame read once and directly.

        Training counts three times forward: once for the output, once each for the gradients by input and by weights.
        """
        layers = zip((1, *self.filters[:-1]), self.filters, strict=True)
        per_frame = sum(2 * 9 * (c + f) * 4 * f * self.size**2 for c, f in layers)
        read = self.batch * (1 if task == "streaming" else self.past + self.future - 1)
        return per_frame * read * (3 if task == "training" else 1)


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
