"""Skill of forecasts: additive statistics, scores, files graded; no torch.

Scores of two arrays are here by name, and imported when they are first asked for:

    >>> import nextframe.verification
    >>> nextframe.verification.csi([[0.0, 2.0, 3.0]], [[0.0, 2.0, 0.0]], threshold=1.0)
    0.5
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextframe.verification.event_scores import csi, far, fss, hss, pod
    from nextframe.verification.member_scores import area_coverage, area_crps, brier, coverage, crps, spread
    from nextframe.verification.metrics import Metric
    from nextframe.verification.value_scores import bce, bias, correlation, mae, mse, power, psnr, rmse, ssim

_HOMES = {
    "metrics": ("Metric",),
    "value_scores": ("bce", "bias", "correlation", "mae", "mse", "power", "psnr", "rmse", "ssim"),
    "event_scores": ("csi", "far", "fss", "hss", "pod"),
    "member_scores": ("area_coverage", "area_crps", "brier", "coverage", "crps", "spread"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Metric",
    "area_coverage",
    "area_crps",
    "bce",
    "bias",
    "brier",
    "correlation",
    "coverage",
    "crps",
    "csi",
    "far",
    "fss",
    "hss",
    "mae",
    "mse",
    "pod",
    "power",
    "psnr",
    "rmse",
    "spread",
    "ssim",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'nextframe.verification' has no attribute {name!r}")
    value: object = getattr(import_module(f"nextframe.verification.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
