"""The ConvLSTM layer against Keras' ConvLSTM2D, against Keras' own pinned values, and against a loop in NumPy."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate2d
from torch import Tensor

from nextframe.errors import ConfigError, ShapeError
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState, hard_sigmoid

Array = NDArray[np.float64]


def randomised(layer: ConvLSTM2d) -> ConvLSTM2d:
    """With biases and peepholes that are not zero, and weights large enough to reach the gates' flat parts."""
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn_like(p) * (0.5 if p.ndim < 4 else 1.5 / p[0].numel() ** 0.5))
    return layer


# steps, batch, channels, filters, kernel, height, width, bias
SIZES = [
    pytest.param(3, 2, 1, 4, 3, 8, 8, True, id="plain"),
    pytest.param(2, 1, 2, 3, 3, 37, 53, True, id="37x53"),
    pytest.param(1, 1, 1, 1, 3, 5, 6, True, id="one of everything"),
    pytest.param(3, 2, 3, 2, 1, 4, 5, True, id="kernel 1"),
    pytest.param(3, 1, 2, 5, 5, 7, 9, True, id="kernel 5"),
    pytest.param(2, 2, 2, 3, (3, 5), 6, 7, True, id="kernel 3x5"),
    pytest.param(2, 1, 1, 2, (5, 1), 2, 3, True, id="kernel 5x1, larger than the frame"),
    pytest.param(3, 2, 2, 3, 3, 6, 5, False, id="no bias"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)], ids=["f64", "f32"])
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize(("steps", "batch", "channels", "filters", "kernel", "height", "width", "bias"), SIZES)
def test_values_and_gradients_are_keras(
    keras: Any,
    dtype: torch.dtype,
    tolerance: float,
    activation: Any,
    steps: int,
    batch: int,
    channels: int,
    filters: int,
    kernel: int | tuple[int, int],
    height: int,
    width: int,
    bias: bool,
) -> None:
    layer = randomised(ConvLSTM2d(channels, filters, kernel, bias=bias, gate_activation=activation).to(dtype))
    twin = keras.convlstm(layer, (height, width))
    frames = torch.randn(steps, batch, channels, height, width, dtype=dtype).transpose(0, 1).requires_grad_()
    hidden, cell = torch.randn(2, batch, filters, height, width, dtype=dtype).unbind()
    hidden.requires_grad_()
    cell.requires_grad_()

    ours, state = layer(frames, ConvLSTMState(hidden, cell))
    theirs = twin(frames.movedim(2, -1), initial_state=[hidden.movedim(1, -1), cell.movedim(1, -1)])
    theirs = [values.movedim(-1, -3) for values in theirs]
    mine = [ours, state.hidden, state.cell]
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)

    directions = [torch.randn_like(values) for values in mine]

    def slopes(values: list[Tensor], by: list[Tensor]) -> tuple[Tensor, ...]:
        total = sum(((v * d).sum() for v, d in zip(values, directions, strict=True)), torch.zeros((), dtype=dtype))
        return torch.autograd.grad(total, by)

    inputs = [frames, hidden, cell]
    by_ours = slopes(mine, inputs + list(layer.parameters()))
    by_theirs = slopes(theirs, inputs + [w.value for w in twin.trainable_weights])
    gradient = copy.deepcopy(layer)
    with torch.no_grad():
        for p, slope in zip(gradient.parameters(), by_ours[3:], strict=True):
            p.copy_(slope)
    for a, b in zip([*by_ours[:3], *keras.weights(gradient)], by_theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=10 * tolerance * float(b.abs().max()))


def test_without_a_state_it_starts_from_zeros(keras: Any) -> None:
    layer = randomised(ConvLSTM2d(2, 3).double())
    frames = torch.randn(2, 3, 2, 5, 4, dtype=torch.float64)
    ours, (hidden, cell) = layer(frames)
    theirs = [values.movedim(-1, -3) for values in keras.convlstm(layer, (5, 4))(frames.movedim(2, -1))]
    for a, b in zip((ours, hidden, cell), theirs, strict=True):
        torch.testing.assert_close(a, b)
    zeros = layer.initial_state(frames[:, 0])
    assert zeros.cell.shape == zeros.hidden.shape == (2, 3, 5, 4)
    torch.testing.assert_close(layer(frames, zeros)[0], ours, rtol=0, atol=0)


