"""Palettes: pictures of a quantity turned back to its values, colour by colour.

A palette is a CSV file of a colour and a value a row, `#9900ff,0.5`; the colour in any way that CSS has, or as three
numbers, `153,0,255,0.5`; "transparent" is what a picture does not cover, and "missing" a value that is none. Remarks at
its top name the quantity: `# variable: rain_rate`, `# units: mm/h`; with `# tolerance: 12` a colour up to 12 away (in
red, green and blue, out of 255 each) from one of the palette is taken for it.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.formats.attributes import tell_once
from nextframe.frames.readers import cut
from nextframe.frames.sequence import FrameReader, FrameSequence

_MISSING = ("missing", "nan", "nodata", "")
_TRANSPARENT = "transparent"
_CLEAR = 1 << 24
"""Code of a pixel that is transparent, beyond those of all colours."""


@dataclass(frozen=True)
class Palette:
    """Colours and their values."""

    path: Path
    codes: NDArray[np.uint32]
    """Colours, red before green before blue, a byte each, increasing."""
    values: NDArray[np.float32]
    """Value of each, NaN for missing."""
    variable: str = "value"
    units: str = "1"
    tolerance: float = 0.0
    """Distance up to which a colour is taken for one of these."""

    @property
    def reads_transparency(self) -> bool:
        """True where a value is named for pixels that are transparent."""
        return bool((self.codes == _CLEAR).any())

    def turned(self, codes: NDArray[np.uint32], where: object) -> NDArray[np.float32]:
        """Values of colours, of their shape; what is transparent is missing where the palette has no value for it.

        Args:
            codes: colours.
            where: the picture, for messages.

        Raises:
            DataError: a colour that is not near one of the palette.

        Warns:
            NextframeWarning: colours that were taken for near ones, once for a folder.
        """
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        strange = self.codes[place] != codes
        if not strange.any():
            return self.values[place]
        clear = strange & (codes == _CLEAR)
        strange &= ~clear
        if strange.any():
            met, inverse, counts = np.unique(codes[strange], return_inverse=True, return_counts=True)
            nearest, distances = self._nearest(met)
            worst = int(np.argmax(np.where(distances > self.tolerance, counts, -1)))
            if distances[worst] > self.tolerance:
                others = int((distances > self.tolerance).sum()) - 1
                near, tolerance = _named(self.codes[nearest[worst]]), f"{np.ceil(distances[worst]):.0f}"
                raise DataError(
                    "has a colour that the palette lacks" + (f", and {others} more" if others else ""),
                    where=where,
                    expected=f"one of the {len(self.codes)} of {self.path}",
                    received=f"{_named(met[worst])} in {counts[worst]:,} pixels",
                    hint="add it to the palette with its value, or with 'missing'; or take it for the nearest, "
                    f"{near}, by '# tolerance: {tolerance}' at its top",
                )
            tell_once(
                where,
                f"colours between those of the palette were taken for the nearest ({strange.mean():.1%} of its pixels)",
            )
            place[strange] = nearest[inverse]
        return np.where(clear, np.float32(np.nan), self.values[place])

    def _nearest(self, codes: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The nearest colours of the palette and how far they are."""
        own = np.flatnonzero(self.codes < _CLEAR)
        if not own.size:
            return np.zeros(len(codes), np.intp), np.full(len(codes), np.inf)
        away = np.empty((len(codes), len(own)))
        for n, colour in enumerate(_parts(self.codes[own])):
            away[:, n] = np.sqrt(((_parts(codes) - colour) ** 2).sum(1))
        best = away.argmin(1)
        return own[best], away[np.arange(len(codes)), best]


