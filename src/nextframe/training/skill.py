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


class WindowShare(SummedMetric):
    """Squared errors of a free rollout and of the simple forecast as shares of the latter in the same window, by lead
    time: windows of heavy and of light rain count alike.
    """

    own: Tensor
    simple: Tensor

    def __init__(self, lead_times: int) -> None:
        super().__init__(lead_times, "own", "simple")

    def update(self, forecast: Tensor, simple: Tensor, truth: Tensor, valid: Tensor, least: Tensor) -> None:
        """Take in forecasts, the simple ones, their truth and its validity, (B, K, C, H, W), and the squared error (K,)
        or (1,) that the simple forecast is taken to have in a window at least.
        """
        axes = (2, 3, 4)
        number = valid.sum(axes).clamp(min=1)
        ours, theirs = (((said - truth).square() * valid).sum(axes) / number for said in (forecast, simple))
        floor = torch.maximum(theirs, least)
        self.own += (ours / floor).sum(0)
        self.simple += (theirs / floor).sum(0)

    def compute(self) -> Tensor:
        """Share (K,), of all windows."""
        return self.own / self.simple
