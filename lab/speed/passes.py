"""Forward pass, backward pass and whole step of a training in PyTorch, for whichever model is measured."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.optim import Optimizer

from lab.speed.work import Step, Task


def training_pass(task: Task, loss: Callable[[], Tensor], optimizer: Optimizer) -> Step:
    """One of the tasks in `work.PASSES`.

    Args:
        task: "training", "forward" or "backward".
        loss: the forward pass, down to the loss ().
        optimizer: the optimiser of the parameters that the loss depends on.
    """
    if task == "forward":
        return Step(loss)
    if task == "training":

        def train() -> None:
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

        return Step(train)
    losses: list[Tensor] = []

    def forward() -> None:
        optimizer.zero_grad()
        losses.append(loss())

    return Step(lambda: losses.pop().backward(), before=forward)
