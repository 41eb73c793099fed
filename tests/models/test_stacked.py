"""The stacked model against Keras, its readout against conv3d, and what makes it a forecaster."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

from nextframe.config import ModelConfig, Norm
from nextframe.errors import ConfigError, ShapeError
from nextframe.models.build import build_model
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.readout import TemporalReadout
from nextframe.models.stacked import StackedConvLSTM

F64 = torch.float64


def used(model: StackedConvLSTM) -> StackedConvLSTM:
    """In float64, with running statistics and biases that are no longer those of the start, as it forecasts."""
    model.double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand_like(tensor) + 0.2)
            elif tensor.ndim == 1:
                tensor.add_(0.3 * torch.randn_like(tensor))
    return model.eval()


def keras_stack(keras: Any, model: StackedConvLSTM, size: tuple[int, int]) -> Any:
    """The tutorial's program in Keras' functional form."""
    frames = keras.keras.Input((None, *size, model.in_channels), dtype="float64")
    x = frames
    for layer, norm in zip(model.layers, model.norms, strict=True):
        x = keras.convlstm(layer, size, return_state=False)(x)
        x = keras.batch_norm(norm)(x)
    return keras.keras.Model(frames, keras.conv3d(model.readout, model.output)(x))


@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "size"),
    [(1, (4, 4, 4), 3, (8, 8)), (3, (5, 2), 5, (7, 11)), (1, (1,), 1, (2, 3))],
)
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_same_stack_is_that_of_keras(
    keras: Any, channels: int, filters: tuple[int, ...], kernel: int, size: tuple[int, int], activation: Any
) -> None:
    model = StackedConvLSTM(channels, filters, kernel, temporal_padding="same", gate_activation=activation)
    used(model)
    frames = torch.rand(2, 4, channels, *size, dtype=F64)
    theirs = keras_stack(keras, model, size)(frames.movedim(2, -1), training=False).movedim(-1, 2)
    ours = model(frames)[0]
    assert ours.shape == frames.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # Keras keeps its running statistics in float32


def test_the_tutorials_model_has_291481_parameters(keras: Any) -> None:
    model = StackedConvLSTM()
    counted = [v for v in model.state_dict().values() if v.is_floating_point()]
    assert sum(v.numel() for v in counted) == 291_481
    assert keras_stack(keras, model.double(), (8, 8)).count_params() == 291_481


@settings(max_examples=15, deadline=None)
@given(
    steps=st.integers(1, 5),
    batch=st.integers(1, 2),
    channels=st.integers(1, 3),
    filters=st.integers(1, 4),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_readout_is_conv3d(steps: int, batch: int, channels: int, filters: int, size: tuple[int, int]) -> None:
    readout = TemporalReadout(filters, channels).double()
    with torch.no_grad():
        readout.bias.copy_(torch.randn(channels))
    features = torch.randn(steps, batch, filters, *size, dtype=F64, requires_grad=True)
    for before in (1, 2):  # 'same' and causal
        padded = pad(features, (0, 0, 0, 0, 0, 0, 0, 0, before, 2 - before))
        expected = conv3d(padded.permute(1, 2, 0, 3, 4), readout.weight, readout.bias, padding=(0, 1, 1))
        expected = expected.permute(2, 0, 1, 3, 4)
        readout.sees_next = before == 1
        output = readout(features)
        torch.testing.assert_close(output, expected)
        direction = torch.randn_like(output)
        by = [features, readout.weight, readout.bias]
        for a, b in zip(
            torch.autograd.grad(output, by, direction), torch.autograd.grad(expected, by, direction), strict=True
        ):
            torch.testing.assert_close(a, b)


def test_both_paddings_share_their_weights() -> None:
    """Output t of the 'same' stack is output t + 1 of the causal one: it has read one frame more."""
    same = used(StackedConvLSTM(filters=(3, 2), temporal_padding="same"))
    causal = StackedConvLSTM(filters=(3, 2)).double().eval()
    causal.load_state_dict(same.state_dict())
    frames = torch.rand(2, 5, 1, 6, 7, dtype=F64)
    torch.testing.assert_close(same(frames)[0][:, :-1], causal(frames)[0][:, 1:])


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("parts", [[1, 1, 1, 1, 1, 1], [4, 2], [1, 5], [2, 3, 1]])
def test_streaming_is_reading_at_once(norm: Norm, parts: list[int]) -> None:
    model = used(StackedConvLSTM(2, (3, 4), norm=norm))
    frames = torch.rand(2, 6, 2, 5, 7, dtype=F64)
    whole, end = model(frames)
    outputs, state = [], None
    for part in frames.split(parts, dim=1):
        output, state = model(part, state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole)
    assert state is not None
    torch.testing.assert_close(state.recent, end.recent)
    assert state.recent.shape == (2, 2, 4, 5, 7)
    for a, b in zip(state.layers, end.layers, strict=True):
        torch.testing.assert_close(a.cell, b.cell)


@pytest.mark.parametrize("padding", ["causal", "same"])
def test_a_residual_stack_starts_as_persistence(padding: Any) -> None:
    model = StackedConvLSTM(2, (3,), output="linear", residual=True, temporal_padding=padding)
    frames = torch.randn(1, 3, 2, 5, 5)
    output = model(frames)[0]
    assert torch.equal(output, frames)
    output.square().sum().backward()
    assert model.readout.weight.grad is not None
    assert model.readout.weight.grad.any()  # and can be trained away from it


def test_a_cut_of_the_frames_sees_the_same_weather() -> None:
    """With layer norm, far from the edges of a cut, a forecast does not know where the frame ends."""
    model = used(StackedConvLSTM(1, (3,), norm="layer"))
    frames = torch.rand(1, 2, 1, 24, 20, dtype=F64)
    whole, part = model(frames)[0], model(frames[..., 4:, 3:])[0]
    # Two steps and the readout reach four pixels.
    torch.testing.assert_close(part[..., 4:, 4:], whole[..., 8:, 7:])
    assert not torch.allclose(part[..., 0, 0], whole[..., 4, 3])


def test_logits_are_what_the_output_is_made_of() -> None:
    model = used(StackedConvLSTM(filters=(3,)))
    frames = torch.rand(1, 3, 1, 5, 5, dtype=F64)
    torch.testing.assert_close(torch.sigmoid(model.logits(frames)[0]), model(frames)[0])
    linear = StackedConvLSTM(filters=(3,), output="linear").double().eval()
    linear.load_state_dict(model.state_dict())
    torch.testing.assert_close(linear(frames)[0], model.logits(frames)[0])


def test_every_parameter_is_trained() -> None:
    model = StackedConvLSTM(1, (3, 2), peepholes=True, norm="layer")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    model(torch.rand(2, 4, 1, 6, 6))[0].square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.any(), name


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
def test_low_precision(norm: Norm) -> None:
    model = StackedConvLSTM(1, (4, 4), norm=norm).eval()
    frames = torch.rand(2, 3, 1, 6, 6)
    exact = model(frames)[0]
    output, state = model.bfloat16()(frames.bfloat16())
    assert output.dtype == state.recent.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.03)


def test_copies_and_saved_weights() -> None:
    model = used(StackedConvLSTM(1, (3, 2)))
    frames = torch.rand(1, 3, 1, 5, 5, dtype=F64)
    expected = model(frames)[0]
    other = StackedConvLSTM(1, (3, 2)).double().eval()
    other.load_state_dict(model.state_dict())
    for twin in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(twin(frames)[0], expected, rtol=0, atol=0)


def test_a_state_survives_pickling() -> None:
    model = used(StackedConvLSTM(1, (3,)))
    frames = torch.rand(1, 4, 1, 5, 5, dtype=F64)
    with torch.no_grad():
        _, state = model(frames[:, :2])
        resumed = model(frames[:, 2:], pickle.loads(pickle.dumps(state)))[0]
        torch.testing.assert_close(resumed, model(frames)[0][:, 2:])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"filters": ()}, "filters: names no layer"),
        ({"temporal_padding": "valid"}, "temporal_padding: unknown"),
        ({"residual": True}, "residual: needs a linear output"),
        ({"norm": "instance"}, "norm: unknown norm"),
        ({"output": "tanh"}, "output: unknown activation"),
    ],
)
def test_options_that_make_no_model(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        StackedConvLSTM(**options)


def test_what_it_cannot_read() -> None:
    model = StackedConvLSTM(2, (3,))
    with pytest.raises(ShapeError, match="another number of channels"):
        model(torch.zeros(1, 2, 1, 5, 5))
    with pytest.raises(ShapeError, match="at least one frame"):
        model(torch.zeros(1, 0, 2, 5, 5))
    _, state = model(torch.zeros(1, 2, 2, 5, 5))
    with pytest.raises(ShapeError, match="state of another shape"):
        model(torch.zeros(1, 2, 2, 6, 5), state)
    with pytest.raises(ConfigError, match="cannot go on from a state"):
        StackedConvLSTM(2, (3,), temporal_padding="same")(torch.zeros(1, 2, 2, 5, 5), state)


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
def test_a_configuration_makes_its_model(kind: Any) -> None:
    options: dict[str, Any] = {"filters": (3, 2), "kernel_size": 5, "norm": "layer", "gate_activation": "hard_sigmoid"}
    options |= {"peepholes": True, "output": "linear", "residual": True}
    same: dict[str, Any] = {"temporal_padding": "same"} if kind == "stacked" else {}
    model = build_model(ModelConfig(model=kind, **options, **same), channels=3)
    expected: nn.Module = (StackedConvLSTM if kind == "stacked" else EncoderDecoder)(3, **options, **same)
    assert repr(model) == repr(expected)
    assert isinstance(model, StackedConvLSTM | EncoderDecoder)
    assert (model.output, model.residual) == ("linear", True)
    if isinstance(model, StackedConvLSTM):
        assert model.temporal_padding == "same"
    shapes: list[dict[str, torch.Size]] = [{k: v.shape for k, v in m.state_dict().items()} for m in (model, expected)]
    assert shapes[0] == shapes[1]
    frames: Tensor = torch.rand(1, 2, 3, 6, 6)
    assert model(frames)[0].shape[2:] == (3, 6, 6)
