"""Wishes for what is to be written of a forecast beside its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.errors import ConfigError
from nextframe.outputs.writer import Part

if TYPE_CHECKING:  # wishes are looked at with the command line, which loads no library
    from nextframe.outputs.places import Area, Point

STATISTICS: frozenset[Part] = frozenset({"probabilities", "quantiles", "interval", "members"})
"""Parts that say how sure a forecast is."""
OPTION: dict[Part, str] = {
    "probabilities": "exceed",
    "quantiles": "quantiles",
    "interval": "coverage",
    "members": "members",
    "points": "points",
    "areas": "areas",
}
"""Options that ask for a part."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Parts to be written of a forecast beside its frames."""

    exceed: Sequence[float] = ()
    """Thresholds in source units, to give the probability of at least so much."""
    quantiles: Sequence[float] = ()
    """Levels of quantiles, between 0 and 1."""
    coverage: float | None = None
    """Probability of the central interval whose bounds are wanted."""
    members: bool = False
    """True where the members are wanted."""
    points: str | Path | None = None
    """CSV table of places: name, lat, lon."""
    areas: str | Path | None = None
    """GeoJSON file of polygons."""

    @property
    def parts(self) -> list[Part]:
        """The parts that are asked for."""
        asked: dict[Part, bool] = {
            "probabilities": len(self.exceed) > 0,
            "quantiles": len(self.quantiles) > 0,
            "interval": self.coverage is not None,
            "members": self.members,
            "points": self.points is not None,
            "areas": self.areas is not None,
        }
        return [part for part, wanted in asked.items() if wanted]

    @property
    def uncertainty(self) -> bool:
        """True where the forecast has to know how sure it is."""
        return bool(STATISTICS & set(self.parts))

    def check(self) -> None:
        """Hold shares to be such.

        Raises:
            ConfigError: a share that is none.
        """
        for name, shares in (
            ("coverage", () if self.coverage is None else (self.coverage,)),
            ("quantiles", self.quantiles),
        ):
            for share in shares:
                if not 0 < share < 1:
                    raise ConfigError("must be between 0 and 1", where=name, received=share)

    def places(self) -> tuple[tuple[Point, ...], tuple[Area, ...]]:
        """The points and areas, read from their files; errors of `places.read_points` and `places.read_areas`."""
        if self.points is None and self.areas is None:
            return (), ()
        from nextframe.outputs.places import read_areas, read_points

        points = () if self.points is None else read_points(self.points)
        return points, () if self.areas is None else read_areas(self.areas)
