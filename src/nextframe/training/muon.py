"""Muon for recurrent convolutions: the kernels' updates are orthogonalised, gate by gate; Adam does the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

STEPS = 5
"""Newton-Schulz steps, which bring all singular values to about one (0.7 to 1.2)."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""The quintic of K. Jordan et al. 2024, steepest at zero of those that settle near one."""
RMS = 0.2
"""Root mean square of an update at learning rate 1, that of Adam's in practice (J. Liu et al. 2025, section 2.2)."""

ADAM_SHARE = 0.3
"""Adam's learning rate, over that of the kernels."""

GATED = ("weight_x", "weight_h", "from_input", "from_hidden", "from_memory")
"""Names of recurrent layers for their kernels of several gates: a parameter, or the convolution that it is of."""


class Muon(Optimizer):
    """Momentum whose direction is made orthogonal (K. Jordan et al. 2024, "Muon"), and Adam where that has no meaning.

    A kernel of a ConvLSTM holds the four gates' kernels, (4 F, C, k, k). They do different work and get gradients of
    different size, so that each is a matrix of its own here, (F, C k k): the forget gate's update is as large as the
    candidate's. Kernels of one input or one output channel, peepholes, biases and norms have no directions to balance
    and are left to Adam (Kingma and Ba 2015).

    Args:
        model: whose parameters are trained.
        lr: learning rate of the kernels; Adam's is `ADAM_SHARE` of it.
        momentum: decay of the kernels' mean gradient, used as Nesterov's.
        betas: Adam's decays.
        eps: Adam's epsilon.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-2,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        gates = _gates(model)
        kernels: dict[int, list[Tensor]] = {}
        others: list[Tensor] = []
        for name, parameter in model.named_parameters():
            # A peephole is a factor for each filter, not a matrix between channels.
            if parameter.ndim >= 2 and min(parameter.shape[:2]) > 1 and not name.endswith("peephole"):
                kernels.setdefault(gates.get(id(parameter), 1), []).append(parameter)
            else:
                others.append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": some, "lr": lr, "gates": count} for count, some in sorted(kernels.items())
        ]
        groups.append({"params": others, "lr": ADAM_SHARE * lr, "gates": 0})
        super().__init__(groups, {"momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what `closure`, called before, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._orthogonal if group["gates"] else self._adam
                    update(parameter, parameter.grad, group)
        return loss

    def _orthogonal(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, momentum = self.state[parameter], group["momentum"]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        mean = state["mean"].lerp_(gradient, 1 - momentum)
        matrices = gradient.lerp(mean, momentum).reshape(group["gates"], parameter.shape[0] // group["gates"], -1)
        scale = RMS * math.sqrt(max(matrices.shape[1:]))
        parameter.add_(orthogonalised(matrices).reshape(parameter.shape), alpha=-group["lr"] * scale)

    def _adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (first, second) = self.state[parameter], group["betas"]
        if not state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = square.sqrt().div_(math.sqrt(1 - second ** state["step"])).add_(group["eps"])
        parameter.addcdiv_(mean, size, value=-group["lr"] / (1 - first ** state["step"]))


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices (N, rows, columns) with the same singular vectors, and all singular values near one.

    U V' of the singular value decomposition U S V', but for the 20-30 % by which `COEFFICIENTS` miss one, by a few
    matrix products; a matrix of zeros stays so.
    """
    a, b, c = COEFFICIENTS
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    if tall := x.shape[1] > x.shape[2]:
        x = x.mT
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


def _gates(model: nn.Module) -> dict[int, int]:
    """Number of gates of a parameter, by its id: the kernels of recurrent layers, `filters` rows for each gate."""
    gates: dict[int, int] = {}
    for layer in model.modules():
        for kernel in (getattr(layer, name, None) for name in GATED):
            weight = kernel.weight if isinstance(kernel, nn.Conv2d) else kernel
            filters = getattr(layer, "filters", None)
            if isinstance(weight, nn.Parameter) and isinstance(filters, int):
                gates[id(weight)] = weight.shape[0] // filters
    return gates
