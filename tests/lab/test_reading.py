import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.reading import measure as reading
from lab.reading.archives import ARCHIVES, Archive, files_of, forget, showers, write_npy, write_steps
from lab.reading.measure import Measured, Memory, Reading, Setting, Training
from lab.reading.memory import Peak, measurable, peak_of
from lab.reading.operations import served
from lab.reading.picture import reading_bars
from lab.studies.served_memory import write_sparse
from nextframe.errors import ConfigError, DataError
from nextframe.frames.cache import AHEAD, Cached, Kept
from nextframe.frames.formats.reader import Stores
from nextframe.frames.source import open_source

SMALL = Setting(frames=60, gigabytes=(), seconds=0.05, steps=1, size=32, crop=12, past=2, future=2, batch=3)
TRAINING = Training(pixels="all pixels", batch=1, seconds=1.0)
LINUX = pytest.mark.skipif(not measurable(), reason="this system does not tell memory apart")


@pytest.fixture
def measured() -> Measured:
    return Measured(
        setting=Setting(gigabytes=(1.0, 4.0)),
        training=(
            Training(pixels="24x24 pixels", batch=10, seconds=0.5),
            Training(pixels="128x128 pixels", batch=2, seconds=2.0),
        ),
        reading=(
            Reading(archive="NPY", frames=100, disk=10, opening=0.01, shuffled=400.0, in_order=500.0),
            Reading(archive="MP4", frames=100, disk=10, opening=0.5, shuffled=10.0, in_order=50.0),
        ),
        memory=tuple(
            Memory(archive="NPY", gigabytes=size, peak=Peak(anonymous=int(own * 2**20), mapped=2**30))
            for size, own in ((1.0, 500), (4.0, 510))
        ),
    )


def test_showers_drift_and_are_mostly_dry() -> None:
    pieces = list(showers(600, 32))
    assert [len(piece) for piece in pieces] == [512, 88]
    movie = np.concatenate(pieces)
    assert movie.dtype == np.float32
    assert movie.shape == (600, 32, 32)
    np.testing.assert_array_equal(movie[101, 1:, 2:], movie[100, :-1, :-2])
    assert 0.6 < (movie == 0).mean() < 0.95
    assert np.abs(np.diff(movie, axis=1)).max() < 0.3 * movie.max()  # smooth


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_archives_hold_the_showers(archive: Archive, tmp_path: Path) -> None:
    (truth,) = showers(40, 32)
    path = archive.write(tmp_path, 40, 32)
    with served(path) if archive.served else nullcontext(str(path)) as place:
        (sequence,) = open_source(place, **archive.options(path, 32)).sequences
        read = sequence.read(0, 40)[:, 0]
    if archive.name.startswith(("MP", "WebP")):
        assert np.abs(read - np.clip(truth * 20, 0, 255)).mean() < 8  # brightness of video, lossy
        return
    if archive.name.startswith("RADOLAN"):
        read = read * 12  # of amounts in 5 minutes
    steps = {"GRIB": 1e-3, "RADOLAN": 0.12, "PNG": 1.0}  # of numbers as they are packed there
    np.testing.assert_allclose(read, truth, atol=steps.get(archive.name.partition(" ")[0].rstrip(","), 0), rtol=0)
    if "PNG" not in archive.name and archive.name != "NPY":
        assert sequence.times is not None
        assert (np.diff(sequence.times) == np.timedelta64(5, "m")).all()


def test_an_archive_that_is_forgotten_is_still_there(tmp_path: Path) -> None:
    path = write_npy(tmp_path, 20, 32)
    forget(path)
    np.testing.assert_array_equal(np.load(path), next(showers(20, 32)))
    assert files_of(path) == [path]


def test_reading_is_measured_beside_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "train_in_memory", lambda *_: TRAINING)
    lines: list[str] = []
    archives = [archive for archive in ARCHIVES if archive.name in ("NPY", "NetCDF, one file")]
    found = reading.measure(SMALL, archives=archives, trained_on=(), progress=lines.append)
    assert found.training == (TRAINING, TRAINING)
    assert [result.archive for result in found.reading] == ["NPY", "NetCDF, one file"]
    for result in found.reading:
        assert result.frames == 60
        assert min(result.shuffled, result.in_order, result.opening) > 0
    assert found.reading[0].disk == 60 * 32 * 32 * 4 + 128
    assert any(line.startswith("NPY: ") and "windows a second shuffled" in line for line in lines)


