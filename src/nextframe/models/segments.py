"""A recurrence in bounded memory: forward in segments, of which the backward pass computes one after the other again.

T. Chen et al. 2016, Training deep nets with sublinear memory cost (arXiv 1604.06174), along time: between the passes
the frames are kept, and the states between two segments. Whoever reads the hidden states keeps these as well.

Shapes: T time, B batch, C input channels, F filters, H height, W width; time comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Scan = Callable[[Tensor, tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]
"""Frames (T, B, C, H, W), hidden and cell state to hidden states (T, B, F, H, W) and the last cell state."""


def scan_in_segments(
    scan: Scan, steps: int, frames: Tensor, hidden: Tensor, cell: Tensor, parameters: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states (T, B, F, H, W), and the last hidden and cell state, of a scan.

    Gates and cell states of no more than `steps` time steps are in memory at once.

    Args:
        scan: a recurrence.
        steps: time steps of a segment.
        frames: (T, B, C, H, W).
        hidden: initial hidden state (B, F, H, W).
        cell: initial cell state (B, F, H, W).
        parameters: everything else that `scan` is to be differentiated by.
    """
    hiddens, *last = _Segments.apply(scan, steps, frames, hidden, cell, *parameters)  # type: ignore[no-untyped-call]
    return hiddens, *last


class _Segments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scan: Scan, steps: int, frames: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, batch, _, height, width = frames.shape
        # Channels are neighbours in memory, as scans leave them.
        hiddens = hidden.new_empty(count, batch, height, width, hidden.shape[1]).movedim(-1, 2)
        befores, cells = [hidden], [cell]
        ctx.stretches = _stretches(count, steps)
        for stretch in ctx.stretches:
            hiddens[stretch], last = scan(frames[stretch], (befores[-1], cells[-1]))
            befores.append(hiddens[stretch][-1].clone())  # copies, so that the others need not stay
            cells.append(last.clone())
        ctx.scan = scan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(frames, *befores[:-1], *cells[:-1], *parameters)
        return hiddens, befores[-1], cells[-1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_hiddens: Tensor | None, grad_hidden: Tensor | None, grad_cell: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        frames, *rest = ctx.saved_tensors
        count = len(ctx.stretches)
        befores, cells, parameters = rest[:count], rest[count : 2 * count], rest[2 * count :]
        needs = ctx.needs_input_grad
        grad_frames = torch.empty_like(frames) if needs[2] else None
        wanted = [parameter for parameter, need in zip(parameters, needs[5:], strict=True) if need]
        sums: list[Tensor] = []
        for stretch, before, cell in reversed(list(zip(ctx.stretches, befores, cells, strict=True))):
            part, first, second = (tensor.detach() for tensor in (frames[stretch], before, cell))
            part.requires_grad_(needs[2])
            states = [first.requires_grad_(), second.requires_grad_()]
            with torch.enable_grad():
                hiddens, last = ctx.scan(part, (first, second))
            by_hiddens = torch.zeros_like(hiddens) if grad_hiddens is None else grad_hiddens[stretch]
            if grad_hidden is not None:
                by_hiddens = by_hiddens if grad_hiddens is None else by_hiddens.clone()
                by_hiddens[-1] += grad_hidden
            if grad_cell is None:
                grad_cell = torch.zeros_like(last)
            by = [*states, *wanted, *([part] if needs[2] else [])]
            grad_hidden, grad_cell, *grads = torch.autograd.grad([hiddens, last], by, [by_hiddens, grad_cell])
            del hiddens, last
            if grad_frames is not None:
                grad_frames[stretch] = grads.pop()
            sums = [total + grad for total, grad in zip(sums, grads, strict=True)] if sums else grads
        shares = iter(sums)
        by_parameters = [next(shares) if need else None for need in needs[5:]]
        return None, None, grad_frames, grad_hidden, grad_cell, *by_parameters


def _stretches(count: int, steps: int) -> list[slice]:
    """Segments of about equal length; the shortest comes first, where the backward pass finds the others' buffers."""
    number = -(-count // steps)
    length = -(-count // number)
    starts = [0, *range(count - (number - 1) * length, count, length)]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True)]
