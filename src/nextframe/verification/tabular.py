"""Scores as data: a table of pandas, CSV and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nextframe.verification.naming import better, score_named
from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.verification.protocol_sums import MEAN
from nextframe.verification.protocol_tables import printed, read_key
from nextframe.verification.titles import Scored, best, default_metrics, heading, mean, number, winners
from nextframe.words import lead_number

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_SPECIAL = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": "$^2$",
    "³": "$^3$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
}
"""Characters that LaTeX takes for something else, or does not have in its usual font."""


class Table(Scored, Protocol):
    """Scores, and what a table says of them beside, such as a `Verification`."""

    @property
    def lead_time(self) -> Sequence[float]: ...

    @property
    def lead_time_unit(self) -> str: ...

    @property
    def intervals(self) -> Mapping[str, Mapping[str, Sequence[Sequence[float]]]]: ...

    @property
    def units(self) -> Sequence[str]: ...

    @property
    def count(self) -> int: ...

    @property
    def data(self) -> str: ...

    @property
    def protocol(self) -> ProtocolScores | None: ...


def dataframe(verification: Table) -> pd.DataFrame:
    """One row for each forecaster, score and lead time: `forecaster`, `score`, `metric`, `channel`, `threshold`,
    `scale_px`, `lead_time` (its unit is in `attrs["lead_time_unit"]`), `value`, `low` and `high`, the bounds of the
    95 % interval; what is not defined is NaN. Of several sources the rows of each follow those of all together, told
    apart by `source`.

    Scores of a published protocol, each one number for all lead times, have its name in `protocol`, and in `pool` what
    was pooled before events were counted; a threshold that is missing is the mean of all, or there is none.
    """
    import pandas as pd

    parts: Mapping[str, Table] = getattr(verification, "by_source", {})
    rows = _rows(verification)
    for source, part in parts.items():
        rows += [{**row, "source": source} for row in _rows(part)]
    frame = pd.DataFrame([{"source": "", **row} for row in rows] if parts else rows)
    frame.attrs = {"lead_time_unit": verification.lead_time_unit, "units": list(verification.units)}
    return frame


def _rows(verification: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, scores in verification.scores.items():
        for key, values in scores.items():
            score = score_named(key)
            bounds = verification.intervals.get(name, {}).get(key) or [(math.nan, math.nan)] * len(values)
            about = {
                "forecaster": name,
                "score": key,
                "metric": score.metric.name,
                "channel": score.channel,
                "threshold": float(score.threshold) if score.threshold else math.nan,
                "scale_px": float(score.scale) if score.scale else math.nan,
            }
            rows += [
                {**about, "lead_time": lead, "value": value, "low": low, "high": high}
                for lead, value, (low, high) in zip(verification.lead_time, values, bounds, strict=True)
            ]
    return [{**row, "protocol": "", "pool": ""} for row in rows] + _protocol_rows(verification.protocol)


def _protocol_rows(scores: ProtocolScores | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for forecaster, values in {} if scores is None else scores.scores.items():
        for name, value in values.items():
            assert scores is not None
            key = read_key(name)
            low, high = scores.intervals.get(forecaster, {}).get(name, (math.nan, math.nan))
            rows.append(
                {
                    "forecaster": forecaster,
                    "score": name,
                    "metric": key.score,
                    "channel": "",
                    "threshold": float(key.threshold) if key.threshold not in ("", MEAN) else math.nan,
                    "scale_px": math.nan,
                    "lead_time": math.nan,
                    "value": value,
                    "low": low,
                    "high": high,
                    "protocol": key.protocol,
                    "pool": key.pool,
                }
            )
    return rows


def dataset(verification: Table) -> xr.Dataset:
    """Scores by forecaster and lead time: a variable for each score, and beside it, as `NAME_low` and `NAME_high`, the
    bounds of the 95 % interval where there are any; what is not defined is NaN. Any format that xarray writes holds it.
    """
    import numpy as np
    import xarray as xr

    forecasters, leads = list(verification.scores), list(verification.lead_time)
    variables: dict[str, Any] = {}
    for key in dict.fromkeys(key for scores in verification.scores.values() for key in scores):
        score = score_named(key)
        said = {"metric": score.metric.name, "channel": score.channel, "threshold": score.threshold}
        attributes = {name: str(value) for name, value in said.items() if value}
        missing = [math.nan] * len(leads)
        values = [verification.scores[name].get(key, missing) for name in forecasters]
        variables[key] = (("forecaster", "lead_time"), np.array(values, np.float64), attributes)
        bounds = [verification.intervals.get(name, {}).get(key) for name in forecasters]
        if any(bounds):
            pairs = [each or [(math.nan, math.nan)] * len(leads) for each in bounds]
            for place, end in enumerate(("low", "high")):
                ends = np.array([[pair[place] for pair in each] for each in pairs], np.float64)
                about = {**attributes, "long_name": f"{end} bound of the 95 % interval of {key}"}
                variables[f"{key}_{end}"] = (("forecaster", "lead_time"), ends, about)
    scores = verification.protocol
    if scores is not None:
        for key in next(iter(scores.scores.values())):
            numbers = np.array([scores.scores[name][key] for name in forecasters], np.float64)
            said = {"protocol": scores.name, "long_name": f"{key}, one number for all lead times"}
            variables[key] = ("forecaster", numbers, said)
    lead_time = (
        "lead_time",
        np.array(leads, np.float64),
        {"long_name": "lead time", "units": verification.lead_time_unit},
    )
    whole = {"data": verification.data, "forecasts": verification.count, "units": ", ".join(verification.units)}
    return xr.Dataset(variables, {"forecaster": forecasters, "lead_time": lead_time}, whole)


def csv_text(verification: Table) -> str:
    """The rows of `dataframe` as CSV; the unit of the lead time stands in its column's name."""
    frame = dataframe(verification)
    frame = frame.rename(columns={"lead_time": f"lead_time_{verification.lead_time_unit}"})
    return str(frame.to_csv(index=False, lineterminator="\n"))


