"""Scores of a published protocol in tables for people: console, report and LaTeX show the same."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.verification.protocol_sums import BIAS, CSI, EVENT_SCORES, MEAN
from nextframe.verification.protocols import PROTOCOLS
from nextframe.verification.titles import number

_KEY = re.compile(r"(?P<score>[a-z]+)(_(?P<kind>max|mean)(?P<size>\d+))?(_(?P<threshold>[^_]+))?")
_ARROW = {"higher": " ↑", "lower": " ↓", "1": " → 1", "": ""}
_LABEL = {score.name: f"{score.label}{_ARROW[score.better]}" for score in EVENT_SCORES}
_OF_FRAMES = {score.name: score for row in PROTOCOLS for score in row.frames}
_LABEL |= {name: f"{score.label}{_ARROW[score.better]}" for name, score in _OF_FRAMES.items()}
_BETTER = {score.name: score.better for score in EVENT_SCORES} | {s.name: s.better for s in _OF_FRAMES.values()}


@dataclass(frozen=True)
class Key:
    """A score of a protocol, as it is named: "earthformer.csi_max4_16"."""

    name: str
    """The whole name."""
    protocol: str
    score: str
    """"csi"; of a frame's score with its pooling, "crps_max4"."""
    pool: str = ""
    """"max 4"; empty for frames as they are."""
    threshold: str = ""
    """"16", "mean" of all thresholds; empty for scores of frames."""


def read_key(name: str) -> Key:
    """A score of a protocol by its name.

    >>> key = read_key("cascast.csi_max4_16")
    >>> key.protocol, key.score, key.pool, key.threshold
    ('cascast', 'csi', 'max 4', '16')
    >>> read_key("openstl.ssim").threshold
    ''
    """
    protocol, _, rest = name.partition(".")
    if rest in _OF_FRAMES:
        kind = _KEY.fullmatch(rest)
        assert kind is not None
        return Key(name, protocol, rest, pool=f"{kind['kind']} {kind['size']}" if kind["kind"] else "")
    found = _KEY.fullmatch(rest)
    if found is None:
        return Key(name, protocol, rest)
    pool = f"{found['kind']} {found['size']}" if found["kind"] else ""
    return Key(name, protocol, found["score"], pool, found["threshold"] or "")


@dataclass(frozen=True)
class Printed:
    """A table of one protocol: a row for each forecaster; texts, and whether they are the best of their column."""

    name: str
    """Name of the protocol, and the pooling, for the corner and wherever a number stands by itself."""
    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]


def printed(scores: ProtocolScores) -> list[Printed]:
    """Tables of a protocol's scores: for each pooling CSI with the frequency bias beside it by threshold, then the
    rest.
    """
    keys = [read_key(name) for name in next(iter(scores.scores.values()))]
    csi = [key for key in keys if key.score == CSI]
    tables = [_of_events(scores, pool, keys) for pool in dict.fromkeys(key.pool for key in csi)]
    others = [key for key in keys if key.score in _LABEL and key.score not in (CSI, BIAS)]
    others = [key for key in others if key.threshold in ("", MEAN)]
    if others:
        rows = [
            (
                forecaster,
                [
                    (number(values[key.name]), _is_best(scores, forecaster, key.name, _BETTER[key.score]))
                    for key in others
                ],
            )
            for forecaster, values in scores.scores.items()
        ]
        title = f"{scores.name}: other scores" + (", of events the mean over thresholds" if csi else "")
        tables.append(Printed(scores.name, title, [_LABEL[key.score] for key in others], rows))
    return tables


def _of_events(scores: ProtocolScores, pool: str, keys: Sequence[Key]) -> Printed:
    """CSI of one pooling by threshold, the frequency bias beside it."""
    unit = "" if scores.unit in ("1", "", "count") else f" {scores.unit}"
    csi, bias = ({key.threshold: key.name for key in keys if (key.score, key.pool) == (of, pool)} for of in (CSI, BIAS))
    rows = [
        (
            forecaster,
            [
                (f"{number(values[name])} ({number(values[bias[t]])})", _is_best(scores, forecaster, name, "higher"))
                for t, name in csi.items()
            ],
        )
        for forecaster, values in scores.scores.items()
    ]
    columns = [f"CSI, mean of {len(csi) - 1}" if t == MEAN else f"CSI at {t}{unit}" for t in csi]
    name = scores.name + (f", {pool.replace(' ', ' pool ')}" if pool else "")
    return Printed(name, f"{name}: CSI ↑ (frequency bias → 1)", columns, rows)


def _is_best(scores: ProtocolScores, forecaster: str, name: str, better: str) -> bool:
    values: Mapping[str, float] = {other: each[name] for other, each in scores.scores.items()}
    known = [value for value in values.values() if not math.isnan(value)]
    if better not in ("higher", "lower") or not known:
        return False
    return values[forecaster] == (max(known) if better == "higher" else min(known))


def about(scores: ProtocolScores) -> list[str]:
    """Notes below the tables: data set, source, what differs."""
    first = f"{scores.name}: each is one number for all lead times; made for {scores.data}"
    return [first, *(f"{scores.name}: {note}" for note in scores.notes)]
