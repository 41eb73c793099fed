"""Scores of members on arrays or DataArrays, the same that a verification has.

The forecast has an axis of members more than the observation; arrays and `keep` are else as in
`nextframe.verification.value_scores`.

    from nextframe.verification import crps
    crps(members, observation, keep="lead_time")
"""

from __future__ import annotations

from typing import Any

from nextframe.verification.fields import Axis, Keep, score
from nextframe.verification.metrics import FAIR_CRPS, METRICS

_ROWS = {row.name: row for row in METRICS}


def crps(forecast: Any, observation: Any, *, member: Axis | None = None, fair: bool = False, keep: Keep = ()) -> Any:
    """Continuous ranked probability score.

    mean over members |f - o| - half the mean over all pairs of members |f - f'|, each with itself among them: that
    of the members' empirical distribution (Hersbach 2000, doi 10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2); of
    a single forecast its absolute error.

    That is the CRPS of the members' empirical distribution, equal to `crps_for_ensemble` with method `ecdf` of the
    package scores, and what verifications have. With `fair`, the pairs do not count a member with itself, and the
    score does not fall with the number of members alone: mean over members |f - o| - half the mean over all pairs
    of two members |f - f'|: what members that are drawn from a distribution have as that has on average, however
    many they are (Ferro 2014, doi 10.1002/qj.2270). pysteps' `CRPS` of several members differs from both.

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        fair: whether to estimate what a forecast of ever more members has, and not to score these members; see below.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> members = [[[0.0, 1.0]], [[2.0, 1.0]]]
    >>> crps(members, [[1.0, 1.0]]), crps(members, [[1.0, 1.0]], fair=True)
    (0.25, 0.0)
    """
    return score(FAIR_CRPS if fair else _ROWS["crps"], forecast, observation, member=member, keep=keep)


def brier(forecast: Any, observation: Any, *, threshold: float, member: Axis | None = None, keep: Keep = ()) -> Any:
    """Brier score.

    sum((p - e)^2) / n, with p the share of members that say the event, and e 1 where it came (Brier 1950).

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        threshold: what counts as an event: a value of at least so much.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> members = [[[0.0, 3.0]], [[2.0, 3.0]]]
    >>> brier(members, [[0.0, 4.0]], threshold=1.0)
    0.125
    """
    return score(_ROWS["brier"], forecast, observation, threshold=threshold, member=member, keep=keep)


def spread(forecast: Any, observation: Any, *, member: Axis | None = None, keep: Keep = ()) -> Any:
    """Spread-skill ratio.

    sqrt((m + 1) / m mean variance of the m members) / RMSE of their mean; below 1 the members differ too little
    (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1). For draws: quantiles as members, which calibration and models
    of quantiles have, leave the tails out and stay below 1.

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> members, truth = draw.normal(size=(10, 64, 64)), draw.normal(size=(64, 64))
    >>> round(spread(members, truth), 1)
    1.0
    """
    return score(_ROWS["spread"], forecast, observation, member=member, keep=keep)


def coverage(forecast: Any, observation: Any, *, member: Axis | None = None, keep: Keep = ()) -> Any:
    """Coverage of the central 90 % interval of the members.

    share of o within the 5 % and 95 % quantiles of the members. Source: Gneiting et al. 2007, doi
    10.1111/j.1467-9868.2007.00587.x.

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> members, truth = draw.normal(size=(39, 64, 64)), draw.normal(size=(64, 64))
    >>> round(coverage(members, truth), 1)
    0.9
    """
    return score(_ROWS["coverage"], forecast, observation, member=member, keep=keep)


def area_crps(forecast: Any, observation: Any, *, side: int, member: Axis | None = None, keep: Keep = ()) -> Any:
    """Continuous ranked probability score of means over squares.

    The CRPS of means over squares of so many pixels a side, which counts whether neighbouring pixels of a member belong
    together. Source: Hersbach 2000, doi 10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2.

    The squares lie side by side from the first pixel on; one counts where no more than half of it is missing.

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        side: side of the squares in pixels.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given; NaN where frames are smaller than the
        squares.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> together = np.array([[[0.0, 0], [0, 0]], [[2, 2], [2, 2]]])
    >>> apart = np.array([[[0.0, 2], [2, 0]], [[2, 0], [0, 2]]])
    >>> truth = np.ones((2, 2))
    >>> [area_crps(members, truth, side=1) for members in (together, apart)]  # pixel by pixel they are alike
    [0.5, 0.5]
    >>> [area_crps(members, truth, side=2) for members in (together, apart)]
    [0.5, 0.0]
    """
    return score(_ROWS["area_crps"], forecast, observation, scale=side, member=member, keep=keep)


def area_coverage(forecast: Any, observation: Any, *, side: int, member: Axis | None = None, keep: Keep = ()) -> Any:
    """Coverage of the central 90 % interval of the members' means over squares.

    share of the means of o over squares of so many pixels a side within the 5 % and 95 % quantiles of those of the
    members. Source: Gneiting et al. 2007, doi 10.1111/j.1467-9868.2007.00587.x.

    The squares lie side by side from the first pixel on; one counts where no more than half of it is missing.

    Args:
        forecast: members (M, ..., H, W), an array or a DataArray with an axis of members, NaN where missing.
        observation: the same shape without them; of DataArrays the same coordinates.
        side: side of the squares in pixels.
        member: axis of the members; by default the first, or the one named `member`, `realization`, `number`, ...
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given; NaN where frames are smaller than the
        squares.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> members, truth = draw.normal(size=(39, 128, 128)), draw.normal(size=(128, 128))
    >>> round(area_coverage(members, truth, side=2), 1)
    0.9
    """
    return score(_ROWS["area_coverage"], forecast, observation, scale=side, member=member, keep=keep)
