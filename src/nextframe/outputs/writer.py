"""`Writer`: a row of the table of output formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the table is part of the command line's help, which loads no library
    from nextframe.forecasting.forecast import Forecast
    from nextframe.frames.sequence import FloatArray
    from nextframe.outputs.places import Area, Point

Part = Literal["past", "truth", "probabilities", "quantiles", "interval", "members", "points", "areas"]
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
    quantiles: Mapping[float, FloatArray] = field(default_factory=dict)
    """Level -> value that the truth stays below with so much probability, (K, C, H, W)."""
    coverage: float | None = None
    """Probability of the central interval whose bounds are wanted."""
    members: bool = False
    """True where the members are wanted."""
    points: tuple[Point, ...] = ()
    """Places whose values are wanted."""
    areas: tuple[Area, ...] = ()
    """Areas whose values are wanted."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A kind of files that forecasts are written to."""

    name: str
    """What messages and documentation call it: "NetCDF"."""
    suffix: str
    """Suffix of its files, in lower case."""
    write: Callable[[Forecast, Path, Beside], None]
    """Writes a forecast to a path that is not there yet; the table's own rows import it when it is first called
    (`plugins.Late`). The file's replacement, whole or not at all, is not its business, but where it `appends`."""
    media: str = "application/octet-stream"
    """Media type of such a file in answers of the service; where it is a folder, that of an archive of it."""
    also: tuple[str, ...] = ()
    """Further suffixes of the same files."""
    holds: frozenset[Part] = frozenset()
    """What it has a place for beside the forecast; past and truth are left out where it has none for them."""
    needs: frozenset[Part] = frozenset()
    """Parts without which it writes nothing; one of these is enough."""
    appends: bool = False
    """True where a forecast is added to those that the path holds already. It is then given the path itself, and has to
    see to it that whoever reads there meanwhile finds each forecast whole or not at all."""
    check: Callable[[], None] | None = None
    """Raises a `ConfigError` where something that it needs is not there; called before the work."""
    modules: tuple[str, ...] = ()
    """Modules that it imports, where they may not be installed."""
    extra: str | None = None
    """Extra of the package that installs its library, where that is none of the package's own."""
    about: str = ""
    """What such a file shows, in a clause."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All suffixes of its files."""
        return (self.suffix, *self.also)
