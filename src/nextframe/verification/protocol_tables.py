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
    """A table: texts, and whether they are the best of their column."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]


def printed(scores: ProtocolScores) -> list[Printed]:
    """Tables of a protocol's scores: CSI with the frequency bias beside it by pooling and threshold, then the rest."""
    keys = [read_key(name) for name in next(iter(scores.scores.values()))]
    unit = "" if scores.unit in ("1", "") else f" {scores.unit}"
    tables = []
    csi = [key for key in keys if key.score == CSI]
    if csi:
        thresholds = list(dict.fromkeys(key.threshold for key in csi))
        by_place = {(key.score, key.pool, key.threshold): key.name for key in keys}
        rows: list[tuple[str, Sequence[tuple[str, bool]]]] = []
        for pool in dict.fromkeys(key.pool for key in csi):
            names = [by_place[CSI, pool, threshold] for threshold in thresholds]
            biases = [by_place[BIAS, pool, threshold] for threshold in thresholds]
            said = f", {pool.replace(' ', ' pool ')}" if pool else ""
            for forecaster, values in scores.scores.items():
                cells = [
                    (f"{number(values[name])} ({number(values[bias])})", _is_best(scores, forecaster, name, "higher"))
                    for name, bias in zip(names, biases, strict=True)
                ]
                rows.append((f"{forecaster}{said}", cells))
        columns = [f"mean of {len(thresholds) - 1}" if t == MEAN else f"{t}{unit}" for t in thresholds]
        title = f"{scores.name}: CSI ↑ (frequency bias → 1) by threshold, one number for all lead times"
        tables.append(Printed(title, columns, rows))
    others = [
        key for key in keys if key.score not in (CSI, BIAS) and (key.threshold in ("", MEAN)) and key.score in _LABEL
    ]
    if others:
        labels = [f"{scores.name} {_LABEL[key.score]}" for key in others]
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
        of = " (of events: mean over thresholds)" if csi else ""
        tables.append(Printed(f"{scores.name}: other scores{of}, one number for all lead times", labels, rows))
    return tables


def _is_best(scores: ProtocolScores, forecaster: str, name: str, better: str) -> bool:
    values: Mapping[str, float] = {other: each[name] for other, each in scores.scores.items()}
    known = [value for value in values.values() if not math.isnan(value)]
    if better not in ("higher", "lower") or not known:
        return False
    return values[forecaster] == (max(known) if better == "higher" else min(known))


def about(scores: ProtocolScores) -> list[str]:
    """What stands below the tables: data set, source, what differs."""
    return [f"{scores.name}: made for {scores.data}", *(f"{scores.name}: {note}" for note in scores.notes)]
