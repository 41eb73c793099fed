"""House rules of STYLE.md that a program can hold and ruff does not."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "nextframe"
MODULES = sorted(PACKAGE.rglob("*.py"))

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
FACES = {
    "__main__.py": {"argv"},
    "frames/generated/pictures.py": {"--force-reinstall"},  # of pip
    "outputs/pictures.py": {"--force-reinstall"},
    "report/html.py": {"--curve-"},  # of a style sheet
    "training/callbacks.py": {"print"},  # what `fit` shows in a notebook beside its bar
    "verification/run.py": {"--config"},  # the command that trains a run again, kept with its scores
}
"""Modules outside of `cli` that do what is a face's business, and what."""
ASKING = re.compile(r"(What|Whether|Where|How|When|Which)\b")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def business_of_a_face(path: Path) -> set[str]:
    """What a module prints, reads of the command line, or writes of options as the command line has them."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.add("print")
        if isinstance(node, ast.Attribute) and node.attr == "argv":
            found.add("argv")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found.update(OPTION.findall(node.value))
    return found


@pytest.mark.parametrize("path", [path for path in MODULES if not name_of(path).startswith("cli/")], ids=name_of)
def test_the_library_has_no_face(path: Path) -> None:
    assert business_of_a_face(path) == FACES.get(name_of(path), set())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_docstrings_begin_with_a_noun_or_a_verb(path: Path) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]
    assert not [text for node in documented if ASKING.match(text := ast.get_docstring(node) or "")]
