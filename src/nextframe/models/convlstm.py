"""The convolutional LSTM layer of Shi et al. 2015 (arXiv 1506.04214), state in and state out.

Shapes: B batch, T time, C input channels, F filters, H height, W width.

With `*` a 'same' convolution and `.` a product element by element, equation 3 of the paper reads

    i_t = sigmoid(W_xi * x_t + W_hi * h_(t-1) + w_ci . c_(t-1) + b_i)        input gate
    f_t = sigmoid(W_xf * x_t + W_hf * h_(t-1) + w_cf . c_(t-1) + b_f)        forget gate
    c_t = f_t . c_(t-1) + i_t . tanh(W_xc * x_t + W_hc * h_(t-1) + b_c)      cell state
    o_t = sigmoid(W_xo * x_t + W_ho * h_(t-1) + w_co . c_t + b_o)            output gate
    h_t = o_t . tanh(c_t)                                                    hidden state

The peephole weights w_c are an option here, as the tutorial, Keras and most of the literature leave them out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import nextframe.engine as engine
from nextframe.config import CellActivation, GateActivation
from nextframe.errors import ConfigError, ShapeError
from nextframe.models import recurrence
from nextframe.models.segments import scan_in_segments


class ConvLSTMState(NamedTuple):
    """Memory of a layer between frames."""

    hidden: Tensor
    """h, (B, F, H, W)."""
    cell: Tensor
    """c, (B, F, H, W)."""


def hard_sigmoid(x: Tensor) -> Tensor:
    """The piecewise linear gate of Keras before version 3: 0.2 x + 0.5, clipped to 0..1.

    Keras 3 and PyTorch give the name to another slope, x / 6 + 0.5.
    """
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


def check_frames(frames: Tensor, channels: int, where: str) -> None:
    """Hold `frames` to (B, T, C, H, W) with `channels` channels and at least one frame.

    Raises:
        ShapeError: any other shape.
    """
    if frames.ndim != 5:
        expected = "(batch, time, channel, height, width)"
        raise ShapeError("cannot read this input", where=where, expected=expected, received=tuple(frames.shape))
    if frames.shape[2] != channels:
        raise ShapeError(
            "was built for another number of channels", where=where, expected=channels, received=frames.shape[2]
        )
    if frames.shape[1] == 0:
        raise ShapeError("needs at least one frame", where=where, received=tuple(frames.shape))


class ConvLSTM2d(nn.Module):
    """A ConvLSTM layer, stride 1 and 'same' padding, on (B, T, C, H, W) of any length, height and width.

    Weights start as in Keras: Glorot uniform for the input's kernel, orthogonal for the recurrent one, biases zero and,
    with `unit_forget_bias`, one for the forget gate. The gates' rows stand in the order input, forget, output, cell
    (Keras: input, forget, cell, output), so that the three sigmoids are neighbours in memory.

    Args:
        in_channels: channels C of the input.
        filters: filters F, the channels of the output.
        kernel_size: height and width of both kernels, odd; a number or a pair.
        bias: whether the gates have a bias.
        gate_activation: "sigmoid", or the "hard_sigmoid" of Keras before version 3.
        cell_activation: "tanh", or "relu", as the present Keras example has it: of what enters the cell and of what
            leaves it. The fast paths are for "tanh".
        peepholes: let the gates see the cell state: True learns one weight a filter, which fits any frame size; a pair
            (H, W) learns one weight a filter and pixel, as in the paper, and fits that frame size only.
        unit_forget_bias: start the forget gate's bias at one.
        recompute: None keeps every gate and cell state for the backward pass. A number cuts the sequence into segments
            of so many steps, keeps the states between them, and computes the rest again when the backward pass comes to
            a segment (T. Chen et al. 2016, arXiv 1604.06174). The same numbers, one more forward pass, and the memory
            of one segment's gates instead of all.

    Raises:
        ConfigError: a kernel of even size, or fewer than one filter, channel or step of a segment.

    >>> layer = ConvLSTM2d(3, 8)
    >>> movies = torch.rand(2, 5, 3, 16, 24)
    >>> hidden, state = layer(movies)
    >>> hidden.shape
    torch.Size([2, 5, 8, 16, 24])
    >>> later, state = layer(movies, state)  # goes on where it has ended
    >>> torch.equal(later[:, -1], state.hidden)
    True
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: int = 40,
        kernel_size: int | tuple[int, int] = 3,
        *,
        bias: bool = True,
        gate_activation: GateActivation = "sigmoid",
        cell_activation: CellActivation = "tanh",
        peepholes: bool | tuple[int, int] = False,
        unit_forget_bias: bool = True,
        recompute: int | None = None,
    ) -> None:
        super().__init__()
        size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if any(k < 1 or k % 2 == 0 for k in size):
            raise ConfigError(
                "is not odd", where="kernel_size", received=kernel_size, hint="'same' padding needs a centre"
            )
        if min(in_channels, filters) < 1:
            raise ConfigError("is too small", where="in_channels, filters", received=(in_channels, filters))
        if gate_activation not in ("sigmoid", "hard_sigmoid"):
            raise ConfigError(
                "unknown", where="gate_activation", expected="sigmoid, hard_sigmoid", received=gate_activation
            )
        self.in_channels, self.filters, self.kernel_size = in_channels, filters, size
        if cell_activation not in ("tanh", "relu"):
            raise ConfigError("unknown", where="cell_activation", expected="tanh, relu", received=cell_activation)
        self.gate_activation: GateActivation = gate_activation
        self.cell_activation: CellActivation = cell_activation
        if recompute is not None and recompute < 1:
            raise ConfigError("is too small", where="recompute", expected="at least 1 step", received=recompute)
        self.unit_forget_bias, self.recompute = unit_forget_bias, recompute
        self.padding = (size[0] // 2, size[1] // 2)
        self.weight_x = nn.Parameter(torch.empty(4 * filters, in_channels, *size))
        self.weight_h = nn.Parameter(torch.empty(4 * filters, filters, *size))
        self.bias = nn.Parameter(torch.empty(4 * filters)) if bias else None
        extent = (1, 1) if isinstance(peepholes, bool) else tuple(peepholes)
        # One row for each of the input, forget and output gates.
        self.peephole = nn.Parameter(torch.empty(3, filters, *extent)) if peepholes else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        nn.init.xavier_uniform_(self.weight_x)
        nn.init.orthogonal_(self.weight_h)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
            if self.unit_forget_bias:
                nn.init.ones_(self.bias[self.filters : 2 * self.filters])
        if self.peephole is not None:
            nn.init.zeros_(self.peephole)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.filters}, kernel_size={self.kernel_size}, bias={self.bias is not None}, "
            f"gate_activation={self.gate_activation!r}, cell_activation={self.cell_activation!r}, "
            f"peepholes={self.peephole is not None}"
        )

    def forward(self, frames: Tensor, state: ConvLSTMState | None = None) -> tuple[Tensor, ConvLSTMState]:
        """Read frames and return the hidden state after each.

        Args:
            frames: (B, T, C, H, W).
            state: where to go on from; zeros by default.

        Returns:
            Hidden states (B, T, F, H, W), and the state after the last frame.

        Raises:
            ShapeError: frames, or a state, of another shape than this layer takes.
        """
        check_frames(frames, self.in_channels, "ConvLSTM2d")
        hidden, state = self.scan(frames.transpose(0, 1), state)
        return hidden.transpose(0, 1), state

    def initial_state(self, frame: Tensor) -> ConvLSTMState:
        """The state before any frame: zeros (B, F, H, W), on the device and of the type of `frame` (B, C, H, W)."""
        zeros = frame.new_zeros(frame.shape[0], self.filters, *frame.shape[-2:])
        return ConvLSTMState(zeros, zeros)

    def scan(self, frames: Tensor, state: ConvLSTMState | None = None) -> tuple[Tensor, ConvLSTMState]:
        """`forward` with time first: frames (T, B, C, H, W) to hidden states (T, B, F, H, W); saves two transposes."""
        if state is not None and state.hidden.shape != (frames.shape[1], self.filters, *frames.shape[-2:]):
            raise ShapeError(
                "was given a state of another shape",
                where="ConvLSTM2d",
                expected=(frames.shape[1], self.filters, *frames.shape[-2:]),
                received=tuple(state.hidden.shape),
            )
        if self.recompute is not None and torch.is_grad_enabled():
            return self._scan_in_segments(frames, state, self.recompute)
        return self._scan(frames, state)

    def _scan(self, frames: Tensor, state: ConvLSTMState | None) -> tuple[Tensor, ConvLSTMState]:
        if (self.gate_activation, self.cell_activation) == ("sigmoid", "tanh") and self.peephole is None:
            training = torch.is_grad_enabled() and (frames.requires_grad or self.weight_h.requires_grad)
            native = engine.usable(frames, self.weight_h) and engine.pays(frames, self.weight_h, training=training)
            hidden, cell = (engine if native else recurrence).scan(
                frames, self.weight_x, self.weight_h, self.bias, *(state or ())
            )
            return hidden, ConvLSTMState(hidden[-1], cell)
        return self.scan_by_the_equations(frames, state)

    def _scan_in_segments(
        self, frames: Tensor, state: ConvLSTMState | None, steps: int
    ) -> tuple[Tensor, ConvLSTMState]:
        def scan(part: Tensor, before: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            hidden, after = self._scan(part, ConvLSTMState(*before))
            return hidden, after.cell

        hidden, *last = scan_in_segments(
            scan, steps, frames, *(state or self.initial_state(frames[0])), list(self.parameters())
        )
        return hidden, ConvLSTMState(*last)

    def scan_by_the_equations(self, frames: Tensor, state: ConvLSTMState | None = None) -> tuple[Tensor, ConvLSTMState]:
        """The layer as the equations above write it, with every option; the oracle of the fast path's tests."""
        gate = torch.sigmoid if self.gate_activation == "sigmoid" else hard_sigmoid
        squash = torch.tanh if self.cell_activation == "tanh" else torch.relu
        w_ci, w_cf, w_co = (None, None, None) if self.peephole is None else self.peephole
        hidden, cell = state or self.initial_state(frames[0])
        outputs = []
        for frame in frames:
            from_frame = functional.conv2d(frame, self.weight_x, self.bias, padding=self.padding)
            from_hidden = functional.conv2d(hidden, self.weight_h, padding=self.padding)
            z_i, z_f, z_o, z_c = (from_frame + from_hidden).chunk(4, dim=1)
            if w_ci is not None and w_cf is not None:
                z_i, z_f = z_i + w_ci * cell, z_f + w_cf * cell
            cell = gate(z_f) * cell + gate(z_i) * squash(z_c)
            if w_co is not None:
                z_o = z_o + w_co * cell
            hidden = gate(z_o) * squash(cell)
            outputs.append(hidden)
        return torch.stack(outputs), ConvLSTMState(hidden, cell)


def recompute_in_segments(model: nn.Module, steps: int | None) -> None:
    """Set `recompute` of every ConvLSTM layer of a model; see `ConvLSTM2d`."""
    for layer in model.modules():
        if isinstance(layer, ConvLSTM2d):
            layer.recompute = steps