# Last outputs that Keras pins in its own tests (keras/src/layers/rnn/conv_lstm{1,2}d_test.py), the same for both
# filters: counting frames; kernels of 0.01 and 0.02; bias 0.03, and 1 for the forget gate.
PINNED_1D = [[[0.40807986, 0.46421072]], [[0.80933154, 0.8233646]]]
PINNED_2D = [
    [[0.48694518, 0.50237733], [0.5461202, 0.5598283]],
    [[0.8661607, 0.86909103], [0.8774414, 0.8800861]],
]


@pytest.mark.parametrize(
    ("shape", "unit", "kernel", "pinned"),
    [((2, 3, 4, 4, 5), 100, (3, 3), PINNED_2D), ((2, 3, 1, 4, 5), 10, (1, 3), PINNED_1D)],
    ids=["2d", "1d"],
)
def test_values_pinned_by_keras(shape: tuple[int, ...], unit: int, kernel: tuple[int, int], pinned: list[Any]) -> None:
    """There the input's convolution is 'valid' and the recurrent one 'same': the same as ours on the patches that the
    input's kernel sees, laid out as channels, with an input kernel that has a centre only.
    """
    batch, steps, height, width, channels = shape
    frames = torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape) / unit
    patches = torch.nn.functional.unfold(frames.movedim(-1, 2).flatten(0, 1), kernel)
    size = (height - kernel[0] + 1, width - kernel[1] + 1)
    patches = patches.reshape(batch, steps, -1, *size)
    layer = ConvLSTM2d(channels * kernel[0] * kernel[1], 2, kernel)
    with torch.no_grad():
        layer.weight_x.zero_()[:, :, kernel[0] // 2, kernel[1] // 2] = 0.01
        layer.weight_h.fill_(0.02)
        assert layer.bias is not None
        layer.bias[layer.bias == 0] = 0.03
    output = layer(patches)[0][:, -1]
    expected = torch.tensor(pinned).reshape(batch, 1, *size).expand(-1, 2, -1, -1)
    torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-6)


