"""Forecasts, sequences, scores and trained models as notebooks show them: a line, a picture, a table.

Axes: T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from nextframe.errors import DataError, ShapeError
from nextframe.files import replacing
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource
from nextframe.frames.source import Source, pasts_in
from nextframe.outputs.pictures import strip_of, write_gif
from nextframe.outputs.writer import Beside
from nextframe.report.figures import png
from nextframe.report.palette import Palette, enlarge
from nextframe.verification.result import Verification
from nextframe.verification.titles import best, default_metrics, mean, number, title
from nextframe.words import evenly

if TYPE_CHECKING:
    from nextframe.forecasting.trained import TrainedForecaster

_SHOWN, _SIDE = 6, 120
"""Frames of a sequence that a notebook shows, and pixels along a side of one."""


@dataclass(frozen=True, repr=False)
class Animation:
    """An animation that a notebook plays, and that can be saved."""

    gif: bytes
    """The GIF file."""

    def __repr__(self) -> str:
        return f"<Animation: GIF of {len(self.gif):,} bytes; save(PATH) writes it>"

    def _repr_html_(self) -> str:
        return _image(self.gif, "gif")

    def save(self, path: str | Path) -> None:
        """Write the GIF, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_bytes(self.gif)


def plot(forecast: Forecast, past: Source | None = None, truth: Source | None = None) -> Figure:
    """A figure of matplotlib: rows for past, truth, forecast and error, a column for each lead time.

    Args:
        forecast: what to draw.
        past: frames seen (T, C, H, W), or whatever `open_source` takes.
        truth: frames that came (K, C, H, W), likewise.

    Raises:
        ShapeError: a past or a truth that does not fit the forecast.
    """
    return strip_of(forecast, read_beside(forecast, past, truth))


def animate(forecast: Forecast, past: Source | None = None, truth: Source | None = None) -> Animation:
    """An animation of the past, then of truth, forecast and error side by side; arguments and errors of `plot`."""
    return Animation(_gif(forecast, read_beside(forecast, past, truth)))


def _gif(forecast: Forecast, beside: Beside) -> bytes:
    with TemporaryDirectory(prefix="nextframe-") as folder:
        path = Path(folder) / "forecast.gif"
        write_gif(forecast, path, beside)
        return path.read_bytes()


def read_beside(forecast: Forecast, past: Source | None, truth: Source | None) -> Beside:
    """Past and truth beside a forecast, read; arguments and errors of `plot`."""
    shape = forecast.values.shape
    read: dict[str, FloatArray | None] = {}
    for name, source in (("past", past), ("truth", truth)):
        if source is None:
            read[name] = None
            continue
        (sequence, *_) = pasts_in(source)
        if sequence.shape[1:] != shape[1:] or (name == "truth" and len(sequence) != len(forecast.values)):
            expected = shape if name == "truth" else ("any number", *shape[1:])
            raise ShapeError("does not fit the forecast", where=name, expected=expected, received=sequence.shape)
        read[name] = sequence.read(0, len(sequence))
    return Beside(past=read["past"], truth=read["truth"])


def forecast_html(forecast: Forecast) -> str:
    """A forecast: its line and its frames by lead time."""
    return _line(forecast) + _image(png(plot(forecast), dpi=80), "png")


def sequence_html(sequence: FrameSequence) -> str:
    """A sequence: its line and its first frames; of what cannot be read, the line and why."""
    return _line(sequence) + _frames([(sequence, n) for n in range(min(len(sequence), _SHOWN))])


def source_html(source: FrameSource) -> str:
    """A source: its line, and the first frame of some of its sequences, or the first ones of its only one."""
    if len(source.sequences) == 1:
        return _line(source) + _frames([(source.sequences[0], n) for n in range(min(len(source.sequences[0]), _SHOWN))])
    return _line(source) + _frames([(sequence, 0) for sequence in evenly(source.sequences, _SHOWN)])


def _frames(places: Sequence[tuple[FrameSequence, int]]) -> str:
    try:
        read = [sequence.read(n, n + 1) for sequence, n in places]
    except DataError as error:
        return f"<p>{html.escape(str(error))}</p>"
    grid = places[0][0].grid
    palette = Palette(*read)
    pictures = [palette.frame(frames[0] if grid is None else grid.north_up(frames[0])) for frames in read]
    shown = [enlarge(picture, _SIDE, 2 * _SIDE) for picture in pictures]
    height, gap = shown[0].shape[0], np.full((shown[0].shape[0], 4, 3), 255, np.uint8)
    assert all(picture.shape[0] == height for picture in shown)
    row = np.concatenate([part for picture in shown for part in (picture, gap)][:-1], axis=1)
    stream = io.BytesIO()
    Image.fromarray(row).save(stream, format="PNG")
    return _image(stream.getvalue(), "png")


def verification_html(verification: Verification) -> str:
    """Scores: their line, and a table of the means over lead times, the best of each in bold."""
    from nextframe.report.verdicts import verdict_sentences

    metrics = default_metrics(verification)
    rows = []
    for name, scores in verification.scores.items():
        means = {metric: mean(scores[metric]) for metric in metrics if metric in scores}
        rows.append([name, *(number(means[metric]) if metric in means else "" for metric in metrics)])
    winners = [_best_mean(verification, metric) for metric in metrics]
    said = "".join(f"<p><b>{html.escape(sentence)}</b></p>" for sentence in verdict_sentences(verification))
    heads = ["mean over lead times", *(title(metric, verification.units) for metric in metrics)]
    return _line(verification) + said + _table(heads, rows, winners)


def _best_mean(verification: Verification, metric: str) -> str:
    """The forecaster that is best at the most lead times."""
    names = [name for lead in range(len(verification.lead_time)) for name in best(verification, metric, lead)]
    return max(dict.fromkeys(names), key=names.count, default="")


def model_html(model: TrainedForecaster) -> str:
    """A trained model: its line, and the scores of its last epochs."""
    history = model.history
    if not len(history):
        return _line(model)
    shown = history.tail(10)
    rows = [[f"{value:.4g}" for value in row] for row in shown.itertuples(index=False)]
    return _line(model) + _table(list(shown.columns), rows)


def _line(shown: object) -> str:
    return f"<div><code>{html.escape(repr(shown))}</code></div>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], winners: Sequence[str] = ()) -> str:
    def cell(row: Sequence[str], n: int) -> str:
        text = html.escape(row[n])
        return f"<td><b>{text}</b></td>" if n and winners and winners[n - 1] == row[0] else f"<td>{text}</td>"

    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(cell(row, n) for n in range(len(row)))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _image(content: bytes, kind: str) -> str:
    encoded = base64.b64encode(content).decode()
    return f'<img alt="" style="max-width: 100%" src="data:image/{kind};base64,{encoded}">'
