"""Products of NOAA's Multi-Radar Multi-Sensor system (MRMS), whose GRIB2 has a discipline of its own (209).

Names, units and codes are those of NSSL's table of products (UserTable_MRMS, version 12). Reflectivity is -999 where no
radar looks, which is missing, and -99 where radars look and find no echo, which is dry; other products are -3 where no
radar looks and -1 where a value is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DISCIPLINE = 209
"""Discipline of GRIB2 that MRMS has taken."""


@dataclass(frozen=True)
class Product:
    """A product of MRMS."""

    name: str
    units: str
    missing: tuple[float, ...] = (-3.0, -1.0)
    """Codes of values that are missing."""
    dry: float | None = None
    """Code of no echo."""
    accumulation: np.timedelta64 | None = None
    """Time that an amount is summed up over."""


def _amounts() -> dict[tuple[int, int], Product]:
    """Amounts of rain, by what they are made of and over how many hours."""
    hours = (1, 3, 6, 12, 24, 48, 72)
    made_of = {
        2: "RadarOnly_QPE_{:02d}H",
        9: "GaugeCorrQPE{:02d}H",
        16: "GaugeOnlyQPE{:02d}H",
        23: "MountainMapperQPE{:02d}H",
        30: "MultiSensor_QPE_{:02d}H_Pass1",
        37: "MultiSensor_QPE_{:02d}H_Pass2",
    }
    rows = {
        (6, first + n): Product(name.format(h), "mm", accumulation=np.timedelta64(h, "h"))
        for first, name in made_of.items()
        for n, h in enumerate(hours)
    }
    rows[6, 45] = Product("RadarOnly_QPE_15M", "mm", accumulation=np.timedelta64(15, "m"))
    return rows


def _reflectivities() -> dict[tuple[int, int], Product]:
    names = {
        (3, 52): "Reflectivity_0C",
        (3, 53): "Reflectivity_-5C",
        (3, 54): "Reflectivity_-10C",
        (3, 55): "Reflectivity_-15C",
        (3, 56): "Reflectivity_-20C",
        (3, 57): "ReflectivityAtLowestAltitude",
        (3, 58): "MergedReflectivityAtLowestAltitude",
        (8, 8): "SeamlessHSR",
        (9, 0): "MergedReflectivityQC",
        (9, 1): "CONUSPlusMergedReflectivityQC",
        (10, 0): "MergedReflectivityQCComposite",
        (10, 2): "LowLevelCompositeReflectivity",
        (10, 4): "LayerCompositeReflectivity_Low",
        (10, 5): "LayerCompositeReflectivity_High",
        (10, 6): "LayerCompositeReflectivity_Super",
        (10, 9): "LayerCompositeReflectivity_ANC",
        (11, 0): "MergedBaseReflectivityQC",
        (11, 1): "MergedReflectivityComposite",
        (11, 2): "MergedReflectivityQComposite",
        (11, 3): "MergedBaseReflectivity",
    }
    return {place: Product(name, "dBZ", (-999.0,), -99.0) for place, name in names.items()}


PRODUCTS: dict[tuple[int, int], Product] = {
    **_reflectivities(),
    **_amounts(),
    (3, 27): Product("POSH", "%"),
    (3, 28): Product("MESH", "mm"),
    (3, 41): Product("VIL", "kg m-2"),
    (3, 44): Product("EchoTop_18", "km"),
    (3, 45): Product("EchoTop_30", "km"),
    (3, 46): Product("EchoTop_50", "km"),
    (3, 47): Product("EchoTop_60", "km"),
    (6, 1): Product("PrecipRate", "mm/h"),
}
"""Products that are read, by category and number of their parameter."""
