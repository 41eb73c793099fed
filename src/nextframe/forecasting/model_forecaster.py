"""A trained network as a Forecaster: frames in source units in and out, missing values, rollout, tiles.

Axes: B batch, T time of the past, K lead time, C channel, Q quantile, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from nextframe.data.covariates import Covariates
from nextframe.data.door import Door
from nextframe.data.hindcast import held_to_hindcasts
from nextframe.data.motion import Motion
from nextframe.data.static import check_size
from nextframe.engine import same_weights, subnormals_are_zero
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.streaming import Stream
from nextframe.forecasting.tiles import Tiling, forecast_in_tiles
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.source import Source
from nextframe.models.network import Network
from nextframe.models.rollout import rollout_outputs
from nextframe.runs.folder import load_model, load_static
from nextframe.runs.manifest import Manifest


class ModelForecaster(TrainedForecaster):
    """A trained model that takes and returns frames in source units.

    Args:
        model: the network.
        manifest: what the run folder says of it.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
        static: the fields that never change (S, H, W), in the model's range, where it was trained with such.
    """

    def __init__(
        self,
        model: Network,
        manifest: Manifest,
        *,
        name: str = "model",
        run: Path | None = None,
        static: FloatArray | None = None,
    ) -> None:
        super().__init__(manifest, manifest.config, name=name, run=run)
        self.model = model.eval()
        fields = static if static is not None and len(static) else None
        data = manifest.config.data
        self.door = Door(
            manifest.normaliser,
            static=fields,
            coordinates=data.coordinates,
            edges=data.edges,
            limits=manifest.bounds,
            covariates=Covariates(manifest.covariates, data) if manifest.covariates else None,
            mask=manifest.mask,
            shrinkage=manifest.shrinkage,
        )
        self._pasts: Sequence[FrameSequence] = ()
        self.tiling: Tiling | None = None
        """Tiling of grids; None where it forecasts the whole grid at once."""

    @classmethod
    def load(cls, run: str | Path, *, name: str = "model", module: nn.Module | None = None) -> Self:
        """Read a run folder.

        Args:
            run: the run folder.
            name: what tables and reports call it.
            module: of a run of a network of one's own, an instance of its class; see `load_run`.

        Raises:
            CheckpointError: no such folder, no weights in it, damaged files, or files of another version.
        """
        model, manifest = load_model(run, module)
        return cls(model, manifest, name=name, run=Path(run), static=load_static(run, manifest))

    @property
    def networks(self) -> tuple[Network, ...]:
        return (self.model,)

    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        twin = copy.copy(self)
        twin.tiling = Tiling(tile=tile, overlap=overlap)
        return twin

    def with_covariates(self, observed: Sequence[Source] | None = None, future: Sequence[Source] | None = None) -> Self:
        covariates = self.door.covariates or Covariates((), self.config.data)
        named = self.manifest.config.data
        opened = covariates.opened(
            named.covariates if observed is None else observed, named.future_covariates if future is None else future
        )
        if self.door.covariates is None:
            return self
        twin = copy.copy(self)
        twin.door = replace(self.door, covariates=opened)
        return twin

    def knowing(self, pasts: Sequence[FrameSequence]) -> Self:
        if self.door.covariates is None:
            return self
        self.door.covariates.require()
        twin = copy.copy(self)
        twin._pasts = tuple(pasts)
        return twin

    @property
    def knows_uncertainty(self) -> bool:
        return self.model.quantiles > 1

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Continue a batch of pasts (B, T, C, H, W), in source units, by `lead_times` frames.

        Missing values enter the network as 0 in its range: the mean where values are standardised, else the lowest,
        which it tells from a value that is by its mask, where it has one. What is missing in all frames seen is missing
        in the forecast, whose values are within the limits of the variable.

        Raises:
            ShapeError: a number of channels other than the model was trained on, or another grid than that of its
                static fields.
            DataError: pasts without a single valid value, or of one frame where it forecasts along a motion.
        """
        return self.raw_distribution(past, lead_times)[0]

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The median and all quantiles, each pixel's in order."""
        quantiles = self.door.hold(self._quantiles(past, lead_times), past)
        return self.point(quantiles), quantiles

    def _quantiles(self, past: FloatArray, lead_times: int) -> FloatArray:
        """All that the network says, (B, Q, K, C, H, W); as far as its hindcast of the last frame is to be trusted,
        where the door asks for one.
        """
        self.check_frames(past)
        self.door.hold_motion(past.shape[1], self.name)
        if self.proves:
            return held_to_hindcasts(past, lead_times, self._along_motion)
        return self._along_motion(past, lead_times)[0]

    @property
    def proves(self) -> bool:
        """True where each forecast is held to its hindcast. Distributions are wide where little is sure, covariates and
        static fields belong to the frames as they are, and networks of others may be made for one number of frames.
        """
        plain = self.door.covariates is None and self.door.static is None and self.manifest.own is None
        return self.door.proves and self.model.quantiles == 1 and plain

    def _along_motion(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, list[Motion | None]]:
        """Outputs of the network, (B, Q, K, C, H, W), moved to where it belongs, and the motion of each past."""
        motions = [self.door.motion(movie) for movie in past]
        seen = np.stack([self.door.align(movie, len(movie), along) for movie, along in zip(past, motions, strict=True)])

        beside = self._beside(past, lead_times)

        def piece(rows: slice, columns: slice) -> FloatArray:
            covariates = None if beside is None else beside[..., rows, columns]
            return self._outputs(seen[..., rows, columns], self.door.cut(rows, columns), lead_times, covariates)

        height, width = past.shape[-2:]
        if self.tiling is None:
            quantiles = piece(slice(height), slice(width))
        else:
            reach = self.model.reach(past.shape[1], lead_times)
            quantiles = forecast_in_tiles(piece, (height, width), self.tiling, reach=reach, stride=self.model.stride)
        if self.door.moves:
            doors = self.doors_of(quantiles.shape[1])
            for forecast, movie, along in zip(quantiles, past, motions, strict=True):
                forecast[:] = [
                    door.move_on(frames, movie[-1], along) for door, frames in zip(doors, forecast, strict=True)
                ]
        return quantiles, motions

    def doors_of(self, count: int) -> Sequence[Door]:
        """The door that each of so many quantiles or members leaves by."""
        return (self.door,) * count

    def check_frames(self, past: FloatArray) -> None:
        """Hold frames (B, T, C, H, W) to the channels and the range of values of the training, and to the size of its
        static fields.

        Raises:
            ShapeError: another number of channels, or another size.
            DataError: a past without a value, or values far beyond those that a model's forecasts are held to.
        """
        channels = past.shape[2]
        any_number = self.config.model.channelwise
        if past.ndim != 5 or (channels != self.manifest.channels and not any_number):
            raise ShapeError(
                "was trained on frames with another number of channels",
                where=self.run or self.name,
                expected=f"{self.manifest.channels} ({', '.join(self.manifest.variables)})",
                received=channels,
                hint="give it the same kind of frames; {grey=True} reads colour as grey",
            )
        if not np.isfinite(past).reshape(len(past), -1).any(axis=1).all():
            raise DataError("the frames to start from hold no valid value", where=self.name)
        self._hold_range(past)
        if self.door.static is not None:
            check_size(self.door.static, past.shape[-2], past.shape[-1], self.run or self.name)

    def _hold_range(self, past: FloatArray) -> None:
        """Hold each channel of frames (B, T, C, H, W) to the range that its values in the training had, about."""
        tops = self.manifest.tops
        for c in range(past.shape[2]):
            top = tops[0 if len(tops) == 1 else c]
            if top is None:
                continue
            values = past[:, :, c]
            known = np.isfinite(values)
            values = values if known.all() else values[known]
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
            if low < -top or high > 2 * top:
                raise DataError(
                    f"was trained on values from 0 to {top:g}",
                    where=self.run or self.name,
                    received=f"values from {low:g} to {high:g}{self._of(c)}",
                    hint="bring the frames to that range, or take a model that was trained on such frames",
                )

    def _of(self, channel: int) -> str:
        """Words that name a channel, where there are several."""
        return f" of {self.manifest.variables[channel]}" if self.manifest.channels > 1 else ""

    def stream(self) -> Stream | None:
        if not self.model.streams or self.door.moves or self.tiling is not None or self.manifest.covariates:
            return None
        return Stream([(self.model, self.door)])

    def point(self, members: FloatArray) -> FloatArray:
        return members[:, self.model.quantiles // 2]

    def _beside(self, past: FloatArray, lead_times: int) -> FloatArray | None:
        """Covariates of a batch of pasts, (B, T + K, V, H, W), in the model's range."""
        covariates = self.door.covariates
        if covariates is None:
            return None
        covariates.require()
        if [sequence.shape for sequence in self._pasts] != [movie.shape for movie in past]:
            raise ConfigError(
                "reads covariates at the times of its frames, which an array does not have",
                where=self.run or self.name,
                hint="forecast from a file or a sequence with times",
            )
        return np.stack([covariates.read(sequence, lead_times) for sequence in self._pasts])

    def _outputs(self, seen: FloatArray, door: Door, lead_times: int, beside: FloatArray | None = None) -> FloatArray:
        """All that the network says of frames (B, T, C, H, W), (B, Q, K, C, H, W) in source units: the quantiles of
        each pixel in order, which a network does not see to by itself (V. Chernozhukov et al. 2010, doi
        10.3982/ECTA7880), and before they are moved, which leaves them in order.
        """
        device, later, count = next(self.model.parameters()).device, None, seen.shape[1]
        if beside is not None:
            later = door.ahead(seen, beside[:, count:]).to(device)
        frames, _ = door.enter(seen, beside=None if beside is None else beside[:, :count])
        with torch.inference_mode(), subnormals_are_zero(), same_weights():
            future = rollout_outputs(self.model, frames.to(device), lead_times, later)
        return np.sort(door.leave(future.unflatten(2, (self.model.quantiles, seen.shape[2])).transpose(1, 2)), axis=1)
