"""Median and 99th percentile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median and p99, to some significant digits."""
    median, last = np.quantile(values, (0.5, 0.99))
    return {"median": float(f"{median:.{digits}g}"), "p99": float(f"{last:.{digits}g}"), "count": len(values)}
