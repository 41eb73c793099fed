"""GeoTIFF and cloud-optimised GeoTIFF (COG) by rasterio: values with their scale, and where and when they are of.

A band that says its own time, as the others do, is a step; else bands are channels. Bands that say of what variable
they are, as those of our own forecasts, may be both. Times are read from the file's name where a pattern is given, else
from tags.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nextframe.config import Reading
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.bounds import hold_claim, hold_frame
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.accumulation import common
from nextframe.frames.formats.palette import painted, read_palette
from nextframe.frames.formats.rasters import ALPHA, BLUE, GREEN, RED, Bands, Colours, opened_raster, rasterio_for
from nextframe.frames.grid import Grid
from nextframe.frames.names import natural_order, time_in_name
from nextframe.frames.radar.place import NAMES, mapping
from nextframe.frames.sequence import APART, FrameSequence, stands_beside
from nextframe.frames.steps import instant, length_of_time

_GEOGRAPHIC = (33550, 34264, 34735)
"""Tags by which a TIFF says where it lies: size of a pixel, transformation, keys of the projection."""
_GDAL = 42112
"""Tag in which GDAL says what the values are: scale, offset, unit, names of bands, times."""
_TIME_TAGS = ("valid_time", "time", "datetime", "acquisitiondatetime", "timestamp", "date_time")
"""Tags that hold a time, in lower case, the likeliest first."""
_DIMENSION = re.compile(r"NETCDF_DIM_(\w*time\w*)", re.IGNORECASE)
_SAVED = "TIFFTAG_DATETIME"


def is_geotiff(path: Path) -> bool:
    """True where a TIFF says where on the earth it lies, or in GDAL's way what its values are, by its first page."""
    if path.suffix.lower() not in (".tif", ".tiff") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(16)
            order = {b"II": "<", b"MM": ">"}.get(head[:2])
            if order is None:
                return False
            big = struct.unpack(order + "H", head[2:4])[0] == 43
            start = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
            file.seek(start)
            count = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))[0]
            size = 20 if big else 12
            entries = file.read(size * min(count, 4096))
            return any(
                struct.unpack(order + "H", entries[at : at + 2])[0] in (*_GEOGRAPHIC, _GDAL)
                for at in range(0, len(entries) - size + 1, size)
            )
    except (OSError, struct.error):
        return False  # said when it is read


@dataclass(frozen=True)
class _File:
    """A file by its header."""

    path: Path
    shape: tuple[int, int]
    steps: tuple[tuple[int, ...], ...]
    """Numbers of the bands, from 1, by step and channel."""
    times: tuple[np.datetime64, ...] | None
    names: tuple[str, ...]
    units: tuple[str, ...]
    about: tuple[Mapping[str, object], ...]
    accumulation: tuple[np.timedelta64 | None, ...]
    aside: tuple[str, ...]
    """Channels that describe these, where none was asked for: they are not read."""
    declares_missing: bool
    place: tuple[object, ...]
    """Projection and transformation."""
    grid: Grid | None
    """None where the file says nothing of its place."""
    saved: bool
    """True where its time is that of the tag for when a file was made."""


