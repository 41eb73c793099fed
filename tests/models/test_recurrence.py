"""The fast recurrence against the layer's equations through autograd, in float64."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nextframe import engine
from nextframe.models import recurrence
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState

F64 = torch.float64


def layer_and_inputs(
    steps: int, batch: int, channels: int, filters: int, size: tuple[int, int], kernel: tuple[int, int], bias: bool
) -> tuple[ConvLSTM2d, list[Tensor]]:
    """A layer, and frames (T, B, C, H, W), hidden and cell state to start from."""
    layer = ConvLSTM2d(channels, filters, kernel, bias=bias).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn_like(p))
    frames = torch.randn(steps, batch, channels, *size, dtype=F64)
    return layer, [frames, *torch.randn(2, batch, filters, *size, dtype=F64)]


def run(layer: ConvLSTM2d, inputs: list[Tensor], fast: bool, stateful: bool = True) -> list[Tensor]:
    frames, *start = inputs
    if fast:
        hiddens, cell = recurrence.scan(
            frames, layer.weight_x, layer.weight_h, layer.bias, *(start if stateful else ())
        )
        return [hiddens, cell]
    hiddens, state = layer.scan_by_the_equations(frames, ConvLSTMState(*start) if stateful else None)
    return [hiddens, state.cell]


def weighed(outputs: list[Tensor], which: tuple[int, ...] = (0, 1)) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    directions = [torch.randn(output.shape, generator=generator, dtype=F64) for output in outputs]
    return torch.stack([(outputs[n] * directions[n]).sum() for n in which]).sum()


odd = st.sampled_from([1, 3, 5])


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 4),
    batch=st.integers(1, 3),
    channels=st.integers(1, 3),
    filters=st.integers(1, 4),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(odd, odd),
    bias=st.booleans(),
    stateful=st.booleans(),
    which=st.sampled_from([(0,), (1,), (0, 1)]),
)
def test_values_and_gradients_are_those_of_the_equations(
    steps: int,
    batch: int,
    channels: int,
    filters: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    bias: bool,
    stateful: bool,
    which: tuple[int, ...],
) -> None:
    layer, inputs = layer_and_inputs(steps, batch, channels, filters, size, kernel, bias)
    inputs = [tensor.requires_grad_() for tensor in inputs]
    by = [*(inputs if stateful else inputs[:1]), *layer.parameters()]
    results = []
    for fast in (True, False):
        outputs = run(layer, inputs, fast, stateful)
        results.append((outputs, torch.autograd.grad(weighed(outputs, which), by, materialize_grads=True)))
    (mine, my_slopes), (theirs, their_slopes) = results
    for a, b in zip([*mine, *my_slopes], [*theirs, *their_slopes], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [(3, 3), (1, 5)])
def test_gradients_are_difference_quotients(kernel: tuple[int, int]) -> None:
    layer, (frames, hidden, cell) = layer_and_inputs(2, 1, 2, 2, (3, 2), kernel, True)
    parameters = [p.detach() for p in layer.parameters()]
    inputs = tuple(tensor.requires_grad_() for tensor in (frames, *parameters, hidden, cell))
    assert torch.autograd.gradcheck(recurrence.scan, inputs)


def test_any_subset_of_the_gradients_can_be_asked_for() -> None:
    layer, (frames, hidden, cell) = layer_and_inputs(3, 2, 2, 3, (4, 3), (3, 3), True)
    values = [frames, *(p.detach() for p in layer.parameters()), hidden, cell]

    def slopes(wanted: tuple[bool, ...]) -> list[Tensor | None]:
        leaves = [value.clone().requires_grad_(want) for value, want in zip(values, wanted, strict=True)]
        weighed(list(recurrence.scan(*leaves))).backward()
        return [leaf.grad for leaf in leaves]

    everything = slopes((True,) * 6)
    for wanted in itertools.product([False, True], repeat=6):
        if any(wanted):
            for slope, full, want in zip(slopes(wanted), everything, wanted, strict=True):
                if want:
                    torch.testing.assert_close(slope, full)
                else:
                    assert slope is None


@pytest.mark.parametrize("steps", [1, 2, 3, 4])  # two buffers take turns
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_values_are_the_same(steps: int, mode: Any) -> None:
    layer, inputs = layer_and_inputs(steps, 2, 1, 3, (5, 4), (3, 3), True)
    before = [tensor.clone() for tensor in inputs]
    expected = run(layer, inputs, fast=True)
    with mode():
        outputs = run(layer, inputs, fast=True)
    for a, b in zip(outputs, expected, strict=True):
        assert not a.requires_grad
        torch.testing.assert_close(a, b.detach(), rtol=0, atol=0)
    for a, b in zip(inputs, before, strict=True):
        assert torch.equal(a, b)  # nothing that was passed in is overwritten


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", ["frame", "state"])
def test_bad_numbers_travel_as_by_the_equations(bad: float, where: str) -> None:
    layer, inputs = layer_and_inputs(4, 2, 1, 2, (9, 9), (3, 3), True)
    if where == "frame":
        inputs[0][1, 0, 0, 4, 4] = bad
    else:
        inputs[2][0, 0, 4, 4] = bad
    mine, theirs = (run(layer, inputs, fast) for fast in (True, False))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)
    hiddens = mine[0]
    assert hiddens[:, 1].isfinite().all()  # the other movie of the batch
    if where == "frame":
        assert hiddens[0].isfinite().all()  # the frame before
    if bad != bad:
        assert hiddens[-1, 0].isnan().any()


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
def test_any_memory_layout(layout: str) -> None:
    layer, (frames, hidden, cell) = layer_and_inputs(2, 2, 3, 2, (4, 5), (3, 3), True)
    expected = run(layer, [frames, hidden, cell], fast=False)
    if layout == "channels_last":
        frames, hidden, cell = (x.movedim(-3, -1).contiguous().movedim(-1, -3) for x in (frames, hidden, cell))
    elif layout == "strided":
        frames, hidden, cell = (x.repeat_interleave(2, -1)[..., ::2] for x in (frames, hidden, cell))
    for a, b in zip(run(layer, [frames, hidden, cell], fast=True), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_both_paths_of_a_layer_are_the_equations() -> None:
    """In float32, with the native engine where there is one, and without it."""
    layer = ConvLSTM2d(2, 5)
    exact = ConvLSTM2d(2, 5).double()
    exact.load_state_dict(layer.state_dict())
    frames = torch.randn(3, 2, 2, 9, 7)
    expected, state = exact.scan_by_the_equations(frames.double())
    before = engine.use(True)
    try:
        for enabled in (True, False):
            engine.use(enabled)
            hiddens, last = layer.scan(frames)
            torch.testing.assert_close(hiddens.double(), expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(last.cell.double(), state.cell, rtol=1e-5, atol=1e-5)
            assert torch.equal(last.hidden, hiddens[-1])
    finally:
        engine.use(before)


def test_a_second_derivative_is_refused() -> None:
    layer, inputs = layer_and_inputs(2, 1, 1, 1, (3, 3), (3, 3), True)
    frames = inputs[0].requires_grad_()
    loss = weighed([output.square() for output in run(layer, inputs, fast=True)])
    (slope,) = torch.autograd.grad(loss, frames, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
