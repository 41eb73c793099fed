"""NumPy arrays: NPY, memory-mapped; NPZ; and those that are in memory."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nextframe.config import Missing, Reading
from nextframe.errors import ConfigError, DataError, first_line
from nextframe.files import ARCHIVE_ERRORS
from nextframe.frames.bounds import hold_memory
from nextframe.frames.damage import Damage
from nextframe.frames.formats.axes import CHANNELS, as_movies, axes_of, in_words
from nextframe.frames.mapped import Mapped, WholeFile
from nextframe.frames.masked import unmasked
from nextframe.frames.sequence import FrameSequence
from nextframe.words import listing, size

MOVING_MNIST = "mnist_test_seq.npy"
"""The published Moving MNIST test set, whose axes are (time, movie, height, width)."""
CLIPS, CLIPPED, DIMS = "clips", "input_raw_data", "dims"
"""Arrays of an NPZ file as PredRNN (Wang et al. 2017) has them: where each movie begins, all frames in one row, and
channels, height and width of one."""


def open_arrays(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open NumPy files (`frames.format.Open`).

    Raises:
        ConfigError: a choice of a variable that the file does not have.
        DataError, ShapeError: as `open_array`.
    """
    path, variable = files[0], reading.variable
    if len(variable) > 1 or (variable and path.suffix.lower() == ".npy"):
        raise ConfigError("takes no such choice", where=f"variable, for {path}", received=", ".join(variable))
    return open_array(path, variable[0] if variable else None, axes=reading.axes)


def open_array(
    path: Path, variable: str | None = None, *, axes: str = "", missing: Missing = "error"
) -> tuple[FrameSequence, ...]:
    """Open an NPY file, which is mapped to memory, or an NPZ file, which is compressed and has to fit there.

    The file `mnist_test_seq.npy` is read as (T, N, H, W). An NPZ file with an array `clips` beside its frames, as
    PredRNN has them, is cut into the movies that it names. How an array was read stands in the sequences' attribute
    `axes`.

    Args:
        path: the file.
        variable: which array of an NPZ file; by default the only one.
        axes: a letter for each axis ("NTHWC"); by default told by the shape (`formats.axes`).
        missing: what NaN means.

    Raises:
        DataError: a damaged or empty file, or an array that does not hold numbers.
        ConfigError: an NPZ with several arrays of which none was named.
        ShapeError: axes that the shape does not tell, or others than those that were named.
    """
    if path.suffix.lower() == ".npz":
        archive = _Archive(path)
        chosen = archive.choose(variable)
        array = archive.read(chosen)
        if CLIPS in archive.names and chosen == CLIPPED:
            dims = np.ravel(archive.read(DIMS)).tolist() if DIMS in archive.names else []
            return _cut(array, archive.read(CLIPS), axes or _axes_by(dims, array.shape), path, missing)
        return sequences_of(array, str(path), axes=axes, missing=missing)
    array = _mapped(path)
    said = ""
    if not axes and path.name == MOVING_MNIST and array.ndim == 4:
        axes, said = "TNHW", ", as Moving MNIST is published"
    return sequences_of(array, str(path), axes=axes, missing=missing, file=WholeFile(path), said=said)


def sequences_of(
    array: NDArray[Any],
    name: str,
    *,
    axes: str = "",
    missing: Missing = "error",
    file: WholeFile | None = None,
    said: str = "",
) -> tuple[FrameSequence, ...]:
    """Frames of an array, a sequence for each movie.

    Args:
        array: the frames; masked values of a masked array are missing.
        name: what messages call it.
        axes: a letter for each axis; by default told by the shape.
        missing: what NaN means.
        file: the file that the array is mapped from.
        said: why it is read so, for reports.

    Raises:
        DataError: an empty array, or one that does not hold real numbers.
        ShapeError: axes that the shape does not tell, or others than those that were named.

    >>> [sequence.name for sequence in sequences_of(np.zeros((2, 20, 1, 8, 8)), "movies")]
    ['movies[0]', 'movies[1]']
    """
    _hold_numbers(array.dtype, name)
    if array.size == 0:
        raise DataError("is empty", where=name, received=f"shape {array.shape}")
    if isinstance(array, np.ma.MaskedArray):
        array, missing = unmasked(array), "mask"
    axes = axes or axes_of(array.shape, name)
    movies = as_movies(array, axes, name)
    return tuple(
        FrameSequence(
            values=movie if file is None else Mapped(movie, file),
            name=name if len(movies) == 1 else f"{name}[{n}]",
            missing=missing,
            attributes={"axes": in_words(axes) + said},
        )
        for n, movie in enumerate(movies)
    )


def _axes_by(dims: Sequence[int], shape: tuple[int, ...]) -> str:
    """Axes of frames in one row, by the channels, height and width that a file tells; empty where these do not fit.

    >>> _axes_by([1, 24, 32], (60, 24, 32, 1)), _axes_by([1, 24, 32], (60, 1, 24, 32)), _axes_by([], (60, 24, 24))
    ('THWC', 'TCHW', '')
    """
    if len(shape) != 4 or len(dims) != 3:
        return ""
    channels, height, width = dims
    told = {(channels, height, width): "TCHW", (height, width, channels): "THWC"}
    return told.get(shape[1:], "") if channels not in (height, width) else ""


