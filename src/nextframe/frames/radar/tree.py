"""`Node`: groups, attributes and shapes of an HDF5 file as plain values, so that h5py is asked once, in one place.

Only what lies in the file itself is seen. HDF5 knows links and datasets whose values lie in other files, so that a
stranger's file could show any file that the reader may read; these are refused.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.bounds import hold_frame
from nextframe.frames.radar.protocol import unreadable

_H5PY = (OSError, ValueError, RuntimeError, LookupError, TypeError, MemoryError, OverflowError)
"""Errors of h5py for files that are damaged."""
_DEPTH = 4
"""Groups within groups that are looked into: dataset1/data1/what of ODIM is three."""
_SKIPPED = re.compile(r"how|(quality|radar)\d+|statistics|legend")
"""Groups that say nothing of values, times and places; an archive has a hundred thousand files a year."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A group with its attributes, or a dataset with its shape; without values."""

    name: str
    """Path within the file: "dataset1/data1/data"."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    children: Mapping[str, Node] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    """Shape of a dataset; None for a group."""

    def get(self, path: str) -> Node | None:
        """A node below this one: "geographic/map_projection"; None where there is none."""
        node: Node | None = self
        for part in path.split("/"):
            node = None if node is None else node.children.get(part)
        return node

    def numbered(self, kind: str) -> Iterator[tuple[str, Node]]:
        """Groups of one kind with their names, in order of their numbers: "dataset1", "dataset2", "dataset10"."""
        named = {name: re.fullmatch(rf"{kind}(\d+)", name) for name in self.children}
        for _, name in sorted((int(match[1]), name) for name, match in named.items() if match):
            if self.children[name].shape is None:
                yield name, self.children[name]


def read_tree(path: Path) -> Node:
    """Groups, attributes and shapes of a file; those of the file read last are kept.

    Raises:
        DataError: it is damaged, or no HDF5; or it keeps a part of itself in another file.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return _read(path, (about.st_mtime_ns, about.st_size))


@lru_cache(maxsize=1)
def _read(path: Path, state: tuple[int, int]) -> Node:
    outside: list[str] = []
    try:
        with h5py.File(path, "r") as file:
            root = _node(file, "", outside)
    except _H5PY as error:
        raise unreadable(path, error) from error
    if outside:
        raise DataError(
            f"keeps {outside[0]} in another file, which is not followed",
            where=path,
            hint="copy what it needs into it, for example with h5repack",
        )
    return root


def read_values(path: Path, name: str, what: str) -> NDArray[Any]:
    """Values of one dataset over two axes, of a file that `read_tree` has found sound.

    Args:
        path: the file.
        name: the dataset.
        what: what messages call it.

    Raises:
        DataError: it cannot be read, has another number of axes, or claims an absurd size.
    """
    try:
        with h5py.File(path, "r") as file:
            dataset = file[name]
            shape, chunks, kind = tuple(dataset.shape), dataset.chunks, dataset.dtype.kind
    except _H5PY as error:
        raise unreadable(path, error, f"{what} cannot be read") from error
    if len(shape) != 2 or kind not in "iuf":
        raise DataError(f"{what} is no field of numbers over two axes", where=path, received=f"shape {shape}")
    hold_frame(path, *shape)
    if chunks:
        hold_frame(path, chunks[0], math.prod(chunks[1:]))
    try:
        with h5py.File(path, "r") as file:
            values: NDArray[Any] = file[name][()]
    except _H5PY as error:
        raise unreadable(path, error, f"{what} cannot be read") from error
    return values


def _node(group: Any, name: str, outside: list[str], depth: int = 0) -> Node:
    """A group and what lies in it; what lies in another file is noted in `outside`, and not looked at."""
    children: dict[str, Node] = {}
    for key in group if depth < _DEPTH else ():
        if _SKIPPED.fullmatch(key):
            continue
        inner = f"{name}/{key}".lstrip("/")
        link = group.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            outside.append(inner)
        if not isinstance(link, h5py.HardLink):  # a soft link could lead through an external one
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            children[key] = _node(item, inner, outside, depth + 1)
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                outside.append(inner)
            children[key] = Node(name=inner, shape=item.shape)
    return Node(name=name, attributes=_attributes(group), children=children)


def _attributes(group: Any) -> dict[str, Any]:
    """Attributes of a group, but for those of a type that NumPy does not know."""
    attributes: dict[str, Any] = {}
    all_of_them = group.attrs
    for key in all_of_them:
        with contextlib.suppress(TypeError):
            attributes[key] = all_of_them[key]
    return attributes


def text(value: Any) -> str:
    r"""Text of an attribute, however it was written: str or bytes, padded with zeros or blanks, or an array of one.

    >>> text("RATE"), text(b"RATE\0"), text(np.array([b"RATE"])), text(None)
    ('RATE', 'RATE', 'RATE', '')
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        items = np.ravel(np.asarray(value, dtype=object))
        value = items[0] if len(items) == 1 else None if len(items) == 0 else ", ".join(text(item) for item in items)
    if value is None or isinstance(value, h5py.Empty):
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip("\0 \t\r\n")


def number(path: Path, name: str, value: Any) -> float:
    """Number of an attribute, be it an array of one, or text.

    Raises:
        DataError: it is none.

    >>> number(Path("a.h5"), "gain", np.array([0.5])), number(Path("a.h5"), "gain", b"0.5")
    (0.5, 0.5)
    """
    try:
        return float(text(value))
    except ValueError as error:
        raise DataError(f"{name} is not a number", where=path, received=text(value) or "nothing") from error
