"""The mask of what is there, in every architecture: read, and with what is fed back."""

import pytest
import torch

from nextframe.architectures import architectures
from nextframe.config import ModelConfig
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.models.rollout import rollout

NAMES = [row.name for row in architectures()]


def network(name: str, patch: int = 1) -> Network:
    torch.manual_seed(0)
    config = ModelConfig(model=name, filters=(2, 2, 2), norm="layer", output="linear", patch=patch)
    return build_model(config, 2, 3, masked=True, past=4, future=3).eval()  # a static field, then two masks


def past() -> torch.Tensor:
    """Frames of two channels, a static field and the mask, of which the left half of the second channel is missing."""
    frames = torch.randn(1, 4, 5, 8, 8, generator=torch.Generator().manual_seed(1))
    frames[:, :, 3:] = 1
    frames[:, :, 4, :, :4] = 0
    frames[:, :, 1, :, :4] = 0
    return frames


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_read_and_missing_values_are_fed_back_as_such(name: str, patch: int) -> None:
    model, frames = network(name, patch), past()
    with torch.inference_mode():
        forecast = rollout(model, frames, 4)
        unmasked = frames.clone()
        unmasked[:, :, 4] = 1
        assert not torch.allclose(rollout(model, unmasked, 4)[:, 0], forecast[:, 0])
        assert forecast.shape == (1, 4, 2, 8, 8)
        # By hand: what is fed back has the mask of the last frame, and is 0 where that is.
        frame, state = model.begin(frames)
        for k in range(1, 4):
            told = frames[:, -1, 2:]
            frame, state = model.step(torch.cat([frame * told[:, 1:], told], dim=1), state)
            torch.testing.assert_close(frame, forecast[:, k])


@pytest.mark.parametrize("name", NAMES)
def test_a_rollout_with_gradients_is_the_rollout(name: str) -> None:
    model, frames = network(name), past()
    with torch.inference_mode():
        torch.testing.assert_close(model.rollout_logits(frames, 4), rollout(model, frames, 4), rtol=1e-4, atol=1e-5)
