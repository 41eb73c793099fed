"""Ensembles of trained models as one Forecaster: their mean, and how far they differ.

Axes: B batch, M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from torch import nn

from nextframe.config import RunConfig
from nextframe.errors import CheckpointError
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.streaming import Stream
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.source import Source
from nextframe.models.network import Network
from nextframe.runs.folder import load_config, member_folders


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
        super().__init__(models[0].manifest, config, name=name, run=run)
        self.models = tuple(models)
        self.door = self.models[0].door

    @classmethod
    def load(cls, run: str | Path, *, name: str = "model", module: nn.Module | None = None) -> Self:
        """Read the run folder of an ensemble; arguments as of `ModelForecaster.load`.

        Raises:
            CheckpointError, ConfigError: members that are missing or damaged.
        """
        config = load_config(Path(run) / "config.yaml")
        models = [ModelForecaster.load(folder, module=module) for folder in member_folders(run)]
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

    @property
    def verdict(self) -> str:
        return self.models[0].verdict if all(model.verdict for model in self.models) else ""

    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        return self._of_each(lambda model: model.tiled(tile, overlap))

    def with_covariates(self, observed: Sequence[Source] | None = None, future: Sequence[Source] | None = None) -> Self:
        return self._of_each(lambda model: model.with_covariates(observed, future))

    def knowing(self, pasts: Sequence[FrameSequence]) -> Self:
        return self._of_each(lambda model: model.knowing(pasts))

    def _of_each(self, change: Callable[[ModelForecaster], ModelForecaster]) -> Self:
        twin = copy.copy(self)
        twin.models = tuple(map(change, self.models))
        twin.door = twin.models[0].door
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
        return self.door.hold(self.point(members), past), members

    def check_frames(self, past: FloatArray) -> None:
        self.models[0].check_frames(past)

    def stream(self) -> Stream | None:
        """The networks of all members, to be given frame after frame; None where one of them cannot."""
        if any(model.stream() is None for model in self.models):
            return None
        return Stream([(model.model, model.door) for model in self.models])

    def point(self, members: FloatArray) -> FloatArray:
        return np.asarray(members.mean(1), np.float32)
