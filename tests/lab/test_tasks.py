"""The laboratory's table of tasks, its program, and the old name of it."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.place import ROOT, environment
from lab.tasks import TASKS
from nextframe.cli import main as nextframe_main
from nextframe.plugins import Late


def test_every_task_is_listed_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    bare = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == bare
    lines = {line.split()[0]: line for line in bare.splitlines() if line.startswith("  ")}
    assert lines.keys() == TASKS.keys()
    assert all(task.does in lines[name] for name, task in TASKS.items())


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_home_and_says_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main_of = TASKS[name].main
    home = main_of if isinstance(main_of, Late) else main_of.func  # type: ignore[attr-defined]
    assert callable(home.load())
    with contextlib.suppress(SystemExit):  # argparse's
        assert main([name, "--help"]) == 0
    assert f"python -m lab {'training' if name == 'sweep' else name}" in capsys.readouterr().out


def test_an_unknown_task_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trainings"]) == 2
    assert capsys.readouterr().err == "lab: no task 'trainings'; did you mean training?\n"
    assert main(["zzz"]) == 2
    assert "python -m lab --help" in capsys.readouterr().err


def test_nothing_of_the_laboratory_is_in_the_package() -> None:
    package = ROOT / "src" / "nextframe"
    old_name = package / "cli" / "benchmark.py"
    assert [path for path in package.rglob("*") if path.stem == "benchmark"] == [old_name]
    assert len(old_name.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.long
def test_the_old_name_still_measures_and_says_the_new_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nextframe", "benchmark", "quality", "--trials", "fast"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert "`nextframe benchmark` is now `python -m lab`" in first
    assert second.startswith("lab: trials: unknown trial")


def test_without_a_checkout_the_old_name_says_where_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nextframe.cli.benchmark.ROOT", tmp_path)
    assert nextframe_main(["benchmark", "training", "--steps", "2"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nextframe: benchmark: is not part of the package")
    assert "python -m lab training --steps 2" in said
