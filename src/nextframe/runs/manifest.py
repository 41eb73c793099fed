"""The manifest of a model: `model.json`, which says what the weights beside it are and how to use them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from nextframe.architectures import architecture
from nextframe.config import ModelConfig, RunConfig
from nextframe.data.covariates import Covariate
from nextframe.data.limits import Limits, derived_limits
from nextframe.data.normalise import Normaliser
from nextframe.data.simple import name_of
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.files import write_text
from nextframe.frames.footprint import Footprint
from nextframe.models.facts import Own
from nextframe.runs.checksum import hold_sealed, sealed

FORMAT = 3
MANIFEST = "model.json"

Description = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Facts that a weights file needs beside it to be used.

    Raises:
        ValueError: numbers that no model can have.
    """

    config: RunConfig
    """The configuration it was trained with."""
    normaliser: Normaliser
    """Normalisation of frames to the model's range, and of forecasts out of it."""
    threshold: float
    """Least value of an event in these data, in source units."""
    channels: int
    """Channels of the frames."""
    height: int
    """Height of the frames that it was trained on."""
    width: int
    """Width of the frames that it was trained on."""
    variables: tuple[str, ...]
    """Name of each channel."""
    units: tuple[str, ...]
    """Unit of each channel."""
    grid: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Coordinates of rows and columns, where static fields hold it to their place."""
    time_step: float | None = None
    """Seconds between two frames; None where the frames had no times."""
    limits: Limits | None = None
    """Limits of the values, by which forecasts are held; None for those that units and normalisation tell."""
    footprint: Footprint | None = None
    """Footprint of the frames, whose cut frames of the same grid inherit; None where it was not kept."""
    mask: bool = False
    """True where the network reads, after the other channels, which values of each channel are there."""
    covariates: tuple[Covariate, ...] = ()
    """Covariates that the network reads after the static fields, before the mask."""
    shrinkage: tuple[float, ...] = ()
    """Factor of each lead time, 0..1, of what the network adds to the simple forecast (`Door.shrinkage`)."""
    static_checksum: str = ""
    """Checksum of the static fields beside it; empty where there are none, or it was not kept."""
    weights_checksum: str = ""
    """Checksum of the weights beside it; empty where it was not kept."""
    own: Own | None = None
    """Facts of a network of the user's; None for those of the package."""
    epoch: int = 0
    """Epochs trained when these weights were taken."""

    def __post_init__(self) -> None:
        for name, least in (("channels", 1), ("height", 1), ("width", 1), ("epoch", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
                raise ValueError(f"{name} is {value!r}")
        if not isinstance(self.mask, bool):
            raise ValueError(f"mask is {self.mask!r}")
        if (self.own is not None) != architecture(self.config.model.model).own:
            raise ValueError(f"own is {self.own!r} of model {self.config.model.model!r}")
        for name in ("threshold", "time_step"):
            value = getattr(self, name)
            if (value is not None or name == "threshold") and not math.isfinite(value):
                raise ValueError(f"{name} is {value!r}")
        for name, length in (("variables", len(self.variables)), ("units", len(self.units))):
            if length != self.channels:
                raise ValueError(f"{name} has {length} names for {self.channels} channels")
        if self.normaliser.channels != self.channels and not self.normaliser.shared:
            raise ValueError(f"normaliser is for {self.normaliser.channels} of {self.channels} channels")
        if self.limits is not None and len(self.limits.low) != self.channels:
            raise ValueError(f"limits are of {len(self.limits.low)} of {self.channels} channels")
        if not all(0 <= factor <= 1 for factor in self.shrinkage):
            raise ValueError(f"shrinkage is {self.shrinkage!r}")
        if self.grid is not None and tuple(map(len, self.grid)) != (self.height, self.width):
            raise ValueError(f"grid is not of {self.height} x {self.width} pixels")

    @property
    def untrained(self) -> str | None:
        """Name of the model whose weights these are, or of the simple forecast that they make, where no trained ones
        were better; else None.
        """
        if self.epoch > 0:
            return None
        start = self.config.training.from_
        return start or (name_of(self.config.data.coordinates) if self.config.model.residual else None)

    @property
    def verdict(self) -> str:
        """Sentence on a run that did not improve on what it began as; empty for others."""
        before = self.untrained
        if before is None:
            return ""
        if self.config.training.from_ is not None:
            return f"no better than {before} on the validation part: the weights of that are kept"
        return (
            f"no better than {before} on the validation part: its untrained weights are kept, which forecast {before}"
        )

    @property
    def bounds(self) -> Limits:
        """Limits of the values: those that the manifest keeps, or what can be told without."""
        limits = self.limits
        if limits is None:
            limits = derived_limits(self.normaliser, self.units, chosen=self.config.data.normalisation == "auto")
        return limits.pooled if self.normaliser.shared else limits

    @property
    def tops(self) -> tuple[float | None, ...]:
        """Largest value of each channel whose values lie between 0 and it, as those of pictures and shares do; None
        for others. Limits of one channel hold for every channel.

        Of a network that reads values as they are and ends in a sigmoid it is 1, whatever the values piled up at.
        """
        if self.normaliser.method == "identity" and self.config.model.output == "sigmoid":
            return (1.0,) * len(self.bounds.low)
        return tuple(high if low == 0 else None for low, high in zip(self.bounds.low, self.bounds.high, strict=True))

    @property
    def further_channels(self) -> int:
        """Channels of the network's input beyond those of a frame: static fields, covariates, then the mask."""
        covariates = sum(row.channels for row in self.covariates)
        return len(self.config.data.static) + covariates + (self.channels if self.mask else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        made = ("config", "normaliser", "grid", "limits", "footprint", "own")
        plain = {name: value for name, value in asdict(self).items() if name not in made}
        return {
            **plain,
            **({} if self.own is None else {"own": self.own.to_dict()}),
            "footprint": None if self.footprint is None else self.footprint.to_dict(),
            "limits": None if self.limits is None else self.limits.to_dict(),
            "grid": None if self.grid is None else dict(zip("yx", self.grid, strict=True)),
            "config": self.config.to_dict(),
            "normaliser": self.normaliser.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Description) -> Self:
        """The inverse of `to_dict`.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, ConfigError: a mapping that `to_dict` did not make.
        """
        grid, limits, footprint = values["grid"], values["limits"], values["footprint"]
        return cls(
            config=RunConfig.from_dict(values["config"]),
            normaliser=Normaliser.from_dict(values["normaliser"]),
            threshold=values["threshold"],
            channels=values["channels"],
            height=values["height"],
            width=values["width"],
            variables=tuple(map(str, values["variables"])),
            units=tuple(map(str, values["units"])),
            grid=None if grid is None else (tuple(map(float, grid["y"])), tuple(map(float, grid["x"]))),
            time_step=values["time_step"],
            limits=None if limits is None else Limits.from_dict(limits),
            footprint=None if footprint is None else Footprint.from_dict(footprint),
            mask=values["mask"],
            covariates=tuple(map(Covariate.from_dict, values.get("covariates", ()))),
            shrinkage=tuple(map(float, values.get("shrinkage", ()))),
            static_checksum=str(values.get("static_checksum", "")),
            weights_checksum=str(values.get("weights_checksum", "")),
            own=Own.from_dict(values["own"]) if "own" in values else None,
            epoch=values["epoch"],
        )


def write_manifest(run: Path, manifest: Manifest, *, parameters: int) -> None:
    """Write `model.json`."""
    about = {"format": FORMAT, "nextframe": version("nextframe"), "parameters": parameters}
    write_text(run / MANIFEST, json.dumps(sealed({**about, **manifest.to_dict()}), indent=2) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read `model.json`, of this format or an earlier one.

    Raises:
        CheckpointError: a file that cannot be read, is damaged, or is of a later format.
    """
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            "cannot be read", where=path, received=first_line(error), hint="train the model again"
        ) from error
    form = description.get("format") if isinstance(description, dict) else None
    if isinstance(form, bool) or not isinstance(form, int) or not (form == FORMAT or form in _FROM):
        raise CheckpointError(
            "is of another version of nextframe" if isinstance(form, int) else "is no manifest",
            where=path,
            expected=f"format 1 to {FORMAT}",
            received=f"format {form}",
            hint="use the nextframe version that wrote it, or train the model again",
        )
    hold_sealed(path, description)
    try:
        for step in range(form, FORMAT):
            description = _FROM[step](description)
        return Manifest.from_dict(description)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, ConfigError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else first_line(error)
        raise CheckpointError("is damaged", where=path, received=what, hint="train the model again") from error


def _from_1(old: Description) -> Description:
    """Format 1 (version 0.1): coordinates were a pair, and early ones have neither these nor the time step. The stack's
    padding in time was let pass, unused, of other models.
    """
    grid, config = old.get("grid"), old["config"]
    network = config.get("model", {})
    if network.get("model") == "encoder-decoder":
        network = {**network, "temporal_padding": ModelConfig.temporal_padding}
        old = {**old, "config": {**config, "model": network}}
    return {"time_step": None, **old, "grid": None if grid is None else dict(zip("yx", grid, strict=True))}


def _from_2(old: Description) -> Description:
    """Format 2: limits and footprint were not kept, and no network read a mask."""
    return {"limits": None, "footprint": None, "mask": False, **old}


_FROM: Mapping[int, Callable[[Description], Description]] = {1: _from_1, 2: _from_2}
"""From each earlier format to the one after it."""
