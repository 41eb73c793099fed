"""Dispatch between engine and PyTorch: a model of what a scan costs on it and on PyTorch's operations.

The engine's arithmetic is a fraction of the plain path's. But before it can start it transforms weights, which takes as
long for one small frame as for many large ones; it computes whole tiles; and it reads transformed weights, four times
as many, at every step. The plain path pays for its calls. `python -m lab dispatch` measures both over many sizes and
says where this model is wrong; its constants are from one machine (Zen 4, 2 threads), and only their ratios matter.
"""

from __future__ import annotations

from torch import Tensor

_UNIT = 128 * 256  # filters times channels read, of the layer that the constants are for

# Milliseconds, of such a layer with 3x3 kernels.
_TRAINING_ONCE = 22.0  # to transform weights, forward and back, and to sum their gradients up
_TRAINING_TILE = 0.16  # each tile and step
_TRAINING_PIXEL = 0.034  # each pixel and step, on the plain path
_TRAINING_CALLS = 0.5  # each step on the plain path, of a layer of any size
_STREAMING_STEP = 0.45
_STREAMING_TILE = 0.06
_STREAMING_PIXEL = 0.0101
_STREAMING_CALLS = 0.12

# Registers hold eight filters. With fewer, the plain path wins once its calls no longer count.
_FEW_FILTERS, _MANY_PIXELS = 8, 3000


def pays(frames: Tensor, weight_h: Tensor, *, training: bool) -> bool:
    """True where a scan is expected to be faster on the engine.

    Args:
        frames: (T, B, C, H, W).
        weight_h: kernel on the hidden state (4F, F, k, k).
        training: whether a backward pass follows.
    """
    steps, batch, channels, height, width = frames.shape
    filters, kernel = weight_h.shape[1:3]
    side = 7 - kernel  # of a tile's outputs
    pixels = batch * height * width
    tiles = batch * -(-height // side) * -(-width // side)
    if filters < _FEW_FILTERS and pixels > _MANY_PIXELS:
        return False
    size = filters * (filters + channels) / _UNIT
    direct = size * pixels * (kernel / 3) ** 2
    if training:
        ours = size * (_TRAINING_ONCE + steps * tiles * _TRAINING_TILE)
        return ours < steps * (direct * _TRAINING_PIXEL + _TRAINING_CALLS)
    return size * (_STREAMING_STEP + tiles * _STREAMING_TILE) < direct * _STREAMING_PIXEL + _STREAMING_CALLS
