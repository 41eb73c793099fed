"""SEVIR: events of vertically integrated liquid (VIL) over the United States, in HDF5 files and a catalogue.

Layout (Veillette et al. 2020, NeurIPS 33; github.com/MIT-AI-Accelerator/eie-sevir, examples/SEVIR_Tutorial.ipynb):

    sevir/CATALOG.csv                                      a row for each event and sensor
    sevir/data/vil/2019/SEVIR_VIL_STORMEVENTS_2019_*.h5    "vil" (event, y, x, time), bytes; rows run north

Values are read as the files hold them, 0 to 254, in which published thresholds are; 255 is missing. Events are chosen
and divided as Earthformer does (Gao et al. 2022, arXiv 2207.05833; earth-forecasting-transformer,
src/earthformer/datasets/sevir/sevir_dataloader.py and sevir_torch_wrap.py): those without missing values and of an id
that no other has, trained on up to the end of 2018, validated on up to the end of May 2019, tested on what is later.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from nextframe.config import Part, Reading
from nextframe.errors import DataError, first_line
from nextframe.frames.damage import Damage, hold_file
from nextframe.frames.formats.hdf5 import hold_within_folder
from nextframe.frames.formats.layouts import CATALOG
from nextframe.frames.formats.stored import LIBRARY
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FrameSequence
from nextframe.words import count

SENSOR = "vil"
MISSING = 255
_LAST_OF: tuple[tuple[Part, datetime], ...] = (("train", datetime(2019, 1, 1)), ("validation", datetime(2019, 6, 1)))
"""Parts, and the time up to which an event is of each; what is later is the test part."""

Row = Mapping[str, str]


def open_sevir(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open the folder of a catalogue (`frames.format.Open`): a sequence for each event, in order of time.

    Raises:
        DataError: a catalogue or a file that cannot be read, or not one event whose file is there.
    """
    folder = files[0]
    root = folder / "data" if (folder / "data").is_dir() else folder
    rows = sorted(_events(folder / CATALOG), key=lambda row: (row["time_utc"], row["id"]))
    stores = {file: _store(root / file) for file in sorted({row["file_name"] for row in rows})}
    there = [row for row in rows if stores[row["file_name"]] is not None]
    if not there:
        raise DataError(
            "holds no event of which the file is there",
            where=folder,
            expected=str(root / rows[0]["file_name"]) if rows else f"rows of {SENSOR} in {CATALOG}",
        )
    note = f"{count(len(rows) - len(there), 'event')} of files that are not there left out"
    notes = (note,) if len(there) < len(rows) else ()
    return tuple(_sequence(name, row, stores[row["file_name"]], folder / CATALOG, notes) for row in there)


