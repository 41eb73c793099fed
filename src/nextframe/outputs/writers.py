"""Output formats: their table, and a forecast written as its file's suffix says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.errors import ConfigError, ShapeError
from nextframe.files import FULL, cannot_be_written, check_writable, replacing
from nextframe.outputs.asked import OPTION, STATISTICS, Asked
from nextframe.outputs.patterns import fields_of, written_to
from nextframe.outputs.writer import Beside, Part, Writer
from nextframe.plugins import Late, table
from nextframe.words import joined

if TYPE_CHECKING:
    from nextframe.forecasting.forecast import Forecast
    from nextframe.frames.sequence import FloatArray

_HERE = "nextframe.outputs"
_SHOWN: frozenset[Part] = frozenset({"past", "truth", "probabilities"})
_WRITERS = (
    Writer(
        name="GIF",
        suffix=".gif",
        media="image/gif",
        write=Late(f"{_HERE}.pictures:write_gif"),
        holds=_SHOWN,
        about="an animation of past, truth, forecast and error side by side",
    ),
    Writer(
        name="MP4",
        suffix=".mp4",
        media="video/mp4",
        write=Late(f"{_HERE}.pictures:write_mp4"),
        check=Late(f"{_HERE}.pictures:check_encoder"),
        holds=_SHOWN,
        about="the same animation as a video",
    ),
    Writer(
        name="PNG",
        suffix=".png",
        media="image/png",
        write=Late(f"{_HERE}.pictures:write_png"),
        holds=_SHOWN,
        about="a strip with a row for each of these, a column for each lead time (20 of more)",
    ),
    Writer(
        name="NumPy array",
        suffix=".npy",
        media="application/x-npy",
        write=Late(f"{_HERE}.arrays:write_npy"),
        about="the values (lead time, channel, height, width) in source units",
    ),
    Writer(
        name="NetCDF",
        suffix=".nc",
        media="application/x-netcdf",
        also=(".nc4", ".netcdf"),
        write=Late(f"{_HERE}.netcdf:write_netcdf"),
        holds=STATISTICS,
        about="a variable for each channel by the CF conventions 1.11, with times and coordinates",
    ),
    Writer(
        name="Zarr",
        suffix=".zarr",
        media="application/zip",
        write=Late(f"{_HERE}.zarr_store:append_zarr"),
        holds=STATISTICS,
        appends=True,
        about="the same variables over (init_time, lead_time, y, x); every run adds its forecast to those there",
    ),
    Writer(
        name="GeoTIFF",
        suffix=".tif",
        media="image/tiff; application=geotiff; profile=cloud-optimized",
        also=(".tiff",),
        write=Late(f"{_HERE}.geotiff:write_geotiff"),
        holds=STATISTICS,
        modules=("rasterio", "pyproj"),
        extra="geotiff",
        about="a band for each lead time, north up, cloud-optimised (COG); projection, units and times in its tags",
    ),
    Writer(
        name="GRIB2",
        suffix=".grib2",
        media="application/x-grib2",
        also=(".grib", ".grb2", ".grb"),
        write=Late(f"{_HERE}.grib:write_grib"),
        holds=STATISTICS,
        modules=("eccodes", "pyproj"),
        extra="grib",
        about="a message for each lead time; rain, reflectivity, temperature and what else has a code there",
    ),
    Writer(
        name="ODIM HDF5",
        suffix=".h5",
        media="application/x-hdf5",
        also=(".hdf", ".hdf5"),
        write=Late(f"{_HERE}.odim:write_odim"),
        modules=("h5py", "pyproj"),
        extra="radar",
        about="a radar composite of rain or reflectivity, a dataset for each lead time",
    ),
    Writer(
        name="CSV",
        suffix=".csv",
        media="text/csv",
        write=Late(f"{_HERE}.tables:write_csv"),
        holds=STATISTICS | {"points", "areas"},
        needs=frozenset({"points", "areas"}),
        modules=("pyproj",),
        extra="radar",
        about="values at points, mean and maximum over areas, a line for each lead time",
    ),
)


@cache
def writers() -> tuple[Writer, ...]:
    """The table of output formats, with rows of other packages (entry points `nextframe.writers`).

    >>> [writer.suffix for writer in writers()][:6]
    ['.gif', '.mp4', '.png', '.npy', '.nc', '.zarr']
    """
    return table("nextframe.writers", _WRITERS)


def suffixes(part: Part | None = None) -> list[str]:
    """Suffixes of all formats, or of those that hold a part.

    >>> suffixes("members")[:1]
    ['.nc']
    """
    return [writer.suffix for writer in writers() if part is None or part in writer.holds]


def writer_for(path: str | Path) -> Writer:
    """The output format of a file's name.

    Raises:
        ConfigError: a suffix of none.
    """
    suffix = Path(path).suffix.lower()
    for writer in writers():
        if suffix in writer.suffixes:
            return writer
    expected = ", ".join(suffixes())
    raise ConfigError("no format has this suffix", where=path, expected=expected, received=suffix or "none")


def check_output(
    path: str | Path | Sequence[str | Path],
    *,
    exceed: Sequence[float] = (),
    quantiles: Sequence[float] = (),
    coverage: float | None = None,
    members: bool = False,
    points: str | Path | None = None,
    areas: str | Path | None = None,
) -> Writer:
    """Hold the names of files, and what is to be in them, to what their formats can hold, before anything is computed.

    Of several files, each takes what it has a place for; what none of them has is refused. Tables of points and areas
    are read.

    Args:
        path: the file, a pattern of names (`outputs.patterns`), or several.
        exceed: thresholds of the probabilities that are asked for.
        quantiles: levels of the quantiles that are asked for.
        coverage: probability of the interval that is asked for.
        members: whether the members are asked for.
        points: CSV table of points that are asked for.
        areas: GeoJSON file of areas that are asked for.

    Returns:
        The writer of the first file.

    Raises:
        ConfigError: an unknown suffix, something that the formats have no place for, or that one needs and is not asked
            for, a library that is not there, a pattern that has no meaning, or a share that is none.
        DataError: points or areas that cannot be read.
    """
    asked = Asked(exceed=exceed, quantiles=quantiles, coverage=coverage, members=members, points=points, areas=areas)
    return _check(_several(path), asked)


def check_places(paths: Sequence[str | Path], asked: Asked) -> None:
    """Hold the names of files as `check_output`, and find out whether there will be a place for each.

    Raises:
        ConfigError, DataError: as `check_output`; or a place that cannot be written to.
    """
    _check(paths, asked)
    for path in paths:
        row = writer_for(path)
        pattern = any(fields_of(path))
        # Of a pattern, the folder below which its files will lie is not known yet.
        folder = Path(str(path).partition("{")[0] + "_") if pattern else Path(path)
        check_writable(folder / ".index" if row.appends and not pattern else folder)


def _check(paths: Sequence[str | Path], asked: Asked) -> Writer:
    rows = [writer_for(one) for one in paths]
    asked.check()
    for part in asked.parts:
        if not any(part in row.holds for row in rows):
            others = joined(suffixes(part), "or")
            hint = f"leave out {{{OPTION[part]}}}, or write to a file that ends in {others}"
            raise ConfigError(f"{rows[0].name} has no place for {part}", where=paths[0], hint=hint)
    for one, row in zip(paths, rows, strict=True):
        fields_of(one)
        _hold_libraries(one, row)
        if row.needs and not row.needs & set(asked.parts):
            wanted = joined([f"{{{OPTION[part]}=FILE}}" for part in sorted(row.needs, reverse=True)], "or")
            raise ConfigError(
                f"{row.name} is for {joined(sorted(row.needs, reverse=True), 'and')}",
                where=one,
                hint=f"name them with {wanted}",
            )
        if row.check is not None:
            row.check()
    asked.places()
    return rows[0]


def _several(path: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [path] if isinstance(path, (str, Path)) else list(path)


def _hold_libraries(path: str | Path, row: Writer) -> None:
    for module in row.modules:
        if find_spec(module) is None:
            raise ConfigError(
                f"{row.name} needs {module}, which is not installed",
                where=path,
                hint=f"pip install 'nextframe[{row.extra}]'",
            )


def save_forecast(
    forecast: Forecast,
    path: str | Path | Sequence[str | Path],
    *,
    past: FloatArray | None = None,
    truth: FloatArray | None = None,
    exceed: Sequence[float] = (),
    quantiles: Sequence[float] = (),
    coverage: float | None = None,
    members: bool = False,
    points: str | Path | None = None,
    areas: str | Path | None = None,
) -> list[Path]:
    """Write a forecast to a file, or to several; the suffix of each says how.

    - `.gif`, `.mp4`: the past, then truth, forecast and error side by side (the forecast alone where no truth is
      given), and the probability of exceeding each threshold that is asked for
    - `.png`: a strip with a row for each of these, a column for each lead time (20 of more)
    - `.npy`: the values (K, C, H, W) in source units
    - `.nc`: NetCDF by the CF conventions, a variable for each channel over (lead_time, y, x), and what else is asked
      for beside it: `rain_probability` over (threshold, lead_time, y, x), `rain_quantile`, `rain_lower` and
      `rain_upper`, `rain_member`
    - `.zarr`: the same, added to the forecasts that the store holds, over (init_time, lead_time, y, x)
    - `.tif`: GeoTIFF, a band for each of these and each lead time
    - `.grib2`: GRIB edition 2, a message for each of these and each lead time
    - `.h5`: a radar composite by ODIM, a dataset for each lead time
    - `.csv`: values at points and over areas, a line for each lead time

    A name may be a pattern (`outputs.patterns`): "archive/{init}.nc", "next-{lead}.tif", a file of each lead time.

    Args:
        forecast: what to write.
        path: the file, a pattern, or several of these; files are replaced if they are there, whole and all of them, or
            not at all.
        past: frames before the forecast (T, C, H, W), for pictures.
        truth: what came (K, C, H, W), for pictures.
        exceed: thresholds in source units, to give the probability of at least so much.
        quantiles: levels of quantiles to write, between 0 and 1.
        coverage: probability of the central interval whose bounds to write.
        members: whether to write the members, too.
        points: CSV table of points (name, lat, lon) to write values of.
        areas: GeoJSON file of polygons to write means, maxima and probabilities of.

    Returns:
        The files that were written.

    Raises:
        ConfigError: another suffix, something that its format has no place for, probabilities of a forecast that knows
            none, or a place that cannot be written to.
        DataError: points or areas that cannot be read, or that lie outside of the grid.
        ShapeError: a past or a truth that does not fit the forecast.
    """
    asked = Asked(exceed=exceed, quantiles=quantiles, coverage=coverage, members=members, points=points, areas=areas)
    paths = _several(path)
    _check(paths, asked)
    for name, frames in (("past", past), ("truth", truth)):
        if frames is not None and frames.shape[1:] != forecast.values.shape[1:]:
            raise ShapeError(
                f"the {name} has other frames than the forecast",
                where=paths[0],
                expected=forecast.values.shape[1:],
                received=frames.shape[1:],
            )
    if truth is not None and len(truth) != forecast.lead_times:
        raise ShapeError(
            "has another number of lead times", where="truth", expected=forecast.lead_times, received=len(truth)
        )
    places, polygons = asked.places()
    whole = Beside(
        past=past,
        truth=truth,
        probabilities={threshold: forecast.probability(threshold) for threshold in exceed},
        quantiles={level: forecast.quantile(level) for level in quantiles},
        coverage=coverage,
        members=members,
        points=places,
        areas=polygons,
    )
    jobs = {}
    for one in paths:
        row = writer_for(one)
        for file, part, beside in written_to(one, forecast, _held(row, whole)):
            jobs[file] = (row, part, beside)
    with ExitStack() as places_taken:  # at the end, all at once: what one of them cannot hold leaves none behind
        for file, (row, part, beside) in sorted(jobs.items(), key=lambda job: job[1][0].appends):
            _write(row, part, file, beside, places_taken)
    return list(jobs)


def _held(row: Writer, beside: Beside) -> Beside:
    """Parts of all that is asked for that a format has a place for."""
    return replace(
        beside,
        probabilities=beside.probabilities if "probabilities" in row.holds else {},
        quantiles=beside.quantiles if "quantiles" in row.holds else {},
        coverage=beside.coverage if "interval" in row.holds else None,
        members=beside.members and "members" in row.holds,
    )


def _write(row: Writer, forecast: Forecast, path: Path, beside: Beside, stack: ExitStack) -> None:
    """Write a file, which takes its place when the stack is left; what is added to a store is there at once."""
    try:
        if row.appends:
            row.write(forecast, path, beside)
            return
        temporary = stack.enter_context(replacing(path))
        try:
            row.write(forecast, temporary, beside)
        except (OSError, RuntimeError) as error:  # HDF5 says in words alone that a disk is full
            raise _full(error) or error from error
    except OSError as error:
        if row.appends:
            raise cannot_be_written(path, _full(error) or error) from error
        raise


def _full(error: Exception) -> OSError | None:
    """The error of a full disk, where another one is that in words."""
    number = next((number for number in FULL if os.strerror(number) in str(error)), None)
    return None if number is None else OSError(number, os.strerror(number))
