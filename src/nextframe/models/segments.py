"""A recurrence in bounded memory: forward in segments, of which the backward pass computes one after the other again.

T. Chen et al. 2016, Training deep nets with sublinear memory cost (arXiv 1604.06174), along time: between the passes
the frames are kept, the hidden states, which the next layer reads anyway, and the state between two segments.

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
) -> tuple[Tensor, Tensor]:
    """What `scan` gives, with the gates and cell states of no more than `steps` time steps in memory.

    Args:
        scan: a recurrence.
        steps: time steps of a segment.
        frames: (T, B, C, H, W).
        hidden: initial hidden state (B, F, H, W).
        cell: initial cell state (B, F, H, W).
        parameters: everything else that `scan` is to be differentiated by.
    """
    hiddens, last = _Segments.apply(scan, steps, frames, hidden, cell, *parameters)  # type: ignore[no-untyped-call]
    return hiddens, last


class _Segments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scan: Scan, steps: int, frames: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        count, batch, _, height, width = frames.shape
        # Channels are neighbours in memory, as scans leave them.
        hiddens = hidden.new_empty(count, batch, height, width, hidden.shape[1]).movedim(-1, 2)
        cells = [cell]
        for start in range(0, count, steps):
            before = hidden if start == 0 else hiddens[start - 1]
            hiddens[start : start + steps], last = scan(frames[start : start + steps], (before, cells[-1]))
            cells.append(last)
        ctx.scan, ctx.steps = scan, steps
        ctx.save_for_backward(frames, hiddens, hidden, *cells[:-1], *parameters)
        return hiddens, cells[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hiddens: Tensor, grad_cell: Tensor) -> tuple[Tensor | None, ...]:
        frames, hiddens, hidden, *rest = ctx.saved_tensors
        starts = range(0, len(frames), ctx.steps)
        cells, parameters = rest[: len(starts)], rest[len(starts) :]
        needs = ctx.needs_input_grad
        grad_frames = torch.empty_like(frames) if needs[2] else None
        wanted = [parameter for parameter, need in zip(parameters, needs[5:], strict=True) if need]
        sums: list[Tensor] = []
        grad_hidden: Tensor | None = None
        for start, cell in reversed(list(zip(starts, cells, strict=True))):
            stretch = slice(start, start + ctx.steps)
            before = hidden if start == 0 else hiddens[start - 1]
            part, first, second = (tensor.detach() for tensor in (frames[stretch], before, cell))
            part.requires_grad_(needs[2])
            states = [first.requires_grad_(), second.requires_grad_()]
            with torch.enable_grad():
                found, last = ctx.scan(part, (first, second))
            by_found = grad_hiddens[stretch]
            if grad_hidden is not None:
                by_found = by_found.clone()
                by_found[-1] += grad_hidden
            by = [*states, *wanted, *([part] if needs[2] else [])]
            grad_hidden, grad_cell, *grads = torch.autograd.grad([found, last], by, [by_found, grad_cell])
            del found, last
            if grad_frames is not None:
                grad_frames[stretch] = grads.pop()
            sums = [total + grad for total, grad in zip(sums, grads, strict=True)] if sums else grads
        shares = iter(sums)
        by_parameters = [next(shares) if need else None for need in needs[5:]]
        return None, None, grad_frames, grad_hidden, grad_cell, *by_parameters
