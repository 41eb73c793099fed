"""Muon: orthogonal updates gate by gate, Adam for the rest."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nextframe.config import TrainingConfig
from nextframe.models.convgru import ConvGRU2d
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.predrnn import STLSTMCell
from nextframe.models.stacked import StackedConvLSTM
from nextframe.models.trajgru import TrajGRU2d
from nextframe.training.module import make_optimizer
from nextframe.training.muon import ADAM_SHARE, RMS, Muon, orthogonalised


@pytest.mark.slow
@given(st.integers(1, 4), st.integers(2, 12), st.integers(2, 40), st.integers(0, 1000))
def test_orthogonalised_keeps_singular_vectors_and_brings_singular_values_near_one(
    count: int, rows: int, columns: int, seed: int
) -> None:
    # Singular values between 0.05 and 1 of the largest: five steps cannot lift smaller ones.
    draw = torch.Generator().manual_seed(seed)
    rank = min(rows, columns)
    u, _ = torch.linalg.qr(torch.randn(count, rows, rank, generator=draw, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(count, columns, rank, generator=draw, dtype=torch.float64))
    values = 0.05 + 0.95 * torch.rand(count, rank, generator=draw, dtype=torch.float64)
    found = orthogonalised(u * values[:, None, :] @ v.mT)
    in_their_frame = u.mT @ found @ v
    diagonal = in_their_frame.diagonal(dim1=1, dim2=2)
    assert ((diagonal > 0.5) & (diagonal < 1.3)).all()
    assert torch.allclose(in_their_frame, torch.diag_embed(diagonal), atol=1e-8)
    assert torch.allclose(u @ torch.diag_embed(diagonal) @ v.mT, found, atol=1e-8)


def test_a_matrix_of_zeros_stays_so() -> None:
    assert orthogonalised(torch.zeros(2, 3, 5)).abs().max() == 0


@pytest.mark.parametrize(
    ("layer", "name", "gates"),
    [
        (ConvLSTM2d(6, 8), "weight_h", 4),
        (ConvGRU2d(6, 8), "weight_x", 3),
        (TrajGRU2d(6, 8), "weight_x", 3),
        (STLSTMCell(6, 8), "from_input.weight", 7),
        (STLSTMCell(6, 8), "from_hidden.weight", 4),
        (STLSTMCell(6, 8), "from_memory.weight", 3),
    ],
)
def test_each_gate_of_a_kernel_is_changed_as_much_however_small_its_gradient(
    layer: nn.Module, name: str, gates: int
) -> None:
    torch.manual_seed(0)
    kernel = layer.get_parameter(name)
    before = kernel.detach().clone()
    for parameter in layer.parameters():
        parameter.grad = torch.randn_like(parameter)
    assert kernel.grad is not None
    kernel.grad[8:16] *= 1e-3  # the second gate's
    Muon(layer, lr=0.1).step()
    change = (kernel.detach() - before).view(gates, 8, -1)
    # N columns and 8 rows whose singular values are about one: sqrt(8 / (8 N)), which the scale's sqrt(N) undoes.
    assert torch.allclose(change.square().mean(dim=(1, 2)).sqrt(), torch.full((gates,), 0.1 * RMS), rtol=0.25)


def test_biases_norms_peepholes_and_kernels_of_one_channel_follow_adam() -> None:
    torch.manual_seed(0)
    ours = StackedConvLSTM(1, (4, 4), norm="layer", peepholes=True)
    theirs = copy.deepcopy(ours)
    adam = torch.optim.Adam(theirs.parameters(), lr=ADAM_SHARE * 1e-2)
    muon = Muon(ours, lr=1e-2)
    for _ in range(3):
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad
        muon.step()
        adam.step()
    for name, mine in ours.named_parameters():
        same = torch.allclose(mine, theirs.get_parameter(name), atol=1e-6)
        assert same == (mine.ndim < 2 or min(mine.shape[:2]) == 1 or name.endswith("peephole")), name


def test_it_goes_on_from_its_saved_state() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 1, 3))
    gradients = [[torch.randn_like(p) for p in model.parameters()] for _ in range(4)]

    def train(model: nn.Module, optimizer: Muon, some: list[list[Tensor]]) -> None:
        for step in some:
            for parameter, gradient in zip(model.parameters(), step, strict=True):
                parameter.grad = gradient
            optimizer.step()

    whole = copy.deepcopy(model)
    train(whole, Muon(whole), gradients)
    first = Muon(model)
    train(model, first, gradients[:2])
    second = Muon(model)
    second.load_state_dict(first.state_dict())
    train(model, second, gradients[2:])
    for a, b in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_it_is_an_option_and_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = StackedConvLSTM(1, (4,), norm="layer")
    optimizer = make_optimizer(model, TrainingConfig(optimizer="muon", learning_rate=2e-2))
    assert isinstance(optimizer, Muon)
    x, target = torch.rand(2, 5, 1, 8, 8), torch.rand(2, 5, 1, 8, 8).round()
    losses = []
    for _ in range(20):
        loss = nn.functional.binary_cross_entropy_with_logits(model.logits(x)[0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


def test_a_closure_is_called_with_gradients_on_and_its_loss_returned() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    optimizer = Muon(model)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model(torch.ones(1, 3)).square().sum()
        loss.backward()
        return loss.detach()

    losses = [float(optimizer.step(closure)) for _ in range(10)]
    assert losses == sorted(losses, reverse=True)
