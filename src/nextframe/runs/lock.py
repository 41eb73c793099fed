"""Advisory locks on run folders: no two processes write into one, and what a killed one left is cleared away.

The lock is the operating system's (POSIX `fcntl`), on a file in the folder that tells whose it is. It ends with its
process, however that ends, so that a file left behind locks nothing; and it does not pass to the processes that a
training starts, which may outlive it by some seconds. POSIX has it that a process loses it, too, by closing the file
after having opened it once more: nothing but `claim` is to open it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from nextframe.errors import ConfigError, TrainingError
from nextframe.files import cannot_be_written, process_lives, remove_leftovers

LOCK = ".lock"
"""Name of the file in a run folder that tells which process writes into it."""

_LONGEST_NAME = 100  # characters of the name of a run folder that is made from the name of its data

_TAKEN = (errno.EACCES, errno.EAGAIN)
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# On file systems that have none, what the file says of its process has to do.

_holders: dict[Path, int] = {}  # folder -> thread that holds it; the system's locks are of whole processes
_guard = threading.Lock()


@contextmanager
def claim(run: str | Path) -> Iterator[None]:
    """Hold a run folder for this thread, made if need be; the thread that holds it already may claim it again.

    Temporary files of killed processes are removed from it. A folder that was made here and that holds nothing at the
    end is removed, so that a refused training leaves none.

    Raises:
        ConfigError: another process, or another thread, holds it; or it cannot be written to.
    """
    with ExitStack() as stack:
        _claim(Path(run), stack, new=False)
        yield


@contextmanager
def claim_new(parent: str | Path, name: str) -> Iterator[Path]:
    """Hold a folder of this name that was not there before, numbered if need be: `name`, `name-2`, ...

    Raises:
        ConfigError: a place that cannot be written to.
    """
    with ExitStack() as stack:
        for number in count(1):
            run = Path(parent) / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                _claim(run, stack, new=True)
                break
        yield run


@contextmanager
def claim_for(out: str | Path | None, model: str, data: str) -> Iterator[Path]:
    """Hold the run folder of a training: the one that is named, or a new one under `runs` that has the name of the
    model and its data.

    Raises:
        ConfigError: as `claim` and `claim_new`.
    """
    if out is not None:
        with claim(out):
            yield Path(out)
        return
    stem = Path(data.partition(":")[0]).stem
    model = model.rpartition(":")[2].rpartition(".")[2]  # of a class its name
    name = "-".join([model, *re.findall(r"\w+", stem)])[:_LONGEST_NAME]
    with claim_new("runs", name) as run:
        yield run


def check_still_there(run: str | Path) -> None:
    """Hold a claimed folder to be there.

    Raises:
        TrainingError: somebody has removed it since.
    """
    if not (Path(run) / LOCK).exists():
        raise TrainingError("was removed while it was trained", where=run, hint="train it again, into another {out}")


def _claim(run: Path, stack: ExitStack, *, new: bool) -> None:
    place, thread = run.absolute(), threading.get_ident()
    with _guard:
        if place in _holders:
            if new:
                raise FileExistsError(place)
            if _holders[place] != thread:
                raise _in_use(run, "another thread of this process")
            return
        _holders[place] = thread
    stack.callback(_holders.pop, place, None)
    stack.callback(_remove_empty, _make(run, place, new=new))
    _lock(run, place / LOCK, stack)
    for folder in (place, place / "checkpoints"):
        remove_leftovers(folder)


def _make(run: Path, place: Path, *, new: bool) -> list[Path]:
    """Make a folder and those above it; return the ones that were not there, itself first."""
    try:
        missing = [folder for folder in (place, *place.parents) if not folder.exists()]
        if not missing and not place.is_dir():
            raise ConfigError("is a file, not a folder for a run", where=run, hint="choose another {out}")
        for folder in reversed(missing[1:]):
            folder.mkdir(exist_ok=True)
        place.mkdir(exist_ok=not new)
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:  # the latter of a name that no file can have
        raise cannot_be_written(run, error) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it holds something
            folder.rmdir()


def _lock(run: Path, path: Path, stack: ExitStack) -> None:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_be_written(path, error) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _read_holder(path)
            if error.errno in _TAKEN or (error.errno in _WITHOUT_LOCKS and holder is not None and holder.lives):
                os.close(descriptor)
                raise _in_use(run, holder or "a process that has just begun") from None
            if error.errno not in _WITHOUT_LOCKS:
                os.close(descriptor)
                raise cannot_be_written(path, error) from error
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # whoever held it has ended, and has removed the file, in between
    stack.callback(os.close, descriptor)
    stack.callback(path.unlink, missing_ok=True)
    holder = _Holder(process=os.getpid(), host=socket.gethostname(), since=datetime.now().isoformat(" ", "seconds"))
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(asdict(holder)).encode())
    except OSError as error:  # a full disk
        raise cannot_be_written(path, error) from error


def _is_at(descriptor: int, path: Path) -> bool:
    """Identity: an open file is still the one that bears this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@dataclass(frozen=True, kw_only=True)
class _Holder:
    """Process that holds a folder, as its lock file says."""

    process: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"

    @property
    def lives(self) -> bool:
        return self.host != socket.gethostname() or (self.process != os.getpid() and process_lives(self.process))


def _read_holder(path: Path) -> _Holder | None:
    """The holder that a lock file names; None where it has not written its name yet."""
    try:
        return _Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _in_use(run: Path, holder: object) -> ConfigError:
    hint = "wait until it has ended, or stop it, or choose another {out}"
    return ConfigError("is in use by another training", where=run, received=holder, hint=hint)
