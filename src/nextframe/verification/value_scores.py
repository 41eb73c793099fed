"""Scores of values on two arrays or DataArrays, the same that a verification has.

Forecast and observation are arrays (..., H, W) in the same units, of NumPy or of xarray, NaN where a value is missing:
what either lacks counts nowhere. All values are pooled, which no average of single scores is; `keep` gives a score for
each entry of a leading axis, such as the lead time. What is not defined is NaN.

    from nextframe.verification import mse
    mse(forecast, observation, keep="lead_time")
"""

from __future__ import annotations

from typing import Any

from nextframe.verification.fields import Keep, score
from nextframe.verification.metrics import METRICS

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
