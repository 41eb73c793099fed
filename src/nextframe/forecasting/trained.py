"""Trained models as Forecasters: units held to those of the training, calibrated members, tiles.

Axes: B batch, M member, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self
from warnings import warn

import numpy as np
import torch

from nextframe.config import RunConfig, frames_asked_for
from nextframe.data.covariate_frames import timed_each
from nextframe.data.door import Door
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError, DataError, NextframeWarning, first_line
from nextframe.forecasting.adapt import Adapted, Prepared, adapt, in_range
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.forecast import Forecast, Forecaster, only_one
from nextframe.forecasting.quantile_map import QuantileMap
from nextframe.forecasting.session import Session
from nextframe.forecasting.streaming import Stream
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource, described
from nextframe.frames.source import Source, are_frames, is_array, name_of, pasts_in
from nextframe.frames.units import same_unit
from nextframe.models.network import Network
from nextframe.plugins import Late
from nextframe.runs.folder import member_folders
from nextframe.runs.manifest import Manifest
from nextframe.runs.metrics import METRICS, read_metrics
from nextframe.words import count, joined, seconds

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION = "calibration.json"
"""Name of the calibration in a run folder."""


class TrainedForecaster(Forecaster):
    """Trained model that takes and returns frames in source units.

    Args:
        manifest: what the run folder says of it.
        config: the configuration that it was trained with.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
    """

    door: Door
    """Door through which frames come to the networks, and forecasts from them."""

    def __init__(self, manifest: Manifest, config: RunConfig, *, name: str, run: Path | None) -> None:
        self.manifest, self.config, self.run = manifest, config, run
        self._name = name
        path = None if run is None else run / CALIBRATION
        self.calibration = Calibration.load(path) if path is not None and path.is_file() else None
        """Calibration by its errors; None where it was not calibrated."""

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        where = "" if self.run is None else f" from {self.run}"
        filters = " " + "-".join(map(str, self.config.model.filters)) if self.config.model.filters else ""
        parameters = sum(weights.numel() for network in self.networks for weights in network.parameters())
        models = f"{len(self.networks)} models, " if len(self.networks) > 1 else ""
        data = self.config.data
        return (
            f"<{type(self).__name__} {self.name!r}{where}: {self.config.model.model}{filters}, {models}"
            f"{parameters:,} parameters, {count(data.future, 'frame')} from {data.past} of "
            f"{described(self.manifest.variables, self.manifest.units)}>"
        )

    def _repr_html_(self) -> str:
        return str(Late("nextframe.outputs.show:model_html")(self))

    @property
    def history(self) -> pd.DataFrame:
        """Losses and scores of the training, a row for each epoch, as `metrics.csv` has them; of an ensemble those of
        each member, told by the column `member`. Empty where the run kept none, as shipped models do.

        Raises:
            CheckpointError: a file that cannot be read.
        """
        import pandas as pd

        run = self.run
        if run is None:
            return pd.DataFrame()
        members = member_folders(run)
        if not members:
            return pd.DataFrame(read_metrics(run) if (run / METRICS).is_file() else [])
        tables = [pd.DataFrame(read_metrics(folder)).assign(member=n) for n, folder in enumerate(members, start=1)]
        return pd.concat(tables, ignore_index=True)

    @property
    def card(self) -> Manifest:
        """Manifest of the run folder, under its name of version 0.1."""
        warn("`card` of a forecaster is its `manifest` now", NextframeWarning, stacklevel=2)
        return self.manifest

    @property
    def normaliser(self) -> Normaliser:
        """Normalisation of frames to the model's range, and of forecasts out of it."""
        return self.manifest.normaliser

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

    @abstractmethod
    def with_covariates(self, observed: Sequence[Source] | None = None, future: Sequence[Source] | None = None) -> Self:
        """The same forecaster with covariates to read; by default those that it was trained with.

        Args:
            observed: sources of those that are read up to the last frame seen, in the order of the training's.
            future: sources of those that are known for the future, in their order.

        Raises:
            ConfigError: another number of sources than the training had.
            DataError: a source that cannot be read, without times, or of other variables or units.
        """

    @abstractmethod
    def knowing(self, pasts: Sequence[FrameSequence]) -> Self:
        """The same forecaster for a batch of these pasts, whose times tell which covariates it reads."""

    def prepare(self, source: Source, *, axes: str = "") -> Sequence[Prepared]:
        """Frames that forecasts start from: of sequences and arrays all, as they are but for the range of pictures; of
        anything else the last ones, as many as were trained with, of files and of xarray's objects as
        `nextframe.forecasting.adapt` brings them to what the training's were.
        """
        if isinstance(source, (list, tuple)) and not are_frames(source):
            return [prepared for part in source for prepared in self.prepare(part, axes=axes)]
        if isinstance(source, FrameSequence) or is_array(source) or are_frames(source):
            pasts = pasts_in(source, axes=axes, channels=self.manifest.channels)
            _, share, notes = in_range(pasts, self.manifest, name_of(source))
            return [Prepared.plain(past, share=share, notes=tuple(notes)) for past in pasts]
        if isinstance(source, FrameSource):
            adapted = Adapted(source.sequences, step=self.manifest.time_step)
        else:
            adapted = adapt(self.manifest, source, {"axes": axes} if axes else {})
        past = self.config.data.past
        return [adapted.prepared(whole, len(whole), past=past, lead_times=1) for whole in adapted.sequences]

    def pasts_of(self, source: Source, *, axes: str = "") -> Sequence[FrameSequence]:
        """Frames that forecasts start from, as the model sees them."""
        return [prepared.frames for prepared in self.prepare(source, axes=axes)]

    def forecast(
        self,
        past: Source,
        lead_times: int = 8,
        *,
        members: bool = True,
        axes: str = "",
        tile: int | None = None,
        overlap: int | None = None,
        covariates: Sequence[Source] | None = None,
        future_covariates: Sequence[Source] | None = None,
    ) -> Forecast:
        """Forecast the frames that follow the last one of `past`; see `Forecaster.forecast`, `tiled` for `tile` and
        `overlap`, and `with_covariates` for `covariates` and `future_covariates`.

        A file, or an xarray object, is brought to what the training's frames were (`nextframe.forecasting.adapt`), and
        its last frames are forecast from, as many as were trained with; an array is taken as it is, and
        pictures in another range than the training's (0..1 for 0..255) are brought to it; the forecast is in their own.

        Warns:
            NextframeWarning: another time step than that of the training, a file of fewer frames than were trained
                with, or members that are the model's own, since more lead times are asked for than were calibrated.

        Raises:
            DataError: frames in another unit than those of the training, or in another place than its static fields.
        """
        prepared = only_one(self.prepare(past, axes=axes), past)
        model = self
        if covariates is not None or future_covariates is not None:
            given = (timed_each(each, [prepared.frames]) or () for each in (covariates, future_covariates))
            model = self.with_covariates(*given)
        return model.forecast_prepared(prepared, lead_times, members=members, tile=tile, overlap=overlap)

    def forecast_all(
        self, source: Source, lead_times: int = 8, *, members: bool = True, axes: str = ""
    ) -> list[Forecast]:
        return [
            self.forecast_prepared(prepared, lead_times, members=members)
            for prepared in self.prepare(source, axes=axes)
        ]

    def forecast_prepared(
        self,
        prepared: Prepared,
        lead_times: int,
        *,
        members: bool = True,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> Forecast:
        """Forecast from frames that were brought to what the training's were, on the grid that they came from;
        arguments, warnings and errors of `forecast`.
        """
        past, trained, lead_times = prepared.frames, self.config.data.past, frames_asked_for(lead_times)
        self.check_kind(past)
        self.door.hold_motion(len(past), past.name)
        if not prepared.whole and len(past) < trained:
            warn(
                f"{past.name}: {count(len(past), 'frame')} to start from, where the training had {trained}: the "
                "forecast knows less than it was verified with",
                NextframeWarning,
                stacklevel=3,
            )
        beside = self.door.covariates
        lacking = [] if beside is None or not beside.sources else beside.lacking(past, lead_times)
        for sentence in lacking:
            warn(f"{past.name}: {sentence}", NextframeWarning, stacklevel=3)
        prepared = replace(prepared, notes=(*prepared.notes, *lacking))
        forecaster = in_tiles(self, tile, overlap)
        return self.on_own_grid(prepared, forecaster._from(past, lead_times, members=members))

    def on_own_grid(self, prepared: Prepared, forecast: Forecast, *, as_fields: bool = True) -> Forecast:
        """A forecast from prepared frames on the grid that these came from.

        Args:
            prepared: the frames.
            forecast: a forecast from them on the grid of the model.
            as_fields: whether each calibrated member is to be a field; what is asked of each pixel alone, such as an
                interval, is the same without, and sooner there.
        """
        known = self.calibration
        quantiles = known is not None and forecast.lead_times <= known.lead_times
        if quantiles and not as_fields and forecast.members is not None:
            forecast, quantiles = replace(forecast, members=np.sort(forecast.members, axis=0)), False
        return prepared.back(forecast, self.door.limits, quantiles=quantiles)

    def _from(self, past: FrameSequence, lead_times: int, *, members: bool) -> Forecast:
        uncalibrated = self.why_no_members(lead_times)
        if members and self.knows_uncertainty and uncalibrated:
            warn(
                f"probabilities and intervals are the model's own, not calibrated: {uncalibrated}",
                NextframeWarning,
                stacklevel=2,
            )
        return self.noted(self._forecast(past, lead_times, members=members))

    @property
    def verdict(self) -> str:
        """Sentence on a run that is no better than a simple forecast; empty for others."""
        return self.manifest.verdict

    def noted(self, forecast: Forecast) -> Forecast:
        """The forecast with a comment among its attributes, where the run is no better than a simple forecast."""
        if not self.verdict:
            return forecast
        before = forecast.attributes.get("comment")
        comment = f"{self.name}: {self.verdict}"
        return replace(
            forecast, attributes={**forecast.attributes, "comment": f"{before}; {comment}" if before else comment}
        )

    def check_kind(self, sequence: FrameSequence) -> None:
        """Hold frames to the units of the training, and to the place of its static fields; plain numbers are taken to
        be in these units, and frames without coordinates to be in this place.

        Warns:
            NextframeWarning: another time step than that of the training.

        Raises:
            DataError: another unit, or another place.
        """
        for name, own, given in zip(self.manifest.variables, self.manifest.units, sequence.units, strict=False):
            if "1" not in (own, given) and not same_unit(own, given):
                raise DataError(
                    f"is not in the unit of the training, in which {name} was in {own}",
                    where=sequence.name,
                    received=given,
                    hint="bring the frames to it, for rain with {rain_unit}",
                )
        if self.manifest.grid is not None and sequence.grid is not None and not sequence.grid.counted:
            trained = Grid(y=np.array(self.manifest.grid[0]), x=np.array(self.manifest.grid[1]))
            if sequence.shape[2:] == (len(trained.y), len(trained.x)):  # another size is told by `predict`
                trained.hold_in_place(sequence.grid, where=sequence.name, than="the static fields of the training")
        step = None if sequence.time_step is None else seconds(sequence.time_step)
        if self.manifest.time_step is not None and step is not None and abs(step / self.manifest.time_step - 1) > 0.01:
            warn(
                f"{sequence.name}: its frames are {_apart(step)} apart, those of the training were "
                f"{_apart(self.manifest.time_step)} apart: motion looks faster or slower than the model learned it",
                NextframeWarning,
                stacklevel=3,
            )

    @abstractmethod
    def check_frames(self, past: FloatArray) -> None:
        """Hold frames (B, T, C, H, W) in source units to what the networks can read."""

    @abstractmethod
    def point(self, members: FloatArray) -> FloatArray:
        """The forecast (B, K, C, H, W) of what the networks say, (B, M, K, C, H, W)."""

    @abstractmethod
    def stream(self) -> Stream | None:
        """The networks, to be given frame after frame, each for the cost of one step; None where they start from a past
        of some length, see frames moved along the motion, or work in tiles.
        """

    def session(
        self, *, past: int | None = None, time_step: np.timedelta64 | None = None, graded: bool = True
    ) -> Session:
        """A session that is given one frame after the other and forecasts after any of them, without reading the past
        again; arguments and errors of `nextframe.forecasting.session.Session`.
        """
        return Session(self, past=past, time_step=time_step, graded=graded)

    def settled(self, members: FloatArray, past: FloatArray) -> FloatArray:
        """The forecast (B, K, C, H, W) as it is issued, of what the networks say of a past (B, T, C, H, W): (B, M, K,
        C, H, W), within the limits of the values.
        """
        return self.door.hold(self.point(members), past)

    @property
    def knows_uncertainty(self) -> bool:
        """True where it has members of its own, without calibration."""
        return False

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """`distribution` without calibration."""
        return super().distribution(past, lead_times)

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The forecast and its members: calibrated ones up to the lead time that calibration knows, else its own."""
        return self.calibrated(*self.raw_distribution(past, lead_times), past, lead_times)

    def calibrated(
        self, forecast: FloatArray, members: FloatArray, past: FloatArray, lead_times: int
    ) -> tuple[FloatArray, FloatArray]:
        """A forecast (B, K, C, H, W) with its calibrated members in place of its own (B, M, K, C, H, W), up to the lead
        time that calibration knows; always the same ones for the same last frame of the past (B, T, C, H, W).
        """
        known = self.calibration
        if known is None or lead_times > known.lead_times:
            return forecast, members
        moves = self.door.moves and known.dependence is not None and known.dependence.along_motion
        motions = [self.door.motion(movie) for movie in past] if moves else None
        drawn = known.members(forecast, past, motions=motions)
        for k in range(lead_times):  # of a large grid, all lead times at once would not fit into memory twice
            drawn[:, :, k] = self.door.hold(drawn[:, :, k], past)
        return forecast, drawn

    def quantile_map(self, lead_times: int) -> QuantileMap:
        """The map of its values to the distribution of those that came, by the validation part.

        Raises:
            ConfigError: none, as of a run that was calibrated by an earlier version, or more lead times than it is for.
        """
        mapping = None if self.calibration is None else self.calibration.quantile_map
        if mapping is None:
            raise ConfigError(
                "knows no distribution of its validation part",
                where=self.run or self.name,
                hint="calibrate the run (again), or give {matched=last}",
            )
        if lead_times > mapping.lead_times:
            raise ConfigError(
                "is calibrated for fewer lead times",
                where=self.run or self.name,
                expected=f"{mapping.lead_times} at most",
                received=lead_times,
                hint="ask for fewer {lead_times}, or give {matched=last}",
            )
        return mapping

    def why_no_members(self, lead_times: int) -> str:
        """Says so where more lead times are asked for than were calibrated."""
        if self.calibration is None or lead_times <= self.calibration.lead_times:
            return ""
        known = self.calibration.lead_times
        return (
            f"it is calibrated for {known} lead times and {lead_times} were asked for: take {{lead_times={known}}}, "
            f"or train with {{future={lead_times}}}"
        )


def _apart(seconds: float) -> str:
    """A time step in words."""
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"


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


def with_given(
    model: TrainedForecaster, observed: Sequence[Source] | None, future: Sequence[Source] | None, *, own: bool
) -> TrainedForecaster:
    """A model with the covariates that are given it, and else those of its training.

    Args:
        model: the model.
        observed: sources of its observed covariates.
        future: sources of those known for the future.
        own: whether it forecasts frames of its own training, beside which the covariates of that are taken.

    Raises:
        ConfigError: none, where it needs some for other frames.
    """
    if own and observed is None and future is None:
        return model.with_covariates()
    given = observed is not None or future is not None
    if given:
        model = model.with_covariates(observed or (), future or ())
    if model.door.covariates is not None:
        model.door.covariates.require()
    return model


def all_with_given(
    models: Mapping[str, TrainedForecaster],
    observed: Sequence[Source] | None,
    future: Sequence[Source] | None,
    *,
    own: bool,
) -> dict[str, TrainedForecaster]:
    """`with_given` of several models, of which those that read covariates are given them.

    Raises:
        ConfigError: covariates, and no model that reads any.
    """
    if (observed is not None or future is not None) and not any(m.manifest.covariates for m in models.values()):
        raise ConfigError(
            "are of models that were trained with such",
            where="covariates",
            received=joined([model.run or model.name for model in models.values()]) or "no model",
            hint="leave them out",
        )
    return {
        name: with_given(model, observed, future, own=own) if model.manifest.covariates else model
        for name, model in models.items()
    }


def hold_bare(name: str, observed: Sequence[Source] | None, future: Sequence[Source] | None) -> None:
    """Refuse covariates of a forecaster that knows none.

    Raises:
        ConfigError: some.
    """
    if observed is not None or future is not None:
        raise ConfigError("are of trained models", where="covariates", received=name, hint="leave them out")


def hold_untiled(name: str, tile: int | None, overlap: int | None) -> None:
    """Refuse tiles of a forecaster that knows none.

    Raises:
        ConfigError: a tile, or an overlap.
    """
    if tile is not None or overlap is not None:
        raise ConfigError("are of trained models", where="tile, overlap", received=name, hint="leave them out")


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

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        return Uncalibrated(self.trained.knowing(pasts))

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The trained forecaster's forecast."""
        return self.trained.predict(past, lead_times)

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The trained forecaster's own distribution."""
        return self.trained.raw_distribution(past, lead_times)
