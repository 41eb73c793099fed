"""What each command loads: help loads no library, and no command loads what it does not use."""

import importlib
import keyword
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.cli.program import COMMANDS

HEAVY = {
    "torch",
    "lightning",
    "torchmetrics",
    "matplotlib",
    "tensorboard",
    "scipy",
    "skimage",
    "pysteps",
    "pandas",
    "xarray",
    "h5py",
    "av",
    "jinja2",
}


def loaded(code: str, folder: Path) -> set[str]:
    """Modules that a process has loaded at its end."""
    ended = f"import atexit, sys\natexit.register(lambda: print(chr(10), '|', *sys.modules))\n{code}"
    done = subprocess.run([sys.executable, "-c", ended], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("|")[2].split())


def of_command(*arguments: str, folder: Path) -> set[str]:
    return loaded(f"from nextframe.cli import main\nsys.exit(main({list(arguments)!r}))", folder)


def test_the_package_itself_loads_nothing(tmp_path: Path) -> None:
    assert not (HEAVY | {"numpy", "cyclopts", "rich"}) & loaded("import nextframe", tmp_path)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS if name != "benchmark")]
)
@pytest.mark.slow
def test_help_loads_no_library(arguments: list[str], tmp_path: Path) -> None:
    modules = of_command(*arguments, folder=tmp_path)
    assert not (HEAVY | {"numpy", "rich.markdown", "nextframe.api"}) & modules


def test_the_list_of_commands_says_what_each_page_begins_with() -> None:
    for name, line in COMMANDS.items():
        home = f"{name}_" if keyword.iskeyword(name) else name
        page = getattr(importlib.import_module(f"nextframe.cli.{home}"), home).__doc__
        assert " ".join(page.partition("\n\n")[0].split()) == line


@pytest.mark.slow
def test_a_forecast_loads_nothing_of_training_reports_and_archives(tmp_path: Path) -> None:
    modules = of_command("forecast", "squares-stacked", "--out", "next.gif", folder=tmp_path)
    assert (tmp_path / "next.gif").is_file()
    assert not (HEAVY - {"torch"} | {"rich"}) & modules
    assert not {"torch._dynamo", "sympy", "imageio", "nextframe.training.fit", "nextframe.report.html"} & modules


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["rain.nc", "rain.npy"])
def test_an_inspection_loads_what_reads_the_file_and_no_more(archive: str, tmp_path: Path) -> None:
    rain = np.random.default_rng(0).gamma(0.5, 2, (40, 16, 16)).astype(np.float32)
    if archive == "rain.npy":
        np.save(tmp_path / archive, rain)
    else:
        times = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(600, "s")
        field = xr.Dataset({"rain": (("time", "y", "x"), rain, {"units": "mm/h"})}, {"time": times})
        field.to_netcdf(tmp_path / archive, engine="h5netcdf")
    modules = of_command("inspect", archive, folder=tmp_path)
    assert not (HEAVY - ({"h5py"} if archive == "rain.nc" else set())) & modules
