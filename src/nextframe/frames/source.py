"""`open_source`: frames by name or by path, one entry point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol, Unpack, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nextframe.config import DataConfig, Reading
from nextframe.errors import ConfigError, DataError, ShapeError, first_line
from nextframe.frames.cache import cached
from nextframe.frames.damage import Damage, describe_each, hold_file
from nextframe.frames.format import Format
from nextframe.frames.formats import formats, what_can_be_read
from nextframe.frames.formats.axes import RED_GREEN_BLUE, axes_for
from nextframe.frames.generated import GENERATED
from nextframe.frames.listed import listed
from nextframe.frames.names import natural_order
from nextframe.frames.readers import coarsen, crop, to_grey, tolerate
from nextframe.frames.remote import Remote, is_address
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.together import (
    Described,
    described,
    in_one_unit,
    in_rain_unit,
    is_mapping,
    is_summed,
    names_options,
    rain_unit_for,
    to_resolution,
    to_time_step,
)
from nextframe.frames.watch import watch
from nextframe.options import ReadingOptions
from nextframe.plugins import Late
from nextframe.words import joined, listing

_sequences_of_array = Late("nextframe.frames.formats.arrays:sequences_of")
_open_dataset = Late("nextframe.frames.formats.dataset:open_dataset_object")


@runtime_checkable
class DatasetLike(Protocol):
    """A DataArray or Dataset of xarray, which is not imported to tell one."""

    @property
    def coords(self) -> Any: ...

    @property
    def attrs(self) -> Any: ...


One = str | Path | FrameSource | FrameSequence | NDArray[Any] | DatasetLike | Mapping[str, Any]
Source = One | Sequence[One]
"""Frames by name, by path, or in memory; or several such, each with sequences of its own."""


def open_source(source: Source, reading: Reading | None = None, **options: Unpack[ReadingOptions]) -> FrameSource:
    """Open frames by name, by path or in memory; of files, nothing but headers is read.

    Args:
        source: "squares" or "moving-mnist", with options after a colon
            ("squares:movies=200,frames=20,size=40,seed=3"); a path: a file of any format of the table
            (`frames.formats`), a pattern for several ("archive/*.nc"), a folder of images, a folder of any of the
            others, or several such folders, by a pattern or in one folder; an array as a NumPy file may hold one
            (`formats.axes`); an xarray DataArray or Dataset as a NetCDF file may hold one; what is open already; or a
            list of any of these, which may stand in a YAML file ("sources.yaml"). A list of arrays (H, W) is one
            sequence of frames. Others may differ in size, pixel,
            step and unit, and have reading options of their own: "radar.nc::coarsen=2", or a mapping with `path`
            (`frames.together`).
        reading: how to read them; by default as they are.
        **options: fields of `Reading` by their names, in place of those of `reading`: `crop=(0, 0, 64, 64)`.

    Raises:
        DataError: nothing of that name, or a file that cannot be read.
        ConfigError: an option that the source does not know, or a unit of rain for what is not rain.
        ShapeError: frames of differing size, a crop beyond their edge, or an array whose shape does not tell its axes.

    >>> open_source("squares:movies=2,frames=5", crop=(8, 8, 24, 24)).sequences[0].shape
    (5, 1, 24, 24)
    >>> open_source(np.zeros((30, 64, 64, 2)), axes="THWC").sequences[0].shape
    (30, 2, 64, 64)
    >>> [len(sequence) for sequence in open_source([np.zeros((30, 64, 64)), np.zeros((12, 64, 64))]).sequences]
    [30, 12]
    """
    source, reading = _numbers(listed(source)), (reading or Reading()).but(options)
    damage = Damage() if reading.damaged == "skip" else None
    many = are_several(source)
    if many:
        name, sequences = name_of(source), _opened_together(source, reading, damage)
    else:
        name, sequences = _opened(source, reading, damage)
        sequences = tuple(_shaped(s, reading) for s in sequences)
        if damage is not None:
            sequences = tuple(tolerate(s, damage) for s in sequences)
    return FrameSource(name=name, sequences=cached(sequences), several=many)


def _numbers(source: Any) -> Any:
    """Lists within lists of numbers as the array that they stand for; all else as it is.

    Raises:
        ShapeError: lists of differing lengths.
    """
    first = source
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if first is source or not isinstance(first, (bool, int, float, np.number)):
        return source
    try:
        return np.asarray(source)
    except ValueError as error:
        raise ShapeError("holds lists of differing lengths", where="list", received=first_line(error)) from error


def are_several(source: object) -> bool:
    """Tell several sources, or one with options of its own, from one as it is."""
    if is_mapping(source):
        return True
    if isinstance(source, (str, Path)):
        return names_options(source)
    return isinstance(source, (list, tuple)) and not are_frames(source)


def are_named(source: object) -> bool:
    """Tell sources that a configuration can name, so that a run finds them again, from frames in memory."""
    given = source if isinstance(source, (list, tuple)) else [source]
    return are_several(source) and all(isinstance(described(one).source, (str, Path)) for one in given)


def _opened_together(source: Any, reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Sequences of several sources, each as it alone is read, in one unit."""
    given = list(source) if isinstance(source, (list, tuple)) else [source]
    if not given:
        raise DataError("is empty", where="the list of sources", expected="at least one source")
    each = [described(one) for one in given]
    whole = name_of(source)
    names = [_called(one, number, whole) for number, one in enumerate(each)]
    for name in (name for name in names if names.count(name) > 1 and len(given) > 1):
        if all(isinstance(one.source, (str, Path)) for one in each):
            raise ConfigError("is named twice", where="data", received=name, hint="give each its `name`")

    readings = [reading.but(one.options) for one in each]
    raw = [_opened(one.source, how, damage) for one, how in zip(each, readings, strict=True)]
    if rain_unit_for([sequences for _, sequences in raw]) and {how.rain_unit for how in readings} == {"as-read"}:
        readings = [how.but({"rain_unit": "mm/h"}) for how in readings]
    parts = []
    for name, one, how, (called, sequences) in zip(names, each, readings, raw, strict=True):
        unnamed = is_array(one.source) or isinstance(one.source, DatasetLike)
        shaped = (_shaped(s, how) for s in sequences)
        tolerant = (s if damage is None else tolerate(s, damage) for s in shaped)
        parts.append(
            tuple(
                replace(
                    sequence,
                    name=f"{name}{sequence.name.removeprefix(called)}" if unnamed else sequence.name,
                    origin=name,
                    weight=one.weight,
                )
                for sequence in tolerant
            )
        )
    return tuple(sequence for part in in_one_unit(parts, names) for sequence in part)