def test_less_is_kept_than_the_archive_holds(tmp_path: Path) -> None:
    archive = next(archive for archive in ARCHIVES if archive.name == "Zarr")
    (sequence,) = open_source(archive.write(tmp_path, 80, 32)).sequences
    less = reading._keep_less(sequence)
    less.read(0, 80)
    assert isinstance(less.values, Cached)
    assert len(less.values.kept.frames) == 10


@pytest.mark.long
def test_training_is_timed_in_a_process_of_its_own() -> None:
    lines: list[str] = []
    found = reading.train_in_memory(SMALL, 12, 3, lines.append)
    assert (found.pixels, found.batch) == ("12x12 pixels", 3)
    assert found.seconds > 0
    assert found.rate == pytest.approx(3 / found.seconds)
    assert lines == ["training on 12x12 pixels"]


def test_a_training_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ValueError: no' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ConfigError, match=r"training on 32x32 pixels: failed \(received ValueError: no\)"):
        reading.train_in_memory(SMALL, None, 3)


@LINUX
@pytest.mark.slow
def test_own_memory_is_told_from_mapped_files(tmp_path: Path) -> None:
    path = write_npy(tmp_path, 4000, 64)  # 64 MB
    base = "import time, numpy as np; "
    kept = f"{base} a = np.ones(2**23); time.sleep(0.2)"
    mapped = f"{base} a = np.load({str(path)!r}, mmap_mode='r'); a.sum(); time.sleep(0.2)"
    own, files = (peak_of([sys.executable, "-c", code], what="test") for code in (kept, mapped))
    assert own.anonymous - files.anonymous > 50e6
    assert files.mapped - own.mapped > 50e6


@LINUX
def test_a_process_that_fails_is_told() -> None:
    with pytest.raises(ConfigError, match=r"this one: failed \(received ValueError: no\)"):
        peak_of([sys.executable, "-c", "raise ValueError('no')"], what="this one")


@LINUX
def test_a_training_on_an_archive_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def watched(command: list[str], *, what: str) -> Peak:
        asked.append(command)
        return Peak(anonymous=1, mapped=2)

    monkeypatch.setattr(reading, "peak_of", watched)
    monkeypatch.setattr(reading, "train_in_memory", lambda *_: TRAINING)
    setting = Setting(gigabytes=(0.01, 0.02), size=32)
    archives = [archive for archive in ARCHIVES if archive.name == "NPY"]
    found = reading.measure(setting, archives=(), trained_on=archives)
    assert [(result.archive, result.gigabytes) for result in found.memory] == [("NPY", 0.01), ("NPY", 0.02)]
    strides = [int(command[command.index("--stride") + 1]) for command in asked]
    assert strides[1] == pytest.approx(2 * strides[0], abs=1)  # as many windows of either


def test_where_memory_cannot_be_told_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "measurable", lambda: False)
    monkeypatch.setattr(reading, "train_in_memory", lambda *_: TRAINING)
    lines: list[str] = []
    found = reading.measure(Setting(), archives=(), progress=lines.append)
    assert found.memory == ()
    assert lines == [
        *lines[:-1],
        "memory: left out, this system does not tell a process's own memory from that of mapped files",
    ]


def test_tables_say_how_many_times_faster(measured: Measured) -> None:
    titles, rows = reading.reading_table(measured)
    assert titles[-2:] == ["over training, 24x24 pixels", "over training, 128x128 pixels"]
    assert [row[0] for row in rows] == ["NPY", "MP4"]
    assert [row[-2:] for row in rows] == [["20", "400"], ["0.5", "10"]]
    titles, rows = reading.memory_table(measured)
    assert titles[:4] == ["archive", "1 GB", "4 GB", "last over first"]
    assert rows[0] == ["NPY", "500 MiB", "510 MiB", "1.02", "1024 MiB", "1024 MiB"]
    assert "20 windows a second on 24x24 pixels and 1 windows a second" in reading.to_markdown(measured)


