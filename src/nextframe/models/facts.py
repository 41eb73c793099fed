"""Facts of a network of the user's that stand beside its weights; without torch, as manifests are read without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Own:
    """Facts of a module that a run folder keeps beside its weights.

    Raises:
        ValueError: numbers that no module has.
    """

    frames: int
    """Frames K of a block; 0 for a network of steps."""
    stride: int = 1
    """Pixels of which heights and widths are multiples."""
    arguments: Mapping[str, Any] | None = None
    """Keyword arguments that build it again; None where its class cannot be imported or built."""

    def __post_init__(self) -> None:
        for name, least in (("frames", 0), ("stride", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
                raise ValueError(f"{name} is {value!r}")
        if not isinstance(self.arguments, Mapping | None):
            raise ValueError(f"arguments is {self.arguments!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(frames=values["frames"], stride=values["stride"], arguments=values["arguments"])
