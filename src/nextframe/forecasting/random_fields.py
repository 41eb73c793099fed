"""Gaussian random fields with a given spectrum: drawn on any grid, carried on from one lead time to the next.

The spectrum is isotropic and given by bands of wavelength in pixels, whose shares of the variance add up to 1: whatever
the size of the grid, a field has mean 0 and variance 1, and pixels some way apart the same correlation. Each band is
carried on in time by an autoregressive process of its own (as in STEPS, N. Bowler et al. 2006, doi 10.1256/qj.04.100):
small scales are forgotten sooner than large ones.

Axes: M member, C channel, F band, H height, W width; of the periodic grid that is drawn on, P rows and Q columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from nextframe.machine import cores

Plane = NDArray[np.float32]

WAVELENGTHS = (512.0, 256.0, 128.0, 64.0, 45.25, 32.0, 22.63, 16.0, 11.31, 8.0, 5.66, 4.0, 2.83, 2.0)
"""Borders of the bands, in pixels: the first band is of all longer waves, the last of all shorter ones, which run
diagonally."""
BANDS = len(WAVELENGTHS) + 1
MARGIN = 128
"""Pixels that the periodic grid is larger at most, so that opposite edges do not know of each other."""
_BLOCK = 1 << 14  # pixels whose members are ranked at once; they stay in the cache


def periodic_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the periodic grid that fields (H, W) are cut from."""
    from scipy.fft import next_fast_len

    rows, columns = (next_fast_len(size + min(size, MARGIN), real=True) for size in (height, width))
    return rows, columns


def bands_of(rows: int, columns: int) -> NDArray[np.intp]:
    """Band of each coefficient of a real Fourier transform, (P, Q // 2 + 1).

    >>> bands_of(8, 8)[0].tolist()  # no wave, then waves of 8, 4, 2.67 and 2 pixels
    [0, 10, 12, 13, 14]
    """
    waves = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns))  # a pixel
    return np.asarray(np.searchsorted(1 / np.array(WAVELENGTHS), waves, side="right"), np.intp)


def amplitudes(power: NDArray[np.float64], bands: NDArray[np.intp], columns: int) -> Plane:
    """Deviation of each coefficient (P, Q // 2 + 1), of shares of the variance (F,).

    The share of a band that has no coefficient on a small grid goes to the next one of longer waves.
    """
    twice = np.full(bands.shape[1], 2.0)  # coefficients that stand for themselves and for their mirror image
    twice[0] = 1
    if columns % 2 == 0:
        twice[-1] = 1
    number = np.bincount(bands.ravel(), np.broadcast_to(twice, bands.shape).ravel(), BANDS)
    share = np.array(power, np.float64) / power.sum()
    for band in range(BANDS - 1, 0, -1):
        if number[band] == 0:
            share[band - 1] += share[band]
    density = np.sqrt(share / np.maximum(number, 1))[bands]
    # Where a coefficient is its own mirror image, or has it in its own column, half of what is drawn cancels out.
    return np.asarray(density / np.sqrt(twice), np.float32)


def draw(
    power: NDArray[np.float64],
    persistence: NDArray[np.float64],
    mixture: NDArray[np.float64],
    size: tuple[int, int],
    members: int,
    seed: int,
) -> Iterator[NDArray[np.float32]]:
    """Fields (C, M, P, Q) of one lead time after the other, always the same for the same seed.

    Args:
        power: shares of the variance (C, K, F).
        persistence: correlation of each lead time with the one before it, (C, K - 1, F).
        mixture: lower triangle (C, C) that makes the channels' fields of independent ones.
        size: rows and columns of the periodic grid.
        members: number of members.
        seed: seed of the draw.
    """
    from scipy.fft import irfft2

    rows, columns = size
    bands = bands_of(rows, columns)
    channels, leads = power.shape[:2]
    sources = [np.random.default_rng(own) for own in np.random.SeedSequence(seed).spawn(members)]
    state = np.empty((channels, members, *bands.shape), np.complex64)
    fields = np.empty((channels, members, rows, columns), np.float32)
    parts = np.asarray(mixture, np.float32)

    with ThreadPoolExecutor(cores()) as pool:
        for lead in range(leads):
            kept = fresh = None
            if lead:
                kept = np.asarray(persistence[:, lead - 1], np.float32)
                fresh = np.sqrt(1 - kept**2)[:, bands]
                kept = kept[:, bands]
            scale = np.stack([amplitudes(share, bands, columns) for share in power[:, lead]])

            def one(member: int, kept: Plane | None = kept, fresh: Plane | None = fresh, scale: Plane = scale) -> None:
                drawn = sources[member].standard_normal((channels, *bands.shape, 2), np.float32)
                noise = drawn.view(np.complex64)[..., 0]
                if channels > 1:
                    noise = np.tensordot(parts, noise, 1).astype(np.complex64)
                own = state[:, member]
                if kept is None or fresh is None:
                    own[:] = noise
                else:
                    own *= kept
                    own += fresh * noise
                fields[:, member] = irfft2(own * scale, (rows, columns), norm="forward")

            list(pool.map(one, range(members)))
            yield fields


def ranks(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Number of members that lie below each, (M, ...) of values (M, ...) of at most 255 members; of equal ones those
    before it.

    >>> ranks(np.array([[2.0, 1.0], [1.0, 1.0], [3.0, 0.0]], np.float32)).tolist()
    [[1, 1], [0, 2], [2, 0]]
    """
    members = len(values)
    flat = values.reshape(members, -1)
    places = np.zeros(flat.shape, np.uint8)
    for start in range(0, flat.shape[1], _BLOCK):
        part, rank = flat[:, start : start + _BLOCK], places[:, start : start + _BLOCK]
        for member in range(1, members):
            above = part[member] >= part[:member]
            rank[member] += above.view(np.uint8).sum(0, dtype=np.uint8)
            rank[:member] += ~above
    return places.reshape(values.shape)


def in_order(values: NDArray[np.float32], order: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values (M, ...), rising along the first axis, in the order of ranks (M, ...).

    >>> in_order(np.array([[1.0], [5.0], [9.0]], np.float32), np.array([[2], [0], [1]], np.uint8)).ravel().tolist()
    [9.0, 1.0, 5.0]
    """
    flat = values.reshape(-1)
    taken = np.empty((len(values), flat.size // len(values)), np.float32)
    pixels = np.arange(taken.shape[1])
    for row, rank in zip(taken, order.reshape(taken.shape), strict=True):
        flat.take(rank.astype(np.intp) * len(pixels) + pixels, out=row, mode="clip")
    return taken.reshape(values.shape)