@pytest.mark.slow
def test_the_command_prints_and_writes(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Setting] = []

    def measure(setting: Setting, **_: object) -> Measured:
        asked.append(setting)
        return measured

    monkeypatch.setattr("lab.reading.command.measure", measure)
    out = tmp_path / "reading.json"
    options = ["--frames", "500", "--gigabytes", "0.5,2", "--steps", "3", "--out", str(out)]
    assert main(["reading", *options]) == 0
    assert asked == [Setting(frames=500, gigabytes=(0.5, 2.0), steps=3)]
    assert "MP4" in capsys.readouterr().out
    content = json.loads(out.read_text())
    assert {"task", "command", "machine", "engine", "versions", "date", "setting", "markdown"} <= content.keys()
    assert content["reading"][1]["over_training"] == {"24x24 pixels": 0.5, "128x128 pixels": 10.0}
    assert content["memory"][1]["peak"]["anonymous"] == 510 * 2**20
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_memory_can_be_left_out_of_the_picture(measured: Measured) -> None:
    assert len(reading_bars(measured).axes) == 2
    alone = Measured(setting=measured.setting, training=measured.training, reading=measured.reading, memory=())
    assert len(reading_bars(alone).axes) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reading", "--sweep"], "Unknown option: --sweep"),
        (["reading", "--threads", "1"], "Unknown option: --threads"),
        (["reading", "--frames", "20"], "frames: are too few"),
        (["reading", "--gigabytes", "0.001"], "gigabytes: is too small"),
        (["reading", "--steps", "0"], "steps, seconds: is too small"),
        (["training", "--frames", "500"], "Unknown option: --frames"),
        (["training", "--gigabytes", "1"], "Unknown option: --gigabytes"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


# What the laboratory has shown to be slow, or to grow with the archive.


@dataclass
class Asked:
    """Frames that hold their number, a note of what was asked for, and perhaps a damaged one."""

    frames: int = 500
    damaged: int | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.frames, 1, 4, 4

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        self.asked.append((frames.start, frames.stop))
        if self.damaged is not None and frames.start <= self.damaged < frames.stop:
            raise DataError("is damaged", where=self.damaged)
        return np.arange(frames.start, frames.stop, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 4, 4), "f4")


def test_in_order_of_time_a_stretch_is_read_at_once_and_each_frame_once() -> None:
    reader = Asked()
    cached = Cached(reader)
    for n in range(486):
        assert cached[n : n + 15][:, 0, 0, 0].tolist() == list(range(n, n + 15))
    assert len(reader.asked) < 4 + 500 / AHEAD
    assert sum(stop - start for start, stop in reader.asked) == 500


def test_in_any_other_order_no_more_is_read_than_asked_for() -> None:
    reader = Asked()
    cached = Cached(reader, Kept(0))
    starts = np.random.default_rng(0).permutation(480).tolist()
    for n in starts:
        assert cached[n : n + 15][:, 0, 0, 0].tolist() == list(range(n, n + 15))
    assert reader.asked == [(n, n + 15) for n in starts]
    assert not cached.kept.frames


def test_damage_ahead_of_what_is_asked_for_is_nobodys_fault() -> None:
    cached = Cached(Asked(damaged=60))
    for n in range(46):
        cached[n : n + 15]
    with pytest.raises(DataError, match="60: is damaged"):
        cached[46:61]


def test_an_archive_of_many_files_holds_what_they_share_once(tmp_path: Path) -> None:
    (sequence,) = open_source(write_steps(tmp_path, 4, 16)).sequences
    assert isinstance(sequence.values, Cached)
    stores = sequence.values.reader
    assert isinstance(stores, Stores)
    assert len({id(store.grid) for store in stores.stores}) == 1
    for start, stop in ((0, 4), (1, 3), (3, 4), (2, 2)):
        np.testing.assert_array_equal(stores[start:stop][:, 0], next(showers(4, 16))[start:stop])


def test_a_sparse_archive_holds_as_many_frames_as_a_full_one_in_a_few_chunks(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "sparse.zarr", 100, 16, distinct=2)
    (sequence,) = open_source(path).sequences
    (truth,) = showers(32, 16)
    np.testing.assert_array_equal(sequence.read(0, 100)[:, 0], np.resize(truth, (100, 16, 16)))
    assert sequence.times is not None
    assert (np.diff(sequence.times) == np.timedelta64(5, "m")).all()
    chunks = [file for file in files_of(path) if file.parent.parent.parent.name == "c" and "rain" in file.parts]
    assert (len(chunks), len({file.stat().st_ino for file in chunks})) == (7, 2)
