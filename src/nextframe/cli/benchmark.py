"""`nextframe benchmark`, an old name: what measures the package is in its repository, not in the package."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nextframe.errors import ConfigError, NextframeWarning

ROOT = Path(__file__).parents[3]
"""The repository, where the package runs from a checkout."""


def benchmark(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
) -> None:
    """Old name of `python -m lab`, which measures speed and quality beside others; it is in the repository alone."""
    given = list(arguments) or ["training"]
    if not (ROOT / "lab" / "__main__.py").is_file():
        raise ConfigError(
            "is not part of the package: what measures it is in its repository",
            where="benchmark",
            hint=f"run `python -m lab {' '.join(given)}` in a checkout of it, "
            "or `nextframe inspect --system --measure` for this machine's speed",
        )
    warnings.warn(
        NextframeWarning("`nextframe benchmark` is now `python -m lab`, run from the repository's root"), stacklevel=1
    )
    places = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([sys.executable, "-m", "lab", *given], env={**os.environ, "PYTHONPATH": places}, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
