"""`nextframe export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nextframe.exports.formats import describe_formats

OUT = Parameter(help=f"Where to write, by suffix: {describe_formats()}.")


def export(run: str, /, *, out: Annotated[Path, OUT]) -> None:
    """Write a trained model as files that run without nextframe.

    The files forecast one step at a time, with states that are carried along: their description, a JSON file beside
    them, says what to feed. They are compared with the model before they are let go.

    Args:
        run: Run folder of a model or an ensemble, or the name of a shipped one (`nextframe inspect --models`).
        out: Where to write.
    """
    from nextframe.api import export as export_model
    from nextframe.exports.parity import EARLY, ROLLOUT
    from nextframe.words import joined, size

    exported = export_model(run, out)
    print(f"wrote {joined([str(path) for path in exported.files])}: {size(exported.size)}")
    if exported.difference is not None:
        how = "at each frame" if exported.seconds is None else f"over {ROLLOUT} frames fed back"
        early = exported.early_difference
        first = "" if early is None else f", over the first {EARLY} by {early:.1e}"
        print(
            f"parity: {how} it differs from the run by {exported.difference:.1e} of the range of values at most{first}"
        )
    if exported.own_rounding is not None and exported.rounding is not None:
        print(
            f"rounding: there the run itself differs from its network in float64 by {exported.own_rounding:.1e}, "
            f"and PyTorch's float32 by {exported.rounding:.1e}"
        )
    if exported.seconds is not None and exported.own_seconds is not None:
        print(
            f"speed: {exported.seconds:.3g} s for one further frame of the size of the training, one movie; the run "
            f"itself takes {exported.own_seconds:.3g} s"
        )
    for sentence in exported.remarks:
        print(sentence)
