"""Status of the native engine: built or not, turned on or off."""

from __future__ import annotations

import os
from types import ModuleType

import torch
from torch import Tensor

try:
    import nextframe.engine._native as _built
except ImportError as error:  # no compiler when the package was installed
    native: ModuleType | None = None
    _reason = f"it was not built ({error})"
else:
    native = _built
    _reason = ""

_SWITCH = "NEXTFRAME_ENGINE"
_enabled = os.environ.get(_SWITCH, "on").lower() not in ("off", "0", "no", "false")
if native is not None and (wanted := os.environ.get(f"{_SWITCH}_ISA")) in native.instruction_sets():
    native.choose(wanted)


def use(enabled: bool) -> bool:
    """Turn the engine on or off; returns whether it was on."""
    global _enabled
    before, _enabled = _enabled, enabled
    return before


def built() -> bool:
    """True where the native engine is there, turned on or not."""
    return native is not None


def usable(frames: Tensor, weight_h: Tensor) -> bool:
    """True where the engine can scan these frames: built, turned on, on a CPU, float32, square kernels of 3 or 5."""
    return (
        native is not None
        and _enabled
        and frames.device.type == "cpu"
        and frames.dtype == weight_h.dtype == torch.float32
        and tuple(weight_h.shape[2:]) in ((3, 3), (5, 5))
        and not torch.is_autocast_enabled("cpu")
    )


def instruction_sets() -> list[str]:
    """Instruction sets that there are kernels for on this processor, best first; empty without the engine."""
    return [] if native is None else list(native.instruction_sets())


def describe() -> str:
    """One sentence on which path runs and why."""
    if native is None:
        return f"ConvLSTM layers run on PyTorch operations: the native engine is not there, {_reason}."
    if not _enabled:
        return f"ConvLSTM layers run on PyTorch operations: the native engine is turned off ({_SWITCH}=off)."
    others = [name for name in native.instruction_sets() if name != native.chosen()]
    rest = f" (also built: {', '.join(others)})" if others else ""
    return (
        "ConvLSTM layers with 3x3 or 5x5 kernels in float32 on the CPU run on the native engine, "
        f"{native.chosen()} kernels{rest}; others run on PyTorch operations."
    )
