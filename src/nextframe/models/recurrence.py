"""The ConvLSTM's recurrence in PyTorch operations, forward and backward, faster than autograd through a loop.

What a plain loop wastes, and what is done about it here:

- The input's convolution does not wait for the recurrence: it runs once, on the frames of all time steps.
- Weight gradients are sums over time: they are computed once, after the backward loop, on all time steps.
- Autograd keeps some ten tensors a step; the backward pass needs the activated gates, the cell states and the hidden
  states. They live in one buffer each, allocated once for all time steps and filled in place.
- The gradient by the input is left out where nobody asks for it (the first layer).
- Memory is channels-last, where PyTorch's convolutions are fastest, so that no step reorders its operands.
- Between two convolutions lie some twenty products and activations of every value. A block of pixels goes through all
  of them while it is in the cache, instead of each of them through the whole frame.
- `tanh(x) = 2 sigmoid(2 x) - 1` makes one vectorised sigmoid serve all four gates: PyTorch's tanh takes several times
  as long as its sigmoid on a CPU. The results agree to float32 rounding.

Shapes: T time, B batch, C input channels, F filters, H height, W width; time comes first. Gates: input, forget, output,
cell.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d


def scan(
    frames: Tensor,
    weight_x: Tensor,
    weight_h: Tensor,
    bias: Tensor | None,
    hidden: Tensor | None = None,
    cell: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run a ConvLSTM (sigmoid gates, no peepholes) over all frames.

    Args:
        frames: (T, B, C, H, W).
        weight_x: kernel on the frames (4F, C, k, k).
        weight_h: kernel on the hidden state (4F, F, k, k).
        bias: (4F,) or None.
        hidden: initial hidden state (B, F, H, W); None for zeros, whose convolution is then left out.
        cell: initial cell state (B, F, H, W); None for zeros.

    Returns:
        Hidden states (T, B, F, H, W) and the last cell state (B, F, H, W).
    """
    hidden_states, last_cell = _Scan.apply(frames, weight_x, weight_h, bias, hidden, cell)  # type: ignore[no-untyped-call]
    return hidden_states, last_cell


def _pixels(images: Tensor) -> Tensor:
    """(..., B, C, H, W) as rows of pixels (..., B H W, C): a view where channels are neighbours in memory."""
    return images.movedim(-3, -1).flatten(-4, -2)


def _images(pixels: Tensor, extent: tuple[int, int, int]) -> Tensor:
    """Rows of pixels (..., B H W, C) as (..., B, C, H, W), a view; `extent` is (B, H, W)."""
    images: Tensor = pixels.unflatten(-2, extent).movedim(-1, -3)
    return images


_BLOCK = 65536  # values of one gate in a block: all that belongs to it fits two cores' second-level caches


