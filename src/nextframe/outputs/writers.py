"""Forecasts as files: animation (GIF, MP4), strip of pictures (PNG), array (NPY), gridded data (NetCDF).

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import av
import imageio.v3 as iio
import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nextframe.errors import ConfigError, ShapeError
from nextframe.files import replacing
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.report.figures import RGB, Palette, enlarge, png, probability_picture, strip
from nextframe.words import lead_label

_MARGIN, _HEADER, _BAR = 8, 22, 64
_SECONDS = 0.35  # a frame of an animation
_VIDEO_CODEC: Final = "libx264"  # plays everywhere
_BACKGROUND, _INK = (255, 255, 255), (30, 30, 30)

Probabilities = Sequence[tuple[str, FloatArray]]
"""Labels, and fields (K, C, H, W) of probabilities."""


def save_forecast(
    forecast: Forecast,
    path: str | Path,
    *,
    past: FloatArray | None = None,
    truth: FloatArray | None = None,
    exceed: Sequence[float] = (),
    coverage: float | None = None,
    members: bool = False,
) -> None:
    """Write a forecast to a file; its suffix says how.

    - `.gif`, `.mp4`: the past, then truth, forecast and error side by side (the forecast alone where no truth is
      given), and the probability of exceeding each threshold that is asked for
    - `.png`: a strip with a row for each of these, a column for each lead time (20 of more)
    - `.npy`: the values (K, C, H, W) in source units
    - `.nc`: NetCDF by the CF conventions, a variable for each channel over (lead_time, y, x), and what else is asked
      for beside it: `rain_probability` over (threshold, lead_time, y, x), `rain_lower` and `rain_upper`, `rain_member`

    Args:
        forecast: what to write.
        path: the file; replaced if it is there, whole or not at all.
        past: frames before the forecast (T, C, H, W), for pictures.
        truth: what came (K, C, H, W), for pictures.
        exceed: thresholds in source units, to give the probability of at least so much.
        coverage: probability of the central interval whose bounds to write (NetCDF only).
        members: whether to write the members, too (NetCDF only).

    Raises:
        ConfigError: another suffix, or probabilities of a forecast that knows none.
        ShapeError: a past or a truth that does not fit the forecast.
    """
    path = Path(path)
    check_suffix(path)
    for name, frames in (("past", past), ("truth", truth)):
        if frames is not None and frames.shape[1:] != forecast.values.shape[1:]:
            raise ShapeError(
                f"the {name} has other frames than the forecast",
                where=path,
                expected=forecast.values.shape[1:],
                received=frames.shape[1:],
            )
    if truth is not None and len(truth) != forecast.lead_times:
        raise ShapeError(
            "has another number of lead times", where="truth", expected=forecast.lead_times, received=len(truth)
        )
    probabilities = {threshold: forecast.probability(threshold) for threshold in exceed}
    with replacing(path) as temporary:
        if path.suffix.lower() == ".nc":
            to_dataset(forecast, probabilities, coverage, members=members).to_netcdf(temporary, engine="h5netcdf")
        else:
            _WRITERS[path.suffix.lower()](forecast, temporary, past, truth, _labelled(probabilities, forecast))


def check_suffix(path: str | Path) -> None:
    """Hold a file's name to the formats that can be written, before anything is computed.

    Raises:
        ConfigError: another suffix.
    """
    suffix, known = Path(path).suffix.lower(), [*_WRITERS, ".nc"]
    if suffix not in known:
        raise ConfigError("no format has this suffix", where=path, expected=", ".join(known), received=suffix or "none")


def to_dataset(
    forecast: Forecast,
    probabilities: Mapping[float, FloatArray] | None = None,
    coverage: float | None = None,
    *,
    members: bool = False,
) -> xr.Dataset:
    """A forecast as a dataset by the CF conventions: lead_time, y and x; valid_time and init_time where times are
    known.

    Args:
        forecast: the forecast.
        probabilities: threshold -> probability of at least so much (K, C, H, W).
        coverage: probability of the central interval whose bounds are wanted.
        members: whether the members are wanted.

    Raises:
        ConfigError: an interval or members of a forecast that knows none.
    """
    grid = forecast.grid
    y_name, x_name = ("y", "x") if grid is None else (grid.y_name, grid.x_name)
    height, width = forecast.values.shape[-2:]
    lead = forecast.lead_time
    known = np.issubdtype(lead.dtype, np.timedelta64)
    seconds = lead.astype("timedelta64[ns]").astype(np.float64) * 1e-9 if known else lead.astype(np.float64)
    coordinates: dict[str, xr.Variable] = {
        "lead_time": xr.Variable(
            "lead_time",
            np.round(seconds, 6),
            {
                "long_name": "time since the last frame seen",
                # xarray decodes "seconds" to a duration; "1" keeps a plain count of frames.
                "units": "seconds" if known else "1",
                **(
                    {"standard_name": "forecast_period"} if known else {"comment": "in frames: the source has no times"}
                ),
            },
        ),
        y_name: xr.Variable(
            y_name, np.arange(height) if grid is None else grid.y, {} if grid is None else dict(grid.y_attributes)
        ),
        x_name: xr.Variable(
            x_name, np.arange(width) if grid is None else grid.x, {} if grid is None else dict(grid.x_attributes)
        ),
    }
    for name, field in grid.fields.items() if grid is not None else ():
        coordinates[name] = xr.Variable((y_name, x_name), field.values, dict(field.attributes))
    if forecast.init_time is not None:
        attributes = {"standard_name": "forecast_reference_time"}
        coordinates["init_time"] = xr.Variable((), forecast.init_time.astype("datetime64[ns]"), attributes)
    if forecast.valid_time is not None:
        times = forecast.valid_time.astype("datetime64[ns]")
        coordinates["valid_time"] = xr.Variable("lead_time", times, {"standard_name": "time"})
    mapped = {} if grid is None or grid.mapping is None else {"grid_mapping": "crs"}
    carried = forecast.variable_attributes or ({},) * len(forecast.variables)
    data = {
        name: xr.Variable(
            ("lead_time", y_name, x_name),
            forecast.values[:, n],
            {**carried[n], "units": unit, **mapped},
            {"_FillValue": np.float32("nan")},
        )
        for n, (name, unit) in enumerate(zip(forecast.variables, forecast.units, strict=True))
    }
    data |= _beside(forecast, data, probabilities or {}, coverage, members=members)
    if probabilities:
        least = {"long_name": "values of at least this much"}
        if len(set(forecast.units)) == 1:
            least["units"] = forecast.units[0]
        coordinates["threshold"] = xr.Variable("threshold", list(probabilities), least)
    if mapped and grid is not None and grid.mapping is not None:
        data["crs"] = xr.Variable((), np.int32(0), dict(grid.mapping))
    about = {str(key): value for key, value in forecast.attributes.items() if isinstance(value, (str, int, float))}
    told = f" ({about['source']})" if "source" in about else ""
    about |= {
        "Conventions": "CF-1.10",
        "forecaster": forecast.forecaster,
        "source": f"nextframe, from {forecast.source}{told}",
    }
    return xr.Dataset(data, coordinates, about)


def _beside(
    forecast: Forecast,
    data: Mapping[str, xr.Variable],
    probabilities: Mapping[float, FloatArray],
    coverage: float | None,
    *,
    members: bool,
) -> dict[str, xr.Variable]:
    """What says how uncertain each variable is, named in its `ancillary_variables` as CF has it."""
    found: dict[str, xr.Variable] = {}
    for n, (name, variable) in enumerate(data.items()):
        mapped = {key: value for key, value in variable.attrs.items() if key == "grid_mapping"}
        unit = forecast.units[n]
        parts: dict[str, xr.Variable] = {}
        if probabilities:
            fields = np.stack([field[:, n] for field in probabilities.values()])
            about = {"long_name": f"probability of {name} of at least the threshold", "units": "1", **mapped}
            parts[f"{name}_probability"] = xr.Variable(("threshold", *variable.dims), fields, about)
        if coverage is not None:
            for side, bound in zip(("lower", "upper"), forecast.interval(coverage), strict=True):
                about = {"long_name": f"{side} bound of the central {coverage:.0%} interval", "units": unit, **mapped}
                parts[f"{name}_{side}"] = xr.Variable(variable.dims, bound[:, n], about)
        if members:
            drawn = forecast.require_members()[:, :, n]
            parts[f"{name}_member"] = xr.Variable(("member", *variable.dims), drawn, {"units": unit, **mapped})
        if parts:
            variable.attrs["ancillary_variables"] = " ".join(parts)
        found |= parts
    return found


def _labelled(probabilities: Mapping[float, FloatArray], forecast: Forecast) -> Probabilities:
    unit = "" if forecast.units[0] == "1" else f" {forecast.units[0]}"
    name = f"{forecast.variables[0]} " if len(forecast.variables) > 1 else ""  # pictures show the first channel
    return [(f"P({name}≥ {threshold:g}{unit})", field) for threshold, field in probabilities.items()]


def panels(
    forecast: Forecast,
    palette: Palette,
    past: FloatArray | None,
    truth: FloatArray | None,
    *,
    probabilities: Probabilities = (),
    smallest: int = 200,
) -> list[tuple[str, list[tuple[str, RGB]]]]:
    """The frames of an animation: for each its headline, and its labelled pictures from left to right."""
    blank = enlarge(np.full((*forecast.values.shape[-2:], 3), 235, np.uint8), smallest)
    result = []
    for n, frame in enumerate([] if past is None else past):
        labelled = [("past", enlarge(palette.frame(frame), smallest)), (forecast.forecaster, blank)]
        if truth is not None:
            labelled.append(("error", blank))
        labelled += [(label, blank) for label, _ in probabilities]
        result.append((f"past, frame {n + 1} of {0 if past is None else len(past)}", labelled))
    for lead, frame in enumerate(forecast.values):
        labelled = [(forecast.forecaster, enlarge(palette.frame(frame), smallest))]
        if truth is not None:
            error = enlarge(palette.error(frame, truth[lead]), smallest)
            labelled = [("truth", enlarge(palette.frame(truth[lead]), smallest)), *labelled, ("error", error)]
        elif past is not None:
            labelled = [("last frame seen", enlarge(palette.frame(past[-1]), smallest)), *labelled]
        for label, fields in probabilities:
            labelled.append((label, enlarge(probability_picture(fields[lead]), smallest)))
        result.append((f"lead time {lead_label(forecast.time_step, lead + 1)}", labelled))
    return result


def _compose(headline: str, pictures: list[tuple[str, RGB]], palette: Palette, unit: str) -> RGB:
    """Pictures side by side under their labels and a headline, both sides of the whole even, as video codecs need."""
    height, width = pictures[0][1].shape[:2]
    left = len(pictures) * (width + _MARGIN) + _MARGIN
    whole = (left + (_BAR if palette.needs_bar else 0), height + 2 * _HEADER + _MARGIN)
    canvas = Image.new("RGB", (whole[0] + whole[0] % 2, whole[1] + whole[1] % 2), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(14)
    draw.text((_MARGIN, 4), headline, _INK, font)
    for n, (label, picture) in enumerate(pictures):
        x = _MARGIN + n * (width + _MARGIN)
        draw.text((x, _HEADER + 2), label, _INK, font)
        canvas.paste(Image.fromarray(picture), (x, 2 * _HEADER))
    if palette.needs_bar:
        small = ImageFont.load_default(11)
        draw.text((left, _HEADER + 4), "" if unit == "1" else unit, _INK, small)
        canvas.paste(Image.fromarray(palette.bar(height, 12)), (left, 2 * _HEADER))
        for tick, part, anchor in zip(palette.ticks(), (1.0, 0.5, 0.0), ("ld", "lm", "la"), strict=True):
            draw.text((left + 16, 2 * _HEADER + part * (height - 1)), tick, _INK, small, anchor=anchor)
    return np.asarray(canvas)


def _animation(
    forecast: Forecast, past: FloatArray | None, truth: FloatArray | None, probabilities: Probabilities
) -> list[RGB]:
    palette = Palette(*(part for part in (past, truth, forecast.values if truth is None else None) if part is not None))
    frames = panels(forecast, palette, past, truth, probabilities=probabilities)
    return [_compose(headline, pictures, palette, forecast.units[0]) for headline, pictures in frames]


def _write_gif(
    forecast: Forecast, path: Path, past: FloatArray | None, truth: FloatArray | None, probabilities: Probabilities
) -> None:
    frames = np.stack(_animation(forecast, past, truth, probabilities))
    iio.imwrite(path, frames, extension=".gif", plugin="pillow", duration=round(_SECONDS * 1000), loop=0)


def _write_mp4(
    forecast: Forecast, path: Path, past: FloatArray | None, truth: FloatArray | None, probabilities: Probabilities
) -> None:
    if _VIDEO_CODEC not in av.codecs_available:
        raise ConfigError(
            f"cannot be written, since PyAV was built without {_VIDEO_CODEC}",
            where=path.suffix,
            hint="pip install --force-reinstall av, or write a .gif",
        )
    frames = _animation(forecast, past, truth, probabilities)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(_VIDEO_CODEC, rate=round(1 / _SECONDS))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_png(
    forecast: Forecast, path: Path, past: FloatArray | None, truth: FloatArray | None, probabilities: Probabilities
) -> None:
    leads = [lead_label(forecast.time_step, lead + 1) for lead in range(forecast.lead_times)]
    figure = strip(past, truth, forecast.values, leads, forecast.forecaster, forecast.units[0], probabilities)
    path.write_bytes(png(figure))


def _write_npy(
    forecast: Forecast, path: Path, past: FloatArray | None, truth: FloatArray | None, probabilities: Probabilities
) -> None:
    np.save(path, forecast.values)


_WRITERS: dict[str, Callable[[Forecast, Path, FloatArray | None, FloatArray | None, Probabilities], None]] = {
    ".gif": _write_gif,
    ".mp4": _write_mp4,
    ".png": _write_png,
    ".npy": _write_npy,
}
