"""`ModelForecaster`: a trained model as a Forecaster: normalisation, missing values and rollout wrapped around the
network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch

from nextframe.config import RunConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import DataError, ShapeError
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.rollout import rollout
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.run_folder import ModelCard, load_model


class ModelForecaster(Forecaster):
    """A trained model that takes and returns frames in source units.

    Args:
        model: the network.
        card: what the run folder says of it.
        name: what tables and reports call it.
        run: the run folder it comes from, if any.
    """

    def __init__(
        self, model: StackedConvLSTM | EncoderDecoder, card: ModelCard, *, name: str = "model", run: Path | None = None
    ) -> None:
        self.model, self.card, self.run = model.eval(), card, run
        self._name = name

    @classmethod
    def load(cls, run: str | Path, *, name: str = "model") -> Self:
        """Read a run folder.

        Raises:
            CheckpointError: no such folder, no weights in it, damaged files, or files of another version.
        """
        model, card = load_model(run)
        return cls(model, card, name=name, run=Path(run))

    @property
    def name(self) -> str:
        return self._name

    @property
    def config(self) -> RunConfig:
        """The configuration that the model was trained with."""
        return self.card.config

    @property
    def normaliser(self) -> Normaliser:
        """How frames come into the model's range, and forecasts out of it."""
        return self.card.normaliser

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Continue a batch of pasts (B, T, C, H, W), in source units, by `lead_times` frames.

        Missing values enter the network as the middle of its range, 0 where values are standardised.

        Raises:
            ShapeError: a number of channels other than the model was trained on.
            DataError: pasts without a single valid value.
        """
        channels = past.shape[2]
        if past.ndim != 5 or channels != self.card.channels:
            raise ShapeError(
                "was trained on frames with another number of channels",
                where=self.run or self.name,
                expected=f"{self.card.channels} ({', '.join(self.card.variables)})",
                received=channels,
                hint="give it the same kind of frames; grey=True (--grey) reads colour as grey",
            )
        if not np.isfinite(past).reshape(len(past), -1).any(axis=1).all():
            raise DataError("the frames to start from hold no valid value", where=self.name)
        # A copy: torch takes no array that cannot be written to, such as one read from a memory map.
        frames = torch.from_numpy(np.array(self.normaliser.apply(past), dtype=np.float32))
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            future = rollout(self.model, torch.nan_to_num(frames, nan=0.0).to(device), lead_times)
        forecast: FloatArray = np.asarray(self.normaliser.invert(future.float().cpu().numpy()), dtype=np.float32)
        return forecast