def loop(layer: ConvLSTM2d, frames: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
    """Equation 3 of Shi et al. 2015, a pixel map at a time."""
    filters = layer.filters
    w_x, w_h = (w.detach().numpy() for w in (layer.weight_x, layer.weight_h))
    bias = np.zeros(4 * filters) if layer.bias is None else layer.bias.detach().numpy()
    peephole = np.zeros((3, filters, 1, 1)) if layer.peephole is None else layer.peephole.detach().numpy()

    def gate(z: Array) -> Array:
        return np.clip(0.2 * z + 0.5, 0, 1) if layer.gate_activation == "hard_sigmoid" else 1 / (1 + np.exp(-z))

    def convolved(maps: Array, weight: Array, row: int) -> Any:
        return sum(correlate2d(m, weight[row, n], mode="same") for n, m in enumerate(maps))

    outputs = np.zeros((*frames.shape[:2], filters, *frames.shape[-2:]))
    hidden, cell = hidden.copy(), cell.copy()
    for b, movie in enumerate(frames):
        for t, frame in enumerate(movie):
            before = hidden[b].copy()
            for f in range(filters):
                z_i, z_f, z_o, z_c = (
                    convolved(frame, w_x, row) + convolved(before, w_h, row) + bias[row]
                    for row in range(f, 4 * filters, filters)
                )
                i = gate(z_i + peephole[0, f] * cell[b, f])
                forget = gate(z_f + peephole[1, f] * cell[b, f])
                cell[b, f] = forget * cell[b, f] + i * np.tanh(z_c)
                hidden[b, f] = gate(z_o + peephole[2, f] * cell[b, f]) * np.tanh(cell[b, f])
            outputs[b, t] = hidden[b]
    return outputs, cell


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("peepholes", [False, True, (5, 7)])
@pytest.mark.parametrize("kernel", [3, (1, 5)])
def test_values_are_those_of_a_loop_in_numpy(bias: bool, activation: Any, peepholes: Any, kernel: Any) -> None:
    layer = ConvLSTM2d(2, 3, kernel, bias=bias, gate_activation=activation, peepholes=peepholes).double()
    randomised(layer)
    frames = torch.randn(2, 3, 2, 5, 7, dtype=torch.float64)
    hidden, cell = torch.randn(2, 2, 3, 5, 7, dtype=torch.float64)
    outputs, last = loop(layer, frames.numpy(), hidden.numpy(), cell.numpy())
    ours, state = layer(frames, ConvLSTMState(hidden, cell))
    np.testing.assert_allclose(ours.detach(), outputs, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(state.cell.detach(), last, rtol=1e-11, atol=1e-12)
    assert torch.equal(state.hidden, ours[:, -1])


@pytest.mark.parametrize(("peepholes", "activation"), [(False, "sigmoid"), (True, "sigmoid"), (False, "hard_sigmoid")])
def test_going_on_from_a_state_is_reading_on(peepholes: bool, activation: Any) -> None:
    layer = randomised(ConvLSTM2d(1, 4, peepholes=peepholes, gate_activation=activation).double())
    frames = torch.randn(2, 6, 1, 5, 5, dtype=torch.float64)
    whole, last = layer(frames)
    parts, state = [], None
    for part in frames.split([1, 3, 2], dim=1):
        hidden, state = layer(part, state)
        parts.append(hidden)
    assert state is not None
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(state.cell, last.cell)


def test_hard_sigmoid_is_that_of_old_keras() -> None:
    x = torch.tensor([-9.0, -2.5, -1.0, 0.0, 1.0, 2.5, 9.0])
    torch.testing.assert_close(hard_sigmoid(x), torch.tensor([0.0, 0.0, 0.3, 0.5, 0.7, 1.0, 1.0]))


@pytest.mark.parametrize(("channels", "filters", "kernel"), [(1, 40, 3), (6, 10, (1, 5)), (12, 24, 1)])
def test_initial_weights_are_drawn_as_in_keras(keras: Any, channels: int, filters: int, kernel: Any) -> None:
    layer = ConvLSTM2d(channels, filters, kernel)
    keras.keras.utils.set_random_seed(0)
    twin = keras.keras.layers.ConvLSTM2D(filters, kernel, padding="same")
    twin.build((None, None, 8, 8, channels))
    theirs = [w.value.detach() for w in twin.weights]
    mine = [w.detach() for w in keras.weights(layer)]
    area = int(np.prod(layer.kernel_size))
    limit = (6 / (area * (channels + 4 * filters))) ** 0.5
    for kernel_x in (mine[0], theirs[0]):
        assert 0.95 * limit < kernel_x.abs().max() <= limit
        assert kernel_x.std() == pytest.approx(limit / 3**0.5, rel=0.12)
        assert abs(kernel_x.mean()) < 5 * limit / 3**0.5 / kernel_x.numel() ** 0.5
    for kernel_h in (mine[1], theirs[1]):
        matrix = kernel_h.reshape(-1, 4 * filters)
        product = matrix.T @ matrix if len(matrix) >= 4 * filters else matrix @ matrix.T
        torch.testing.assert_close(product, torch.eye(len(product)), rtol=0, atol=1e-5)
    torch.testing.assert_close(mine[2], theirs[2], rtol=0, atol=0)


def test_options_of_the_initial_bias() -> None:
    plain = ConvLSTM2d(1, 3, unit_forget_bias=False, peepholes=True)
    assert plain.bias is not None
    assert plain.peephole is not None
    assert not plain.bias.any()
    assert not plain.peephole.any()
    assert plain.peephole.shape == (3, 3, 1, 1)
    assert ConvLSTM2d(1, 3, bias=False).bias is None
    before = plain.weight_x.clone()
    plain.reset_parameters()
    assert not torch.equal(plain.weight_x, before)


def test_copies_and_saved_weights() -> None:
    layer = randomised(ConvLSTM2d(2, 3, (3, 5), peepholes=True))
    frames = torch.randn(1, 2, 2, 5, 5)
    expected = layer(frames)[0]
    other = ConvLSTM2d(2, 3, (3, 5), peepholes=True)
    other.load_state_dict(layer.state_dict())
    for twin in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(frames)[0], expected, rtol=0, atol=0)


@pytest.mark.parametrize("peepholes", [False, True])
def test_low_precision(peepholes: bool) -> None:
    layer = ConvLSTM2d(2, 4, peepholes=peepholes)
    frames = torch.rand(2, 3, 2, 6, 6)
    exact = layer(frames)[0]
    output, state = layer.bfloat16()(frames.bfloat16())
    assert output.dtype == state.cell.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.02)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kernel_size": 4}, "kernel_size: is not odd"),
        ({"kernel_size": (3, 2)}, "kernel_size: is not odd"),
        ({"filters": 0}, "too small"),
        ({"in_channels": 0}, "too small"),
        ({"gate_activation": "tanh"}, "gate_activation: unknown"),
    ],
)
def test_options_that_make_no_layer(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        ConvLSTM2d(**options)


def test_frames_and_states_of_another_shape() -> None:
    layer = ConvLSTM2d(2, 3)
    for shape in [(2, 5, 5), (1, 2, 3, 5, 5), (1, 0, 2, 5, 5)]:
        with pytest.raises(ShapeError, match="ConvLSTM2d"):
            layer(torch.zeros(shape))
    _, state = layer(torch.zeros(1, 2, 2, 5, 5))
    with pytest.raises(ShapeError, match="state of another shape"):
        layer(torch.zeros(1, 2, 2, 5, 6), state)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"peepholes": True}, {"gate_activation": "hard_sigmoid"}], ids=str)
