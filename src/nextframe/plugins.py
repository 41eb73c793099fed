"""Tables: what comes with the package, and what other packages add to it by entry points.

A package adds a row by an entry point of one of these groups, which names an object of the table's own row type:

    [project.entry-points."nextframe.metrics"]
    frequency-bias = "my_package:FREQUENCY_BIAS"

A row is loaded when the table is first asked for. One that cannot be loaded is left out with a warning, since a package
that is broken must not take the others with it.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from nextframe.errors import ConfigError, NextframeWarning, first_line
from nextframe.words import did_you_mean

GROUPS = (
    "nextframe.formats",
    "nextframe.writers",
    "nextframe.architectures",
    "nextframe.metrics",
    "nextframe.baselines",
)
"""Groups of entry points that rows are taken from."""

Row = TypeVar("Row")


@dataclass(frozen=True)
class Late:
    """A function or class that is imported when it is first called, so that a table of rows loads no library.

    >>> Late("math:sqrt")(9)
    3.0
    """

    home: str
    """"module:name", or "module:class.method"."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.load()(*arguments, **options)

    def load(self) -> Callable[..., Any]:
        """Import it."""
        module, _, name = self.home.partition(":")
        loaded: Callable[..., Any] = attrgetter(name)(import_module(module))
        return loaded


def table(group: str, own: Sequence[Row], kind: type[Row] | None = None) -> tuple[Row, ...]:
    """The rows of a table: the package's own, then those of other packages.

    Args:
        group: one of `GROUPS`.
        own: the package's own rows, whose names no other row takes.
        kind: type that a row must have; by default that of the own rows.
    """
    kind = kind or type(own[0])
    taken = {getattr(row, "name", None) for row in own}
    added: list[Row] = []
    for point, row in _loaded(group):
        why = ""
        if not isinstance(row, kind):
            why = f"is no {kind.__name__}"
        elif getattr(row, "name", None) in taken:
            why = f"has the name {getattr(row, 'name', None)!r} of another row"
        if why:
            warnings.warn(f"{_named(point)} {why}, and is left out", NextframeWarning, stacklevel=2)
            continue
        taken.add(getattr(row, "name", None))
        added.append(row)
    return (*own, *added)


class Named(Protocol):
    """A row that is asked for by its name."""

    @property
    def name(self) -> str: ...


NamedRow = TypeVar("NamedRow", bound=Named)


def row_of(rows: Sequence[NamedRow], name: str, *, kind: str, where: str) -> NamedRow:
    """The row of a name.

    Args:
        rows: a table.
        name: what was asked for.
        kind: what a row is, for the message: "model".
        where: the option that named it.

    Raises:
        ConfigError: no row of this name; the nearest one is named.
    """
    by_name = {row.name: row for row in rows}
    if name not in by_name:
        raise ConfigError(
            f"unknown {kind}",
            where=where,
            expected=f"one of {', '.join(by_name)}",
            received=name,
            hint=did_you_mean(name, by_name),
        )
    return by_name[name]


def library(name: str, *, extra: str, where: object, fails: tuple[type[Exception], ...] = (ImportError,)) -> Any:
    """A library that one of the package's extras installs, imported now that it is needed.

    Args:
        name: its module.
        extra: the extra.
        where: what needs it, for the message: a file, an option.
        fails: what the import raises where the library is not there, or only in part.

    Raises:
        ConfigError: it is not installed.

    >>> library("json", extra="grib", where="a.grib").dumps({})
    '{}'
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of while it is imported concerns its authors
            return import_module(name)
    except fails as error:
        package = name.partition(".")[0]
        raise ConfigError(f"needs {package}", where=where, hint=f"pip install 'nextframe[{extra}]'") from error


def pyproj_first() -> None:
    """Import pyproj before ecCodes, which xarray's plugins load too, where both are there; to be called before either
    is imported.

    Their wheels bring a copy of PROJ each: where that of ecCodes is loaded first, pyproj calls it in place of its own,
    finds no database, and the process ends in a crash. Where a program has loaded ecCodes already, as
    `xarray.open_dataset` does, pyproj is bound to its own copy (on Linux; elsewhere libraries are so by themselves).
    """
    if "pyproj" in sys.modules or find_spec("eccodes") is None:
        return
    with suppress(ImportError), _bound_to_its_own() if "eccodes" in sys.modules else nullcontext():
        import_module("pyproj")


def projections(where: object) -> Any:
    """pyproj, imported now that it is needed.

    Args:
        where: what needs it, for the message.

    Raises:
        ConfigError: it is not installed, or a program imported it after ecCodes, by itself or by another of xarray's
            plugins.
    """
    pyproj_first()
    library("pyproj.exceptions", extra="radar", where=where)
    pyproj = import_module("pyproj")
    if "eccodes" in sys.modules:
        try:
            pyproj.CRS.from_epsg(4326)
        except pyproj.exceptions.CRSError as error:
            raise ConfigError(
                "needs pyproj to be imported before ecCodes, which xarray's plugins load",
                where=where,
                received=first_line(error),
                hint="begin the program with `import pyproj`",
            ) from error
    return pyproj


@contextmanager
def _bound_to_its_own() -> Iterator[None]:
    """Libraries that are loaded here call those that come with them before others of the same names (RTLD_DEEPBIND)."""
    if sys.platform != "linux":
        yield
        return
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(before)


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    """Entry points of these groups, of all packages; to find them costs a look at every package."""
    everything = entry_points()
    return tuple(point for group in GROUPS for point in everything.select(group=group))


@cache
def _loaded(group: str) -> tuple[tuple[EntryPoint, Any], ...]:
    """Entry points of a group and what they name."""
    rows = []
    for point in (point for point in _entry_points() if point.group == group):
        try:
            rows.append((point, point.load()))
        except Exception as error:  # noqa: BLE001 - another package's code: whatever it raises
            warnings.warn(
                f"{_named(point)} cannot be loaded ({first_line(error)}), and is left out",
                NextframeWarning,
                stacklevel=3,
            )
    return tuple(rows)


def _named(point: EntryPoint) -> str:
    package = "" if point.dist is None else f" of {point.dist.name}"
    return f"the entry point {point.name}{package} in {point.group}"
