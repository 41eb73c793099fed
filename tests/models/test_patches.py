"""Space-to-depth: a model of patches is the inner model on rearranged frames, whatever the size, and nothing else."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from nextframe.config import ModelConfig, RunConfig
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.causality import check_causal
from nextframe.models.convgru import StackedConvGRU
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.network import Network
from nextframe.models.patches import Patched
from nextframe.models.rollout import rollout, rollout_outputs
from nextframe.models.stacked import StackedConvLSTM

F64 = torch.float64


class LastFrame(Network):
    """Persistence, of any number of quantiles; keeps what it was given."""

    task = "one-step"

    def __init__(self, in_channels: int, static_channels: int, quantiles: int) -> None:
        super().__init__(in_channels, output="linear", static_channels=static_channels, quantiles=quantiles)
        self.seen: list[Tensor] = []

    def logits(self, frames: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        self.seen.append(frames)
        return torch.cat([frames[:, :, : self.in_channels] + q for q in range(self.quantiles)], dim=2), state

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        return self.logits(past)[0][:, -1], None

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.logits(frame[:, None])[0][:, -1], state

    def trained_frames(self, past: int, future: int) -> int:
        return past + future - 1

    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        return self.logits(torch.cat([past, future], dim=1)[:, :-1])[0]

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        return self.logits(past[:, -1:])[0].expand(-1, lead_times, -1, -1, -1)


def into_patches(frames: NDArray[Any], p: int) -> NDArray[Any]:
    """Frames (B, T, C, H, W) as patches (B, T, C p p, H/p, W/p), pixel by pixel; edges repeated."""
    b, t, c, h, w = frames.shape
    rows, columns = -(-h // p), -(-w // p)
    found = np.empty((b, t, c * p * p, rows, columns), frames.dtype)
    for channel in range(c):
        for y in range(rows * p):
            for x in range(columns * p):
                place = channel * p * p + (y % p) * p + x % p
                found[:, :, place, y // p, x // p] = frames[:, :, channel, min(y, h - 1), min(x, w - 1)]
    return found


@pytest.mark.slow
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    patch=st.integers(1, 5),
    channels=st.integers(1, 2),
    static=st.integers(0, 2),
    quantiles=st.sampled_from([1, 3]),
)
def test_channels_keep_their_order_at_any_size(
    size: tuple[int, int], patch: int, channels: int, static: int, quantiles: int
) -> None:
    inner = LastFrame(channels * patch**2, static * patch**2, quantiles)
    model = Patched(inner, patch)
    assert (model.in_channels, model.static_channels, model.quantiles) == (channels, static, quantiles)
    frames = torch.rand(2, 3, channels + static, *size)
    output, _ = model(frames)
    np.testing.assert_array_equal(inner.seen[0].numpy(), into_patches(frames.numpy(), patch))
    shown = frames[:, :, :channels]
    torch.testing.assert_close(output, torch.cat([shown + q for q in range(quantiles)], dim=2), rtol=0, atol=0)
    forecast = rollout_outputs(model, frames, 2)
    middle = quantiles // 2  # what is fed back
    for k in range(2):
        expected = torch.cat([shown[:, -1] + k * middle + q for q in range(quantiles)], dim=1)
        torch.testing.assert_close(forecast[:, k], expected)


def made(kind: str, patch: int = 3, channels: int = 2, **options: Any) -> tuple[Network, Network]:
    """A model of patches and its inner model, in float64, as it forecasts."""
    config: Any = {"model": kind, "filters": (4, 3), "norm": "layer", "patch": patch, **options}
    model = build_model(ModelConfig(**config), channels).double().eval()
    assert isinstance(model, Patched)
    return model, model.inner


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
@pytest.mark.parametrize("size", [(9, 12), (10, 13)])
def test_it_is_the_inner_model_on_patches(kind: str, size: tuple[int, int]) -> None:
    model, inner = made(kind)
    movie = torch.rand(2, 6, 2, *size, dtype=F64)
    patches = torch.from_numpy(into_patches(movie.numpy(), 3))
    if kind == "stacked":
        output, expected = model(movie)[0], inner(patches)[0]
    else:
        output, expected = model(movie[:, :4], movie[:, 4:])[0], inner(patches[:, :4], patches[:, 4:])[0]
        own = torch.ones(2, 2, dtype=torch.bool)
        sampled = model(movie[:, :4], movie[:, 4:], feedback=own)[0]
        fed = inner(patches[:, :4], patches[:, 4:], feedback=own)[0]
        torch.testing.assert_close(sampled, torch.nn.functional.pixel_shuffle(fed, 3)[..., : size[0], : size[1]])
        assert not torch.allclose(sampled[:, 1], output[:, 1])
        torch.testing.assert_close(model(movie[:, :4], future=movie[:, 4:])[0], output)
    shape = expected.shape
    there = expected.view(*shape[:2], 2, 3, 3, *shape[-2:]).permute(0, 1, 2, 5, 3, 6, 4)
    there = there.reshape(*shape[:2], 2, 3 * shape[-2], 3 * shape[-1])[..., : size[0], : size[1]]
    torch.testing.assert_close(output, there)


def test_it_goes_on_from_its_state() -> None:
    model, _ = made("stacked")
    movie = torch.rand(1, 7, 2, 10, 8, dtype=F64)
    whole, _ = model(movie)
    first, state = model(movie[:, :4])
    torch.testing.assert_close(torch.cat([first, model(movie[:, 4:], state)[0]], dim=1), whole)
    frame, state = model.begin(movie[:, :6])
    torch.testing.assert_close(frame, whole[:, 5])
    torch.testing.assert_close(model.step(movie[:, 6], state)[0], whole[:, 6])


def test_the_decoder_s_own_frames_are_those_of_a_rollout() -> None:
    model, _ = made("encoder-decoder")
    past = torch.rand(2, 4, 2, 9, 12, dtype=F64)
    torch.testing.assert_close(model(past, lead_times=5)[0], rollout(model, past, 5))


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
def test_a_residual_model_starts_as_persistence(kind: str) -> None:
    model, _ = made(kind, patch=4, output="linear", residual=True, quantiles=3)
    past = torch.randn(2, 3, 2, 10, 7, dtype=F64)
    assert torch.equal(rollout(model, past, 3), past[:, -1:].expand(-1, 3, -1, -1, -1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "causal"),
    [("stacked", {}, True), ("stacked", {"temporal_padding": "same"}, False), ("encoder-decoder", {}, True)],
)
def test_whether_it_sees_its_answer_is_found_out_as_without_patches(
    kind: str, options: dict[str, Any], causal: bool
) -> None:
    model, inner = made(kind, **options)
    found, expected = check_causal(model), check_causal(inner, shape=(1, 6, 18, 4, 4))
    assert found.is_causal is causal
    assert (found.task, found.reads, found.sentence) == (expected.task, expected.reads, expected.sentence)


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
def test_every_parameter_is_trained(kind: str) -> None:
    model, _ = made(kind)
    movie = torch.rand(1, 5, 2, 10, 8, dtype=F64)
    output = model(movie)[0] if kind == "stacked" else model(movie[:, :3], movie[:, 3:])[0]
    output.square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.any(), name


def test_copies_and_low_precision() -> None:
    model, _ = made("stacked")
    past = torch.rand(1, 3, 2, 10, 8, dtype=F64)
    expected = rollout(model, past, 2)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(rollout(twin, past, 2), expected, rtol=0, atol=0)
    low = rollout(model.bfloat16(), past.bfloat16(), 2)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.double(), expected, rtol=0.05, atol=0.05)


def measured_reach(model: Network, past: int, lead_times: int, size: int) -> int:
    """How far the last frame's pixels in the middle reach, by gradient, with weights whose paths do not cancel."""
    model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.1 + 0.3 * torch.rand_like(p))
    frames = torch.rand(1, past, model.in_channels, size, size, dtype=F64, requires_grad=True)
    last = rollout(model, frames, lead_times)[0, -1]
    reached = 0
    middle = size // 2
    for y in range(middle, middle + model.stride):
        (slope,) = torch.autograd.grad(last[:, y].sum(), frames, retain_graph=True)
        rows = slope.abs().amax((0, 1, 2, 4)).nonzero()
        reached = max(reached, y - int(rows.min()), int(rows.max()) - y)
    return reached


