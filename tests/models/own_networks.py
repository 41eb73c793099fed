"""Small networks of the user's, as the tests of them import them."""

from typing import Any

import torch
from torch import Tensor, nn


class Blocks(nn.Module):
    """A past of 3 frames to as many frames as it is told."""

    def __init__(self, frames: int = 2, channels: int = 1) -> None:
        super().__init__()
        self.config = {"frames": frames, "channels": channels}
        self.channels = channels
        self.inward = nn.Conv2d(3 * channels, 6, 3, padding=1)
        self.outward = nn.Conv2d(6, frames * channels, 3, padding=1)

    def forward(self, past: Tensor) -> Tensor:
        hidden = torch.relu(self.inward(past.flatten(1, 2)))
        said: Tensor = self.outward(hidden).unflatten(1, (-1, self.channels))
        return said


class Halved(nn.Module):
    """A past of 3 frames to one, by a grid of half the size; sizes are to be even."""

    stride = 2

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Conv2d(3, 4, 2, stride=2)
        self.outward = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, past: Tensor) -> Tensor:
        said: Tensor = self.outward(torch.relu(self.inward(past.flatten(1, 2))))
        return said[:, None]


class Twos(Blocks):
    """Made for a past of 3 frames and 2 after it, as its attributes say."""

    past, future = 3, 2


class Steps(nn.Module):
    """A frame and a state, a dictionary, to the next frame; a state of zeros is as good as none."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(5, 4, 3, padding=1)
        self.outward = nn.Conv2d(4, 1, 1)

    def forward(self, frame: Tensor, state: dict[str, Tensor] | None) -> tuple[Tensor, dict[str, Tensor]]:
        memory = frame.new_zeros(()).expand(len(frame), 4, *frame.shape[2:]) if state is None else state["memory"]
        memory = torch.tanh(self.gate(torch.cat([frame, memory], dim=1)))
        return self.outward(memory), {"memory": memory}


class Returning(nn.Module):
    """Returns whatever it is told to."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.answer = answer

    def forward(self, past: Tensor) -> Any:
        return self.answer(past)
