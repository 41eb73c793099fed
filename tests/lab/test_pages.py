"""Lists in the documentation say what the tables of the code say."""

from pathlib import Path

import pytest

from lab.__main__ import main
from lab.pages import tables
from lab.pages.options import OPTIONS, options_module
from lab.pages.tables import SECTIONS, markdown, written
from lab.place import ROOT


@pytest.mark.parametrize(
    "page", dict.fromkeys(section.page for section in SECTIONS), ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_the_page_says_what_the_code_says(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == written(page), "run python -m lab pages"


def test_typed_options_are_the_fields_of_the_configuration() -> None:
    assert OPTIONS.read_text(encoding="utf-8") == options_module(), "run python -m lab pages"


def test_a_page_that_says_something_else_is_told_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- list: written -->\nold\n<!-- /list -->\nafter\n")
    monkeypatch.setattr(tables, "SECTIONS", (tables.Section(page, "list", lambda: "new\n"),))
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "OPTIONS_MODULE", tmp_path / "options.py")
    (tmp_path / "options.py").write_text(options_module())
    with pytest.raises(SystemExit):
        main(["pages", "--check"])
    assert "page.md is not what the code says" in capsys.readouterr().err
    assert "old" in page.read_text()
    assert main(["pages"]) == 0
    assert page.read_text() == "before\n<!-- list: written -->\nnew\n<!-- /list -->\nafter\n"
    assert main(["pages", "--check"]) == 0


def test_a_cell_does_not_end_at_a_bar_of_its_text() -> None:
    assert markdown(("score",), [("|f - o|",)]) == "\n| score |\n| --- |\n| \\|f - o\\| |\n\n"


def test_examples_in_docstrings_become_blocks_of_code() -> None:
    fenced = pytest.importorskip("lab.pages.examples").fenced
    assert fenced("Add.\n\n>>> 1 + 1\n2") == "Add.\n\n```pycon\n>>> 1 + 1\n2\n```"
    assert fenced("  >>> a\n  >>> b\n  3\n\n  After.") == "  ```pycon\n  >>> a\n  >>> b\n  3\n  ```\n\n  After."
    assert fenced("None here.") == "None here."
