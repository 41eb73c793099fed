"""ODIM_H5, the model of EUMETNET OPERA for radar data in HDF5, read by h5py: pysteps' importer takes every file for a
composite of Odyssey. D. Michelson et al. 2021, OPERA Data Information Model for HDF5, version 2.4.

Attributes are inherited: what is said of data1 comes before what is said of dataset1, and that before what is said of
the file. `undetect` stands for "looked, and saw nothing", which is dry; `nodata` for "not looked", which is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within, projected
from nextframe.frames.radar.protocol import NO_ECHO, QUANTITIES, Header, choose, field_of
from nextframe.frames.radar.tree import Node, number, read_tree, read_values, text
from nextframe.frames.steps import instant
from nextframe.words import joined

_OBJECTS = {
    "PVOL": "a polar volume",
    "CVOL": "a Cartesian volume",
    "SCAN": "a polar scan",
    "RAY": "a single polar ray",
    "AZIM": "an azimuthal object",
    "ELEV": "an elevational object",
    "XSEC": "a vertical cross-section",
    "VP": "a vertical profile",
    "PIC": "an embedded picture",
}
_COMPOSITES = ("COMP", "IMAGE", "")
_CORNERS = ("LL", "UL", "UR", "LR")


def knows(path: Path) -> bool:
    """True where an HDF5 file says of itself that it is ODIM, or is laid out as such.

    Raises:
        DataError: it cannot be read.
    """
    root = read_tree(path)
    what = root.get("what")
    said = text(root.attributes.get("Conventions")).upper().startswith("ODIM")
    laid_out = what is not None and "object" in what.attributes and next(root.numbered("dataset"), None) is not None
    return said or laid_out


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The steps of a composite; quantity is a name, or with its place in the file ("dataset2/DBZH").

    Raises:
        DataError: it is another object than a composite, has no time, holds no quantity of rain, or holds one twice at
            one time.
        ConfigError: a quantity that it does not hold.
    """
    root = read_tree(path)
    _hold_composite(path, root)
    fields = list(_fields(path, root))
    place, _, name = (quantity or "").rpartition("/")
    within = [f for f in fields if not place or (f"{f.place}/").startswith(f"{place}/")]
    held = dict.fromkeys(f.quantity for f in within)
    asked = choose(path, name or None, [q for q in QUANTITIES if q in held], sorted(held))
    chosen = [f for f in within if f.quantity == asked]
    several = len(chosen) > 1
    steps = [field.header(several=several) for field in chosen]
    for step, other in ((a, b) for n, a in enumerate(steps) for b in steps[:n] if a.time == b.time):
        places = joined([f"{f.place} ({f.product})" if f.product else f.place for f in chosen])
        raise ConfigError(
            f"holds {asked} of {np.datetime_as_string(step.time, unit='m')} more than once, in {places}",
            where=path,
            hint=f"choose one with {{variable={other.inside.removesuffix('/data')}/{asked}}}",
        )
    return steps


def _hold_composite(path: Path, root: Node) -> None:
    what = root.get("what")
    kind = "" if what is None else text(what.attributes.get("object")).upper()
    if not kind and any("nbins" in inner.attributes for _, d in root.numbered("dataset") if (inner := d.get("where"))):
        kind = "PVOL"
    if kind not in _COMPOSITES:
        raise DataError(
            f"is {_OBJECTS.get(kind, f'an object {kind}')}, not a composite",
            where=path,
            expected="an object COMP or IMAGE, over two horizontal axes",
            received=kind,
            hint="make a composite of it, for example with wradlib or Py-ART",
        )


