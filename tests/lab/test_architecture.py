"""The page for contributors that shows the house shows the one that the imports are held to."""

import importlib.util
from pathlib import Path
from types import ModuleType

from lab.place import DOCS, ROOT

PACKAGE = ROOT / "src" / "nextframe"


def the_test() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layers", ROOT / "tests" / "test_layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def levels_of_the_test() -> list[tuple[str, ...]]:
    return [tuple(name or "nextframe" for name in names) for names in the_test().LEVELS]


def levels_of_the_page(page: Path) -> list[tuple[str, ...]]:
    text = page.read_text(encoding="utf-8")
    block = text.partition("<!-- levels:")[2].partition("```text\n")[2].partition("```")[0]
    return [tuple(line.split("  ")[0].split(", ")) for line in block.splitlines()]


def test_the_page_shows_the_levels_that_imports_are_held_to() -> None:
    assert levels_of_the_page(DOCS / "architecture.md") == levels_of_the_test()


def test_the_page_shows_the_names_that_point_up_and_why() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    block = text.partition("<!-- upward:")[2].partition("<!-- /upward -->")[0]
    rows = [f"| `{module}` | `{room}` | {why} |" for (module, room), why in the_test().UPWARD.items()]
    assert block.splitlines()[3:] == rows


def test_every_room_stands_on_the_page() -> None:
    rooms = {name for names in levels_of_the_page(DOCS / "architecture.md") for name in names}
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert there - rooms - {"__init__"} == set()
    assert rooms - there == {"nextframe"}
