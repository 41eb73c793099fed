"""`TrajGRU2d` and `StackedTrajGRU`: a GRU that looks along learnt trajectories (Shi et al. 2017, arXiv 1706.03458).

    U_t, V_t = flow(X_t, H_(t-1))                                  L fields of displacements, in pixels
    Z_t  = sigmoid(W_xz * X_t + sum_l W_hz^l * warp(H_(t-1), U_t^l, V_t^l) + b_z)
    R_t  = sigmoid(W_xr * X_t + sum_l W_hr^l * warp(H_(t-1), U_t^l, V_t^l) + b_r)
    H'_t = leaky(W_xh * X_t + R_t o (sum_l W_hh^l * warp(H_(t-1), U_t^l, V_t^l)) + b_h)
    H_t  = (1 - Z_t) o H'_t + Z_t o H_(t-1)

The W^l are 1x1. warp(H, U, V) at row i and column j is H at row i + V_ij and column j + U_ij, by bilinear
interpolation, zero outside. flow is a 5x5 convolution of X_t plus one of H_(t-1), to 32 features, leaky, and another to
the 2 L fields. Biases are added: the paper's equations leave them out.

Shapes: B batch, T time, C input channels, F filters, L links, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.architectures import architecture
from nextframe.config import Norm
from nextframe.errors import ConfigError
from nextframe.models.causal_stack import CausalStack
from nextframe.models.convgru import gru_step
from nextframe.models.network import Outputs

FLOW_FEATURES = 32


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """Images (N, F, H, W) seen where the flow points to, by bilinear interpolation, zero outside.

    Args:
        images: (N, F, H, W).
        flow: (N, 2, H, W), displacement in pixels along the width, then along the height.
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    # In the sampler's coordinates pixel centres lie half a pixel inside -1 and 1.
    where = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    return functional.grid_sample(images, where, align_corners=False)


class TrajGRU2d(nn.Module):
    """A TrajGRU layer, stride 1 and 'same' padding, with `links` trajectories at each pixel.

    `weight_x` (3 F, C, k, k), `weight_h` (3 F, L F, 1, 1) and `bias` (3 F) hold their rows in the order update Z, reset
    R, candidate H'.
    """

    def __init__(self, in_channels: int, filters: int, kernel_size: int = 3, links: int = 5) -> None:
        super().__init__()
        if links < 1:
            raise ConfigError("is too small", where="links", expected="at least 1", received=links)
        self.filters, self.padding, self.links = filters, kernel_size // 2, links
        self.weight_x = nn.Parameter(torch.empty(3 * filters, in_channels, kernel_size, kernel_size))
        self.weight_h = nn.Parameter(torch.empty(3 * filters, links * filters, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3 * filters))
        self.flow_x = nn.Conv2d(in_channels, FLOW_FEATURES, 5, padding=2)
        self.flow_h = nn.Conv2d(filters, FLOW_FEATURES, 5, padding=2, bias=False)
        self.flow = nn.Conv2d(FLOW_FEATURES, 2 * links, 5, padding=2)
        nn.init.xavier_uniform_(self.weight_x)
        nn.init.orthogonal_(self.weight_h)
        nn.init.ones_(self.bias[:filters])

    def scan(self, frames: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Frames (T, B, C, H, W) to hidden states (T, B, F, H, W) and the last of them (B, F, H, W)."""
        steps = (len(frames), -1)
        flat = frames.flatten(0, 1)
        inputs = functional.conv2d(flat, self.weight_x, self.bias, padding=self.padding).unflatten(0, steps)
        motions = self.flow_x(flat).unflatten(0, steps)
        outputs = []
        for x, motion in zip(inputs, motions, strict=True):
            if hidden is None:
                hidden = x.new_zeros(x.shape[0], self.filters, *x.shape[-2:])
            flows = self.flow(functional.leaky_relu(motion + self.flow_h(hidden), 0.2)).unflatten(1, (self.links, 2))
            copies = hidden[:, None].expand(-1, self.links, -1, -1, -1).flatten(0, 1)
            seen = warp(copies, flows.flatten(0, 1)).unflatten(0, (-1, self.links)).flatten(1, 2)
            hidden = gru_step(x, functional.conv2d(seen, self.weight_h), hidden)
            outputs.append(hidden)
        assert hidden is not None
        return torch.stack(outputs), hidden


class StackedTrajGRU(CausalStack):
    """TrajGRU layers with a norm after each and the causal readout on top; see `CausalStack` for the other arguments.

    The paper stacks such layers into an encoder and a forecaster with scales in between; here they read and forecast
    frame by frame at one scale, as the other recurrent models do.

    Args:
        links: trajectories L at each pixel.
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = architecture("trajgru").filters,
        kernel_size: int = 3,
        *,
        links: int = 5,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, **outputs)
        self.add_readout(norm, filters)
        pairs = zip(self.inputs, filters, strict=True)
        self.layers = nn.ModuleList(TrajGRU2d(c, f, kernel_size, links) for c, f in pairs)
