"""Messages of GRIB files: where they lie, found by their framing alone, so that no field is read to describe a file.

Sources: WMO Manual on Codes, FM 92 GRIB edition 1 and edition 2. Of a message in edition 2 that holds several fields
each field is handed out as a message of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from nextframe.errors import DataError
from nextframe.frames.zipped import is_zipped, unzipped

_MAGIC, _END = b"GRIB", b"7777"
_CHUNK = 2**16
_NO_BITMAP = bytes((0, 0, 0, 6, 6, 255))
_NO_DATA_2 = bytes((0, 0, 0, 5, 7))
_NO_DATA_1 = bytes((0, 0, 12, 8, 0, 0, 0, 0, 0, 0, 0, 0))
"""Data of no bits, by which a field is the same everywhere."""
_LARGE, _UNIT = 0x800000, 120
"""ECMWF's mark of messages in edition 1 of more than 8 MiB, whose lengths are counted in units of 120 bytes."""


@dataclass(frozen=True)
class Message:
    """Place of one field in a file."""

    path: Path
    number: int
    """Number of the message in its file, from 0."""
    edition: int
    parts: tuple[tuple[int, int], ...]
    """Position and length of the sections that make it up, without the last four bytes; in edition 1 of the whole."""
    grid: bytes
    """Its grid section, by which fields on one grid are told."""


@dataclass(frozen=True)
class Header:
    """Facts that a message states of its field."""

    message: Message
    base: datetime | None
    """Its reference time; None where that is no date."""
    kind: bytes
    """All that it says but for the reference time and the packing: fields of one kind are described once."""
    whole: bytes
    """The message with no data."""


def open_file(path: Path) -> IO[bytes]:
    """Open a file for jumping about in it; a zipped one lies in memory.

    Raises:
        DataError: it cannot be opened or unzipped.
    """
    if is_zipped(path):
        return io.BytesIO(unzipped(path))
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError("cannot be opened", where=path, received=error.strerror) from error


def scan(path: Path, file: IO[bytes]) -> Iterator[Header]:
    """The headers of all fields of a file.

    Raises:
        DataError: a message that is cut off or damaged; its number is named.
    """
    size = file.seek(0, io.SEEK_END)
    position, number = _next(file, 0), 0
    while position is not None:
        file.seek(position)
        start = file.read(16)
        edition = start[7] if len(start) == 16 else 0
        if edition not in (1, 2):
            raise _damaged(path, number, f"edition {edition}", "1 or 2")
        length = int.from_bytes(start[8:16], "big") if edition == 2 else _length_1(file, position, start)
        if length < 24 or position + length > size:
            raise DataError(
                f"ends within message {number}",
                where=path,
                expected=f"{length:,} bytes from byte {position:,} on",
                received=f"{size - position:,}",
                hint="the file is truncated: fetch it again",
            )
        file.seek(position + length - 4)
        if file.read(4) != _END:
            raise _damaged(path, number, "other bytes at its end", "7777")
        yield from (_fields_2 if edition == 2 else _fields_1)(path, number, file, position, length)
        position, number = _next(file, position + length), number + 1


def read(message: Message, file: IO[bytes]) -> bytes:
    """A field as a message of its own, whole.

    Raises:
        DataError: the file has become shorter.
    """
    parts = []
    for position, length in message.parts:
        file.seek(position)
        parts.append(file.read(length))
        if len(parts[-1]) < length:
            raise DataError(
                f"ends within message {message.number}",
                where=message.path,
                hint="the file is truncated: fetch it again",
            )
    return parts[0] if message.edition == 1 else _joined(parts)


def _next(file: IO[bytes], position: int) -> int | None:
    """The position where the next message begins; between messages may lie headings of bulletins."""
    while True:
        file.seek(position)
        chunk = file.read(_CHUNK)
        found = chunk.find(_MAGIC)
        if found >= 0:
            return position + found
        if len(chunk) < _CHUNK:
            return None
        position += _CHUNK - len(_MAGIC) + 1


