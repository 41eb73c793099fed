"""The engine as PyTorch operators, with autograd and shapes without data, for training, `torch.compile` and
`torch.export`.

Inside, memory is channels-last: T time, B batch, H height, W width, C input channels, F filters; gates in the order
input, forget, output, cell. `scan` takes and gives (T, B, C, H, W), whose memory lies so already between two layers.

For the backward pass are kept, in floats: the frames T B H W C, the hidden and the cell states, T B H W F each, and
the activated gates, 4 T B H W F with H and W rounded up to whole tiles (of 4 for 3x3 kernels, of 2 for 5x5) and F to a
multiple of 8. They lie in the order in which the backward pass reads them, which is the engine's own affair.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, library

from nextframe.engine.buffers import take
from nextframe.engine.status import native


def scan(
    frames: Tensor,
    weight_x: Tensor,
    weight_h: Tensor,
    bias: Tensor | None,
    hidden: Tensor | None = None,
    cell: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run a ConvLSTM (sigmoid gates, no peepholes) over all frames; the same contract as
    `nextframe.models.recurrence.scan`.

    Args:
        frames: (T, B, C, H, W).
        weight_x: kernel on the frames (4F, C, k, k), k 3 or 5.
        weight_h: kernel on the hidden state (4F, F, k, k).
        bias: (4F,) or None.
        hidden: initial hidden state (B, F, H, W), or None for zeros.
        cell: initial cell state (B, F, H, W), or None for zeros.

    Returns:
        Hidden states (T, B, F, H, W) and the last cell state (B, F, H, W).
    """
    _, batch, _, height, width = frames.shape
    filters = weight_h.shape[1]
    state = (batch, height, width, filters)
    first_hidden = frames.new_zeros(state) if hidden is None else hidden.movedim(1, -1)
    first_cell = frames.new_zeros(state) if cell is None else cell.movedim(1, -1)
    if bias is None:
        bias = frames.new_zeros(4 * filters)
    inputs = (frames.movedim(2, -1), weight_x, weight_h, bias, first_hidden, first_cell)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        hiddens, cells, _ = convlstm_forward(*inputs)
        return hiddens.movedim(-1, 2), cells[-1].movedim(-1, 1)
    if torch.compiler.is_compiling() or type(frames) is not Tensor:
        hiddens, cells = convlstm_inference(*inputs)
    else:  # what the operator does, without the microseconds of calling it, which one new frame would feel
        hiddens, cells, _ = _run(*inputs, keep=False)
    return hiddens.movedim(-1, 2), cells[(len(frames) - 1) % 2].movedim(-1, 1)


def _shape(frames: Tensor, weight_h: Tensor) -> list[int]:
    steps, batch, height, width, channels = frames.shape
    return [steps, batch, height, width, channels, weight_h.shape[1], weight_h.shape[2]]


# For inference: the transformed weights of the layers used last, by the addresses of their weights, with a copy of
# these. Comparing with the copy takes a fraction of transforming them, and nothing that changes weights can go
# unnoticed: not an assignment to `.data`, not a new layer at the address of one that is gone.
_packed: OrderedDict[tuple[str | int, ...], tuple[Tensor, Tensor, Tensor]] = OrderedDict()
_PACKED_LAYERS = 16
_compared: ContextVar[set[tuple[str | int, ...]] | None] = ContextVar("compared", default=None)


@contextmanager
def same_weights(compared: set[tuple[str | int, ...]] | None = None) -> Iterator[None]:
    """While it lasts no weights change: those of each layer are compared with the copy once, and not at every step.

    Args:
        compared: layers that were compared in an earlier block, since which no weights have changed; those of this one
            are added.
    """
    before = _compared.set(set() if compared is None else compared)
    try:
        yield
    finally:
        _compared.reset(before)


def _pack(shape: list[int], weight_x: Tensor, weight_h: Tensor, *, reuse: bool) -> Tensor:
    assert native is not None
    # Instruction sets pack in orders of their own.
    key = (native.chosen(), weight_x.data_ptr(), weight_h.data_ptr(), *shape[4:])
    compared = _compared.get()
    if reuse and key in _packed:
        known_x, known_h, packed = _packed[key]
        if (compared and key in compared) or (torch.equal(known_x, weight_x) and torch.equal(known_h, weight_h)):
            if compared is not None:
                compared.add(key)
            _packed.move_to_end(key)
            return packed
    floats = (native.packed_forward_floats(shape),)
    packed = torch.empty(floats) if reuse else take(floats)
    x, h = weight_x.contiguous(), weight_h.contiguous()
    native.pack_forward(
        shape=shape,
        weight_x=x.data_ptr(),
        weight_h=h.data_ptr(),
        packed=packed.data_ptr(),
        threads=torch.get_num_threads(),
    )
    if reuse:
        _packed[key] = (weight_x.detach().clone(), weight_h.detach().clone(), packed)
        if len(_packed) > _PACKED_LAYERS:
            _packed.popitem(last=False)
    return packed


