"""What the documentation shows, holds: its Python runs, its commands parse, its configuration files are configurations.

Blocks marked `python` are run, in order and in one namespace for each page; blocks marked `py` are only shown. In
blocks marked `console`, every `nextframe` command is parsed (not run), and what follows `make` has to be a target.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from lab.tasks import TASKS
from nextframe.cli.options import merge
from nextframe.cli.program import app
from nextframe.config import RunConfig
from nextframe.frames.together import as_options
from nextframe.training.presets import preset_config

ROOT = Path(__file__).parent.parent
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if page.is_file()]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [match for match in FENCE.finditer(text) if match[1] == language]
    return [Block(page, text[: match.start(2)].count("\n") + 1, match[2]) for match in found]


def all_blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, language)]


def commands() -> list[tuple[Block, str]]:
    """Lines of console blocks that a person types, continued lines joined."""
    found = []
    for block in all_blocks("console"):
        lines = block.text.replace("\\\n", " ").splitlines()
        found += [(block, line[2:]) for line in lines if line.startswith("$ ")]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page, "python"):
        # Blank lines before the code, so that a traceback names the line of the page.
        exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)


@pytest.mark.parametrize("block", all_blocks("py"), ids=str)
def test_python_that_is_only_shown_is_python(block: Block) -> None:
    compile(block.text, str(block.page), "exec")


@pytest.mark.parametrize(("block", "command"), commands(), ids=lambda part: str(part))
@pytest.mark.slow
def test_commands_parse(block: Block, command: str) -> None:
    # What is set in the environment stands before the program.
    program, *arguments = shlex.split(re.sub(r"^([A-Z_]+=\S* )+", "", command))
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in arguments if "=" not in target)
    elif Path(program).name == "nextframe":
        _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        if arguments[0] == "train":
            fields = {name for section in RunConfig().to_dict().values() for name in section}
            options = {name: value for name, value in bound.kwargs.items() if name in fields}
            preset_config(bound.args[0] if bound.args else "stacked").replace(as_options(options))
    elif Path(program).name.startswith("python"):
        if arguments[:2] == ["-m", "lab"]:
            assert arguments[2] in TASKS
        else:
            assert (ROOT / arguments[0]).is_file() or arguments[0] == "-m"
    else:
        assert program in ("pip", "git", "cd", "curl", "export"), f"{block} shows an unknown program"


def test_configuration_files_are_configurations() -> None:
    for block in all_blocks("yaml"):
        options = merge(yaml.safe_load(block.text), {}, where=block)
        preset_config(options.pop("model", "stacked"), options.pop("preset", "default")).replace(as_options(options))


def test_readme_leads_to_what_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#")):
            assert (ROOT / target.partition("#")[0]).exists(), target
    block = text.partition("## Find your way")[2].partition("```text\n")[2].partition("```")[0]
    named = {part for line in block.splitlines()[1:] for part in line.split("  ")[1 if line[0] == " " else 0].split()}
    package = ROOT / "src" / "nextframe"
    for part in named - {"lab/"}:
        assert (package / part).exists(), part
    rooms = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms - named == set()


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    for command in app.resolved_commands():
        assert command.startswith("-") or f"## {command}\n" in page