def _joined(sections: list[bytes]) -> bytes:
    """A message of edition 2 from its sections, with its own length in the first one."""
    length = sum(map(len, sections)) + len(_END)
    return b"".join([sections[0][:8], length.to_bytes(8, "big"), *sections[1:], _END])


def _fields_2(path: Path, number: int, file: IO[bytes], start: int, length: int) -> Iterator[Header]:
    """Fields of a message in edition 2, in which sections 2 to 7 may be there again and again."""
    latest: dict[int, tuple[int, int]] = {0: (start, 16)}
    bitmap: tuple[int, int] | None = None
    position, end = start + 16, start + length - len(_END)
    while position < end:
        file.seek(position)
        head = file.read(6)
        size, section = int.from_bytes(head[:4], "big"), head[4]
        if size < 5 or position + size > end or not 1 <= section <= 7:
            raise _damaged(path, number, f"section {section} of {size:,} bytes", "sections 1 to 7 within its length")
        latest[section] = (position, size)
        if section == 6 and head[5] == 254:  # that of the field before
            latest[6] = bitmap or (position, size)
        elif section == 6 and head[5] == 0:
            bitmap = (position, size)
        if section == 7:
            lacking = [str(n) for n in (1, 3, 4, 5, 6) if n not in latest]
            if lacking:
                raise _damaged(path, number, f"no section {', '.join(lacking)}", "sections 1 and 3 to 7")
            parts = tuple(latest[n] for n in sorted(latest))
            kept = [_bytes(file, *latest[n]) for n in (0, 1, 3, 4, 5)]
            one = kept[1]
            base = _date(int.from_bytes(one[12:14], "big"), *one[14:19])
            kind = b"".join([kept[0][:8], one[:12], one[19:], kept[2], kept[3]])
            message = Message(path, number, 2, parts, kept[2])
            yield Header(message, base, kind, _joined([*kept, _NO_BITMAP, _NO_DATA_2]))
        position += size


def _fields_1(path: Path, number: int, file: IO[bytes], start: int, length: int) -> Iterator[Header]:
    product = _bytes(file, start + 8, int.from_bytes(_bytes(file, start + 8, 3), "big"))
    if len(product) < 28 or 8 + len(product) > length:
        raise _damaged(path, number, f"a first section of {len(product)} bytes", "28 bytes at least")
    grid = b""
    if product[7] & 0x80:
        begin = start + 8 + len(product)
        grid = _bytes(file, begin, int.from_bytes(_bytes(file, begin, 3), "big"))
    header = product[:7] + bytes((product[7] & 0x80,)) + product[8:] + grid + _NO_DATA_1
    whole = _MAGIC + (len(header) + 12).to_bytes(3, "big") + b"\x01" + header + _END
    base = _date((product[24] - 1) * 100 + product[12], *product[13:17])
    kind = b"".join([b"1", product[:12], product[17:24], product[25:], grid])
    # Predefined grids have no section of their own, but a number.
    yield Header(Message(path, number, 1, ((start, length),), grid or product[4:8]), base, kind, whole)


def _date(*parts: int) -> datetime | None:
    """A date of year, month, day, hour, minute and perhaps second; None where it is none."""
    try:
        return datetime(*parts)  # type: ignore[arg-type]  # up to six numbers
    except ValueError:
        return None


def _length_1(file: IO[bytes], position: int, start: bytes) -> int:
    """Length of a message in edition 1."""
    length = int.from_bytes(start[4:7], "big")
    if not length & _LARGE:
        return length
    at = position + 8
    flags = _bytes(file, at, 8)[7:8]
    at += int.from_bytes(_bytes(file, at, 3), "big")
    for bit in (0x80, 0x40):
        if flags and flags[0] & bit:
            at += int.from_bytes(_bytes(file, at, 3), "big")
    rest = int.from_bytes(_bytes(file, at, 3), "big")
    return (length & ~_LARGE) * _UNIT - rest + 4 if rest < _UNIT else length


def _bytes(file: IO[bytes], position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)


def _damaged(path: Path, number: int, received: str, expected: str) -> DataError:
    return DataError(
        f"message {number} is damaged", where=path, expected=expected, received=received, hint="fetch the file again"
    )
