"""`ConvGRU2d` and `StackedConvGRU`: gated recurrent units with convolutions (Shi et al. 2017, arXiv 1706.03458).

    Z_t  = sigmoid(W_xz * X_t + W_hz * H_(t-1) + b_z)
    R_t  = sigmoid(W_xr * X_t + W_hr * H_(t-1) + b_r)
    H'_t = leaky(W_xh * X_t + R_t o (W_hh * H_(t-1)) + b_h)
    H_t  = (1 - Z_t) o H'_t + Z_t o H_(t-1)

* is a convolution, o a product of values, leaky the leaky ReLU of slope 0.2. One state in place of a ConvLSTM's two.

Shapes: B batch, T time, C input channels, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.architectures import architecture
from nextframe.config import Norm
from nextframe.models.causal_stack import CausalStack
from nextframe.models.network import Outputs
from nextframe.models.readout import reach_of_layers


class ConvGRU2d(nn.Module):
    """A ConvGRU layer, stride 1 and 'same' padding.

    `weight_x` (3 F, C, k, k), `weight_h` (3 F, F, k, k) and `bias` (3 F) hold their rows in the order update Z, reset
    R, candidate H'. The update gate's bias starts at one, so that the layer starts by remembering.
    """

    def __init__(self, in_channels: int, filters: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.filters, self.padding = filters, kernel_size // 2
        self.weight_x = nn.Parameter(torch.empty(3 * filters, in_channels, kernel_size, kernel_size))
        self.weight_h = nn.Parameter(torch.empty(3 * filters, filters, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(3 * filters))
        nn.init.xavier_uniform_(self.weight_x)
        nn.init.orthogonal_(self.weight_h)
        nn.init.ones_(self.bias[:filters])

    def scan(self, frames: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Frames (T, B, C, H, W) to hidden states (T, B, F, H, W) and the last of them (B, F, H, W)."""
        steps = (len(frames), -1)
        inputs = functional.conv2d(frames.flatten(0, 1), self.weight_x, self.bias, padding=self.padding)
        outputs = []
        for x in inputs.unflatten(0, steps):
            if hidden is None:
                hidden = x.new_zeros(x.shape[0], self.filters, *x.shape[-2:])
            hidden = gru_step(x, functional.conv2d(hidden, self.weight_h, padding=self.padding), hidden)
            outputs.append(hidden)
        assert hidden is not None
        return torch.stack(outputs), hidden


def gru_step(from_input: Tensor, from_state: Tensor, hidden: Tensor) -> Tensor:
    """The next hidden state (B, F, H, W), from what input and state add to Z, R and H', each (B, 3 F, H, W)."""
    x_z, x_r, x_h = from_input.chunk(3, dim=1)
    h_z, h_r, h_h = from_state.chunk(3, dim=1)
    update, reset = torch.sigmoid(x_z + h_z), torch.sigmoid(x_r + h_r)
    candidate = functional.leaky_relu(x_h + reset * h_h, 0.2)
    return candidate + update * (hidden - candidate)


class StackedConvGRU(CausalStack):
    """ConvGRU layers with a norm after each and the causal readout on top; see `CausalStack` for the arguments."""

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = architecture("convgru").filters,
        kernel_size: int = 3,
        *,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, **outputs)
        self.add_readout(norm, filters)
        pairs = zip(self.inputs, filters, strict=True)
        self.layers = nn.ModuleList(ConvGRU2d(c, f, kernel_size) for c, f in pairs)

    def reach(self, past: int, lead_times: int) -> int | None:
        # The reset gate is applied after the convolution of the state, so that a step reaches no further than a kernel.
        return reach_of_layers(self.norms, self.kernel_sizes, past, lead_times)