def _events(catalogue: Path) -> Iterator[Row]:
    """Rows of events without missing values whose id no other has."""
    try:
        with catalogue.open(encoding="utf-8", newline="") as file:
            rows = [
                row
                for row in csv.DictReader(file)
                if row["img_type"] == SENSOR and float(row["pct_missing"] or "nan") == 0
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(
            "cannot be read as a catalogue of SEVIR", where=catalogue, received=first_line(error)
        ) from error
    ids = Counter(row["id"] for row in rows)
    return (row for row in rows if ids[row["id"]] == 1)


@dataclass(frozen=True)
class _Store:
    """A file of events."""

    path: Path
    shape: tuple[int, int, int, int]
    """Events, H, W, T."""


def _store(path: Path) -> _Store | None:
    if not path.is_file():
        return None
    hold_file(path)
    hold_within_folder(path)
    try:
        with h5py.File(path, "r") as file:
            shape = tuple(file[SENSOR].shape)
    except LIBRARY as error:
        raise _unreadable(path, error) from error
    if len(shape) != 4:
        raise DataError(f"{SENSOR} has other axes", where=path, expected="(event, y, x, time)", received=shape)
    return _Store(path, (shape[0], shape[1], shape[2], shape[3]))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError("cannot be read as a file of SEVIR", where=path, received=first_line(error), hint="fetch it again")


def _sequence(name: str, row: Row, store: _Store | None, catalogue: Path, notes: tuple[str, ...]) -> FrameSequence:
    assert store is not None
    try:
        index, moment = int(row["file_index"]), datetime.fromisoformat(row["time_utc"])
        offsets = np.array([round(float(minutes) * 60) for minutes in row["minute_offsets"].split(":")])
    except ValueError as error:
        raise DataError(f"has no such row of {row['id']}", where=catalogue, received=first_line(error)) from error
    events, height, width, frames = store.shape
    if not 0 <= index < events or len(offsets) != frames:
        raise DataError(
            f"does not fit {store.path.name} at {row['id']}",
            where=catalogue,
            expected=f"an index below {events} and {frames} times",
            received=f"index {index} and {len(offsets)} times",
        )
    part: Part = next((part for part, last in _LAST_OF if moment <= last), "test")
    return FrameSequence(
        values=_Event(store.path, index, (frames, 1, height, width)),
        name=f"{name}[{row['id']}]",
        times=np.datetime64(moment, "ns") + offsets.astype("timedelta64[s]").astype("timedelta64[ns]"),
        variables=(SENSOR,),
        units=("count",),
        variable_attributes=({"long_name": "vertically integrated liquid, as SEVIR encodes it"},),
        grid=_grid(row, height, width),
        missing="mask",
        part=part,
        notes=notes,
    )


@dataclass(frozen=True)
class _Event:
    """An event as (T, 1, H, W), NaN where a value is missing."""

    path: Path
    index: int
    shape: tuple[int, int, int, int]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(self.shape[0])
        try:
            with h5py.File(self.path, "r") as file:
                stored = np.asarray(file[SENSOR][self.index, :, :, start : max(start, stop)])
        except LIBRARY as error:
            raise _unreadable(self.path, error) from error
        values = np.moveaxis(stored, -1, 0)[:, None].astype(np.float32)
        values[values == MISSING] = np.nan
        return values


def _grid(row: Row, height: int, width: int) -> Grid | None:
    """Centres of the pixels in the projection's plane, Lambert's azimuthal equal-area one of a sphere, from the lower
    left corner on; None where the row says neither.
    """
    projection = dict(re.findall(r"\+(\w+)=([^\s]+)", row.get("proj", "")))
    try:
        lat0, lon0, radius = (float(projection[key]) for key in ("lat_0", "lon_0", "a"))
        lat, lon, tall, wide = (float(row[key]) for key in ("llcrnrlat", "llcrnrlon", "height_m", "width_m"))
    except (KeyError, ValueError):
        return None
    if projection.get("proj") != "laea":
        return None
    phi, phi0, turn = math.radians(lat), math.radians(lat0), math.radians(lon - lon0)
    cosine = math.sin(phi0) * math.sin(phi) + math.cos(phi0) * math.cos(phi) * math.cos(turn)
    scale = radius * math.sqrt(2 / (1 + cosine))
    left = scale * math.cos(phi) * math.sin(turn)
    bottom = scale * (math.cos(phi0) * math.sin(phi) - math.sin(phi0) * math.cos(phi) * math.cos(turn))
    return Grid(
        y=bottom + (np.arange(height) + 0.5) * tall / height,
        x=left + (np.arange(width) + 0.5) * wide / width,
        y_attributes={"standard_name": "projection_y_coordinate", "units": "m"},
        x_attributes={"standard_name": "projection_x_coordinate", "units": "m"},
        mapping={
            "grid_mapping_name": "lambert_azimuthal_equal_area",
            "latitude_of_projection_origin": lat0,
            "longitude_of_projection_origin": lon0,
            "false_easting": 0.0,
            "false_northing": 0.0,
            "earth_radius": radius,
        },
    )
