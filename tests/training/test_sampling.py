"""Scheduled sampling of the models that forecast one step at each frame."""

import pytest
import torch
from torch import Tensor

from nextframe.config import RunConfig
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config

PAST, FUTURE = 3, 4


def training(share: float, static: int = 0) -> ForecastTraining:
    torch.manual_seed(0)
    changes = {"past": PAST, "future": FUTURE, "filters": (4,), "scheduled_sampling": share, "min_seen": 1}
    config = preset_config("stacked").replace(changes)
    return ForecastTraining(build_model(config.model, 1, static), config, 0.5)


def batch(static: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(1)
    parts = {"past": torch.rand(2, PAST, 1 + static, 8, 8), "future": torch.rand(2, FUTURE, 1 + static, 8, 8)}
    return {**parts, **{f"{name}_valid": torch.ones(2, part.shape[1], 1, 8, 8).bool() for name, part in parts.items()}}


@pytest.mark.parametrize("static", [0, 1])
def test_chosen_frames_after_the_past_are_forecasts_of_a_first_pass(static: int) -> None:
    module, given = training(1.0, static), batch(static)
    chosen = torch.tensor([[True, True, False, True], [False, False, True, False]])
    movie = torch.cat([given["past"], given["future"]], dim=1)
    model = module.model
    with torch.no_grad():
        forecast = torch.sigmoid(model.logits(movie)[0])
    seen = movie.clone()
    for movie_number, lead_time in ((0, 1), (0, 3), (1, 2)):  # the input at lead time k is frame past + k - 1
        frame = PAST + lead_time - 1
        seen[movie_number, frame, :1] = forecast[movie_number, frame - 1]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        model.logits(seen[:, :-1])[0], movie[:, 1:, :1], reduction="none"
    )
    losses, valid = module.losses(given, chosen)
    assert valid.all()
    torch.testing.assert_close(losses, expected)
    losses.mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_none_chosen_is_teacher_forcing() -> None:
    module, given = training(1.0), batch()
    none = torch.zeros(2, FUTURE, dtype=torch.bool)
    torch.testing.assert_close(module.losses(given, none)[0], module.losses(given, None)[0])


def test_a_model_that_sees_the_next_frame_takes_none() -> None:
    with pytest.raises(ConfigError, match=r"scheduled_sampling.*causal"):
        RunConfig().replace({"temporal_padding": "same", "scheduled_sampling": 0.5})
