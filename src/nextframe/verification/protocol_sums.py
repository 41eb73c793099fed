"""`ProtocolSums`: what the scores of a published protocol are computed from, one number for all lead times each.

Axes: B batch, M member, P pooling, N threshold, K lead time, F score of frames, C channel, H height, W width.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.verification.additive import Additive, Settings, Sums, hold_alike
from nextframe.verification.protocol_frames import Frames, pooled
from nextframe.verification.protocols import Applied, Pool

_EVENT: Mapping[str, Callable[[Any, Any], Any]] = {">=": operator.ge, ">": operator.gt}
_PIXELS = (-3, -2, -1)


@dataclass(frozen=True)
class Table:
    """Contingency tables, arrays of one shape."""

    hits: Sums
    misses: Sums
    alarms: Sums
    negatives: Sums

    @property
    def together(self) -> Table:
        """One table for all lead times, the last axis."""
        return Table(*(part.sum(-1) for part in (self.hits, self.misses, self.alarms, self.negatives)))


@dataclass(frozen=True)
class EventScore:
    """A score of events as published code computes it."""

    name: str
    label: str
    of: Callable[[Table, float], Sums]
    """Computes it from tables and the number that is added to its denominator."""
    better: str
    equation: str


def _hss(t: Table, e: float) -> Sums:
    chance = (t.hits + t.misses) * (t.misses + t.negatives) + (t.hits + t.alarms) * (t.alarms + t.negatives)
    return 2 * (t.hits * t.negatives - t.misses * t.alarms) / (chance + e)


CSI, BIAS = "csi", "bias"
EVENT_SCORES = (
    EventScore(
        CSI,
        "CSI",
        lambda t, e: t.hits / (t.hits + t.misses + t.alarms + e),
        "higher",
        "hits / (hits + misses + false alarms)",
    ),
    EventScore(
        BIAS,
        "frequency bias",
        lambda t, e: (t.hits + t.alarms) / (t.hits + t.misses),
        "1",
        "(hits + false alarms) / (hits + misses), of one table for all lead times",
    ),
    EventScore("pod", "POD", lambda t, e: t.hits / (t.hits + t.misses + e), "higher", "hits / (hits + misses)"),
    EventScore(
        "sucr", "success ratio", lambda t, e: t.hits / (t.hits + t.alarms + e), "higher", "hits / (hits + false alarms)"
    ),
    EventScore(
        "far", "FAR", lambda t, e: t.alarms / (t.hits + t.alarms + e), "lower", "false alarms / (hits + false alarms)"
    ),
    EventScore("hss", "HSS", _hss, "higher", "Heidke skill score"),
    EventScore(
        "logbias",
        "(B / ln 2)²",
        lambda t, e: ((t.hits + t.alarms) / (t.hits + t.misses + e) / np.log(2)) ** 2,
        "",
        "(frequency bias / ln 2)^2, which the published code calls bias",
    ),
)
"""Scores of events; `PublishedProtocol.events` names them."""
_SCORE = {score.name: score for score in EVENT_SCORES}
MEAN = "mean"
"""Place of a threshold in the names of means over all thresholds."""


@dataclass(frozen=True, kw_only=True)
class ProtocolSums(Additive):
    """Contingency tables (P, N, K) and sums over frames (F, K) of one protocol."""

    applied: Applied
    hits: Sums
    """Events forecast that came."""
    misses: Sums
    """Events that came and were not forecast."""
    false_alarms: Sums
    """Events forecast that did not come."""
    correct_negatives: Sums
    """Values that were no event and were not forecast as one."""
    summed: Sums
    """Sums of the frames' scores."""
    frames: Sums
    """Frames that have one."""

    @classmethod
    def each(
        cls,
        forecast: NDArray[Any],
        truth: NDArray[Any],
        settings: Settings,
        *,
        members: NDArray[Any] | None = None,
    ) -> Self:
        """Sums of every forecast of a batch apart; arguments and errors of `Additive.each`.

        Args:
            forecast: (B, K, C, H, W) in source units, NaN where missing.
            truth: the same shape.
            settings: the protocol.
            members: (B, M, K, C, H, W); None for a single forecast.
        """
        hold_alike(forecast, truth)
        applied = settings.protocol
        assert applied is not None
        valid = np.isfinite(forecast) & np.isfinite(truth)
        drawn = forecast[:, None] if members is None else members
        said, was, each = (
            # In float32, in which the published code scales, so that 74 / 255 is an event at 74.
            (np.where(there, values, 0).astype(np.float32) * np.float32(applied.factor)).astype(np.float64)
            for values, there in ((forecast, valid), (truth, valid), (drawn, valid[:, None]))
        )
        tables = _tables(said, was, valid, applied)
        protocol, full = applied.protocol, applied.data.full
        scale = 1 / full if protocol.scaled else 1.0
        largest = full * scale
        said, was, each = said * scale, was * scale, each * scale
        if protocol.clipped:
            said, was, each = (np.clip(values, 0, largest) for values in (said, was, each))
        frames = Frames(said, was, each, valid, largest)
        batch, leads = truth.shape[:2]
        scores = [score.of(frames) for score in protocol.frames]
        values = np.stack(scores, 1) if scores else np.zeros((batch, 0, leads))
        there = ~np.isnan(values)
        return cls(
            applied=applied,
            hits=tables[0],
            misses=tables[1],
            false_alarms=tables[2],
            correct_negatives=tables[3],
            summed=np.where(there, values, 0),
            frames=there.astype(np.float64),
        )

    def scores(self) -> dict[str, Sums]:
        """Every score by its name ("csi_16", "csi_max4_mean", "ssim"), one number for all lead times, with the axes of
        the sums before theirs; NaN where it is not defined.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return dict(self._scores())

    def _scores(self) -> Iterator[tuple[str, Sums]]:
        protocol = self.applied.protocol
        arrays = (self.hits, self.misses, self.false_alarms, self.correct_negatives)
        for p, pool in enumerate(protocol.pools):
            table = Table(*(part[..., p, :, :] for part in arrays))
            names = protocol.events if pool.size == 1 else (CSI,)
            for name in dict.fromkeys((CSI, BIAS, *names)):
                values = _of_tables(_SCORE[name], table, pool, protocol.epsilon)
                for n, threshold in enumerate(self.applied.data.thresholds):
                    yield "_".join(filter(None, (name, pool.name, f"{threshold:g}"))), values[..., n]
                yield "_".join(filter(None, (name, pool.name, MEAN))), values.mean(-1)
        for f, score in enumerate(protocol.frames):
            mean = self.summed[..., f, :].sum(-1) / self.frames[..., f, :].sum(-1)
            yield score.name, np.sqrt(mean) if score.after == "root" else mean


def _of_tables(score: EventScore, table: Table, pool: Pool, epsilon: float) -> Sums:
    """Values by threshold (..., N) from tables (..., N, K)."""
    if pool.tables == "one" or score.name == BIAS:
        return score.of(table.together, epsilon)
    mean: Sums = np.nan_to_num(score.of(table, epsilon), nan=0.0).mean(-1)
    return mean


def _tables(said: Sums, was: Sums, valid: NDArray[np.bool_], applied: Applied) -> NDArray[np.float64]:
    """Hits, misses, false alarms and correct negatives of every forecast, (4, B, P, N, K)."""
    protocol, thresholds = applied.protocol, applied.data.thresholds
    batch, leads = was.shape[:2]
    tables = np.zeros((4, batch, len(protocol.pools), len(thresholds), leads))
    compare = _EVENT[protocol.event]
    for p, pool in enumerate(protocol.pools):
        (forecast, there), (truth, _) = (pooled(values, valid, pool) for values in (said, was))
        for n, threshold in enumerate(thresholds):
            event, came = compare(forecast, threshold) & there, compare(truth, threshold) & there
            hits, either = (event & came).sum(_PIXELS), (event | came).sum(_PIXELS)
            tables[0, :, p, n] = hits
            tables[1, :, p, n] = came.sum(_PIXELS) - hits
            tables[2, :, p, n] = event.sum(_PIXELS) - hits
            tables[3, :, p, n] = there.sum(_PIXELS) - either
    return tables
