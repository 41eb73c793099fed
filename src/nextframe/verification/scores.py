"""Scores of two arrays or DataArrays, the same that a verification has.

Forecast and observation are arrays (..., H, W) in the same units, of NumPy or of xarray, NaN where a value is missing:
what either lacks counts nowhere. All values are pooled, which no average of single scores is; `keep` gives a score for
each entry of a leading axis, such as the lead time. Scores of members take an axis of members more. What is not
defined, such as the CSI where there was neither an event nor the forecast of one, is NaN.

    from nextframe.verification import csi
    csi(forecast, observation, threshold=1.0, keep="lead_time")
"""

from __future__ import annotations

from typing import Any

from nextframe.verification.fields import Axis, Keep, score
from nextframe.verification.metrics import FAIR_CRPS, METRICS

_ROWS = {row.name: row for row in METRICS}


def mse(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Mean squared error.

    sum((f - o)^2) / n. Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> mse([[0.0, 2.0]], [[1.0, 0.0]])
    2.5
    """
    return score(_ROWS["mse"], forecast, observation, keep=keep)


def rmse(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Root mean squared error.

    sqrt(sum((f - o)^2) / n). Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> rmse([[0.0, 2.0]], [[0.0, 0.0]]) ** 2
    2.0000000000000004
    """
    return score(_ROWS["rmse"], forecast, observation, keep=keep)


def mae(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Mean absolute error.

    sum(|f - o|) / n. Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> mae(np.ones((2, 3, 4, 4)), np.zeros((2, 3, 4, 4)), keep=1)
    array([1., 1., 1.])
    """
    return score(_ROWS["mae"], forecast, observation, keep=keep)


def bias(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Mean error, in the units of the values: above 0 where the forecast is too high.

    sum(f - o) / n. Source: Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> bias([[0.0, 2.0]], [[1.0, 0.0]])
    0.5
    """
    return score(_ROWS["bias"], forecast, observation, keep=keep)


def correlation(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Pearson correlation of all pixels.

    sum((f - mean f) (o - mean o)) / sqrt(sum((f - mean f)^2) sum((o - mean o)^2)). Source: Wilks 2019, Statistical
    Methods in the Atmospheric Sciences, chapter 9.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> round(correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]]), 6)
    1.0
    """
    return score(_ROWS["correlation"], forecast, observation, keep=keep)


def bce(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Binary cross-entropy of probabilities; NaN for values that are neither in 0..1 nor bytes.

    -sum(o log(f) + (1 - o) log(1 - f)) / n, with f clipped to 1e-7 .. 1 - 1e-7; bytes divided by 255. Source: Good
    1952, doi 10.1111/j.2517-6161.1952.tb00104.x.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> round(bce([[0.9, 0.1]], [[1.0, 0.0]]), 4)
    0.1054
    """
    return score(_ROWS["bce"], forecast, observation, keep=keep)


def ssim(forecast: Any, observation: Any, *, data_range: float | None = None, keep: Keep = ()) -> Any:
    """Structural similarity.

    (2 mf mo + c1) (2 sfo + c2) / ((mf^2 + mo^2 + c1) (sf^2 + so^2 + c2)), in Gaussian windows of sigma 1.5, mean
    over whole frames (Wang et al. 2004, doi 10.1109/TIP.2003.819861).

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        data_range: distance between the smallest and the largest possible value; by default 1 for values in 0..1,
            255 for bytes, else what lies between the smallest and the largest that occur.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> frame = np.random.default_rng(0).random((16, 16))
    >>> ssim(frame, frame), ssim(frame, 1 - frame) < 0
    (1.0, True)
    """
    return score(_ROWS["ssim"], forecast, observation, data_range=data_range, keep=keep)


def psnr(forecast: Any, observation: Any, *, data_range: float | None = None, keep: Keep = ()) -> Any:
    """Peak signal-to-noise ratio in dB; infinite for a perfect forecast.

    10 log10(data_range^2 / MSE). Source: Huynh-Thu and Ghanbari 2008, doi 10.1049/el:20080522.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        data_range: distance between the smallest and the largest possible value; by default 1 for values in 0..1,
            255 for bytes, else what lies between the smallest and the largest that occur.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> round(psnr([[0.5, 0.5]], [[0.6, 0.4]]), 6)
    20.0
    """
    return score(_ROWS["psnr"], forecast, observation, data_range=data_range, keep=keep)


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


def power(forecast: Any, observation: Any, *, keep: Keep = ()) -> Any:
    """Power ratio at wavelengths shorter than 8 pixels.

    power spectral density of f over that of o, both summed over wavelengths shorter than so many pixels; below 1
    the forecast is blurred. Source: Harris et al. 2001, Journal of Hydrometeorology 2, 406.

    Args:
        forecast: (..., H, W), an array or a DataArray, NaN where missing.
        observation: the same shape; of DataArrays the same coordinates.
        keep: leading axes to give a score for each entry of, by number or by name; by default all are pooled.

    Returns:
        A number; with `keep` an array, or a DataArray where these were given.

    Raises:
        ShapeError: arrays that do not fit each other.
        DataError: DataArrays at other coordinates, or values that are no numbers.
        ConfigError: an axis that is not there, or an option out of range.

    >>> import numpy as np
    >>> frame = np.random.default_rng(0).random((32, 32))
    >>> round(power(frame / 2, frame), 6)
    0.25
    """
    return score(_ROWS["power"], forecast, observation, keep=keep)


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
