"""Lists in the documentation say what the tables of the code say."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.__main__ import main
from lab.pages import tables
from lab.pages.options import OPTIONS, options_module
from lab.pages.tables import markdown, written
from lab.place import ROOT


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
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
    monkeypatch.setattr(tables, "PICTURES", ())
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


PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_every_page_has_a_picture(page: Path) -> None:
    pictures = PICTURE.findall(page.read_text(encoding="utf-8"))
    assert pictures, "add a row to lab.pages.pictures"
    for about, path in pictures:
        assert about, path
        assert (page.parent / path).is_file(), path


def test_pictures_are_small_and_fetch_nothing() -> None:
    for path in (ROOT / "docs" / "assets" / "pictures").iterdir():
        assert path.stat().st_size < 150_000, path
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            ElementTree.fromstring(text)
            assert not re.search(r"(?:href|src|url)\W*https?:", text), path


def test_equations_are_set() -> None:
    site = pytest.importorskip("lab.pages.site", reason="latex2mathml is not installed")
    page = site.on_page_markdown("Where $`r_l`$ is:\n\n```math\nR = \\sum_l r_l\n```\n\n`x_t`")
    assert page.count("<math") == 2
    assert "<msub>" in page
    assert "$" not in page
    rows = site.mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}")
    assert rows.count("<mtr>") == 2
    assert "&<" not in rows
    assert "`x_t`" in page


def test_commands_are_copied_without_their_prompt() -> None:
    site = pytest.importorskip("lab.pages.site", reason="latex2mathml is not installed")
    block = (
        '<div class="highlight"><pre><span></span><code><span class="gp">$ </span>nextframe verify a '
        '&amp;&amp; ls\n<span class="go">wrote &lt;a&gt;</span>\n<span class="gp">$ </span>make docs\n'
        "</code></pre></div>"
    )
    assert 'data-copy="nextframe verify a &amp;&amp; ls\nmake docs"' in site.on_page_content(block)
    assert site.on_page_content("<p>none</p>") == "<p>none</p>"


def test_a_cell_does_not_end_at_a_bar_of_its_text() -> None:
    assert markdown(("score",), [("|f - o|",)]) == "\n| score |\n| --- |\n| \\|f - o\\| |\n\n"


def test_examples_in_docstrings_become_blocks_of_code() -> None:
    fenced = pytest.importorskip("lab.pages.examples").fenced
    assert fenced("Add.\n\n>>> 1 + 1\n2") == "Add.\n\n```pycon\n>>> 1 + 1\n2\n```"
    assert fenced("  >>> a\n  >>> b\n  3\n\n  After.") == "  ```pycon\n  >>> a\n  >>> b\n  3\n  ```\n\n  After."
    assert fenced("None here.") == "None here."