def latex_text(verification: Table, metrics: Sequence[str] | None = None, *, by_lead_time: bool = False) -> str:
    """Scores as a LaTeX table (package booktabs), the best in bold.

    Args:
        verification: the scores.
        metrics: which to show; by default those that lead.
        by_lead_time: a table for each metric with a column for each lead time, in place of one of the means.
    """
    chosen = list(metrics or default_metrics(verification))
    published = _protocol_latex(verification)
    if not by_lead_time:
        columns = [_title(metric, verification) for metric in chosen]
        return "\n".join([_latex(verification, columns, _means(verification, chosen)), *published])
    leads = [*map(lead_number, verification.lead_time), "mean"]
    tables = []
    for metric in chosen:
        rows = [
            (
                name,
                [
                    *((number(v), name in best(verification, metric, n)) for n, v in enumerate(scores[metric])),
                    (number(mean(scores[metric])), False),
                ],
            )
            for name, scores in verification.scores.items()
            if metric in scores
        ]
        corner = f"{_title(metric, verification)}, lead time ({escaped(verification.lead_time_unit)})"
        tables.append(_latex(verification, leads, rows, corner=corner))
    return "\n".join([*tables, *published])


def _protocol_latex(verification: Table) -> list[str]:
    """Tables of a published protocol's scores, its name in the corner of each."""
    scores = verification.protocol
    if scores is None:
        return []
    return [
        f"% {table.title}; {scores.source}\n"
        + _latex(verification, [escaped(column) for column in table.columns], table.rows, corner=escaped(table.name))
        for table in printed(scores)
    ]


def escaped(text: str) -> str:
    r"""A text as LaTeX shows it.

    >>> print(escaped("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


Cells = Sequence[tuple[str, bool]]
"""Texts, and whether they are the best of their column."""


def _means(verification: Table, metrics: Sequence[str]) -> list[tuple[str, Cells]]:
    means = {
        name: {metric: mean(scores.get(metric, [])) for metric in metrics}
        for name, scores in verification.scores.items()
    }
    first = {metric: winners({name: found[metric] for name, found in means.items()}, metric) for metric in metrics}
    return [(name, [(number(found[m]), name in first[m]) for m in metrics]) for name, found in means.items()]


def _title(metric: str, verification: Table) -> str:
    side = better(metric)
    arrow = "" if side is None or isinstance(side, float) else " ↑" if side == "higher" else " ↓"
    return escaped(heading(metric, verification.units) + arrow)


def _latex(verification: Table, columns: Sequence[str], rows: Sequence[tuple[str, Cells]], *, corner: str = "") -> str:
    lines = [
        f"% {verification.count} forecasts of {verification.data}".replace("\n", " "),
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        f"{corner} & {' & '.join(columns)} \\\\",
        r"\midrule",
        *(
            f"{escaped(name)} & "
            + " & ".join(rf"\textbf{{{escaped(text)}}}" if bold else escaped(text) for text, bold in cells)
            + r" \\"
            for name, cells in rows
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
