"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextframe.errors import ConfigError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes its place at the end, or is removed if anything fails.

    The temporary name keeps the suffix, since many libraries choose a format by it.

    Raises:
        ConfigError: a place that cannot be written to, or that is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise _cannot_be_written(path, error) from error
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL or path.is_dir():
            raise _cannot_be_written(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Find out before the work whether there will be a place for its result; nothing is left behind.

    Raises:
        ConfigError: a folder, or a place that cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError("is a folder", where=path, hint="name a file in it")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _cannot_be_written(path, error) from error


def _cannot_be_written(path: Path, error: OSError) -> ConfigError:
    return ConfigError("cannot be written", where=path, received=error.strerror or error, hint="choose another place")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
