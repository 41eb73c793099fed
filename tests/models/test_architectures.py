"""The other recurrent architectures: cells against their equations, and the contract that all of them share."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

import nextframe
from nextframe.config import ModelConfig, RunConfig
from nextframe.errors import ConfigError, ShapeError
from nextframe.models.build import build_model
from nextframe.models.causality import check_causal
from nextframe.models.convgru import ConvGRU2d
from nextframe.models.multiscale import MultiscaleConvLSTM
from nextframe.models.network import Network
from nextframe.models.patches import Patched
from nextframe.models.predrnn import PredRNN, STLSTMCell
from nextframe.models.rollout import rollout
from nextframe.models.simvp import SimVP
from nextframe.models.trajgru import TrajGRU2d
from nextframe.runs.folder import load_model
from nextframe.runs.metrics import read_metrics
from nextframe.training.presets import preset_config

KINDS = ("convgru", "trajgru", "predrnn", "multiscale")


ALL = (*KINDS, "simvp")


def small(kind: Any, channels: int = 1, static: int = 0, **options: Any) -> Network:
    torch.manual_seed(0)
    return build_model(ModelConfig(model=kind, filters=(4, 4, 4), norm="layer", **options), channels, static)


def same(x: Tensor, weight: Tensor) -> Tensor:
    return conv2d(x, weight, padding=weight.shape[-1] // 2)


def gated(x: Tensor, terms: list[Tensor], hidden: Tensor) -> Tensor:
    """Equations of the GRU for one frame, from what input (with biases) and state add to Z, R and H'."""
    filters = hidden.shape[1]
    from_x = [x[:, n * filters : (n + 1) * filters] for n in range(3)]
    z = 1 / (1 + torch.exp(-from_x[0] - terms[0]))
    r = 1 / (1 + torch.exp(-from_x[1] - terms[1]))
    candidate = from_x[2] + r * terms[2]
    candidate = torch.where(candidate > 0, candidate, 0.2 * candidate)
    return (1 - z) * candidate + z * hidden


def test_convgru_is_its_equations() -> None:
    torch.manual_seed(1)
    layer = ConvGRU2d(2, 3).double()
    frames = torch.randn(4, 2, 2, 5, 6, dtype=torch.float64)
    hidden = torch.zeros(2, 3, 5, 6, dtype=torch.float64)
    expected = []
    for frame in frames:
        x = same(frame, layer.weight_x) + layer.bias.view(-1, 1, 1)
        hidden = gated(x, [same(hidden, w) for w in layer.weight_h.split(3)], hidden)
        expected.append(hidden)
    outputs, last = layer.scan(frames)
    torch.testing.assert_close(outputs, torch.stack(expected))
    torch.testing.assert_close(last, expected[-1])


def bilinear(image: Tensor, flow: Tensor) -> Tensor:
    """The paper's double sum over all pixels: one image (F, H, W) seen along one flow (2, H, W)."""
    height, width = image.shape[-2:]
    warped = torch.zeros_like(image)
    for i in range(height):
        for j in range(width):
            for m in range(height):
                for n in range(width):
                    weight_y = max(0.0, 1 - abs(i + float(flow[1, i, j]) - m))
                    weight_x = max(0.0, 1 - abs(j + float(flow[0, i, j]) - n))
                    warped[:, i, j] += image[:, m, n] * weight_y * weight_x
    return warped


@torch.no_grad()
def test_trajgru_is_its_equations() -> None:
    torch.manual_seed(2)
    layer = TrajGRU2d(2, 3, links=2).double()
    layer.flow.weight.mul_(8)  # flows of several pixels, some of them out of the frame
    frames = torch.randn(3, 1, 2, 5, 6, dtype=torch.float64)
    hidden = torch.zeros(1, 3, 5, 6, dtype=torch.float64)
    expected, largest = [], 0.0
    for frame in frames:
        x = same(frame, layer.weight_x) + layer.bias.view(-1, 1, 1)
        features = layer.flow_x(frame) + layer.flow_h(hidden)
        flow = layer.flow(torch.where(features > 0, features, 0.2 * features))
        largest = max(largest, float(flow.abs().max()))
        terms = [torch.zeros_like(hidden) for _ in range(3)]
        for link in range(2):
            seen = bilinear(hidden[0], flow[0, 2 * link : 2 * link + 2])[None]
            for n in range(3):
                weight = layer.weight_h[3 * n : 3 * n + 3, 3 * link : 3 * link + 3]
                terms[n] = terms[n] + conv2d(seen, weight)
        hidden = gated(x, terms, hidden)
        expected.append(hidden)
    assert largest > 1
    torch.testing.assert_close(layer.scan(frames)[0], torch.stack(expected))


