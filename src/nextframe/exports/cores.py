"""Cores of step graphs: each kind of network as one step from frame and states to forecast and states.

A core's states are plain maps, all zeros before the first frame, where a network's `begin` and `step` make their own.
It computes by PyTorch's operations alone, with nothing that depends on a batch or a grid, so that it can be traced:
`shape[2]` is followed by a tracer, where a slice of shapes becomes a constant, and so do zeros and ones like a tensor.

Shapes: N batch, C channel, S static channel, F features, Q quantile, H height, W width, p pixels to a value of a state.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils import _pytree as pytree

from nextframe.config import OutputActivation
from nextframe.errors import ConfigError
from nextframe.models.blocks import Blocks
from nextframe.models.causal_stack import CausalStack
from nextframe.models.channelwise import Channelwise
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState
from nextframe.models.encoder_decoder import EncoderDecoder, LayerStates
from nextframe.models.layers import repeated
from nextframe.models.network import Network
from nextframe.models.own import OwnSteps
from nextframe.models.patches import Patched

_PROBE = 96  # height and width that tell how coarse a state is; divisible by what networks halve


@dataclass(frozen=True, kw_only=True)
class State:
    """A state of a step graph: (N, channels, ceil(H / pixels), ceil(W / pixels)), zeros before the first frame."""

    channels: int
    """Maps of it."""
    pixels: int = 1
    """Pixels p of the frame, along either axis, that one value stands for."""
    holds: str
    """Content, in words."""

    def shape(self, batch: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Its shape for frames (batch, C, height, width)."""
        return (batch, self.channels, -(-height // self.pixels), -(-width // self.pixels))


Step = tuple[Tensor, list[Tensor]]


class Core(nn.Module):
    """One step of a network.

    Its `forward` takes a frame (N, C + S, H, W) in the model's range; `fed` (N, 1, 1, 1), True where this frame is the
    forecast of the step before; and the states. It returns the forecast (N, Q C, H, W) and the states after it.
    """

    states: tuple[State, ...]
    told_of_feedback: bool = False
    """True where it asks whether a frame is its own forecast."""


class CausalCore(Core):
    """A recurrence with `TemporalReadout` on top.

    The readout's memory are sums in place of features: each frame's features are convolved once, with the kernel's
    three slices in time, and what later outputs need of the results is kept.
    """

    def __init__(self, network: CausalStack) -> None:
        super().__init__()
        self.network, weight = network, network.readout.weight
        self.outputs = weight.shape[0]
        channels = network.in_channels + network.static_channels
        with torch.no_grad():
            _, layers = network.read(torch.zeros(1, 1, channels, _PROBE, _PROBE), None)
        leaves, self.structure = pytree.tree_flatten(layers)
        sums = self.outputs if network.readout.sees_next else 2 * self.outputs
        self.states = (
            *(
                State(channels=leaf.shape[1], pixels=_PROBE // leaf.shape[2], holds="memory of the recurrence")
                for leaf in leaves
            ),
            State(channels=sums, holds="what the readout has of the frames before"),
        )

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        network, before = self.network, states[-1]
        layers = pytree.tree_unflatten(list(states[:-1]), self.structure)
        features, layers = network.read(frame[None], layers)
        kernels = network.readout.weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # rows: time slice, then output
        first, second, third = conv2d(features[0], kernels, padding=1).split(self.outputs, dim=1)
        bias = network.readout.bias.view(-1, 1, 1)
        if network.readout.sees_next:  # the last output of a movie, with nothing after it
            logits, after = before + second + bias, first
        else:
            next_but_one, following = before.split(self.outputs, dim=1)
            logits, after = next_but_one + third + bias, torch.cat([following + second, first], dim=1)
        if network.residual:
            logits = logits + repeated(frame[:, : network.in_channels], network.quantiles)
        return activated(logits, network.output), [*pytree.tree_leaves(layers), after]


class DecoderCore(Core):
    """The decoder of an encoder-decoder."""

    def __init__(self, network: EncoderDecoder) -> None:
        super().__init__()
        self.network = network
        self.states = tuple(
            State(channels=layer.filters, holds=f"{kind} of layer {n}")
            for n, layer in enumerate(network.decoder, start=1)
            for kind in ("hidden state", "cell state")
            if isinstance(layer, ConvLSTM2d)
        )

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        logits, after = self.network.logits_of_step(frame, _pairs(states))
        return activated(logits, self.network.output), pytree.tree_leaves(after)


class EncoderCore(DecoderCore):
    """The encoder of an encoder-decoder, whose states are the decoder's; it forecasts nothing."""

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        return frame, pytree.tree_leaves(self.network.encode_one(frame, _pairs(states)))


def _pairs(states: Sequence[Tensor]) -> LayerStates:
    """Hidden and cell state of each layer."""
    return tuple(ConvLSTMState(*pair) for pair in zip(states[::2], states[1::2], strict=True))


class BlockCore(Core):
    """`Blocks`: a block of frames is forecast from true ones, or when the last block has been handed out.

    A frame that is fed back gets the next one of the block; any other begins a new block.
    """

    told_of_feedback = True

    def __init__(self, network: Blocks) -> None:
        super().__init__()
        self.network = network
        self.read = network.in_channels + network.static_channels
        self.outputs = network.quantiles * network.in_channels
        self.states = (
            State(channels=network.past * self.read, holds=f"the last {network.past} frames, in the model's range"),
            State(channels=network.future * self.outputs, holds="forecasts that were not handed out yet"),
            State(channels=2, holds="1 after the first frame; how many forecasts are not handed out yet"),
        )

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        network = self.network
        recent, ahead, counts = states
        begun, left = counts[:, :1], counts[:, 1:]
        frames = torch.cat([recent[:, self.read :], frame], dim=1)
        frames = torch.where(begun > 0, frames, frame.repeat(1, network.past, 1, 1))
        height, width = frame.shape[2], frame.shape[3]
        movie = filled(frames, network.stride).unflatten(1, (network.past, self.read))
        block = activated(network.whole_block(movie), network.output).flatten(1, 2)[..., :height, :width]
        anew = torch.logical_or(torch.logical_not(fed), left < 0.5)
        handed = torch.where(anew, block, ahead)
        output = handed[:, : self.outputs]
        ahead = torch.cat([handed[:, self.outputs :], output.clamp(0, 0)], dim=1)
        left = torch.where(anew, network.future - 1.0, left - 1)
        return output, [frames, ahead, torch.cat([begun.clamp(1, 1), left], dim=1)]


class OwnCore(Core):
    """A network of steps of the user's, whose states are maps that may as well be zeros before the first frame.

    Raises:
        ConfigError: states of another kind, or whose zeros mean something else than none.
    """

    def __init__(self, network: OwnSteps) -> None:
        super().__init__()
        self.network = network
        generator = torch.Generator().manual_seed(0)
        channels = network.in_channels + network.static_channels
        frame = torch.rand(1, channels, _PROBE, _PROBE, generator=generator)
        with torch.no_grad():
            first, state = network.whole(frame, None)
            leaves, self.structure = pytree.tree_flatten(state)
            if not leaves or not all(map(_is_map, leaves)):
                raise self._error("its states are no maps (B, channels, H / p, W / p)")
            zeros = pytree.tree_unflatten([torch.zeros_like(leaf) for leaf in leaves], self.structure)
            again, after = network.whole(frame, zeros)
        pairs = zip([first, *leaves], [again, *pytree.tree_leaves(after)], strict=True)
        if any(not torch.allclose(one, other, atol=1e-5) for one, other in pairs):
            raise self._error("a state of zeros means something else to it than none")
        self.states = tuple(
            State(channels=leaf.shape[1], pixels=_PROBE // leaf.shape[2], holds="memory of the network")
            for leaf in leaves
        )

    def _error(self, why: str) -> ConfigError:
        where = type(self.network.module).__name__
        return ConfigError(f"cannot be exported: {why}", where=where, hint="see docs/own-network.md")

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        network, (height, width) = self.network, frame.shape[2:]
        state = pytree.tree_unflatten(list(states), self.structure)
        logits, state = network.whole(filled(frame, network.stride), state)
        return activated(logits[..., :height, :width], network.output), pytree.tree_leaves(state)


def _is_map(leaf: object) -> bool:
    """True for a tensor of a value for every p x p pixels of the probe."""
    return (
        isinstance(leaf, Tensor)
        and leaf.ndim == 4
        and leaf.shape[0] == 1
        and leaf.shape[2] == leaf.shape[3]
        and leaf.shape[2] > 0
        and _PROBE % leaf.shape[2] == 0
    )


class PatchedCore(Core):
    """A core of patches of p x p pixels in place of pixels."""

    def __init__(self, inner: Core, patch: int) -> None:
        super().__init__()
        self.inner, self.patch = inner, patch
        self.told_of_feedback = inner.told_of_feedback
        self.states = tuple(
            State(channels=state.channels, pixels=state.pixels * patch, holds=state.holds) for state in inner.states
        )

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        p, (batch, channels, height, width) = self.patch, frame.shape
        whole = filled(frame, p)
        down, across = whole.shape[2] // p, whole.shape[3] // p
        cut = whole.reshape(batch, channels, down, p, across, p).permute(0, 1, 3, 5, 2, 4)
        patches, after = self.inner(cut.reshape(batch, channels * p * p, down, across), fed, states)
        apart = patches.reshape(batch, -1, p, p, down, across).permute(0, 1, 4, 2, 5, 3)
        return apart.reshape(batch, -1, down * p, across * p)[..., :height, :width], after


class ChannelwiseCore(Core):
    """A core of one channel, for each of a frame's; what it holds of each stands one after the other."""

    def __init__(self, inner: Core, channels: int) -> None:
        super().__init__()
        self.inner, self.channels = inner, channels
        self.told_of_feedback = inner.told_of_feedback
        self.states = tuple(
            State(channels=channels * state.channels, pixels=state.pixels, holds=f"{state.holds}, of each channel")
            for state in inner.states
        )

    def forward(self, frame: Tensor, fed: Tensor, states: Sequence[Tensor]) -> Step:
        """See `Core`."""
        apart = [_regrouped(state, own.channels) for state, own in zip(states, self.inner.states, strict=True)]
        outputs, after = self.inner(_regrouped(frame, 1), _regrouped(fed.repeat(1, self.channels, 1, 1), 1), apart)
        size = (outputs.shape[1], outputs.shape[2], outputs.shape[3])
        together = outputs.reshape(-1, self.channels, *size).transpose(1, 2)  # quantile after quantile
        return (
            _regrouped(together, self.channels * size[0]),
            [_regrouped(state, own.channels) for state, own in zip(after, self.states, strict=True)],
        )


def _regrouped(maps: Tensor, channels: int) -> Tensor:
    """Maps (N, ..., H, W) as (N', channels, H, W)."""
    return maps.reshape(-1, channels, maps.shape[-2], maps.shape[-1])


def activated(logits: Tensor, output: OutputActivation) -> Tensor:
    """`nextframe.models.layers.activate`, as exact next to 0 as elsewhere.

    ONNX Runtime computes a sigmoid as 0.5 and something more, in steps of 6e-8. That is enough for gates, but whether
    a value of about nothing is within an interval of about nothing is decided by less.
    """
    return torch.reciprocal(1 + torch.exp(-logits)) if output == "sigmoid" else logits


def filled(frames: Tensor, stride: int) -> Tensor:
    """Frames (N, C, H, W) filled up at the bottom and on the right with their last row and column, to a height and a
    width that are multiples of `stride`.
    """
    for axis in (-2, -1) if stride > 1 else ():
        size = frames.shape[axis]
        rows = torch.arange((size + stride - 1) // stride * stride, device=frames.device)
        frames = frames.index_select(axis, rows.clamp(max=size - 1))
    return frames


def plain(network: Network) -> Network:
    """A copy of a network that computes by PyTorch's operations alone, as its equations are written."""
    twin = copy.deepcopy(network).eval().float()
    for layer in twin.modules():
        if isinstance(layer, ConvLSTM2d):
            layer.scan = layer.scan_by_the_equations  # type: ignore[method-assign]
    return twin.requires_grad_(False)


def core_of(network: Network, *, encoder: bool = False) -> Core:
    """The core of a network: of its only step, or of the encoder's where there is one.

    Raises:
        ConfigError: a kind of network that has no step with states of fixed shapes.
    """
    if isinstance(network, Channelwise):
        return ChannelwiseCore(core_of(network.inner, encoder=encoder), network.in_channels)
    if isinstance(network, Patched):
        return PatchedCore(core_of(network.inner, encoder=encoder), network.patch)
    if isinstance(network, EncoderDecoder):
        return EncoderCore(network) if encoder else DecoderCore(network)
    if isinstance(network, CausalStack):
        return CausalCore(network)
    if isinstance(network, Blocks):
        return BlockCore(network)
    if isinstance(network, OwnSteps):
        return OwnCore(network)
    raise ConfigError(
        "cannot be exported: no step of it is known whose states have shapes known beforehand",
        where=type(network).__name__,
        hint="build it on CausalStack, or as a network of your own (docs/own-network.md)",
    )


def reads_with_encoder(network: Network) -> bool:
    """True for networks that read the past with another part than the one that forecasts."""
    while isinstance(network, (Channelwise, Patched)):
        network = network.inner
    return isinstance(network, EncoderDecoder)
