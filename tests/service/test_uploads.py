"""Files as people have them: radar files whose names say what they are, several at once, clips in colour."""

import errno
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.grid import Grid
from nextframe.frames.source import open_source
from nextframe.frames.told import sequence_from, told_of
from nextframe.service import reader
from nextframe.service.limits import Limits, Refused
from nextframe.service.uploads import plain_name
from tests.frames.radar.test_composites import knmi, swiss
from tests.service.conftest import FRAMES
from tests.service.running import Last, hold_problem, httpx, npy, running, service_of


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[Any]:
    with (
        running(service_of(Last(ModelForecaster.load(run)), frames=6)) as address,
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        yield client


def sent(files: list[Path]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (path.name, path.read_bytes())) for path in files]


@pytest.fixture
def radars(tmp_path: Path) -> Callable[[str], list[Path]]:
    """Three files of a radar, in order of time, whose names tell their format, or no more than their suffix."""

    def of(kind: str) -> list[Path]:
        files = []
        for n in range(3):
            folder = tmp_path / kind
            folder.mkdir(exist_ok=True)
            if kind == "radolan":
                pytest.importorskip("wradlib", reason="needs wradlib (extra radolan)")
                from tests.frames.radar.test_radolan import composite

                files.append(composite(folder, 5 * n, np.arange(900 * 900).reshape(900, 900) % 50 + n))
            elif kind == "swiss":
                files.append(swiss(folder, np.full((640, 710), 20 + n, np.uint8), f"16193{1000 + 5 * n}"))
            else:
                files.append(folder / f"RAD_NL25_RAP_5min_20160711210{5 * n}.h5")
                knmi(files[-1], np.full((12, 10), n + 1.0), 5 * n)
        return files

    return of


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["radolan", "swiss", "knmi"])
def test_radar_files_are_told_by_their_names(client: Any, radars: Callable[[str], list[Path]], kind: str) -> None:
    files = radars(kind)
    (expected,) = open_source(files[0].parent, rain_unit="mm/h").sequences
    assert len(expected) == 3
    last = expected.read(2, 3)[0, 0]
    for order in (files, files[::-1]):
        answer = client.post("/forecast", params={"lead_times": "1", "format": "npy"}, files=sent(order))
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(np.load(io.BytesIO(answer.content))[0, 0], last, rtol=1e-4)
    found = client.post("/inspect", files=sent(files)).json()
    assert found["found"]["frames"] == 3
    one = client.post("/forecast", params={"lead_times": "1", "name": files[0].name}, content=files[0].read_bytes())
    assert one.status_code == 200, one.text


@pytest.mark.slow
def test_files_that_make_no_sequence(client: Any, tmp_path: Path, radars: Callable[[str], list[Path]]) -> None:
    clips = [("file", (f"{n}.npy", npy(FRAMES[n : n + 4]))) for n in range(2)]
    assert "2 sequences" in hold_problem(client.post("/forecast", files=clips), 422)["detail"]
    mixed = [*sent(radars("knmi")), ("file", ("a.npy", npy(FRAMES[:4])))]
    assert "several kinds" in hold_problem(client.post("/forecast", files=mixed), 422)["detail"]
    many = [("file", (f"{n}.npy", npy(FRAMES[:1]))) for n in range(7)]
    assert "more than 6 files" in hold_problem(client.post("/forecast", files=many), 422)["detail"]
    empty = [("file", (f"{n}.h5", b"")) for n in range(2)]
    assert "no body" in hold_problem(client.post("/forecast", files=empty), 422)["detail"]


@pytest.mark.slow
def test_files_of_one_name_are_apart(client: Any, radars: Callable[[str], list[Path]]) -> None:
    files = [("file", (f"{n}/../same.h5", path.read_bytes())) for n, path in enumerate(radars("knmi"))]
    answer = client.post("/forecast", params={"lead_times": "1", "past": "true"}, files=files)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["past"]) == 3


