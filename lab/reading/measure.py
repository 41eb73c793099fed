"""Whether reading keeps up with training, and whether memory stays bounded however large an archive is.

Archives of every kind are written to a temporary folder and read as a training reads them: windows in shuffled order,
in batches, through the same dataset and loader. They are taken out of the system's cache of files before, and no more
than an eighth of the decoded frames is kept, so that small archives stand for ones many times larger than memory.
Training steps on windows in memory, measured in the same run, are what reading has to keep up with.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, SequentialSampler

from lab.place import environment
from lab.reading.archives import ARCHIVES, CHUNK, TRAINED_ON, Archive, files_of, forget
from lab.reading.memory import Peak, measurable, peak_of
from lab.reading.operations import served
from lab.speed.process import gist
from lab.speed.results import provenance
from nextframe.data.loading import SeededSampler, WindowDataset
from nextframe.data.normalise import Normaliser
from nextframe.data.pools import pools_of
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import ConfigError
from nextframe.files import write_text
from nextframe.frames.cache import CACHE_BYTES, Cached, Kept
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source

KEPT = 8
"""An archive that is read is so many times larger than what is kept of it in memory."""
WARM_UP = 2
"""Training steps that are not measured."""
_NORMALISER = Normaliser(method="range", offset=(0.0,), scale=(255.0,))  # as dear as any map


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured."""

    frames: int = 20_000
    """Frames of the archives that are read."""
    gigabytes: tuple[float, ...] = (1.5, 6.0)
    """Sizes of the archives that are trained on, 10^9 bytes of decoded values; none where memory is not to be measured.
    """
    seconds: float = 8.0
    """How long each order of each archive is read."""
    steps: int = 5
    """Training steps measured."""
    size: int = 128
    """Height and width of a frame."""
    crop: int = 24
    """Height and width of the cuts that the default model trains on."""
    past: int = 7
    """Frames seen."""
    future: int = 8
    """Frames to forecast."""
    batch: int = 10
    """Windows of a batch."""
    batch_whole: int = 2
    """Windows of a batch of whole frames, which take many times the memory of cuts."""
    windows: int = 150
    """Windows trained on where memory is measured, evenly spread over the archive."""

    def __post_init__(self) -> None:
        window = self.past + self.future
        least = KEPT * window + self.batch
        if self.frames < least:
            raise ConfigError("are too few", where="frames", expected=f"at least {least}", received=self.frames)
        shortest = 20 * window * self.size**2 * 4 / 1e9
        if min(self.gigabytes, default=shortest) < shortest:
            raise ConfigError(
                "is too small", where="gigabytes", expected=f"at least {shortest:.2g}", received=self.gigabytes
            )
        if self.steps < 1 or self.seconds <= 0:
            raise ConfigError(
                "is too small", where="steps, seconds", expected="above 0", received=(self.steps, self.seconds)
            )


@dataclass(frozen=True, kw_only=True)
class Training:
    """How fast the default stacked model trains where reading takes no time."""

    pixels: str
    """Height and width of what it trains on: "24x24 pixels"."""
    batch: int
    """Windows of a batch."""
    seconds: float
    """Median seconds of a step."""

    @property
    def rate(self) -> float:
        """Windows a second."""
        return self.batch / self.seconds


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How fast an archive is read."""

    archive: str
    """Its kind."""
    frames: int
    """Frames in it."""
    disk: int
    """Bytes of its files."""
    opening: float
    """Seconds until its first batch could be read: headers, times, index."""
    shuffled: float
    """Windows a second in the order of a training."""
    in_order: float
    """Windows a second in order of time, as a validation reads them."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How much memory a training takes."""

    archive: str
    """The archive's kind."""
    gigabytes: float
    """Size of its decoded values."""
    peak: Peak
    """The most that the training had in use."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was measured."""

    setting: Setting
    """What was asked for."""
    training: tuple[Training, ...]
    """On cuts, and on whole frames."""
    reading: tuple[Reading, ...]
    """By kind of archive."""
    memory: tuple[Memory, ...]
    """By kind of archive, then by size; empty where the system does not tell."""


