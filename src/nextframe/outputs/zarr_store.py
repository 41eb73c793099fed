"""Forecasts in a Zarr store (version 3), one after the other along `init_time`.

A forecast is added without touching what is there. Its chunks are written beside the store and moved in as files; who
reads meanwhile does not see them, since the arrays do not reach that far. Then the arrays' descriptions are replaced,
and last the consolidated one of the whole store, each as a file at once: a reader finds a forecast whole or not at all.
A process that is killed on the way leaves chunks that nothing refers to, which the next forecast replaces.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.netcdf import BOUNDS, to_dataset
from nextframe.outputs.writer import Beside

_ALONG = "init_time"
_TIMES = 1024
"""Initial times in a chunk of their coordinates, which is read and written again with each forecast."""
_TILE = 512
"""Pixels along a side of a chunk."""
_UNITS = "seconds since 1970-01-01"
_INDEX = "zarr.json"
_LATEST = "latest_init_time"
"""Attribute of the store: no initial time in it is later, so that a later one is known to be new."""
_BESIDE = ".next-"
"""Mark in the names of the folders beside a store in which chunks are made."""

Description = dict[str, Any]
"""An array as its `zarr.json` describes it."""


def append_zarr(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Add a forecast to a store, made if need be.

    Raises:
        ConfigError: a forecast of another kind than those that the store holds, or of an initial time that it holds
            already; a store of something else; or one that another process writes to.
    """
    dataset = to_dataset(forecast, beside)
    if path.exists() and not path.is_dir():
        raise ConfigError("is a file", where=path, hint="name a folder that ends in .zarr")
    with _alone(path), _beside(path) as folder:
        if (path / _INDEX).exists():
            _add(dataset, path, folder)
        else:
            _begin(dataset, path, folder)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a store against other processes that add to it, and wait for those that do; a new one that fails is gone."""
    path.mkdir(parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY)  # the folder itself is locked: nothing lies in it that is no part of a store
    try:
        with suppress(OSError):  # of file systems without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        if not (path / _INDEX).exists():
            shutil.rmtree(path, ignore_errors=True)
        os.close(folder)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder beside the store for what is to be moved into it; those that killed processes left are removed."""
    prefix = f".{path.name}{_BESIDE}"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _grows(dataset: xr.Dataset, name: str) -> bool:
    """True for a variable that each forecast has its own of: fields, initial and valid times."""
    return name in (_ALONG, "valid_time") or (name in dataset.data_vars and dataset[name].ndim > 0)


def _begin(dataset: xr.Dataset, path: Path, folder: Path) -> None:
    """Make the store with its first forecast; its index comes last."""
    data: dict[str, xr.Variable] = {}
    coordinates: dict[str, xr.Variable] = {}
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ((str(name), variable) for name, variable in dataset.variables.items()):
        held = data if name in dataset.data_vars else coordinates
        held[name] = variable
        if not _grows(dataset, name):
            continue
        held[name] = longer = xr.Variable(
            (_ALONG, *variable.dims), variable.values[None], variable.attrs, variable.encoding
        )
        if longer.dtype.kind == "M":
            chunks = (_TIMES, *longer.shape[1:])
            encoding[name] = {"chunks": chunks, "units": _UNITS, "dtype": "float64", "calendar": "standard"}
        else:
            encoding[name] = {"chunks": (1, *longer.shape[1:-2], *(min(n, _TILE) for n in longer.shape[-2:]))}
    first = xr.Dataset(data, coordinates, dataset.attrs)
    store = folder / "store"
    first.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    described = {}
    for array in sorted(part for part in store.iterdir() if part.is_dir()):
        described[array.name] = _described(array)
        shutil.rmtree(path / array.name, ignore_errors=True)
        array.replace(path / array.name)
    root = _described(store)
    _publish(path, root, described, dataset)


def _add(dataset: xr.Dataset, path: Path, folder: Path) -> None:
    """Add a forecast to those that are there."""
    root, described = _read_index(path)
    if BOUNDS in dataset and BOUNDS not in described:  # a store of a version that did not write them
        dataset = dataset.drop_vars(BOUNDS)
    count = _hold_to_kind(dataset, path, described)
    _hold_to_new(dataset, path, root)
    for name in filter(lambda name: _grows(dataset, name), described):
        values = dataset[name].values[None]
        chunk = count
        if values.dtype.kind == "M":
            chunk = count // _TIMES
            before = zarr.open_array(path / name, mode="r")[chunk * _TIMES : count]
            values = np.concatenate([np.asarray(before), _seconds(values)])
        _move(_chunk(folder / name, described[name], values), path / name / "c" / str(chunk))
    for name in filter(lambda name: _grows(dataset, name), described):
        described[name]["shape"][0] = count + 1
        write_text(path / name / _INDEX, json.dumps(described[name]))
    _publish(path, root, described, dataset)