@pytest.mark.parametrize(
    "name", ["a/../../b.h5", "..\\..\\b.h5", "/etc/b.h5", "squares:b.h5", "b\x00.h5", "*?[b].h5", "b" * 999]
)
def test_names_are_no_paths(name: str) -> None:
    plain = plain_name(name)
    assert Path(plain).name == plain
    assert not set(plain) & set(":*?[]\x00\\/")
    assert len(plain) <= 130


@pytest.mark.slow
def test_a_clip_in_colour_is_read_as_grey_where_that_is_asked_for(client: Any, run: Path) -> None:
    clip = np.random.default_rng(0).random((4, 12, 10, 3)).astype(np.float32)
    problem = hold_problem(client.post("/streams/colour/frames?axes=THWC", content=npy(clip[:1])), 422)
    assert "grey=true" in problem["detail"], "the option as a query has it"
    assert str(run.parent) not in problem["detail"], "where the model lies is nobody's business"
    asked = {"lead_times": "1", "axes": "THWC", "grey": "true", "format": "npy"}
    grey = np.load(io.BytesIO(client.post("/forecast", params=asked, content=npy(clip)).content))
    (expected,) = open_source(clip, axes="THWC", grey=True).sequences
    np.testing.assert_allclose(grey[0], expected.read(3, 4)[0], atol=1e-5)


@pytest.mark.slow
def test_the_composite_of_a_continent_is_taken(client: Any) -> None:
    """OPERA's 2200x1900 with what the page shows beside it, but not the 3500x7000 of MRMS."""
    frames = np.zeros((4, 2200, 1900), np.uint8)
    query = {"lead_times": "6", "past": "true", "packed": "true", "beside": "persistence"}
    answer = client.post("/forecast", params=query, content=npy(frames))
    assert answer.status_code == 200, answer.text
    assert answer.json()["shape"] == [6, 1, 2200, 1900]
    refused = client.post("/forecast", content=npy(np.zeros((1, 3500, 7000), np.uint8)))
    assert "24500000 values" in hold_problem(refused, 422)["detail"]


def test_a_full_disk_is_a_problem_of_the_service(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nextframe.service.uploads._of_files", full)
        answer = client.post("/forecast", files={"file": ("clip.gif", b"GIF89a")})
    assert "the service's disk is full" in hold_problem(answer, 507)["detail"]
    assert answer.headers["retry-after"]

    np.save(tmp_path / "frames.npy", FRAMES[:4])
    asked = {"files": [str(tmp_path / "frames.npy")], "reading": {}, "frames": 9, "pixels": 10**6, "values": 10**9}
    answers = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(reader, "write_array", full)
        patch.setattr(reader, "resource", MagicMock())
        patch.setattr("sys.stdin", io.StringIO(json.dumps(asked) + "\n"))
        patch.setattr("sys.stdout", answers)
        reader.main()
    assert json.loads(answers.getvalue()) == {"full": True}
    asking = reader.Reader(Limits())
    monkeypatch.setattr(asking, "_asked", lambda _: answers.getvalue())
    with pytest.raises(Refused, match="the service's disk is full"):
        asking.read([tmp_path / "frames.npy"], {})


def test_attributes_of_any_kind_are_told() -> None:
    about = {
        "units": b"m",
        "name": np.bytes_("eastings"),
        "range": np.array([0, 9]),
        "odd": [b"a", b"b"],
        "no": object(),
    }
    grid = Grid(
        y=np.arange(12.0), x=np.arange(10.0), y_name="y", x_name="x", y_attributes={}, x_attributes=about, mapping=None
    )
    (sequence,) = open_source(FRAMES[:2]).sequences
    told = json.loads(json.dumps(told_of(replace(sequence, grid=grid))))
    again = sequence_from(FRAMES[:2, None], told).grid
    assert again is not None
    assert dict(again.x_attributes) == {"units": "m", "name": "eastings", "range": [0, 9], "odd": ["a", "b"]}
    np.testing.assert_array_equal(again.x, grid.x)
