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

import numpy as np
import pytest

from nextframe.plugins import GROUPS

EXTENSION = Path(__file__).parent / "extension"
PROJECT = tomllib.loads((EXTENSION / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PROGRAM = "import sys; from nextframe.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it: its modules, its name, its entry points."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(EXTENSION / "tiny", site / "tiny")
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


def nextframe(site: Path, *arguments: str | Path, code: int = 0) -> str:
    """Run a command where the package is installed; what it prints, errors after the rest."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=site,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == code, done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def run(site: Path) -> Path:
    """A training of the package's architecture on moving squares."""
    folder = site / "run"
    options = "--data squares:movies=8,frames=6,size=16 --past 3 --future 3 --filters 4 --epochs 1 --train-crop none"
    nextframe(site, "train", "leaky", *options.split(), "--test", "0.25", "--no-progress", "--out", folder)
    return folder


def test_the_package_adds_a_row_to_every_table() -> None:
    assert set(PROJECT["entry-points"]) == set(GROUPS)


def test_its_architecture_is_trained(run: Path) -> None:
    assert json.loads((run / "model.json").read_text())["model"]["model"] == "leaky"


def test_its_baseline_and_its_metric_stand_in_the_scores(site: Path, run: Path) -> None:
    nextframe(site, "verify", run, "--baselines", "persistence,fading", "--examples", "0", "--no-progress")
    scores = json.loads((run / "verification.json").read_text())["scores"]
    assert list(scores) == ["model", "persistence", "fading"]
    assert all("stray" in metrics for metrics in scores.values())
    worst = scores["persistence"]["stray"]
    # Persistence keeps values of 0 and 1, so that it strays by 1 where anything moves; fading loses a tenth more.
    assert worst == [1.0] * 3


def test_its_writer_writes_what_its_format_reads(site: Path, run: Path) -> None:
    first, second = site / "first.frames", site / "second.frames"
    nextframe(site, "forecast", run, "--lead-times", "4", "--out", first)
    values = np.loadtxt(first, skiprows=1)
    assert first.read_text().splitlines()[0] == "4 1 16 16"
    assert values.shape == (4, 256)
    assert "4 frames" in nextframe(site, "inspect", first, "--past", "2", "--future", "1")
    nextframe(site, "forecast", run, "--input", first, "--lead-times", "2", "--out", second)
    assert second.read_text().splitlines()[0] == "2 1 16 16"


def test_what_is_no_file_of_its_format_is_told_in_a_sentence(site: Path) -> None:
    path = site / "cut.frames"
    path.write_text("2 1 4 4\n1 2 3\n")
    said = nextframe(site, "inspect", path, code=2)
    assert "cut.frames: cannot be read as plain text" in said


def test_lists_name_its_rows(site: Path) -> None:
    assert "leaky" in nextframe(site, "train", "--help")
    assert "fading" in nextframe(site, "verify", "--help")
    assert ".frames" in nextframe(site, "forecast", "nowhere", "--out", "a.xyz", code=2)
    assert "leaky" in nextframe(site, "train", "leeky", code=2)


def test_without_the_package_its_run_says_what_is_missing(run: Path, tmp_path: Path) -> None:
    said = nextframe(tmp_path, "forecast", run, "--lead-times", "1", "--out", tmp_path / "a.npy", code=2)
    assert "leaky" in said
