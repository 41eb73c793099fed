"""Still and animated images: folders of frames, GIF, stacks of pages in one TIFF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.gif import open_gif
from nextframe.frames.formats.palette import Palette, painted, read_palette
from nextframe.frames.formats.still import (
    Kind,
    describe_picture,
    is_animated_png,
    is_tiff,
    opened,
    read_clear,
    read_picture,
    reported,
)
from nextframe.frames.formats.tiff import Tiff
from nextframe.frames.names import natural_order, time_in_name
from nextframe.frames.sequence import FrameSequence
from nextframe.words import count


def open_pictures(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open images (`frames.format.Open`): one that has pages as a movie, several without such as the frames of one.

    Raises:
        DataError, ShapeError: as `open_gif`, `open_images` and `open_pages`.
    """
    palette = read_palette(Path(reading.palette)) if reading.palette else None
    # An image that cannot be read keeps its place, and is counted when it is read.
    note = None if damage is None else Damage()
    pages = describe_each(files, has_pages, note) if len(files) > 1 else [True]
    if any(pages) and sum(pages) < len(pages) / 2 and len(pages) == len(files):
        raise DataError(
            "is an animation among still images",
            where=files[pages.index(True)],
            received=f"{count(len(files) - sum(pages), 'image')} of one frame",
            hint="put animations into a folder of their own",
        )
    if not any(pages):
        return (_whole(open_images(Path(name), _in_order(files, reading.time_format), damage), reading, palette),)
    is_gif = files[0].suffix.lower() == ".gif" and not reading.time_format  # whose end is to be looked for
    if len(files) == 1 and not is_gif and not has_pages(files[0]):
        return (_whole(open_images(files[0], files), reading, palette),)
    if reading.time_format:
        raise ConfigError(
            "is of images that hold several frames each, so that names tell no times",
            where=name,
            received=reading.time_format,
            hint="leave out {time_format}",
        )
    movies = describe_each(files, lambda p: open_pages(p) if is_tiff(p) else open_gif(p), damage)
    return tuple(movie if palette is None else painted(movie, palette) for movie in movies)


def _in_order(files: Sequence[Path], time_format: str) -> list[Path]:
    """Images in order of the times in their names, or else of the names."""
    if not time_format:
        return sorted(files, key=natural_order)
    return sorted(files, key=lambda path: time_in_name(path, time_format))


def _whole(sequence: FrameSequence, reading: Reading, palette: Palette | None) -> FrameSequence:
    """Images, one a frame, with the times of their names and as the values of their colours.

    Raises:
        DataError: two images of one time, or without colours.
    """
    images = sequence.values
    assert isinstance(images, _Images)
    if reading.time_format:
        times = [time_in_name(path, reading.time_format) for path in images.files]
        for n, (one, other) in enumerate(pairwise(times)):
            if one == other:
                raise DataError(
                    f"has the time of {images.files[n].name}",
                    where=images.files[n + 1],
                    received=other,
                    hint="remove the image that is double",
                )
        sequence = replace(sequence, times=np.array(times, "datetime64[ns]"))
    if palette is None:
        return sequence
    if palette.reads_transparency and images.dtype == np.uint8:
        sequence = replace(
            sequence, values=_Clear(images), variables=(), units=(), variable_attributes=(), accumulation=()
        )
    return painted(sequence, palette)


def open_images(folder: Path, files: Sequence[Path], damage: Damage | None = None) -> FrameSequence:
    """Open images, one frame each, in the order in which they are given.

    All headers are read, no pixels. Images stand upright, as EXIF says. Those that are all grey, by their type or by
    every colour of their palette, make one channel in their own type of numbers; if any has colour, all are read as
    red, green and blue. Alpha is dropped.

    Args:
        folder: what to call the sequence.
        files: the images.
        damage: given where images that cannot be read are to be skipped. They keep their places, since nothing but its
            place tells the time of an image; reading one is an error still.

    Raises:
        DataError: an image that cannot be read, or whose type of numbers differs from the others'; it is named.
        ShapeError: an image whose size differs from the others'; it is named.
    """
    kinds: dict[Path, Kind] = {}
    for path in files:
        try:
            kinds[path] = _describe(path)
        except DataError:
            if damage is None or (not kinds and path is files[-1]):
                raise
    return _sequence(_Images(tuple(files), kinds, _common(kinds)), str(folder))


def open_pages(path: Path) -> FrameSequence:
    """Open an image of one or more pages, such as a TIFF stack, one frame each; a page is decoded when it is read.

    Raises:
        DataError: an image that cannot be read, or whose pages differ in their type of numbers.
        ShapeError: pages of differing size; the first that differs is named.
    """
    if not is_tiff(path):
        kind = _describe(path)
        return _sequence(_Images((path,), {path: kind}, kind), str(path))
    with Tiff(path) as tiff:
        order, step = tiff.stacked(), tiff.interval()
        kinds = {number: tiff.describe(number) for number in np.sort(order, axis=None).tolist()}
    common = _common(kinds, path)
    if order.shape[1] > 1:
        if common.channels > 1:
            raise DataError("holds channels of several colours each", where=path, hint="save the bands of a time alone")
        names = tuple(f"channel{n}" for n in range(order.shape[1]))
        whole = replace(common, channels=order.shape[1], names=names)
    else:
        whole = common
    return replace(_sequence(_Pages(path, order, kinds, common, whole), str(path)), time_step=step)


_ANIMATED = (".gif", ".webp", ".png")
"""Suffixes of pictures that may move."""


