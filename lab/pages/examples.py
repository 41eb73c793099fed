"""Examples in docstrings as blocks of code: an extension of griffe, with which mkdocstrings reads the package."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Object


def fenced(text: str) -> str:
    """A docstring whose examples, each from `>>>` to an empty line, stand between fences."""
    lines: list[str] = []
    inside = False
    for line in [*text.splitlines(), ""]:
        indent = line[: len(line) - len(line.lstrip())]
        if not inside and line.lstrip().startswith(">>> "):
            lines.append(f"{indent}```pycon")
            fence, inside = f"{indent}```", True
        elif inside and not line.strip():
            lines.append(fence)
            inside = False
        lines.append(line)
    return "\n".join(lines[:-1])


class Examples(Extension):
    """Puts the examples of every docstring between fences, before its sections are told apart."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring is not None and ">>> " in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)
