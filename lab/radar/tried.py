"""`python -m lab radar-tried`: what was tried for the radar model and is not in it, beside what is.

    python -m lab radar-tried [--only NETWORK ...] [--data FOLDER] [--limit 4]
    python -m lab radar-tried --page           only writes the page from lab/results/radar

Motions, by what extrapolation along them is worth; other ways to give a forecast a distribution, of the runs that
`python -m lab radar` left in runs/radar; and other trainings, as far as `python -m lab radar --variant NAME --with
OPTION=VALUE` has made them. What is done stays in lab/results/radar, so that a run that was stopped goes on. The
motions of pysteps need pysteps, and that of Lucas and Kanade OpenCV (`pip install opencv-python-headless`); those that
are missing are left out, and named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from lab.options import parser
from lab.pictures import save_figure
from lab.place import DOCS, ROOT
from lab.radar.lines import table
from lab.radar.measure import RADAR, RUNS, SCORED, Kept, keep
from lab.radar.networks import NETWORKS, PAST, Network, network
from lab.radar.pooled import Event, events, pooled
from nextframe.data.motion import Motion, extrapolate, motion_field, quietly, shift_field
from nextframe.data.split import whole_spans
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.files import write_text
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.load import load_run
from nextframe.forecasting.matching import arriving, match_distribution, with_values
from nextframe.forecasting.nowcasts import in_decibels
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.verification.result import Verification
from nextframe.verification.verify import verify
from nextframe.words import evenly, joined

PAGE = DOCS / "results" / "radar-tried.md"
TRIED = "tried"
GENERAL = "general"
COLUMNS = {
    "csi_0.2": "CSI at 0.2 mm/h",
    "csi_1": "CSI at 1",
    "csi_3": "CSI at 3 mm/h",
    "fss_1_5px": "FSS at 1 mm/h, 20 km",
    "fss_1_15px": "60 km",
    "mse": "MSE",
    "crps": "CRPS",
    "frequency_3": "frequency bias at 3",
    "power_8px": "power below 32 km",
}
_DRY = 0.05
"""Rain in mm/h that is added before two amounts are set against each other."""
_OTHER, _MINUTES = re.compile(r"--test \S+ (.*) --out"), re.compile(r"--minutes (\S+)")
_TILE = 64
"""Pixels along each side of a tile."""


def _of_pysteps(method: str, frames: int, **options: object) -> Callable[[FloatArray], Motion]:
    """Motion of pasts (T, C, H, W) by a method of pysteps, from the logarithm of the last frames, as it wants them."""

    def motion(past: FloatArray) -> Motion:
        rain = np.nan_to_num(past[-frames:, 0]).astype(np.float64)
        found: Motion = quietly(import_module("pysteps.motion").get_method(method), in_decibels(rain), **options)
        return found

    return motion


MOTIONS: Mapping[str, Callable[[FloatArray], Motion | None]] = {
    "dense Lucas-Kanade (`extrapolation`)": lambda past: motion_field(past[-2:]),
    "one shift of the whole frame (`translation`)": lambda past: shift_field(past[-2:]),
    "Lucas-Kanade at features, pysteps": _of_pysteps("lucaskanade", PAST),
    "VET, pysteps": _of_pysteps("vet", 3, verbose=False),
    "Proesmans, pysteps": _of_pysteps("proesmans", 2),
    "DARTS, pysteps": _of_pysteps("darts", PAST, N_t=1),
}
"""The first is the package's own."""


