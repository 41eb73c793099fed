"""Another package adds a row to each table: it is installed, and used from the command line without a change here.

`tests/extension` is that package; the pages in docs/contributing show its files.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from nextframe.plugins import GROUPS

pytestmark = pytest.mark.slow

EXTENSION = Path(__file__).parent / "extension"
PROJECT = tomllib.loads((EXTENSION / "pyproject.toml").read_text(encoding="utf-8"))["project"]

PROGRAM = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from nextframe.cli import main
results = []
for arguments in json.loads(sys.argv[1]):
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(said):
        code = main(arguments)
    results.append((code, " ".join(said.getvalue().split())))
print(json.dumps(results))
"""
"""Commands one after the other in one process, which imports torch once; a line of JSON with exit codes and texts."""

SERVED = """
import json
from nextframe import Persistence, open_source
from nextframe.service.answers import MEDIA, content, format_of
movie = open_source("squares:movies=1,frames=4,size=8").sequences[0]
answer = content(Persistence().forecast(movie, lead_times=2), "frames").decode()
print(json.dumps([format_of("frames", ""), format_of(None, "text/plain"), MEDIA["frames"], answer.splitlines()[0]]))
"""
"""What the service answers with."""

SMALL = "--data squares:movies=8,frames=6,size=16 --past 3 --future 3 --filters 4 --epochs 1 --train-crop none"
COMMANDS = {
    "train": f"train leaky {SMALL} --test 0.25 --no-progress --out run",
    "verify": "verify run --baselines persistence,fading --examples 0 --no-progress",
    "forecast": "forecast run --lead-times 4 --out first.frames",
    "inspect": "inspect first.frames --past 2 --future 1",
    "forecast on": "forecast run --input first.frames --lead-times 2 --out second.frames",
    "inspect cut": "inspect cut.frames",
    "help of train": "train --help",
    "help of verify": "verify --help",
    "suffix": "forecast run --lead-times 1 --out a.xyz",
    "slip": "train leeky",
}


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    text: str


def run(folder: Path, commands: dict[str, str], *, site: Path | None = None) -> dict[str, Said]:
    """Run commands in a folder, with what is installed in a site."""
    path = os.pathsep.join(filter(None, ["" if site is None else str(site), os.environ.get("PYTHONPATH")]))
    order = json.dumps([command.split() for command in commands.values()])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, order],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, (Said(*said) for said in json.loads(done.stdout.splitlines()[-1])), strict=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it: its modules, its name, its entry points."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(EXTENSION / "tiny", site / "tiny", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = site / f"{PROJECT['name']}-{PROJECT['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n", encoding="utf-8"
    )
    lines: list[str] = []
    for group, points in PROJECT["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "cut.frames").write_text("2 1 4 4\n1 2 3\n")
    return folder


@pytest.fixture(scope="module")
def said(site: Path, folder: Path) -> dict[str, Said]:
    return run(folder, COMMANDS, site=site)


def test_the_package_adds_a_row_to_every_table() -> None:
    assert set(PROJECT["entry-points"]) == set(GROUPS)


def test_its_architecture_is_trained(said: dict[str, Said], folder: Path) -> None:
    assert said["train"].code == 0, said["train"].text
    assert "model: leaky" in (folder / "run" / "config.yaml").read_text()
    assert (folder / "run" / "model.safetensors").is_file()


def test_its_baseline_and_its_metric_stand_in_the_scores(said: dict[str, Said], folder: Path) -> None:
    assert said["verify"].code == 0, said["verify"].text
    scores = json.loads((folder / "run" / "verification.json").read_text())["scores"]
    assert list(scores)[-2:] == ["persistence", "fading"]
    for metrics in scores.values():
        caught, false = np.array(metrics["pod_0.5"]), np.array(metrics["far_0.5"])
        for bias, expected in zip(metrics["fbias_0.5"], caught / (1 - false), strict=True):
            assert bias == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(scores["persistence"]["fbias_0.5"]).all()


def test_its_writer_writes_what_its_format_reads(said: dict[str, Said], folder: Path) -> None:
    assert said["forecast"].code == 0, said["forecast"].text
    first = folder / "first.frames"
    assert first.read_text().splitlines()[0] == "4 1 16 16"
    assert np.loadtxt(first, skiprows=1).shape == (4, 256)
    assert said["inspect"].code == 0, said["inspect"].text
    assert "4 frames" in said["inspect"].text
    assert said["forecast on"].code == 0, said["forecast on"].text
    assert (folder / "second.frames").read_text().splitlines()[0] == "2 1 16 16"


def test_its_writer_is_served(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="the extra serve is not installed")
    done = subprocess.run(
        [sys.executable, "-c", SERVED],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["frames", "frames", "text/plain", "2 1 8 8"]


def test_what_is_no_file_of_its_format_is_told_in_a_sentence(said: dict[str, Said]) -> None:
    assert said["inspect cut"].code == 2
    assert "cut.frames: cannot be read as plain text" in said["inspect cut"].text


def test_lists_name_its_rows(said: dict[str, Said]) -> None:
    assert "leaky" in said["help of train"].text
    assert "fading" in said["help of verify"].text
    assert said["suffix"].code == 2
    assert ".frames" in said["suffix"].text
    assert said["slip"].code == 2
    assert "'leaky'" in said["slip"].text


def test_without_the_package_its_run_says_what_is_missing(said: dict[str, Said], folder: Path) -> None:
    assert said["train"].code == 0
    alone = run(folder, {"forecast": "forecast run --lead-times 1 --out alone.npy"})["forecast"]
    assert alone.code == 2
    assert "leaky" in alone.text
    assert not (folder / "alone.npy").exists()


@pytest.mark.long
def test_its_own_tests_pass_as_the_pages_show_them(site: Path, tmp_path: Path) -> None:
    tests = sorted(shutil.copy(path, tmp_path) for path in EXTENSION.glob("test_*.py"))
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
