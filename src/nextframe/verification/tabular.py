"""Scores as data: a table of pandas, CSV and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nextframe.verification.naming import better, score_named
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


def dataframe(verification: Table) -> pd.DataFrame:
    """One row for each forecaster, score and lead time: `forecaster`, `score`, `metric`, `channel`, `threshold`,
    `scale_px`, `lead_time` (its unit is in `attrs["lead_time_unit"]`), `value`, `low` and `high`, the bounds of the
    95 % interval; what is not defined is NaN. Of several sources the rows of each follow those of all together, told
    apart by `source`.
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
    if not by_lead_time:
        return _latex(verification, [_title(metric, verification) for metric in chosen], _means(verification, chosen))
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
    return "\n".join(tables)


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
