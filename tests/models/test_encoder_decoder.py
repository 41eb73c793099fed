"""The encoder-decoder against Keras, and teacher forcing against feedback."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from nextframe.errors import ConfigError, ShapeError
from nextframe.models.encoder_decoder import EncoderDecoder

F64 = torch.float64


def used(model: EncoderDecoder) -> EncoderDecoder:
    """In float64, with running statistics and biases that are no longer those of the start, as it forecasts."""
    model.double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand_like(tensor) + 0.2)
            elif tensor.ndim == 1:
                tensor.add_(0.3 * torch.randn_like(tensor))
    return model.eval()


def keras_model(keras: Any, model: EncoderDecoder, size: tuple[int, int]) -> Any:
    """The tutorial's program in Keras' functional form: past without its last frame, decoder's inputs -> frames."""
    past, forced = (keras.keras.Input((None, *size, model.in_channels), dtype="float64") for _ in range(2))
    states, x = [], past
    for n, layer in enumerate(model.encoder):
        x = x if n == 0 else keras.batch_norm(model.encoder_norms[n - 1])(x)
        x, *state = keras.convlstm(layer, size)(x)
        states.append(state)
    x = forced
    for n, layer in enumerate(model.decoder):
        x = x if n == 0 else keras.batch_norm(model.decoder_norms[n - 1])(x)
        x = keras.convlstm(layer, size, return_state=False)(x, initial_state=states[n])
    readout = keras.conv2d(model.readout, model.output)
    frames = keras.keras.layers.TimeDistributed(readout, dtype="float64")(x)
    return keras.keras.Model([past, forced], frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "size"),
    [(1, (4,), 3, (8, 8)), (2, (3, 5), 3, (7, 10)), (1, (2, 3, 2), 5, (4, 3))],
)
def test_it_is_that_of_keras(
    keras: Any, channels: int, filters: tuple[int, ...], kernel: int, size: tuple[int, int]
) -> None:
    model = used(EncoderDecoder(channels, filters, kernel))
    twin = keras_model(keras, model, size)
    movie = torch.rand(2, 9, channels, *size, dtype=F64)
    past, future = movie[:, :5], movie[:, 5:]
    last = movie.movedim(2, -1)
    theirs = twin([last[:, :4], last[:, 4:8]], training=False).movedim(-1, 2)
    ours, _ = model(past, future)
    assert ours.shape == future.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # Keras keeps its running statistics in float32

    # The tutorial's forecast: its own frame is fed back, the whole of what it wrote is decoded again.
    seen = last[:, 4:5]
    for _ in range(4):
        seen = torch.cat([seen, twin([last[:, :4], seen], training=False)[:, -1:]], dim=1)
    torch.testing.assert_close(model(past, lead_times=4)[0], seen[:, 1:].movedim(-1, 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("filters", [(128,), (6, 4)])
def test_it_has_as_many_parameters_as_in_keras(keras: Any, filters: tuple[int, ...]) -> None:
    model = EncoderDecoder(filters=filters)
    count = sum(v.numel() for v in model.state_dict().values() if v.is_floating_point())
    # Keras' program builds no norm beyond those between the layers either.
    assert count == keras_model(keras, model.double(), (8, 8)).count_params()
    if filters == (128,):
        assert count == 2 * (4 * 128 * (9 * (1 + 128) + 1)) + 129


def decoded_by_hand(model: EncoderDecoder, past: Tensor, forced: list[Tensor | None]) -> Tensor:
    """Step after step; where there is no frame to force, the model's own."""
    frame, state = model.begin(past)
    outputs = [frame]
    for given in forced:
        frame, state = model.step(frame if given is None else given, state)
        outputs.append(frame)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("filters", [(3,), (3, 2)])
@pytest.mark.parametrize("residual", [False, True])
def test_teacher_forcing_and_feedback(filters: tuple[int, ...], residual: bool) -> None:
    output: Any = "linear" if residual else "sigmoid"
    model = used(EncoderDecoder(2, filters, output=output, residual=residual))
    with torch.no_grad():
        model.readout.weight.copy_(torch.randn_like(model.readout.weight))
    past, future = torch.rand(2, 2, 4, 2, 5, 6, dtype=F64)
    forced, _ = model(past, future)
    free, _ = model(past, lead_times=4)
    assert not torch.allclose(forced[:, 1:], free[:, 1:])
    torch.testing.assert_close(forced, decoded_by_hand(model, past, list(future.unbind(1))[:3]))
    torch.testing.assert_close(free, decoded_by_hand(model, past, [None] * 3))
    nowhere = torch.zeros(2, 4, dtype=torch.bool)
    torch.testing.assert_close(model(past, future, feedback=nowhere)[0], forced)
    torch.testing.assert_close(model(past, future, feedback=~nowhere)[0], free)
    # Each movie of the batch draws its own lots; here the first is fed its own frame at lead time 2, the second at 3.
    mixed = nowhere.clone()
    mixed[0, 2] = mixed[1, 3] = True
    output_mixed, _ = model(past, future, feedback=mixed)
    for movie in range(2):
        frames = [None if own else frame for frame, own in zip(future[movie, :3], mixed[movie, 1:], strict=True)]
        given = [None if frame is None else frame[None] for frame in frames]
        expected = decoded_by_hand(model, past[movie : movie + 1], given)
        torch.testing.assert_close(output_mixed[movie : movie + 1], expected)


def test_gradients_flow_through_what_is_fed_back() -> None:
    model = EncoderDecoder(1, (3,), output="linear")
    past, future = torch.rand(2, 1, 3, 1, 5, 5)
    own = torch.ones(1, 3, dtype=torch.bool)
    bias = model.readout.get_parameter("bias")
    slope = torch.autograd.grad(model(past, future, feedback=own)[0][:, -1].sum(), bias)[0]
    forced = torch.autograd.grad(model(past, future)[0][:, -1].sum(), bias)[0]
    assert forced == 25  # one for each pixel: the last output reads no other
    assert abs(float(slope) - 25) > 1e-3


def test_a_past_of_one_frame() -> None:
    """The encoder has nothing to read: the decoder starts from zeros."""
    model = used(EncoderDecoder(1, (3, 2)))
    past = torch.rand(2, 1, 1, 5, 5, dtype=F64)
    assert model.encode(past) is None
    output, states = model(past, lead_times=3)
    assert output.shape == (2, 3, 1, 5, 5)
    assert len(states) == 2
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.encoder.parameters():
            p.zero_()
    torch.testing.assert_close(other(past, lead_times=3)[0], output, rtol=0, atol=0)


def test_the_encoder_leaves_out_the_last_frame_of_the_past() -> None:
    model = used(EncoderDecoder(1, (3,)))
    past = torch.rand(1, 4, 1, 5, 5, dtype=F64)
    states = model.encode(past)
    assert states is not None
    torch.testing.assert_close(states[0].cell, model.encoder[0](past[:, :3])[1].cell)
    assert not torch.allclose(states[0].cell, model.encoder[0](past)[1].cell)


def test_a_residual_model_starts_as_persistence() -> None:
    model = EncoderDecoder(2, (3,), output="linear", residual=True)
    past = torch.randn(1, 3, 2, 5, 5)
    assert torch.equal(model(past, lead_times=3)[0], past[:, -1:].expand(-1, 3, -1, -1, -1))


@pytest.mark.parametrize("norm", ["batch", "layer", "group", "none"])
def test_every_parameter_is_trained(norm: Any) -> None:
    model = EncoderDecoder(1, (3, 2), norm=norm, peepholes=True)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    past, future = torch.rand(2, 2, 4, 1, 6, 6)
    model(past, future)[0].square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.any(), name


def test_copies_saved_weights_and_low_precision() -> None:
    model = EncoderDecoder(1, (3, 2)).eval()
    past = torch.rand(1, 3, 1, 5, 5)
    expected = model(past, lead_times=2)[0]
    other = EncoderDecoder(1, (3, 2)).eval()
    other.load_state_dict(model.state_dict())
    for twin in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(twin(past, lead_times=2)[0], expected, rtol=0, atol=0)
    output = model.bfloat16()(past.bfloat16(), lead_times=2)[0]
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.03)


def test_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="filters: names no layer"):
        EncoderDecoder(filters=())
    with pytest.raises(ConfigError, match="residual: needs a linear output"):
        EncoderDecoder(residual=True)
    model = EncoderDecoder(2, (3,))
    with pytest.raises(ShapeError, match="another number of channels"):
        model(torch.zeros(1, 3, 1, 5, 5))
    for future in [(2, 3, 2, 5, 5), (1, 3, 1, 5, 5), (1, 3, 2, 5, 6)]:
        with pytest.raises(ShapeError, match="future has another shape"):
            model(torch.zeros(1, 3, 2, 5, 5), torch.zeros(future))
