"""Machine that results are made on, for those that name it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
    """One line: processor, cores, memory, system."""
    try:
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        memory = ""
    return f"{processor()}, {cores()} cores{memory}, {platform.system()}"


def free_memory() -> int:
    """Bytes of memory that a process may take without any being moved to a disk; half of all where that is not told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30


def peak_memory() -> int:
    """Bytes of memory that this process has taken at most; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024


def takes_too_much(error: BaseException) -> bool:
    """True for an error of a library that was given no more memory: Python's own, or torch's, which is a RuntimeError
    and says so in words.

    >>> takes_too_much(MemoryError()), takes_too_much(RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"))
    (True, True)
    """
    if isinstance(error, RuntimeError):
        return any(words in str(error) for words in ("allocate memory", "out of memory", "not enough memory"))
    return isinstance(error, MemoryError)
