"""KTH's frames as OpenSTL lays them out, made small."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe import open_source
from nextframe.data.split import split

FILMS = {"boxing/person01_boxing_d1_uncomp": 1, "running/person16_running_d2_uncomp": 2,
         "running/person17_running_d2_uncomp": 3, "walking/person03_walking_d4_uncomp": 4}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for film, level in FILMS.items():
        place = tmp_path / "kth" / film
        place.mkdir(parents=True)
        for number in (1, 2, 3, 4, 9, 10, 11):
            grey = np.full((12, 16), 10 * level + number, np.uint8)
            Image.fromarray(np.stack([grey] * 3, -1)).save(place / f"image_{number:04d}.png")
        (place / "notes.txt").write_text("no frame")
    return tmp_path / "kth"


def test_films_are_sequences_with_gaps_where_frames_are_left_out(folder: Path) -> None:
    source = open_source(folder)
    assert len(source.sequences) == 4
    first = source.sequences[0]
    assert first.shape == (7, 1, 12, 16)
    np.testing.assert_array_equal(first.read(0, 7)[:, 0, 0, 0], [11, 12, 13, 14, 19, 20, 21])
    assert first.segments() == [(0, 4), (4, 7)]
    assert first.values.dtype == np.uint8


def test_persons_are_divided_as_published(folder: Path) -> None:
    parts = split(open_source(folder), validation=0)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [3, 0, 1]
    assert "person17" in parts.test[0].sequence.name
    held_out = split(open_source(folder), validation=0.3)  # a share of the training part, since none is published
    assert [len(part) for part in (held_out.train, held_out.validation, held_out.test)] == [2, 1, 1]
