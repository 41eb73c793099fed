"""Sections of a page that are written by a task: what stands between `<!-- name: ... -->` and `<!-- /name -->`, in
lines of its own or within one."""

from __future__ import annotations

import re


def fill(text: str, name: str, content: str) -> str:
    """Put content between a section's marks."""
    pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n?).*?(<!-- /{name} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{content}{match[2]}", text)
