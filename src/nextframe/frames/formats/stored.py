"""Stored numbers of a file by variable, with their axes and attributes as they stand there, whatever the format.

Nothing is decoded here: what times, fill values, signs and scales mean is found out by the modules that read them, from
one place for NetCDF and Zarr alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, first_line
from nextframe.frames.formats.packing import Packing
from nextframe.frames.remote import errors

LIBRARY = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, EOFError, MemoryError)
"""Errors that h5py, h5netcdf, scipy and zarr raise for files that are damaged; caught around calls of theirs alone."""


def failures() -> tuple[type[Exception], ...]:
    """These, and those of a server, where one is read from."""
    return (*LIBRARY, *errors())


ASK_SERVER = "look whether the server answers, and lets you read this"
"""What to do about a store that a server does not hand out."""
LONGEST = 2**26
"""Numbers of a coordinate; a second's steps of two years."""


def unreadable(path: object, error: BaseException, what: str = "cannot be read as NetCDF or Zarr") -> DataError:
    """The error of a file that a library fails to read."""
    said = first_line(error)
    hint = "the file may be truncated or damaged"
    if isinstance(error, errors()):
        hint = ASK_SERVER
    if "filter" in said and ("plugin" in said or "required" in said):
        hint = "it is compressed in a way of its own: install hdf5plugin and import it first, or repack the file"
    return DataError(what, where=path, received=said, hint=hint)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of a file, of which nothing is read before `read`."""

    name: str
    dims: tuple[str, ...]
    """Names of its axes."""
    shape: tuple[int, ...]
    dtype: np.dtype
    """Type of the stored numbers."""
    attributes: Mapping[str, Any]
    """As they stand in the file."""
    array: Any
    """What hands out stored numbers by an index of numbers and slices."""
    where: Path
    """Its file."""

    @property
    def numeric(self) -> bool:
        """True where its values are numbers."""
        return self.dtype.kind in "biuf"

    @property
    def packing(self) -> Packing:
        """Storage of its values.

        Raises:
            DataError: attributes that make no sense.
        """
        return Packing.of(self.name, self.dtype, self.attributes, self.where)

    def read(self, *index: Any) -> NDArray[Any]:
        """Stored numbers at an index; all without one.

        Raises:
            DataError: they cannot be read.
        """
        if not index and int(np.prod(self.shape, dtype=np.float64)) > LONGEST:
            raise DataError(
                f"{self.name} claims {int(np.prod(self.shape, dtype=np.float64)):,} numbers",
                where=self.where,
                expected=f"at most {LONGEST:,} of a coordinate",
                hint="the file is damaged, or is to be divided",
            )
        try:
            return np.asarray(self.array[index or ...])
        except failures() as error:
            raise unreadable(self.where, error, f"{self.name} cannot be read") from error

    def values(self, *index: Any) -> NDArray[np.float64]:
        """Values at an index, unpacked, NaN where missing.

        Raises:
            DataError: they cannot be read.
        """
        values: NDArray[np.float64] = self.packing.unpack(self.read(*index), np.float64, where=self.where)
        return values


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A group of a file: its variables, and those of the groups above it that it does not have itself."""

    path: Path
    variables: Mapping[str, Variable]
    attributes: Mapping[str, Any]
    group: str = ""
    """Its path within the file, "Grid" or "a/b"; empty for the root."""
    inherited: frozenset[str] = frozenset()
    """Names of the variables that are of a group above."""
    in_memory: bool = False
    """True where no file holds it, so that it is at hand whenever it is read."""
    close: Callable[[], None] = field(default=lambda: None)

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the axes."""
        return {dim: size for v in self.variables.values() for dim, size in zip(v.dims, v.shape, strict=True)}

    def below(self, above: Stored | None) -> Stored:
        """The same with what it inherits from the group above."""
        if above is None:
            return self

        def close() -> None:
            self.close()
            above.close()

        own = self.sizes  # a group may have an axis of its own by the name of one above
        fitting = {
            name: variable
            for name, variable in above.variables.items()
            if all(own.get(dim, size) == size for dim, size in zip(variable.dims, variable.shape, strict=True))
        }
        variables = {**fitting, **self.variables}
        return Stored(
            path=self.path,
            variables=variables,
            attributes={**above.attributes, **self.attributes},
            group=self.group,
            inherited=frozenset(fitting) - frozenset(self.variables),
            close=close,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
