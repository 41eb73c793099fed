"""Damaged files in a long archive: an error as a rule, or left out, counted and named where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nextframe.errors import DataError

Description = TypeVar("Description")
SHOWN = 3
"""Faults named in one sentence."""


@dataclass(frozen=True)
class Damage:
    """Damage of a source: frames and files that could not be read and were left out; filled in as it is met."""

    files: dict[Path, str] = field(default_factory=dict)
    """Files that could not be opened -> what is wrong with them."""
    frames: dict[tuple[str, int], str] = field(default_factory=dict)
    """Name of the sequence and number of the frame in it -> what is wrong with it."""

    @property
    def sentence(self) -> str:
        """Sentence that says how much was left out and what the first faults were; empty where nothing was."""
        counts = [
            f"{len(found)} damaged {noun if len(found) == 1 else f'{noun}s'}"
            for noun, found in (("file", self.files), ("frame", self.frames))
            if found
        ]
        if not counts:
            return ""
        faults = list(dict.fromkeys([*self.files.values(), *self.frames.values()]))
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        return f"left out {' and '.join(counts)}: {'; '.join(faults[:SHOWN])}{more}"

    def touches(self, name: str, start: int, stop: int) -> bool:
        """True where a frame of this stretch of a sequence is known to be damaged."""
        return any((name, n) in self.frames for n in range(start, stop)) if self.frames else False


def describe_each(
    files: Sequence[Path], describe: Callable[[Path], Description], damage: Damage | None
) -> list[Description]:
    """Descriptions of files by their headers; one that cannot be read is left out where `damage` keeps count of such.

    Raises:
        DataError: a file that cannot be read where no count is kept, or not one that can.
    """
    descriptions = []
    fault: DataError | None = None
    for path in files:
        try:
            hold_file(path)
            descriptions.append(describe(path))
        except DataError as error:
            if damage is None:
                raise
            damage.files[path] = str(error)
            fault = fault or error
    if fault is not None and not descriptions:
        raise fault
    return descriptions


def hold_file(path: Path) -> None:
    """Refuse a file of no bytes, and what is neither a file nor a folder: a read from a pipe may wait for ever.

    Raises:
        DataError: it is one.
    """
    if path.is_dir():
        return
    if not path.exists():
        raise DataError("leads nowhere", where=path, hint="mend or remove that link")
    if not path.is_file():
        raise DataError(
            "is neither a file nor a folder",
            where=path,
            received="a pipe" if path.is_fifo() else "a device or a socket",
            hint="save what it gives to a file first",
        )
    if path.stat().st_size == 0:
        raise DataError("is an empty file", where=path, hint="remove or replace it")
