"""Uploads: frames out of a request's body, a file in any input format, an NPY array, or JSON."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from nextframe.errors import NextframeError
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import pasts_in
from nextframe.service.gate import held_by
from nextframe.service.json_frames import frames_in_json
from nextframe.service.limits import Limits, Refused
from nextframe.service.reader import Reader
from nextframe.service.service import Service

NPY, JSON = b"\x93NUMPY", (b"{", b"[")
SLOWEST = 2**18
"""Bytes a second that a body has to come with."""
_OPTIONS = ("axes", "variable")
"""Options of `Reading` that a query may have."""
_LONGEST = 12
"""Characters of a suffix that are taken."""


async def uploaded(request: Request, service: Service) -> FrameSequence:
    """Frames of a request: of its form's field `file`, or of its body.

    Raises:
        Refused: a body that is too large, does not come, or holds no frames, or too many.
    """
    query, limits, held = request.query_params, service.limits, held_by(request.scope)
    async with _bounded(request, limits) as pieces:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            body, suffix = await _field(request, pieces)
        else:
            body, suffix = b"".join([piece async for piece in pieces]), query.get("suffix", "")
    if not body:
        raise Refused(422, "the request has no body: send a file, an NPY array, or JSON with frames")
    reading: dict[str, Any] = {option: query[option] for option in _OPTIONS if option in query}
    if "variable" in reading:
        reading["variable"] = tuple(reading["variable"].split(","))
    if body.startswith(NPY):
        frames = await asyncio.to_thread(_of_npy, body, reading.get("axes", ""), limits)
    elif len(body) <= limits.in_place and body.lstrip()[:1] in JSON:
        frames = await asyncio.to_thread(_of_json, body, reading.get("axes", ""), limits)
    else:
        frames = await service.reading.compute(_of_file, body, suffix, reading, service.reader, limits)
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


async def _field(request: Request, pieces: AsyncGenerator[bytes, None]) -> tuple[bytes, str]:
    """The content of the form's field `file`, and the suffix of its name."""
    try:
        form = await MultiPartParser(request.headers, pieces, max_files=1, max_fields=20).parse()
    except (MultiPartException, KeyError) as error:
        raise Refused(422, "the form cannot be read") from error
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Refused(422, "the form has no field 'file' with a file")
    body = await file.read()
    await form.close()
    return body, _suffix_of(file.filename or "")


def _suffix_of(name: str) -> str:
    """Suffix of a name, with the one before it where the file is packed."""
    suffixes = Path(name).suffixes
    return "".join(suffixes[-2:] if suffixes[-1:] in ([".gz"], [".bz2"]) else suffixes[-1:])


def _of_npy(body: bytes, axes: str, limits: Limits) -> FrameSequence:
    try:
        return _held(pasts_in(np.load(io.BytesIO(body), allow_pickle=False), axes=axes)[0], limits)
    except NextframeError as error:
        raise Refused(422, str(error)) from error
    except (ValueError, TypeError, EOFError, OverflowError, MemoryError) as error:
        raise Refused(422, "the body holds no array of numbers") from error


def _of_json(body: bytes, axes: str, limits: Limits) -> FrameSequence:
    try:
        return _held(frames_in_json(body, axes), limits)
    except NextframeError as error:
        raise Refused(422, str(error)) from error


def _of_file(body: bytes, suffix: str, reading: dict[str, Any], reader: Reader, limits: Limits) -> FrameSequence:
    """Frames of a file, of whose name nothing but its suffix is used."""
    known = "".join(sign for sign in suffix.lower() if sign.isalnum() or sign == ".")[:_LONGEST]
    if body.lstrip()[:1] in JSON:
        known = ".json"
    with tempfile.TemporaryDirectory(prefix="nextframe-") as folder:
        path = Path(folder) / f"upload{known or '.bin'}"
        path.write_bytes(body)
        return _held(reader.read(path, reading), limits)


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
