"""Scores of events on two arrays or DataArrays, the same that a verification has.

An event is a value of at least a threshold. Arrays and `keep` are as in `nextframe.verification.value_scores`. What is
not defined, such as the CSI where there was neither an event nor the forecast of one, is NaN.

    from nextframe.verification import csi
    csi(forecast, observation, threshold=1.0, keep="lead_time")
"""

from __future__ import annotations

from typing import Any

from nextframe.verification.fields import Keep, score
from nextframe.verification.metrics import METRICS

_ROWS = {row.name: row for row in METRICS}


def csi(forecast: Any, observation: Any, *, threshold: float, keep: Keep = ()) -> Any:
    """Critical success index, also called threat score.

    hits / (hits + misses + false alarms). Source: Schaefer 1990, doi
    10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> csi([[0.0, 2.0, 3.0]], [[0.0, 2.0, 0.0]], threshold=1.0)
    0.5
    """
    return score(_ROWS["csi"], forecast, observation, threshold=threshold, keep=keep)


def pod(forecast: Any, observation: Any, *, threshold: float, keep: Keep = ()) -> Any:
    """Probability of detection, also called hit rate.

    hits / (hits + misses). Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> pod([[0.0, 2.0, 3.0]], [[4.0, 2.0, 0.0]], threshold=1.0)
    0.5
    """
    return score(_ROWS["pod"], forecast, observation, threshold=threshold, keep=keep)


def far(forecast: Any, observation: Any, *, threshold: float, keep: Keep = ()) -> Any:
    """False alarm ratio.

    false alarms / (hits + false alarms). Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences,
    chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> far([[0.0, 2.0, 3.0]], [[0.0, 2.0, 0.0]], threshold=1.0)
    0.5
    """
    return score(_ROWS["far"], forecast, observation, threshold=threshold, keep=keep)


def hss(forecast: Any, observation: Any, *, threshold: float, keep: Keep = ()) -> Any:
    """Heidke skill score.

    2 (hits negatives - misses false alarms) / ((hits + misses) (misses + negatives) + (hits + false alarms) (false
    alarms + negatives)), where negatives were neither forecast nor came. Source: Heidke 1926, doi
    10.1080/20014422.1926.11881138.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> hss([[0.0, 2.0, 3.0, 0.0]], [[0.0, 2.0, 0.0, 0.0]], threshold=1.0)
    0.5
    """
    return score(_ROWS["hss"], forecast, observation, threshold=threshold, keep=keep)


def fss(forecast: Any, observation: Any, *, threshold: float, scale: int, keep: Keep = ()) -> Any:
    """Fractions skill score.

    1 - sum((pf - po)^2) / (sum(pf^2) + sum(po^2)), with pf and po the shares of events in a square neighbourhood of
    so many pixels a side (Roberts and Lean 2008, doi 10.1175/2007MWR2123.1).

    A value that is missing is no event; pixels beyond the edge are none.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        scale: side of the neighbourhoods in pixels.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> forecast, observation = np.zeros((2, 9, 9))
    >>> forecast[4, 3] = observation[4, 5] = 1.0
    >>> fss(forecast, observation, threshold=0.5, scale=1), round(fss(forecast, observation, threshold=0.5, scale=5), 2)
    (0.0, 0.6)
    """
    return score(_ROWS["fss"], forecast, observation, threshold=threshold, scale=scale, keep=keep)
