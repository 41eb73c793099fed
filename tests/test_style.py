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


PARTICIPLES = {"found", "known", "made"}
"""Names that say what happened to a thing, and not what it is."""
LONGEST = 5
"""Lines over which a variable may have such a name."""


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


def lives(tree: ast.AST) -> dict[tuple[str, int], int]:
    """Lines over which variables of these names live, by name and first line; each comprehension's own are apart."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef)
    inner = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    longest: dict[tuple[str, int], int] = {}

    def visit(node: ast.AST, here: dict[str, list[int]], bound: frozenset[str]) -> None:
        if isinstance(node, inner):
            targets = [name for part in node.generators for name in ast.walk(part.target)]
            bound |= {name.id for name in targets if isinstance(name, ast.Name)}
        if isinstance(node, ast.arg) and node.arg in PARTICIPLES:
            here.setdefault(node.arg, []).append(node.lineno)
        if isinstance(node, ast.Name) and node.id in PARTICIPLES - bound:
            here.setdefault(node.id, []).append(node.lineno)
        for child in ast.iter_child_nodes(node):
            visit(child, here, bound)

    for function in (node for node in ast.walk(tree) if isinstance(node, scopes)):
        here: dict[str, list[int]] = {}
        visit(function, here, frozenset())
        longest |= {(name, min(lines)): max(lines) - min(lines) for name, lines in here.items()}
    return longest


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_lives_long_has_the_name_of_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {life: lines for life, lines in lives(tree).items() if lines > LONGEST}


def test_the_check_of_names_sees_what_it_is_to_see() -> None:
    shown = "def f(known):\n    found = 1\n\n    made = [found for found in range(3)]\n\n\n\n    return known, made\n"
    assert lives(ast.parse(shown)) == {("known", 1): 7, ("found", 2): 0, ("made", 4): 4}
