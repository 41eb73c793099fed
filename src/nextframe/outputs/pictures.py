"""Forecasts as pictures: animations (GIF, MP4) and a strip (PNG).

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.frames.steps import after
from nextframe.outputs.layout import GUTTER, HEADER, MARGIN, BarBelow, Layout, Panel
from nextframe.outputs.writer import Beside
from nextframe.report.palette import RGB, ErrorScale, Palette, ProbabilityScale, enlarge
from nextframe.report.place import edges_of, graticule_of
from nextframe.words import lead_label, minute

if TYPE_CHECKING:  # a GIF needs no matplotlib
    from matplotlib.figure import Figure

_WIDEST = 4096  # pixels along a side of an animation, which every decoder of H.264 takes
_BELOW = 80  # pixels that coordinates and bars take at most
_SECONDS = 0.35  # a frame of an animation
_VIDEO_CODEC: Final = "libx264"  # plays everywhere

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
    from nextframe.report.strip import strip

    edges, graticule = edges_of(forecast.grid), graticule_of(forecast.grid)
    forecast, beside = _upright(forecast, beside)
    leads = [lead_label(forecast.time_step, forecast.first + lead) for lead in range(forecast.lead_times)]
    before = 0 if beside.past is None else len(beside.past)
    return strip(
        beside.past,
        beside.truth,
        forecast.values,
        leads,
        forecast.forecaster,
        forecast.units[0],
        _labelled(forecast, beside),
        times=[f"{minute(time)[11:]} UTC" for time in _times(forecast, before)],
        edges=edges,
        graticule=graticule,
    )


def _upright(forecast: Forecast, beside: Beside) -> tuple[Forecast, Beside]:
    """Panel as it is drawn, north at the top and east at the right, whichever way the rows and columns run."""
    grid = forecast.grid
    if grid is None:
        return forecast, beside
    turned = replace(
        beside,
        past=None if beside.past is None else grid.north_up(beside.past),
        truth=None if beside.truth is None else grid.north_up(beside.truth),
        probabilities={threshold: grid.north_up(field) for threshold, field in beside.probabilities.items()},
    )
    return replace(forecast, values=grid.north_up(forecast.values)), turned


def animation(forecast: Forecast, beside: Beside) -> Iterator[RGB]:
    """Frames of an animation, one for each frame of the past and for each lead time, all of one size (H, W, 3).

    While the past is played, the panels of truth and forecast show it; errors and probabilities are not there yet.
    """
    edges, graticule = edges_of(forecast.grid), graticule_of(forecast.grid)
    forecast, beside = _upright(forecast, beside)
    past, truth, probabilities = beside.past, beside.truth, _labelled(forecast, beside)
    fitted = (part for part in (past, truth, forecast.values if truth is None else None) if part is not None)
    unit = forecast.units[0]
    palette = Palette(*fitted, unit=unit)
    errors = None if truth is None else ErrorScale(forecast.values - truth)
    chance, beside_it = ProbabilityScale(), truth is not None or past is not None
    number = 1 + beside_it + (truth is not None) + len(probabilities)

    def sized(picture: RGB) -> RGB:
        return _sized(picture, number)

    said = "" if unit == "1" else unit
    bars = [BarBelow(palette, 0, int(beside_it), said)] if palette.needs_bar else []
    if errors is not None:
        bars.append(BarBelow(errors, 2, 2, said))
    first = number - len(probabilities)
    bars += [BarBelow(chance, n, n) for n in range(first, number)]
    height, width = sized(palette.frame(forecast.values[0])).shape[:2]
    layout = Layout(height, width, number, bars, edges, graticule)
    nothing = [Panel("", None)] * (number - 2)
    for n, frame in enumerate([] if past is None else past):
        seen = Panel("seen", sized(palette.frame(frame)))
        assert past is not None
        yield layout.compose(_seen(forecast, n - len(past) + 1, len(past)), [seen, seen, *nothing])
    for lead, frame in enumerate(forecast.values):
        panels = [Panel(forecast.forecaster, sized(palette.frame(frame)))]
        if truth is not None and errors is not None:
            error = errors.frame(frame - truth[lead])
            panels = [Panel("truth", sized(palette.frame(truth[lead]))), *panels, Panel("error", sized(error))]
        elif past is not None:
            panels = [Panel("last frame seen", sized(palette.frame(past[-1]))), *panels]
        panels += [Panel(label, sized(chance.frame(fields[lead]))) for label, fields in probabilities]
        yield layout.compose(_ahead(forecast, lead), panels)


def _seen(forecast: Forecast, step: int, number: int) -> str:
    """The headline of a frame that was seen so many steps, 0 or fewer, after the last one."""
    count = f"frame {number + step} of {number} seen"
    if forecast.init_time is None or forecast.time_step is None:
        return count
    return f"{minute(after(forecast.init_time, forecast.time_step, np.array([step]))[0])} UTC, {count}"


def _times(forecast: Forecast, before: int) -> Sequence[np.datetime64]:
    """Valid times of so many frames before the forecast, then of its own; empty where they are not known."""
    if forecast.init_time is None or forecast.time_step is None:
        return ()
    ahead = np.arange(forecast.first, forecast.first + forecast.lead_times)
    steps = np.concatenate([np.arange(1 - before, 1), ahead])
    return list(after(forecast.init_time, forecast.time_step, steps))


def _ahead(forecast: Forecast, lead: int) -> str:
    """The headline of a lead time."""
    label = f"lead time {lead_label(forecast.time_step, forecast.first + lead)}"
    valid = forecast.valid_time
    return label if valid is None else f"valid {minute(valid[lead])} UTC, {label}"


def _labelled(forecast: Forecast, beside: Beside) -> Labelled:
    unit = "" if forecast.units[0] == "1" else f" {forecast.units[0]}"
    name = f"{forecast.variables[0]} " if len(forecast.variables) > 1 else ""  # pictures show the first channel
    return [(f"P({name}≥ {threshold:g}{unit})", field) for threshold, field in beside.probabilities.items()]


def _sized(picture: RGB, number: int) -> RGB:
    """A picture of which so many stand side by side: small ones enlarged, large ones made smaller."""
    widest, tallest = (_WIDEST - GUTTER) // number - 2 * MARGIN, _WIDEST - 3 * HEADER - _BELOW
    height, width = picture.shape[:2]
    if width <= widest and height <= tallest:
        return enlarge(picture, largest=min(1000, widest))
    share = min(widest / width, tallest / height)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
