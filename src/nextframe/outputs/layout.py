"""Layout of a picture: panels side by side, each under its label and above the bar that it is read by.

Axes: H height, W width of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from nextframe.report.font import font
from nextframe.report.palette import RGB, Bar
from nextframe.report.place import Edges, Graticule
from nextframe.words import printable

MARGIN, HEADER = 10, 24
NARROWEST = 110  # pixels that the label of a panel takes
GUTTER = 52
"""Pixels left of the first panel that coordinates of rows take."""
_BELOW, _BAR = 18, 34
"""Pixels that coordinates of columns, and a bar with its numbers, take."""
_BACKGROUND, _INK, _SOFT = (255, 255, 255), (30, 30, 30), (110, 110, 110)
_TEXT, _SMALL = 13, 10


@dataclass(frozen=True)
class Panel:
    """One picture of a frame of an animation."""

    label: str
    """Title of the panel."""
    picture: RGB | None
    """The picture; None where there is nothing to be shown yet."""


@dataclass(frozen=True)
class BarBelow:
    """A colour bar below some panels."""

    scale: Bar
    """The scale."""
    first: int
    """Number of the first panel that it is below."""
    last: int
    """Number of the last one."""
    unit: str = ""
    """Unit of its numbers."""


@dataclass(frozen=True)
class Layout:
    """Places of everything, the same for all frames of an animation."""

    height: int
    """Height of a panel in pixels."""
    width: int
    """Width of a panel in pixels."""
    number: int
    """Number of panels."""
    bars: Sequence[BarBelow] = ()
    """Colour bars below the panels."""
    edges: Edges | None = None
    """Coordinates along the edges."""
    graticule: Graticule | None = None
    """Lines over the panels."""

    @property
    def column(self) -> int:
        """Width of a panel with its label."""
        return max(self.width, NARROWEST)

    @property
    def left(self) -> int:
        """Column of the whole at which the first panel begins."""
        return MARGIN + (GUTTER if self.edges is not None else 0)

    @property
    def top(self) -> int:
        """Row of the whole at which the panels begin."""
        return 2 * HEADER

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole, even numbers, as video codecs need them."""
        width = self.left + self.number * (self.column + MARGIN)
        height = self.top + self.height + MARGIN
        height += _BELOW if self.edges is not None else 0
        height += _BAR if self.bars else 0
        return width + width % 2, height + height % 2

    def compose(self, headline: str, panels: Sequence[Panel]) -> RGB:
        """One frame of the animation, (H, W, 3)."""
        canvas = Image.new("RGB", self.size, _BACKGROUND)
        draw = ImageDraw.Draw(canvas)
        _text(draw, (self.left, 4), headline, self.size[0] - self.left, _TEXT)
        for n, panel in enumerate(panels):
            if panel.picture is None:
                continue
            x = self.left + n * (self.column + MARGIN)
            _text(draw, (x, HEADER + 3), panel.label, self.column, _TEXT)
            picture = panel.picture if self.graticule is None else self.graticule.draw(panel.picture)
            canvas.paste(Image.fromarray(picture), (x, self.top))
            draw.rectangle((x - 1, self.top - 1, x + self.width, self.top + self.height), outline=(190, 190, 190))
            self._coordinates(draw, x, first=n == 0)
            if n == 0:
                self._degrees(draw, x)
        for bar in self.bars:
            self._bar(canvas, draw, bar)
        return np.asarray(canvas)

    def _coordinates(self, draw: ImageDraw.ImageDraw, x: int, *, first: bool) -> None:
        if self.edges is None:
            return
        small, bottom = font(_SMALL), self.top + self.height
        free = x
        for share, text in self.edges.below:
            at = x + share * self.width
            draw.line((at, bottom + 1, at, bottom + 4), fill=_SOFT)
            half = draw.textlength(text, small) / 2
            if at - half >= free - 8 and at + half <= x + self.column + 8:
                draw.text((at, bottom + 5), text, _SOFT, small, anchor="ma")
                free = round(at + half + 12)
        if not first:
            return
        for share, text in self.edges.left:
            at = self.top + share * self.height
            draw.line((x - 5, at, x - 2, at), fill=_SOFT)
            draw.text((x - 7, at), text, _SOFT, small, anchor="rm")
        if self.edges.unit:
            draw.text((x - 7, self.top - 14), printable(self.edges.unit), _SOFT, small, anchor="ra")

    def _degrees(self, draw: ImageDraw.ImageDraw, x: int) -> None:
        """Names of the graticule's lines, within the first panel; edges in degrees say as much."""
        if self.graticule is None or (self.edges is not None and not self.edges.unit):
            return
        small = font(_SMALL - 1)
        for row, column, text in self.graticule.labels(self.height, self.width):
            wide = draw.textlength(text, small) + 4
            at_the_right = column == self.width - 1
            if not at_the_right and column + wide > self.width:
                continue
            at = (x + column - 2, self.top + row) if at_the_right else (x + column + 2, self.top + 1)
            anchor = "rs" if at_the_right else "la"
            draw.text(at, text, (60, 60, 60), small, anchor=anchor, stroke_width=1, stroke_fill=(255, 255, 255))

    def _bar(self, canvas: Image.Image, draw: ImageDraw.ImageDraw, bar: BarBelow) -> None:
        small = font(_SMALL)
        x = self.left + bar.first * (self.column + MARGIN)
        across = (bar.last - bar.first) * (self.column + MARGIN) + self.width
        unit = printable(bar.unit)
        room = round(draw.textlength(unit, small)) + 8 if unit else 0
        across = max(40, min(across, 480) - room)
        y = self.top + self.height + (_BELOW if self.edges is not None else 0) + 8
        lying = np.swapaxes(bar.scale.bar(across, 9), 0, 1)[:, ::-1]
        canvas.paste(Image.fromarray(np.ascontiguousarray(lying)), (x, y))
        draw.rectangle((x - 1, y - 1, x + across, y + 9), outline=(190, 190, 190))
        taken: list[tuple[float, float]] = []
        ticks = bar.scale.ticks()
        for share, text in [*ticks[:1], *ticks[-1:], *ticks[1:-1]]:  # the ends, and between them what there is room for
            at, wide = x + share * (across - 1), draw.textlength(text, small)
            begin = min(max(at - wide / 2, x - 2), x + across + 6 - wide)
            draw.line((at, y + 9, at, y + 11), fill=_SOFT)
            if all(begin > right + 5 or begin + wide + 5 < left for left, right in taken):
                draw.text((begin, y + 12), text, _INK, small)
                taken.append((begin, begin + wide))
        if unit:
            draw.text((x + across + 6, y + 4), unit, _INK, small, anchor="lm")


def _text(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, size: int) -> None:
    """A text in one line, smaller where it would be too long, and cut where that is not enough."""
    text = printable(text)
    while size > 9 and draw.textlength(text, font(size)) > width:
        size -= 1
    while len(text) > 1 and draw.textlength(text, font(size)) > width:
        text = text[:-2] + "…"
    draw.text(at, text, _INK, font(size))
