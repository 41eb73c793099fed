"""Provenance of frames: their source and the options they were read with, in words for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from nextframe.config import DataConfig, Reading
from nextframe.data.split import Span
from nextframe.words import Face, in_python, minute

_TOLD = ("title", "institution", "source", "references", "license", "licence", "history", "axes")
"""Attributes of a source that say whose it is and how it was made."""
_READING = (*(option.name for option in fields(Reading)), "coordinates", "static", "covariates", "future_covariates")
"""Options that change what is read."""
_LONGEST = 300  # characters of an attribute


def provenance(spans: Sequence[Span]) -> dict[str, str]:
    """Describe the frames of some spans: variables, size, period, and what their source says of itself."""
    first = spans[0].sequence
    height, width = first.shape[2:]
    several = f", in {len(spans)} sequences" if len(spans) > 1 else ""
    frames = f"{sum(map(len, spans)):,} of {height} x {width} pixels{several}"
    facts = {"variables": first.described(), "frames": frames}
    times = [
        (span.sequence.times[span.start], span.sequence.times[span.stop - 1])
        for span in spans
        if span.sequence.times is not None and len(span)
    ]
    if times:
        begin, end = min(start for start, _ in times), max(stop for _, stop in times)
        facts["period"] = f"{minute(begin)} to {minute(end)}"
    for key in _TOLD:
        if told := str(first.attributes.get(key, "")).strip():
            facts[key] = told if len(told) <= _LONGEST else told[:_LONGEST] + " ..."
    return facts


def reading_in_words(config: DataConfig, face: Face = in_python) -> dict[str, str]:
    """The options that frames were read with, as far as they change them, as a face writes them."""
    given, usual = [], DataConfig()
    for name in _READING:
        value = getattr(config, name)
        if value != getattr(usual, name):
            given.append(face(name, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    return {"read with": " ".join(given)} if given else {}
