"""The page for contributors that shows a new command: its file, its row and its test, put together and run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "contributing" / "command.md"

CONFTEST = """
import importlib.util
import sys
from pathlib import Path

for name in ("count", "program"):
    file = Path(__file__).parent / "cli" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"nextframe.cli.{name}", file)
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
"""
"""Files that stand for those of `nextframe.cli`, however the package is installed."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def with_row(diff: str) -> str:
    """The program with the row of a diff: its added lines, after the line that the diff names."""
    lines = diff.splitlines()
    (file,) = [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ ")]
    (anchor,) = [line.removeprefix("@@ ") + "\n" for line in lines if line.startswith("@@ ")]
    added = "".join(f"{line[1:]}\n" for line in lines if line.startswith("+") and not line.startswith("+++"))
    before, _, after = (ROOT / file).read_text(encoding="utf-8").partition(anchor)
    assert after, f"{file} has no line {anchor!r}"
    return before + anchor + added + after


@pytest.mark.slow
def test_the_command_of_the_page_is_listed_and_passes_the_test_of_the_page(tmp_path: Path) -> None:
    command, test = blocks("py")
    (diff,) = blocks("diff")
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "count.py").write_text(command, encoding="utf-8")
    (tmp_path / "cli" / "program.py").write_text(with_row(diff), encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_count.py").write_text(test, encoding="utf-8")
    (tmp_path / "test_help.py").write_text(
        "from nextframe.cli.program import main\n\n\n"
        "def test_it_is_listed(capsys):\n"
        "    assert main(['--help']) == 0\n"
        "    assert 'count' in capsys.readouterr().out\n",
        encoding="utf-8",
    )
    order = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(order, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
