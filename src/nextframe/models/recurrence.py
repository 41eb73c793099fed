"""The ConvLSTM's recurrence in PyTorch operations, forward and backward, faster than autograd through a loop.

What a plain loop wastes, and what is done about it here:

- The input's convolution does not wait for the recurrence: it runs once, on the frames of all time steps.
- Weight gradients are sums over time: they are computed once, after the backward loop, on all time steps.
- Autograd keeps some ten tensors a step; the backward pass needs the activated gates, the cell states and the hidden
  states. They live in one buffer each, allocated once for all time steps and filled in place.
- The gradient by the input is left out where nobody asks for it (the first layer).
- Memory is channels-last, where PyTorch's convolutions are fastest, so that no step reorders its operands.
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


def _channels_last(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An uninitialised tensor of shape (..., C, H, W) whose channels are neighbours in memory."""
    *lead, channels, height, width = shape
    return like.new_empty(*lead, height, width, channels).movedim(-1, -3)


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
        filters = weight_h.shape[1]
        padding = (weight_h.shape[2] // 2, weight_h.shape[3] // 2)
        recurrent = weight_h.contiguous(memory_format=torch.channels_last)
        flat = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        gates = conv2d(flat, weight_x, bias, padding=padding).contiguous(memory_format=torch.channels_last)
        gates = gates.unflatten(0, (steps, batch))
        keep = any(ctx.needs_input_grad)
        hiddens = _channels_last((steps + 1, batch, filters, height, width), frames)
        cells = _channels_last((steps + 1 if keep else 2, batch, filters, height, width), frames)
        hiddens[0] = 0 if hidden is None else hidden
        cells[0] = 0 if cell is None else cell
        for t in range(steps):
            before, after = (t, t + 1) if keep else (t % 2, (t + 1) % 2)
            gate = gates[t]
            if t > 0 or hidden is not None:
                gate += conv2d(hiddens[t], recurrent, padding=padding)
            gate[:, 3 * filters :] *= 2
            i, f, o, g = gate.sigmoid_().chunk(4, dim=1)
            g.mul_(2).sub_(1)
            torch.mul(f, cells[before], out=cells[after])
            cells[after].addcmul_(i, g)
            torch.mul(o, _tanh(cells[after]), out=hiddens[t + 1])
        ctx.save_for_backward(flat, weight_x, weight_h, gates, hiddens, cells)
        ctx.has_bias = bias is not None
        return hiddens[1:], cells[steps if keep else steps % 2].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hiddens: Tensor, grad_cell: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight_x, weight_h, gates, hiddens, cells = ctx.saved_tensors
        steps, batch, width4 = gates.shape[:3]
        filters = width4 // 4
        padding = (weight_h.shape[2] // 2, weight_h.shape[3] // 2)
        # Gradient by the gates before their activation. With autocast, gates are of lower precision than weights and
        # states, and the backward pass, which autocast does not reach, convolves in that precision too.
        slopes = _channels_last(gates.shape, gates)
        mirrored = _mirrored(weight_h, slopes)
        d_cell = grad_cell.clone(memory_format=torch.preserve_format)
        d_hidden: Tensor | None = None
        for t in reversed(range(steps)):
            incoming = grad_hiddens[t] if d_hidden is None else d_hidden.add_(grad_hiddens[t])
            i, f, o, g = gates[t].chunk(4, dim=1)
            d_i, d_f, d_o, d_g = slopes[t].chunk(4, dim=1)
            squashed = _tanh(cells[t + 1])
            torch.mul(incoming, squashed, out=d_o)
            d_cell.addcmul_(incoming * o, squashed.square_().neg_().add_(1))
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)
            torch.mul(d_cell, i, out=d_g)
            sigmoids = gates[t][:, : 3 * filters]
            slopes[t][:, : 3 * filters] *= sigmoids - sigmoids * sigmoids
            d_g *= 1 - g * g
            d_cell *= f
            if t > 0 or ctx.needs_input_grad[4]:
                d_hidden = conv2d(slopes[t], mirrored, padding=padding)
        slopes = slopes.flatten(0, 1)
        needs = ctx.needs_input_grad
        d_frames = conv2d(slopes, _mirrored(weight_x, slopes), padding=padding) if needs[0] else None
        return (
            d_frames.unflatten(0, (steps, batch)) if d_frames is not None else None,
            _weight_gradient(flat, slopes, weight_x) if needs[1] else None,
            _weight_gradient(hiddens[:-1].flatten(0, 1), slopes, weight_h) if needs[2] else None,
            slopes.sum((0, 2, 3)) if ctx.has_bias and needs[3] else None,
            d_hidden if needs[4] else None,
            d_cell if needs[5] else None,
        )
