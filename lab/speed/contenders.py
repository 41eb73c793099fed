"""Who takes part in a benchmark, and under what conditions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.speed.work import PASSES, Accelerator, Task
from nextframe.errors import ConfigError

Kind = Literal["nextframe", "usual", "keras"]
Precision = Literal["float32", "tf32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Who takes part, and under what conditions."""

    name: str
    """What the table calls it."""
    kind: Kind
    """Whose step it does: this package's, that of the usual PyTorch loop, or Keras'."""
    engine: bool = True
    """Whether the native engine is on."""
    keeps_memory: bool = False
    """Whether the C library is told to keep freed memory."""
    recompute: int | None = None
    """Steps of a segment that the backward pass computes again, for this package's models."""
    compiled: bool = False
    """Whether `torch.compile` compiles its module."""
    precision: Precision = "float32"
    """On a GPU: arithmetic of the convolutions; "bf16" is mixed precision."""
    channels_last: bool = False
    """Whether the usual loop's convolutions are laid out with channels last."""
    backend: str | None = None
    """What Keras computes on."""


NEXTFRAME = Contender(name="nextframe", kind="nextframe", keeps_memory=True)
THRIFTY = Contender(name="nextframe, recompute 4", kind="nextframe", recompute=4)
PLAIN = Contender(name="nextframe without its engine", kind="nextframe", engine=False, keeps_memory=True)
USUAL_KEPT = Contender(name="usual loop, freed memory kept", kind="usual", keeps_memory=True)
USUAL = Contender(name="usual loop", kind="usual")

ON_CPU = (
    NEXTFRAME,
    THRIFTY,
    PLAIN,
    USUAL_KEPT,
    USUAL,
    Contender(name="usual loop, compiled", kind="usual", keeps_memory=True, compiled=True),
)
"""The contenders on a CPU, beside Keras."""

IN_SWEEP = (NEXTFRAME, PLAIN, USUAL_KEPT)
"""The contenders of the sweep over sizes."""

ON_GPU = (
    Contender(name="nextframe", kind="nextframe", precision="tf32"),
    Contender(name="nextframe, float32", kind="nextframe"),
    Contender(name="nextframe, bf16", kind="nextframe", precision="bf16"),
    Contender(name="nextframe, compiled", kind="nextframe", precision="tf32", compiled=True),
    Contender(name="usual loop", kind="usual"),
    Contender(name="usual loop, TF32", kind="usual", precision="tf32", channels_last=True),
    Contender(name="usual loop, bf16", kind="usual", precision="bf16", channels_last=True),
    Contender(name="usual loop, compiled", kind="usual", precision="tf32", channels_last=True, compiled=True),
    Contender(name="usual loop, compiled, bf16", kind="usual", precision="bf16", channels_last=True, compiled=True),
)
"""The contenders on a GPU: all on PyTorch's operations; but for the plain usual loop, with channels last."""


def contenders_on(
    accelerator: Accelerator, task: Task, keras_python: str | Path | None, *, sweep: bool
) -> tuple[Contender, ...]:
    """Who takes part.

    Args:
        accelerator: where the work is done.
        task: the task; where nothing is trained, nothing is computed again.
        keras_python: an interpreter to look for Keras in, instead of this one.
        sweep: whether many sizes are measured, and therefore few contenders.

    Raises:
        ConfigError: `keras_python` cannot be run, or has no Keras with TensorFlow or JAX.
    """
    if accelerator == "cuda":
        return ON_GPU
    if sweep:
        return IN_SWEEP
    backends = keras_backends(sys.executable if keras_python is None else keras_python)
    if keras_python is not None and not backends:
        raise ConfigError("has no Keras on TensorFlow or JAX", where=f"keras_python={keras_python}")
    native = tuple(contender for contender in ON_CPU if contender.recompute is None or task in PASSES)
    return (*native, *(Contender(name=f"keras on {backend}", kind="keras", backend=backend) for backend in backends))


def keras_backends(python: str | Path) -> tuple[str, ...]:
    """What Keras can compute on under an interpreter, of TensorFlow and JAX; nothing without Keras.

    Raises:
        ConfigError: no interpreter.
    """
    ask = (
        "import json; from importlib.util import find_spec\n"
        "print(json.dumps([name for name in ('tensorflow', 'jax') if find_spec('keras') and find_spec(name)]))"
    )
    try:
        done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True)
        return tuple(json.loads(done.stdout))
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise ConfigError("is no Python interpreter that answers", where=python, received=error) from error
