"""Baselines, with the interface of a trained model: what any forecast has to beat, a row each.

A new baseline is a module with a `Forecaster` and a row here; one of another package is an entry point of the group
`nextframe.baselines` that names such a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.errors import CheckpointError
from nextframe.plugins import Late, row_of, table
from nextframe.runs.shipped import nearest, shipped_name
from nextframe.words import did_you_mean

if TYPE_CHECKING:
    from nextframe.data.split import Span
    from nextframe.forecasting.forecast import Forecaster

DEFAULT = ("persistence", "extrapolation")
"""Baselines that a forecast is verified beside where nobody says."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A forecast that needs no training of a network."""

    name: str
    """Name on the command line, in tables and reports."""
    make: Callable[..., Forecaster]
    """Makes it: of nothing, or of the training part (a list of spans) where that is among its needs; the table's own
    rows import it when it is first called (`plugins.Late`)."""
    title: str
    """One line that says what it is."""
    frames: int = 1
    """Past frames that it takes."""
    needs: frozenset[str] = frozenset()
    """Things that it cannot do without: "training", frames to learn from; "rain", values that are never negative."""
    extra: str | None = None
    """Extra of the package that installs its library, where that is none of the package's own."""


_HERE = "nextframe.forecasting"

_OWN = (
    Baseline(
        name="persistence", make=Late(f"{_HERE}.persistence:Persistence"), title="the last frame, for every lead time"
    ),
    Baseline(
        name="translation",
        make=Late(f"{_HERE}.translation:Translation"),
        title="the last frame moved on as a whole, along the shift that the last two frames have",
        frames=2,
    ),
    Baseline(
        name="extrapolation",
        make=Late(f"{_HERE}.extrapolation:Extrapolation"),
        title="the last frame moved on along the optical flow of the last two",
        frames=2,
    ),
    Baseline(
        name="climatology",
        make=Late(f"{_HERE}.climatology:Climatology.fit"),
        title="the training part's mean at each pixel",
        needs=frozenset({"training"}),
    ),
    Baseline(
        name="steps",
        make=Late(f"{_HERE}.nowcasts:Steps"),
        title="an ensemble nowcast of rain by pysteps",
        frames=3,
        needs=frozenset({"rain"}),
        extra="pysteps",
    ),
    Baseline(
        name="anvil",
        make=Late(f"{_HERE}.nowcasts:Anvil"),
        title="a nowcast of rain with growth and decay, by pysteps",
        frames=4,
        needs=frozenset({"rain"}),
        extra="pysteps",
    ),
    Baseline(
        name="linda",
        make=Late(f"{_HERE}.nowcasts:Linda"),
        title="a nowcast of rain with growth and decay and a fitted convolution, by pysteps",
        frames=3,
        needs=frozenset({"rain"}),
        extra="pysteps",
    ),
)


@cache
def baselines() -> tuple[Baseline, ...]:
    """All rows: the package's own, then those of other packages."""
    return table("nextframe.baselines", _OWN)


def names() -> tuple[str, ...]:
    """Names of all baselines.

    >>> names()[:3]
    ('persistence', 'translation', 'extrapolation')
    """
    return tuple(row.name for row in baselines())


def named(run: str | Path, tell: Callable[[str], None]) -> Baseline | None:
    """The baseline that a name in the place of a run's is of; None where it names a run.

    A path is none (`./anvil`), and a run folder that has the name of a baseline goes before it.

    Args:
        run: what was asked for.
        tell: is told which it is where there are both.

    Raises:
        CheckpointError: a name that is none, but nearly that of a baseline.

    >>> named("./anvil", print) is None, named("persistence", print).frames
    (True, 1)
    """
    row = next((row for row in baselines() if row.name == str(run)), None)
    if row is None:
        _hold_to_names(str(run))
        return None
    if not Path(run).is_dir():
        return row
    if any((Path(run) / name).exists() for name in ("config.yaml", "model.json")):
        tell(f"{run}: the run folder of this name, not the baseline")
        return None
    tell(f"{run}: the baseline, not the folder of this name, which is ./{run}")
    return row


def _hold_to_names(name: str) -> None:
    """Tell a slip in the name of a baseline, where nothing else is called so, or nearly so."""
    if Path(name).name != name or Path(name).exists() or shipped_name(name) or nearest(name):
        return
    hint = did_you_mean(name, names())
    if hint is not None:
        raise CheckpointError(
            "is neither a run folder, nor a shipped model, nor a baseline",
            where=name,
            hint=hint,
        )


def make_baseline(name: str, training: Sequence[Span] = ()) -> Forecaster:
    """A baseline by its name.

    Args:
        name: one of `names()`.
        training: frames of the training part, for baselines that learn from them.

    Raises:
        ConfigError: no baseline of this name, one whose library is not installed, or nothing to learn from.
    """
    row = row_of(baselines(), name, kind="baseline", where="baselines")
    return row.make(training) if "training" in row.needs else row.make()


def learns(names: Sequence[str]) -> bool:
    """True where a baseline of these names needs the training part."""
    return any("training" in row.needs for row in baselines() if row.name in names)


def make_baselines(names: Sequence[str], training: Sequence[Span] = ()) -> list[Forecaster]:
    """Baselines by their names."""
    return [make_baseline(name, training) for name in names]
