"""What is measured on the validation part during training: additive sums, merged at the end, never averages of
averages.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class PerFrameLoss(Metric):
    """Mean loss by output frame: sums and counts, (T,)."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(frames, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(frames, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, losses: Tensor, valid: Tensor) -> None:
        """Take in losses and their validity, (B, T, C, H, W)."""
        self.total += (losses * valid).sum((0, 2, 3, 4), dtype=torch.float64)
        self.count += valid.sum((0, 2, 3, 4))

    def compute(self) -> Tensor:
        """Mean loss of each output frame (T,)."""
        return self.total / self.count

    def mean(self, first: int = 0) -> Tensor:
        """Mean loss over all values from output frame `first` on."""
        return self.total[first:].sum() / self.count[first:].sum()


class RolloutSkill(Metric):
    """Squared error and contingency table of a free rollout, by lead time.

    Everything is in the model's range of values; an event is a value of at least the threshold.
    """

    full_state_update = False
    squared_error: Tensor
    count: Tensor
    hits: Tensor
    misses: Tensor
    false_alarms: Tensor

    def __init__(self, lead_times: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        for name in ("squared_error", "count", "hits", "misses", "false_alarms"):
            self.add_state(name, torch.zeros(lead_times, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, forecast: Tensor, truth: Tensor, valid: Tensor) -> None:
        """Take in forecasts, their truth and its validity, (B, K, C, H, W)."""
        axes = (0, 2, 3, 4)
        said, was = (forecast >= self.threshold) & valid, (truth >= self.threshold) & valid
        self.squared_error += ((forecast - truth).square() * valid).sum(axes, dtype=torch.float64)
        self.count += valid.sum(axes)
        self.hits += (said & was).sum(axes)
        self.misses += (~said & was).sum(axes)
        self.false_alarms += (said & ~was).sum(axes)

    def compute(self) -> dict[str, Tensor]:
        """Mean squared error and CSI = hits / (hits + misses + false alarms), each (K,); NaN without any event."""
        events = self.hits + self.misses + self.false_alarms
        return {"mse": self.squared_error / self.count, "csi": self.hits / events}
