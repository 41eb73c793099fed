"""Answers: a forecast as the bytes of a file, in any format of the writers' table, or as JSON."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.outputs.writers import save_forecast, writers
from nextframe.report.player import described, encoded, packed, told
from nextframe.service.limits import Refused

MEDIA: Mapping[str, str] = {"json": "application/json"} | {
    row.suffix.removeprefix("."): row.media for row in writers() if not row.needs
}
"""Media type of each format that is answered: JSON, and those of the writers' table that need a forecast alone."""


def formats() -> tuple[str, ...]:
    """Formats that are answered.

    >>> "nc" in formats(), "csv" in formats()
    (True, False)
    """
    return tuple(MEDIA)


def format_of(asked: str | None, accept: str) -> str:
    """The format that a request asks for: by name, else by its header Accept (RFC 9110), else JSON.

    Of several that are as welcome, that which is named the most exactly is taken, then the first in the header, then
    JSON.

    Raises:
        Refused: a format that there is not, or none that is accepted.

    >>> format_of(None, "image/gif, */*;q=0.1"), format_of("nc", ""), format_of(None, "*/*")
    ('gif', 'nc', 'json')
    >>> format_of(None, "image/gif;q=0.3, application/x-netcdf;q=0.8, */*;q=0.1")
    'nc'
    """
    if asked is not None:
        if asked not in formats():
            raise Refused(422, f"format {asked!r} is none of {', '.join(formats())}")
        return asked
    ranges = _ranges(accept) or [("*/*", 1.0)]
    ranked = [(_rank(_plain(MEDIA[name]), ranges), name) for name in formats()]
    rank, name = max(ranked, key=lambda each: each[0])  # the first of those that are alike
    if rank[0] <= 0:
        there = ", ".join(_plain(MEDIA[name]) for name in formats())
        raise Refused(406, f"nothing of what the header Accept names is answered, but {there}")
    return name


def _plain(media: str) -> str:
    """A media type without its parameters."""
    return media.partition(";")[0].strip().lower()


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Media ranges of a header Accept, each with its weight between 0 and 1; those that are malformed are left out.

    >>> _ranges("image/*;q=0.5, text/html ,, x/y;q=much")
    [('image/*', 0.5), ('text/html', 1.0)]
    """
    ranges = []
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        said = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        if "/" in kind and re.fullmatch(r"0(\.\d*)?|1(\.0*)?", said):
            ranges.append((kind, float(said)))
    return ranges


def _rank(media: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int, int]:
    """Rank of a media type among others: its weight, by the range that names it the most exactly; how exactly that is;
    and how early it stands.
    """
    family = f"{media.partition('/')[0]}/*"
    for exactness, kind in ((2, media), (1, family), (0, "*/*")):
        for n, (said, weight) in enumerate(ranges):
            if said == kind:
                return weight, exactness, -n
    return 0.0, 0, 0


def content(
    forecast: Forecast,
    name: str,
    *,
    past: FloatArray | None = None,
    beside: Mapping[str, FloatArray] | None = None,
    notes: Sequence[str] = (),
    truth: FloatArray | None = None,
    pack: bool = False,
) -> bytes:
    """A forecast in a format.

    Args:
        forecast: what is written.
        name: one of `formats()`.
        past: frames before it (T, C, H, W), for pictures and for the player.
        beside: other forecasts (K, C, H, W) by their names, for the player.
        notes: sentences for the player.
        truth: frames that came (K, C, H, W), for the player.
        pack: whether frames in JSON are texts that hold them packed.

    Raises:
        NextframeError: a forecast that the format cannot hold.
    """
    if name == "json":
        if past is None:
            return as_json(told(forecast) | {"values": forecast.values}, pack=pack)
        return as_json(described(forecast, past=past, beside=beside, notes=notes, truth=truth), pack=pack)
    if name == "npy":
        buffer = io.BytesIO()
        np.save(buffer, forecast.values, allow_pickle=False)
        return buffer.getvalue()
    with tempfile.TemporaryDirectory(prefix="nextframe-") as folder:
        path = Path(folder) / f"forecast.{name}"
        save_forecast(forecast, path, past=past)
        if not path.is_dir():
            return path.read_bytes()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(path))
        return buffer.getvalue()


def values_told(forecast: Forecast, past: FrameSequence | None) -> int:
    """Number of values that the JSON tells of a forecast and the frames before it."""
    return forecast.values.size + (0 if past is None else int(np.prod(past.shape)))


def as_json(description: Mapping[str, Any], *, pack: bool = False) -> bytes:
    """Contents of the player as JSON: frames as lists, rounded to five digits, null where missing; or packed
    (`report.player.packed`), which takes a small part of the time and of the bytes.
    """
    plain = encoded(description, packed if pack else rounded)
    if "beside" in plain:
        plain["beside"] = dict(plain["beside"])
    return json.dumps(plain).encode()


def rounded(values: FloatArray) -> Any:
    """Values for JSON: rounded to five digits, null where missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.where(values == 0, 0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (4 - np.nan_to_num(digits, nan=0.0))
    exact = np.round(values.astype(np.float64) * scale) / scale
    plain: NDArray[Any] = exact.astype(object)
    plain[~np.isfinite(exact)] = None
    return plain.tolist()
