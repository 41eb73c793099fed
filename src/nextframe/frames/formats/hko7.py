"""HKO-7: radar of Hong Kong, a picture every six minutes.

Layout (Shi et al. 2017, arXiv 1706.03458; github.com/sxjscience/HKO-7, hko_data/README.md, and hko_iterator.py,
image.py and mask.py in nowcasting):

    hko_data/radarPNG/2015/01/31/RAD150131120600.png         480 x 480 bytes
    hko_data/radarPNG_mask/2015/01/31/RAD150131120600.mask   a byte a pixel by zlib, 0 where clutter is removed
    hko_data/mask_dat.npz                                    "exclude_mask": 1 where the radar sees nothing
    hko_data/hko7_rainy_train_days.txt                       "20090215, 0.1": a day, and its rain; also valid and test

A byte p is p / 255 * 70 - 10 dBZ; 0 is no echo. The days of the lists are the published split; where the lists are not
there, 2009 to 2014 are the training part and 2015 is the test, as the benchmark's files of all days are. Rain is made
of it by Z = 58.53 R^1.56 there, and by the package's own relation here.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Part, Reading
from nextframe.errors import DataError, ShapeError, first_line
from nextframe.frames.damage import Damage
from nextframe.frames.formats.inflated import Member
from nextframe.frames.formats.layouts import PICTURES
from nextframe.frames.formats.still import Kind, describe_picture, read_picture
from nextframe.frames.radar.protocol import NO_ECHO, QUANTITIES
from nextframe.frames.sequence import FrameSequence

MASKS, EXCLUDED = "radarPNG_mask", "mask_dat.npz"
STEP = np.timedelta64(6, "m").astype("timedelta64[ns]")
_NAME = re.compile(r"RAD(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})00\.png")
_DAY = re.compile(r"\s*(\d{4})(\d{2})(\d{2})\b")
_LISTS: Mapping[Part, str] = {
    "train": "hko7_rainy_train_days.txt",
    "validation": "hko7_rainy_valid_days.txt",
    "test": "hko7_rainy_test_days.txt",
}
_FIRST_TEST_YEAR = "2015"

Day = tuple[str, str, str]
"""Year, month and day, as folders are called."""


def open_hko7(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open the folder of the pictures (`frames.format.Open`): a sequence for each part of the split.

    Raises:
        DataError: no picture, or a mask or list that cannot be read.
    """
    folder = files[0]
    days = _days(folder)
    excluded = _excluded(folder / EXCLUDED)
    sequences = []
    for part, chosen in days.items():
        pictures = [picture for day in sorted(chosen) for picture in _pictures(folder / PICTURES / Path(*day))]
        if not pictures:
            continue
        quantity = QUANTITIES["DBZH"]
        sequences.append(
            FrameSequence(
                values=_Pictures(tuple(pictures), describe_picture(pictures[0]), folder, excluded),
                name=f"{name} ({part})",
                times=np.array([_time(path) for path in pictures], "datetime64[ns]"),
                time_step=STEP,
                variables=(quantity.variable,),
                units=(quantity.units,),
                variable_attributes=(quantity.attributes,),
                missing="mask",
                attributes={"institution": "Hong Kong Observatory", "title": "HKO-7"},
                part=part,
            )
        )
    if not sequences:
        raise DataError(
            "holds no picture of these days", where=folder / PICTURES, expected="2015/01/31/RAD150131120600.png"
        )
    return tuple(sequences)


def _days(folder: Path) -> dict[Part, list[Day]]:
    """Days of each part: those of the lists, or of the years."""
    lists = {part: folder / file for part, file in _LISTS.items() if (folder / file).is_file()}
    if lists:
        return {part: list(_listed(path)) for part, path in lists.items()}
    there = [
        (year.name, month.name, day.name)
        for year in _folders(folder / PICTURES)
        for month in _folders(year)
        for day in _folders(month)
    ]
    return {
        "train": [day for day in there if day[0] < _FIRST_TEST_YEAR],
        "test": [day for day in there if day[0] >= _FIRST_TEST_YEAR],
    }


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal())


def _listed(path: Path) -> Iterator[Day]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError("cannot be read as a list of days", where=path, received=first_line(error)) from error
    for line in filter(str.strip, lines):
        match = _DAY.match(line)
        if match is None:
            raise DataError("names no day", where=path, expected="lines such as '20090215, 0.1'", received=line[:40])
        yield match[1], match[2], match[3]


def _pictures(day: Path) -> list[Path]:
    """Pictures of a day; none where it is not there."""
    return sorted(path for path in day.glob("RAD*.png") if _NAME.fullmatch(path.name)) if day.is_dir() else []


def _time(path: Path) -> np.datetime64:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    year, month, day, hour, minute = match.groups()
    try:
        return np.datetime64(f"20{year}-{month}-{day}T{hour}:{minute}", "ns")
    except ValueError as error:
        raise DataError("has no time in its name", where=path, received=first_line(error)) from error


def _excluded(path: Path) -> NDArray[np.bool_] | None:
    """Mask of the pixels that the radar does not see, (H, W); None where the file is not there."""
    return Member(path, "exclude_mask")[:].astype(bool) if path.is_file() else None


@dataclass(frozen=True)
class _Pictures:
    """Pictures as (T, 1, H, W) in dBZ, NaN where a value is missing."""

    pictures: tuple[Path, ...]
    kind: Kind
    folder: Path
    excluded: NDArray[np.bool_] | None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.pictures), 1, self.kind.height, self.kind.width

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        read = [self._read(path)[None] for path in self.pictures[frames]]
        return np.stack(read) if read else np.empty((0, *self.shape[1:]), np.float32)

    def _read(self, path: Path) -> NDArray[np.float32]:
        stored = read_picture(path, self.kind)[0]
        values: NDArray[np.float32] = stored * np.float32(70 / 255) - np.float32(10)
        values[stored == 0] = NO_ECHO
        missing = self._clutter(path)
        for mask in (missing, self.excluded):
            if mask is not None:
                if mask.shape != stored.shape:
                    raise ShapeError(
                        "has a mask of another shape", where=path, expected=stored.shape, received=mask.shape
                    )
                values[mask] = np.nan
        return values

    def _clutter(self, picture: Path) -> NDArray[np.bool_] | None:
        """Pixels whose clutter was removed; None where there is no mask."""
        path = self.folder / MASKS / picture.relative_to(self.folder / PICTURES).with_suffix(".mask")
        if not path.is_file():
            return None
        pixels = self.kind.height * self.kind.width
        try:
            content = zlib.decompressobj().decompress(path.read_bytes(), pixels + 1)
        except (OSError, zlib.error) as error:
            raise DataError("cannot be read as a mask", where=path, received=first_line(error)) from error
        if len(content) != pixels:
            raise DataError("is no mask of its picture", where=path, expected=f"{pixels} bytes", received=len(content))
        mask: NDArray[np.bool_] = np.frombuffer(content, np.uint8).reshape(self.kind.height, self.kind.width) == 0
        return mask