def has_pages(path: Path) -> bool:
    """Tell a GIF, WebP, PNG or TIFF of several frames; other formats' further images are thumbnails or views."""
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff") and is_tiff(path):
        with Tiff(path) as tiff:
            return len(tiff.frames()) > 1
    if suffix not in _ANIMATED or (suffix == ".png" and not is_animated_png(path)):
        return False
    with opened(path) as image, reported(path):
        return int(getattr(image, "n_frames", 1)) > 1


def _sequence(reader: _Images | _Pages, name: str) -> FrameSequence:
    kind = reader.kind
    return FrameSequence(
        values=reader, name=name, variables=kind.names, missing="error" if kind.fill is None else "mask"
    )


def _common(kinds: Mapping[Any, Kind], path: Path | None = None) -> Kind:
    """The kind that pictures are read as, whose headers are of these kinds.

    One bit is read as 8 where other pictures have 8, and grey as colour where others have colour.

    Args:
        kinds: of files, or of the pages of one by their numbers.
        path: that one.

    Raises:
        DataError: pictures of differing types of numbers; one of those in the minority is named.
        ShapeError: pictures of differing size or number of bands; likewise.
    """
    channels = {kind.channels for kind in kinds.values() if not kind.names}
    types = {kind.dtype for kind in kinds.values()}
    kinds = {
        where: replace(
            kind,
            channels=3 if not kind.names and channels == {1, 3} else kind.channels,
            dtype=np.dtype(np.uint8) if types == {np.dtype(np.bool_), np.dtype(np.uint8)} else kind.dtype,
        )
        for where, kind in kinds.items()
    }
    for what, error, fact in _SAME:
        facts = {where: fact(kind) for where, kind in kinds.items()}
        usual = Counter(facts.values()).most_common(1)[0][0]
        odd = next((where for where, own in facts.items() if own != usual), None)
        if odd is not None:
            other = next(where for where, own in facts.items() if own == usual)
            raise error(
                f"differs in {what} from {other.name}"
                if path is None
                else f"page {odd} differs in {what} from page {other}",
                where=odd if path is None else path,
                expected=usual,
                received=facts[odd],
                hint="bring all images to one kind, or move this one elsewhere",
            )
    return next(iter(kinds.values()))


_SAME: tuple[tuple[str, type[DataError] | type[ShapeError], Callable[[Kind], object]], ...] = (
    ("(height, width)", ShapeError, lambda kind: (kind.height, kind.width)),
    ("its type of numbers", DataError, lambda kind: kind.dtype),
    ("its number of bands", ShapeError, lambda kind: kind.channels),
    ("what marks missing values", DataError, lambda kind: None if kind.fill is None else str(kind.fill)),
)
"""Facts that all pictures of a sequence share."""


def _alike(values: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Pixels (C, H, W) as those of another kind: one bit as 8, grey as colour, marked values as NaN."""
    if values.dtype == np.bool_ and kind.dtype == np.uint8:
        values = values * np.uint8(255)
    if len(values) == 1 and kind.channels == 3 and not kind.names:
        values = np.repeat(values, 3, axis=0)
    if kind.fill is not None:
        values = np.where(values == kind.fill, np.nan, values.astype(_read_type(kind), copy=False))
    return values


def _read_type(kind: Kind) -> np.dtype[Any]:
    """Type of the numbers that are read: real ones where some are missing."""
    if kind.fill is None or kind.dtype.kind == "f":
        return kind.dtype
    return np.dtype(np.float32 if kind.dtype.itemsize < 4 else np.float64)


@dataclass(frozen=True)
class _Images:
    """One file a frame, as (T, C, H, W)."""

    files: tuple[Path, ...]
    kinds: Mapping[Path, Kind]
    """Kinds of the files whose headers could be read."""
    kind: Kind
    """The kind that all are read as."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files), self.kind.channels, self.kind.height, self.kind.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        return _read_type(self.kind)

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        return np.stack([self._read(path) for path in self.files[frames]])

    def _read(self, path: Path) -> NDArray[Any]:
        kind = self.kinds.get(path) or _describe(path)
        return _alike(_read(path, kind), self.kind)


@dataclass(frozen=True)
class _Clear:
    """Images of 8 bits with their opacity as a fourth channel, (T, 4, H, W)."""

    images: _Images

    @property
    def shape(self) -> tuple[int, ...]:
        time, _, height, width = self.images.shape
        return time, 4, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        kind = self.images.kind
        return np.stack([read_clear(path, kind) for path in self.images.files[frames]])


@dataclass(frozen=True)
class _Pages:
    """The pages of one TIFF file, as (T, C, H, W)."""

    path: Path
    order: NDArray[np.intp]
    """Numbers of the pages, (T, C), or (T, 1) where a page holds all channels."""
    kinds: Mapping[int, Kind]
    """Kinds of the pages by their numbers."""
    common: Kind
    """The kind that all pages are read as."""
    kind: Kind
    """The kind of a frame, of one page or of several."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.order), self.kind.channels, self.kind.height, self.kind.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        return _read_type(self.kind)

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        with Tiff(self.path) as tiff:
            return np.stack([np.concatenate(list(self._channels(tiff, pages))) for pages in self.order[frames]])

    def _channels(self, tiff: Tiff, pages: NDArray[np.intp]) -> Iterator[NDArray[Any]]:
        for number in pages.tolist():
            yield _alike(tiff.read(number, self.kinds[number]), self.common)


def _describe(path: Path) -> Kind:
    """Header of a picture of any format; errors of `still.describe_picture`."""
    if not is_tiff(path):
        return describe_picture(path)
    with Tiff(path) as tiff:
        return tiff.describe(0)


def _read(path: Path, kind: Kind) -> NDArray[Any]:
    """Pixels of a picture of any format; errors of `still.read_picture`."""
    if not is_tiff(path):
        return read_picture(path, kind)
    with Tiff(path) as tiff:
        return tiff.read(0, kind)
