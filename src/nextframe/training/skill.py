"""Skill on the validation part during training: additive sums, merged at the end, never averages of averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import Metric


class SummedMetric(Metric):
    """Sums of float64, (frames,) each; of float32 on a device that has no more, such as Apple's.

    Args:
        frames: length of each.
        names: of the sums.
    """

    full_state_update = False

    def __init__(self, frames: int, *names: str) -> None:
        super().__init__()
        for name in names:
            self.add_state(name, torch.zeros(frames, dtype=torch.float64), dist_reduce_fx="sum")

    def _apply(self, fn: Callable[[Tensor], Tensor], *others: Any) -> Self:
        try:
            return super()._apply(fn, *others)  # type: ignore[return-value]
        except TypeError:
            for name, zeros in self._defaults.items():
                assert isinstance(zeros, Tensor)
                self._defaults[name] = zeros.float()
                setattr(self, name, getattr(self, name).float())
            return super()._apply(fn, *others)  # type: ignore[return-value]


class PerFrameLoss(SummedMetric):
    """Mean loss by output frame.

    Args:
        frames: output frames T.
        first: the first that counts in the mean over all.
    """

    total: Tensor
    count: Tensor

    def __init__(self, frames: int, first: int = 0) -> None:
        super().__init__(frames, "total", "count")
        self.first = first

    def update(self, losses: Tensor, valid: Tensor) -> None:
        """Take in losses and their validity, (B, T, C, H, W); of fewer frames than T, those of the last ones."""
        self.total[-losses.shape[1] :] += (losses * valid).sum((0, 2, 3, 4), dtype=self.total.dtype)
        self.count[-losses.shape[1] :] += valid.sum((0, 2, 3, 4))

    def compute(self) -> dict[str, Tensor]:
        """Mean loss of each output frame, `by_frame` (T,), and over all values of those that count, `mean`."""
        return {
            "by_frame": self.total / self.count,
            "mean": self.total[self.first :].sum() / self.count[self.first :].sum(),
        }


class RolloutSkill(SummedMetric):
    """Squared error and contingency table of a free rollout, by lead time.

    Everything is in the model's range of values; an event is a value of at least the threshold.
    """

    squared_error: Tensor
    count: Tensor
    hits: Tensor
    misses: Tensor
    false_alarms: Tensor

    def __init__(self, lead_times: int, threshold: float) -> None:
        super().__init__(lead_times, "squared_error", "count", "hits", "misses", "false_alarms")
        self.threshold = threshold

    def update(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> None:
        """Take in forecasts, their truth and its validity, (B, K, C, H, W)."""
        axes = (0, 2, 3, 4)
        said, was = (forecast >= self.threshold) & valid, (truth >= self.threshold) & valid
        self.squared_error += ((forecast - truth).square() * valid).sum(axes, dtype=self.count.dtype)
        self.count += valid.sum(axes)
        self.hits += (said & was).sum(axes)
        self.misses += (~said & was).sum(axes)
        self.false_alarms += (said & ~was).sum(axes)

    def compute(self) -> dict[str, Tensor]:
        """Mean squared error and CSI = hits / (hits + misses + false alarms), each (K,); NaN without any event."""
        events = self.hits + self.misses + self.false_alarms
        return {"mse": self.squared_error / self.count, "csi": self.hits / events}


class Shrunk(SummedMetric):
    """Squared errors by lead time of a forecast s + a (f - s) between a simple one s and that of a network f.

    They are a parabola in the factor a, so its sums tell the best one, and the errors there: all values together, and
    as shares of the simple forecast's in the same window, where windows of heavy and of light rain count alike.

    Args:
        lead_times: of the rollout.
        shrinks: True where the best factor is taken, False where it is 1.
        by_window: True where windows count alike.
    """

    along: Tensor
    moved: Tensor
    simple: Tensor
    window_along: Tensor
    window_moved: Tensor
    window_simple: Tensor
    count: Tensor

    def __init__(self, lead_times: int, *, shrinks: bool, by_window: bool) -> None:
        names = ("along", "moved", "simple")
        super().__init__(lead_times, *names, *(f"window_{name}" for name in names), "count")
        self.shrinks, self.by_window = shrinks, by_window

    def update(self, forecast: Tensor, simple: Tensor, truth: Tensor, valid: Tensor, least: Tensor) -> None:
        """Take in forecasts, the simple ones, their truth and its validity, (B, K, C, H, W), and the squared error (K,)
        or (1,) that the simple forecast is taken to have in a window at least.
        """
        axes = (2, 3, 4)
        added, missed = (forecast - simple) * valid, (truth - simple) * valid
        number = valid.sum(axes)
        exact = self.count.dtype  # errors are small differences of these sums
        sums = [
            (one * other).sum(axes, dtype=exact) for one, other in ((missed, added), (added, added), (missed, missed))
        ]
        for name, total in zip(("along", "moved", "simple"), sums, strict=True):
            getattr(self, name).add_(total.sum(0))
        self.count += number.sum(0)
        along, moved, squared = (total / number.clamp(min=1) for total in sums)
        floor = torch.maximum(squared, least)
        for name, mean in (("along", along), ("moved", moved), ("simple", squared)):
            getattr(self, f"window_{name}").add_((mean / floor).sum(0))

    def compute(self) -> dict[str, Tensor]:
        """The factors (K,), 0..1, and there the mean squared error, `mse`, that of the simple forecast, `simple`, and
        the error's share of the latter, `share`, of all values together or of windows.
        """
        factors = torch.ones_like(self.along)
        if self.shrinks:
            factors = _best(self.along, self.moved)
            if self.by_window:  # and of no larger one than all values together have
                factors = torch.minimum(factors, _best(self.window_along, self.window_moved))
        own = self.simple - 2 * factors * self.along + factors.square() * self.moved
        window = self.window_simple - 2 * factors * self.window_along + factors.square() * self.window_moved
        return {
            "factors": factors,
            "mse": own / self.count,
            "simple": self.simple / self.count,
            "share": window / self.window_simple if self.by_window else own / self.simple,
        }


def _best(along: Tensor, moved: Tensor) -> Tensor:
    """Factor of the least squared error: 1 where the network adds nothing."""
    return torch.where(moved > 0, along / torch.where(moved > 0, moved, 1), 1.0).clamp(0, 1)