def st_lstm(layer: STLSTMCell, x: Tensor, h: Tensor, c: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Equations of the ST-LSTM for one frame."""
    filters = h.shape[1]
    assert layer.from_input.bias is not None
    w_x, b = layer.from_input.weight.split(filters), layer.from_input.bias.split(filters)
    w_h, w_m = layer.from_hidden.weight.split(filters), layer.from_memory.weight.split(filters)
    from_x = [same(x, w) + bias.view(-1, 1, 1) for w, bias in zip(w_x, b, strict=True)]
    i, f, g = (from_x[n] + same(h, w_h[n]) for n in range(3))
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    i, f, g = (from_x[n + 3] + same(m, w_m[n]) for n in range(3))
    m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
    w_co, w_mo = layer.from_memories.weight.split(filters, dim=1)
    o = torch.sigmoid(from_x[6] + same(h, w_h[3]) + same(c, w_co) + same(m, w_mo))
    w_c, w_m1 = layer.mixed.weight.split(filters, dim=1)
    return o * torch.tanh(conv2d(c, w_c) + conv2d(m, w_m1)), c, m


def test_predrnn_is_its_equations_and_its_memory_zigzags() -> None:
    torch.manual_seed(3)
    model = PredRNN(2, (3, 3), norm="none").double()
    frames = torch.randn(3, 2, 2, 5, 6, dtype=torch.float64)
    m = torch.zeros(2, 3, 5, 6, dtype=torch.float64)
    states = [(m, m), (m, m)]
    expected = []
    for frame in frames:
        x = frame
        for n, layer in enumerate(model.layers):
            assert isinstance(layer, STLSTMCell)
            x, c, m = st_lstm(layer, x, *states[n], m)
            states[n] = x, c
        expected.append(x)
    torch.testing.assert_close(model.read(frames, None)[0], torch.stack(expected))


def test_multiscale_moves_with_its_frames_by_whole_coarse_pixels() -> None:
    model = small("multiscale").eval()
    assert isinstance(model, MultiscaleConvLSTM)
    frames = torch.zeros(1, 2, 1, 64, 64)
    frames[..., 28:34, 26:35] = torch.rand(6, 9)
    moved = frames.roll((model.stride, -model.stride), dims=(-2, -1))
    first, second = model(frames)[0], model(moved)[0].roll((-model.stride, model.stride), dims=(-2, -1))
    inner = slice(28, 36)  # where no border is seen
    torch.testing.assert_close(first[..., inner, inner], second[..., inner, inner], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_streaming_is_reading_at_once_at_any_size(kind: str) -> None:
    model = small(kind, channels=2, static=1).eval()
    frames = torch.rand(2, 6, 3, 9, 7)
    with torch.inference_mode():
        whole, _ = model(frames)
        output, state = model.begin(frames[:, :3])
        outputs = [output]
        for t in range(3, 6):
            output, state = model.step(frames[:, t], state)
            outputs.append(output)
    assert whole.shape == (2, 6, 2, 9, 7)
    torch.testing.assert_close(torch.stack(outputs, dim=1), whole[:, 2:], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_no_output_sees_a_later_frame(kind: str) -> None:
    assert check_causal(small(kind)).is_causal


@pytest.mark.parametrize("kind", ALL)
def test_gradients_reach_every_parameter(kind: str) -> None:
    model = small(kind)
    model.logits(torch.rand(2, 4, 1, 8, 8), **({} if model.task == "one-step" else {"lead_times": 3}))[
        0
    ].square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize("kind", ALL)
def test_quantiles_residual_and_rollout(kind: str) -> None:
    model = small(kind, quantiles=3, residual=True, output="linear").eval()
    past = torch.rand(2, 3, 1, 8, 8)
    assert model(past, **({} if model.task == "one-step" else {"lead_times": 3}))[0].shape == (2, 3, 3, 8, 8)
    with torch.inference_mode():
        forecast = rollout(model, past, 4)
    torch.testing.assert_close(forecast, past[:, -1:].expand(-1, 4, -1, -1, -1))  # untrained, it is persistence


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_it_is_trained_saved_and_loaded(kind: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "data": "squares:movies=20",
        "epochs": 3,
        "batch_size": 4,
        "filters": (6, 6),
        "accelerator": "cpu",
    }
    nextframe.fit(model=kind, out=tmp_path / "run", progress=False, **options)
    rows = read_metrics(tmp_path / "run")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    model, card = load_model(tmp_path / "run")
    assert card.config.model.model == kind
    lead_times = {} if model.task == "one-step" else {"lead_times": 2}
    assert model(torch.rand(1, 2, 1, 9, 11), **lead_times)[0].shape == (1, 2, 1, 9, 11)


@pytest.mark.parametrize("kind", ALL)
def test_the_preset_has_about_the_stacks_parameters(kind: Any) -> None:
    count = sum(p.numel() for p in build_model(preset_config(kind).model, 1).parameters())
    assert 260_000 < count < 320_000


@pytest.mark.parametrize("kind", ALL)
def test_what_it_does_not_have_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigError, match="peepholes"):
        small(kind, peepholes=True)
    with pytest.raises(ConfigError, match="tutorial"):
        preset_config(kind, "tutorial")
    with pytest.raises(ShapeError, match="channels"):
        small(kind)(torch.rand(1, 2, 3, 8, 8))


def test_options_of_some_architectures_are_refused() -> None:
    with pytest.raises(ConfigError, match="differ"):
        PredRNN(1, (4, 5))
    with pytest.raises(ConfigError, match="batch"):
        PredRNN(1, (4, 4), norm="batch")
    with pytest.raises(ConfigError, match="links"):
        TrajGRU2d(1, 4, links=0)
    with pytest.raises(ConfigError, match="recompute"):
        RunConfig().replace({"model": "convgru", "recompute": 2})


def simvp(past: int = 3, future: int = 4, **options: Any) -> SimVP:
    torch.manual_seed(0)
    return SimVP(2, (4, 4), past=past, future=future, static_channels=1, **options).eval()


@pytest.mark.parametrize("lead_times", [1, 3, 4, 5, 11])
@pytest.mark.parametrize("seen", [1, 3, 6])
def test_simvp_rolls_out_block_after_block(lead_times: int, seen: int) -> None:
    model, past = simvp(), torch.rand(2, seen, 3, 9, 7)
    with torch.inference_mode():
        at_once, state = model(past, lead_times=lead_times)
        one_by_one = rollout(model, past, lead_times + 6)
        torch.testing.assert_close(at_once, one_by_one[:, :lead_times])
        static = past[:, -1, 2:]
        for n in range(lead_times, lead_times + 6):  # it goes on from its state
            frame, state = model.step(torch.cat([one_by_one[:, n - 1], static], dim=1), state)
            torch.testing.assert_close(frame, one_by_one[:, n])


def test_simvp_reads_the_last_frames_alone() -> None:
    model, past = simvp(), torch.rand(1, 5, 3, 8, 8)
    other = past.clone()
    other[:, :2] = torch.rand(1, 2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(model(past, lead_times=4)[0], model(other, lead_times=4)[0])
        assert not torch.allclose(model(past, lead_times=4)[0], model(other[:, :4], lead_times=4)[0])


def test_simvp_moves_with_its_frames_by_its_stride() -> None:
    torch.manual_seed(0)
    model = SimVP(1, (2,), past=2, future=2).eval()
    frames = torch.zeros(1, 2, 1, 192, 192)
    frames[..., 92:98, 90:99] = torch.rand(6, 9)
    with torch.inference_mode():
        whole = model(frames, lead_times=2)[0]
        moved = model(frames.roll((4, -8), dims=(-2, -1)), lead_times=2)[0].roll((-4, 8), dims=(-2, -1))
    inner = slice(88, 104)  # where no border is seen
    torch.testing.assert_close(whole[..., inner, inner], moved[..., inner, inner], atol=1e-5, rtol=1e-4)
    assert float(whole[..., inner, inner].std()) > 1e-3


@pytest.mark.slow
def test_simvp_is_made_for_the_lengths_of_the_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": "squares:movies=12", "epochs": 1, "batch_size": 4, "filters": (2,), "patch": 2}
    run = nextframe.fit(model="simvp", past=3, future=5, out=tmp_path / "run", progress=False, **options)
    model, _ = load_model(tmp_path / "run")
    assert isinstance(model, Patched)
    assert isinstance(model.inner, SimVP)
    assert (model.inner.past, model.inner.future) == (3, 5)
    movie = nextframe.open_source("squares:movies=1,seed=5").sequences[0]
    whole = run.forecast(movie[:4], lead_times=7).values
    assert whole.shape[-4:] == (7, 1, 40, 40)
    assert run.forecast(movie[:4], lead_times=7, tile=32).values.shape == whole.shape


def test_what_simvp_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="differ"):
        SimVP(1, (4, 8))
    with pytest.raises(ConfigError, match="kernel_size"):
        SimVP(1, (4,), 2)
    with pytest.raises(ConfigError, match=r"scheduled_sampling.*read frames after the past"):
        RunConfig().replace({"model": "simvp", "scheduled_sampling": 0.5})
    with pytest.raises(ConfigError, match=r"rollout_training.*one step at a time"):
        RunConfig().replace({"model": "simvp", "rollout_training": 0.2})
    with pytest.raises(ConfigError, match="recompute"):
        RunConfig().replace({"model": "simvp", "recompute": 2})


@pytest.mark.parametrize("model", ["simvp", "encoder-decoder"])
def test_frames_to_be_seen_are_for_models_that_forecast_at_each_frame(model: str) -> None:
    with pytest.raises(ConfigError, match=r"min_seen.*one step at each frame"):
        RunConfig().replace({"model": model, "min_seen": 2})
    RunConfig().replace({"model": model, "min_seen": 1})
