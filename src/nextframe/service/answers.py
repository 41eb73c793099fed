"""Answers: a forecast as the bytes of a file, in any format of the writers' table, or as JSON."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.outputs.writers import save_forecast, suffixes
from nextframe.report.player import described, encoded, packed, told
from nextframe.service.limits import Refused

MEDIA: Mapping[str, str] = {
    "json": "application/json",
    "npy": "application/x-npy",
    "nc": "application/x-netcdf",
    "zarr": "application/zip",
    "tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "png": "image/png",
    "grib2": "application/x-grib2",
    "h5": "application/x-hdf5",
}
"""Media type of each format that is answered."""


def formats() -> tuple[str, ...]:
    """Formats that are answered: JSON, and those of the writers' table that need nothing more than a forecast.

    >>> "nc" in formats(), "csv" in formats()
    (True, False)
    """
    return ("json", *(suffix[1:] for suffix in suffixes() if suffix[1:] in MEDIA))


def format_of(asked: str | None, accept: str) -> str:
    """The format that a request asks for: by name, else by its header Accept, else JSON.

    Raises:
        Refused: a format that there is not.

    >>> format_of(None, "image/gif, */*;q=0.1"), format_of("nc", "")
    ('gif', 'nc')
    """
    if asked is not None:
        if asked not in formats():
            raise Refused(422, f"format {asked!r} is none of {', '.join(formats())}")
        return asked
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")]
    by_type = {media.partition(";")[0]: name for name, media in MEDIA.items()}
    return next((by_type[kind] for kind in wanted if kind in by_type), "json")


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
