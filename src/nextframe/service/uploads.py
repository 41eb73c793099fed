"""Uploads: frames out of a request's body, files in any input format, an NPY array, or JSON."""

from __future__ import annotations

import asyncio
import io
import re
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from nextframe.errors import NextframeError
from nextframe.frames.names import natural_order
from nextframe.frames.readers import to_grey
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import pasts_in
from nextframe.service.gate import held_by
from nextframe.service.json_frames import frames_in_json
from nextframe.service.limits import Limits, Refused, room_on_disk
from nextframe.service.reader import Reader
from nextframe.service.service import Service

NPY, JSON = b"\x93NUMPY", (b"{", b"[")
SLOWEST = 2**18
"""Bytes a second that a body has to come with."""
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "axes": str,
    "variable": lambda said: tuple(said.split(",")),
    "time_format": str,
    "grey": lambda said: said == "true",
}
"""Options of `Reading` that a query may have -> what its text says."""
_LONGEST = 120
"""Characters of a name that are taken."""
_FIELDS = 20
"""Fields of a form beside those of files."""


@dataclass(frozen=True)
class Sent:
    """A file as it was sent."""

    body: bytes
    """Its content."""
    name: str
    """Its name, as `plain_name` makes it."""


async def uploaded(request: Request, service: Service) -> FrameSequence:
    """Frames of a request: of its form's fields `file`, which together make a sequence, or of its body.

    Raises:
        Refused: a body that is too large, does not come, or holds no frames, or too many; a full disk.
    """
    with room_on_disk():
        return await _uploaded(request, service)


async def _uploaded(request: Request, service: Service) -> FrameSequence:
    query, limits, held = request.query_params, service.limits, held_by(request.scope)
    async with _bounded(request, limits) as pieces:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            sent = await _fields(request, pieces, limits)
        else:
            name = query.get("name", query.get("suffix", ""))
            sent = [Sent(b"".join([piece async for piece in pieces]), plain_name(name))]
    if not any(file.body for file in sent):
        raise Refused(422, "the request has no body: send a file, an NPY array, or JSON with frames")
    reading = {option: said(query[option]) for option, said in _OPTIONS.items() if option in query}
    body, axes = sent[0].body, reading.get("axes", "")
    if len(sent) == 1 and body.startswith(NPY):
        frames = await asyncio.to_thread(_of_npy, body, axes, limits)
    elif len(sent) == 1 and len(body) <= limits.in_place and body.lstrip()[:1] in JSON:
        frames = await asyncio.to_thread(_of_json, body, axes, limits)
    else:
        frames = await service.reading.compute(_of_files, sent, reading, service.reader, limits)
    if reading.get("grey"):
        frames = to_grey(frames)
    held.take(4 * int(np.prod(frames.shape)))
    return frames


@asynccontextmanager
async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[AsyncGenerator[bytes, None], None]:
    """Pieces of a body, bounded in bytes and in time.

    Raises:
        Refused: a body that is too large, or does not come.
    """
    too_large = Refused(413, f"the body is larger than {limits.upload // 2**20} MiB")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.upload:
        raise too_large
    held, started = held_by(request.scope), asyncio.get_running_loop().time()

    async def pieces() -> AsyncGenerator[bytes, None]:
        taken = 0
        async for piece in request.stream():
            taken += len(piece)
            if taken > limits.upload:
                raise too_large
            held.take(len(piece))
            clock.reschedule(started + limits.patience + taken / SLOWEST)
            yield piece

    try:
        async with asyncio.timeout(limits.patience) as clock:
            yield pieces()
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {limits.patience:g} s") from error


async def _fields(request: Request, pieces: AsyncGenerator[bytes, None], limits: Limits) -> list[Sent]:
    """The files of the form's fields `file`, in order of their names."""
    try:
        form = await MultiPartParser(request.headers, pieces, max_files=limits.frames, max_fields=_FIELDS).parse()
    except (MultiPartException, KeyError) as error:
        raise Refused(422, f"the form cannot be read, or has more than {limits.frames} files") from error
    files = [file for file in form.getlist("file") if isinstance(file, UploadFile)]
    if not files:
        raise Refused(422, "the form has no field 'file' with a file")
    sent = [Sent(await file.read(), plain_name(file.filename or "")) for file in files]
    await form.close()
    return sorted(sent, key=lambda file: natural_order(Path(file.name)))


def plain_name(name: str) -> str:
    """The last part of a file's name, by which formats are told, with nothing in it that a path could be made of.

    >>> plain_name("raa01-ry_10000-2001011500-dwd---bin.gz"), plain_name("../../etc/passwd"), plain_name("a::b.nc")
    ('raa01-ry_10000-2001011500-dwd---bin.gz', 'passwd', 'a__b.nc')
    >>> plain_name(".nc"), plain_name("..")
    ('upload.nc', 'upload')
    """
    last = re.sub(r"[^A-Za-z0-9._+-]", "_", re.split(r"[/\\]", name)[-1])[-_LONGEST:]
    return last if last.strip(".") and not last.startswith(".") else f"upload{last}".rstrip(".")


_ALONE = threading.Lock()
"""Held while a header is read, of which NumPy makes a literal: of two threads that do so at once, one may fail by a
fault of Python 3.11 (python/cpython#106905)."""


def _of_npy(body: bytes, axes: str, limits: Limits) -> FrameSequence:
    try:
        with _ALONE:
            array = np.load(io.BytesIO(body), allow_pickle=False)
        return _held(pasts_in(array, axes=axes)[0], limits)
    except NextframeError as error:
        raise Refused.because(error) from error
    except (ValueError, TypeError, EOFError, OverflowError, MemoryError) as error:
        raise Refused(422, "the body holds no array of numbers") from error


def _of_json(body: bytes, axes: str, limits: Limits) -> FrameSequence:
    try:
        return _held(frames_in_json(body, axes), limits)
    except NextframeError as error:
        raise Refused.because(error) from error


def _of_files(sent: Sequence[Sent], reading: dict[str, Any], reader: Reader, limits: Limits) -> FrameSequence:
    """Frames of files, each in a folder of its own, where none is beside it that it could lead to."""
    with tempfile.TemporaryDirectory(prefix="nextframe-") as folder:
        files = []
        for n, file in enumerate(sent):
            name = "upload.json" if len(sent) == 1 and file.body.lstrip()[:1] in JSON else file.name
            path = Path(folder) / str(n) / name
            path.parent.mkdir()
            path.write_bytes(file.body)
            files.append(path)
        return _held(reader.read(files, reading), limits)


def _held(sequence: FrameSequence, limits: Limits) -> FrameSequence:
    """Frames that are held to the limits.

    Raises:
        Refused: too many, too large, or infinite ones.
    """
    time, channels, height, width = sequence.shape
    pixels = channels * height * width
    if pixels > limits.pixels:
        raise Refused(422, f"a frame has {pixels} values, more than {limits.pixels}")
    if time > limits.frames:
        raise Refused(422, f"there are {time} frames, more than {limits.frames}")
    if time * pixels > limits.values:
        raise Refused(422, f"the frames have {time * pixels} values, more than {limits.values}")
    if np.isinf(sequence.values[0:time]).any():
        raise Refused(422, "the frames have infinite values: send NaN, or null in JSON, where a value is missing")
    return sequence
