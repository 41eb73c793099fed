"""Calibrated uncertainty of any forecaster: what its errors were on the validation part, by lead time and intensity.

Split conformal prediction (H. Papadopoulos et al. 2002; J. Lei et al. 2018, doi 10.1080/01621459.2017.1307116), with
signed errors, so that intervals need not be symmetric, and apart for each class of forecast intensity (Mondrian
conformal prediction, V. Vovk et al. 2005), since a forecast of heavy rain errs more than one of none. The guarantee of
these papers is for errors that are exchangeable; those of neighbouring forecasts and pixels are not quite, and the
weather of the test part may differ. So the coverage is verified on the test part, and said.

Axes: B batch, M level, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.data.windows import Window
from nextframe.errors import CheckpointError, DataError, first_line
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray
from nextframe.words import evenly

LEVELS = 19
"""Quantiles of the errors that are kept: 0.05, 0.10, ..., 0.95."""
_CLASSES = (0.25, 0.5, 0.75, 0.9, 0.97, 0.995)
"""Borders of the classes of intensity: quantiles of the forecast values."""
_FEWEST = 200  # errors in a class
_PIXELS = 2000  # errors taken from a frame; more of them would say the same
WINDOWS = 200


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Quantiles of a forecaster's errors, for each channel and lead time by class of forecast intensity."""

    edges: Sequence[Sequence[Sequence[float]]]
    """Channel -> lead time -> forecast values that divide the classes, in source units, increasing; of one channel
    alone where that is to hold for any number of them."""
    errors: Sequence[Sequence[Sequence[Sequence[float]]]]
    """Channel -> lead time -> class -> quantiles of truth minus forecast, at the levels m / (LEVELS + 1)."""
    windows: int
    """Forecasts of the validation part that it stands on."""

    @property
    def lead_times(self) -> int:
        """Lead times that it is for."""
        return len(self.edges[0])

    @classmethod
    def fit(
        cls,
        forecaster: Forecaster,
        windows: Sequence[Window],
        *,
        limit: int = WINDOWS,
        seed: int = 0,
        pooled: bool = False,
    ) -> Self:
        """Measure a forecaster's errors.

        Args:
            forecaster: whose.
            windows: of the validation part: frames that neither weights nor normalisation were fitted on.
            limit: forecast at most this many windows, evenly spread.
            seed: seed of the pixels that are drawn from each frame.
            pooled: measure all channels together, for frames of any number of them.

        Raises:
            DataError: no window, or no value that both the forecasts and the truth have.
        """
        if not windows:
            raise DataError("holds no window to calibrate on", where="validation part")
        chosen = evenly(windows, limit)
        draw = np.random.default_rng(seed)
        channels, leads = chosen[0].sequence.shape[1], chosen[0].future
        pairs: list[list[list[NDArray[np.float32]]]] = [[[] for _ in range(leads)] for _ in range(channels)]
        for window in chosen:
            past, truth = window.read()
            forecast = forecaster.knowing([window.seen]).predict(past[None], leads)[0]
            for c in range(channels):
                for k in range(leads):
                    both = np.stack([forecast[k, c].ravel(), truth[k, c].ravel()])
                    both = both[:, np.isfinite(both).all(0)]
                    if both.shape[1] > _PIXELS:
                        both = both[:, draw.choice(both.shape[1], _PIXELS, replace=False)]
                    pairs[0 if pooled else c][k].append(both)
        joined = [[np.concatenate(lead, axis=1) for lead in channel] for channel in pairs[: 1 if pooled else None]]
        if min(lead.shape[1] for channel in joined for lead in channel) == 0:
            raise DataError("has a lead time without any value to calibrate on", where="validation part")
        tables = [[_table(*lead) for lead in channel] for channel in joined]
        return cls(
            edges=[[edges for edges, _ in channel] for channel in tables],
            errors=[[errors for _, errors in channel] for channel in tables],
            windows=len(chosen),
        )

    def members(self, forecast: FloatArray) -> FloatArray:
        """Equally likely values of each pixel, (B, LEVELS, K, C, H, W), of forecasts (B, K, C, H, W).

        Each pixel's values are in order, and know no limits: the door holds them. They are quantiles of that pixel
        alone: one member is no likely picture.
        """
        batch, leads, channels, height, width = forecast.shape
        drawn = np.empty((batch, LEVELS, leads, channels, height, width), np.float32)
        for c in range(channels):
            known = c if len(self.edges) > 1 else 0
            for k in range(leads):
                values = forecast[:, k, c]
                table = np.asarray(self.errors[known][k], np.float32)
                which = np.searchsorted(np.asarray(self.edges[known][k], np.float32), values, side="right")
                drawn[:, :, k, c] = values[:, None] + np.moveaxis(table[which], -1, 1)
        return drawn

    def _check(self) -> None:
        """Hold what was read to its shape."""
        channels = len(self.edges)
        sound = (
            channels > 0
            and channels == len(self.errors)
            and all(len(e) == len(self.edges[0]) == len(q) > 0 for e, q in zip(self.edges, self.errors, strict=True))
            and all(
                len(classes) == len(lead) + 1 and all(len(quantiles) == LEVELS for quantiles in classes)
                for leads, tables in zip(self.edges, self.errors, strict=True)
                for lead, classes in zip(leads, tables, strict=True)
            )
        )
        if not sound:
            raise ValueError("its tables do not fit each other")
        numbers = [
            *(edge for leads in self.edges for edges in leads for edge in edges),
            *(error for leads in self.errors for classes in leads for errors in classes for error in errors),
            self.windows,
        ]
        if not np.isfinite(np.asarray(numbers, np.float64)).all():
            raise ValueError("its tables hold values that are not finite")

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_text(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Its tables, as `dataclasses.asdict` gives them.

        Raises:
            AttributeError, TypeError, ValueError: tables that do not fit each other.
        """
        # Up to version 0.1 it kept limits of the values, too, which are the manifest's.
        calibration = cls(**{name: table for name, table in values.items() if name not in ("low", "high")})
        calibration._check()
        return calibration

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            CheckpointError: a file that holds something else.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                "cannot be read",
                where=path,
                received=first_line(error),
                hint="calibrate the run again",
            ) from error


def _table(forecast: NDArray[np.float32], truth: NDArray[np.float32]) -> tuple[list[float], list[list[float]]]:
    """Edges of the classes of intensity, and each class's quantiles of the errors."""
    edges: list[float] = []
    for edge in np.unique(np.quantile(forecast, _CLASSES)):
        begun = forecast >= (edges[-1] if edges else -np.inf)
        below = int((begun & (forecast < edge)).sum())
        if below >= _FEWEST and int((forecast >= edge).sum()) >= _FEWEST:
            edges.append(float(edge))
    which = np.searchsorted(np.asarray(edges, np.float32), forecast, side="right")
    errors = (truth - forecast).astype(np.float64)
    return edges, [_quantiles(errors[which == n]) for n in range(len(edges) + 1)]


def _quantiles(errors: NDArray[np.float64]) -> list[float]:
    """Of n errors the one that is (n + 1) q-th in order, rounded outwards, so that intervals are rather too wide."""
    ordered, number = np.sort(errors), len(errors)
    position = np.arange(1, LEVELS + 1) / (LEVELS + 1) * (number + 1)
    outwards = np.where(position < (number + 1) / 2, np.floor(position), np.ceil(position)).astype(int)
    return [float(value) for value in ordered[np.clip(outwards - 1, 0, number - 1)]]
