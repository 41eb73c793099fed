"""Rain in the unit that a model is to work in: rain rate, reflectivity, and amounts, from one to another.

Reflectivity Z and rain rate R are related by Z = a R^b, here with a = 200 and b = 1.6 (J. Marshall and W. Palmer 1948,
doi 10.1175/1520-0469(1948)005<0165:TDORWS>2.0.CO;2), Z in mm^6 m^-3 and R in mm/h; reflectivity is given as
10 log10(Z), in dBZ. Rates below 0.1 mm/h count as dry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextframe.config import RainUnit
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FloatArray, FrameReader, FrameSequence

A, B = 200.0, 1.6
DRY_RATE = 0.1
"""Rain rate in mm/h below which it is dry."""
DRY_REFLECTIVITY = float(10 * np.log10(A * DRY_RATE**B)) - 5
"""What stands for dry in dBZ: five less than the least that is rain, as pysteps has it."""

# Units as files write them, in lower case, without blanks.
_RATES = {"mm/h": 1.0, "mmh-1": 1.0, "mmhr-1": 1.0, "mm/hr": 1.0, "kgm-2h-1": 1.0, "kgm-2s-1": 3600.0, "mms-1": 3600.0}
_AMOUNTS = {"mm": 1.0, "kgm-2": 1.0, "m": 1000.0}
_REFLECTIVITIES = {"dbz"}

_NEGATIVE = -0.001  # mm/h; less rain than none is no measurement

_ATTRIBUTES: dict[RainUnit, dict[str, object]] = {
    "mm/h": {"standard_name": "rainfall_rate", "long_name": "rain rate"},
    "dBZ": {"standard_name": "equivalent_reflectivity_factor", "long_name": "reflectivity"},
}


def rain_rate(reflectivity: FloatArray) -> FloatArray:
    """Reflectivity in dBZ as rain rate in mm/h; what would be less than 0.1 mm/h is 0. NaN stays NaN."""
    rate = ((10.0 ** (np.asarray(reflectivity, np.float64) / 10)) / A) ** (1 / B)
    return np.where(rate < DRY_RATE, 0, rate).astype(np.float32)


def reflectivity(rain_rate: FloatArray) -> FloatArray:
    """Rain rate in mm/h as reflectivity in dBZ; what is less than 0.1 mm/h is 2.0 dBZ, for dry. NaN stays NaN."""
    rate = np.asarray(rain_rate, np.float64)
    wet = 10 * np.log10(A * np.maximum(rate, DRY_RATE) ** B)
    return np.where(rate < DRY_RATE, DRY_REFLECTIVITY, wet).astype(np.float32)


def same_unit(one: str, other: str) -> bool:
    """Whether two ways of writing a unit mean the same: "mm h-1" and "mm/h"; of kg m-2 and mm, too, as water is."""
    a, b = _plain(one), _plain(other)
    return a == b or any(a in table and b in table and table[a] == table[b] for table in (_RATES, _AMOUNTS))


def _plain(unit: str) -> str:
    return unit.lower().replace(" ", "").replace("**", "").replace("^", "")


def convert_rain(sequence: FrameSequence, unit: RainUnit) -> FrameSequence:
    """Every channel in another unit of rain; lazy. An amount is the rain of one time step. Negative rain is missing.

    Raises:
        ConfigError: a unit that is none of rain, or an unknown one to convert to.
        DataError: amounts without a known time step.
    """
    if unit not in ("mm/h", "dBZ"):
        raise ConfigError("unknown", where="rain_unit", expected="mm/h or dBZ", received=unit)
    factors: list[float | None] = []
    for name, given in zip(sequence.variables, sequence.units, strict=True):
        plain = _plain(given)
        if plain in _REFLECTIVITIES:
            factors.append(None)
        elif plain in _RATES:
            factors.append(_RATES[plain])
        elif plain in _AMOUNTS:
            if sequence.time_step is None:
                raise DataError(
                    f"{name} is an amount in {given}, but of an unknown time step",
                    where=sequence.name,
                    hint="give data with times (two files at least, where each holds one), or do without rain_unit",
                )
            factors.append(_AMOUNTS[plain] / float(sequence.time_step / np.timedelta64(1, "ns")) * 3.6e12)
        else:
            raise ConfigError(
                f"{name} declares no unit" if given == "1" else f"{name} is not rain",
                where=f"rain_unit, for {sequence.name}",
                expected="an amount (mm), a rate (mm/h) or a reflectivity (dBZ)",
                received=None if given == "1" else given,
                hint='add the attribute "units" to it (NetCDF, Zarr), or do without rain_unit'
                if given == "1"
                else None,
            )
    name = "reflectivity" if unit == "dBZ" else "rain_rate"
    names = (name,) if len(factors) == 1 else sequence.variables
    return replace(
        sequence,
        values=_Converted(sequence.values, tuple(factors), unit),
        variables=names,
        units=(unit,) * len(factors),
        variable_attributes=(_ATTRIBUTES[unit],) * len(factors),
    )


@dataclass(frozen=True)
class _Converted:
    """Frames in another unit of rain."""

    reader: FrameReader
    factors: tuple[float | None, ...]
    """By channel: what brings it to mm/h, or None for reflectivity."""
    unit: RainUnit

    @property
    def shape(self) -> tuple[int, ...]:
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        values = np.array(self.reader[frames], np.float32)
        for channel, factor in enumerate(self.factors):
            plane = values[:, channel]
            if factor is None:
                plane[:] = plane if self.unit == "dBZ" else rain_rate(plane)
            else:
                plane *= factor
                plane[plane < _NEGATIVE] = np.nan
                np.maximum(plane, 0, out=plane)  # what packing has left of a zero
                if self.unit == "dBZ":
                    plane[:] = reflectivity(plane)
        return values
