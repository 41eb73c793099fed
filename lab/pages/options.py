"""Options of `fit` and of reading as type checkers and editors read them, written from the configuration's fields."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import Field, fields

from docstring_parser import parse_from_object

from lab.place import ROOT
from nextframe.config import COVARIATES, DataConfig, ModelConfig, Reading, TrainingConfig

OPTIONS = ROOT / "src" / "nextframe" / "options.py"
NAMED = ("model",)
"""Fields that are arguments of `fit` by themselves."""

_HEAD = '''\
"""Options by name, as type checkers and editors read them: `epoch=3` is an error there, before anything runs.

Written by `python -m lab pages` from the fields of `nextframe.config`, whose types and texts these are; any sequence is
taken where a field holds several values, and one value alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from nextframe.config import (
'''

_LAST = '''class Options(DataOptions, _ModelOptions, _TrainingOptions, total=False):
    """All options of `fit`."""
'''


def options_module() -> str:
    """The module's text."""
    reading = [field.name for field in fields(Reading)]
    parts = [
        _typed_dict("ReadingOptions", "TypedDict", "Reading of frames: fields of `Reading`.", Reading),
        _typed_dict("DataOptions", "ReadingOptions", "Frames: fields of `DataConfig`.", DataConfig, reading),
        _typed_dict("_ModelOptions", "TypedDict", "Network: fields of `ModelConfig`.", ModelConfig, NAMED),
        _typed_dict("_TrainingOptions", "TypedDict", "Training: fields of `TrainingConfig`.", TrainingConfig),
    ]
    body = "\n\n".join(parts)
    imported = sorted(set(re.findall(r"\b[A-Z]\w+\b", _types())) - {"Any", "None", "Literal", "Sequence"})
    head = _HEAD + "".join(f"    {name},\n" for name in imported) + ")\n"
    return f"{head}\n\n{body}\n\n{_LAST}"


def _typed_dict(name: str, base: str, text: str, section: type, left_out: Iterable[str] = ()) -> str:
    """A `TypedDict` of a section's fields, none of them required."""
    described = {
        param.arg_name: " ".join((param.description or "").split())
        for part in reversed(section.__mro__[:-1])
        for param in parse_from_object(part).params
    }
    lines = [f"class {name}({base}, total=False):", f'    """{text}"""', ""]
    for field in fields(section):
        if field.name not in left_out:
            lines.append(f"    {field.name}: {_taken(field)}")
            lines += _docstring(described[field.name])
    return "\n".join(lines) + "\n"


def _docstring(text: str) -> list[str]:
    escaped = text.replace("\\", "\\\\")
    if escaped.endswith('"'):
        escaped += "."
    lines = textwrap.wrap(f'"""{escaped}', 116)
    if len(lines) == 1 and len(lines[0]) + 3 <= 116:
        return [f'    {lines[0]}"""']
    return [f"    {line}" for line in lines] + ['    """']


def _taken(field: Field[object]) -> str:
    """Type of a field's values as a caller may give them; places in a frame or in time are never one number, and
    covariates may be in memory.
    """
    if field.name in COVARIATES:
        return "str | Sequence[Any]"
    alone = "" if field.default == () and "int" in str(field.type) else r"\1 | "
    return re.sub(r"tuple\[(\w+), \.\.\.\]", rf"{alone}Sequence[\1]", str(field.type)).replace("'", '"')


def _types() -> str:
    sections = (DataConfig, ModelConfig, TrainingConfig)
    texts = [_taken(field) for section in sections for field in fields(section) if field.name not in NAMED]
    return re.sub(r'"[^"]*"', "", " ".join(texts))