def measure(
    setting: Setting | None = None,
    *,
    archives: Sequence[Archive] = ARCHIVES,
    trained_on: Sequence[Archive] = TRAINED_ON,
    progress: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Measure reading, training and memory, on archives in a temporary folder that is removed at the end.

    Args:
        setting: what is measured; by default the settings that the documentation shows.
        archives: the kinds of archive that are read.
        trained_on: the kinds that are trained on in several sizes.
        progress: called with a line of text for each thing measured.

    Raises:
        ConfigError: a training that fails.
    """
    setting = Setting() if setting is None else setting
    training = []
    for crop, batch in ((setting.crop, setting.batch), (None, setting.batch_whole)):
        training.append(train_in_memory(setting, crop, batch, progress))
        progress(f"training on {training[-1].pixels}: {training[-1].rate:.3g} windows a second")
    reading = []
    for archive in archives:
        with tempfile.TemporaryDirectory(prefix="nextframe-reading-") as folder:
            frames = min(setting.frames, archive.most or setting.frames)
            progress(f"{archive.name}: writing {frames} frames")
            path = archive.write(Path(folder), frames, setting.size)
            progress(f"{archive.name}: reading")
            reading.append(read(archive, path, setting))
        found = reading[-1]
        progress(
            f"{archive.name}: {found.shuffled:.3g} windows a second shuffled, {found.in_order:.3g} in order of time"
        )
    memory = []
    if not measurable():
        progress("memory: left out, this system does not tell a process's own memory from that of mapped files")
        trained_on = ()
    for archive in trained_on:
        for gigabytes in setting.gigabytes:
            with tempfile.TemporaryDirectory(prefix="nextframe-reading-") as folder:
                progress(f"{archive.name}: writing {gigabytes:g} GB")
                frames = int(gigabytes * 1e9 / (4 * setting.size**2))
                path = archive.write(Path(folder), frames, setting.size)
                progress(f"{archive.name}: training on {gigabytes:g} GB")
                peak = train_on(path, frames, Path(folder) / "run", setting)
            memory.append(Memory(archive=archive.name, gigabytes=gigabytes, peak=peak))
            progress(f"{archive.name}: {gigabytes:g} GB take {peak.anonymous / 2**20:.0f} MiB")
    return Measured(setting=setting, training=tuple(training), reading=tuple(reading), memory=tuple(memory))


def train_in_memory(
    setting: Setting, crop: int | None, batch: int, progress: Callable[[str], None] = lambda _: None
) -> Training:
    """Time training steps on cuts of the frames, or on whole ones, in a process of their own.

    Raises:
        ConfigError: it fails, with the line that says why.
    """
    pixels = f"{crop or setting.size}x{crop or setting.size} pixels"
    progress(f"training on {pixels}")
    order = {
        "size": setting.size,
        "crop": crop,
        "past": setting.past,
        "future": setting.future,
        "batch": batch,
        "steps": setting.steps + WARM_UP,
    }
    command = [sys.executable, "-m", "lab.reading.training_worker", json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ConfigError("failed", where=f"training on {pixels}", received=gist(lines))
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return Training(pixels=pixels, batch=batch, seconds=statistics.median(seconds[WARM_UP:]))


def read(archive: Archive, path: Path, setting: Setting) -> Reading:
    """Time the reading of an archive, shuffled and in order of time, each as if it was opened for the first time."""
    with served(path) if archive.served else nullcontext(str(path)) as place:
        return _read(archive, path, place, setting)


def _read(archive: Archive, path: Path, place: str, setting: Setting) -> Reading:
    rates = {}
    for shuffled in (True, False):
        forget(path)
        started = time.perf_counter()
        source = open_source(place, **archive.options(path, setting.size))
        kept = [_keep_less(sequence) for sequence in source.sequences]
        spans = [Span(sequence, 0, len(sequence)) for sequence in kept]
        windows = cut_windows(spans, past=setting.past, future=setting.future)
        if shuffled:
            opening = time.perf_counter() - started
        pools = pools_of(windows, len(windows), batch=setting.batch) if shuffled else None
        data = WindowDataset(windows, _NORMALISER, pools=pools)
        order = SeededSampler(len(windows)) if shuffled else SequentialSampler(data)
        if isinstance(order, SeededSampler):
            order.pools = pools
        loader = DataLoader(data, batch_size=setting.batch, sampler=order, drop_last=True)
        rates[shuffled] = rate(loader, setting.seconds)
    return Reading(
        archive=archive.name,
        frames=sum(map(len, kept)),
        disk=sum(file.stat().st_size for file in files_of(path)),
        opening=opening,
        shuffled=rates[True],
        in_order=rates[False],
    )


def rate(loader: DataLoader[Any], seconds: float) -> float:
    """Windows a second that a loader hands out, from its second batch on, for so long or to its end."""
    batches = iter(loader)
    next(batches)
    count, started = 0, time.perf_counter()
    for batch in batches:
        count += len(batch["past"])
        if time.perf_counter() - started > seconds:
            break
    return count / (time.perf_counter() - started)


def train_on(data: Path | str, frames: int, run: Path, setting: Setting) -> Peak:
    """The memory of `nextframe train` on an archive: statistics, a few steps of a small model, validation.

    Raises:
        ConfigError: it fails, with the line that says why.
    """
    options: dict[str, object] = {
        "data": data,
        "out": run,
        "past": setting.past,
        "future": setting.future,
        "stride": max(1, frames // setting.windows),
        "train-crop": setting.crop,
        "batch-size": setting.batch,
        "filters": 8,
        "epochs": 1,
        "output": "linear",
        "loss": "mse",
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "nextframe", "train", "stacked", *given, "--no-progress"]
    return peak_of(command, what=f"training on {Path(data).name}")


def _keep_less(sequence: FrameSequence) -> FrameSequence:
    """The same frames, of which at most an eighth of the archive is kept, as of one that is larger than memory."""
    if not isinstance(sequence.values, Cached):
        return sequence
    size = int(np.prod(sequence.shape)) * sequence.values.dtype.itemsize
    return replace(sequence, values=Cached(sequence.values.reader, Kept(min(CACHE_BYTES, size // KEPT))))


Table = tuple[list[str], list[list[str]]]


def reading_table(measured: Measured) -> Table:
    """Titles and rows: windows a second by archive, and over those that training takes."""
    titles = ["archive", "opened in (s)", "shuffled", "in order of time"]
    titles += [f"over training, {t.pixels}" for t in measured.training]
    rows = [
        [
            found.archive,
            f"{found.opening:.2g}",
            _rate(found.shuffled),
            _rate(found.in_order),
            *(_rate(found.shuffled / t.rate) for t in measured.training),
        ]
        for found in measured.reading
    ]
    return titles, rows


def memory_table(measured: Measured) -> Table:
    """Titles and rows: the memory of a training by archive and size, the process's own and that of mapped files."""
    sizes = measured.setting.gigabytes
    titles = ["archive", *(f"{size:g} GB" for size in sizes), "last over first"]
    titles += [f"{size:g} GB, mapped files" for size in sizes]
    rows = []
    for archive in dict.fromkeys(found.archive for found in measured.memory):
        peaks = [found.peak for found in measured.memory if found.archive == archive]
        own = [f"{peak.anonymous / 2**20:.0f} MiB" for peak in peaks]
        mapped = [f"{peak.mapped / 2**20:.0f} MiB" for peak in peaks]
        rows.append([archive, *own, f"{peaks[-1].anonymous / peaks[0].anonymous:.2f}", *mapped])
    return titles, rows


def training_sentence(measured: Measured) -> str:
    """What training takes, in a sentence."""
    parts = [f"{t.rate:.3g} windows a second on {t.pixels}" for t in measured.training]
    return f"Training of the default stacked model takes {' and '.join(parts)}."


def _rate(value: float) -> str:
    """Three digits that matter, and no powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def to_markdown(measured: Measured) -> str:
    """The tables in Markdown, with what training takes between them."""
    parts = [_markdown(reading_table(measured)), training_sentence(measured)]
    if measured.memory:
        parts.append(_markdown(memory_table(measured)))
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    titles, rows = table
    marks = ["---"] + ["---:"] * (len(titles) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (titles, marks, *rows))


def save(measured: Measured, path: Path, command: str) -> None:
    """Write what was measured with command, machine, versions and date as JSON, whole or not at all."""
    content = {
        "task": "reading",
        **provenance(command),
        "setting": {**asdict(measured.setting), "kept": f"1/{KEPT}", "chunk": CHUNK},
        "training": [{**asdict(found), "windows_per_second": found.rate} for found in measured.training],
        "reading": [
            {
                **asdict(found),
                "over_training": {t.pixels: found.shuffled / t.rate for t in measured.training},
            }
            for found in measured.reading
        ],
        "memory": [asdict(found) for found in measured.memory],
        "markdown": to_markdown(measured),
    }
    write_text(path, json.dumps(content, indent=1) + "\n")
