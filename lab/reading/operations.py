"""Archives in the formats of weather services: GRIB, RADOLAN, GeoTIFF, coloured pictures; and a server for stores.

Axes: T time, H height, W width.
"""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from nextframe.frames.sequence import FloatArray
from nextframe.plugins import pyproj_first

_START = datetime(2020, 1, 1)
_STEP = timedelta(minutes=5)
_NATIONAL = 900
"""Pixels along each side of a composite of RADOLAN, which the frames are cut from."""
_CLASSES = 15
"""Colours of a picture."""
Showers = Callable[[int, int], Iterator[FloatArray]]


def write_grib(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """One file of GRIB 2 messages, packed in 16 bits."""
    path = folder / "showers.grib2"
    with path.open("wb") as file:
        for message in _messages(frames, size, showers):
            file.write(message)
    return path


def write_zipped_grib(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """A zipped file of one such message a step."""
    path = folder / "grib"
    path.mkdir()
    for n, message in enumerate(_messages(frames, size, showers)):
        (path / f"{n:06}.grib2.gz").write_bytes(gzip.compress(message, 6))
    return path


def _messages(frames: int, size: int, showers: Showers) -> Iterator[bytes]:
    pyproj_first()
    import eccodes

    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    said = {"Ni": size, "Nj": size, "bitsPerValue": 16, "shortName": "prate"}
    for key, value in said.items():
        eccodes.codes_set(handle, key, value)
    for time_of, frame in _steps(frames, size, showers):
        eccodes.codes_set(handle, "dataDate", int(f"{time_of:%Y%m%d}"))
        eccodes.codes_set(handle, "dataTime", int(f"{time_of:%H%M}"))
        eccodes.codes_set_values(handle, frame.astype(np.float64).ravel())
        yield eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)


def write_radolan(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """A zipped file of 900 x 900 pixels a step, as DWD has them."""
    path = folder / "radolan"
    path.mkdir()
    whole = np.zeros((_NATIONAL, _NATIONAL), "<u2")
    tail = f"VS 3SW   2.21.0PR E-02INT   5GP{_NATIONAL:4d}x{_NATIONAL:4d}MS  5<boo>\x03"
    for time_of, frame in _steps(frames, size, showers):
        for top in range(0, _NATIONAL, size):
            for left in range(0, _NATIONAL, size):
                part = whole[top : top + size, left : left + size]
                part[:] = (frame[: part.shape[0], : part.shape[1]] / 12 * 100).clip(0, 4000)
        head = f"RY{time_of:%d%H%M}10000{time_of:%m%y}BY"
        text = f"{head}{len(head) + 7 + len(tail) + whole.nbytes:7d}{tail}"
        name = f"raa01-ry_10000-{time_of:%y%m%d%H%M}-dwd---bin.gz"
        (path / name).write_bytes(gzip.compress(text.encode() + whole.tobytes(), 6))
    return path


def write_geotiff(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """A compressed GeoTIFF a step, whose tags hold its time."""
    pyproj_first()
    import rasterio

    path = folder / "geotiff"
    path.mkdir()
    profile = {"driver": "GTiff", "count": 1, "height": size, "width": size, "dtype": "float32", "compress": "deflate"}
    place = {"crs": "EPSG:3035", "transform": rasterio.Affine(1000, 0, 4_000_000, 0, -1000, 3_000_000)}
    for n, (time_of, frame) in enumerate(_steps(frames, size, showers)):
        with rasterio.open(path / f"{n:06}.tif", "w", **profile, **place) as file:
            file.write(frame, 1)
            file.update_tags(valid_time=time_of.isoformat())
    return path


def write_pictures(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """A coloured PNG a step, and the palette beside them."""
    from PIL import Image

    path = folder / "pictures"
    path.mkdir()
    colours = np.random.default_rng(0).permutation(256)[: 3 * _CLASSES].reshape(_CLASSES, 3).astype(np.uint8)
    rows = (f"{','.join(map(str, colour))},{n}" for n, colour in enumerate(colours.tolist()))
    palette_of(path).write_text("\n".join(("# units: mm/h", *rows)) + "\n", encoding="utf-8")
    for n, (_, frame) in enumerate(_steps(frames, size, showers)):
        Image.fromarray(colours[frame.clip(0, _CLASSES - 1).astype(int)]).save(path / f"{n:06}.png")
    return path


def write_webp(folder: Path, frames: int, size: int, showers: Showers) -> Path:
    """A grey WebP a step, without loss."""
    from PIL import Image

    path = folder / "webp"
    path.mkdir()
    for n, (_, frame) in enumerate(_steps(frames, size, showers)):
        Image.fromarray((frame * 20).clip(0, 255).astype(np.uint8)).save(path / f"{n:06}.webp", lossless=True)
    return path


def palette_of(path: Path) -> Path:
    """The palette of a folder of pictures."""
    return path.with_suffix(".csv")


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The address of a store while a server of its folder, a process of its own on the loopback address, is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--protocol", "HTTP/1.1"]
    process = subprocess.Popen(command, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/{path.name}"
    finally:
        process.terminate()
        process.wait()


def _steps(frames: int, size: int, showers: Showers) -> Iterator[tuple[datetime, FloatArray]]:
    """Times and frames (H, W)."""
    n = 0
    for piece in showers(frames, size):
        for frame in piece:
            yield _START + n * _STEP, frame
            n += 1
