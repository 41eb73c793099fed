"""Whether reading keeps up with training, and whether memory stays bounded however large the archive is.

    python benchmarks/reading.py [--frames 20000] [--gigabytes 1,4]

Writes archives of moving showers, 128 x 128 pixels, in every kind of file, larger than what is kept of them in memory,
and measures how many windows of 7 + 8 frames a second come from each, in the shuffled order of a training and in order
of time, next to how many a training of the default stacked model takes. Then it trains on archives of two sizes and
measures the largest memory of each training.
Results go to benchmarks/results/reading.json, and the tables to docs/data.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.utils.data import DataLoader, SequentialSampler

from nextframe.config import RunConfig
from nextframe.data.loading import SeededSampler, WindowDataset
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.files import write_text
from nextframe.frames.source import open_source
from nextframe.machine import describe_machine
from nextframe.models.build import build_model
from nextframe.training.losses import elementwise_loss
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config

RESULT = Path(__file__).parent / "results" / "reading.json"
PAGE = Path(__file__).parent.parent / "docs" / "data.md"
START, END = "<!-- reading: written by benchmarks/reading.py -->", "<!-- /reading -->"
SIZE, PAST, FUTURE, BATCH, CHUNK = 128, 7, 8, 10, 16
SECONDS = 8.0
"""How long each order of each archive is read."""

# A process of its own trains for a few steps, and reports the memory that is its own: pages of mapped files, which the
# system takes back when it needs them, do not count.
TRAINING = """
import sys, threading, time
from pathlib import Path
import nextframe
largest, done = 0, False
def watch():
    global largest
    while not done:
        text = Path("/proc/self/status").read_text()
        largest = max(largest, int(text.partition("RssAnon:")[2].split()[0]))
        time.sleep(0.05)
thread = threading.Thread(target=watch)
thread.start()
frames = int(sys.argv[3])
nextframe.fit(sys.argv[1], out=sys.argv[2], progress=False, epochs=1, stride=frames // 150, filters=(8,),
              output="linear", loss="mse", train_crop=24)
done = True
thread.join()
print(largest)
"""


def showers(frames: int, chunk: int = 512) -> Iterator[NDArray[np.float32]]:
    """Rain that moves over a torus, in pieces (T, H, W)."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(4 * SIZE, 4 * SIZE)), 6, mode="wrap")
    field = np.maximum(noise / noise.std() - 1, 0).astype(np.float32) * 5
    for start in range(0, frames, chunk):
        yield np.stack(
            [np.roll(field, (n, 2 * n), (0, 1))[:SIZE, :SIZE] for n in range(start, min(start + chunk, frames))]
        )


def datasets(frames: int, chunk: int = 512) -> Iterator[xr.Dataset]:
    start = 0
    for piece in showers(frames, chunk):
        times = np.datetime64("2020-01-01", "ns") + np.arange(start, start + len(piece)) * np.timedelta64(5, "m")
        rain = xr.DataArray(piece, dims=("time", "y", "x"), attrs={"units": "mm/h"})
        yield xr.Dataset({"rain": rain}, {"time": times, "y": np.arange(SIZE), "x": np.arange(SIZE)})
        start += len(piece)


def write_npy(folder: Path, frames: int) -> Path:
    path = folder / "showers.npy"
    whole = np.lib.format.open_memmap(path, "w+", np.float32, (frames, SIZE, SIZE))
    start = 0
    for piece in showers(frames):
        whole[start : start + len(piece)] = piece
        start += len(piece)
    whole.flush()
    return path


def write_netcdf(folder: Path, frames: int, *, compressed: bool = True) -> Path:
    """One file for each 512 steps, in chunks of 16 steps."""
    path = folder / ("compressed" if compressed else "plain")
    path.mkdir()
    how = {"zlib": True, "complevel": 4} if compressed else {}
    for n, dataset in enumerate(datasets(frames)):
        chunks = (min(CHUNK, dataset.sizes["time"]), SIZE, SIZE)
        dataset.to_netcdf(path / f"{n:05}.nc", engine="h5netcdf", encoding={"rain": {"chunksizes": chunks, **how}})
    return path


def write_steps(folder: Path, frames: int) -> Path:
    """One file for each step, of at most 3000."""
    path = folder / "steps"
    path.mkdir()
    for n, dataset in enumerate(datasets(min(frames, 3000), chunk=1)):  # writing them takes longest
        dataset.to_netcdf(path / f"{n:06}.nc", engine="h5netcdf", encoding={"rain": {"zlib": True}})
    return path


def write_zarr(folder: Path, frames: int) -> Path:
    path = folder / "showers.zarr"
    for n, dataset in enumerate(datasets(frames)):
        if n == 0:
            dataset.to_zarr(path, mode="w", consolidated=False, encoding={"rain": {"chunks": (CHUNK, SIZE, SIZE)}})
        else:
            dataset.to_zarr(path, append_dim="time", consolidated=False)
    return path


