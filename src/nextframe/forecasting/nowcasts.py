"""Nowcasts of rain by pysteps: STEPS, an ensemble, ANVIL, with growth and decay, and LINDA, with a convolution.

Axes: B batch, M member, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.data.motion import motion_field, quietly
from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray

_DRY = 0.1
"""Rain below this (mm/h, or mm in a time step) is taken for none, as pysteps' own settings do."""
_DRY_DB = -15.0  # what pysteps puts for no rain on its logarithmic scale
_SMALLEST = 16  # pixels along a side that a cascade needs
_FEWEST_WET = 0.001  # share of wet pixels below which there is nothing to decompose


def in_decibels(rain: NDArray[Any]) -> NDArray[Any]:
    """Rain on a logarithmic scale, as methods of pysteps want it; what is dry far below the smallest rain.

    >>> in_decibels(np.array([0.0, 1.0, 10.0])).tolist()
    [-15.0, 0.0, 10.0]
    """
    decibels: NDArray[Any] = np.where(rain >= _DRY, 10 * np.log10(np.maximum(rain, _DRY)), _DRY_DB)
    return decibels


class _PystepsNowcast(Forecaster):
    """A nowcast of rain amounts or rates by a method of pysteps, channel by channel.

    The motion is that of the baseline `extrapolation`. Where there is no motion, next to no rain, a side of fewer than
    16 pixels, or rain that pysteps finds no stationary model for, it is persistence; what flows in over the border, or
    from where values are missing, is the last frame's value.

    Raises:
        ConfigError: pysteps is not installed.
    """

    frames: int
    """Past frames that it takes."""

    def __init__(self) -> None:
        try:
            self._method = quietly(import_module, f"pysteps.nowcasts.{self.name}").forecast
        except ImportError as error:
            raise ConfigError(
                "needs pysteps, which is not installed",
                where=f"baseline '{self.name}'",
                hint="pip install 'nextframe[pysteps]', or leave it out of {baselines}",
            ) from error

    @abstractmethod
    def nowcast(self, rain: NDArray[Any], motion: NDArray[Any], lead_times: int, levels: int) -> NDArray[Any]:
        """Members (M, K, H, W) from the last frames (T, H, W), NaN where nothing is known."""

    @property
    @abstractmethod
    def members(self) -> int:
        """Members of each forecast."""

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The members' mean, (B, K, C, H, W).

        Raises:
            ConfigError: values that are no rain, or too few past frames.
        """
        return self.distribution(past, lead_times)[0]

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The members' mean and the members; errors of `predict`."""
        if past.shape[1] < self.frames:
            raise ConfigError(
                "has too few frames to start from",
                where=f"baseline '{self.name}'",
                expected=f"at least {self.frames} past frames",
                received=past.shape[1],
            )
        least = past.min(where=np.isfinite(past), initial=0)
        if least < 0:
            raise ConfigError(
                "is for rain, which is never negative",
                where=f"baseline '{self.name}'",
                received=f"a value of {least:g}",
                hint="bring reflectivity to mm/h with {rain_unit=mm/h}, or leave this baseline out",
            )
        batch, _, channels, height, width = past.shape
        last = past[:, None, -1:]
        drawn = np.repeat(np.repeat(last, lead_times, axis=2), self.members, axis=1)
        # A cascade needs pixels at every one of its scales.
        levels = max(3, min(6, int(np.log2(min(height, width))) - 1))
        for movie in range(batch):
            motion = motion_field(past[movie, -2:])
            for c in range(channels):
                rain = past[movie, -self.frames :, c]
                if (
                    min(height, width) < _SMALLEST
                    or motion is None
                    or (np.nan_to_num(rain) >= _DRY).mean((1, 2)).min() < _FEWEST_WET
                ):
                    continue
                try:
                    made = self.nowcast(np.nan_to_num(rain).astype(np.float64), motion, lead_times, levels)
                except (RuntimeError, ValueError):  # no stationary model fits, as where rain has just begun
                    continue
                arrived = np.isfinite(made) & np.isfinite(rain[-1])
                drawn[movie, :, :, c] = np.where(arrived, np.maximum(made, 0), drawn[movie, :, :, c])
        return drawn.mean(1), drawn


class Steps(_PystepsNowcast):
    """STEPS, the Short-Term Ensemble Prediction System (N. Bowler et al. 2006, doi 10.1256/qj.04.100), by pysteps.

    The rain's logarithm is parted into scales; each is carried on by an autoregressive model with noise of the rain's
    own spectrum, so that small scales are forgotten first. Ten members, always the same for the same past.
    """

    frames = 3
    seed = 0

    @property
    def name(self) -> str:
        return "steps"

    @property
    def members(self) -> int:
        return 10

    def nowcast(self, rain: NDArray[Any], motion: NDArray[Any], lead_times: int, levels: int) -> NDArray[Any]:
        forecast = quietly(
            self._method,
            in_decibels(rain),
            motion,
            lead_times,
            n_ens_members=self.members,
            n_cascade_levels=levels,
            precip_thr=10 * np.log10(_DRY),
            vel_pert_method=None,
            # How fast rain may spread into dry pixels: 1 km a minute, on a composite of 1 km every 5 minutes.
            mask_method="incremental",
            kmperpixel=1.0,
            timestep=5.0,
            seed=self.seed,
        )
        amounts: NDArray[Any] = np.where(forecast <= 10 * np.log10(_DRY), 0, 10 ** (forecast / 10))
        return amounts


class Anvil(_PystepsNowcast):
    """ANVIL (S. Pulkkinen et al. 2020, doi 10.1109/TGRS.2020.3000188), by pysteps: extrapolation with growth and decay,
    by an autoregressive model of the changes at each scale. A single forecast.
    """

    frames = 4

    @property
    def name(self) -> str:
        return "anvil"

    @property
    def members(self) -> int:
        return 1

    def nowcast(self, rain: NDArray[Any], motion: NDArray[Any], lead_times: int, levels: int) -> NDArray[Any]:
        forecast: NDArray[Any] = quietly(self._method, rain, motion, lead_times, n_cascade_levels=levels)[None]
        return forecast


class Linda(_PystepsNowcast):
    """LINDA, the Lagrangian integro-difference equation model with autoregression (S. Pulkkinen et al. 2021,
    doi 10.1175/JTECH-D-21-0013.1), by pysteps: an autoregressive model of how rain grows and decays, and a convolution,
    fitted to the frames, for the loss of predictability at small scales. A single forecast.

    One set of parameters for the whole frame: with a set around each detected cell, pysteps' default, it takes ten
    times as long and finds no cells in light rain.
    """

    frames = 3

    @property
    def name(self) -> str:
        return "linda"

    @property
    def members(self) -> int:
        return 1

    def nowcast(self, rain: NDArray[Any], motion: NDArray[Any], lead_times: int, levels: int) -> NDArray[Any]:
        forecast: NDArray[Any] = quietly(
            self._method,
            rain,
            motion,
            lead_times,
            feature_method="domain",
            add_perturbations=False,
            kmperpixel=1.0,
            timestep=5.0,
        )
        return forecast[None]
