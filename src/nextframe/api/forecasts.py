"""Forecasts in a call: trained models, what they forecast, and what they are handed on as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nextframe.config import Matched
from nextframe.words import nobody

if TYPE_CHECKING:
    from torch import nn

    from nextframe.data.plain import PlainWindows
    from nextframe.exports.export import Exported
    from nextframe.forecasting.calibration import Calibration
    from nextframe.forecasting.forecast import Forecast
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.sequence import FrameSequence
    from nextframe.frames.source import Source
    from nextframe.options import ReadingOptions


def load_run(run: str | Path, module: nn.Module | None = None) -> TrainedForecaster:
    """Load a trained model, or an ensemble, from its run folder, or one of those that come with the package; arguments
    and errors of `nextframe.forecasting.load.load_run`.
    """
    from nextframe.forecasting.load import load_run as load

    return load(run, module)


def export(model: TrainedForecaster | str | Path, path: str | Path) -> Exported:
    """Write a trained model as a file that runs without nextframe, and compare the two; arguments and errors of
    `nextframe.exports.export.export`, and in place of the model what `load_run` takes.
    """
    from nextframe.exports.export import export as write
    from nextframe.exports.formats import format_of

    format_of(path)  # before anything is read
    return write(load_run(model) if isinstance(model, (str, Path)) else model, path)


def calibrate_run(run: str | Path) -> Calibration:
    """Measure a run's errors on its validation part, so that its forecasts have intervals and probabilities; arguments
    and errors of `nextframe.forecasting.calibrate.calibrate_run`.
    """
    from nextframe.forecasting.calibrate import calibrate_run as calibrate

    return calibrate(run)


def forecast(
    run: str | Path,
    source: Source | None = None,
    *,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    **reading: Unpack[ReadingOptions],
) -> Forecast:
    """Forecast from a source with a trained model or a baseline; arguments and errors of `forecast_file`.

    >>> forecast("squares-stacked", lead_times=3).values.shape
    (3, 1, 40, 40)
    """
    options: Any = {"lead_times": lead_times, "start": start, "matched": matched, "members": members, **reading}
    options |= {"covariates": covariates, "future_covariates": future_covariates}
    return forecast_file(run, source, tile=tile, overlap=overlap, **options)[0]


def forecast_file(
    run: str | Path,
    source: Source | None = None,
    *,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    tell: Callable[[str], None] | None = None,
    **reading: Unpack[ReadingOptions],
) -> tuple[Forecast, FrameSequence, FrameSequence | None]:
    """Forecast from a source with a trained model or a baseline, and return what it started from and what came, too.

    Args:
        run: the run folder, the name of a shipped model (`load_run`), or that of a baseline ("anvil").
        source: what to forecast from; its first sequence is taken. By default the first frames that were held out:
            those that a shipped model was measured on, or the test part of the run's own data.
        lead_times: number of frames to forecast; by default as many as the run was trained for.
        start: forecast the frames from this index on, from those before it; by default those beyond the end, and of
            held-out frames the first ones that can be.
        matched: give the forecast the distribution of the last frame seen ("last", or True), or that of the validation
            part ("validation"); see `forecasting.matching`.
        members: whether the forecast is to know its uncertainty.
        tile: forecast in tiles of so many pixels along both axes (`forecasting.tiles`), for grids beyond memory.
        overlap: pixels that tiles share; by default as `TrainedForecaster.tiled` chooses.
        covariates: sources of the model's observed covariates, in the order of the training's; those of the training
            themselves where no source is named.
        future_covariates: sources of those that are known for the future, likewise.
        tell: takes what was done to the frames (unit, pixels, missing frames), a sentence each.
        **reading: how to read the source where it differs from what the run and the metadata tell.

    Returns:
        The forecast, the frames that it started from, none of them from before a long gap in time, and the true
        frames where the file has them all.

    Raises:
        ConfigError: a start without a frame before it, or no frames to start from.
    """
    from nextframe.forecasting.baselines import named
    from nextframe.forecasting.issue import issue, issue_baseline
    from nextframe.forecasting.load import load_run
    from nextframe.forecasting.trained import hold_bare, hold_untiled, with_given
    from nextframe.verification.held_out import first_held_out

    tell = tell or nobody
    common: Any = {
        "reading": reading,
        "tell": tell,
        "lead_times": lead_times,
        "matched": matched,
        "members": members,
    }
    baseline = named(run, tell)
    if baseline is not None:
        hold_untiled(baseline.name, tile, overlap)
        hold_bare(baseline.name, covariates, future_covariates)
        return issue_baseline(baseline, source, start, **common)
    model = with_given(load_run(run), covariates, future_covariates, own=source is None)
    if source is None:
        source, first = first_held_out(run, model.config.data, reading=reading)
        start = first if start is None else start
    return issue(model, source, start, tile=tile, overlap=overlap, **common)


def windows(
    source: Source, *, past: int = 7, future: int = 8, stride: int = 1, **reading: Unpack[ReadingOptions]
) -> PlainWindows:
    """Windows of a source as a dataset of torch, for a training loop of one's own: `len`, items of a past (T, C, H, W)
    and a future (K, C, H, W), and their `times`.

    Args:
        source: what `open_source` takes.
        past: frames T that are seen.
        future: frames K that follow them.
        stride: frames between the starts of two windows.
        **reading: how to read the source; by default as it is.

    Raises:
        ConfigError: a length or stride below 1.
        DataError: no stretch without a gap is long enough for one window.

    >>> pairs = windows("squares:movies=2,frames=10,size=16", past=4, future=3)
    >>> len(pairs), pairs[0][0].shape, pairs[0][1].shape
    (8, torch.Size([4, 1, 16, 16]), torch.Size([3, 1, 16, 16]))
    """
    from nextframe.data.plain import PlainWindows
    from nextframe.frames.source import open_source

    return PlainWindows(open_source(source, **reading), past=past, future=future, stride=stride)