def write_mp4(folder: Path, frames: int) -> Path:
    path = folder / "showers.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height = stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for piece in showers(frames):
            for frame in np.clip(piece * 20, 0, 255).astype(np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


ARCHIVES: dict[str, Callable[[Path, int], Path]] = {
    "NPY": write_npy,
    "NetCDF, 512 steps a file, compressed": write_netcdf,
    "NetCDF, one step a file, compressed": write_steps,
    "Zarr, compressed": write_zarr,
    "MP4, read as grey": write_mp4,
}


def reading(path: Path, *, shuffled: bool) -> float:
    """Windows a second, from a source that was just opened."""
    source = open_source(path, grey=path.suffix == ".mp4")
    normaliser = Normaliser(method="range", offset=(0.0,), scale=(255.0,))
    windows = cut_windows([Span(s, 0, len(s)) for s in source.sequences], past=PAST, future=FUTURE)
    data = WindowDataset(windows, normaliser)
    order = SeededSampler(len(windows)) if shuffled else SequentialSampler(data)
    batches = iter(DataLoader(data, batch_size=BATCH, sampler=order, drop_last=True))
    next(batches)
    count, started = 0, time.perf_counter()
    for batch in batches:
        count += len(batch["past"])
        if time.perf_counter() - started > SECONDS:
            break
    return count / (time.perf_counter() - started)


def training(crop: int) -> float:
    """Windows a second that a training of the default stacked model takes, reading left aside."""
    config: RunConfig = preset_config("stacked").replace({"output": "linear", "loss": "mse"})
    model = build_model(config.model, 1)
    optimizer = make_optimizer(model, config.training)
    movie = torch.rand(BATCH, PAST + FUTURE, 1, crop, crop)
    taken = []
    for _ in range(6):
        started = time.perf_counter()
        logits, _ = model.logits(movie[:, :-1])
        optimizer.zero_grad()
        elementwise_loss(logits, movie[:, 1:], "mse", "linear").mean().backward()
        optimizer.step()
        taken.append(time.perf_counter() - started)
    return BATCH / float(np.median(taken[2:]))


def memory(path: Path, frames: int, folder: Path) -> float:
    """Largest memory of a training on an archive, in MiB."""
    order = [sys.executable, "-c", TRAINING, str(path), str(folder / f"run-{path.name}-{frames}"), str(frames)]
    found = subprocess.run(order, check=True, capture_output=True, text=True)
    return int(found.stdout.split()[-1]) / 1024


def tables(content: dict[str, Any]) -> str:
    trained = content["training"]
    lines = ["| archive | shuffled | in order of time | over training, 24 x 24 cuts | over training, whole frames |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name, found in content["reading"].items():
        over = [f"{found['shuffled'] / trained[crop]:.1f}" for crop in ("24", str(SIZE))]
        lines.append(f"| {name} | {found['shuffled']:.0f} | {found['in order']:.0f} | {over[0]} | {over[1]} |")
    lines += ["", "| archive | " + " | ".join(f"{size:g} GB" for size in content["gigabytes"]) + " |"]
    lines.append("|---" + "|---:" * len(content["gigabytes"]) + "|")
    for name, sizes in content["memory"].items():
        lines.append(f"| {name} | " + " | ".join(f"{value:.0f} MiB" for value in sizes) + " |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--frames", type=int, default=20000, help="frames of the archives that are read")
    options.add_argument("--gigabytes", default="1,4", help="sizes of the archives that are trained on")
    given = options.parse_args()
    gigabytes = [float(size) for size in given.gigabytes.split(",")]
    content: dict[str, Any] = {"reading": {}, "memory": {}, "gigabytes": gigabytes, "frames": given.frames}
    content["training"] = {str(crop): round(training(crop), 2) for crop in (24, SIZE)}
    print(f"training takes {content['training']} windows a second", flush=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, write in ARCHIVES.items():
            path = write(folder, given.frames)
            found = {order: reading(path, shuffled=order == "shuffled") for order in ("shuffled", "in order")}
            content["reading"][name] = {order: round(value, 1) for order, value in found.items()}
            print(f"{name}: {content['reading'][name]} windows a second", flush=True)
    for name, write in (("NPY", write_npy), ("NetCDF", lambda f, n: write_netcdf(f, n, compressed=False))):
        content["memory"][name] = []
        for size in gigabytes:
            with tempfile.TemporaryDirectory() as made:
                frames = int(size * 1e9 / (4 * SIZE * SIZE))
                path = write(Path(made), frames)
                content["memory"][name].append(round(memory(path, frames, Path(made))))
            print(f"{name}, {size:g} GB: {content['memory'][name][-1]} MiB", flush=True)
    content |= {
        "command": f"python benchmarks/reading.py --frames {given.frames} --gigabytes {given.gigabytes}",
        "machine": describe_machine(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    note = f"{content['machine']}, {content['date']}: `{content['command']}`."
    write_text(PAGE, f"{before}{START}\n\n{tables(content)}\n\n{note}\n\n{END}{after}")


if __name__ == "__main__":
    main()
