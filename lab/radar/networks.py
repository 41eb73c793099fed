"""Radar networks, their events, and how they are read: rain rate at about 4 km, each at a step of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESOLUTION = "4km"
PAST = 4
"""Frames that a forecast starts from."""
HORIZON = 60
"""Minutes of the longest lead time; a step more where the steps are of 15 minutes or the event is too short."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A radar, or a network of them that makes one composite."""

    name: str
    where: str
    climate: str
    events: tuple[str, ...]
    """Paths below the data's folder, shell patterns; events of one pattern are apart by days, or see `one_storm`."""
    step: int
    """Minutes between frames as they are read."""
    lead_times: int
    """Frames to forecast."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Reading options beside the common ones."""
    watches: tuple[str, ...] = ()
    """Names of events that a training on this network is validated and calibrated on, and not trained."""
    tests: tuple[str, ...] = ()
    """Names of events that the shipped model is measured on, and not trained."""
    one_storm: bool = False
    """True where the events are windows of one storm system at one time, which count as one."""
    shippable: bool = True
    """Whether the licence of the data allows to ship weights that were trained on them."""

    def paths(self, data: Path) -> list[Path]:
        """Its events that are there."""
        return sorted(path for pattern in self.events for path in data.glob(pattern))

    def options(self) -> dict[str, Any]:
        """Reading options of its events."""
        return {"rain_unit": "mm/h", "resolution": RESOLUTION, **self.reading}


NETWORKS = (
    Network(
        name="knmi",
        where="the Netherlands",
        climate="maritime; a summer's front and eight winter evenings",
        events=("radar/knmi-2010-08-26", "radar-more/knmi-2021-*.nc"),
        watches=("knmi-2021-01-07", "knmi-2021-02-05"),
        tests=("knmi-2021-02-02", "knmi-2021-02-04"),
        step=5,
        lead_times=12,
    ),
    Network(
        name="mch",
        where="Switzerland",
        climate="mountains, convection",
        events=("radar/mch-2015-05-15", "radar/mch-2016-07-11"),
        watches=("mch-2016-07-11",),
        step=5,
        lead_times=12,
    ),
    Network(
        name="fmi",
        where="Finland",
        climate="a spring front",
        events=("radar-more/fmi-2017-05-09.nc",),
        step=5,
        lead_times=12,
    ),
    Network(
        name="mrms",
        where="United States",
        climate="an evening's thunderstorms",
        events=("radar-more/mrms-2019-06-10-*.nc",),
        step=4,
        lead_times=12,
        reading={"time_step": "4min"},
        one_storm=True,
    ),
    Network(
        name="opera",
        where="Europe",
        climate="a summer's day, many countries",
        events=("radar-more/opera-2018-08-24-*.nc",),
        step=15,
        lead_times=4,
        one_storm=True,
        shippable=False,
    ),
    Network(
        name="dwd",
        where="Germany, two single radars",
        climate="a hailstorm, ground clutter",
        events=("radar-more/dwd-*.nc",),
        watches=("dwd-feldberg-2008-06-02", "dwd-tuerkheim-2008-06-02"),
        step=5,
        lead_times=12,
        one_storm=True,
        shippable=False,
    ),
    Network(
        name="cpol",
        where="Darwin, Australia",
        climate="tropics",
        events=("radar-more/cpol-darwin-2006-11-16.nc",),
        step=10,
        lead_times=6,
        shippable=False,
    ),
    Network(
        name="bom",
        where="Brisbane, Australia",
        climate="subtropical hailstorm",
        events=("radar/bom-brisbane-2020-10-31",),
        step=10,
        lead_times=6,
        reading={"frames": (0, 76)},
        shippable=False,
    ),
)
"""All networks of `../shared/data`; licences by its manifest."""


def network(name: str) -> Network:
    """A network by its name."""
    return next(row for row in NETWORKS if row.name == name)
