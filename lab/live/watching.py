"""A process that follows a folder, files that arrive there whole, and the products that are waited for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

PATIENCE = 180.0
"""Seconds within which a product has to come."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass
class Watching:
    """`nextframe watch` in a folder of its own, which has `incoming` and `products`.

    Args:
        folder: the folder; paths in products are told from there, so that those of two folders can be compared.
        run: the model.
        pattern: names of the files that are followed.
        formats: suffixes of the products, in the order in which they are written.
        lead_times: number of frames to forecast.
    """

    folder: Path
    run: str
    pattern: str = "*.h5"
    formats: Sequence[str] = ("nc", "tif")
    lead_times: int = 6
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.incoming, self.products = self.folder / "incoming", self.folder / "products"
        self.incoming.mkdir(parents=True)

    def begin(self) -> None:
        """Begin to follow."""
        command = [sys.executable, "-m", "nextframe", "watch", self.run, "--input", f"incoming/{self.pattern}"]
        command += ["--out", "products", "--format", ",".join(self.formats), "--lead-times", str(self.lead_times)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """End it as a system does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def arrives(self, file: Path, name: str | None = None) -> None:
        """Put a whole copy of a file into the folder: written under another name first, and renamed."""
        target = self.incoming / (name or file.name)
        half = target.with_name(f"{target.name}.part")
        shutil.copyfile(file, half)
        before = time.time() - 60  # a file that was renamed in keeps the time of its last change
        os.utime(half, (before, before))
        half.rename(target)

    def product(self, time_: np.datetime64) -> Path:
        """The file of an initial time's product that is written last."""
        stem = str(time_.astype("datetime64[s]")).replace("-", "").replace(":", "")
        return self.products / f"{stem}Z.{self.formats[-1]}"

    def wait_for(self, path: Path) -> float:
        """Wait until a product is there; return the time at which it was seen (`time.perf_counter`).

        Raises:
            SystemExit: the process has ended, or the product does not come.
        """
        deadline = time.perf_counter() + PATIENCE
        while not path.exists():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.perf_counter() > deadline:
                raise SystemExit(f"{path} has not come:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.003)
        return time.perf_counter()

    def wait_for_grades(self, time_: np.datetime64) -> None:
        """Wait until the scores of the frame of a time are written, and the process is done with it."""
        said, state = str(time_.astype("datetime64[ns]")), self.products / ".nextframe" / "state.json"
        deadline = time.monotonic() + PATIENCE
        while said not in (state.read_text(encoding="utf-8") if state.exists() else ""):
            if time.monotonic() > deadline:
                raise SystemExit(f"the frame of {said} is not done with")
            time.sleep(0.02)

    def settle(self, quiet: float = 5.0) -> None:
        """Wait until nothing has been made for some seconds."""
        state, before, since = self.products / ".nextframe" / "state.json", -1, time.monotonic()
        while time.monotonic() - since < quiet:
            now = state.stat().st_mtime_ns if state.exists() else 0
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.1)


def composites(radar: Path) -> list[Path]:
    """KNMI composites of a folder, in order of time."""
    return sorted(path for path in radar.iterdir() if path.suffix == ".h5")


def time_of(file: Path) -> np.datetime64:
    """Valid time of a KNMI composite: the end of its accumulation."""
    with h5py.File(file) as composite:
        return _read(composite["overview"].attrs["product_datetime_end"])


def later(file: Path, by: np.timedelta64, folder: Path) -> Path:
    """A copy of a KNMI composite that says that it is of a later time."""
    with h5py.File(file) as composite:
        end = _read(composite["overview"].attrs["product_datetime_end"]) + by
    copy = folder / f"RAD_NL25_RAP_5min_{str(end.astype('datetime64[m]')).translate({45: '', 58: '', 84: ''})}.h5"
    shutil.copyfile(file, copy)
    copy.chmod(0o644)
    with h5py.File(copy, "r+") as composite:
        overview = composite["overview"].attrs
        for name in ("product_datetime_start", "product_datetime_end"):
            overview[name] = np.bytes_(_written(_read(overview[name]) + by))
    return copy


def _read(attribute: Any) -> np.datetime64:
    said = np.ravel(attribute)[0]  # some writers store an array of one
    text = said.decode() if isinstance(said, bytes) else str(said)
    day, month, rest = text.strip("\0 ").split("-")
    year, clock = rest.split(";")
    return np.datetime64(f"{year}-{_MONTHS.index(month.upper()) + 1:02}-{day}T{clock}", "ms")


def _written(time_: np.datetime64) -> str:
    date, clock = str(time_.astype("datetime64[ms]")).split("T")
    year, month, day = date.split("-")
    return f"{day}-{_MONTHS[int(month) - 1]}-{year};{clock}"


def resident(pid: int) -> int:
    """Memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