def open_geotiff(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open GeoTIFF files as one sequence (`frames.format.Open`), each a step, or several in its bands.

    Raises:
        DataError: a file that cannot be read, has the time of another, or lies elsewhere.
        ShapeError: files of differing size or bands.
        ConfigError: a band that is not there; rasterio is not installed.
    """
    rasterio_for(name)
    palette = read_palette(Path(reading.palette)) if reading.palette else None
    ordered = sorted(files, key=natural_order)
    described = describe_each(ordered, lambda path: _described(path, reading), damage)
    first = described[0]
    for other in described[1:]:
        _hold_alike(first, other)
    have_times = [file.times is not None for file in described]
    if any(have_times) and not all(have_times):
        raise DataError(
            "has no time, as the others have",
            where=described[have_times.index(False)].path,
            hint="name what times look like in the names of the files with {time_format}",
        )
    steps = [(file, n) for file in described for n in range(len(file.steps))]
    times = None
    if all(have_times):
        steps.sort(key=lambda step: step[0].times[step[1]] if step[0].times else np.datetime64("NaT"))
        times = np.array([file.times[n] for file, n in steps if file.times], "datetime64[ns]")
        for (before, _), (after, _), earlier, later in zip(steps, steps[1:], times, times[1:], strict=False):
            if earlier == later:
                raise DataError(
                    f"has the time of {before.path.name}",
                    where=after.path,
                    received=later,
                    hint="remove the file that is double, or name what times look like in names with {time_format}",
                )
    note = (
        f"times are those of the tag {_SAVED}, which may be when a file was made; "
        "times in names are read where {time_format} says what they look like"
    )
    notes = (note,) if times is not None and any(file.saved for file in described) else ()
    pixels, box = tuple((file.path, file.steps[n]) for file, n in steps), (0, 0, *first.shape)
    sequence = FrameSequence(
        values=Bands(pixels, box) if palette is None else Colours(pixels, box),
        name=name,
        times=times,
        grid=first.grid,
        missing="mask" if any(file.declares_missing for file in described) else "error",
        notes=(*notes, stands_beside(first.names, first.aside)) if first.aside else notes,
    )
    accumulation = common(name, first.names, [(file.path.name, file.accumulation) for file in described])
    if palette is not None:
        return (replace(painted(sequence, palette), accumulation=accumulation),)
    return (
        replace(
            sequence,
            variables=first.names,
            units=first.units,
            variable_attributes=first.about,
            accumulation=accumulation,
        ),
    )


def _hold_alike(first: _File, other: _File) -> None:
    if (other.shape, other.names) != (first.shape, first.names):
        raise ShapeError(
            f"differs in size or bands from {first.path.name}",
            where=other.path,
            expected=(first.shape, *first.names),
            received=(other.shape, *other.names),
            hint=APART,
        )
    if other.units != first.units:
        raise DataError(
            f"differs in units from {first.path.name}",
            where=other.path,
            expected=first.units,
            received=other.units,
            hint=APART,
        )
    if other.place[0] != first.place[0]:
        raise DataError(f"has another projection than {first.path.name}", where=other.path, hint=APART)
    if first.grid is None or other.grid is None:
        if first.grid is not other.grid:
            raise DataError(f"and {first.path.name} do not both say where they lie", where=other.path, hint=APART)
    else:
        first.grid.hold_in_place(other.grid, where=other.path, than=first.path.name)


def _described(path: Path, reading: Reading) -> _File:
    with opened_raster(path) as file:
        pages = len(file.subdatasets)
        said = _Said(
            path=path,
            tags=dict(file.tags()),
            bands=tuple(dict(file.tags(n)) for n in file.indexes),
            descriptions=tuple(file.descriptions),
            units=tuple(file.units),
            dtypes=tuple(file.dtypes),
            kinds=tuple(int(kind) for kind in file.colorinterp),
            height=int(file.height),
            width=int(file.width),
            transform=tuple(file.transform)[:6],
            wkt=file.crs.to_wkt() if file.crs else "",
            degrees=bool(file.crs and file.crs.is_geographic),
            unit=str(file.crs.linear_units) if file.crs and file.crs.is_projected else "m",
            masked=any(v is not None for v in file.nodatavals)
            or any(flag.name != "all_valid" for flags in file.mask_flag_enums for flag in flags),
        )
    if pages > 1:
        raise DataError(
            "holds several pictures, each with a place of its own",
            where=path,
            expected="a picture, whose bands are channels or steps",
            received=f"{pages} pages",
            hint="save each in a file of its own (gdal_translate GTIFF_DIR:1:FILE)",
        )
    return said.file(reading)


_NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Transformation of a file that has none: rows and columns."""
_NAMED = {RED: "red", GREEN: "green", BLUE: "blue"}
"""Bands of a picture, in the order in which a palette reads them."""


@dataclass(frozen=True)
class _Said:
    """A header as rasterio reads it."""

    path: Path
    tags: Mapping[str, str]
    bands: tuple[Mapping[str, str], ...]
    descriptions: tuple[str | None, ...]
    units: tuple[str | None, ...]
    dtypes: tuple[str, ...]
    kinds: tuple[int, ...]
    """What GDAL takes each band for."""
    height: int
    width: int
    transform: tuple[float, ...]
    wkt: str
    degrees: bool
    unit: str
    masked: bool

    def file(self, reading: Reading) -> _File:
        """Facts that are known of the file.

        Raises:
            DataError: pixels that are no real numbers, or times that cannot be read.
            ConfigError: a band that is not there.
        """
        hold_frame(self.path, self.height, self.width)
        hold_claim(self.path, self.height * self.width)
        seen = [n for n, kind in enumerate(self.kinds) if kind != ALPHA]
        strange = [dtype for dtype in self.dtypes if np.dtype(dtype).kind not in "iuf"]
        if strange or not seen:
            raise DataError("holds no real numbers", where=self.path, received=", ".join(strange) or "opacity alone")
        laid = self._laid(seen)
        if reading.palette:
            laid = self._by_colour(laid)
        names = list(laid)
        aside: tuple[str, ...] = ()
        if reading.variable:
            names = [names[self._chosen(wanted, names)] for wanted in reading.variable]
        elif described := self._describing(laid):
            aside, names = tuple(described), [name for name in names if name not in described]
        elif reading.palette and set(names) == set(_NAMED.values()):
            names = list(_NAMED.values())
        steps = tuple(zip(*(laid[name] for name in names), strict=True))
        own = [_time(self.path, self.bands[step[0]]) for step in steps]
        times, saved = tuple(time for time in own if time is not None), False
        if len(steps) == 1:
            time = own[0] or _time(self.path, self.tags)
            if reading.time_format:
                time = time_in_name(self.path, reading.time_format)
            elif time is None and _SAVED in self.tags:
                time, saved = _saved(self.tags[_SAVED]), True
            times = () if time is None else (time,)
        shown = steps[0]
        header = _File(
            path=self.path,
            shape=(self.height, self.width),
            steps=tuple(tuple(n + 1 for n in step) for step in steps),
            times=times or None,
            names=tuple(names),
            units=tuple(self.units[n] or self._tag(n, "units") or "1" for n in shown),
            about=tuple(
                {key: said for key in ("long_name", "standard_name", "cell_methods") if (said := self._tag(n, key))}
                for n in shown
            ),
            accumulation=tuple(self._accumulation(n) for n in shown),
            aside=aside,
            declares_missing=self.masked,
            place=(self.wkt, self.transform),
            grid=self._grid(),
            saved=saved,
        )
        return self._picture(header) if reading.palette else header

    def _picture(self, header: _File) -> _File:
        """The header of a file that is read by a palette: its bands are one quantity, whatever they say of themselves.

        Raises:
            DataError: bands of more than 8 bits.
            ShapeError: bands that are neither one nor red, green and blue.
        """
        dtypes = {self.dtypes[n - 1] for n in header.steps[0]}
        if dtypes != {"uint8"}:
            raise DataError(
                "has no colours of 8 bits to turn into values",
                where=self.path,
                expected="uint8",
                received=", ".join(sorted(dtypes)),
                hint="leave out {palette} where the numbers are the values",
            )
        if len(header.names) not in (1, 3):
            raise ShapeError(
                "holds other bands than those of a picture",
                where=self.path,
                expected="red, green and blue, or one band",
                received=", ".join(header.names),
                hint="name those of the picture with {variable}",
            )
        one = header.accumulation[:1]
        return replace(header, names=("picture",), units=("1",), about=({},), accumulation=one)

    def _by_colour(self, laid: dict[str, list[int]]) -> dict[str, list[int]]:
        """Bands by their colours, where they say these; others, and bands that are steps, by the name that they had."""
        kinds = [self.kinds[bands[0]] for bands in laid.values()]
        if any(len(bands) > 1 for bands in laid.values()) or any(kinds.count(kind) != 1 for kind in _NAMED):
            return laid
        return {_NAMED.get(kind, name): bands for kind, (name, bands) in zip(kinds, laid.items(), strict=True)}

    def _tag(self, band: int, key: str) -> str:
        return next((said[key] for said in (self.bands[band], self.tags) if said.get(key)), "")

    def _laid(self, seen: Sequence[int]) -> dict[str, list[int]]:
        """Bands by the name of their channel, in order of their steps."""
        own = [_time(self.path, self.bands[n]) for n in seen]
        if all(self.bands[n].get("variable") for n in seen):
            leads = [time or self.bands[n].get("lead_time", "") for n, time in zip(seen, own, strict=True)]
            moments = list(dict.fromkeys(leads))
            laid: dict[str, list[int]] = {}
            for n in seen:
                laid.setdefault(self._variable(n), []).append(n)
            in_order = [n for bands in laid.values() for n in bands]
            if [leads[seen.index(n)] for n in in_order] == moments * len(laid):
                return laid
        if len(seen) > 1 and all(own) and len(set(own)) == len(own):
            return {self._name(seen[0]): list(seen)}
        names = [self._name(n) for n in seen]
        return {
            name if names.count(name) == 1 else f"{name}_band{n + 1}": [n] for n, name in zip(seen, names, strict=True)
        }

    def _variable(self, band: int) -> str:
        """Name of the variable that a band is of, and of what it says of that one: "rain_rate_quantile_0.9"."""
        said = self.bands[band]
        parts = [said.get(key, "") for key in ("threshold", "level", "member")]
        return "_".join(filter(None, (said["variable"], *((said["statistic"], *parts) if _describes(said) else ()))))

    def _describing(self, laid: Mapping[str, Sequence[int]]) -> list[str]:
        """Channels that say how sure a forecast is, where that stands beside them; none where all do."""
        found = [name for name, bands in laid.items() if _describes(self.bands[bands[0]])]
        return found if len(found) < len(laid) else []

    def _accumulation(self, band: int) -> np.timedelta64 | None:
        """Time that a band is summed over, as the tag of that name says it."""
        said = self._tag(band, "accumulation")
        try:
            return length_of_time(said, where="accumulation") if said else None
        except ConfigError as error:
            raise DataError(
                "has a tag accumulation that is no length of time",
                where=self.path,
                expected="600 s",
                received=said[:40],
            ) from error

    def _name(self, band: int) -> str:
        told = self._tag(band, "NETCDF_VARNAME") or self.descriptions[band]
        if told:
            return str(told)
        return "frame" if len(self.bands) == 1 else f"band{band + 1}"

    def _chosen(self, wanted: str, names: Sequence[str]) -> int:
        if wanted in names:
            return names.index(wanted)
        if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            return int(wanted) - 1
        raise ConfigError("holds no such band", where=self.path, expected=f"one of {', '.join(names)}", received=wanted)

    def _grid(self) -> Grid | None:
        if not self.wkt and self.transform == _NOWHERE:
            return None
        a, b, c, d, e, f = self.transform
        rows, columns = np.arange(self.height, dtype=np.float64), np.arange(self.width, dtype=np.float64)
        if b or d:  # turned: rows and columns have no coordinates of their own
            return Grid(y=rows, x=columns)
        named = ("latitude", "longitude") if self.degrees else ("projection_y_coordinate", "projection_x_coordinate")
        unit = NAMES.get(self.unit, self.unit)
        units = ("degrees_north", "degrees_east") if self.degrees else (unit, unit)
        return Grid(
            y=np.asarray(f + (rows + 0.5) * e),
            x=np.asarray(c + (columns + 0.5) * a),
            y_name="latitude" if self.degrees else "y",
            x_name="longitude" if self.degrees else "x",
            y_attributes={"standard_name": named[0], "axis": "Y", "units": units[0]},
            x_attributes={"standard_name": named[1], "axis": "X", "units": units[1]},
            mapping=_mapping(self.wkt) if self.wkt else None,
        )


def _describes(said: Mapping[str, str]) -> bool:
    """True for tags of a band that holds a probability, a quantile or a member of a forecast of ours."""
    return said.get("statistic", "forecast") != "forecast"


def _mapping(wkt: str) -> dict[str, object]:
    """The CF grid mapping of a projection in well-known text; the text itself where pyproj is not there."""
    described = mapping(wkt)
    return {"crs_wkt": wkt} if "proj4" in described else described


def _time(path: Path, tags: Mapping[str, str]) -> np.datetime64 | None:
    """The time that tags hold; None where they hold none."""
    lower = {key.lower(): value for key, value in tags.items()}
    for name in _TIME_TAGS:
        if lower.get(name):
            return _parsed(path, name, lower[name])
    dimension = next((key for key in tags if _DIMENSION.fullmatch(key)), None)
    if dimension is not None:
        name = dimension.removeprefix("NETCDF_DIM_")
        return _counted(path, tags[dimension], tags.get(f"{name}#units", ""), tags.get(f"{name}#calendar", "standard"))
    if "GRIB_VALID_TIME" in tags:
        return np.datetime64(10**9 * int(tags["GRIB_VALID_TIME"].split()[0]), "ns")
    return None


def _parsed(path: Path, name: str, said: str) -> np.datetime64:
    """A time as texts have it: ISO 8601, with a zone or without, or digits alone.

    Raises:
        DataError: it is none.
    """
    text = said.strip()
    try:
        if text.isdecimal() and len(text) in (8, 10, 12, 14):
            time = datetime.strptime(text, "%Y%m%d%H%M%S"[: {8: 6, 10: 8, 12: 10, 14: 12}[len(text)]])
        else:
            time = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(
            f"has a tag {name} that is no time",
            where=path,
            expected="2020-01-31T12:05:00",
            received=text[:40],
            hint="name what times look like in the names of the files with {time_format}",
        ) from error
    moment = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    return instant(moment, path)


def _counted(path: Path, number: str, units: str, calendar: str) -> np.datetime64 | None:
    """A time as GDAL keeps that of NetCDF: a number, and since when it counts."""
    from nextframe.frames.formats.times import since  # and cftime with it, which most files do without

    try:
        times = since(np.array([float(number)]), units, calendar, path)
    except ValueError as error:
        raise DataError("has a time that cannot be decoded", where=path, received=f"{number} {units}") from error
    return None if times is None else times[0]


def _saved(said: str) -> np.datetime64 | None:
    """TIFF's own time, "2020:01:31 12:05:00"; None where it is none."""
    try:
        return np.datetime64(datetime.strptime(said.strip("\0 "), "%Y:%m:%d %H:%M:%S"), "ns")
    except ValueError:
        return None
