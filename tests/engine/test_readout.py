"""The engine's 3-D convolution against PyTorch's own, in float64."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, library
from torch.nn.functional import conv3d

from nextframe import engine
from nextframe.engine.status import native
from nextframe.models.readout import TemporalReadout
from nextframe.models.stacked import StackedConvLSTM

pytestmark = pytest.mark.skipif(native is None, reason="the native engine was not built")


def reference(features: Tensor, recent: Tensor | None, weight: Tensor, bias: Tensor, sees_next: bool) -> Tensor:
    before = features.new_zeros(2, *features.shape[1:]) if recent is None else recent
    after = features.new_zeros(1, *features.shape[1:])
    seen = torch.cat([before[1:], features, after] if sees_next else [before, features])
    return conv3d(seen.permute(1, 2, 0, 3, 4), weight, bias, padding=(0, 1, 1)).permute(2, 0, 1, 3, 4)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 4),
    batch=st.integers(1, 3),
    filters=st.integers(1, 70),
    outputs=st.integers(1, 3),
    size=st.tuples(st.integers(1, 15), st.integers(1, 15)),
    sees_next=st.booleans(),
    stateful=st.booleans(),
    threads=st.integers(1, 3),
    isa=st.sampled_from(engine.instruction_sets() or [""]),
)
@pytest.mark.slow
def test_values_and_gradients_are_those_of_a_3d_convolution(
    steps: int,
    batch: int,
    filters: int,
    outputs: int,
    size: tuple[int, int],
    sees_next: bool,
    stateful: bool,
    threads: int,
    isa: str,
) -> None:
    assert native is not None
    before, chosen = torch.get_num_threads(), native.chosen()
    native.choose(isa)
    torch.set_num_threads(threads)
    torch.manual_seed(steps + 7 * batch + 31 * filters + 101 * size[0] + 211 * size[1])  # so that a failure comes back
    try:
        inputs = [
            torch.randn(steps, batch, filters, *size),
            torch.randn(outputs, filters, 3, 3, 3),
            torch.randn(outputs),
        ]
        if stateful:
            inputs.append(torch.randn(2, batch, filters, *size))
        direction = torch.randn(steps, batch, outputs, *size)
        results = []
        for dtype, compute in ((torch.float32, None), (torch.float64, reference)):
            features, weight, bias, *rest = leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
            recent = rest[0] if rest else None
            if compute is None:
                out = engine.readout(features, recent, weight, bias, sees_next=sees_next)
            else:
                out = compute(features, recent, weight, bias, sees_next)
            results.append([out, *torch.autograd.grad((out * direction.to(dtype)).sum(), leaves, allow_unused=True)])
        for ours, expected in zip(*results, strict=True):
            if expected is None:  # one frame of features in the middle: the frame two before is not seen
                assert ours is None or not ours.any()
                continue
            # A sum of 1,890 products of deviation 43 may itself come to nothing: float32 then leaves several 1e-6.
            scale = expected.abs().max().clamp(min=1)
            torch.testing.assert_close(ours.double() / scale, expected / scale, atol=1e-5, rtol=0)
    finally:
        torch.set_num_threads(before)
        native.choose(chosen)


def test_large_frames_are_cut_into_blocks() -> None:
    features, weight, bias = torch.randn(2, 1, 3, 130, 90), torch.randn(1, 3, 3, 3, 3), torch.randn(1)
    ours = engine.readout(features, None, weight, bias, sees_next=False)
    torch.testing.assert_close(ours, reference(features, None, weight, bias, False), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("sees_next", "stateful"), list(product((False, True), (False, True))))
def test_with_and_without_the_engine_a_readout_gives_the_same(sees_next: bool, stateful: bool) -> None:
    readout = TemporalReadout(6, 2, sees_next=sees_next)
    features, recent = torch.randn(3, 2, 6, 9, 8), torch.randn(2, 2, 6, 9, 8) if stateful else None
    ours = readout(features, recent)
    was = engine.use(False)
    try:
        plain = readout(features, recent)
    finally:
        engine.use(was)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_compiler_sees_the_operators() -> None:
    features, recent = torch.randn(2, 1, 6, 7, 5, requires_grad=True), torch.randn(2, 1, 6, 7, 5, requires_grad=True)
    weight, bias = torch.randn(1, 5, 3, 3, 3, requires_grad=True), torch.randn(1, requires_grad=True)
    inputs = (features, recent, weight, bias, 0)
    library.opcheck(torch.ops.nextframe.readout_forward.default, inputs)


def test_frame_after_frame_is_the_same_as_all_at_once() -> None:
    model = StackedConvLSTM(1, (5,), norm="layer").eval()
    frames = torch.rand(1, 4, 1, 8, 9)
    with torch.no_grad():
        together, _ = model(frames)
        state, outputs = None, []
        for t in range(4):
            output, state = model(frames[:, t : t + 1], state)
            outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), together, atol=1e-5, rtol=1e-5)