def _chunk(folder: Path, array: Description, values: NDArray[Any]) -> Path:
    """Write values as the first chunk along the first axis of an array of this description; the place of that chunk."""
    folder.mkdir()
    (folder / _INDEX).write_text(json.dumps({**array, "shape": list(values.shape)}), encoding="utf-8")
    zarr.open_array(folder, mode="r+")[...] = values
    return folder / "c" / "0"


def _move(made: Path, place: Path) -> None:
    """Put a chunk, a file or a folder of tiles, to its place, each file at once: who reads the times of earlier
    forecasts, which lie in the same chunk, finds them at every moment. What is all of the array's fill value has no
    file, and what a killed process left there is removed.
    """
    fresh = {place / file.relative_to(made): file for file in _files(made)}
    for old in _files(place):
        if old not in fresh:
            old.unlink()
    for target, file in fresh.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def _files(place: Path) -> list[Path]:
    """A file, or those in a folder; none where nothing is there."""
    return [file for file in (place, *place.rglob("*")) if file.is_file()]


def _publish(path: Path, root: Description, described: Mapping[str, Description], dataset: xr.Dataset) -> None:
    """Replace the store's consolidated description, from which on a forecast is there for readers."""
    attributes = root.setdefault("attributes", {})
    if _ALONG in dataset:
        now = str(dataset[_ALONG].values)
        attributes[_LATEST] = max(now, str(attributes.get(_LATEST, now)))
    metadata = {name: described[name] for name in sorted(described)}
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": metadata}
    write_text(path / _INDEX, json.dumps(root))


def _described(folder: Path) -> Description:
    content: Description = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    return content


def _read_index(path: Path) -> tuple[Description, dict[str, Description]]:
    """Description of a store, and of each of its arrays."""
    try:
        root = _described(path)
        described: dict[str, Description] = dict(root["consolidated_metadata"]["metadata"])
        sound = all(isinstance(array["shape"], list) for array in described.values())
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ConfigError(
            "is a Zarr store that was not made by this package, or is damaged", where=path, hint="choose another {out}"
        )
    return root, described


def _hold_to_kind(dataset: xr.Dataset, path: Path, described: Mapping[str, Description]) -> int:
    """Hold a forecast to be of the kind of those in a store; the number of these."""
    names = {str(name) for name in dataset.variables}
    if names != set(described):
        raise _another_kind(path, "variables", ", ".join(sorted(described)), ", ".join(sorted(names)))
    counts = set()
    for name, array in described.items():
        variable = dataset[name].variable
        if _grows(dataset, name):
            counts.add(array["shape"][0])
            there, here = tuple(array["shape"][1:]), variable.shape
        else:
            there, here = tuple(array["shape"]), variable.shape
        if there != here:
            raise _another_kind(path, f"shape of {name}", there, here)
        unit, own = array.get("attributes", {}).get("units"), variable.attrs.get("units")
        if variable.dtype.kind != "M" and unit != own:
            raise _another_kind(path, f"a unit of {name}", unit, own)
        if not _grows(dataset, name) and variable.dtype.kind in "iuf":
            held = np.asarray(zarr.open_array(path / name, mode="r")[...])
            if not np.allclose(held, variable.values, rtol=1e-6, atol=0, equal_nan=True):
                raise _another_kind(path, name, _ends(held), _ends(variable.values))
    if len(counts) != 1:
        raise ConfigError("holds arrays of differing length", where=path, hint="choose another {out}")
    return int(counts.pop())


def _hold_to_new(dataset: xr.Dataset, path: Path, root: Description) -> None:
    """Hold a forecast to be of an initial time that a store does not hold yet."""
    if _ALONG not in dataset or str(dataset[_ALONG].values) > str(root.get("attributes", {}).get(_LATEST, "")):
        return
    time = dataset[_ALONG].values
    if _seconds(time) in np.asarray(zarr.open_array(path / _ALONG, mode="r")[...]):
        raise ConfigError(
            f"holds a forecast of {np.datetime_as_string(time, unit='m')} already",
            where=path,
            hint="choose another {out}",
        )


def _another_kind(path: Path, what: str, expected: object, received: object) -> ConfigError:
    return ConfigError(
        f"holds forecasts with other {what}" if what == "variables" else f"holds forecasts with another {what}",
        where=path,
        expected=expected,
        received=received,
        hint="choose another {out} for this one",
    )


def _ends(values: NDArray[Any]) -> str:
    flat = values.ravel()
    return f"{flat[0]:g} to {flat[-1]:g}" if flat.size else "nothing"


def _seconds(times: NDArray[Any]) -> NDArray[np.float64]:
    """Times as the store has them, seconds since 1970."""
    return (times - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "s")
