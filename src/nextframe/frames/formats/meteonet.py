"""MeteoNet: radar of the north-west and the south-east of France, in NPZ files of ten days.

Layout (Larvor et al. 2020; github.com/meteofrance/meteonet, docs/english/data/rain-radar):

    reflectivity_old_SE_2016_08.3.npz    "data" (time, y, x), "dates", "miss_dates"; dBZ, 255 missing, 0 below 8 dBZ
    reflectivity_new_SE_2018_12.2.npz    tenths of dBZ, -200 missing, -100 nothing detected
    rainfall_SE_2016_08.3.npz            hundredths of mm in 5 min, -1 missing
    radar_coords_SE.npz                  "lats" and "lons" (y, x), where it lies beside them

No split is published with it; that of CasCast is taken (Gong et al. 2024, arXiv 2402.04290; OpenEarthLab/CasCast,
datasets/meteonet/preprocess_upload.py): 2016 and 2017 are the training part, January to June 2018 the validation, what
is later the test. Frames that are not there leave gaps in time. A file is never decoded as a whole.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import pickle
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nextframe.config import Part, Reading
from nextframe.errors import DataError, ShapeError, first_line
from nextframe.files import ARCHIVE_ERRORS
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.inflated import Member, unreadable
from nextframe.frames.formats.layouts import METEONET
from nextframe.frames.grid import Grid
from nextframe.frames.radar.protocol import NO_ECHO, QUANTITIES
from nextframe.frames.sequence import FrameSequence

STEP = np.timedelta64(5, "m").astype("timedelta64[ns]")
_LAST_BEFORE: tuple[tuple[Part, np.datetime64], ...] = (
    ("train", np.datetime64("2018-01-01")),
    ("validation", np.datetime64("2018-07-01")),
)
"""Parts, and the time before which a frame is of each; what is later is the test part."""


@dataclass(frozen=True)
class _Product:
    """Meaning of the stored numbers."""

    quantity: str
    factor: float
    missing: int
    dry: int | None = None
    """Number of what was looked at and not seen, where that is no value of its own."""


_PRODUCTS = {
    "reflectivity_old": _Product("DBZH", 1.0, 255, 0),
    "reflectivity_new": _Product("DBZH", 0.1, -200, -100),
    "rainfall": _Product("ACRR", 0.01, -1),
}


def open_meteonet(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open files of one product and zone (`frames.format.Open`): a sequence for each part of the split.

    Raises:
        DataError: a file that cannot be read, files of several products or zones, or coordinates alone.
        ShapeError: files of differing size.
    """
    frames = [path for path in files if METEONET.fullmatch(path.name)]
    kinds = sorted({_kind(path) for path in frames})
    if len(kinds) != 1:
        raise DataError(
            "holds files of several products or zones" if kinds else "holds coordinates alone",
            where=name,
            expected="files of one product and zone",
            received=", ".join(f"{product} {zone}" for product, zone in kinds) or None,
            hint="name a pattern, such as 'folder/reflectivity_old_SE_*.npz'",
        )
    ((product, zone),) = kinds
    described = sorted(describe_each(frames, _describe, damage), key=lambda file: file.times[0])
    sizes = {file.data.shape[1:] for file in described}
    if len(sizes) > 1:
        raise ShapeError("holds files of differing size", where=name, received=sorted(sizes))
    grid = _grid(frames[0].parent / f"radar_coords_{zone}.npz", described[0].data.shape[1:])
    quantity = QUANTITIES[_PRODUCTS[product].quantity]
    sequences = []
    for part in dict.fromkeys(map(_part, described)):
        own = tuple(file for file in described if _part(file) == part)
        sequences.append(
            FrameSequence(
                values=_Files(own, _PRODUCTS[product]),
                name=name if len({*map(_part, described)}) == 1 else f"{name} ({part})",
                times=np.concatenate([file.times for file in own]),
                time_step=STEP,
                variables=(quantity.variable,),
                units=(quantity.units,),
                variable_attributes=(quantity.attributes,),
                accumulation=(STEP if quantity.units == "mm" else None,),
                grid=grid,
                missing="mask",
                attributes={"institution": "Meteo-France", "title": f"MeteoNet, {product} {zone}"},
                part=part,
            )
        )
    return tuple(sequences)


