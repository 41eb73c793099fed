"""`STLSTMCell` and `PredRNN`: a ConvLSTM with a second memory that climbs the layers (Wang et al. 2017, NeurIPS 30).

    g_t  = tanh(W_xg * X_t + W_hg * H_(t-1) + b_g)        i_t, f_t likewise with a sigmoid
    C_t  = f_t o C_(t-1) + i_t o g_t                      the layer's memory, along time
    g'_t = tanh(W'_xg * X_t + W_mg * M + b'_g)            i'_t, f'_t likewise with a sigmoid
    M_t  = f'_t o M + i'_t o g'_t                         the spatiotemporal memory, up the layers
    o_t  = sigmoid(W_xo * X_t + W_ho * H_(t-1) + W_co * C_t + W_mo * M_t + b_o)
    H_t  = o_t o tanh(W_11 * [C_t, M_t])                  W_11 is 1x1

M is that of the layer below at the same frame; for the first layer, that of the last layer at the frame before. The
journal version (Wang et al. 2021, arXiv 2103.09504) keeps this cell and adds a loss that pulls the two memories apart,
which is not used here.

Shapes: B batch, T time, C input channels, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Unpack

import torch
from torch import Tensor, nn

from nextframe.architectures import architecture
from nextframe.config import Norm
from nextframe.errors import ConfigError
from nextframe.models.causal_stack import CausalStack
from nextframe.models.network import Outputs


class PredRNNState(NamedTuple):
    """Memory of the recurrence between frames."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """h and c of each layer, (B, F, H, W)."""
    memory: Tensor
    """M of the last layer, (B, F, H, W)."""


class STLSTMCell(nn.Module):
    """One layer at one frame, stride 1 and 'same' padding.

    Rows stand in the order i, f, g, i', f', g', o in `from_input` (7 F); i, f, g, o in `from_hidden` (4 F); i', f', g'
    in `from_memory` (3 F). Both forget gates' biases start at one.
    """

    def __init__(self, in_channels: int, filters: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.filters = filters
        padding = kernel_size // 2
        self.from_input = nn.Conv2d(in_channels, 7 * filters, kernel_size, padding=padding)
        self.from_hidden = nn.Conv2d(filters, 4 * filters, kernel_size, padding=padding, bias=False)
        self.from_memory = nn.Conv2d(filters, 3 * filters, kernel_size, padding=padding, bias=False)
        self.from_memories = nn.Conv2d(2 * filters, filters, kernel_size, padding=padding, bias=False)
        self.mixed = nn.Conv2d(2 * filters, filters, 1, bias=False)
        for part in (self.from_input, self.from_memories, self.mixed):
            nn.init.xavier_uniform_(part.weight)
        nn.init.orthogonal_(self.from_hidden.weight)
        nn.init.orthogonal_(self.from_memory.weight)
        assert self.from_input.bias is not None
        nn.init.zeros_(self.from_input.bias)
        for forget in (1, 4):
            nn.init.ones_(self.from_input.bias[forget * filters : (forget + 1) * filters])

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Input (B, C, H, W) and h, c, M (B, F, H, W) to the new h, c and M."""
        x_i, x_f, x_g, x_mi, x_mf, x_mg, x_o = self.from_input(x).chunk(7, dim=1)
        h_i, h_f, h_g, h_o = self.from_hidden(hidden).chunk(4, dim=1)
        m_i, m_f, m_g = self.from_memory(memory).chunk(3, dim=1)
        cell = torch.sigmoid(x_f + h_f) * cell + torch.sigmoid(x_i + h_i) * torch.tanh(x_g + h_g)
        memory = torch.sigmoid(x_mf + m_f) * memory + torch.sigmoid(x_mi + m_i) * torch.tanh(x_mg + m_g)
        both = torch.cat([cell, memory], dim=1)
        hidden = torch.sigmoid(x_o + h_o + self.from_memories(both)) * torch.tanh(self.mixed(both))
        return hidden, cell, memory


class PredRNN(CausalStack):
    """ST-LSTM layers, all of the same filters, and the causal readout on top; see `CausalStack` for the arguments.

    Raises:
        ConfigError: layers of different filters, between which the memory could not pass.
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = architecture("predrnn").filters,
        kernel_size: int = 3,
        *,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        if len(set(filters)) > 1:
            raise ConfigError("differ between layers", where="filters", expected="equal numbers", received=filters)
        if norm == "batch":
            raise ConfigError(
                "cannot be taken frame by frame, which the memory between layers asks for",
                where="norm='batch'",
                hint="use {norm=layer}",
            )
        super().__init__(in_channels, filters, kernel_size, **outputs)
        self.add_readout(norm, filters)
        self.filters = filters[0]
        pairs = zip(self.inputs, filters, strict=True)
        self.layers = nn.ModuleList(STLSTMCell(c, f, kernel_size) for c, f in pairs)

    def read(self, frames: Tensor, state: PredRNNState | None) -> tuple[Tensor, PredRNNState]:
        if state is None:
            empty = frames.new_zeros(frames.shape[1], self.filters, *frames.shape[-2:])
            state = PredRNNState(((empty, empty),) * len(self.layers), empty)
        layers, memory = list(state.layers), state.memory
        outputs = []
        for frame in frames:
            x = frame
            for n, layer in enumerate(self.layers):
                hidden, cell, memory = layer(x, *layers[n], memory)
                layers[n] = hidden, cell
                x = self.norms[n](hidden)
            outputs.append(x)
        return torch.stack(outputs), PredRNNState(tuple(layers), memory)
