"""The container file and the unit of docs/live.md are held to the package: its extras, commands, routes and files."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from nextframe.cli.program import app

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions() -> list[tuple[str, str]]:
    """Instructions of the container file and what they say, continued lines joined."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, said.strip()) for word, _, said in (line.partition(" ") for line in lines)]


def said_by(word: str) -> list[str]:
    return [said for name, said in instructions() if name == word]


def unit() -> str:
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    block = re.search(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1]


def hold_command(words: list[str]) -> None:
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert bound.arguments


def test_what_it_installs_is_there() -> None:
    (install,) = (said for said in said_by("RUN") if "pip install" in said and "torch" not in said.split())
    extras = re.search(r"'\.\[([^]]*)\]'", install)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert "serve" in extras[1].split(",")
    for said in said_by("COPY"):
        *sources, _ = (word for word in said.split() if not word.startswith("--"))
        if "--from=build" not in said:
            assert all((ROOT / source).exists() for source in sources), said
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    oldest = PROJECT["requires-python"].removeprefix(">=")
    images = {said.split()[0] for said in said_by("FROM")}
    version = re.search(r"python:(\d+)\.(\d+)", " ".join(images))
    assert len(images) == 1, "what is built is run by the same Python"
    assert version is not None
    assert (int(version[1]), int(version[2])) >= tuple(map(int, oldest.split(".")))
    needed = set(PROJECT["license-files"]) | {
        PROJECT["readme"],
        "pyproject.toml",
        "CMakeLists.txt",
        "src",
    }
    copied = {word for said in said_by("COPY") for word in said.split()}
    assert needed <= copied, "pip builds the package from these"


def test_what_it_runs_is_a_command() -> None:
    (entry,), (command,) = said_by("ENTRYPOINT"), said_by("CMD")
    assert json.loads(entry) == ["nextframe"]
    hold_command(json.loads(command))
    (port,) = said_by("EXPOSE")
    assert f"--port {port}" in " ".join(json.loads(command))
    (user,), (volume,) = said_by("USER"), said_by("VOLUME")
    assert user not in ("root", "0")
    assert any(f"useradd --create-home --uid 10001 {user}" in said for said in said_by("RUN"))
    assert f"{volume}/streams" in command


def test_its_health_check_asks_a_route() -> None:
    pytest.importorskip("fastapi")
    from nextframe.service.gate import OPEN

    (check,) = said_by("HEALTHCHECK")
    python, flag, program = json.loads(check.partition("CMD ")[2])
    assert (python, flag) == ("python", "-c")
    compile(program, "check", "exec")
    asked = re.search(r"http://127\.0\.0\.1:8080(/\w+)", program)
    assert asked is not None
    assert asked[1] in OPEN, "it bears no token"


def test_its_shell_is_sound() -> None:
    for said in said_by("RUN"):
        assert subprocess.run(["sh", "-n", "-c", said], check=False).returncode == 0, said


def test_the_unit_runs_a_command() -> None:
    words = [shlex.split(line.partition("=")[2]) for line in unit().splitlines() if line.startswith("ExecStart=")]
    assert words
    for program, *arguments in words:
        assert Path(program).name == "nextframe"
        hold_command(arguments)
    assert "User=nowcast" in unit()


def test_the_containers_of_the_page_run_commands() -> None:
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [shlex.split(line) for line in page.splitlines() if line.startswith("podman ")]
    assert [line[1] for line in lines] == ["build", "run", "run"]
    assert (ROOT / lines[0][lines[0].index("--file") + 1]).is_file()
    for line in lines[1:]:
        arguments = line[line.index("nextframe") + 1 :]
        if arguments:
            hold_command(arguments)