@dataclass(frozen=True)
class _Field:
    """One field of a file, with the groups whose attributes hold for it."""

    path: Path
    node: Node
    """The dataset that holds its values."""
    place: str
    """Its group: "dataset1/data1"."""
    above: tuple[Node, ...]
    """Groups that it lies in, the innermost first."""

    def said(self, group: str, name: str) -> Any:
        """An attribute, from the innermost group that has it; None where none has."""
        for node in self.above:
            inner = node.get(group)
            if inner is not None and name in inner.attributes:
                return inner.attributes[name]
        return None

    def stated(self, group: str, name: str) -> float | None:
        """An attribute that is a number; None where no group has it."""
        value = self.said(group, name)
        return None if value is None else number(self.path, f"{group}/{name} of {self.place}", value)

    @property
    def quantity(self) -> str:
        return text(self.said("what", "quantity")).upper()

    @property
    def product(self) -> str:
        parts = (text(self.said("what", name)) for name in ("product", "prodname", "prodpar"))
        return " ".join(filter(None, parts))

    def header(self, *, several: bool) -> Header:
        """Its header; where a file has several steps, each has the time at which it ends."""
        start, end = (self._moment(f"{edge}date", f"{edge}time") for edge in ("start", "end"))
        if end is not None and end.astype("datetime64[s]").astype(int) % 60 == 59:  # the last second that counts
            end += np.timedelta64(1, "s")
        nominal = self._moment("date", "time")
        summed = None
        if self.quantity == "ACRR" and start is not None and end is not None and end > start:
            summed = end - start
        time = end if summed is not None or (several and end is not None) else nominal or end
        if time is None:
            raise DataError("has no time", where=self.path, expected="what/date and what/time")
        assert self.node.shape is not None
        height, width = self._held_shape(self.node.shape)
        return Header(
            path=self.path,
            quantity=self.quantity,
            time=time,
            shape=(height, width),
            accumulation=summed,
            inside=self.node.name,
            numbers=(
                self._factor("gain", 1.0),
                self._factor("offset", 0.0),
                self.stated("what", "nodata"),
                self.stated("what", "undetect"),
            ),
            place=self._place(),
        )

    def _moment(self, date: str, time: str) -> np.datetime64 | None:
        """A time of two attributes, YYYYMMDD and HHMMSS; None where there are none."""
        day, clock = text(self.said("what", date)), text(self.said("what", time))
        if not day and not clock:
            return None
        written = f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"
        wrong = not (len(day) == 8 and day.isdecimal() and len(clock) == 6 and clock.isdecimal())
        try:
            moment = None if wrong else instant(written, self.path)
        except ValueError:
            moment = None
        if moment is None:
            raise DataError(
                f"has no time that can be read in what/{date} and what/{time}",
                where=self.path,
                expected="YYYYMMDD and HHMMSS",
                received=f"{day or 'nothing'} and {clock or 'nothing'}",
            )
        return moment

    def _factor(self, name: str, default: float) -> float:
        value = self.stated("what", name)
        value = default if value is None else value
        if not np.isfinite(value) or (name == "gain" and value == 0):
            raise DataError(
                f"{name} of {self.place} must be a finite number" + (" other than 0" if name == "gain" else ""),
                where=self.path,
                received=value,
            )
        return value

    def _held_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width, as the array has them and where/xsize and ysize say, where they do."""
        sizes = [self.stated("where", name) for name in ("ysize", "xsize")]
        if len(shape) != 2 or any(size not in (None, n) for size, n in zip(sizes, shape, strict=True)):
            height, width = ("any" if size is None else f"{size:g}" for size in sizes)
            raise DataError(
                f"{self.place} has another shape than its header says",
                where=self.path,
                expected=f"({height}, {width})",
                received=shape,
            )
        return shape[0], shape[1]

    def _place(self) -> tuple[object, ...]:
        """Projection and corners, to a thousandth of a degree."""
        corners = (self.stated("where", f"{corner}_{axis}") for corner in _CORNERS for axis in ("lon", "lat"))
        return text(self.said("where", "projdef")), *(None if c is None else round(c, 3) for c in corners)


def _fields(path: Path, root: Node) -> Iterable[_Field]:
    for outer, dataset in root.numbered("dataset"):
        for inner, data in dataset.numbered("data"):
            node = data.get("data")
            if node is not None and node.shape is not None:
                yield _Field(path, node, f"{outer}/{inner}", (data, dataset, root))


def _field(header: Header) -> _Field:
    root = read_tree(header.path)
    field = next((f for f in _fields(header.path, root) if f.node.name == header.inside), None)
    if field is None:
        raise DataError(f"no longer holds {header.inside}", where=header.path)
    return field


def read_field(header: Header) -> NDArray[np.float32]:
    """A step's field, (H, W): NaN for nodata, dry for undetect, else gain * value + offset.

    Raises:
        DataError: it is damaged.
    """
    gain, offset, nodata, undetect = header.numbers
    assert gain is not None
    assert offset is not None
    stored = read_values(header.path, header.inside, field_of(header))
    dry = NO_ECHO if QUANTITIES[header.quantity].units == "dBZ" else 0.0
    return decoded(stored, gain=gain, offset=offset, nodata=nodata, undetect=undetect, dry=dry)


def decoded(
    stored: NDArray[Any], *, gain: float, offset: float, nodata: float | None, undetect: float | None, dry: float
) -> NDArray[np.float32]:
    """Stored values as physical ones.

    Args:
        stored: values as the file holds them.
        gain: factor of stored values.
        offset: what is then added.
        nodata: stored value of what was not looked at, NaN in what is returned; None where there is none. It counts
            where both sentinels are one number.
        undetect: stored value of what was looked at and not seen; None where there is none.
        dry: physical value of that.

    >>> decoded(np.array([0, 4, 255], np.uint8), gain=0.5, offset=1, nodata=255, undetect=0, dry=0.0).tolist()
    [0.0, 3.0, nan]
    """
    sentinels = [s for s in (nodata, undetect) if s is not None]
    if stored.dtype.kind == "i" and any(np.iinfo(stored.dtype).max < s for s in sentinels):
        stored = stored.astype(f"u{stored.dtype.itemsize}")  # unsigned numbers in a signed type
    values = stored * np.float64(gain) + offset
    if undetect is not None:
        values[_is(stored, undetect)] = dry
    if nodata is not None:
        values[_is(stored, nodata)] = np.nan
    if undetect is not None and np.isnan(undetect):
        values[np.isnan(stored)] = dry
    return values.astype(np.float32)


def _is(stored: NDArray[Any], sentinel: float) -> NDArray[np.bool_]:
    """Mask of stored values that are a sentinel, which a header may hold more exactly than they do."""
    if stored.dtype.kind == "f":
        with np.errstate(over="ignore"):
            sentinel = stored.dtype.type(sentinel)
    equal: NDArray[np.bool_] = stored == sentinel
    return equal


def grid(header: Header) -> Grid | None:
    """Centres of the pixels in the projection's plane; None where the file does not say where it lies.

    Raises:
        ConfigError: pyproj is not installed.
        DataError: a projection that PROJ does not take.
    """
    about = _field(header)
    projection = text(about.said("where", "projdef"))
    corners = {
        corner: (lon, lat)
        for corner in _CORNERS
        if (lon := about.stated("where", f"{corner}_lon")) is not None
        and (lat := about.stated("where", f"{corner}_lat")) is not None
    }
    if not projection or not {"LL", "UR"} <= set(corners):
        return None
    placed, unit = projected(header.path, projection, corners)
    x, y = ([place[axis] for place in placed.values()] for axis in (0, 1))
    return grid_within((min(x), max(x), min(y), max(y)), header.shape, unit, projection)


def institution(header: Header) -> str:
    """Maker of the file, as what/source says: "ORG:247"."""
    return text(_field(header).said("what", "source"))