def read_palette(path: Path) -> Palette:
    """A palette from its file.

    Raises:
        ConfigError: no such file, or a row that is no colour and value; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"cannot read {path}", where="palette", received=reason) from error
    remarks: dict[str, str] = {}
    values: dict[int, float] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.startswith(("# ", "//")):
            key, _, said = line.lstrip("#/ ").partition(":")
            remarks[key.strip().lower()] = said.strip()
            continue
        parts = [part.strip() for part in next(csv.reader([line], skipinitialspace=True))]
        code, value = _row(parts)
        if code is None or value is None:
            if not values and code is None and value is None:  # the names of the columns
                continue
            raise ConfigError(
                f"line {number} of {path} is no colour and value",
                where="palette",
                expected="#9900ff,0.5 or 153,0,255,0.5",
                received=line[:60],
            )
        if code in values and not np.array_equal(values[code], value, equal_nan=True):
            raise ConfigError(
                f"line {number} of {path} gives a colour a second value",
                where="palette",
                received=f"{_named(code)}: {values[code]:g} and {value:g}",
            )
        values[code] = value
    if not values:
        raise ConfigError(f"{path} holds no colour", where="palette", expected="rows such as #9900ff,0.5")
    codes = np.array(sorted(values), np.uint32)
    return Palette(
        path=path,
        codes=codes,
        values=np.array([values[int(code)] for code in codes], np.float32),
        variable=remarks.get("variable") or "value",
        units=remarks.get("units") or remarks.get("unit") or "1",
        tolerance=_tolerance(path, remarks.get("tolerance", "0")),
    )


def painted(sequence: FrameSequence, palette: Palette) -> FrameSequence:
    """Pictures as the values that their colours stand for; lazy.

    Args:
        sequence: frames of 8 bits: red, green and blue; grey; or with a fourth channel, opacity.
        palette: colours and values.

    Raises:
        ShapeError, DataError: frames of another kind.
    """
    channels, dtype = sequence.shape[1], sequence.values.dtype
    if channels not in (1, 3, 4):
        raise ShapeError(
            "has no colours to turn into values", where=sequence.name, expected="1 or 3 channels", received=channels
        )
    if dtype != np.uint8:
        raise DataError(
            "has no colours of 8 bits to turn into values", where=sequence.name, expected="uint8", received=dtype
        )
    return replace(
        sequence,
        values=_Painted(sequence.values, palette, sequence.name),
        variables=(palette.variable,),
        units=(palette.units,),
        variable_attributes=(),
        accumulation=(),
        missing="mask",
    )


@dataclass(frozen=True)
class _Painted:
    """Frames of colours as values."""

    reader: FrameReader
    palette: Palette
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        time, _, height, width = self.reader.shape
        return time, 1, height, width

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def cropped(self, box: tuple[int, int, int, int]) -> _Painted:
        """The same, of which a box of every frame is looked up: the palette need not have the colours around it."""
        return replace(self, reader=cut(self.reader, box))

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, _, _ = frames.indices(self.shape[0])
        colours = self.reader[frames]
        fields = [
            self.palette.turned(code, f"frame {start + n} of {self.name}") for n, code in enumerate(_coded(colours))
        ]
        return np.stack(fields)[:, None] if fields else np.empty((0, *self.shape[1:]), np.float32)


def _coded(colours: NDArray[np.uint8]) -> Iterator[NDArray[np.uint32]]:
    """Frames (C, H, W) as codes of colours, (H, W)."""
    for frame in colours:
        red, green, blue = (frame[n if len(frame) > 1 else 0].astype(np.uint32) for n in range(3))
        code = red << 16 | green << 8 | blue
        if len(frame) == 4:
            code[frame[3] == 0] = _CLEAR
        yield code


def _row(parts: Sequence[str]) -> tuple[int | None, float | None]:
    """Colour and value of a row; None for what is none."""
    if len(parts) not in (2, 4):
        return None, None
    *colour, value = parts
    try:
        number = float("nan") if value.lower() in _MISSING else float(value)
    except ValueError:
        return _code(colour), None
    return _code(colour), number


def _code(colour: Sequence[str]) -> int | None:
    from PIL import ImageColor

    text = colour[0] if len(colour) == 1 else f"rgb({','.join(colour)})"
    if text.lower() == _TRANSPARENT:
        return _CLEAR
    try:
        parts: Any = ImageColor.getrgb(text)
    except ValueError:
        return None
    if len(parts) == 4 and parts[3] == 0:
        return _CLEAR
    if max(parts[:3]) > 255:
        return None
    return int(parts[0]) << 16 | int(parts[1]) << 8 | int(parts[2])


def _parts(codes: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Red, green and blue of colours, (N, 3)."""
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=1).astype(float)


def _named(code: Any) -> str:
    return _TRANSPARENT if int(code) == _CLEAR else f"#{int(code):06x}"


def _tolerance(path: Path, said: str) -> float:
    try:
        tolerance = float(said)
    except ValueError:
        tolerance = -1
    if not 0 <= tolerance < 256:
        raise ConfigError(f"{path} has no such tolerance", where="palette", expected="0 to 255", received=said)
    return tolerance
