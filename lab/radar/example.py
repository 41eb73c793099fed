"""A storm that a model never saw, in everyone's forecast: a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from lab.pictures import save_figure
from lab.place import DOCS
from lab.radar.measure import RUNS
from lab.radar.networks import PAST, network
from nextframe.data.split import whole_spans
from nextframe.data.windows import cut_windows
from nextframe.forecasting.baselines import make_baselines
from nextframe.forecasting.load import load_run
from nextframe.forecasting.matching import ProbabilityMatched
from nextframe.frames.source import open_source
from nextframe.report.palette import Palette

PICTURE = DOCS / "assets" / "pictures" / "unseen-storm.png"
EVENT = "mrms-2019-06-10-w2"
"""Whose data are in the public domain."""
SHOWN = 7
"""Lead time that is shown, in frames, from 0."""
SIDE = 96
"""Pixels along each side of the part that is shown."""


def save_example(variant: str, data: Path) -> None:
    """Write the picture, where the run that was trained without this network is there."""
    run, row = RUNS / variant / "without-mrms", network("mrms")
    (path,) = (path for path in row.paths(data) if path.stem == EVENT)
    if not (run / "model.json").exists():
        return
    windows = cut_windows(whole_spans(open_source(path, **row.options())), past=PAST, future=SHOWN + 1)
    past, truth = windows[len(windows) // 2].read()
    model = load_run(run)
    named = {
        "model": model,
        "matched": ProbabilityMatched(model),
        **{each.name: each for each in make_baselines(("extrapolation", "steps", "anvil"))},
    }
    minutes = (SHOWN + 1) * row.step
    panels = {"last frame seen": past[-1], f"what came, {minutes} minutes later": truth[SHOWN]}
    panels |= {name: who.predict(past[None], SHOWN + 1)[0, SHOWN] for name, who in named.items()}
    palette = Palette(past, truth, unit="mm/h")
    top, left = ((size - SIDE) // 2 for size in truth.shape[-2:])
    figure = Figure(figsize=(9.0, 5.0), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 4).ravel()
    for panel, (title, frame) in zip(axes, panels.items(), strict=False):
        panel.imshow(palette.frame(frame)[top : top + SIDE, left : left + SIDE], interpolation="nearest")
        panel.set_title(title, fontsize=8, loc="left")
    for panel in axes:
        panel.set_axis_off()
    bar = axes[-1].inset_axes((0.1, 0.05, 0.08, 0.9))
    bar.imshow(palette.bar(200, 20), aspect="auto")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    marks = palette.ticks()
    bar.set_yticks([199 * (1 - share) for share, _ in marks], [text for _, text in marks], fontsize=7)
    bar.set_title("mm/h", fontsize=8)
    save_figure(figure, PICTURE)
