"""KTH: people who walk, run and wave, as OpenSTL lays the frames out.

Layout (Schuldt et al. 2004, doi 10.1109/ICPR.2004.1334462; github.com/chengtan9907/OpenSTL,
openstl/datasets/dataloader_kth.py):

    kth/handwaving/person01_handwaving_d1_uncomp/image_0257.jpg    also boxing, handclapping, walking, jogging, running

Persons 1 to 16 are the training part, 17 to 25 the test. Frames are numbered as in the film, 25 a second, so that
frames left out are gaps. Pictures are grey: of colours the first is read, as there. They keep their size; OpenSTL
brings them to 128 x 128 pixels (bilinear), and cuts its windows from the end of each film.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nextframe.config import Reading
from nextframe.errors import DataError
from nextframe.frames.damage import Damage
from nextframe.frames.formats.images import open_images
from nextframe.frames.formats.layouts import ACTIONS, FILM
from nextframe.frames.readers import Channel
from nextframe.frames.sequence import FrameSequence

_FRAME = re.compile(r"image.(\d{4})\.\w+")
_LAST_TO_TRAIN = 16
_FRAME_TIME = np.timedelta64(40, "ms")


def open_kth(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open the folder of the actions (`frames.format.Open`): a sequence for each film.

    Raises:
        DataError, ShapeError: pictures that cannot be read, or differ in size; no film with a frame.
    """
    films = (
        film
        for action in ACTIONS
        if (files[0] / action).is_dir()
        for film in sorted((files[0] / action).iterdir())
        if film.is_dir() and FILM.fullmatch(film.name)
    )
    sequences = [sequence for film in films if (sequence := _film(film, damage)) is not None]
    if not sequences:
        raise DataError(
            "holds no film with a frame", where=name, expected="boxing/person01_boxing_d1_uncomp/image_0001.jpg"
        )
    return tuple(sequences)


def _film(folder: Path, damage: Damage | None) -> FrameSequence | None:
    numbered = sorted((int(match[1]), path) for path in folder.iterdir() if (match := _FRAME.fullmatch(path.name)))
    if not numbered:
        return None
    images = open_images(folder, [path for _, path in numbered], damage)
    numbers = np.array([number for number, _ in numbered])
    person = FILM.fullmatch(folder.name)
    assert person is not None
    return replace(
        images,
        values=images.values if images.shape[1] == 1 else Channel(images.values, 0),
        variables=(),
        units=(),
        variable_attributes=(),
        accumulation=(),
        elapsed=(numbers - numbers[0]) * _FRAME_TIME,
        time_step=_FRAME_TIME,
        part="train" if int(person[1]) <= _LAST_TO_TRAIN else "test",
    )
