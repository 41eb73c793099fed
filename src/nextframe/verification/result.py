"""`Verification`: all scores in one shape, whoever made the forecasts, and how they are written down."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nextframe.errors import DataError
from nextframe.files import write_text
from nextframe.plugins import Late
from nextframe.verification.example import Example
from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.words import count, joined

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from anywidget import AnyWidget

_NOT_WRITTEN = "examples"
"""Field that no file of scores holds."""
Values = Sequence[float]
Word = Literal["better", "worse", "no real difference", "not known"]
"""Verdict on a difference; "not known" where too few independent forecasts tell."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """A skill score against a reference, (score - reference) / (perfect - reference), with its confidence interval."""

    score: Values
    """By lead time: 1 is perfect, 0 no better than the reference, below 0 worse."""
    low: Values
    """Lower bound by lead time; NaN where there is no interval."""
    high: Values
    """Upper bound by lead time."""
    mean: Values
    """Skill of the means over the lead times at which both have a value: score, lower and upper bound."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Frequency of events that were forecast with some probability, by class of probability, over all lead times."""

    probability: Values
    """Mean probability that was forecast in each class."""
    frequency: Values
    """Share of these forecasts after which the event came; equal to the probability where it can be trusted."""
    count: Values
    """Values forecast in each class."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The one verdict on a forecaster beside a reference, by the difference of their means over lead times."""

    forecaster: str
    """Forecaster in question."""
    reference: str
    """Forecaster that it is compared with."""
    metric: str
    """Score that decides: the first of those that lead."""
    verdict: Word
    """"better" or "worse" where the 95 % interval of the difference leaves zero out."""
    means: Values
    """Mean of the score over lead times, of the forecaster and of the reference."""
    skill: Values
    """Skill of these means: score, lower and upper bound; NaN where it is not defined."""
    others: Mapping[str, Word] = field(default_factory=dict)
    """The other scores that lead -> verdict by them, where the difference is real."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Scores by forecaster, metric and lead time, and what they were made from."""

    scores: Mapping[str, Mapping[str, Sequence[float]]]
    """Forecaster -> metric -> a value for each lead time; NaN where a metric is not defined."""
    lead_time: Sequence[float]
    """Lead times, in `lead_time_unit`."""
    lead_time_unit: str = "frames"
    """"frames" where the data know no time step, else "minutes" or "seconds"."""
    count: int
    """Forecasts verified, by each forecaster."""
    command: str = ""
    """How these scores can be made again."""
    data: str = ""
    """What the forecasts were verified on."""
    units: Sequence[str] = ("1",)
    """Unit of each channel."""
    thresholds: Sequence[float] = (0.5,)
    """Threshold of an event, in source units."""
    blocks: float = 0.0
    """Number of blocks of forecasts that share no frame to be forecast the intervals stand on."""
    events: int = 0
    """Number of events that they are of: stretches of frames of one sequence without a gap in time."""
    verdicts: Sequence[Verdict] = ()
    """One verdict for each forecaster in question and each reference."""
    video: bool = False
    """True where the frames are pictures: PSNR and SSIM lead and no value is an event unless it is asked for."""
    intervals: Mapping[str, Mapping[str, Sequence[Values]]] = field(default_factory=dict)
    """Forecaster -> metric -> lower and upper bound (95 %) for each lead time; empty where there are too few blocks."""
    skill: Mapping[str, Mapping[str, Skill]] = field(default_factory=dict)
    """Reference -> metric -> the first forecaster's skill over it."""
    spectra: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    """"wavelength" -> [wavelengths in pixels]; "truth" and every forecaster -> power for each lead time."""
    reliability: Mapping[str, Mapping[str, Reliability]] = field(default_factory=dict)
    """Forecaster -> threshold -> reliability of its probabilities; ensembles only."""
    ranks: Mapping[str, Values] = field(default_factory=dict)
    """Forecaster -> share of values with so many members below them, over all lead times; ensembles only."""
    data_range: float = 1.0
    """Distance between the smallest and the largest possible value, for SSIM and PSNR."""
    conventions: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Forecaster -> convention of published tables -> metric -> a value for all lead times; see `conventions`."""
    by_source: Mapping[str, Verification] = field(default_factory=dict)
    """Source -> the scores of its forecasts alone, where they are of several sources; else empty."""
    protocol: ProtocolScores | None = None
    """Scores by a published protocol, where one was asked for."""
    notes: Sequence[str] = ()
    """What was left out, and which scores say nothing, in sentences."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Model -> frames that were left out, since it was trained on them or its weights were chosen by them."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Model -> such frames among those verified on, where that was asked for."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Where the data come from and how they were read, in words by what they are: "period", "institution", ..."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of what computed them."""
    machine: str = ""
    """What they were computed on."""
    examples: Sequence[Example] = field(default=(), repr=False, compare=False)
    """Some windows with everyone's forecast, to look at; no file of scores holds them."""

    def __repr__(self) -> str:
        by = joined(list(self.scores))
        leads = f"{len(self.lead_time)} lead times ({self.lead_time_unit})"
        return f"<Verification of {by}: {count(self.count, 'forecast')} of {self.data or 'frames'}, {leads}>"

    def _repr_html_(self) -> str:
        return str(Late("nextframe.outputs.show:verification_html")(self))

    def to_json(self, path: str | Path) -> None:
        """Write `verification.json`, whole or not at all; a score that is not defined is null there."""
        write_text(path, json.dumps(_with_nulls(self), indent=1) + "\n")

    def widget(self) -> AnyWidget:
        """The player for a notebook, of the examples that `verify` has kept; needs the extra `notebook`.

        Raises:
            ConfigError: scores without examples, as those of a file; or anywidget is not installed.
        """
        widget: AnyWidget = Late("nextframe.outputs.widget:verification_widget")(self)
        return widget

    def to_dataframe(self) -> pd.DataFrame:
        """A table of pandas with a row for each forecaster, score and lead time; see `tabular.dataframe`."""
        from nextframe.verification.tabular import dataframe

        return dataframe(self)

    def to_xarray(self) -> xr.Dataset:
        """Scores over the axes `forecaster` and `lead_time`, a variable each; see `tabular.dataset`.

        >>> scores = {"model": {"mae": [1.0, 2.0]}, "persistence": {"mae": [1.5, 4.0]}}
        >>> told = Verification(scores=scores, lead_time=[5, 10], lead_time_unit="minutes", count=3).to_xarray()
        >>> float(told["mae"].sel(forecaster="model", lead_time=10))
        2.0
        """
        from nextframe.verification.tabular import dataset

        return dataset(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the rows of `to_dataframe` as CSV, whole or not at all."""
        from nextframe.verification.tabular import csv_text

        write_text(path, csv_text(self))

    def to_latex(
        self, path: str | Path | None = None, metrics: Sequence[str] | None = None, *, by_lead_time: bool = False
    ) -> str:
        """A LaTeX table (package booktabs) of the means over lead times, or of every lead time, the best in bold.

        Args:
            path: file to write it to as well.
            metrics: which scores; by default those that lead.
            by_lead_time: a table for each of them with a column for each lead time.
        """
        from nextframe.verification.tabular import latex_text

        text = latex_text(self, metrics, by_lead_time=by_lead_time)
        if path is not None:
            write_text(path, text)
        return text

    @classmethod
    def from_json(cls, path: str | Path) -> Verification:
        """Read what `to_json` wrote.

        Raises:
            DataError: a file that is not there or holds something else.
        """
        try:
            return cls._from_content(_with_nan(json.loads(Path(path).read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError("cannot be read as scores", where=path, received=error) from error

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Verification:
        """Scores from what JSON has made of them."""
        for metrics in content["scores"].values():  # JSON has no infinity, which a perfect forecast's PSNR is
            if {"psnr", "mse"} <= metrics.keys():
                pairs = zip(metrics["psnr"], metrics["mse"], strict=True)
                metrics["psnr"] = [math.inf if error == 0 else psnr for psnr, error in pairs]
        for name, kind in (("skill", Skill), ("reliability", Reliability)):
            found = content.get(name, {})
            content[name] = {a: {b: kind(**values) for b, values in part.items()} for a, part in found.items()}
        protocol = content.get("protocol")  # null is read as NaN
        content["protocol"] = ProtocolScores(**protocol) if isinstance(protocol, Mapping) else None
        content["verdicts"] = [Verdict(**values) for values in content.get("verdicts", [])]
        own = content.get("by_source", {})
        content["by_source"] = {name: cls._from_content(part) for name, part in own.items()}
        return cls(**content)


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_nulls(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(part) for part in value]
    if isinstance(value, (Skill, Reliability, Verdict, ProtocolScores, Verification)):
        return _with_nulls({name: part for name, part in vars(value).items() if name != _NOT_WRITTEN})
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_nan(part) for part in value]
    return math.nan if value is None else value