@pytest.mark.slow
@pytest.mark.parametrize("past", [1, 3])
@pytest.mark.parametrize("lead_times", [1, 3])
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_the_receptive_field_is_no_larger_than_it_says(past: int, lead_times: int, kernel_size: int, norm: Any) -> None:
    for model in (
        StackedConvLSTM(1, (2, 2), kernel_size, norm=norm, output="linear"),
        StackedConvGRU(1, (2, 2), kernel_size, norm=norm, output="linear"),
        EncoderDecoder(1, (2, 2), kernel_size, norm=norm, output="linear"),
        Patched(EncoderDecoder(4, (2,), kernel_size, norm=norm, output="linear"), 2),
    ):
        reach = model.reach(past, lead_times)
        assert reach is not None
        assert measured_reach(model, past, lead_times, size=2 * reach + 6) == reach


def test_no_bound_is_known_where_a_norm_reads_the_whole_frame() -> None:
    for kind in ("stacked", "convgru", "encoder-decoder"):
        model, _ = made(kind, norm="group")
        assert model.reach(3, 3) is None


def test_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match=r"no whole patches of 2 x 2 pixels.*multiples of 4.*received \(6, 0\)"):
        Patched(StackedConvLSTM(6, (2,)), 2)
    with pytest.raises(ConfigError, match="patch: is too small"):
        Patched(StackedConvLSTM(6, (2,)), 0)
    with pytest.raises(ConfigError, match="patch: is too small"):
        ModelConfig(patch=0)
    with pytest.raises(ConfigError, match=r"train_crop: cannot be cut into whole patches.*patch=5.*received 24"):
        RunConfig().replace({"patch": 5, "train_crop": 24})
    assert RunConfig().replace({"patch": 5, "train_crop": 25}).model.patch == 5


def test_configurations_of_before_have_no_patches() -> None:
    saved = RunConfig().to_dict()
    del saved["model"]["patch"]
    assert RunConfig.from_dict(saved) == RunConfig()
    assert not isinstance(build_model(RunConfig().model, 1), Patched)


@pytest.mark.parametrize("wrap", [{"patch": 2}, {"channelwise": True}, {"patch": 2, "channelwise": True}])
def test_a_network_around_another_says_what_that_one_is(wrap: dict[str, Any]) -> None:
    config = ModelConfig(model="stacked", filters=(2,), norm="none", output="linear", residual=True, quantiles=3)
    plain, around = build_model(config, 1), build_model(replace(config, **wrap), 1)
    assert around.options == plain.options
    assert around.residual
    assert (around.in_channels, around.task, around.streams) == (plain.in_channels, plain.task, plain.streams)