def _called(one: Described, number: int, whole: str) -> str:
    """Name of one of several sources."""
    unnamed = is_array(one.source) or isinstance(one.source, DatasetLike)
    return one.name or (f"{whole}[{number}]" if unnamed else name_of(one.source))


def pasts_in(source: One | Sequence[Any], *, axes: str = "", channels: int | None = None) -> tuple[FrameSequence, ...]:
    """Sequences of a source that forecasts start from; in an array NaN is missing.

    Args:
        source: what `open_source` takes.
        axes: a letter for each axis of an array; by default told by the shape.
        channels: channels that a frame has to have, where that is known: they tell axes that a shape does not.

    Raises:
        DataError, ConfigError, ShapeError: as `open_source`.
    """
    if isinstance(source, FrameSequence):
        return (source,)
    in_array = is_array(source) or are_frames(source)
    if is_array(source) and not axes and channels is not None:
        axes = axes_for(np.shape(source), channels)  # type: ignore[arg-type]
    return open_source(source, axes=axes, missing="mask" if in_array else "auto").sequences


def are_frames(source: object) -> bool:
    """Tell a list of pictures, arrays (H, W) or (H, W, 3) or (H, W, 4) or those of PIL, which is one sequence of
    frames, from a list of sources.
    """
    return isinstance(source, (list, tuple)) and len(source) > 0 and all(map(_is_picture, source))


def _is_picture(source: Any) -> bool:
    if not is_array(source):
        return False
    shape = np.shape(source)
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in RED_GREEN_BLUE and min(shape[:2]) > max(RED_GREEN_BLUE))


def name_of(source: Source) -> str:
    """Name of a source, for messages and configurations: its path, or the name that it goes by in memory.

    >>> name_of("squares"), name_of(np.zeros((4, 8, 8))), name_of(["a.nc", "b.nc"])
    ('squares', 'array', 'a.nc, b.nc')
    """
    if isinstance(source, (str, Path)):
        return str(source).rpartition("::")[0] if are_several(source) else str(source)
    if is_mapping(source):
        return name_of(described(source).name or described(source).source)
    if isinstance(source, (list, tuple)):
        names = list(dict.fromkeys(map(name_of, source)))
        return listing(names) if len(names) > 1 or len(source) == 1 else f"{len(source)} {''.join(names)}s"
    return str(getattr(source, "name", None) or ("dataset" if isinstance(source, DatasetLike) else "array"))


