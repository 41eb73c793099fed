"""Diagrams of the documentation: rows of boxes and the arrows between them, as small SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_BOX, _GAP, _TALL, _SPACE, _EDGE = 150, 34, 50, 18, 6
_LINE = 21  # characters of a line within a box


def diagram(rows: Sequence[Sequence[str]]) -> str:
    """Rows of boxes as SVG, each leading to the next on its right.

    Args:
        rows: texts of the boxes, "name | what it is"; an empty text leaves a place free.
    """
    columns = max(map(len, rows))
    width = columns * (_BOX + _GAP) - _GAP + 2 * _EDGE
    height = len(rows) * (_TALL + _SPACE) - _SPACE + 2 * _EDGE
    parts = [part for n, row in enumerate(rows) for part in _row(row, _EDGE + n * (_TALL + _SPACE))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" text-anchor="middle">\n'
        '<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#5c6bc0"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _row(texts: Sequence[str], top: int) -> list[str]:
    parts = []
    for n, text in enumerate(texts):
        left = _EDGE + n * (_BOX + _GAP)
        if not text:
            continue
        name, about = (part.strip() for part in (*text.split("|"), "")[:2])
        parts.append(
            f'<rect x="{left}" y="{top}" width="{_BOX}" height="{_TALL}" rx="6" fill="#eef0fb" stroke="#5c6bc0"/>'
        )
        middle = left + _BOX // 2
        lines = _lines(about)
        first = top + _TALL // 2 + 4 - 8 * len(lines)
        parts.append(f'<text x="{middle}" y="{first}" font-weight="bold" fill="#1a237e">{escape(name)}</text>')
        parts += [
            f'<text x="{middle}" y="{first + 15 * (k + 1)}" font-size="11" fill="#333">{escape(line)}</text>'
            for k, line in enumerate(lines)
        ]
        if n and texts[n - 1]:
            y = top + _TALL // 2
            parts.append(
                f'<line x1="{left - _GAP}" y1="{y}" x2="{left - 1}" y2="{y}" stroke="#5c6bc0" marker-end="url(#a)"/>'
            )
    return parts


def _lines(text: str) -> list[str]:
    """At most two lines of a box."""
    if len(text) <= _LINE + 3:
        return [text] if text else []
    words, first = text.split(), ""
    while words and len(first) + len(words[0]) <= _LINE:
        first = f"{first} {words.pop(0)}".strip()
    return [first, " ".join(words)]
