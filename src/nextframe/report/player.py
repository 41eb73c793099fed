"""The player of report, service and notebook: its module of JavaScript, and what it shows of a forecast.

A description is a dictionary for JSON but for its frames, which are arrays: `encoded` makes of these what a page can
carry. `page/frames.js` takes them as nested lists, as bytes of floats, or packed.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ShapeError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.frames.steps import after
from nextframe.report.colours import mapped
from nextframe.report.palette import MISSING, ErrorScale, Palette, ProbabilityScale
from nextframe.report.place import graticule_of
from nextframe.verification.example import Example
from nextframe.words import lead_label, minute, printable

_MODULES = ("frames.js", "place.js", "events.js", "player.js", "gallery.js")
_STYLES = ("colours.css", "player.css")
_BITS = 12
"""Bits of a mantissa that are kept where frames are packed: an error of at most one part in 8192."""


def script(page: Literal["report", "widget"]) -> str:
    """The player and the script of a page after it, as one module that imports nothing."""
    return re.sub(r"^import .*\n", "", _joined([*_MODULES, f"{page}.js"]), flags=re.MULTILINE)


def style() -> str:
    """The style sheet of the player, and the colours that it shares with the pages."""
    return _joined(_STYLES)


def _joined(names: Sequence[str]) -> str:
    folder = files("nextframe.report").joinpath("page")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def told(forecast: Forecast) -> dict[str, Any]:
    """All of a forecast but its frames: who made it, of what, when, and how its rows run."""
    return {
        "forecaster": forecast.forecaster,
        "init_time": _utc(forecast.init_time),
        "valid_time": None if forecast.valid_time is None else [_utc(time) for time in forecast.valid_time],
        "lead_times": forecast.lead_times,
        "variables": list(forecast.variables),
        "units": list(forecast.units),
        "shape": list(forecast.values.shape),
        "rows_run_north": forecast.grid is not None and forecast.grid.rows_run_north,
        "columns_run_west": forecast.grid is not None and forecast.grid.columns_run_west,
    }


def described(
    forecast: Forecast,
    *,
    past: FloatArray | None = None,
    truth: FloatArray | None = None,
    beside: Mapping[str, FloatArray] | None = None,
    probability: FloatArray | None = None,
    threshold: float | None = None,
    notes: Sequence[str] = (),
    largest: int | None = None,
    example: str = "",
) -> dict[str, Any]:
    """Contents of the player.

    Args:
        forecast: what leads.
        past: frames seen (T, C, H, W).
        truth: frames that came (K, C, H, W).
        beside: other forecasts (K, C, H, W), by their names.
        probability: probability of values of at least `threshold` (K, C, H, W).
        threshold: from which value on something is an event.
        notes: sentences below it.
        largest: pixels along a side from which on means of neighbouring pixels are shown; by default none are.
        example: what it is called among several that are chosen from.

    Raises:
        ShapeError: frames that do not fit the forecast.
    """
    beside = beside or {}
    shape = forecast.values.shape
    for name, given in {"truth": truth, "probability": probability, **beside}.items():
        if given is not None and given.shape != shape:
            raise ShapeError("does not fit the forecast", where=name, expected=shape, received=given.shape)
    if past is not None and past.shape[1:] != shape[1:]:
        raise ShapeError(
            "does not fit the forecast", where="past", expected=("any number", *shape[1:]), received=past.shape
        )
    every = 1 if largest is None else -(-max(shape[2:]) // largest)
    fitted = [part for part in (past, forecast.values if truth is None else truth) if part is not None]
    unit = forecast.units[0]
    frames: dict[str, Any] = {
        "values": _thinned(forecast.values, every),
        "past": None if past is None else _thinned(past, every),
        "truth": None if truth is None else _thinned(truth, every),
        "probability": None if probability is None else _thinned(probability, every),
        "beside": [(name, _thinned(values, every)) for name, values in beside.items()],
    }
    described = {
        **told(forecast),
        **{name: values for name, values in frames.items() if values is not None},
        "shape": list(frames["values"].shape),
        "example": example,
        "first": forecast.first,
        "lead_labels": [lead_label(forecast.time_step, forecast.first + k) for k in range(forecast.lead_times)],
        "past_time": None if past is None else _past_times(forecast, len(past)),
        "threshold": threshold,
        "notes": [*notes, *([f"Each pixel is the mean of {every} x {every}."] if every > 1 else [])],
        "every": every,
        "size": list(shape[2:]),
        "place": _place(forecast),
        "scale": _scale(Palette(*fitted, unit=unit), unit),
    }
    if truth is not None:
        differences = [values - truth for values in (forecast.values, *beside.values())]
        described["errors"] = _errors(ErrorScale(*differences), unit)
    if probability is not None:
        said = "" if threshold is None else f" of {threshold:g}{'' if unit == '1' else f' {unit}'} and more"
        described["chances"] = _coloured("probability" + said, 0.0, 1.0, "magma", ProbabilityScale().ticks())
    return described


def of_example(example: Example, *, largest: int | None = None) -> dict[str, Any]:
    """Contents of the player for an example of a verification; arguments of `described`."""
    first, *others = example.forecasts
    start = "" if first.init_time is None else f", from {minute(first.init_time)}"
    return described(
        first,
        past=example.past,
        truth=example.truth,
        beside={forecast.forecaster: forecast.values for forecast in others},
        probability=example.probability,
        threshold=example.threshold,
        largest=largest,
        example=printable(f"{Path(first.source).name or 'example'}{start}"),
    )


def encoded(description: Mapping[str, Any], encode: Callable[[FloatArray], Any]) -> dict[str, Any]:
    """A description with its frames in another form."""

    def of(value: Any) -> Any:
        return encode(value) if isinstance(value, np.ndarray) else value

    return {
        name: [(each, of(values)) for each, values in value] if name == "beside" else of(value)
        for name, value in description.items()
    }


def packed(frames: FloatArray) -> str:
    """Frames as text: floats of 12 bits of mantissa, deflated byte by byte; `page/frames.js` unpacks them."""
    bits = np.ascontiguousarray(frames, "<f4").reshape(-1).view("<u4").copy()
    dropped = 23 - _BITS
    # To the nearest, of two that are as near to the even one.
    bits += np.uint32((1 << (dropped - 1)) - 1) + ((bits >> np.uint32(dropped)) & np.uint32(1))
    bits &= np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    bits[np.isnan(frames).reshape(-1)] = 0x7FC00000
    planes = bits.view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(zlib.compress(planes.tobytes())).decode()


def _thinned(frames: FloatArray, every: int) -> FloatArray:
    """Means (..., H / every, W / every) of the values that are not missing; the last of a side may be of fewer."""
    if every == 1:
        return frames
    *leading, height, width = frames.shape
    rows, columns = -(-height // every), -(-width // every)
    padding = [(0, 0)] * len(leading) + [(0, rows * every - height), (0, columns * every - width)]
    blocks = np.pad(frames, padding, constant_values=np.nan).reshape(*leading, rows, every, columns, every)
    known = np.isfinite(blocks)
    number = known.sum((-3, -1))
    total = np.where(known, blocks, 0).sum((-3, -1), dtype=np.float64)
    means: FloatArray = np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
    return means


def _past_times(forecast: Forecast, number: int) -> list[str | None] | None:
    if forecast.init_time is None or forecast.time_step is None:
        return None
    return [_utc(time) for time in after(forecast.init_time, forecast.time_step, np.arange(1 - number, 1))]


def _utc(time: np.datetime64 | None) -> str | None:
    return None if time is None else f"{time.astype('datetime64[s]')}Z"


def _place(forecast: Forecast) -> dict[str, Any] | None:
    """Latitudes and longitudes of points that are evenly spread over the picture, northernmost row first, and the steps
    from line to line.
    """
    lines = graticule_of(forecast.grid)
    if lines is None:
        return None
    return {
        "latitude": np.round(lines.latitude, 4).tolist(),
        "longitude": np.round(lines.longitude, 4).tolist(),
        "steps": list(lines.steps),
    }


def _scale(palette: Palette, unit: str) -> dict[str, Any]:
    """The scale of values, with its colours; rain has two choices, first the one that people tell apart however they
    see colours.
    """
    scale = _coloured("value", palette.low, palette.high, palette.map, palette.ticks(), unit)
    if palette.rain is None:
        return {**scale, "power": palette.power}
    classes = {"for all eyes": palette.rain.safe(), "of a radar map": palette.rain.classes()}
    return {
        **scale,
        "levels": list(palette.rain.levels),
        "colours": [(name, _bytes(colours)) for name, colours in classes.items()],
    }


def _errors(scale: ErrorScale, unit: str) -> dict[str, Any]:
    return _coloured("error", -scale.reach, scale.reach, "RdBu_r", scale.ticks(), unit)


def _coloured(
    name: str, low: float, high: float, colours: str, ticks: Sequence[tuple[float, str]], unit: str = "1"
) -> dict[str, Any]:
    """A scale for the player: value -> share of the way from `low` to `high`, to a power -> one of 256 colours."""
    return {
        "name": name,
        "unit": "" if unit == "1" else unit,
        "low": low,
        "high": high,
        "power": 1.0,
        "levels": None,
        "colours": [] if colours == "rain" else [(colours, _bytes(mapped(colours, np.arange(256) / 256)))],
        "ticks": ticks,
        "missing": [round(255 * part) for part in MISSING],
    }


def _bytes(colours: NDArray[np.float64]) -> str:
    return base64.b64encode(np.round(colours).astype(np.uint8).tobytes()).decode()