def _blocks(pixels: int, filters: int, device: torch.device) -> list[slice]:
    """Rows that a CPU takes through a step's products and activations while they are in its cache; elsewhere, all."""
    rows = max(1, _BLOCK // filters) if device.type == "cpu" else pixels
    return [slice(first, first + rows) for first in range(0, pixels, rows)]


def _tanh(x: Tensor) -> Tensor:
    return (2 * x).sigmoid_().mul_(2).sub_(1)


def _mirrored(weight: Tensor, like: Tensor) -> Tensor:
    """The kernel with which a plain convolution computes the gradient by its input: flipped, in and out swapped."""
    return weight.flip(2, 3).transpose(0, 1).to(like.dtype).contiguous(memory_format=torch.channels_last)


def _weight_gradient(inputs: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Gradient by `weight` of a 'same' convolution, summed over all frames of `inputs` (N, C, H, W)."""
    padding = [weight.shape[2] // 2, weight.shape[3] // 2]
    mask = [False, True, False]
    inputs, weight = inputs.to(gradient.dtype), weight.to(gradient.dtype)
    result: Tensor = torch.ops.aten.convolution_backward(
        gradient, inputs, weight, None, [1, 1], padding, [1, 1], False, [0, 0], 1, mask
    )[1]
    return result


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        frames: Tensor,
        weight_x: Tensor,
        weight_h: Tensor,
        bias: Tensor | None,
        hidden: Tensor | None,
        cell: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        steps, batch, _, height, width = frames.shape
        filters, extent = weight_h.shape[1], (batch, height, width)
        padding = (weight_h.shape[2] // 2, weight_h.shape[3] // 2)
        recurrent = weight_h.contiguous(memory_format=torch.channels_last)
        flat = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pixels = batch * height * width
        gates = _pixels(conv2d(flat, weight_x, bias, padding=padding)).view(steps, pixels, 4 * filters)
        keep = any(ctx.needs_input_grad)
        hiddens = frames.new_empty(steps + 1, pixels, filters)
        cells = frames.new_empty(steps + 1 if keep else 2, pixels, filters)
        hiddens[0] = 0 if hidden is None else _pixels(hidden)
        cells[0] = 0 if cell is None else _pixels(cell)
        blocks = _blocks(pixels, filters, frames.device)
        for t in range(steps):
            before, after = (t, t + 1) if keep else (t % 2, (t + 1) % 2)
            from_hidden = None
            if t > 0 or hidden is not None:
                from_hidden = _pixels(conv2d(_images(hiddens[t], extent), recurrent, padding=padding))
            for block in blocks:
                gate, cell_after = gates[t, block], cells[after, block]
                if from_hidden is not None:
                    gate += from_hidden[block]
                gate[:, 3 * filters :] *= 2
                i, f, o, g = gate.sigmoid_().chunk(4, dim=1)
                g.mul_(2).sub_(1)
                torch.mul(f, cells[before, block], out=cell_after)
                cell_after.addcmul_(i, g)
                torch.mul(o, _tanh(cell_after), out=hiddens[t + 1, block])
        ctx.save_for_backward(flat, weight_x, weight_h, gates, hiddens, cells)
        ctx.has_bias, ctx.extent = bias is not None, extent
        return _images(hiddens[1:], extent), _images(cells[steps if keep else steps % 2].clone(), extent)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hiddens: Tensor, grad_cell: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight_x, weight_h, gates, hiddens, cells = ctx.saved_tensors
        steps, pixels, width4 = gates.shape
        filters = width4 // 4
        padding = (weight_h.shape[2] // 2, weight_h.shape[3] // 2)
        # Gradient by the gates before their activation. With autocast, gates are of lower precision than weights and
        # states, and the backward pass, which autocast does not reach, convolves in that precision too.
        slopes = torch.empty_like(gates)
        mirrored = _mirrored(weight_h, slopes)
        grad_hiddens = _pixels(grad_hiddens)
        d_cell = _pixels(grad_cell).clone()
        d_hidden: Tensor | None = None
        blocks = _blocks(pixels, filters, gates.device)
        for t in reversed(range(steps)):
            for block in blocks:
                incoming = grad_hiddens[t, block] if d_hidden is None else d_hidden[block].add_(grad_hiddens[t, block])
                d_c = d_cell[block]
                sigmoids = gates[t, block, : 3 * filters]
                i, f, o, g = gates[t, block].chunk(4, dim=1)
                d_i, d_f, d_o, d_g = slopes[t, block].chunk(4, dim=1)
                squashed = _tanh(cells[t + 1, block])
                torch.mul(incoming, squashed, out=d_o)
                d_c.addcmul_(incoming * o, squashed.square_().neg_().add_(1))
                torch.mul(d_c, g, out=d_i)
                torch.mul(d_c, cells[t, block], out=d_f)
                torch.mul(d_c, i, out=d_g)
                slopes[t, block, : 3 * filters] *= sigmoids - sigmoids * sigmoids
                d_g *= 1 - g * g
                d_c *= f
            if t > 0 or ctx.needs_input_grad[4]:
                d_hidden = _pixels(conv2d(_images(slopes[t], ctx.extent), mirrored, padding=padding))
        maps = _images(slopes, ctx.extent).flatten(0, 1)
        needs = ctx.needs_input_grad
        d_frames = conv2d(maps, _mirrored(weight_x, slopes), padding=padding) if needs[0] else None
        return (
            d_frames.unflatten(0, (steps, -1)) if d_frames is not None else None,
            _weight_gradient(flat, maps, weight_x) if needs[1] else None,
            _weight_gradient(_images(hiddens[:-1], ctx.extent).flatten(0, 1), maps, weight_h) if needs[2] else None,
            slopes.sum((0, 1)) if ctx.has_bias and needs[3] else None,
            _images(d_hidden, ctx.extent) if needs[4] and d_hidden is not None else None,
            _images(d_cell, ctx.extent) if needs[5] else None,
        )
