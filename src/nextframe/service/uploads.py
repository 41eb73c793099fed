"""Uploads: frames out of a request's body, a file in any input format, an NPY array, or JSON."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import NextframeError
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import pasts_in
from nextframe.service.limits import Limits, Refused
from nextframe.service.reader import Reader

_NPY = b"\x93NUMPY"


async def body_of(pieces: AsyncIterator[bytes], limits: Limits, announced: int | None = None) -> bytes:
    """A request's body, bounded in bytes and in time.

    Args:
        pieces: the body as it comes.
        limits: of both.
        announced: number of bytes that the request says it has.

    Raises:
        Refused: a body that is too large, or does not come.
    """
    too_large = Refused(413, f"the body is larger than {limits.upload // 2**20} MiB")
    if announced is not None and announced > limits.upload:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.patience):
            async for piece in pieces:
                body += piece
                if len(body) > limits.upload:
                    raise too_large
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {limits.patience:g} s") from error
    return bytes(body)


def frames_of(
    body: bytes, limits: Limits, reader: Reader, *, suffix: str = "", reading: dict[str, Any] | None = None
) -> FrameSequence:
    """Frames of a body.

    Args:
        body: JSON {"frames": [...], "time": ...} or an array of numbers, an NPY file, or a file in any input format.
        limits: of frames and pixels.
        reader: reads files in a process of its own.
        suffix: suffix of the file's name, by which its format is told; nothing else of the name is used.
        reading: options of `Reading`.

    Raises:
        Refused: a body that holds no frames, or too much.
    """
    if not body:
        raise Refused(422, "the request has no body: send a file, an NPY array, or JSON with frames")
    try:
        if body.startswith(_NPY):
            return _held(pasts_in(np.load(io.BytesIO(body), allow_pickle=False), axes=_axes(reading))[0], limits)
        if body.lstrip()[:1] in (b"{", b"["):
            return _held(_of_json(body, _axes(reading)), limits)
    except NextframeError as error:
        raise Refused(422, str(error)) from error
    except (ValueError, TypeError, EOFError, MemoryError, RecursionError) as error:
        raise Refused(422, "the body holds no array of numbers") from error
    clean = "".join(sign for sign in suffix.lower() if sign.isalnum() or sign == ".")[:12]
    with tempfile.TemporaryDirectory(prefix="nextframe-") as folder:
        path = Path(folder) / f"upload{clean or '.bin'}"
        path.write_bytes(body)
        return _held(reader.read(path, reading or {}), limits)


def _of_json(body: bytes, axes: str) -> FrameSequence:
    told = json.loads(body)
    frames = told.get("frames", told.get("values")) if isinstance(told, dict) else told
    if frames is None:
        raise Refused(422, 'the JSON has no "frames": send {"frames": [[[...]]]}, over time, rows and columns')
    return pasts_in(np.array(frames, dtype=np.float32), axes=axes)[0]


def _axes(reading: dict[str, Any] | None) -> str:
    return str((reading or {}).get("axes", ""))


def _held(sequence: FrameSequence, limits: Limits) -> FrameSequence:
    time, channels, height, width = sequence.shape
    if channels * height * width > limits.pixels:
        raise Refused(422, f"a frame has {channels * height * width} values, more than {limits.pixels}")
    if time > limits.frames:
        raise Refused(422, f"there are {time} frames, more than {limits.frames}")
    return sequence