def _opened(source: Source, reading: Reading, damage: Damage | None) -> tuple[str, tuple[FrameSequence, ...]]:
    """Name and sequences of a source, with what NaN means; not yet cut, turned grey or averaged."""
    name = name_of(source)
    if isinstance(source, (str, Path)):
        if name.partition(":")[0] in GENERATED and (":" not in name or not _there(Path(name))):
            _hold_options(name, reading, frozenset())
            return name, _generate(name)
        with watch.get()(name):
            sequences = _open_path(name, reading, damage)
    elif isinstance(source, (FrameSource, FrameSequence)):
        _hold_options(name, reading, frozenset())
        sequences = (source,) if isinstance(source, FrameSequence) else source.sequences
    elif isinstance(source, DatasetLike):
        _hold_options(name, reading, frozenset({"variable"}))
        sequences = _open_dataset(name, source, reading)
    elif isinstance(source, (list, tuple)):
        sequences = _stacked(source, name, reading)
    elif is_array(source):
        _hold_options(name, reading, frozenset({"axes"}))
        sequences = _sequences_of_array(_array(source, name), name, axes=reading.axes)
    else:
        raise DataError(
            "is no source of frames",
            where=type(source).__name__,
            expected="a name, a path, an array, an xarray object, a FrameSequence, a FrameSource, or a list of these",
            received=str(source)[:60],
        )
    if reading.missing != "auto":
        sequences = tuple(replace(s, missing=reading.missing) for s in sequences)
    return name, sequences if reading.part == "all" else _of_part(name, sequences, reading.part)


def _of_part(name: str, sequences: tuple[FrameSequence, ...], part: str) -> tuple[FrameSequence, ...]:
    """Sequences of one part of a published split.

    Raises:
        ConfigError: a source that was published without that part.
    """
    chosen = tuple(sequence for sequence in sequences if sequence.part == part)
    if not chosen:
        there = list(dict.fromkeys(sequence.part for sequence in sequences if sequence.part is not None))
        raise ConfigError(
            f"has no part {part!r}",
            where=name,
            expected=joined(there, "or") if there else "a data set that is published with a split",
            hint="leave {part} out",
        )
    return chosen


def is_array(source: object) -> bool:
    """Tell what NumPy can take as an array: its own, PyTorch's, dask's."""
    known = hasattr(source, "__array__") or hasattr(source, "__array_interface__")  # the latter alone: pictures of PIL
    return known and not isinstance(source, (FrameSequence, DatasetLike))


def _array(source: Any, name: str) -> NDArray[Any]:
    """Array of another library, as NumPy has it.

    Raises:
        DataError: it makes nothing of it, as of a tensor of PyTorch that has a gradient.
    """
    if isinstance(source, np.ndarray):
        return source
    try:
        return np.asarray(source)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError("cannot be taken as an array of NumPy", where=name, received=first_line(error)) from error


def _stacked(sources: Sequence[Any], name: str, reading: Reading) -> tuple[FrameSequence, ...]:
    """Frames (H, W) or (H, W, C) as one sequence."""
    sizes = dict.fromkeys(np.shape(source) for source in sources)
    if len(sizes) > 1:
        received = joined(list(sizes))
        raise ShapeError("holds frames of differing size", where=name, received=received, hint="bring them to one")
    frames = [_array(source, name) for source in sources]
    stack = np.ma.stack if any(isinstance(frame, np.ma.MaskedArray) for frame in frames) else np.stack
    whole = stack(frames)
    movie: tuple[FrameSequence, ...] = _sequences_of_array(whole, name, axes=reading.axes or "THWC"[: whole.ndim])
    return movie


def open_as(config: DataConfig, name: Source | None = None) -> FrameSource:
    """Open a configuration's own source; or another one in the same way, of which all frames are taken, and whose axes
    are named only where it has as many to name. Patterns of times and palettes go to files that take such.

    Raises:
        DataError, ConfigError, ShapeError: as `open_source`.
    """
    if name is None:
        return open_source(config.sources or config.data, config)
    is_open = isinstance(name, (FrameSequence, FrameSource))
    return open_source(
        name,
        config,
        frames=(),
        variable=() if is_open else config.variable,
        axes=config.axes if _has_axes(name, config.axes) else "",
        time_format=config.time_format if _takes(name, "time_format") else "",
        palette=config.palette if _takes(name, "palette") else "",
    )


