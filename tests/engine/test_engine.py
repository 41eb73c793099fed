"""The native engine against the equations in float64: values, gradients, shapes without data, bad numbers,
repeatability.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, library

from nextframe import engine
from nextframe.engine import status
from nextframe.models import recurrence
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState

pytestmark = pytest.mark.skipif(status.native is None, reason="the native engine was not built on this machine")


@pytest.fixture(params=engine.instruction_sets() or ["none"])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    assert status.native is not None
    before = status.native.chosen()
    status.native.choose(request.param)
    yield request.param
    status.native.choose(before)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def relative_error(value: Tensor, truth: Tensor) -> float:
    return float((value.double() - truth).abs().max() / truth.abs().max().clamp(min=1e-3))


def compare(
    steps: int, batch: int, channels: int, filters: int, height: int, width: int, kernel: int, *, bias: bool = True
) -> tuple[float, float]:
    """Largest relative error of the outputs and of the gradients, against float64 autograd through the equations."""
    torch.manual_seed(steps * 1000 + filters)
    layer = ConvLSTM2d(channels, filters, kernel, bias=bias)
    exact = ConvLSTM2d(channels, filters, kernel, bias=bias).double()
    exact.load_state_dict(layer.state_dict())
    inputs = [torch.randn(steps, batch, channels, height, width), *torch.randn(2, batch, filters, height, width)]
    weights = [torch.randn(steps, batch, filters, height, width), torch.randn(batch, filters, height, width)]

    def run(model: ConvLSTM2d, fast: bool, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
        frames, hidden, cell = (tensor.to(dtype).requires_grad_() for tensor in inputs)
        if fast:
            hiddens, last = engine.scan(frames, model.weight_x, model.weight_h, model.bias, hidden, cell)
        else:
            hiddens, (_, last) = model.scan_by_the_equations(frames, ConvLSTMState(hidden, cell))
        loss = (hiddens * weights[0].to(dtype)).sum() + (last * weights[1].to(dtype)).sum()
        return [hiddens, last], list(torch.autograd.grad(loss, [frames, hidden, cell, *model.parameters()]))

    values, gradients = run(layer, True, torch.float32)
    true_values, true_gradients = run(exact, False, torch.float64)
    return (
        max(relative_error(a.detach(), b.detach()) for a, b in zip(values, true_values, strict=True)),
        max(relative_error(a, b) for a, b in zip(gradients, true_gradients, strict=True)),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "batch", "channels", "filters", "height", "width", "kernel"),
    [
        (1, 1, 1, 1, 1, 1, 3),
        (2, 1, 1, 40, 37, 53, 3),
        (3, 2, 3, 5, 9, 7, 3),
        (2, 2, 40, 40, 12, 8, 3),
        (2, 1, 2, 128, 6, 5, 3),
        (3, 2, 17, 16, 8, 8, 5),
        (2, 1, 1, 33, 5, 6, 5),
    ],
)
def test_values_and_gradients_are_those_of_the_equations(
    instruction_set: str,
    threads: int,
    steps: int,
    batch: int,
    channels: int,
    filters: int,
    height: int,
    width: int,
    kernel: int,
) -> None:
    values, gradients = compare(steps, batch, channels, filters, height, width, kernel)
    assert values < 2e-5
    assert gradients < 5e-5


@pytest.mark.parametrize("kernel", [3, 5])
def test_sums_of_many_channels_are_nearly_as_exact_as_those_of_direct_convolutions(
    instruction_set: str, kernel: int
) -> None:
    torch.manual_seed(0)
    layer = ConvLSTM2d(128, 128, kernel)
    exact = ConvLSTM2d(128, 128, kernel).double()
    exact.load_state_dict(layer.state_dict())
    frames, state = torch.rand(4, 1, 128, 16, 16), torch.zeros(1, 128, 16, 16)
    with torch.no_grad():
        ours, _ = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
        direct, _ = layer.scan_by_the_equations(frames, ConvLSTMState(state, state))
        truth, _ = exact.scan_by_the_equations(frames.double(), ConvLSTMState(state.double(), state.double()))
    assert (ours.double() - truth).square().mean().sqrt() < 4 * (direct.double() - truth).square().mean().sqrt()


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.1])
def test_small_states_are_as_exact_for_their_size(instruction_set: str, size: float) -> None:
    layer = ConvLSTM2d(1, 8)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0)
        layer.weight_x[-8:, 0, 1, 1] = torch.linspace(-1, 1, 8)
    exact = ConvLSTM2d(1, 8).double()
    exact.load_state_dict(layer.state_dict())
    frames, state = size * torch.rand(1, 1, 1, 8, 8), torch.zeros(1, 8, 8, 8)
    with torch.no_grad():
        ours, cell = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
        truth, after = exact.scan_by_the_equations(frames.double(), ConvLSTMState(state.double(), state.double()))
    assert (ours - truth).abs().max() < 2e-6 * truth.abs().max()
    assert (cell - after.cell).abs().max() < 2e-6 * after.cell.abs().max()


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(1, 4),
    batch=st.integers(1, 3),
    channels=st.integers(1, 70),
    filters=st.integers(1, 70),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    kernel=st.sampled_from([3, 5]),
    bias=st.booleans(),
)
def test_any_shape(
    steps: int, batch: int, channels: int, filters: int, height: int, width: int, kernel: int, bias: bool
) -> None:
    values, gradients = compare(steps, batch, channels, filters, height, width, kernel, bias=bias)
    assert values < 1e-4
    assert gradients < 1e-4


def test_three_hundred_channels() -> None:
    values, gradients = compare(2, 1, 300, 24, 5, 6, 3)
    assert values < 1e-4
    assert gradients < 1e-4


def test_inference_equals_training_and_a_sequence_equals_its_parts() -> None:
    layer = ConvLSTM2d(2, 13)
    frames = torch.randn(5, 2, 2, 11, 9)
    with torch.no_grad():
        whole, cell = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
        first, state = engine.scan(frames[:2], layer.weight_x, layer.weight_h, layer.bias)
        rest, last = engine.scan(frames[2:], layer.weight_x, layer.weight_h, layer.bias, first[-1], state)
    trained, trained_cell = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
    assert torch.equal(whole, trained)
    assert torch.equal(cell, trained_cell)
    assert torch.equal(torch.cat([first, rest]), whole)
    assert torch.equal(last, cell)


def test_weights_that_stay_are_compared_once_in_a_rollout_and_anew_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = ConvLSTM2d(1, 8)
    frames = torch.randn(1, 1, 1, 9, 9)
    compared: list[Tensor] = []
    equal = torch.equal

    def counted(known: Tensor, now: Tensor) -> bool:
        compared.append(now)
        return equal(known, now)

    with torch.inference_mode():
        layer(frames)
        monkeypatch.setattr(torch, "equal", counted)
        for _ in range(2):
            with engine.same_weights():
                for _ in range(3):
                    layer(frames)
            assert len(compared) == 2  # both kernels
            compared.clear()
        layer(frames)
    assert len(compared) == 2


@pytest.mark.parametrize("change", ["load_state_dict", "data", "same address"])
def test_new_weights_are_noticed(change: str) -> None:
    layer, other = ConvLSTM2d(1, 8), ConvLSTM2d(1, 8)
    frames = torch.randn(2, 1, 1, 9, 9)
    with torch.inference_mode():
        before, _ = layer(frames.transpose(0, 1))
        if change == "load_state_dict":
            layer.load_state_dict(other.state_dict())
        elif change == "data":
            for own, new in zip(layer.parameters(), other.parameters(), strict=True):
                own.data.copy_(new)  # leaves the version of the parameter as it was
        else:
            for own, new in zip(layer.parameters(), other.parameters(), strict=True):
                np.copyto(own.data.numpy(), new.data.numpy())
        after, _ = layer(frames.transpose(0, 1))
        expected, _ = other(frames.transpose(0, 1))
    assert not torch.equal(before, after)
    assert torch.equal(after, expected)


def test_the_same_run_gives_the_same_numbers(threads: int) -> None:
    layer = ConvLSTM2d(3, 24)
    frames = torch.randn(4, 3, 3, 13, 10)

    def gradients() -> list[Tensor]:
        hiddens, _ = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
        return list(torch.autograd.grad(hiddens.square().sum(), list(layer.parameters())))

    first, second = gradients(), gradients()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_numbers_reach_at_least_what_they_reach_in_pytorch(bad: float) -> None:
    layer = ConvLSTM2d(1, 8)
    frames = torch.randn(2, 1, 1, 16, 16)
    frames[0, 0, 0, 3, 4] = bad
    with torch.no_grad():
        fast, _ = engine.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
        plain, _ = recurrence.scan(frames, layer.weight_x, layer.weight_h, layer.bias)
    spoilt = ~plain.isfinite()
    assert (~fast.isfinite())[spoilt].all()
    far = torch.ones(16, 16, dtype=torch.bool)
    far[:12, :12] = False  # what tiles of 4x4 can add to it in two steps
    assert fast[..., far].isfinite().all()
    assert torch.allclose(fast[..., far], plain[..., far], atol=1e-5)


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="others are as fast with subnormal numbers")
def test_subnormal_numbers_which_are_slow_are_zero_in_the_engine_and_only_there(threads: int) -> None:
    layer = ConvLSTM2d(1, 8)
    frames, tiny = torch.zeros(1, threads, 1, 64, 64), torch.full((threads, 8, 64, 64), 1e-38)
    with torch.no_grad():
        _, last = engine.scan(frames, layer.weight_x, layer.weight_h, None, torch.zeros_like(tiny), tiny)
    assert last.count_nonzero() == 0  # the forget gate, half open, of what was remembered
    assert (0.5 * tiny > 0).all()  # enough of them for all threads to share in


@pytest.mark.slow
def test_the_operators_keep_their_contract() -> None:
    frames = torch.randn(2, 1, 5, 6, 2)
    layer = ConvLSTM2d(2, 8)
    assert layer.bias is not None
    state = torch.randn(2, 1, 5, 6, 8)
    arguments = tuple(
        tensor.detach().clone().requires_grad_()
        for tensor in (frames, layer.weight_x, layer.weight_h, layer.bias, *state)
    )
    from nextframe.engine import operators

    checks = ("test_schema", "test_faketensor")
    library.opcheck(operators.convlstm_forward, arguments, test_utils=checks)
    library.opcheck(operators.convlstm_inference, arguments, test_utils=checks)


def test_export_sees_operators() -> None:
    layer = ConvLSTM2d(1, 8).eval()

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, frames: Tensor) -> Tensor:
            hidden: Tensor = self.layer(frames)[0]
            return hidden

    frames = torch.randn(1, 3, 1, 8, 8)
    with torch.no_grad():
        program = torch.export.export(Hidden(), (frames,))
        assert any("convlstm" in str(node.target) for node in program.graph.nodes)
        assert torch.allclose(program.module()(frames), layer(frames)[0], atol=1e-6)


def test_it_steps_aside_where_it_cannot_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = ConvLSTM2d(1, 4)
    frames = torch.randn(2, 1, 1, 6, 6)
    assert engine.usable(frames, layer.weight_h)
    assert not engine.usable(frames.double(), layer.weight_h.double())
    assert not engine.usable(frames, ConvLSTM2d(1, 4, 7).weight_h)
    assert not engine.usable(frames, ConvLSTM2d(1, 4, (3, 5)).weight_h)
    engine.use(False)
    try:
        assert not engine.usable(frames, layer.weight_h)
        assert "turned off" in engine.describe()
    finally:
        engine.use(True)
    monkeypatch.setattr(status, "native", None)
    assert not engine.usable(frames, layer.weight_h)
    assert "PyTorch operations" in engine.describe()


@pytest.mark.slow
def test_the_environment_turns_it_off() -> None:
    program = "from nextframe import engine; print(engine.describe())"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NEXTFRAME_ENGINE": "off"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "turned off" in result.stdout


@pytest.mark.slow
def test_a_forked_child_gets_threads_of_its_own(threads: int) -> None:
    program = (
        "import os, torch; torch.set_num_threads(2); from nextframe.models.convlstm import ConvLSTM2d\n"
        "layer = ConvLSTM2d(1, 8); frames = torch.randn(1, 2, 1, 9, 9)\n"
        "with torch.no_grad():\n"
        "    parent = layer(frames)[0]; pid = os.fork()\n"
        "    if pid == 0: os._exit(0 if torch.equal(layer(frames)[0], parent) else 1)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_weights_that_were_packed_for_other_instructions_are_packed_again() -> None:
    assert status.native is not None
    before = status.native.chosen()
    layer, frames = ConvLSTM2d(16, 16), torch.rand(2, 1, 16, 9, 9)
    results = []
    try:
        with torch.inference_mode():
            for name in engine.instruction_sets() * 2:
                status.native.choose(name)
                results.append(layer(frames.transpose(0, 1))[0])
    finally:
        status.native.choose(before)
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])
