"""The model's door: frames in source units to a network's tensor, and its outputs back.

On the way in: Lagrangian coordinates, where a model was trained in them; the model's range of values; gaps to 0, which
is the mean where values are standardised, else the lowest; static fields, which follow the channels, and after them
covariates and, where a model reads it, the mask of what is there. On the way out: source units, the coordinates of the
source, the limits of the values, and gaps where no frame seen had a value. Training, forecasts and whatever else runs a
network go through here.

Axes: B batch, T time, K lead time, C channel, S static channel, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nextframe.config import Coordinates, Edges
from nextframe.data.coordinates import motion_for
from nextframe.data.covariates import Covariates
from nextframe.data.limits import Limits
from nextframe.data.motion import WHOLE, Box, Motion, align, move_on
from nextframe.data.normalise import Normaliser
from nextframe.data.trusted import PLANES
from nextframe.errors import DataError
from nextframe.frames.sequence import FloatArray


@dataclass(frozen=True, eq=False)
class Door:
    """Passage between frames and a network.

    >>> import numpy as np
    >>> door = Door(Normaliser(method="range", offset=(0.0,), scale=(10.0,)), static=np.ones((1, 2, 2), np.float32))
    >>> rain = np.array([[5.0, 10.0], [np.nan, 0.0]], np.float32).reshape(1, 1, 2, 2)
    >>> frames, valid = door.enter(rain)
    >>> frames.shape, frames[0, 0].tolist(), valid[0, 0].tolist()
    (torch.Size([1, 2, 2, 2]), [[0.5, 1.0], [0.0, 0.0]], [[True, True], [False, True]])
    >>> door.leave(frames[:, :1])[0, 0].tolist()
    [[5.0, 10.0], [0.0, 0.0]]
    """

    normaliser: Normaliser
    """Normalisation to the model's range."""
    static: FloatArray | None = None
    """Fields that never change (S, H, W), in the model's range."""
    coordinates: Coordinates = "eulerian"
    """Frames as they are, or moved to where the motion of the last two frames seen takes them."""
    edges: Edges = "missing"
    """Content of gaps: "missing" (0), or the "last" frame seen."""
    limits: Limits | None = None
    """Limits of the values, in source units; None where forecasts leave as they come."""
    covariates: Covariates | None = None
    """Covariates, which change with time; None where a model reads none."""
    mask: bool = False
    """True where the network reads which values are there: a channel more for each of the frame's, 1 where it is."""
    shrinkage: tuple[float, ...] = ()
    """Factor of each lead time, 0..1, of what the network adds to frames that only move; empty where all of it counts,
    and beyond the last one that."""

    @property
    def moves(self) -> bool:
        """True where frames are moved."""
        return self.coordinates != "eulerian"

    @property
    def proves(self) -> bool:
        """True where each forecast is as near to the last frame seen as its hindcast says: where motion is put to the
        test, but for amounts, of which a smaller change is no likelier one.
        """
        return self.coordinates == "adaptive" and not self.normaliser.skewed

    def enter(
        self, frames: FloatArray, past: int | None = None, beside: FloatArray | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (..., T, C, H, W) in source units, aligned where need be, to what a network reads.

        Args:
            frames: the frames; where `edges` is "missing", they may have no axis T.
            past: how many of them are seen; by default all.
            beside: covariates of these frames (..., T, V, H, W), in the model's range, where it reads some.

        Returns:
            Frames (..., C + S + V, H, W), float32, with C further channels of a mask where there is to be one; and
            which values are real, (..., C, H, W).

        Raises:
            ShapeError: another number of channels than the normalisation was fitted on.
        """
        normalised = self.normaliser.apply(frames)
        # Torch has no notion of memory that cannot be written to, such as a file's; then, and where nothing was to be
        # normalised, a copy is taken.
        own = (
            np.array(normalised, np.float32) if normalised is frames else np.require(normalised, np.float32, ["C", "W"])
        )
        finite = np.isfinite(own)
        tensor, valid = torch.from_numpy(own), torch.from_numpy(finite)
        if not finite.all():
            if self.edges == "last":
                last = len(tensor[0] if tensor.ndim == 5 else tensor) - 1 if past is None else past - 1
                seen = tensor.select(-4, last).unsqueeze(-4).clone()
                tensor = torch.where(valid, tensor, seen)
            tensor = tensor.masked_fill_(~torch.isfinite(tensor), 0)
        if self.static is not None:
            fields = torch.from_numpy(self.static)
            tensor = torch.cat([tensor, fields.expand(*tensor.shape[:-3], *fields.shape)], dim=-3)
        if beside is not None:
            tensor = torch.cat([tensor, torch.from_numpy(beside)], dim=-3)
        if self.mask:
            tensor = torch.cat([tensor, valid.float()], dim=-3)
        return tensor, valid

    def ahead(self, past: FloatArray, beside: FloatArray) -> Tensor:
        """Frames (..., K, C + S, H, W) with what stands beside each forecast: covariates (..., K, V, H, W), and the
        rest as it is with the last frame of a past (..., T, C, H, W). See `nextframe.models.rollout.rollout`.
        """
        return self.enter(np.repeat(past[..., -1:, :, :, :], beside.shape[-4], axis=-4), beside=beside)[0]

    def leave(self, outputs: Tensor) -> FloatArray:
        """A network's outputs (..., C, H, W) in source units, float32; within the limits if they are to be moved, since
        what is moved is mixed with what is beside it.
        """
        values = np.asarray(self.normaliser.invert(outputs.float().cpu().numpy()), np.float32)
        return values if self.limits is None or not self.moves else self.limits.hold(values)

    def hold(self, forecast: FloatArray, past: FloatArray) -> FloatArray:
        """The exit of every forecast: values within their limits, and missing where they were in all frames seen.

        Args:
            forecast: (B, ..., C, H, W) in source units, of any number of members and lead times.
            past: frames that it was made from (B, T, C, H, W), NaN where missing.
        """
        held = forecast if self.limits is None else self.limits.hold(forecast)
        seen = np.asarray(np.isfinite(past).any(axis=1))
        if seen.all():
            return held
        between = (1,) * (held.ndim - seen.ndim)
        return np.where(seen.reshape(len(seen), *between, *seen.shape[1:]), held, np.float32(np.nan))

    def cut(self, rows: slice, columns: slice) -> Self:
        """The door for a part of the grid."""
        return self if self.static is None else replace(self, static=self.static[:, rows, columns])

    def hold_motion(self, frames: int, where: str) -> None:
        """Refuse fewer frames than a motion is told by, where frames are moved along one.

        Raises:
            DataError: one frame alone.
        """
        if self.moves and frames < 2:
            raise DataError(
                "has too few frames to tell a motion by, and the model forecasts along one",
                where=where,
                expected="2 or more",
                received=frames,
            )

    @property
    def motion_planes(self) -> int:
        """Planes of a motion in these coordinates: 2, or 3 for each part of a mixture."""
        return PLANES if self.coordinates == "adaptive" else 2

    def motion(self, past: FloatArray) -> Motion | None:
        """The motion that a past (T, C, H, W) has at its end; None where nothing is to be moved. Amounts that the model
        has in logarithms are skewed (`motion_for`).
        """
        return motion_for(self.coordinates, past, skewed=self.normaliser.skewed)

    def align(self, frames: FloatArray, past: int, along: Motion | None, box: Box = WHOLE) -> FloatArray:
        """Frames (T, C, H, W), of which the first `past` are seen, moved along a motion to where the last one seen is;
        NaN where nothing known arrives. See `nextframe.data.motion.align`.
        """
        return align(frames, past, along, box)

    def move_on(self, forecast: FloatArray, last: FloatArray, along: Motion | None) -> FloatArray:
        """A forecast (K, C, H, W) of aligned frames, moved along the motion to where it belongs.

        What flows in over the border, or from where values are missing, is that of the last frame seen (C, H, W), as it
        is in the baselines.
        """
        return move_on(self._shrunk(forecast, last), last, along) if self.moves else forecast

    def _shrunk(self, forecast: FloatArray, last: FloatArray) -> FloatArray:
        """An aligned forecast (K, C, H, W), as near to the last frame seen (C, H, W) as `shrinkage` says."""
        if not self.shrinkage:
            return forecast
        factors = [self.shrinkage[min(k, len(self.shrinkage) - 1)] for k in range(len(forecast))]
        nearer = last + np.array(factors, np.float32).reshape(-1, 1, 1, 1) * (forecast - last)
        return np.where(np.isfinite(last), nearer, forecast)