def open_together(files: Sequence[Path], reading: Reading, *, name: str) -> FrameSequence:
    """Files of one archive as one sequence, such as the last few of a folder that grows.

    Args:
        files: paths in order of time.
        reading: how to read them.
        name: what messages call the sequence.

    Raises:
        DataError, ConfigError, ShapeError: as `open_source`, and files that make no single sequence.
    """
    sequences = _open_files(name, files, reading, None)
    if len(sequences) > 1:
        raise DataError("hold no single sequence of frames", where=name, received=f"{len(sequences)} sequences")
    return _shaped(sequences[0], reading)


def _has_axes(name: Source, axes: str) -> bool:
    """True where the axes of an array that a model was trained on can be those of another source."""
    if isinstance(name, (list, tuple)):
        return all(_has_axes(part, axes) for part in name)
    if is_array(name):
        return np.ndim(name) == len(axes)  # type: ignore[arg-type]
    return _takes(name, "axes")


def _takes(name: Source, option: str) -> bool:
    """True where a source is of files whose format has an option."""
    if isinstance(name, (list, tuple)):
        return all(_takes(part, option) for part in name)
    if not isinstance(name, (str, Path)) or str(name).partition(":")[0] in GENERATED:
        return False
    path = _path_of(str(name))
    row = _format_of(path)
    if row is None:
        within = sorted(path.iterdir()) if path.is_dir() else _matching(str(name))
        row = next((row for file in within if (row := _format_of(file)) is not None), None)
    return row is not None and option in row.takes


def _shaped(sequence: FrameSequence, reading: Reading) -> FrameSequence:
    if reading.frames:
        start, stop = reading.frames
        if len(sequence) < stop:
            raise DataError(f"has no frames {start} to {stop}", where=sequence.name, received=f"{len(sequence)} frames")
        sequence = sequence[start:stop]
    if reading.crop:
        sequence = crop(sequence, reading.crop)
    if reading.grey:
        sequence = to_grey(sequence)
    summed = bool(reading.time_step) and is_summed(sequence)
    sequence = in_rain_unit(sequence, reading)  # before anything is averaged
    sequence = coarsen(sequence, reading.coarsen)
    if reading.resolution:
        sequence = to_resolution(sequence, reading.resolution)
    return to_time_step(sequence, reading.time_step, average=summed) if reading.time_step else sequence


def _generate(text: str) -> tuple[FrameSequence, ...]:
    name, _, options = text.partition(":")
    kind = GENERATED[name].load()
    numeric = {f.name: isinstance(f.default, int) for f in fields(kind)}  # type: ignore[arg-type]  # whether it is a number
    chosen: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in numeric or (numeric[key] and not value.isdecimal()):
            expected = ", ".join(f"{field}={'NUMBER' if number else 'NAME'}" for field, number in numeric.items())
            what = f"is no value of {key}" if key in numeric else f"unknown option of {name}"
            raise ConfigError(what, where=text, expected=expected, received=value if key in numeric else option)
        chosen[key] = int(value) if numeric[key] else value
    sequences: tuple[FrameSequence, ...] = kind(**chosen).sequences()
    return sequences


def _format_of(path: Path) -> Format | None:
    """The row of the table that a path is of: one that knows it before one that only has its suffix, and of several
    one that finds in the file what it reads.
    """
    if path.exists() and not path.is_file():
        hold_file(path)  # before a row looks into it
    rows = sorted(formats(), key=lambda row: row.knows is None)
    able = (row for row in rows if row.matches(path))
    first = next(able, None)
    if first is None or first.holds is None or not path.is_file():
        return first
    others = [*able, *filter(None, [_imported()])]
    if not others or first.holds(path):
        return first
    return next((row for row in others if row.holds is None or row.holds(path)), first)


def _imported() -> Format | None:
    """The format of last resort, files that a plugin of pysteps imports; None where no plugin is installed."""
    from nextframe.frames.radar.importers import open_imported, plugins

    return Format(name="pysteps plugin", suffixes=(), open=open_imported, together=True) if plugins() else None