def _cut(
    array: NDArray[Any], clips: NDArray[Any], axes: str, path: Path, missing: Missing
) -> tuple[FrameSequence, ...]:
    """The movies of one row of frames: `clips` has (first frame, frames) of each one's past, and of its future."""
    last = array.ndim == 4 and array.shape[1] > CHANNELS >= array.shape[3]
    axes = axes or {3: "THW", 4: "THWC" if last else "TCHW"}.get(array.ndim, "") or axes_of(array.shape, path)
    sequences = sequences_of(array, str(path), axes=axes, missing=missing)
    if clips.ndim != 3 or clips.shape[2] != 2 or clips.dtype.kind not in "iu" or len(sequences) > 1:
        raise DataError(
            f"its {CLIPS} do not say where movies begin",
            where=path,
            expected="whole numbers, (part, movie, 2)",
            received=f"{clips.dtype} {clips.shape}",
        )
    (whole,) = sequences
    cuts: list[tuple[int, int]] = []
    for number, parts in enumerate(np.moveaxis(clips, 1, 0).tolist()):
        begin = end = parts[0][0]
        for start, frames in parts:
            if start != end or frames < 0:
                raise DataError(f"the parts of movie {number} are not in a row", where=path, received=parts)
            end = start + frames
        if not 0 <= begin < end <= len(whole):
            raise DataError(
                f"has no such frames as {CLIPS} names for movie {number}",
                where=path,
                expected=f"0 to {len(whole)}",
                received=f"{begin} to {end}",
            )
        cuts.append((begin, end))
    in_order = sorted(cuts)
    for (_, end), (begin, _) in pairwise(in_order):
        if begin < end:
            raise DataError(
                f"its {CLIPS} share frames, so that a model would be graded on what it was trained on",
                where=path,
                received=f"frame {begin} in two movies",
                hint=f"save {CLIPPED} as an array of its own",
            )
    return tuple(
        FrameSequence(
            values=whole.values[begin:end],
            name=f"{path}[{n}]",
            missing=missing,
            attributes={"axes": f"{in_words(axes)}, cut as {CLIPS} says"},
        )
        for n, (begin, end) in enumerate(cuts)
    )


def _mapped(path: Path) -> NDArray[Any]:
    with _reported(path), path.open("rb") as file:
        shape, dtype = _header(file)
        begin, length = file.tell(), file.seek(0, 2)
    _hold_claim(shape, dtype, length - begin, path)
    with _reported(path):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


class _Archive:
    """Arrays of an NPZ file.

    Raises:
        DataError: a file that is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reported(path), zipfile.ZipFile(path) as archive:
            self._members = {member.filename: member for member in archive.infolist()}
        self.names = [name.removesuffix(".npy") for name in self._members if name.endswith(".npy")]
        if not self._members:
            raise DataError("is empty", where=path)

    def choose(self, variable: str | None) -> str:
        """The array that was named, or the only one.

        Raises:
            ConfigError: several of which none was named, or none of that name.
            DataError: no array at all.
        """
        others = [name for name in self._members if not name.endswith(".npy")]
        if not self.names or variable in others:
            raise DataError(
                "holds no array",
                where=self.path if variable is None else f"{variable} in {self.path}",
                received=listing(others),
                hint="write it with numpy.savez",
            )
        if variable is None and {CLIPS, CLIPPED} <= set(self.names):
            return CLIPPED
        if variable is None and len(self.names) > 1:
            listed = ", ".join(self.names)
            raise ConfigError("holds several arrays", where=self.path, received=listed, hint="name one with {variable}")
        if variable is not None and variable not in self.names:
            expected = ", ".join(self.names)
            raise ConfigError("holds no such array", where=self.path, expected=expected, received=variable)
        return variable or self.names[0]

    def read(self, name: str) -> NDArray[Any]:
        """One array; what its header claims is compared with what is there, before memory is taken."""
        member, where = self._members[f"{name}.npy"], f"{name} in {self.path}"
        with _reported(self.path), zipfile.ZipFile(self.path) as archive, archive.open(member) as file:
            shape, dtype = _header(file)
        _hold_claim(shape, dtype, member.file_size, where)
        hold_memory(where, member.file_size)
        with _reported(self.path), np.load(self.path, allow_pickle=False) as loaded:
            array: NDArray[Any] = loaded[name]
        return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an NPY file, or of a member of an NPZ file, from where it stands on."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:  # 3.0 has field names beyond Latin-1, of structures alone
        raise ValueError(f"version {version[0]}.{version[1]}, which plain arrays do not have")
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _hold_claim(shape: tuple[int, ...], dtype: np.dtype, holds: int, where: object) -> None:
    """Refuse an array that holds no numbers, or fewer than it announces."""
    _hold_numbers(dtype, where)
    announced = math.prod(shape) * dtype.itemsize
    if not announced:
        raise DataError("is empty", where=where, received=f"shape {shape}")
    if not 0 < announced <= holds:
        raise DataError(
            "holds less than it announces",
            where=where,
            expected=f"{size(announced)} for shape {shape}",
            received=size(holds),
            hint="the file may be truncated; replace it",
        )


_INSTEAD = {
    "c": "save its real part or its magnitude",
    "V": "save one field of the structure, or stack its fields as channels",
    "O": "save one array of numbers, with frames of one size",
}


def _hold_numbers(dtype: np.dtype, where: object) -> None:
    if dtype.kind not in "biuf":
        received = "Python objects" if dtype.kind == "O" else f"type {dtype}"
        raise DataError(
            "does not hold real numbers", where=where, received=received, hint=_INSTEAD.get(dtype.kind, "save numbers")
        )


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """One sentence for what NumPy and zipfile raise over a damaged file; for calls of them alone."""
    try:
        yield
    except ARCHIVE_ERRORS as error:
        raise DataError(
            "cannot be read as a NumPy file", where=path, received=first_line(error), hint="the file may be truncated"
        ) from error
