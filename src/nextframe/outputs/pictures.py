"""Forecasts as pictures: animations (GIF, MP4) and a strip (PNG).

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.writer import Beside
from nextframe.report.palette import RGB, Palette, enlarge, probability_picture
from nextframe.words import lead_label, printable

if TYPE_CHECKING:  # a GIF needs no matplotlib
    from matplotlib.figure import Figure

_MARGIN, _HEADER, _BAR = 8, 22, 64
_NARROWEST = 110  # pixels that the label of a picture takes
_WIDEST = 4096  # pixels along a side of an animation, which every decoder of H.264 takes
_SECONDS = 0.35  # a frame of an animation
_VIDEO_CODEC: Final = "libx264"  # plays everywhere
_BACKGROUND, _INK = (255, 255, 255), (30, 30, 30)

Labelled = list[tuple[str, FloatArray]]
"""Labels, and fields (K, C, H, W) of probabilities."""


def write_gif(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write an animation of the past, then of truth, forecast and error side by side."""
    frames = (Image.fromarray(frame) for frame in animation(forecast, beside))
    first, rest = next(frames), frames
    first.save(
        path, format="GIF", save_all=True, append_images=rest, duration=round(_SECONDS * 1000), loop=0, disposal=2
    )


def write_mp4(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write the same animation as a video in H.264."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(_VIDEO_CODEC, rate=round(1 / _SECONDS))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for n, frame in enumerate(animation(forecast, beside)):
            if n == 0:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def check_encoder() -> None:
    """Hold PyAV to having the encoder of videos.

    Raises:
        ConfigError: it was built without.
    """
    import av

    if _VIDEO_CODEC not in av.codecs_available:
        raise ConfigError(
            f"cannot be written, since PyAV was built without {_VIDEO_CODEC}",
            where=".mp4",
            hint="pip install --force-reinstall av, or write a .gif",
        )


def write_png(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a strip: a row each for past, truth, forecast, error and probabilities, a column for each lead time."""
    from nextframe.report.figures import png

    path.write_bytes(png(strip_of(forecast, beside)))


def strip_of(forecast: Forecast, beside: Beside) -> Figure:
    """The figure of a strip."""
    from nextframe.report.figures import strip

    forecast, beside = _upright(forecast, beside)
    leads = [lead_label(forecast.time_step, forecast.first + lead) for lead in range(forecast.lead_times)]
    return strip(
        beside.past,
        beside.truth,
        forecast.values,
        leads,
        forecast.forecaster,
        forecast.units[0],
        _labelled(forecast, beside),
    )


def _upright(forecast: Forecast, beside: Beside) -> tuple[Forecast, Beside]:
    """Panel as it is drawn, with north at the top, whichever way the rows of the source run."""
    grid = forecast.grid
    if grid is None or not grid.rows_run_north:
        return forecast, beside
    turned = replace(
        beside,
        past=None if beside.past is None else grid.north_up(beside.past),
        truth=None if beside.truth is None else grid.north_up(beside.truth),
        probabilities={threshold: grid.north_up(field) for threshold, field in beside.probabilities.items()},
    )
    return replace(forecast, values=grid.north_up(forecast.values)), turned


def animation(forecast: Forecast, beside: Beside) -> Iterator[RGB]:
    """Frames of an animation, one for each frame of the past and for each lead time, all of one size (H, W, 3)."""
    forecast, beside = _upright(forecast, beside)
    past, truth = beside.past, beside.truth
    palette = Palette(*(part for part in (past, truth, forecast.values if truth is None else None) if part is not None))
    for headline, pictures in _panels(forecast, palette, beside):
        yield _compose(headline, pictures, palette, forecast.units[0])


def _panels(forecast: Forecast, palette: Palette, beside: Beside) -> Iterator[tuple[str, list[tuple[str, RGB]]]]:
    """The frames of an animation: for each its headline, and its labelled pictures from left to right."""
    past, truth, probabilities = beside.past, beside.truth, _labelled(forecast, beside)
    number = 2 + (truth is not None) + len(probabilities)

    def sized(picture: RGB) -> RGB:
        return _sized(picture, number)

    blank = sized(np.full((*forecast.values.shape[-2:], 3), 235, np.uint8))
    for n, frame in enumerate([] if past is None else past):
        labelled = [("past", sized(palette.frame(frame))), (forecast.forecaster, blank)]
        if truth is not None:
            labelled.append(("error", blank))
        labelled += [(label, blank) for label, _ in probabilities]
        yield f"past, frame {n + 1} of {0 if past is None else len(past)}", labelled
    for lead, frame in enumerate(forecast.values):
        labelled = [(forecast.forecaster, sized(palette.frame(frame)))]
        if truth is not None:
            error = sized(palette.error(frame, truth[lead]))
            labelled = [("truth", sized(palette.frame(truth[lead]))), *labelled, ("error", error)]
        elif past is not None:
            labelled = [("last frame seen", sized(palette.frame(past[-1]))), *labelled]
        labelled += [(label, sized(probability_picture(fields[lead]))) for label, fields in probabilities]
        yield f"lead time {lead_label(forecast.time_step, forecast.first + lead)}", labelled


def _labelled(forecast: Forecast, beside: Beside) -> Labelled:
    unit = "" if forecast.units[0] == "1" else f" {forecast.units[0]}"
    name = f"{forecast.variables[0]} " if len(forecast.variables) > 1 else ""  # pictures show the first channel
    return [(f"P({name}≥ {threshold:g}{unit})", field) for threshold, field in beside.probabilities.items()]


def _sized(picture: RGB, number: int) -> RGB:
    """A picture of which so many stand side by side: small ones enlarged, large ones made smaller."""
    widest, tallest = (_WIDEST - _BAR) // number - 2 * _MARGIN, _WIDEST - 3 * _HEADER
    height, width = picture.shape[:2]
    if width <= widest and height <= tallest:
        return enlarge(picture, largest=min(1000, widest))
    share = min(widest / width, tallest / height)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _compose(headline: str, pictures: list[tuple[str, RGB]], palette: Palette, unit: str) -> RGB:
    """Pictures side by side under their labels and a headline, both sides of the whole even, as video codecs need."""
    height, width = pictures[0][1].shape[:2]
    column = max(width, _NARROWEST)
    left = len(pictures) * (column + _MARGIN) + _MARGIN
    whole = (left + (_BAR if palette.needs_bar else 0), height + 2 * _HEADER + _MARGIN)
    canvas = Image.new("RGB", (whole[0] + whole[0] % 2, whole[1] + whole[1] % 2), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(14)
    draw.text((_MARGIN, 4), headline, _INK, font)
    for n, (label, picture) in enumerate(pictures):
        x = _MARGIN + n * (column + _MARGIN)
        draw.text((x, _HEADER + 2), printable(label), _INK, font)
        canvas.paste(Image.fromarray(picture), (x, 2 * _HEADER))
    if palette.needs_bar:
        small = ImageFont.load_default(11)
        draw.text((left, _HEADER + 4), "" if unit == "1" else printable(unit), _INK, small)
        canvas.paste(Image.fromarray(palette.bar(height, 12)), (left, 2 * _HEADER))
        ticks = palette.ticks() if height >= 3 * 11 else palette.ticks()[::2]
        for n, tick in enumerate(ticks):
            part = 1 - n / (len(ticks) - 1)
            anchor = "ld" if part == 1 else "la" if part == 0 else "lm"
            draw.text((left + 16, 2 * _HEADER + part * (height - 1)), tick, _INK, small, anchor=anchor)
    return np.asarray(canvas)
