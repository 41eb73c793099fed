"""Atomic writes: files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nextframe.errors import ConfigError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHIVE_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    TypeError,  # an array's header that is no dictionary of the right things
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,  # a compression or an encryption that zipfile does not know
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors of NumPy and zipfile over a damaged file or archive; caught around calls of theirs alone."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the system's errors where a place takes no more."""
_LONGEST = 255  # bytes of a file's name, on all common file systems
_OURS = re.compile(r"\..*\.(\d+)\.tmp(\.[^.]*)?")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes its place at the end, or is removed if anything fails.

    The temporary name keeps the suffix, since many libraries choose a format by it. A process that is killed leaves it;
    `remove_leftovers` knows it by its name.

    Raises:
        ConfigError: a place that cannot be written to, or that is full.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> place = Path(folder.name) / "scores.csv"
    >>> with replacing(place) as temporary:
    ...     _ = temporary.write_text("mse,0.1")
    >>> [file.name for file in place.parent.iterdir()]
    ['scores.csv']
    >>> folder.cleanup()
    """
    path = Path(path)
    ending = f".{os.getpid()}.tmp{path.suffix}"
    stem = os.fsdecode(os.fsencode(path.stem)[: _LONGEST - 1 - len(os.fsencode(ending))])
    temporary = path.with_name(f".{stem}{ending}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except (OSError, ValueError) as error:  # the latter of a name that no file can have
        raise cannot_be_written(path, error) from error
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in FULL or path.is_dir() or _names(error, temporary):
            raise cannot_be_written(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _names(error: OSError, path: Path) -> bool:
    """Tell an error about this very file: its folder has gone, or is closed to us since the work began."""
    return error.filename is not None and os.fspath(error.filename) == str(path)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files that processes which are no more have left in a folder, when they were killed.

    For whoever owns the folder, at a start: a file that bears this process's own number is left by one before it.
    """
    for path in Path(folder).glob(".*.tmp*"):
        written_by = _OURS.fullmatch(path.name)
        if (
            path.is_file()
            and written_by is not None
            and (int(written_by[1]) == os.getpid() or not process_lives(int(written_by[1])))
        ):
            path.unlink(missing_ok=True)


def process_lives(number: int) -> bool:
    """Tell if a process of this number runs on this machine."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def check_writable(path: str | Path) -> None:
    """Find out before the work whether there will be a place for its result; nothing is left behind.

    Raises:
        ConfigError: a folder, or a place that cannot be written to.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ConfigError("is a folder", where=path, hint="name a file in it")
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise cannot_be_written(path, error) from error


def cannot_be_written(path: Path, error: OSError | ValueError) -> ConfigError:
    """The error of a place that takes no file."""
    why = getattr(error, "strerror", None) or first_line(error)
    return ConfigError("cannot be written", where=repr(str(path))[1:-1], received=why, hint="choose another place")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(stream: IO[bytes], values: NDArray[Any]) -> None:
    """Write an array as an NPY file has it.

    Raises:
        OSError: with the system's number of what is wrong.
    """
    import numpy as np  # the list of commands does without

    np.save(_Sink(stream.write), values, allow_pickle=False)


@dataclass(frozen=True)
class _Sink:
    """All that NumPy needs of a file: given a real one, it says of a full disk how many values did not fit, and no
    more.
    """

    write: Callable[[bytes], int]
