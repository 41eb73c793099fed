"""`Additive`: sums that can be added, weighed and drawn again, from which metrics follow at the end.

Sums of parts can be added in any order and give what the whole would have given; metrics are computed from sums, never
averaged. The same sums, kept for each forecast apart, are what a bootstrap draws from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]
Part = TypeVar("Part", bound="Additive")


@dataclass(frozen=True, kw_only=True)
class Additive:
    """Fields that are arrays are sums, with the axes that the class names last and any further axes before them; all
    other fields are settings, which must be the same for parts that are put together.
    """

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The sums by name."""
        found = ((f.name, getattr(self, f.name)) for f in fields(self))
        # A sum over the only axis is a scalar of NumPy.
        return {name: np.asarray(value) for name, value in found if isinstance(value, (np.ndarray, np.generic))}

    def metrics(self) -> dict[str, Sums]:
        """Every metric by its name, (..., K); NaN where it is not defined."""
        raise NotImplementedError

    def __add__(self, other: Self) -> Self:
        """Both parts together.

        Raises:
            ValueError: sums of other settings: thresholds, scales, data range.
        """
        return join([self, other]).total()

    def total(self) -> Self:
        """The sum over the first axis."""
        return self._replace({name: value.sum(0) for name, value in self.arrays().items()})

    def weighed(self, weights: NDArray[np.float64]) -> Self:
        """Weighted sums over the first axis (N, ...), for each row of `weights` (R, N): sums with a first axis R."""
        return self._replace({name: np.tensordot(weights, value, (1, 0)) for name, value in self.arrays().items()})

    def _replace(self, sums: dict[str, NDArray[Any]]) -> Self:
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in sums}
        return type(self)(**settings, **sums)


def join(parts: Sequence[Part], *, axis: int | None = None) -> Part:
    """Parts along a new first axis, or one after the other along an axis that they have.

    Raises:
        ValueError: parts of other settings.
    """
    first = parts[0]
    sums = [part.arrays() for part in parts]
    settings = [f.name for f in fields(first) if f.name not in sums[0]]
    if any(getattr(part, name) != getattr(first, name) for part in parts for name in settings):
        raise ValueError(f"statistics that differ in {', '.join(settings)} cannot be added")
    put = np.stack if axis is None else np.concatenate
    columns = {name: put([part[name] for part in sums], axis=axis or 0) for name in sums[0]}
    return first._replace(columns)
