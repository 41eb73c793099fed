"""Colours of rain, in the classes that radar maps have: white where it is dry, blue, green, yellow, red, violet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.rain import kind_of_rain

_DRY = (255, 255, 255)
_CLASSES = (
    (208, 231, 251),
    (157, 201, 243),
    (90, 160, 230),
    (43, 111, 208),
    (31, 158, 75),
    (247, 224, 38),
    (247, 154, 30),
    (224, 48, 30),
    (164, 18, 122),
    (75, 10, 85),
)
_SAFE = (
    (12, 14, 22),
    (8, 51, 112),
    (53, 69, 108),
    (79, 87, 108),
    (102, 105, 112),
    (125, 124, 120),
    (148, 142, 119),
    (174, 163, 113),
    (200, 184, 102),
    (229, 207, 82),
    (254, 232, 56),
)
"""Dry, then the classes from dark to bright, along cividis (Nunez et al., 2018, doi:10.1371/journal.pone.0199239)."""
_LEVELS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Least rain of each class, in mm/h."""
_REFLECTIVITY = (10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0)
"""The same in dBZ."""
_COMMON = {"mm/h": "rate", "mm h-1": "rate", "mm": "amount", "kg m-2": "amount", "dBZ": "reflectivity"}
"""Units that are known without the library of units, which takes long to load."""
_SMALL = 10.0  # amounts up to here, of a few minutes, have levels of a tenth


@dataclass(frozen=True)
class RainColours:
    """Classes of rain and their colours."""

    levels: tuple[float, ...]
    """Least value of each class."""

    def colour(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values (H, W) as colours (H, W, 3) in 0..255; what is below the first class, or missing, is dry."""
        chosen = np.searchsorted(self.levels, np.nan_to_num(values, nan=-np.inf), side="right")
        colours: NDArray[np.float64] = self.classes()[chosen]
        return colours

    def classes(self) -> NDArray[np.float64]:
        """Colours of what is dry and of each class, (1 + classes, 3)."""
        return np.array([_DRY, *_CLASSES], np.float64)

    def safe(self) -> NDArray[np.float64]:
        """The same in colours that people tell apart however they see colours."""
        return np.array(_SAFE, np.float64)

    def along(self, shares: NDArray[np.floating]) -> NDArray[np.float64]:
        """Colours (N, 3) at shares of a bar on which all classes are equally long."""
        chosen = np.clip((shares * len(_CLASSES)).astype(int), 0, len(_CLASSES) - 1)
        colours: NDArray[np.float64] = np.array(_CLASSES, np.float64)[chosen]
        return colours

    def ticks(self) -> list[tuple[float, str]]:
        """Marks at the lower bound of each class."""
        return [(n / len(_CLASSES), f"{level:g}") for n, level in enumerate(self.levels)]


def rain_colours(unit: str, largest: float) -> RainColours | None:
    """Classes for rain in a unit; None for what is no rain, or in a unit of another size.

    Args:
        unit: as the source writes it.
        largest: largest value that is to be shown.

    >>> rain_colours("mm/h", 30.0).levels[0], rain_colours("mm", 2.0).levels[0], rain_colours("K", 280.0)
    (0.1, 0.01, None)
    """
    kind = _COMMON.get(unit) or kind_of_rain(unit)
    if kind is None:
        return None
    if kind == "reflectivity":
        return RainColours(_REFLECTIVITY)
    if unit not in _COMMON and not _of_millimetres(unit):
        return None
    small = kind == "amount" and largest <= _SMALL
    return RainColours(tuple(level / 10 for level in _LEVELS) if small else _LEVELS)


def _of_millimetres(unit: str) -> bool:
    from nextframe.frames.units import same_unit

    return same_unit(unit, "mm/h") or same_unit(unit, "mm")
