"""`Writer`: a row of the table of output formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the table is part of the command line's help, which loads no library
    from nextframe.forecasting.forecast import Forecast
    from nextframe.frames.sequence import FloatArray

Part = Literal["past", "truth", "probabilities", "interval", "members"]
"""Something that a file may hold beside the forecast itself."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Things to be written beside a forecast, as far as the format holds it."""

    past: FloatArray | None = None
    """Frames before the forecast, (T, C, H, W)."""
    truth: FloatArray | None = None
    """Frames that came, (K, C, H, W)."""
    probabilities: Mapping[float, FloatArray] = field(default_factory=dict)
    """Threshold -> probability of at least so much, (K, C, H, W)."""
    coverage: float | None = None
    """Probability of the central interval whose bounds are wanted."""
    members: bool = False
    """True where the members are wanted."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A kind of files that forecasts are written to."""

    name: str
    """What messages and documentation call it: "NetCDF"."""
    suffix: str
    """Suffix of its files, in lower case."""
    write: Callable[[Forecast, Path, Beside], None]
    """Writes a forecast to a path that is not there yet; the table's own rows import it when it is first called
    (`plugins.Late`). The file's replacement, whole or not at all, is not its business."""
    holds: frozenset[Part] = frozenset()
    """What it has a place for beside the forecast; past and truth are left out where it has none for them."""
    appends: bool = False
    """True where a forecast can be added to a file of others."""
    check: Callable[[], None] | None = None
    """Raises a `ConfigError` where something that it needs is not there; called before the work."""
    extra: str | None = None
    """Extra of the package that installs its library, where that is none of the package's own."""
    about: str = ""
    """What such a file shows, in a clause."""