def _kind(path: Path) -> tuple[str, str]:
    match = METEONET.fullmatch(path.name)
    assert match is not None
    return match["product"], match["zone"]


@dataclass(frozen=True)
class _File:
    """A file, of which nothing but times is read."""

    data: Member
    times: NDArray[np.datetime64]


def _part(file: _File) -> Part:
    return next((part for part, before in _LAST_BEFORE if file.times[0] < before), "test")


def _describe(path: Path) -> _File:
    data, times = Member(path, "data"), _dates(path)
    if len(data.shape) != 3 or data.dtype.kind not in "iu" or len(times) != data.shape[0] or not len(times):
        raise DataError(
            "is no file of MeteoNet's radar",
            where=path,
            expected="whole numbers (time, y, x), and a date for each time",
            received=f"{data.dtype} {data.shape} and {len(times)} dates",
        )
    return _File(data, times)


class _Dates(pickle.Unpickler):
    """Names by which NumPy pickles an array of dates, and nothing else: a pickle may otherwise run any code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _SAFE:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}, which no dates are made of")


_SAFE = frozenset(
    {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("datetime", "datetime"),
        ("_codecs", "encode"),
    }
)


def _dates(path: Path) -> NDArray[np.datetime64]:
    """Times of the frames."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("dates.npy") as file:
            version = npy.read_magic(file)
            read: Callable[..., Any] = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            _, _, dtype = read(file)
            if dtype.kind == "M":
                stored = np.frombuffer(file.read(), dtype)
            else:
                stored = np.asarray(_Dates(file, encoding="latin1").load()).ravel()
    except (*ARCHIVE_ERRORS, pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise unreadable(path, error) from error
    if stored.dtype.kind != "M" and not all(isinstance(date, datetime) for date in stored):
        raise DataError("holds dates that are none", where=path, received=first_line(ValueError(str(stored[:1]))))
    return stored.astype("datetime64[ns]")


@dataclass(frozen=True)
class _Files:
    """Files one after another as (T, 1, H, W), NaN where a value is missing."""

    files: tuple[_File, ...]
    product: _Product

    @property
    def shape(self) -> tuple[int, int, int, int]:
        height, width = self.files[0].data.shape[1:]
        return sum(len(file.times) for file in self.files), 1, height, width

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(self.shape[0])
        ends = list(accumulate(len(file.times) for file in self.files))
        parts = []
        while start < stop:
            n = bisect_right(ends, start)
            before = ends[n] - len(self.files[n].times)
            parts.append(self.files[n].data[start - before : min(stop, ends[n]) - before])
            start = min(stop, ends[n])
        if not parts:
            return np.empty((0, *self.shape[1:]), np.float32)
        stored = np.concatenate(parts)[:, None]
        values = stored * np.float32(self.product.factor)
        if self.product.dry is not None:
            values[stored == self.product.dry] = NO_ECHO
        values[stored == self.product.missing] = np.nan
        return values.astype(np.float32, copy=False)


def _grid(path: Path, shape: tuple[int, ...]) -> Grid | None:
    """Latitudes of the rows and longitudes of the columns; None where the file is not there."""
    if not path.is_file():
        return None
    lats, lons = (np.asarray(Member(path, name)[:], np.float64) for name in ("lats", "lons"))
    if lats.shape != shape or lons.shape != shape:
        raise ShapeError("has another shape than the frames", where=path, expected=shape, received=lats.shape)
    return Grid(
        y=lats[:, 0],
        x=lons[0],
        y_name="latitude",
        x_name="longitude",
        y_attributes={"standard_name": "latitude", "units": "degrees_north"},
        x_attributes={"standard_name": "longitude", "units": "degrees_east"},
        mapping={
            "grid_mapping_name": "latitude_longitude",
            "semi_major_axis": 6378137.0,
            "inverse_flattening": 298.257223563,
        },
    )
