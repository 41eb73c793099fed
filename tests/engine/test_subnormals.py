"""Numbers below 1.2e-38 are zero in all threads while asked for, and are themselves again afterwards."""

import subprocess
import sys

import pytest
import torch

from nextframe.engine import subnormals_are_zero
from nextframe.engine.status import native


def kept() -> tuple[bool, bool]:
    """Whether halves of tiny numbers are kept: in this thread, and in all that share in a large tensor."""
    return bool(torch.tensor(2e-38) * 0.5 > 0), bool((torch.full((1 << 20,), 2e-38) * 0.5 > 0).all())


def flushed() -> tuple[bool, bool]:
    """Whether they are zero."""
    here, everywhere = torch.tensor(2e-38) * 0.5, torch.full((1 << 20,), 2e-38) * 0.5
    return bool(here == 0), bool((everywhere == 0).all()) or native is None


def test_they_are_zero_inside_and_kept_outside_even_after_an_error() -> None:
    assert kept() == (True, True)
    try:
        with subnormals_are_zero():
            assert flushed() == (True, True)
            raise ValueError
    except ValueError:
        assert kept() == (True, True)


def test_one_inside_another_does_not_end_it() -> None:
    with subnormals_are_zero():
        with subnormals_are_zero():
            pass
        assert flushed() == (True, True)
    assert kept() == (True, True)


@pytest.mark.slow
def test_numpy_does_not_warn_of_it() -> None:
    program = (
        "import warnings; warnings.simplefilter('error'); import numpy as np\n"
        "from nextframe.engine.subnormals import subnormals_are_zero\n"
        "with subnormals_are_zero(): print(np.finfo(np.float32).tiny, np.finfo(np.float64).tiny)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
