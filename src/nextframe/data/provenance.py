"""Where frames come from and how they were read, in words for reports."""

from __future__ import annotations

from collections.abc import Sequence

from nextframe.config import DataConfig
from nextframe.data.coverage import minute
from nextframe.data.split import Span

_TOLD = ("title", "institution", "source", "references", "license", "licence", "history", "axes")
"""Attributes of a source that say whose it is and how it was made."""
_READING = ("variable", "grey", "crop", "rain_unit", "coarsen", "missing", "damaged", "coordinates", "static")
"""Options that change what is read."""
_LONGEST = 300  # characters of an attribute


def provenance(spans: Sequence[Span]) -> dict[str, str]:
    """What the frames of some spans are: variables, size, period, and what their source says of itself."""
    first = spans[0].sequence
    height, width = first.shape[2:]
    several = f", in {len(spans)} sequences" if len(spans) > 1 else ""
    frames = f"{sum(map(len, spans)):,} of {height} x {width} pixels{several}"
    found = {"variables": first.described(), "frames": frames}
    times = [
        (span.sequence.times[span.start], span.sequence.times[span.stop - 1])
        for span in spans
        if span.sequence.times is not None and len(span)
    ]
    if times:
        begin, end = min(start for start, _ in times), max(stop for _, stop in times)
        found["period"] = f"{minute(begin)} to {minute(end)}"
    for key in _TOLD:
        if told := str(first.attributes.get(key, "")).strip():
            found[key] = told if len(told) <= _LONGEST else told[:_LONGEST] + " ..."
    return found


def reading_in_words(config: DataConfig) -> dict[str, str]:
    """The options that frames were read with, as far as they change them."""
    given, usual = [], DataConfig()
    for name in _READING:
        value = getattr(config, name)
        if value != getattr(usual, name):
            option = f"--{name.replace('_', '-')}"
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            given.append(option if value is True else f"{option} {text}")
    return {"read with": " ".join(given)} if given else {}
