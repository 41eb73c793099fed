"""Exported models as Forecasters: what a run is, from the files that it was exported to.

Axes: B batch, M member or quantile, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from nextframe.config import RunConfig
from nextframe.data.door import Door
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.exports.description import Description, read_description
from nextframe.exports.formats import format_of, require
from nextframe.exports.parts import Part, Runner, part_path
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.models.network import Network
from nextframe.runs.folder import build_network
from nextframe.runs.manifest import Manifest


class ExportedForecaster(ModelForecaster):
    """An exported model that takes and returns frames in source units, as its run does.

    Args:
        runner: the exported files.
        description: what they carry.
        path: the file, for messages.
        name: what tables and reports call it.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, ConfigError: a description that no export made.
    """

    def __init__(self, runner: Runner, description: Description, path: Path, *, name: str = "model") -> None:
        manifest = Manifest.from_dict(description["manifest"])
        static = description["static"]
        fields = None if static is None else np.zeros(static, np.float32)  # the fields themselves are in the graph
        super().__init__(_shape_of(manifest), manifest, name=name, static=fields)
        self.config = RunConfig.from_dict(description["config"])
        self.runner, self.path, self.members = runner, path, int(description["members"])
        shrinkages = description.get("shrinkage", [manifest.shrinkage])  # earlier files have that of the first member
        self.shrinkages = tuple(tuple(map(float, factors)) for factors in shrinkages)
        if len(self.shrinkages) not in (1, self.members):
            raise ValueError(f"it has factors for {len(self.shrinkages)} members of {self.members}")
        if description["calibration"] is not None:
            self.calibration = Calibration.from_dict(description["calibration"])

    @property
    def networks(self) -> tuple[Network, ...]:
        return ()

    def to(self, device: str | torch.device) -> Self:
        """The forecaster itself: exported files are computed where their library does.

        Raises:
            ConfigError: a device other than the CPU.
        """
        if torch.device(device).type != "cpu":
            raise ConfigError(
                "is computed on the CPU",
                where=self.path,
                received=device,
                hint="load the run that it was exported from",
            )
        return self

    def tiled(self, tile: int, overlap: int | None = None) -> Self:
        if self.door.static is not None:
            raise ConfigError(
                "holds its static fields, and forecasts their whole grid alone",
                where=self.path,
                hint="leave out {tile}",
            )
        return super().tiled(tile, overlap)

    @property
    def knows_uncertainty(self) -> bool:
        return self.members > 1 or super().knows_uncertainty

    def raw_distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The forecast, and the quantiles or members that it is made of."""
        if self.members == 1:
            return super().raw_distribution(past, lead_times)
        members = self.door.hold(self._quantiles(past, lead_times), past)
        return self.door.hold(self.point(members), past), members

    def point(self, members: FloatArray) -> FloatArray:
        return super().point(members) if self.members == 1 else np.asarray(members.mean(1), np.float32)

    def doors_of(self, count: int) -> Sequence[Door]:
        doors = [replace(self.door, shrinkage=factors) for factors in self.shrinkages]
        return [doors[n * len(doors) // count] for n in range(count)]  # all quantiles of a member after each other

    def stream(self) -> None:
        """None: a session reads the past again."""

    def _outputs(self, seen: FloatArray, door: Door, lead_times: int, beside: FloatArray | None = None) -> FloatArray:
        if door.edges == "last":  # later frames are not known to a step
            seen = np.where(np.isfinite(seen), seen, seen[:, -1:])
        batch, channels = len(seen), seen.shape[2]
        if channels == self.manifest.channels:
            return self.runner.continued(seen, lead_times)
        forecasts = self.runner.continued(_in_groups(seen, self.manifest.channels), lead_times)
        apart = np.moveaxis(forecasts.reshape(batch, -1, *forecasts.shape[1:]), 1, 3)  # (B, M, K, groups, C, H, W)
        return apart.reshape(*apart.shape[:3], -1, *apart.shape[-2:])[:, :, :, :channels]


def _in_groups(seen: FloatArray, size: int) -> FloatArray:
    """Frames (B, T, C, H, W) as movies (B groups, T, size, H, W) of as many channels as a graph has, for a network that
    forecasts each channel by itself; the last channel again where some are wanting.
    """
    wanting = -seen.shape[2] % size
    whole = np.concatenate([seen, np.repeat(seen[:, :, -1:], wanting, axis=2)], axis=2)
    groups = whole.reshape(*whole.shape[:2], -1, size, *whole.shape[3:])
    return np.moveaxis(groups, 2, 1).reshape(-1, whole.shape[1], *groups.shape[3:])


def _shape_of(manifest: Manifest) -> Network:
    """The network without weights, which tells its reach and its stride."""
    with torch.device("meta"):
        return build_network(manifest, None if manifest.own is None else nn.Identity())


def exported_files(path: Path) -> dict[str, Path]:
    """The files that a path names, by part: the path itself, or the two that stand for it.

    Raises:
        CheckpointError: no such file, or one of two that is missing.
    """
    for part in ("encoder", "decoder"):  # named itself
        if path.stem.endswith(f".{part}"):
            path = path.with_name(path.stem.removesuffix(f".{part}") + path.suffix)
    if path.is_file():
        return {"step": path}
    files = {part: part_path(path, part) for part in ("encoder", "decoder")}
    there = [file for file in files.values() if file.is_file()]
    if len(there) == 2:
        return files
    if there:
        missing = next(file for file in files.values() if not file.is_file())
        raise CheckpointError(
            "is one of two files, of which the other is not there",
            where=there[0],
            expected=missing,
            hint="export again",
        )
    raise CheckpointError("is not there", where=path)


def open_exported(path: str | Path, *, name: str = "model") -> ExportedForecaster:
    """A model from the files that it was exported to.

    Args:
        path: the file; of an encoder-decoder either of the two, or the path that was named at the export.
        name: what tables and reports call it.

    Raises:
        CheckpointError: files that are missing, damaged, or no export of nextframe.
        ConfigError: the library that runs them is not installed.
    """
    row = format_of(path)
    files = exported_files(Path(path))
    require(row)
    assert row.open is not None
    parts: dict[str, Part] = {part: row.open(file) for part, file in files.items()}
    last = list(files)[-1]
    description = read_description(parts[last].text, files[last])
    return forecaster_of(parts, description, files[last], name=name)


def forecaster_of(
    parts: dict[str, Part], description: dict[str, Any], path: Path, *, name: str = "model"
) -> ExportedForecaster:
    """A forecaster of parts that are open.

    Raises:
        CheckpointError: a description that does not fit the files.
    """
    try:
        if set(description["files"]) != set(parts):
            raise ValueError(f"it is for {', '.join(description['files'])}")
        return ExportedForecaster(Runner(parts, description["states"]), description, path, name=name)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise CheckpointError(
            "carries a damaged description", where=path, received=first_line(error), hint="export it again from its run"
        ) from error
