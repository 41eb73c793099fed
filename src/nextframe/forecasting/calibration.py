"""Calibrated uncertainty of any forecaster: what its errors were on the validation part, by lead time and intensity.

Split conformal prediction (H. Papadopoulos et al. 2002; J. Lei et al. 2018, doi 10.1080/01621459.2017.1307116), with
signed errors, so that intervals need not be symmetric, and apart for each class of forecast intensity (Mondrian
conformal prediction, V. Vovk et al. 2005), since a forecast of heavy rain errs more than one of none. The guarantee of
these papers is for errors that are exchangeable; those of neighbouring forecasts and pixels are not quite, and the
weather of the test part may differ. So the coverage is verified on the test part, and said.

Beside these quantiles of each pixel it keeps how errors hang together in space and time (`dependence`), and the map of
forecast values to the distribution of those that came (`quantile_map`).

Axes: B batch, M level, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.data.limits import Limits
from nextframe.data.motion import Motion, mean_motion
from nextframe.data.windows import Window
from nextframe.errors import CheckpointError, DataError, first_line
from nextframe.files import write_text
from nextframe.forecasting.dependence import SIDE, VALUES, Dependence, Errors, seed_of
from nextframe.forecasting.error_quantiles import CLASSES, LEVELS, ErrorQuantiles
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.quantile_map import QuantileMap
from nextframe.frames.sequence import FloatArray
from nextframe.runs.checksum import KEY as CHECKSUM
from nextframe.runs.checksum import hold_sealed, sealed
from nextframe.words import evenly

_PIXELS = 2000  # values taken from a frame at least
_VALUES = 400_000  # pairs of a lead time that are looked at, about
_FRAMES = 24  # forecasts whose whole frames are kept
WINDOWS = 200

_Pairs = list[list[list[NDArray[np.float32]]]]


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
    at: Sequence[Sequence[Sequence[float]]] | None = None
    """Channel -> lead time -> mean forecast value of each class; None of versions before, which had one error for all
    of a class."""
    dependence: Dependence | None = None
    """Correlation of errors in space and time; None where it was not measured, as by earlier versions: all pixels of
    a member then err together."""
    quantile_map: QuantileMap | None = None
    """Map of forecast values to the distribution of those that came; None where it was not measured."""

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
        limits: Limits | None = None,
        motion: Callable[[FloatArray], Motion | None] | None = None,
    ) -> Self:
        """Measure a forecaster's errors.

        Args:
            forecaster: whose.
            windows: of the validation part: frames that neither weights nor normalisation were fitted on.
            limit: forecast at most this many windows, evenly spread.
            seed: seed of the pixels that are drawn from each frame.
            pooled: measure all channels together, for frames of any number of them.
            limits: limits of the values, which members are held to.
            motion: motion of a past (T, C, H, W) that the forecaster moves frames along, where it does.

        Raises:
            DataError: no window, or no value that both the forecasts and the truth have.
        """
        if not windows:
            raise DataError("holds no window to calibrate on", where="validation part")
        chosen = evenly(windows, limit)
        samples = _Samples(chosen, seed=seed, pooled=pooled)
        for number, window in enumerate(chosen):
            past, truth = window.read()
            forecast = forecaster.knowing([window.seen]).predict(past[None], window.future)[0]
            samples.add(number, window, forecast, truth, None if motion is None else partial(motion, past))
        pairs = samples.joined()
        if min(lead.shape[1] for channel in pairs for lead in channel) == 0:
            raise DataError("has a lead time without any value to calibrate on", where="validation part")
        tables = [[ErrorQuantiles.fit(*lead).plain for lead in channel] for channel in pairs]
        calibration = cls(
            edges=[[edges for edges, _, _ in channel] for channel in tables],
            errors=[[errors for _, errors, _ in channel] for channel in tables],
            windows=len(chosen),
            at=[[at for _, _, at in channel] for channel in tables],
        )
        return replace(
            calibration,
            dependence=Dependence.fit(_errors(calibration, samples.frames, limits)),
            quantile_map=QuantileMap.fit([[(lead[0], lead[1]) for lead in channel] for channel in pairs]),
        )

    def table(self, k: int, c: int) -> ErrorQuantiles:
        """Errors at a lead time of a channel."""
        known = c if len(self.edges) > 1 else 0
        edges, errors = (np.asarray(part[known][k], np.float32) for part in (self.edges, self.errors))
        return ErrorQuantiles(edges, errors, None if self.at is None else np.asarray(self.at[known][k], np.float32))

    def members(
        self,
        forecast: FloatArray,
        past: FloatArray | None = None,
        *,
        motions: Sequence[Motion | None] | None = None,
        number: int = LEVELS,
    ) -> FloatArray:
        """Equally likely forecasts, (B, M, K, C, H, W), of forecasts (B, K, C, H, W), without the limits of the values:
        the door holds them.

        The members of each pixel are the quantiles of its errors. Which member has which, random fields tell that hang
        together as the errors do, always the same for the same past; without the dependence of errors, or without a
        past, each pixel's are in order.

        Args:
            forecast: the forecasts, in source units, of at most as many lead times as were calibrated.
            past: frames that they were made from (B, T, C, H, W).
            motions: of each past, the motion that its forecast was moved along; None where there is none.
            number: number of members M.
        """
        batch, leads, channels, height, width = forecast.shape
        drawn = np.empty((batch, number, leads, channels, height, width), np.float32)
        for b in range(batch):
            ranks = None
            if self.dependence is not None and past is not None:
                motion = motions[b] if motions is not None and self.dependence.along_motion else None
                seed = seed_of(past[b, -1])
                ranks = self.dependence.ranks((height, width), number, seed, motion=motion, leads=leads)
            for k in range(leads):
                which = None if ranks is None else next(ranks)
                for c in range(channels):
                    errors = self.table(k, c).of(forecast[b, k, c], number)
                    for m in range(number):
                        rank = m if which is None else which[m, c if which.shape[1] > 1 else 0]
                        np.add(forecast[b, k, c], errors(rank), out=drawn[b, m, k, c])
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
        if self.at is not None and [[len(at) for at in leads] for leads in self.at] != [
            [len(classes) for classes in leads] for leads in self.errors
        ]:
            raise ValueError("its classes have other numbers of values")
        numbers = [
            *(edge for leads in (*self.edges, *(self.at or ())) for edges in leads for edge in edges),
            *(error for leads in self.errors for classes in leads for errors in classes for error in errors),
            self.windows,
        ]
        if not np.isfinite(np.asarray(numbers, np.float64)).all():
            raise ValueError("its tables hold values that are not finite")
        for part in (self.dependence, self.quantile_map):
            if part is not None:
                part.check(channels, self.lead_times)

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_text(path, json.dumps(sealed(asdict(self))) + "\n")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Its tables, as `dataclasses.asdict` gives them.

        Raises:
            AttributeError, TypeError, ValueError: tables that do not fit each other.
        """
        # Up to version 0.1 it kept limits of the values, too, which are the manifest's.
        tables = {name: table for name, table in values.items() if name not in ("low", "high", CHECKSUM)}
        for name, kind in (("dependence", Dependence), ("quantile_map", QuantileMap)):
            if tables.get(name) is not None:
                tables[name] = kind.from_dict(tables[name])
        calibration = cls(**tables)
        calibration._check()
        return calibration

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            CheckpointError: a file that holds something else.
        """
        try:
            tables = json.loads(path.read_text(encoding="utf-8"))
            hold_sealed(path, tables)
            return cls.from_dict(tables)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                "cannot be read",
                where=path,
                received=first_line(error),
                hint="calibrate the run again",
            ) from error


@dataclass(frozen=True, eq=False)
class _Kept:
    """Part of the frames of a forecast and of what came, (K, C, H, W)."""

    forecast: FloatArray
    truth: FloatArray
    window: Window
    motion: Motion | None
    """Motion that the forecast was moved along, (2, H, W)."""

    def shares_frames(self, other: _Kept) -> bool:
        """True where frames to be forecast are among those of the other."""
        one, two = self.window, other.window
        return one.sequence is two.sequence and abs(one.start - two.start) < one.future


class _Samples:
    """Collection of what calibration keeps of the forecasts that it looks at.

    Args:
        windows: all of them.
        seed: seed of the pixels that are drawn from each frame.
        pooled: keep all channels together.
    """

    def __init__(self, windows: Sequence[Window], *, seed: int, pooled: bool) -> None:
        _, channels, height, width = windows[0].sequence.shape
        leads = windows[0].future
        self.pooled = pooled
        self._pairs: _Pairs = [[[] for _ in range(leads)] for _ in range(1 if pooled else channels)]
        self.frames: list[_Kept] = []
        values = leads * channels * min(height, SIDE) * min(width, SIDE)
        self._kept = set(evenly(range(len(windows)), max(1, min(_FRAMES, VALUES // values))))
        self._most = max(_PIXELS, _VALUES // len(windows))
        self._draw = np.random.default_rng(seed)

    def add(
        self,
        number: int,
        window: Window,
        forecast: FloatArray,
        truth: FloatArray,
        motion: Callable[[], Motion | None] | None,
    ) -> None:
        """Take in a forecast (K, C, H, W) and what came."""
        for k, (said, came) in enumerate(zip(forecast, truth, strict=True)):
            for c in range(len(said)):
                both = np.stack([said[c].ravel(), came[c].ravel()])
                both = both[:, np.isfinite(both).all(0)]
                place = 0 if self.pooled else c
                self._pairs[place][k].append(_some(both, self._most, self._draw))
        if number not in self._kept:
            return
        rows, columns = (
            slice((size - min(size, SIDE)) // 2, (size - min(size, SIDE)) // 2 + SIDE) for size in forecast.shape[-2:]
        )
        moved = None if motion is None else motion()
        along = None if moved is None else np.asarray(mean_motion(moved)[:, rows, columns], np.float32)
        for part in [slice(c, c + 1) for c in range(forecast.shape[1])] if self.pooled else [slice(None)]:
            said, came = (np.array(values[:, part, rows, columns]) for values in (forecast, truth))
            self.frames.append(_Kept(said, came, window=window, motion=along))

    def joined(self) -> list[list[NDArray[np.float32]]]:
        """Forecasts and truths of all windows, (2, N) for each channel and lead time."""
        return [[np.concatenate(lead, axis=1) for lead in channel] for channel in self._pairs]


def _some(both: NDArray[np.float32], most: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """At most so many of the columns (2, N)."""
    return both if both.shape[1] <= most else both[:, draw.choice(both.shape[1], most, replace=False)]


def _errors(calibration: Calibration, frames: Sequence[_Kept], limits: Limits | None) -> list[Errors]:
    """Errors of the forecasts that were kept, less what was to be expected of them, and the spread of their quantiles.

    To be expected is the mean error of their class in forecasts that share no frame with them: where there is none, a
    bias cannot be told from the error of one kind of weather, and all of it is uncertain.
    """
    leads, channels = frames[0].forecast.shape[:2]
    kept = [
        Errors(error=one.truth - one.forecast, spread=np.empty_like(one.forecast), motion=one.motion) for one in frames
    ]
    apart = np.array([[not one.shares_frames(other) for other in frames] for one in frames], np.float64)
    for k in range(leads):
        for c in range(channels):
            total, number = np.zeros((2, len(frames), len(CLASSES) + 1))
            classes = []
            for n, (one, errors) in enumerate(zip(frames, kept, strict=True)):
                table = calibration.table(k, c)
                which = table.classes(one.forecast[k, c])
                known = np.isfinite(errors.error[k, c])
                total[n] = np.bincount(which[known], errors.error[k, c][known], total.shape[1])
                number[n] = np.bincount(which[known], minlength=total.shape[1])
                classes.append(which)
                drawn = table.of(one.forecast[k, c], LEVELS)
                members = one.forecast[k, c] + np.stack([drawn(level) for level in range(LEVELS)])
                if limits is not None:
                    members = limits.of(c).hold(members[:, None])[:, 0]
                errors.spread[k, c] = members.std(0, ddof=1)
            expected = (apart @ total / np.maximum(apart @ number, 1)).astype(np.float32)
            for which, mean, errors in zip(classes, expected, kept, strict=True):
                errors.error[k, c] -= mean[which]
                errors.error[k, c][errors.spread[k, c] <= 0] = np.nan
    return kept
