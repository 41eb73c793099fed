"""Conventions of published tables against their definitions, computed from frames."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from nextframe.report.tables import convention_tables
from nextframe.verification.additive import Settings
from nextframe.verification.conventions import CONVENTIONS, conventional_scores
from nextframe.verification.metrics import measure, scores_of
from nextframe.verification.result import Verification


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_conventions_are_what_they_say(data_range: float) -> None:
    draw = np.random.default_rng(0)
    truth, forecast = draw.random((2, 4, 3, 1, 12, 11))
    said, came = ((frames * data_range).astype(np.float32) for frames in (forecast, truth))
    metrics = scores_of([part.total() for part in measure(said, came, Settings(data_range=data_range))])
    found = conventional_scores({n: v.tolist() for n, v in metrics.items()}, (1, 12, 11), data_range)
    assert found.keys() == CONVENTIONS.keys()
    error = forecast - truth
    assert found["per-pixel"]["mse"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert found["openstl"]["mse"] == pytest.approx((error**2).sum((2, 3, 4)).mean(), rel=1e-5)
    assert found["openstl"]["mae"] == pytest.approx(np.abs(error).sum((2, 3, 4)).mean(), rel=1e-5)
    entropy = torch.nn.functional.binary_cross_entropy(
        torch.from_numpy(forecast), torch.from_numpy(truth), reduction="none"
    )
    assert found["shi-nats"]["bce"] == pytest.approx(float(entropy.sum((1, 2, 3, 4)).mean()), rel=1e-4)


def test_other_ranges_have_no_convention() -> None:
    warm, warmer = (np.full((1, 1, 1, 12, 12), value) for value in (280.0, 281.0))
    metrics = scores_of([part.total() for part in measure(warm, warmer, Settings())])
    assert conventional_scores({n: v.tolist() for n, v in metrics.items()}, (1, 12, 12), 30.0) == {}


def test_printed_with_the_names_of_their_conventions() -> None:
    text = io.StringIO()
    scores = {"model": {"per-pixel": {"mse": 0.01}, "shi-nats": {"bce": 3670.85}}, "persistence": {}}
    verification = Verification(scores={}, lead_time=[1], count=1, conventions=scores)
    Console(file=text, width=200).print(convention_tables(verification))
    assert "BCE (shi-nats)" in text.getvalue()
    assert "3671" in text.getvalue()
    assert CONVENTIONS["per-pixel"] in text.getvalue()
