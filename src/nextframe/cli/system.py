"""Machine and installation, for `nextframe inspect --system`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from rich.table import Table

import nextframe.engine as engine
from nextframe.machine import describe_machine
from nextframe.words import count

PACKAGES = ("nextframe", "torch", "lightning", "numpy", "xarray", "h5netcdf", "zarr", "av", "imageio", "matplotlib")
OPTIONAL = {"pysteps": "no STEPS, no ANVIL", "tensorboard": "no TensorBoard log"}


def describe_system() -> Table:
    """Versions, processors and accelerators, for rich's console."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("machine", describe_machine())
    table.add_row("torch", f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    table.add_row("accelerator", _accelerator())
    table.add_row("engine", engine.describe())
    for package in PACKAGES:
        table.add_row(package, version(package))
    for package, without in OPTIONAL.items():
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, f"not installed: {without}")
    return table


def describe_speed() -> Table:
    """Speed of a training step here, with the engine and without it, for rich's console."""
    from nextframe.training.speed import MOVIES, measure

    table = Table(
        title=f"\na training step of the tutorial's models, on {count(MOVIES, 'movie')}", title_justify="left"
    )
    table.box, table.show_header, table.pad_edge = None, False, False
    for speed in measure():
        table.add_row(speed.model, str(speed))
    if not engine.built():
        table.caption, table.caption_justify = "The native engine was not built here: nothing to stand beside.", "left"
    return table


def _accelerator() -> str:
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return "MPS" if torch.backends.mps.is_available() else "none"
