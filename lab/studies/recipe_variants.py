"""Techniques that are tried for the default recipe and are no option of the package: what would be changed, each on the
training step that the package has. `python -m lab recipes` runs them.

Axes: B batch, T time, K lead time, C channel, F filter, H height, W width.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nextframe.config import RunConfig
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState
from nextframe.models.network import Network
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.module import Batch, ForecastTraining


class SmoothedTargets(ForecastTraining):
    """Zeros and ones are asked for as 0.01 and 0.99, so that no logit has to grow without end."""

    share = 0.01

    def _loss(self, logits: Tensor, target: Tensor, valid: Tensor, before: Tensor, before_valid: Tensor) -> Tensor:
        return super()._loss(logits, target * (1 - 2 * self.share) + self.share, valid, before, before_valid)


class GrowingSequences(ForecastTraining):
    """Short movies first: the future grows from a quarter to all of its frames over the first half of the steps."""

    used = 0.9
    """Share of the frames that are trained on, so that there may be more steps."""

    def losses(self, batch: Batch, feedback: Tensor | None) -> tuple[Tensor, Tensor]:
        lead_times = batch["future"].shape[1]
        used = math.ceil(lead_times * min(1.0, 0.25 + 1.5 * self._done()))
        short = {name: part[:, :used] if name.startswith("future") else part for name, part in batch.items()}
        losses, valid = super().losses(short, None if feedback is None else feedback[:, :used])
        missing = (0, 0, 0, 0, 0, 0, 0, lead_times - used)
        return nn.functional.pad(losses, missing), nn.functional.pad(valid, missing)


class GrowingRollouts(ForecastTraining):
    """The free rollouts of the last steps (`rollout_training`) grow from one frame to all."""

    def rollout_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        share = self.config.training.rollout_training
        done = (self._done() - (1 - share)) / share
        used = math.ceil(max(done, 0.01) * batch["future"].shape[1])
        short = {name: part[:, :used] if name.startswith("future") else part for name, part in batch.items()}
        return super().rollout_losses(short)


class GrowingBatches(ForecastTraining):
    """The first steps take three movies of the batch, the last ones all: more steps for as much work, early on."""

    used = 0.68
    """Share of the movies that are trained on."""

    def _cut(self, batch: Batch) -> Batch:
        count = len(batch["past"])
        used = min(count, max(3, math.ceil(count * 1.4 * self._done())))
        return super()._cut({name: part[:used] for name, part in batch.items()})


class TruncatedBackpropagation(ForecastTraining):
    """Gradients do not reach from the future into the past: the state between them is taken as given."""

    def losses(self, batch: Batch, feedback: Tensor | None) -> tuple[Tensor, Tensor]:
        past, future = batch["past"], batch["future"]
        movie = torch.cat([past, future], dim=1)
        first, state = self.model.logits(past)
        second, _ = self.model.logits(future[:, :-1], _detached(state))
        known = torch.cat([batch["past_valid"], batch["future_valid"]], dim=1)
        valid, before = known[:, 1:], (movie[:, :-1], known[:, :-1])
        return self._loss(torch.cat([first, second], dim=1), movie[:, 1:], valid, *before), valid


def _detached(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach()
    parts = map(_detached, state)
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)


class _NormalisedCell(ConvLSTM2d):
    """A ConvLSTM whose gates are normalised over channels and pixels before their activation, each gate for itself
    (J. Ba et al. 2016, section 3.1).
    """

    def __init__(self, in_channels: int, filters: int, kernel_size: int) -> None:
        super().__init__(in_channels, filters, kernel_size)
        self.norm = nn.GroupNorm(4, 4 * filters)

    def scan(self, frames: Tensor, state: ConvLSTMState | None = None) -> tuple[Tensor, ConvLSTMState]:
        """Over frames (T, B, C, H, W)."""
        hidden, cell = self.initial_state(frames[0]) if state is None else state
        outputs = []
        for frame in frames:
            gates = nn.functional.conv2d(frame, self.weight_x, self.bias, padding=self.padding)
            gates = self.norm(gates + nn.functional.conv2d(hidden, self.weight_h, padding=self.padding))
            i, f, o, c = gates.chunk(4, dim=1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(c)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs), ConvLSTMState(hidden, cell)


class NormInTheCell(ForecastTraining):
    """Layer norm of the gates inside the cell, in place of that between the layers."""

    def __init__(self, model: Network, config: RunConfig, *rest: Any) -> None:
        assert isinstance(model, StackedConvLSTM)
        sizes = zip((1, *config.model.filters), config.model.filters, strict=False)
        model.layers = nn.ModuleList(_NormalisedCell(c, f, config.model.kernel_size[0]) for c, f in sizes)
        for layer in model.layers:  # as wide open as the forget gate of the others
            assert isinstance(layer, _NormalisedCell)
            with torch.no_grad():
                layer.norm.bias[layer.filters : 2 * layer.filters] = 1.0
        super().__init__(model, config, *rest)


class ForgetGateHalfOpen(ForecastTraining):
    """The forget gate's bias starts at zero instead of one."""

    def __init__(self, model: Network, *rest: Any) -> None:
        for layer in model.modules():
            if isinstance(layer, ConvLSTM2d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        super().__init__(model, *rest)


class GlorotStates(ForecastTraining):
    """The kernels of the hidden state are drawn as those of the input are, instead of orthogonal."""

    def __init__(self, model: Network, *rest: Any) -> None:
        for layer in model.modules():
            if isinstance(layer, ConvLSTM2d):
                nn.init.xavier_uniform_(layer.weight_h)
        super().__init__(model, *rest)


class GatesTogether(ForecastTraining):
    """Muon makes a kernel's update orthogonal as one matrix, (4 F, C k k), not gate by gate."""

    def configure_optimizers(self) -> Any:
        made = super().configure_optimizers()
        optimizer = made["optimizer"]
        for group in optimizer.param_groups:
            group["gates"] = min(group["gates"], 1)  # 0 is Adam's
        return made
