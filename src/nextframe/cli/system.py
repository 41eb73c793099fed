"""What this machine and this installation are, for `nextframe inspect --system`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from rich.table import Table

import nextframe.engine as engine
from nextframe.machine import describe_machine

PACKAGES = ("nextframe", "torch", "lightning", "numpy", "xarray", "h5netcdf", "zarr", "av", "imageio", "matplotlib")
OPTIONAL = {"pysteps": "no extrapolation baseline", "tensorboard": "no TensorBoard log"}


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


def _accelerator() -> str:
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return "MPS" if torch.backends.mps.is_available() else "none"
