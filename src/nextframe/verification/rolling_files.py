"""Rolling verification on disk: statistics in one safetensors file, forecasts that wait in files beside it.

A process that is killed at any moment finds a whole state again: every file is written under another name first, and
what the statistics file does not name is removed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from nextframe.errors import CheckpointError, first_line
from nextframe.files import remove_leftovers, replacing, write_array
from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Additive, Settings
from nextframe.verification.rolling import KINDS, Covered, Issued, Parts, Rolling, Verified

STATISTICS = "statistics.safetensors"
VERSION = 1
_KINDS: tuple[type[Additive], ...] = (*KINDS, Verified, Covered)


class RollingFolder:
    """A rolling verification that lives in a folder of its own.

    Args:
        folder: made if need be.
        rolling: what is kept there; taken from the folder where it holds one of the same settings.

    Raises:
        CheckpointError: a damaged file.
    """

    def __init__(self, folder: str | Path, rolling: Rolling) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        self.rolling = _read(self.folder, rolling) or rolling
        self._sweep()

    def issue(
        self,
        init_time: np.datetime64,
        forecasts: dict[str, FloatArray],
        *,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        """`Rolling.issue`, the forecasts being kept in files and not in memory."""
        stem = str(init_time.astype("datetime64[ms]")).replace(":", "")
        kept = {name: self._kept(f"{stem}-{n}.npy", values) for n, (name, values) in enumerate(forecasts.items())}
        edges = None
        if bounds is not None:
            edges = (self._kept(f"{stem}-low.npy", bounds[0]), self._kept(f"{stem}-high.npy", bounds[1]))
        self.rolling.issue(init_time, kept, bounds=edges)
        self._write()

    def observe(self, time: np.datetime64, frame: FloatArray) -> int:
        """`Rolling.observe`, and its result on disk."""
        count = self.rolling.observe(time, frame)
        self._write()
        self._sweep()
        return count

    def _kept(self, name: str, values: FloatArray) -> FloatArray:
        path = self.folder / name
        with replacing(path) as temporary, temporary.open("wb") as file:
            write_array(file, np.asarray(values, np.float32))
        return _mapped(path)

    def _write(self) -> None:
        rolling = self.rolling
        times = sorted(rolling.bins)
        names = list(dict.fromkeys(name for parts in rolling.bins.values() for name in parts))
        tensors: dict[str, NDArray[Any]] = {"times": np.array(times, "datetime64[ns]").astype(np.int64)}
        for f, name in enumerate(names):
            for kind in _KINDS:
                there = [
                    (n, part)
                    for n, time in enumerate(times)
                    for part in rolling.bins[time].get(name, ())
                    if type(part) is kind
                ]
                if not there:
                    continue
                tensors[f"{f}.{kind.__name__}"] = np.array([n for n, _ in there], np.int64)
                for field in there[0][1].arrays():
                    tensors[f"{f}.{kind.__name__}.{field}"] = np.stack([part.arrays()[field] for _, part in there])
        state = {
            "version": VERSION,
            "names": names,
            "settings": _described(rolling),
            "now": None if rolling.now is None else str(rolling.now),
            "pending": [
                {
                    "init_time": str(issued.init_time),
                    "forecasts": {name: _file(values) for name, values in issued.forecasts.items()},
                    "bounds": None if issued.bounds is None else [_file(bound) for bound in issued.bounds],
                    "verified": sorted(issued.verified),
                }
                for issued in rolling.pending
            ],
        }
        content = safetensors.numpy.save(tensors, metadata={"rolling": json.dumps(state)})
        with replacing(self.folder / STATISTICS) as temporary:
            temporary.write_bytes(content)

    def _sweep(self) -> None:
        """Remove forecasts that nobody waits for."""
        waiting = {
            _file(values)
            for issued in self.rolling.pending
            for values in (*issued.forecasts.values(), *(issued.bounds or ()))
        }
        for path in self.folder.glob("*.npy"):
            if path.name not in waiting:
                path.unlink(missing_ok=True)


def _read(folder: Path, like: Rolling) -> Rolling | None:
    path = folder / STATISTICS
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="np") as file:
            state = json.loads((file.metadata() or {})["rolling"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if state["version"] != VERSION or state["settings"] != _described(like):
            return None  # scores of other thresholds or lead times cannot be added to these
        rolling = Rolling(lead_times=like.lead_times, time_step=like.time_step, settings=like.settings)
        times = tensors["times"].astype("datetime64[ns]")
        rolling.now = None if state["now"] is None else np.datetime64(state["now"], "ns")
        for f, name in enumerate(state["names"]):
            for kind in _KINDS:
                key = f"{f}.{kind.__name__}"
                for row, n in enumerate(tensors.get(key, ())):
                    sums = {k.rpartition(".")[2]: v[row] for k, v in tensors.items() if k.startswith(f"{key}.")}
                    part = kind(**sums, **_settings_of(kind, like.settings))
                    parts: Parts = rolling.bins.setdefault(times[n], {}).get(name, ())
                    rolling.bins[times[n]][name] = (*parts, part)
        for waiting in state["pending"]:
            names = [*waiting["forecasts"].values(), *(waiting["bounds"] or ())]
            if not all((folder / Path(name).name).is_file() for name in names):
                continue
            bounds = [_mapped(folder / Path(name).name) for name in waiting["bounds"] or ()]
            rolling.pending.append(
                Issued(
                    init_time=np.datetime64(waiting["init_time"], "ns"),
                    forecasts={n: _mapped(folder / Path(file).name) for n, file in waiting["forecasts"].items()},
                    bounds=(bounds[0], bounds[1]) if bounds else None,
                    verified=set(waiting["verified"]),
                )
            )
    except (OSError, ValueError, KeyError, TypeError, IndexError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            "cannot be read", where=path, received=first_line(error), hint="remove it: the verification begins anew"
        ) from error
    return rolling


def _described(rolling: Rolling) -> dict[str, Any]:
    return {
        "lead_times": rolling.lead_times,
        "time_step": int(rolling.time_step.astype(np.int64)),
        "thresholds": list(rolling.settings.thresholds),
        "scales": list(rolling.settings.scales),
        "data_range": rolling.settings.data_range,
    }


def _settings_of(kind: type[Additive], settings: Settings) -> dict[str, Any]:
    """Settings that sums of a kind carry."""
    names = kind.__dataclass_fields__
    return {name: getattr(settings, name) for name in ("thresholds", "scales", "data_range") if name in names}


def _mapped(path: Path) -> FloatArray:
    mapped: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _file(values: FloatArray) -> str:
    """Name of the file that an array maps."""
    assert isinstance(values, np.memmap)
    return Path(str(values.filename)).name
