"""Channelwise models: every channel as if it were alone, whatever their number."""

import numpy as np
import pytest
import torch

from nextframe.config import ModelConfig
from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout

KINDS = {
    "stacked": ModelConfig(model="stacked", filters=(3,), norm="layer", channelwise=True, patch=2),
    "encoder-decoder": ModelConfig(model="encoder-decoder", filters=(3,), norm="layer", channelwise=True),
    "simvp": ModelConfig(model="simvp", filters=(4,), norm="layer", channelwise=True),
    "quantiles": ModelConfig(
        model="stacked", filters=(3,), norm="none", channelwise=True, output="linear", quantiles=3
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_channel_is_forecast_as_if_it_were_alone(kind: str) -> None:
    torch.manual_seed(0)
    model = build_model(KINDS[kind], 3, past=4, future=3).eval()
    past, future = torch.rand(2, 4, 3, 12, 12), torch.rand(2, 3, 3, 12, 12)
    with torch.inference_mode():
        together = rollout(model, past, 3)
        trained = model.training_logits(past, future)
        rolled = model.rollout_logits(past, 3)
        assert together.shape == (2, 3, 3, 12, 12)
        for c in range(3):
            one = slice(c, c + 1)
            torch.testing.assert_close(rollout(model, past[:, :, one], 3), together[:, :, one])
            alone = model.training_logits(past[:, :, one], future[:, :, one])
            torch.testing.assert_close(alone, trained[:, :, c::3])
            torch.testing.assert_close(model.rollout_logits(past[:, :, one], 3), rolled[:, :, c::3])


def test_scheduled_sampling_is_of_movies() -> None:
    model = build_model(KINDS["stacked"], 2)
    feedback = torch.tensor([[False, True, True], [False, False, False]])
    past, future = torch.rand(2, 4, 2, 8, 8), torch.rand(2, 3, 2, 8, 8)
    with torch.no_grad():
        mixed, plain = model.training_logits(past, future, feedback), model.training_logits(past, future)
    torch.testing.assert_close(mixed[1], plain[1])
    assert not torch.equal(mixed[0], plain[0])


def test_static_fields_are_refused() -> None:
    with pytest.raises(ConfigError, match="neither static fields nor a mask"):
        build_model(KINDS["stacked"], 1, 1)


def test_normalisation_and_limits_of_one_channel_hold_for_all() -> None:
    shared = Normaliser(method="range", offset=(0.0,), scale=(255.0,), shared=True)
    frames = np.full((2, 3, 4, 4), 51, np.float32)
    np.testing.assert_allclose(shared.apply(frames), 0.2)
    np.testing.assert_allclose(shared.invert(shared.apply(frames)), frames, rtol=1e-6)
    assert Normaliser.from_dict(shared.to_dict()) == shared
    with pytest.raises(ConfigError, match="one channel"):
        Normaliser(method="range", offset=(0.0, 0.0), scale=(1.0, 1.0), shared=True)
    limits = Limits(low=(0.0, 0.0), high=(255.0, 250.0), least=(None, None)).pooled
    assert limits == Limits(low=(0.0,), high=(255.0,), least=(None,))
    assert limits.hold(np.full((3, 1, 1), 300, np.float32)).ravel().tolist() == [255.0] * 3
