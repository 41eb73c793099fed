"""Trained models as Forecasters: normalisation, missing values and rollout wrapped around the network; ensembles of
them; and what calibration knows of their errors.

Axes: B batch, M member, T time of the past, K lead time, C channel, Q quantile, H height, W width.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from warnings import warn

import numpy as np
import torch
from numpy.typing import NDArray

from nextframe.config import RunConfig
from nextframe.data.motion import Motion, align, from_lagrangian, motion_field
from nextframe.data.normalise import Normaliser
from nextframe.data.static import check_size
from nextframe.engine import subnormals_are_zero
from nextframe.errors import CheckpointError, ConfigError, DataError, NextframeWarning, ShapeError, first_line
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.forecast import Forecast, Forecaster
from nextframe.forecasting.tiles import Tiling, forecast_in_tiles
from nextframe.frames.grid import Grid
from nextframe.frames.rain import same_unit
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.models.network import Network
from nextframe.models.rollout import rollout_outputs
from nextframe.runs.folder import ModelCard, load_config, load_model, load_static, member_folders

CALIBRATION = "calibration.json"
"""Name of the calibration in a run folder."""


class TrainedForecaster(Forecaster):
    """What was trained, and takes and returns frames in source units.

    Args:
        card: what the run folder says of it.
        config: the configuration that it was trained with.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
    """

    def __init__(self, card: ModelCard, config: RunConfig, *, name: str, run: Path | None) -> None:
        self.card, self.config, self.run = card, config, run
        self._name = name
        path = None if run is None else run / CALIBRATION
        self.calibration = Calibration.load(path) if path is not None and path.is_file() else None
        """What is known of its errors; None where it was not calibrated."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def normaliser(self) -> Normaliser:
        """How frames come into the model's range, and forecasts out of it."""
        return self.card.normaliser

    @property
    @abstractmethod
    def networks(self) -> tuple[Network, ...]:
        """The network, or those of an ensemble's members."""

    def to(self, device: str | torch.device) -> Self:
        """Move the networks to a device ("cuda", "mps", "cpu"); forecasts are computed there from now on, frames go
        there and back by themselves. Without it everything is computed on the CPU.

        Raises:
            ConfigError: a device that PyTorch does not know or this machine does not have.
        """
        try:
            for network in self.networks:
                network.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"this machine cannot compute there ({first_line(error).rstrip('.')})",
                where="device",
                received=device,
                hint="without `to` everything is computed on the CPU",
            ) from error
        return self

    @abstractmethod
    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        """The same forecaster, working in tiles, in the memory of one tile and of the forecast.

        Args:
            tile: height and width of a tile, in pixels.
            overlap: pixels that neighbouring tiles share, in which their forecasts are blended; by default twice the
                radius of the model's receptive field, which gives the forecast of the whole grid, but at most half a
                tile. See `nextframe.forecasting.tiles`.

        Raises:
            ConfigError: tiles of no pixels, or an overlap that leaves nothing between the tiles.
        """

    def forecast(
        self,
        past: FrameSequence | NDArray,  # type: ignore[type-arg]
        lead_times: int = 8,
        *,
        members: bool = True,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> Forecast:
        """Forecast the frames that follow the last one of `past`; see `Forecaster.forecast`, and `tiled` for `tile` and
        `overlap`.

        Warns:
            NextframeWarning: another time step than that of the training, or members that are the model's own, since
                more lead times are asked for than were calibrated.

        Raises:
            DataError: frames in another unit than those of the training, or in another place than its static fields.
        """
        if isinstance(past, FrameSequence):
            self.check_kind(past)
        forecaster = in_tiles(self, tile, overlap)
        if forecaster is not self:
            return forecaster.forecast(past, lead_times, members=members)
        uncalibrated = self.why_no_members(lead_times)
        if members and self.knows_uncertainty and uncalibrated:
            warn(
                f"probabilities and intervals are the model's own, not calibrated: {uncalibrated}",
                NextframeWarning,
                stacklevel=2,
            )
        return super().forecast(past, lead_times, members=members)

    def check_kind(self, sequence: FrameSequence) -> None:
        """Hold frames to the units of the training, and to the place of its static fields; plain numbers are taken to
        be in these units, and frames without coordinates to be in this place.

        Warns:
            NextframeWarning: another time step than that of the training.

        Raises:
            DataError: another unit, or another place.
        """
        for name, own, given in zip(self.card.variables, self.card.units, sequence.units, strict=False):
            if "1" not in (own, given) and not same_unit(own, given):
                raise DataError(
                    f"is not in the unit of the training, in which {name} was in {own}",
                    where=sequence.name,
                    received=given,
                    hint="bring the frames to it, for rain with {rain_unit}",
                )
        if self.card.grid is not None and sequence.grid is not None and not sequence.grid.counted:
            trained = Grid(y=np.array(self.card.grid[0]), x=np.array(self.card.grid[1]))
            if sequence.shape[2:] == (len(trained.y), len(trained.x)):  # another size is told by `predict`
                trained.hold_in_place(sequence.grid, where=sequence.name, than="the static fields of the training")
        step = None if sequence.time_step is None else sequence.time_step / np.timedelta64(1, "s")
        if self.card.time_step is not None and step is not None and abs(step / self.card.time_step - 1) > 0.01:
            warn(
                f"{sequence.name}: its frames are {_apart(step)} apart, those of the training were "
                f"{_apart(self.card.time_step)} apart: motion looks faster or slower than the model learned it",
                NextframeWarning,
                stacklevel=3,
            )

    @property
    def knows_uncertainty(self) -> bool:
        """Whether it has members of its own, without calibration."""
        return False

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """`distribution` without calibration."""
        return super().distribution(past, lead_times)

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The forecast and its members: calibrated ones up to the lead time that calibration knows, else its own."""
        if self.calibration is None or lead_times > self.calibration.lead_times:
            return self.raw_distribution(past, lead_times)
        forecast = self.predict(past, lead_times)
        return forecast, self.calibration.members(forecast)

    def why_no_members(self, lead_times: int) -> str:
        """Says so where more lead times are asked for than were calibrated."""
        if self.calibration is None or lead_times <= self.calibration.lead_times:
            return ""
        known = self.calibration.lead_times
        return (
            f"it is calibrated for {known} lead times and {lead_times} were asked for: take {{lead_times={known}}}, "
            f"or train with {{future={lead_times}}}"
        )


class ModelForecaster(TrainedForecaster):
    """A trained model that takes and returns frames in source units.

    Args:
        model: the network.
        card: what the run folder says of it.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
        static: the fields that never change (S, H, W), in the model's range, where it was trained with such.
    """

    def __init__(
        self,
        model: Network,
        card: ModelCard,
        *,
        name: str = "model",
        run: Path | None = None,
        static: FloatArray | None = None,
    ) -> None:
        super().__init__(card, card.config, name=name, run=run)
        self.model = model.eval()
        self.static = static if static is not None and len(static) else None
        self.tiling: Tiling | None = None
        """How it cuts grids into tiles; None where it forecasts the whole grid at once."""

    @classmethod
    def load(cls, run: str | Path, *, name: str = "model") -> Self:
        """Read a run folder.

        Raises:
            CheckpointError: no such folder, no weights in it, damaged files, or files of another version.
        """
        model, card = load_model(run)
        return cls(model, card, name=name, run=Path(run), static=load_static(run, card))

    @property
    def networks(self) -> tuple[Network, ...]:
        return (self.model,)

    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        twin = copy.copy(self)
        twin.tiling = Tiling(tile=tile, overlap=overlap)
        return twin

    @property
    def knows_uncertainty(self) -> bool:
        return self.model.quantiles > 1

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Continue a batch of pasts (B, T, C, H, W), in source units, by `lead_times` frames.

        Missing values enter the network as 0 in its range: the mean where values are standardised, else the lowest,
        which it cannot tell from a value that is.

        Raises:
            ShapeError: a number of channels other than the model was trained on, or another grid than that of its
                static fields.
            DataError: pasts without a single valid value.
        """
        return self.raw_distribution(past, lead_times)[0]

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The median and all quantiles; each pixel's in order, which a network does not see to by itself (V.
        Chernozhukov et al. 2010, doi 10.3982/ECTA7880).
        """
        quantiles = np.sort(self._quantiles(past, lead_times), axis=1)
        return quantiles[:, self.model.quantiles // 2], quantiles

    def _quantiles(self, past: FloatArray, lead_times: int) -> FloatArray:
        """All that the network says, (B, Q, K, C, H, W)."""
        channels = past.shape[2]
        if past.ndim != 5 or channels != self.card.channels:
            raise ShapeError(
                "was trained on frames with another number of channels",
                where=self.run or self.name,
                expected=f"{self.card.channels} ({', '.join(self.card.variables)})",
                received=channels,
                hint="give it the same kind of frames; {grey=True} reads colour as grey",
            )
        if not np.isfinite(past).reshape(len(past), -1).any(axis=1).all():
            raise DataError("the frames to start from hold no valid value", where=self.name)
        if self.normaliser.method == "identity" and self.config.model.output == "sigmoid":
            low, high = float(np.nanmin(past)), float(np.nanmax(past))
            if low < -1 or high > 2:
                raise DataError(
                    "was trained on values from 0 to 1",
                    where=self.run or self.name,
                    received=f"values from {low:g} to {high:g}",
                    hint="bring the frames to that range, or take a model that was trained on such frames",
                )
        lagrangian = self.config.data.coordinates == "lagrangian"
        motions = [motion_field(movie[-2:]) for movie in past] if lagrangian else []
        seen = past
        if lagrangian:
            seen = np.stack([align(movie, len(movie), motion) for movie, motion in zip(past, motions, strict=True)])
        if self.static is not None:
            check_size(self.static, past.shape[-2], past.shape[-1], self.run or self.name)

        def piece(rows: slice, columns: slice) -> FloatArray:
            static = None if self.static is None else self.static[:, rows, columns]
            return self._outputs(seen[..., rows, columns], static, lead_times)

        height, width = past.shape[-2:]
        if self.tiling is None:
            found = piece(slice(height), slice(width))
        else:
            reach = self.model.reach(past.shape[1], lead_times)
            found = forecast_in_tiles(piece, (height, width), self.tiling, reach=reach, stride=self.model.stride)
        return _moved_on(found, past, motions) if lagrangian else found

    def _outputs(self, seen: FloatArray, static: FloatArray | None, lead_times: int) -> FloatArray:
        """What the network says of frames (B, T, C, H, W) beside static fields (S, H, W), (B, Q, K, C, H, W)."""
        # A copy: torch takes no array that cannot be written to, such as one read from a memory map.
        frames = torch.from_numpy(np.array(self.normaliser.apply(seen), dtype=np.float32))
        frames = torch.nan_to_num(frames, nan=0.0)
        if static is not None:
            fields = torch.from_numpy(static)
            frames = torch.cat([frames, fields.expand(*frames.shape[:2], *fields.shape)], dim=2)
        device = next(self.model.parameters()).device
        with torch.inference_mode(), subnormals_are_zero():
            future = rollout_outputs(self.model, frames.to(device), lead_times)
        outputs = future.float().unflatten(2, (self.model.quantiles, seen.shape[2])).transpose(1, 2)
        return np.asarray(self.normaliser.invert(outputs.cpu().numpy()), dtype=np.float32)


def _apart(seconds: float) -> str:
    """A time step in words."""
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def _moved_on(forecast: FloatArray, past: FloatArray, motions: Sequence[Motion | None]) -> FloatArray:
    """Forecasts (B, Q, K, C, H, W) out of Lagrangian coordinates; what flows in over the border, or from where values
    are missing, is the last frame's value, as it is in the baselines.
    """
    found = np.empty_like(forecast)
    for movie, motion, quantiles, moved in zip(past, motions, forecast, found, strict=True):
        for n, frames in enumerate(quantiles):
            arrived = from_lagrangian(frames, motion)
            moved[n] = np.where(np.isfinite(arrived) & np.isfinite(movie[-1]), arrived, movie[-1])
    return found


class EnsembleForecaster(TrainedForecaster):
    """Models of one configuration, each trained from a seed of its own (B. Lakshminarayanan et al. 2017,
    arXiv 1612.01474): their mean is the forecast, and how far they differ says how sure they are.

    Args:
        models: the members.
        config: the configuration of the whole.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
    """

    def __init__(
        self, models: Sequence[ModelForecaster], config: RunConfig, *, name: str = "model", run: Path | None = None
    ) -> None:
        super().__init__(models[0].card, config, name=name, run=run)
        self.models = tuple(models)

    @classmethod
    def load(cls, run: str | Path, *, name: str = "model") -> Self:
        """Read the run folder of an ensemble.

        Raises:
            CheckpointError, ConfigError: members that are missing or damaged.
        """
        config = load_config(Path(run) / "config.yaml")
        models = [ModelForecaster.load(folder) for folder in member_folders(run)]
        if len(models) != config.training.members:
            raise CheckpointError(
                "is an ensemble that lacks members",
                where=run,
                expected=config.training.members,
                received=len(models),
                hint="go on training it with {resume=True}",
            )
        return cls(models, config, name=name, run=Path(run))

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(model.model for model in self.models)

    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        twin = copy.copy(self)
        twin.models = tuple(model.tiled(tile, overlap) for model in self.models)
        return twin

    @property
    def knows_uncertainty(self) -> bool:
        return True

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The members' mean, (B, K, C, H, W); arguments and errors of `ModelForecaster.predict`."""
        return self.raw_distribution(past, lead_times)[0]

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The members' mean, and the members; all quantiles of each, where they are models of quantiles."""
        members = np.concatenate([model.raw_distribution(past, lead_times)[1] for model in self.models], axis=1)
        return members.mean(1), members


def in_tiles(forecaster: TrainedForecaster, tile: int | None, overlap: int | None) -> TrainedForecaster:
    """`TrainedForecaster.tiled`, where there is to be a tile.

    Raises:
        ConfigError: an overlap of no tiles.
    """
    if tile is not None:
        return forecaster.tiled(tile, overlap)
    if overlap is not None:
        raise ConfigError("is of tiles", where="overlap", received=overlap, hint="give their size, too: {tile}")
    return forecaster


class Uncalibrated(Forecaster):
    """A trained forecaster with its own members, as they come, to be verified beside the calibrated ones.

    Args:
        trained: an ensemble, or a model of quantiles.
    """

    def __init__(self, trained: TrainedForecaster) -> None:
        self.trained = trained

    @property
    def name(self) -> str:
        return f"{self.trained.name}, uncalibrated"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The trained forecaster's forecast."""
        return self.trained.predict(past, lead_times)

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The trained forecaster's own distribution."""
        return self.trained.raw_distribution(past, lead_times)
