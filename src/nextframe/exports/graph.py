"""`StepGraph`: a trained model, or an ensemble, as one step from a frame in source units to the next one.

    next_frame, (quantiles or members), next_state_0, next_state_1, ... = step(frame, state_0, state_1, ...)

Everything between source units and source units is inside: normalisation and its inverse, gaps, static fields,
patches, limits of the values, the order of quantiles and the mean of members. States are zeros before the first frame.
A rollout feeds `next_frame` back as it is: a frame that equals the last forecast, bit by bit, is taken for it, so that
each member of an ensemble reads its own forecast, and every network the very one that it has made.

Shapes: N batch, M members or quantiles, C channel, S static channel, Q quantile, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from nextframe.data.door import Door
from nextframe.exports.cores import Core, State, core_of, plain, reads_with_encoder
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.models.layers import median

Bounds = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
"""Smallest and largest value of each channel, and the smallest one above the smallest."""
OUTPUTS = ("next_frame", "quantiles", "members")
"""Names that outputs can have, other than those of the states."""
LARGEST = 3e38  # what is finite in float32 is smaller


class Graph(nn.Module):
    """Parts that both kinds of graph share: cores, their states, and the way in.

    Args:
        cores: of each member.
        door: between source units and the model's range.
        channels: channels C of a frame.
    """

    def __init__(self, cores: Sequence[Core], door: Door, channels: int) -> None:
        super().__init__()
        self.cores = nn.ModuleList(cores)
        self.normaliser, self.channels, self.mask = door.normaliser, channels, door.mask
        static = None if door.static is None else torch.from_numpy(door.static)
        self.register_buffer("static", static, persistent=False)
        own = [core.states for core in cores]
        many = len(own) > 1
        self.states: tuple[State, ...] = tuple(
            State(channels=s.channels, pixels=s.pixels, holds=f"{s.holds}, member {n}" if many else s.holds)
            for n, states in enumerate(own, start=1)
            for s in states
        )
        self.counts = [len(states) for states in own]

    def enter(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """A frame (N, C, H, W) in source units to the model's range, gaps at 0; and 1 where a value is."""
        normalised = self.normaliser.apply(frame)
        valid = normalised.abs() < LARGEST
        return torch.where(valid, normalised, 0.0), valid.to(frame.dtype)

    def joined(self, frame: Tensor, valid: Tensor) -> Tensor:
        """A frame (N, C, H, W) in the model's range as a network reads it: static fields and mask after it."""
        parts = [frame]
        if isinstance(self.static, Tensor):
            parts.append(self.static.expand(frame.shape[0], -1, -1, -1))
        if self.mask:
            parts.append(valid)
        return torch.cat(parts, dim=1) if len(parts) > 1 else frame

    def shares(self, states: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """The states of each core."""
        starts = [sum(self.counts[:n]) for n in range(len(self.counts) + 1)]
        return [states[a:b] for a, b in pairwise(starts)]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it returns, before the states."""
        return ()

    @property
    def inputs(self) -> list[str]:
        """Names of what it reads."""
        return ["frame", *(f"state_{n}" for n in range(len(self.states)))]

    @property
    def results(self) -> list[str]:
        """Names of all that it returns."""
        return [*self.outputs, *(f"next_state_{n}" for n in range(len(self.states)))]

    def example(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Inputs of these sizes: zeros."""
        shapes = [state.shape(batch, height, width) for state in self.states]
        return tuple(torch.zeros(shape) for shape in ((batch, self.channels, height, width), *shapes))


class EncoderGraph(Graph):
    """Reads a frame of the past and returns the states after it."""

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Frame (N, C, H, W) and states to states."""
        read = self.joined(*self.enter(frame))
        fed = torch.zeros_like(frame[:, :1, :1, :1]) > 0
        after: list[Tensor] = []
        for core, own in zip(self.cores, self.shares(states), strict=True):
            after += core(read, fed, own)[1]
        return tuple(after)


class StepGraph(Graph):
    """Reads a frame and returns the next one, its quantiles or members where there are such, and the states.

    Args:
        cores: of each member.
        door: between source units and the model's range.
        channels: channels C of a frame.
        quantiles: quantiles Q that each core forecasts.
        activated: True where forecasts are within 0..1 of the model's range by themselves.
    """

    def __init__(self, cores: Sequence[Core], door: Door, channels: int, quantiles: int, activated: bool) -> None:
        super().__init__(cores, door, channels)
        self.quantiles = quantiles
        self.members = len(cores) * quantiles
        self.limits = _limits(door, activated)
        self.knows_feedback = (
            self.members > 1 or self.limits is not None or self.mask or any(core.told_of_feedback for core in cores)
        )
        if self.knows_feedback:
            own = len(cores) * channels
            memory = State(
                channels=channels + own + (channels if self.mask else 0) + 1,
                holds="the last forecast, in source units and as each member has it in its range; the mask of the last "
                "frame seen, where the network reads one; and a 1",
            )
            self.states = (*self.states, memory)

    @property
    def outputs(self) -> tuple[str, ...]:
        if self.members == 1:
            return ("next_frame",)
        return ("next_frame", "quantiles" if len(self.cores) == 1 else "members")

    def forward(self, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Frame (N, C, H, W) and states to the next frame (N, C, H, W), quantiles or members (N, M, C, H, W) if there
        are such, and states.
        """
        (observed, valid), memory = self.enter(frame), None
        fed = torch.zeros_like(frame[:, :1, :1, :1]) > 0
        if self.knows_feedback:
            memory = states[-1]
            expected, begun = memory[:, : self.channels], memory[:, -1:, :1, :1]
            equal = (frame == expected).to(frame.dtype).amin((1, 2, 3), keepdim=True)
            fed = (equal * begun) > 0.5
            if self.mask:  # a forecast is as complete as the last frame seen
                first = (len(self.cores) + 1) * self.channels
                valid = torch.where(fed, memory[:, first : first + self.channels], valid)
        after: list[Tensor] = []
        raw: list[Tensor] = []
        for n, (core, own) in enumerate(zip(self.cores, self.shares(states), strict=True)):
            read = observed
            if memory is not None:
                first = (n + 1) * self.channels
                again = memory[:, first : first + self.channels]
                if self.mask:  # as a rollout feeds it back: nothing where nothing was seen
                    again = again * valid
                read = torch.where(fed, again, observed)
            outputs, following = core(self.joined(read, valid), fed, own)
            raw.append(outputs)
            after += following
        distribution = torch.cat([self._ordered(outputs) for outputs in raw], dim=1)
        single = len(self.cores) == 1
        next_frame = distribution[:, self.quantiles // 2] if single else self._held(distribution.mean(1))
        results = [next_frame] if self.members == 1 else [next_frame, distribution]
        if memory is not None:
            shown = [median(outputs, self.quantiles) for outputs in raw]
            masks = [valid] if self.mask else []
            after.append(torch.cat([next_frame, *shown, *masks, next_frame[:, :1].clamp(1, 1)], dim=1))
        return (*results, *after)

    def _ordered(self, outputs: Tensor) -> Tensor:
        """Outputs (N, Q C, H, W) in source units, (N, Q, C, H, W), each pixel's quantiles in order."""
        if self.quantiles == 1:
            return self._held(self.normaliser.invert(outputs))[:, None]
        size = (outputs.shape[2], outputs.shape[3])
        values = self.normaliser.invert(outputs.reshape(-1, self.quantiles, self.channels, *size))
        return self._held(values).sort(1).values

    def _held(self, values: Tensor) -> Tensor:
        """Values (..., C, H, W) within their limits, as `nextframe.data.limits.Limits.hold` has it."""
        if self.limits is None:
            return values
        low, high, least = (torch.tensor(bounds).view(-1, 1, 1) for bounds in self.limits)
        return torch.where(values < least, low, torch.minimum(values, high))


def _limits(door: Door, activated: bool) -> Bounds | None:
    """Limits of each channel, in source units; None where forecasts keep them by themselves."""
    limits = door.limits
    if limits is None:
        return None
    low = tuple(-LARGEST if bound is None else bound for bound in limits.low)
    high = tuple(LARGEST if bound is None else bound for bound in limits.high)
    least = tuple(a if b is None else b for a, b in zip(low, limits.least, strict=True))
    ends = [door.normaliser.invert(np.full((len(low), 1, 1), end, np.float32))[:, 0, 0] for end in (0.0, 1.0)]
    kept = activated and all(
        first >= np.float32(smallest) and last <= np.float32(largest)
        for first, last, smallest, largest in zip(*ends, least, high, strict=True)
    )
    return None if kept or (min(high) == LARGEST and max(low) == -LARGEST) else (low, high, least)


def members_of(model: TrainedForecaster) -> tuple[ModelForecaster, ...]:
    """The models of an ensemble, or the model itself."""
    if isinstance(model, EnsembleForecaster):
        return model.models
    assert isinstance(model, ModelForecaster)
    return (model,)


def graphs(model: TrainedForecaster) -> dict[str, Graph]:
    """The graphs of a model by the name of the part: "step", or "encoder" and "decoder".

    Raises:
        ConfigError: a network without a step that could be exported.
    """
    members = members_of(model)
    networks = [plain(member.model) for member in members]
    door, channels = members[0].door, model.manifest.channels
    cores = [core_of(network) for network in networks]
    activated = networks[0].output == "sigmoid"
    forecasting = StepGraph(cores, door, channels, networks[0].quantiles, activated).eval()
    if not reads_with_encoder(networks[0]):
        return {"step": forecasting}
    encoders = [core_of(network, encoder=True) for network in networks]
    return {"encoder": EncoderGraph(encoders, door, channels).eval(), "decoder": forecasting}