@pytest.mark.parametrize("recompute", [1, 2, 5, 9])
@pytest.mark.parametrize("read", ["everything", "the last hidden state", "the last cell state", "outputs"])
def test_recomputing_gives_the_same_numbers(options: dict[str, Any], recompute: int, read: str) -> None:
    layer = randomised(ConvLSTM2d(2, 5, **options))
    thrifty = copy.deepcopy(layer)
    thrifty.recompute = recompute
    frames, *state = torch.randn(5, 2, 2, 9, 7), torch.randn(2, 5, 9, 7), torch.randn(2, 5, 9, 7)

    def run(layer: ConvLSTM2d) -> tuple[Tensor, list[Tensor]]:
        inputs = [tensor.clone().requires_grad_() for tensor in (frames, *state)]
        hidden, last = layer.scan(inputs[0], ConvLSTMState(*inputs[1:]))
        loss = {
            "everything": lambda: hidden.square().sum() + last.cell.sum() + last.hidden.square().sum(),
            "the last hidden state": lambda: last.hidden.square().sum(),
            "the last cell state": lambda: last.cell.square().sum(),
            "outputs": lambda: hidden[1:4].square().sum(),
        }[read]()
        return hidden, list(torch.autograd.grad(loss, [*inputs, *layer.parameters()]))

    hidden, gradients = run(layer)
    again, gradients_again = run(thrifty)
    torch.testing.assert_close(again, hidden, rtol=1e-6, atol=1e-6)
    for a, b in zip(gradients_again, gradients, strict=True):  # summed by segments: in another order
        torch.testing.assert_close(a, b, rtol=1e-5, atol=float(1e-5 * b.abs().max().clamp(min=1)))


def kept_bytes(layer: ConvLSTM2d, frames: Tensor) -> int:
    """Bytes of the distinct memory that autograd keeps for the backward pass of a scan, weights and input left out."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (frames, *layer.parameters())}
    kept: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        hidden, state = layer.scan(frames)
    assert hidden.requires_grad
    assert state.cell.requires_grad
    return sum(kept.values())


def test_recomputing_keeps_the_states_between_segments_alone() -> None:
    steps, filters, pixels = 12, 8, 16 * 16
    frames = torch.randn(steps, 1, 1, 16, 16)
    everything = kept_bytes(ConvLSTM2d(1, filters), frames)
    assert everything >= 4 * steps * filters * pixels * 6  # four gates, hidden and cell state
    thrifty = kept_bytes(ConvLSTM2d(1, filters, recompute=4), frames)
    assert thrifty <= 4 * filters * pixels * 2 * 3  # two states for each of three segments


def test_a_segment_without_steps() -> None:
    with pytest.raises(ConfigError, match="recompute"):
        ConvLSTM2d(recompute=0)
