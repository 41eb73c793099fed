"""Any function is verified beside models and baselines."""

from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.errors import ShapeError
from nextframe.frames.sequence import FloatArray

SQUARES = "squares:movies=2,frames=8,size=16"


def still(past: FloatArray) -> FloatArray:
    return np.repeat(past[-1:], 3, axis=0)


def test_a_function_is_verified_under_its_name() -> None:
    scores = nextframe.verify(still, SQUARES, past=4, lead_times=2, baselines=["persistence"], progress=False)
    assert scores.scores["still"]["mse"] == scores.scores["persistence"]["mse"]
    assert "still" in scores.command


@pytest.mark.slow
def test_functions_stand_beside_baselines_and_runs() -> None:
    scores = nextframe.verify(
        [still, "squares-stacked"], SQUARES, past=4, lead_times=2, baselines=[], seen=True, progress=False
    )
    assert next(iter(scores.scores)) == "still"
    assert len(scores.scores) == 2


@pytest.mark.parametrize(
    "function",
    [lambda past: past[-1:], lambda past: past[-1], lambda past: past[-1:, :, 1:].repeat(5, axis=0), lambda past: 0],
)
def test_a_function_that_returns_other_frames_is_told_so(function: Any) -> None:
    with pytest.raises(ShapeError, match="does not return the frames that follow its past"):
        nextframe.verify(function, SQUARES, past=4, lead_times=2, progress=False)
