"""Rain in the unit that a model is to work in: rain rate, reflectivity, and amounts, from one to another.

Reflectivity Z and rain rate R are related by Z = a R^b, here with a = 200 and b = 1.6 (J. Marshall and W. Palmer 1948,
doi 10.1175/1520-0469(1948)005<0165:TDORWS>2.0.CO;2), Z in mm^6 m^-3 and R in mm/h; reflectivity is given as
10 log10(Z), in dBZ. Rates below 0.1 mm/h count as dry.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from nextframe.config import RainUnit
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FloatArray, FrameReader, FrameSequence
from nextframe.frames.steps import own_steps
from nextframe.frames.units import UnknownUnitError, factor
from nextframe.words import count, duration, is_calendar, joined, seconds

A, B = 200.0, 1.6
DRY_RATE = 0.1
"""Rain rate in mm/h below which it is dry."""
DRY_REFLECTIVITY = float(10 * np.log10(A * DRY_RATE**B)) - 5
"""Value that stands for dry in dBZ: five less than the least that is rain, as pysteps has it."""

_REFLECTIVITY = re.compile(r"db\s*\(?z[eh]?\)?", re.IGNORECASE)

_OF_WATER = re.compile(r"mm|millimet|inch|\bin\b|kg", re.IGNORECASE)
"""Units that heights of water are in, or masses on an area."""

_NEGATIVE = -0.001  # mm/h; less rain than none is no measurement

_ATTRIBUTES: dict[RainUnit, dict[str, object]] = {
    "mm/h": {"standard_name": "rainfall_rate", "long_name": "rain rate"},
    "dBZ": {"standard_name": "equivalent_reflectivity_factor", "long_name": "reflectivity"},
}


def rain_rate(reflectivity: FloatArray) -> FloatArray:
    """Rain rate in mm/h of a reflectivity in dBZ; what would be less than 0.1 mm/h is 0. NaN stays NaN.

    >>> rain_rate(np.float32([23.0, 40.0, 5.0, np.nan])).round().tolist()
    [1.0, 12.0, 0.0, nan]
    """
    rate = ((10.0 ** (np.asarray(reflectivity, np.float64) / 10)) / A) ** (1 / B)
    return np.where(rate < DRY_RATE, 0, rate).astype(np.float32)


def reflectivity(rain_rate: FloatArray) -> FloatArray:
    """Reflectivity in dBZ of a rain rate in mm/h; what is less than 0.1 mm/h is 2.0 dBZ, for dry. NaN stays NaN.

    >>> reflectivity(np.float32([1.0, 11.53, 0.0, np.nan])).round(1).tolist()
    [23.0, 40.0, 2.0, nan]
    """
    rate = np.asarray(rain_rate, np.float64)
    wet = 10 * np.log10(A * np.maximum(rate, DRY_RATE) ** B)
    return np.where(rate < DRY_RATE, DRY_REFLECTIVITY, wet).astype(np.float32)


def kind_of_rain(unit: str) -> Literal["rate", "amount", "reflectivity"] | None:
    """Kind of rain that a unit is of; None where it is of something else, or may be: winds, too, are in m/s.

    >>> [kind_of_rain(unit) for unit in ("mm/h", "kg m-2 s-1", "mm", "dBZ", "K", "m s-1", "1")]
    ['rate', 'rate', 'amount', 'reflectivity', None, None, None]
    """
    if _REFLECTIVITY.fullmatch(unit.strip()):
        return "reflectivity"
    if not _OF_WATER.search(unit):  # pint, which takes long to load, is not asked
        return None
    if _factor(unit, "mm/h") is not None:
        return "rate"
    return None if _factor(unit, "mm") is None else "amount"


def convert_rain(sequence: FrameSequence, unit: RainUnit) -> FrameSequence:
    """Every channel in another unit of rain; lazy. Negative rain is missing.

    An amount is divided by the time that it was summed up over, as the source states it (`FrameSequence.accumulation`);
    where the source states none, by the time step, each frame by that of its own stretch (`steps.own_steps`), and a
    note says so (`FrameSequence.notes`). A frame of which that is not known is missing.

    Args:
        sequence: rates (length or mass on an area in a time), amounts (without the time) or reflectivities (dBZ), in
            any unit that pint knows.
        unit: "mm/h" or "dBZ".

    Raises:
        ConfigError: a unit that is none of rain, or an unknown one to convert to.
        DataError: amounts of an unknown duration.

    >>> hourly = FrameSequence(values=np.full((2, 1, 1, 1), 6.0), name="sums of an hour", units=("mm",),
    ...                        accumulation=(np.timedelta64(1, "h"),), time_step=np.timedelta64(10, "m"))
    >>> convert_rain(hourly, "mm/h").read(0, 1).item()
    6.0
    """
    if unit not in get_args(RainUnit):
        raise ConfigError("unknown", where="rain_unit", expected=" or ".join(get_args(RainUnit)), received=unit)
    channels = [_Channel.of(sequence, number) for number in range(len(sequence.variables))]
    name = "reflectivity" if unit == "dBZ" else "rain_rate"
    names = (name,) if len(channels) == 1 else sequence.variables
    return replace(
        sequence,
        values=_Converted(sequence.values, tuple(channel.factor for channel in channels), unit),
        variables=names,
        units=(unit,) * len(channels),
        variable_attributes=(_ATTRIBUTES[unit],) * len(channels),
        accumulation=(),
        missing="mask" if any(channel.unknown for channel in channels) else sequence.missing,
        notes=(*sequence.notes, *(channel.note for channel in channels if channel.note)),
    )


def is_rain(unit: str) -> bool:
    """True for units of rain: amounts, rates and reflectivities.

    >>> is_rain("kg m-2 s-1"), is_rain("dBZ"), is_rain("K")
    (True, True, False)
    """
    return (
        bool(_REFLECTIVITY.fullmatch(unit.strip()))
        or _factor(unit, "mm/h") is not None
        or _factor(unit, "mm") is not None
    )


@dataclass(frozen=True)
class _Channel:
    """A channel on its way to mm/h."""

    factor: float | NDArray[np.float32] | None
    """Factor that brings it there, one or that of each frame, (T,), NaN where it is not known; None for
    reflectivity."""
    note: str = ""
    """Assumption that was made on the way."""

    @property
    def unknown(self) -> bool:
        """True where there are frames of which the factor is not known."""
        return self.factor is not None and bool(np.isnan(self.factor).any())

    @classmethod
    def of(cls, sequence: FrameSequence, number: int) -> Self:
        name, unit = sequence.variables[number], sequence.units[number]
        if _REFLECTIVITY.fullmatch(unit.strip()):
            return cls(None)
        rate = _factor(unit, "mm/h")
        if rate is not None:
            return cls(rate)
        amount = _factor(unit, "mm")
        if amount is None:
            raise ConfigError(
                f"{name} declares no unit" if unit == "1" else f"{name} is not rain",
                where=f"rain_unit, for {sequence.name}",
                expected="an amount (mm), a rate (mm/h) or a reflectivity (dBZ)",
                received=None if unit == "1" else unit,
                hint='add the attribute "units" to it (NetCDF, Zarr), or do without {rain_unit}'
                if unit == "1"
                else "write its unit as UDUNITS does (mm h-1, kg m-2 s-1), or do without {rain_unit}",
            )
        over = sequence.accumulation[number]
        if over is not None and np.isnat(over):
            raise DataError(
                f"{name} is an amount in {unit}, summed over times that differ",
                where=sequence.name,
                hint="give data whose frames are sums over one time, or over their time step; or do without "
                "{rain_unit}",
            )
        if over is None and sequence.time_step is not None:
            unstated = f"{name} is an amount in {unit} over a time that its source does not state; it was taken to be "
            own = _own_steps(sequence)
            if own is not None:
                told = own[np.isfinite(own)]
                steps = joined([duration(np.timedelta64(round(s * 1e9), "ns")) for s in dict.fromkeys(told)])
                lost = own.size - told.size
                left = f"; {count(lost, 'frame')} of which that is not known {'is' if lost == 1 else 'are'} missing"
                return cls(
                    (amount / own * 3600).astype(np.float32),
                    f"{unstated}the time step of each frame's stretch, {steps}{left if lost else ''}",
                )
            over = sequence.time_step
            return cls(amount / seconds(over) * 3600, f"{unstated}one time step, {duration(over)}")
        if over is None:
            raise DataError(
                f"{name} is an amount in {unit}, but of an unknown time step",
                where=sequence.name,
                hint="give data with times (two files at least, where each holds one), or do without {rain_unit}",
            )
        return cls(amount / seconds(over) * 3600)


def _own_steps(sequence: FrameSequence) -> NDArray[np.float64] | None:
    """Step of each frame, where they are not all of the nominal one."""
    instants, step = sequence.instants, sequence.time_step
    if instants is None or step is None or is_calendar(step) or len(instants) < 2:
        return None
    own = own_steps(instants, step)
    return None if (own == seconds(step)).all() else own


def _factor(unit: str, to: str) -> float | None:
    """Factor from a unit to another, None where there is none; in lower case first, since MM/H is of no megametre."""
    for spelled in (unit.lower(), unit):
        with contextlib.suppress(UnknownUnitError):
            between = factor(spelled, to)
            if between is not None:
                return between
    return None


@dataclass(frozen=True)
class _Converted:
    """Frames in another unit of rain."""

    reader: FrameReader
    factors: tuple[float | NDArray[np.float32] | None, ...]
    """By channel: what brings it to mm/h, one factor or that of each frame, or None for reflectivity."""
    unit: RainUnit

    @property
    def shape(self) -> tuple[int, ...]:
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        values = np.array(self.reader[frames], np.float32)
        for channel, to_rate in enumerate(self.factors):
            plane = values[:, channel]
            if to_rate is None:
                plane[:] = plane if self.unit == "dBZ" else rain_rate(plane)
            else:
                plane *= to_rate if isinstance(to_rate, float) else to_rate[frames, None, None]
                plane[plane < _NEGATIVE] = np.nan
                np.maximum(plane, 0, out=plane)  # what packing has left of a zero
                if self.unit == "dBZ":
                    plane[:] = reflectivity(plane)
        return values
