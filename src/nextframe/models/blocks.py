"""`Blocks`: networks that read the last P frames and forecast K at once; more of them by reading their own.

Shapes: B batch, T time, P frames read, K frames of a block, C channel, S static channel, Q quantile, H height, W width.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nextframe.models.convlstm import check_frames
from nextframe.models.layers import activate
from nextframe.models.network import FromPast


class BlockState(NamedTuple):
    """Remainder of a block, and the start of the next one."""

    recent: Tensor
    """The last frames read, (B, P, C + S, H, W)."""
    ahead: Tensor
    """Forecasts of this block that were not handed out yet, (B, K', Q C, H, W)."""


class Blocks(FromPast):
    """A network of blocks: what derives from it says `past`, `future` and `whole_block`, and `stride` where the sizes
    of frames are to be its multiples.
    """

    past: int
    """Frames P that a forecast starts from; of a shorter past the first frame is repeated."""
    future: int
    """Frames K of a block."""

    def forward(
        self, past: Tensor, future: Tensor | None = None, *, lead_times: int = 1, feedback: Tensor | None = None
    ) -> tuple[Tensor, BlockState]:
        """Forecast the frames that follow the past.

        Args:
            past: (B, T, C + S, H, W), of which the last P are read.
            future: tells the number of frames by its length; its values are not looked at.
            lead_times: number of frames, where no future is given.
            feedback: taken for the sake of the encoder-decoder's contract; there is no input to choose.

        Returns:
            Output (B, K', Q C, H, W), and the state to go on from.

        Raises:
            ShapeError: frames that are not (B, T, C + S, H, W) with this model's channels.
        """
        logits, state = self.logits(past, future, lead_times=lead_times, feedback=feedback)
        return activate(logits, self.output), state

    def logits(
        self, past: Tensor, future: Tensor | None = None, *, lead_times: int = 1, feedback: Tensor | None = None
    ) -> tuple[Tensor, BlockState]:
        """`forward` without the output's activation, for losses that take logits."""
        check_frames(past, self.in_channels + self.static_channels, type(self).__name__)
        wanted = lead_times if future is None else future.shape[1]
        read, blocks = past, [self.block(self._window(past))]
        while len(blocks) * self.future < wanted:
            read = torch.cat([read, self.shown(blocks[-1], past[:, -1:])], dim=1)
            blocks.append(self.block(self._window(read)))
        logits = torch.cat(blocks, dim=1)
        # The last forecast that is handed out was not read yet, as by `begin` and `step`.
        read = torch.cat([past, self.shown(logits[:, : wanted - 1], past[:, -1:])], dim=1)
        ahead = activate(logits[:, wanted:], self.output)
        return logits[:, :wanted], BlockState(self._window(read), ahead)

    def begin(self, past: Tensor) -> tuple[Tensor, BlockState]:
        check_frames(past, self.in_channels + self.static_channels, type(self).__name__)
        recent = self._window(past)
        block = activate(self.block(recent), self.output)
        return block[:, 0], BlockState(recent, block[:, 1:])

    def step(self, frame: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Hand out the block's next frame; after its last, forecast a block from the frames read meanwhile."""
        recent = self._window(torch.cat([state.recent, frame[:, None]], dim=1))
        ahead = state.ahead if state.ahead.shape[1] else activate(self.block(recent), self.output)
        return ahead[:, 0], BlockState(recent, ahead[:, 1:])

    def _window(self, frames: Tensor) -> Tensor:
        """The last P frames, the first of them repeated where there are fewer."""
        missing = self.past - frames.shape[1]
        if missing > 0:
            frames = torch.cat([frames[:, :1].expand(-1, missing, -1, -1, -1), frames], dim=1)
        return frames[:, -self.past :]

    def block(self, frames: Tensor) -> Tensor:
        """Logits (B, K, Q C, H, W) of the frames that follow (B, P, C + S, H, W)."""
        height, width = frames.shape[-2:]
        return self.whole_block(filled_up(frames, self.stride))[..., :height, :width]

    @abstractmethod
    def whole_block(self, frames: Tensor) -> Tensor:
        """`block` of frames whose height and width are multiples of `stride`."""


def filled_up(frames: Tensor, stride: int) -> Tensor:
    """Frames (..., C, H, W) filled up at the bottom and on the right with their last row and column, to a height and a
    width that are multiples of `stride`.
    """
    below, right = (-size % stride for size in frames.shape[-2:])
    if not below and not right:
        return frames
    flat = frames.flatten(0, -4)
    filled: Tensor = functional.pad(flat, (0, right, 0, below), mode="replicate").unflatten(0, frames.shape[:-3])
    return filled
