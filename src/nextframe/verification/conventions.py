"""Scores in the conventions of published tables: one name means different numbers in different papers.

Every convention has a name, which belongs beside its numbers. All are of values brought to 0..1 (bytes divided by 255).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

CONVENTIONS: dict[str, str] = {
    "per-pixel": "MSE and MAE averaged over pixels, lead times and sequences",
    "openstl": "MSE and MAE summed over a frame's pixels, averaged over lead times and sequences, as OpenSTL has them "
    "(Tan et al. 2023, arXiv 2306.11249)",
    "shi-nats": "binary cross-entropy summed over the pixels of all lead times, averaged over sequences, as Shi et al. "
    "2015 have it (arXiv 1506.04214: 3670.85 nats with 10 frames of Moving MNIST forecast from 10)",
}
"""What each convention means."""


def conventional_scores(
    metrics: Mapping[str, Sequence[float]], frame_shape: Sequence[int], data_range: float
) -> dict[str, dict[str, float]]:
    """A forecaster's scores by convention, one number for all lead times.

    Args:
        metrics: metric -> a value for each lead time, all lead times verified on as many values.
        frame_shape: (C, H, W).
        data_range: 1 for values in 0..1, 255 for bytes.

    Returns:
        Convention -> metric -> value; nothing for data of another range, which no convention is made for.
    """
    if data_range not in (1.0, 255.0):
        return {}
    pixels = math.prod(frame_shape)
    errors = {"mse": _mean(metrics["mse"]) / data_range**2, "mae": _mean(metrics["mae"]) / data_range}
    found = {"per-pixel": errors, "openstl": {name: value * pixels for name, value in errors.items()}}
    if "bce" in metrics:
        found["shi-nats"] = {"bce": sum(metrics["bce"]) * pixels}
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