def _open_path(text: str, reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    path = _path_of(text)
    there = _there(path)
    if any(sign in text for sign in "*?[") and not there:
        files = _matching(text)
        if not files:
            raise DataError("matches no file", where=text)
        return _open_files(text, files, reading, damage)
    if not there:
        raise DataError("is neither a file nor a known source", where=text, expected=what_can_be_read())
    row = _format_of(path)
    if path.is_dir() and row is None:
        return _open_files(text, _listed(path), reading, damage)
    hold_file(path)
    row = row or _imported()
    if row is None:
        raise DataError(
            "is of no format that can be read",
            where=path,
            expected=what_can_be_read(),
            received=path.suffix.lower() or "no suffix",
        )
    _hold_options(path, reading, row.takes)
    return row.open(text, [path], reading, None)


def _path_of(text: str) -> Path:
    """A path, or an address.

    Raises:
        DataError: an address of what is read from this computer alone.
    """
    if not is_address(text):
        return Path(text)
    plain = text.partition("?")[0].rstrip("/")
    suffix = Path(plain).suffix.lower()
    others = {suffix for row in formats() if row.name != "Zarr" for suffix in row.suffixes}
    if suffix in others:
        raise DataError(
            "is on a server, from which Zarr stores alone are read", where=text, hint="download the file first"
        )
    return Remote(text)


def _matching(pattern: str) -> list[Path]:
    """Files whose names match a pattern."""
    anywhere = Path("/") if Path(pattern).is_absolute() else Path()
    return sorted(anywhere.glob(pattern.removeprefix("/") or "."), key=natural_order)


def _there(path: Path) -> bool:
    """True where a path leads to something.

    Raises:
        DataError: what can be no name of a file.
    """
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero
        reason = error.strerror if isinstance(error, OSError) else "a character that no name may hold"
        raise DataError(
            "is neither a file nor a known source", where=f"{str(path)[:60]!r}...", received=reason
        ) from error


_LACKS = {
    "variable": "has no variables to choose from",
    "axes": "has no axes to choose from",
    "time_format": "takes no times from names of files",
    "palette": "takes no palette",
}
"""Options that only some formats have -> what is wrong with giving one to another."""


def _takers(option: str) -> list[str]:
    """Formats that have an option."""
    return [row.name for row in formats() if option in row.takes]


def _hold_options(where: object, reading: Reading, takes: frozenset[str]) -> None:
    """Refuse options that only some formats have."""
    for option, lacks in _LACKS.items():
        value = getattr(reading, option)
        if value and option not in takes:
            raise ConfigError(
                lacks,
                where=where,
                received=", ".join(value) if isinstance(value, tuple) else value,
                hint=f"leave out {{{option}}}, which is for {joined(_takers(option))}",
            )


def _open_files(
    text: str, files: Sequence[Path], reading: Reading, damage: Damage | None, *, nested: bool = False
) -> tuple[FrameSequence, ...]:
    """Files that belong together: of some formats they are one sequence, of others one each."""
    matches = [(row, path) for path in files if (row := _format_of(path)) is not None]
    others = [path for path in files if path.is_file()]
    if not matches and others and (imported := _imported()) is not None:
        matches = [(imported, path) for path in others]
    rows = list(dict.fromkeys(row.open for row, _ in matches))
    if not matches:
        folders = [p for p in files if p.is_dir()]
        if folders and not nested:
            return _open_folders(folders, reading, damage)
        suffixes = sorted({p.suffix.lower() for p in files})
        raise DataError(
            "holds no file that can be read",
            where=text,
            expected=what_can_be_read(),
            received=f"{len(files)} others ({', '.join(s or 'no suffix' for s in suffixes)})" if files else "nothing",
        )
    if len({row.together for row, _ in matches}) > 1 or (matches[0][0].together and len(rows) > 1):
        suffixes = sorted({path.suffix for _, path in matches})
        usual = Counter(row.name for row, _ in matches).most_common(1)[0][0]
        odd = next(path for row, path in matches if row.name != usual)
        if len(suffixes) == 1:
            raise DataError(
                f"is no {usual}, as the others are",
                where=odd,
                hint="the file may be damaged; replace it, or move it elsewhere",
            )
        raise DataError(
            "holds files of several kinds",
            where=text,
            received=", ".join(suffixes),
            hint="name a pattern, such as 'folder/*.nc'",
        )
    for row, _ in matches:
        _hold_options(text, reading, row.takes)
    if matches[0][0].together:
        return matches[0][0].open(text, [path for _, path in matches], reading, damage)
    opened = describe_each([path for _, path in matches], lambda p: _open_path(str(p), reading, None), damage)
    return tuple(sequence for sequences in opened for sequence in sequences)


def _open_folders(folders: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Several folders, as one has them where each holds one event; in order of time where all know theirs."""
    sequences = [
        sequence
        for folder in folders
        for sequence in _open_files(str(folder), _listed(folder), reading, damage, nested=True)
    ]
    starts = [sequence.times[0] for sequence in sequences if sequence.times is not None]
    if len(starts) == len(sequences):
        sequences = [sequences[n] for n in np.argsort(np.array(starts), kind="stable")]
    return tuple(sequences)


def _listed(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural_order)
