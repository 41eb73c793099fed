"""Frames in JSON."""

from __future__ import annotations

import json

import numpy as np

from nextframe.errors import DataError
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import pasts_in


def frames_in_json(body: bytes, axes: str) -> FrameSequence:
    """Frames of JSON {"frames": [...]} or of an array alone, null where a value is missing.

    Args:
        body: the JSON.
        axes: a letter for each axis of the array; by default told by the shape.

    Raises:
        DataError: no array of numbers.
        NextframeError: an array that holds no frames.

    >>> frames_in_json(b'{"frames": [[[1, null]], [[3, 4]]]}', "").shape
    (2, 1, 1, 2)
    """
    try:
        told = json.loads(body)
        frames = told.get("frames", told.get("values")) if isinstance(told, dict) else told
        array = None if frames is None else np.array(frames, dtype=np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError("holds no array of numbers", where="the body") from error
    if array is None:
        raise DataError('has no "frames"', where="the JSON", hint='send {"frames": [[[...]]]}: time, rows, columns')
    return pasts_in(array, axes=axes)[0]
