"""What this machine and this installation are, for `nextframe inspect --system`."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from rich.table import Table

PACKAGES = ("nextframe", "torch", "lightning", "numpy", "xarray", "h5netcdf", "zarr", "av", "imageio", "matplotlib")
OPTIONAL = {"pysteps": "no extrapolation baseline", "tensorboard": "no TensorBoard log"}


def describe_system() -> Table:
    """Versions, processors and accelerators, for rich's console."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("processor", f"{_processor()}, {_available_cores()} cores for this process")
    memory = _memory()
    if memory is not None:
        table.add_row("memory", f"{memory / 2**30:.1f} GiB")
    table.add_row("torch", f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    table.add_row("accelerator", _accelerator())
    for package in PACKAGES:
        table.add_row(package, version(package))
    for package, without in OPTIONAL.items():
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, f"not installed: {without}")
    return table


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _accelerator() -> str:
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return "MPS" if torch.backends.mps.is_available() else "none"