def _run(
    frames: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    assert native is not None
    shape = _shape(frames, weight_h)
    steps, batch, height, width, _, filters, _ = shape
    frames, bias, hidden, cell = (tensor.contiguous() for tensor in (frames, bias, hidden, cell))
    empty = take if keep else torch.empty
    hiddens = empty((steps, batch, height, width, filters))
    cells = empty((steps if keep else 2, batch, height, width, filters))
    gates = empty((native.gates_floats(shape) if keep else 0,))
    packed = _pack(shape, weight_x, weight_h, reuse=not keep)
    native.forward(
        shape=shape,
        frames=frames.data_ptr(),
        bias=bias.data_ptr(),
        hidden=hidden.data_ptr(),
        cell=cell.data_ptr(),
        packed=packed.data_ptr(),
        hiddens=hiddens.data_ptr(),
        cells=cells.data_ptr(),
        gates=gates.data_ptr() if keep else 0,
        threads=torch.get_num_threads(),
    )
    return hiddens, cells, gates


@library.custom_op("nextframe::convlstm_forward", mutates_args=())
def convlstm_forward(
    frames: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden and cell states (T, B, H, W, F), and the activated gates in the engine's own order."""
    return _run(frames, weight_x, weight_h, bias, hidden, cell, keep=True)


@convlstm_forward.register_fake
def _(
    frames: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    states = (*frames.shape[:4], weight_h.shape[1])
    steps, batch, height, width, _ = frames.shape
    tile = 7 - weight_h.shape[2]
    tiles = steps * batch * -(-height // tile) * -(-width // tile)
    gates = tiles * -(-weight_h.shape[1] // 8) * tile * tile * 32
    return frames.new_empty(states), frames.new_empty(states), frames.new_empty(gates)


@library.custom_op("nextframe::convlstm_inference", mutates_args=())
def convlstm_inference(
    frames: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    """Hidden states (T, B, H, W, F) and two cell states (2, B, H, W, F), that of step t at t % 2; nothing else is
    kept.
    """
    hiddens, cells, _ = _run(frames, weight_x, weight_h, bias, hidden, cell, keep=False)
    return hiddens, cells


@convlstm_inference.register_fake
def _(
    frames: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    state = (*frames.shape[1:4], weight_h.shape[1])
    return frames.new_empty(len(frames), *state), frames.new_empty(2, *state)


@library.custom_op("nextframe::convlstm_backward", mutates_args=())
def convlstm_backward(
    grad_hiddens: Tensor,
    grad_cell: Tensor,
    frames: Tensor,
    weight_x: Tensor,
    weight_h: Tensor,
    hidden: Tensor,
    cell: Tensor,
    hiddens: Tensor,
    cells: Tensor,
    gates: Tensor,
    wants_frames: bool,
    wants_weights: bool,
    wants_initial: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by frames, both kernels, bias, initial hidden and initial cell state; those not wanted are empty or
    zero.
    """
    assert native is not None
    shape = _shape(frames, weight_h)
    steps, batch, height, width, _, filters, _ = shape
    frames, grad_hiddens = frames.contiguous(), grad_hiddens.contiguous()
    weight_x, weight_h = weight_x.contiguous(), weight_h.contiguous()
    grad_cell = grad_cell.clone(memory_format=torch.contiguous_format)
    grad_hidden = frames.new_zeros(2, batch, height, width, filters)
    grad_frames = take(frames.shape if wants_frames else (0,))
    grad_weight_x, grad_weight_h = torch.zeros_like(weight_x), torch.zeros_like(weight_h)
    grad_bias = frames.new_zeros(4 * filters)
    packed = take((native.packed_backward_floats(shape, wants_frames),))
    hidden, cell = hidden.contiguous(), cell.contiguous()
    native.backward(
        shape=shape,
        frames=frames.data_ptr(),
        weight_x=weight_x.data_ptr(),
        weight_h=weight_h.data_ptr(),
        hidden=hidden.data_ptr(),
        cell=cell.data_ptr(),
        gates=gates.data_ptr(),
        cells=cells.data_ptr(),
        hiddens=hiddens.data_ptr(),
        grad_hiddens=grad_hiddens.data_ptr(),
        packed=packed.data_ptr(),
        grad_hidden=grad_hidden.data_ptr(),
        grad_cell=grad_cell.data_ptr(),
        grad_frames=grad_frames.data_ptr() if wants_frames else 0,
        grad_weight_x=grad_weight_x.data_ptr(),
        grad_weight_h=grad_weight_h.data_ptr(),
        grad_bias=grad_bias.data_ptr(),
        wants_initial=wants_initial,
        wants_weights=wants_weights,
        threads=torch.get_num_threads(),
    )
    return grad_frames, grad_weight_x, grad_weight_h, grad_bias, grad_hidden[steps % 2].clone(), grad_cell


@convlstm_backward.register_fake
def _(
    grad_hiddens: Tensor,
    grad_cell: Tensor,
    frames: Tensor,
    weight_x: Tensor,
    weight_h: Tensor,
    hidden: Tensor,
    cell: Tensor,
    hiddens: Tensor,
    cells: Tensor,
    gates: Tensor,
    wants_frames: bool,
    wants_weights: bool,
    wants_initial: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    state = hidden.shape
    return (
        frames.new_empty(frames.shape if wants_frames else (0,)),
        torch.empty_like(weight_x, memory_format=torch.contiguous_format),
        torch.empty_like(weight_h, memory_format=torch.contiguous_format),
        frames.new_empty(weight_h.shape[0]),
        frames.new_empty(state),
        frames.new_empty(state),
    )


def _remember(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    frames, weight_x, weight_h, _, hidden, cell = inputs
    ctx.save_for_backward(frames, weight_x, weight_h, hidden, cell, *output)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad_hiddens: Tensor | None, grad_cells: Tensor | None, grad_gates: Tensor | None) -> Any:
    # `scan` hands out the hidden states and the last cell state alone: nothing else can have a gradient.
    saved = ctx.saved_tensors
    last_cell = torch.zeros_like(saved[4]) if grad_cells is None else grad_cells[-1]
    if grad_hiddens is None:
        grad_hiddens = torch.zeros_like(saved[5])
    needs = ctx.needs_input_grad
    results = convlstm_backward(grad_hiddens, last_cell, *saved, needs[0], any(needs[1:4]), needs[4] or needs[5])
    return tuple(result if need else None for result, need in zip(results, needs, strict=True))


convlstm_forward.register_autograd(_differentiate, setup_context=_remember)
