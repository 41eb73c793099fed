"""Dependence of a forecaster's errors in space and time, and members that have it.

What is calibrated pixel by pixel says nothing of neighbours: whether they err together decides how uncertain a sum over
a catchment is. So the errors' correlation is measured on the validation part, by distance and from one lead time to the
next, and members are made by a Gaussian copula: random fields with that correlation tell at each pixel which member
takes which of the calibrated quantiles (as ensemble copula coupling does with other patterns, R. Schefzik et al. 2013,
doi 10.1214/13-STS443). The quantiles of each pixel stay what they were.

Axes: B batch, M member, K lead time, C channel, F band, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.data.motion import Motion, mean_motion, trajectories
from nextframe.forecasting.random_fields import BANDS, WAVELENGTHS, bands_of, draw, periodic_size, ranks
from nextframe.frames.sequence import FloatArray

SIDE = 192
"""Pixels along each side of the part of a frame that errors are kept of."""
VALUES = 8_000_000
"""Error values that are kept at most, of all windows together."""
_FARTHEST = 96  # pixels of distance
_SURE = 3.0  # weight of "the shares add up to 1" beside the correlation at each distance
_LIKE_OTHERS = 0.05  # weight of "a band persists as all bands together do", for bands that say little
_MOST = 0.995  # of persistence
_DIGITS = 4

Table = Sequence[Sequence[Sequence[float]]]


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one forecast, and how large they were expected to be."""

    error: FloatArray
    """Truth minus what was expected, (K, C, H, W); NaN where missing, or where no error was expected."""
    spread: FloatArray
    """Deviation of the calibrated quantiles, (K, C, H, W)."""
    motion: Motion | None = None
    """Motion that the forecast was moved along."""


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """Correlation of errors by band of wavelength (`random_fields.WAVELENGTHS`)."""

    power: Table
    """Channel -> lead time -> share of each band in the variance; of one channel alone where that is to hold for any
    number of them, which then err together."""
    persistence: Table
    """Channel -> lead time but the first -> correlation of each band with that of the lead time before."""
    between: Sequence[Sequence[float]]
    """Correlation of the channels' errors at the same pixel; of one alone as in `power`."""
    along_motion: bool = False
    """True where it persists along the motion that frames are moved along."""

    @classmethod
    def fit(cls, kept: Sequence[Errors]) -> Self | None:
        """Measure the correlation of errors (K, C, H, W) of several forecasts; None where there is no telling, since
        frames are a few pixels in size or errors are none.
        """
        leads, channels, *size = kept[0].error.shape
        rings = _rings(min(min(errors.error.shape[-2:]) for errors in kept))
        if len(rings) < 2:
            return None
        power, persistence = [], []
        for c in range(channels):
            same = [_correlation([_pair(errors, k, k, c) for errors in kept], rings) for k in range(leads)]
            after = [_correlation([_pair(errors, k - 1, k, c) for errors in kept], rings) for k in range(1, leads)]
            if any(not np.isfinite(curve).any() for curve in same):
                return None
            shares = [_shares(curve, rings, max(size)) for curve in same]
            power.append([_short(share) for share in shares])
            persistence.append(
                [
                    _short(_persistence(curve, rings, before, now))
                    for curve, before, now in zip(after, shares, shares[1:], strict=False)
                ]
            )
        return cls(
            power=power,
            persistence=persistence,
            between=_between(kept),
            along_motion=any(errors.motion is not None for errors in kept),
        )

    @property
    def lead_times(self) -> int:
        """Lead times that it is for."""
        return len(self.power[0])

    def ranks(
        self, size: tuple[int, int], members: int, seed: int, motion: Motion | None = None, leads: int | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Rank of each member at each pixel, 0 to M - 1, (M, C, H, W) for one lead time after the other.

        Args:
            size: of the frames (H, W).
            members: number of members, at most 255.
            seed: seed of the draw.
            motion: motion in pixels a frame (2, H, W) that errors are moved along.
            leads: number of lead times; by default all.
        """
        height, width = size
        leads = self.lead_times if leads is None else leads
        persistence = np.asarray(self.persistence, np.float64).reshape(len(self.power), -1, BANDS)
        fields = draw(
            np.asarray(self.power, np.float64)[:, :leads],
            persistence,
            _lower_triangle(np.asarray(self.between, np.float64)),
            periodic_size(*size),
            members,
            seed,
        )
        places = None if motion is None else trajectories(mean_motion(motion), leads)
        for field in fields:
            if places is None:
                cut = field[..., :height, :width]
            else:  # what has moved in comes from beyond the edge of the frame, where the field goes on
                rows, columns = (
                    np.rint(place).astype(np.intp) % period
                    for place, period in zip(next(places), field.shape[-2:], strict=True)
                )
                cut = field.reshape(*field.shape[:2], -1)[..., rows * field.shape[-1] + columns]
            yield ranks(np.ascontiguousarray(np.swapaxes(cut, 0, 1)))

    def check(self, channels: int, leads: int) -> None:
        """Hold what was read to the shape of the calibration that it belongs to.

        Raises:
            ValueError: another shape, or values that no measurement has.
        """
        power, between = np.asarray(self.power, np.float64), np.asarray(self.between, np.float64)
        persistence = np.asarray(self.persistence, np.float64).reshape(len(power), -1, BANDS)
        sound = (
            power.shape == (channels, leads, BANDS)
            and persistence.shape == (channels, leads - 1, BANDS)
            and between.shape == (channels, channels)
            and bool(np.isfinite(power).all() and np.isfinite(between).all() and np.isfinite(persistence).all())
            and bool((power >= 0).all() and (power.sum(-1) > 0).all() and (np.abs(persistence) <= 1).all())
        )
        if not sound:
            raise ValueError("its dependence does not fit its tables")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError: other names.
        """
        return cls(**values)


def seed_of(frame: FloatArray) -> int:
    """A seed that is always the same for the same frame: members differ from forecast to forecast, and come again."""
    from zlib import crc32

    return crc32(np.nan_to_num(np.asarray(frame, np.float32)).tobytes())


def _pair(errors: Errors, before: int, now: int, c: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Errors and spreads of two lead times, the earlier ones moved to the time of the later."""
    first, spread = errors.error[before, c], errors.spread[before, c]
    if now > before and errors.motion is not None:
        rows, columns = (np.rint(place).astype(np.intp) for place in next(trajectories(errors.motion, 1)))
        height, width = first.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        first, spread = np.where(inside, first[rows, columns], np.nan), spread[rows, columns]
    return first, spread, errors.error[now, c], errors.spread[now, c]


def _rings(side: int) -> NDArray[np.intp]:
    """Distances in pixels that a correlation is measured at, each the middle of a ring: 1, 2, 3, 4, 6, 8, 11, ..."""
    steps = np.rint(2.0 ** np.arange(0, 8, 0.5)).astype(np.intp)
    return np.unique(steps[steps <= min(side // 2, _FARTHEST)])


def _ring_of(shape: tuple[int, int], rings: NDArray[np.intp]) -> NDArray[np.intp]:
    """The ring that each lag of a circular correlation (P, Q // 2 + 1, all lags) belongs to; -1 for none."""
    distance = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij"))
    borders = np.concatenate([[0.5], np.sqrt(rings[:-1] * rings[1:] * 1.0), [rings[-1] * 1.2]])
    which = np.searchsorted(borders, distance, side="right") - 1
    return np.where(which >= len(rings), -1, which)


def _correlation(
    pairs: Sequence[tuple[FloatArray, FloatArray, FloatArray, FloatArray]], rings: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Covariance of errors over that of fully dependent ones, at each distance, of all pairs together."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    covariance, full = np.zeros(len(rings)), np.zeros(len(rings))
    for first, spread, second, other in pairs:
        reach = int(rings[-1] * 1.2) + 1
        shape = tuple(next_fast_len(n + reach, real=True) for n in first.shape)
        which = _ring_of(shape, rings)
        inside = which >= 0
        known, also = np.isfinite(first), np.isfinite(second)
        for total, one, two in (
            (covariance, np.where(known, first, 0), np.where(also, second, 0)),
            (full, np.where(known, spread, 0), np.where(also, other, 0)),
        ):
            product = irfft2(np.conj(rfft2(one, shape)) * rfft2(two, shape), shape)
            total += np.bincount(which[inside], product[inside], len(rings))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(full > 0, covariance / full, np.nan)


@cache
def _of_bands(rings: tuple[int, ...]) -> NDArray[np.float64]:
    """Correlation of each band alone at each distance, (rings, F)."""
    size = 512
    bands = bands_of(size, size)
    which = _ring_of((size, size), np.array(rings))
    inside = which >= 0
    number = np.bincount(which[inside], minlength=len(rings))
    columns = []
    for band in range(BANDS):
        product = np.fft.irfft2(bands == band, (size, size))
        columns.append(np.bincount(which[inside], product[inside] / product[0, 0], len(rings)) / number)
    return np.stack(columns, axis=1)


def _shares(curve: NDArray[np.float64], rings: NDArray[np.intp], side: int) -> NDArray[np.float64]:
    """Shares of the variance (F,) whose correlation is that of a curve; none of waves much longer than a frame."""
    from scipy.optimize import nnls

    known = np.isfinite(curve)
    waves = _of_bands(tuple(rings.tolist()))[known]
    longest = np.searchsorted(-np.array(WAVELENGTHS), -4.0 * side)
    waves[:, :longest] = 0
    shares, _ = nnls(np.vstack([waves, np.full(BANDS, _SURE)]), np.append(curve[known], _SURE))
    if not shares.any():  # nothing but opposites: as good as independent
        shares[-2:] = 1
    return np.asarray(shares / shares.sum(), np.float64)


def _persistence(
    curve: NDArray[np.float64], rings: NDArray[np.intp], before: NDArray[np.float64], now: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlation of each band with that of the lead time before, (F,)."""
    from scipy.optimize import lsq_linear

    known = np.isfinite(curve)
    waves = _of_bands(tuple(rings.tolist()))[known] * np.sqrt(before * now)
    whole = waves.sum(1)
    common = float(np.clip(whole @ curve[known] / max(whole @ whole, 1e-12), 0, _MOST))
    rows = np.vstack([waves, np.eye(BANDS) * _LIKE_OTHERS])
    wanted = np.append(curve[known], np.full(BANDS, _LIKE_OTHERS * common))
    return np.asarray(lsq_linear(rows, wanted, bounds=(0, _MOST)).x, np.float64)


def _between(kept: Sequence[Errors]) -> list[list[float]]:
    """Correlation of the channels' errors, (C, C)."""
    channels = kept[0].error.shape[1]
    products, number = np.zeros((channels, channels)), np.zeros((channels, channels))
    for errors in kept:
        scores = errors.error / np.where(errors.spread > 0, errors.spread, np.nan)
        scores = np.moveaxis(scores, 1, 0).reshape(channels, -1)
        known = np.isfinite(scores)
        scores = np.where(known, np.clip(scores, -3, 3), 0).astype(np.float64)
        products += scores @ scores.T
        number += (known * 1.0) @ (known * 1.0).T
    deviations = np.sqrt(np.diag(products) / np.maximum(np.diag(number), 1))
    matrix = products / np.maximum(number, 1) / np.maximum(np.outer(deviations, deviations), 1e-12)
    np.fill_diagonal(matrix, 1)
    return [_short(row) for row in matrix]


def _lower_triangle(between: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangle whose product with its transpose is a correlation, or the nearest one that there is."""
    values, vectors = np.linalg.eigh((between + between.T) / 2)
    near = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(near))
    return np.linalg.cholesky(near / np.outer(scale, scale))


def _short(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