class Along(Forecaster):
    """Extrapolation along a motion."""

    def __init__(self, name: str, motion: Callable[[FloatArray], Motion | None]) -> None:
        self._name, self.motion = name, motion

    @property
    def name(self) -> str:
        return self._name

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The last frame of (B, T, C, H, W) moved on, (B, K, C, H, W)."""
        return np.stack([extrapolate(movie, self.motion(movie), lead_times) for movie in past])


def _still(forecast: FloatArray, past: FloatArray) -> FloatArray:
    return with_values(forecast, np.broadcast_to(past[-1], forecast.shape))


def _interpolated(forecast: FloatArray, past: FloatArray) -> FloatArray:
    return with_values(forecast, Extrapolation().predict(past[None], len(forecast))[0])


def _in_tiles(forecast: FloatArray, past: FloatArray) -> FloatArray:
    """Matched in tiles that overlap by half and are blended."""
    arrived, half = arriving(past, len(forecast)), _TILE // 2
    height, width = forecast.shape[-2:]
    rise = np.hanning(_TILE + 2)[1:-1]
    hill = np.outer(rise, rise)
    total, weights = np.zeros(forecast.shape), np.zeros((height, width))
    for top in range(-half, height, half):
        for left in range(-half, width, half):
            rows, columns = slice(max(top, 0), top + _TILE), slice(max(left, 0), left + _TILE)
            share = hill[max(-top, 0) :, max(-left, 0) :][: height - rows.start, : width - columns.start]
            part = with_values(forecast[..., rows, columns], arrived[..., rows, columns])
            total[..., rows, columns] += share * part
            weights[rows, columns] += share
    return (total / weights).astype(np.float32)


def _ordered_with_extrapolation(forecast: FloatArray, past: FloatArray) -> FloatArray:
    """Ordered by the geometric mean of forecast and extrapolation."""
    moved = Extrapolation().predict(past[None], len(forecast))[0]
    return match_distribution(np.sqrt((forecast + _DRY) * (np.nan_to_num(moved) + _DRY)), past)


def _with_local_amounts(forecast: FloatArray, past: FloatArray) -> FloatArray:
    """Ordered by the forecast brought half of the way to the amounts that extrapolation has around each pixel."""
    moved = Extrapolation().predict(past[None], len(forecast))[0]
    real = np.isfinite(moved) & np.isfinite(forecast)
    there, here = (gaussian_filter(np.where(real, frames, 0), (0, 0, 4, 4)) for frames in (moved, forecast))
    return match_distribution(forecast * np.sqrt((there + _DRY) / (here + _DRY)), past)


WAYS: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "the last frame moved on pixel by pixel (`matched`)": match_distribution,
    "the last frame as it was": _still,
    "the last frame moved on by interpolation": _interpolated,
    f"`matched`, in tiles of {_TILE} pixels": _in_tiles,
    "`matched`, ordered by the mean with extrapolation": _ordered_with_extrapolation,
    "`matched`, ordered with the local amounts of extrapolation": _with_local_amounts,
}
"""The first is that of `--matched`."""


class Another(Forecaster):
    """Another forecaster's forecast, in some way with other values."""

    def __init__(self, inner: Forecaster, name: str, way: Callable[[FloatArray, FloatArray], FloatArray]) -> None:
        self.inner, self._name, self.way = inner, name, way

    @property
    def name(self) -> str:
        return self._name

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Forecasts (B, K, C, H, W) of pasts (B, T, C, H, W)."""
        forecast = self.inner.predict(past, lead_times)
        return np.stack([self.way(each, movie) for each, movie in zip(forecast, past, strict=True)])


def installed(motions: Mapping[str, Callable[[FloatArray], Motion | None]]) -> dict[str, Forecaster]:
    """Extrapolations along those motions whose libraries are there; the others are named."""
    frames = np.zeros((PAST, 1, 128, 128), np.float32)
    for n, frame in enumerate(frames[:, 0]):
        frame[40:60, 40 + n : 60 + n] = 5.0
    there: dict[str, Forecaster] = {}
    for name, motion in motions.items():
        try:
            motion(frames)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        there[name] = Along(name, motion)
    return there


def score(row: Network, data: Path, *, limit: int, motions: Mapping[str, Forecaster]) -> None:
    """Scores of everything on each event of a network, where they are not there yet."""
    run = RUNS / GENERAL / f"without-{row.name}"
    for path in row.paths(data):
        file = RADAR / TRIED / row.name / f"{path.stem}.json"
        if file.exists():
            continue
        print(f"{row.name}: what was tried on {path.stem}", flush=True)
        kept = Kept(load_run(run))
        everyone = [*motions.values(), *(Another(kept, name, way) for name, way in WAYS.items())]
        spans = whole_spans(open_source(path, **row.options()))
        windows = evenly(windows_with_past(cut_windows(spans, past=PAST, future=row.lead_times)), limit)
        keep(verify(everyone, windows, data=path.stem, **SCORED), file, data)


def write_page() -> None:
    """Write the page from the results."""
    scored = [
        Event(row, file.stem, found.lead_time, found.count, found.scores)
        for row in NETWORKS
        for file in sorted((RADAR / TRIED / row.name).glob("*.json"))
        for found in [Verification.from_json(file)]
    ]
    _save_picture(scored)
    write_text(PAGE, "\n".join(_page(scored)) + "\n")


def _save_picture(scored: Sequence[Event]) -> None:
    """What each motion and each way is worth: events hit, and squared error."""
    figure = Figure(figsize=(9.0, 4.2), layout="constrained", facecolor="white")
    for axes, (title, names) in zip(figure.subplots(1, 2), (("motion", MOTIONS), ("values", WAYS)), strict=True):
        for n, name in enumerate(names):
            place = (pooled(scored, name, "mse"), pooled(scored, name, "csi_1"))
            axes.plot(*place, "o" if n else "D", markersize=8, label=name.replace("`", ""))
        axes.set_title(title, loc="left")
        axes.set_xlabel("MSE")
        axes.set_ylabel("CSI at 1 mm/h")
        axes.legend(frameon=False, fontsize=7, loc="lower left" if names is MOTIONS else "best")
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, PAGE.with_suffix(".png"))


def _page(scored: Sequence[Event]) -> Iterator[str]:
    yield "# One model for all radars: what was tried\n"
    yield (
        "What [the radar model](radar.md) does not have, beside what it has, which stands first in each table: on the "
        "same forecasts, of radars that the model never saw, with the means of that page. Written by "
        "`python -m lab radar-tried`.\n"
    )
    yield "![Each motion and each way of matching by CSI at 1 mm/h and MSE](radar-tried.png)\n"
    yield "Up and to the left is better; what the model has is the diamond.\n"
    yield "## Motion\n"
    yield (
        f"Extrapolation of {sum(event.count for event in scored)} forecasts along other motions. The network's frames "
        "are moved along the first.\n"
    )
    yield from _rows(scored, MOTIONS)
    yield "\n## Distribution of values\n"
    yield "The model's forecasts with the values of\n"
    yield from _rows(scored, WAYS)
    yield "\n## Training\n"
    yield (
        "Trainings with another option, on the networks that each was left out of, beside those without it: `model` as "
        "it is, and `matched`.\n"
    )
    yield from table(("training", "networks left out", "forecast", *COLUMNS.values()), _trainings())
    machines = {Verification.from_json(file).machine for file in (RADAR / TRIED).glob("*/*.json")}
    yield f"\nOn {joined(sorted(machines), 'and')}."


def _rows(scored: Sequence[Event], names: Mapping[str, object]) -> Iterator[str]:
    there = [name for name in names if any(name in event.scores for event in scored)]
    yield from table(("", *COLUMNS.values()), ((name, *_cells(scored, name)) for name in there))


def _cells(scored: Sequence[Event], name: str) -> list[str]:
    values = (pooled(scored, name, metric) for metric in COLUMNS)
    return [f"{value:.3f}" if np.isfinite(value) else "" for value in values]


def _trainings() -> Iterator[tuple[str, ...]]:
    usual = events(RADAR, GENERAL)
    for folder in sorted(path for path in RADAR.iterdir() if path.name not in (GENERAL, TRIED, "baselines")):
        other = events(RADAR, folder.name)
        alike = {(event.network.name, event.name) for event in other}
        same = [event for event in usual if (event.network.name, event.name) in alike]
        left = joined(list(dict.fromkeys(event.network.name for event in other)), "and")
        for name, found in (("as shipped", same), (_options(folder), other)):
            for who in ("model", "matched"):
                yield (name, left, who, *_cells(found, who))


def _options(folder: Path) -> str:
    """What the trainings of a variant had that the shipped ones do not, and for how long they ran."""
    commands = [json.loads(note.read_text(encoding="utf-8"))["command"] for note in folder.glob("*/training.json")]
    options, minutes = (
        list(dict.fromkeys(pattern.search(command)[1] for command in commands))  # type: ignore[index]
        for pattern in (_OTHER, _MINUTES)
    )
    return f"`{joined(options, 'or')}`, {joined(minutes, 'or')} minutes"


def main(arguments: Sequence[str]) -> None:
    """Score, and write the page."""
    options = parser("radar-tried", __doc__)
    names = [row.name for row in NETWORKS]
    options.add_argument("--only", nargs="+", choices=names, default=names, help="networks to score on")
    options.add_argument("--limit", type=int, default=4, help="forecasts of each event, at most")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    options.add_argument("--page", action="store_true", help="only write the page")
    given = options.parse_args(arguments)
    data = (ROOT / given.data).resolve()
    if not given.page:
        motions = installed(MOTIONS)
        for row in map(network, given.only):
            if (RUNS / GENERAL / f"without-{row.name}" / "model.json").exists():
                score(row, data, limit=given.limit, motions=motions)
            else:
                print(f"{row.name}: left out, since `python -m lab radar` has not been run without it here")
    write_page()
