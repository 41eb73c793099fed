"""Networks of one's own: any `torch.nn.Module` as a `Network`, if its `forward` is one of two.

    forward(past)           a past (B, T, C, H, W) to the frames that follow it (B, K, C, H, W): a block, of any K
    forward(frame, state)   a frame (B, C, H, W) and a state to the next frame (B, C, H, W) and the state after it; the
                            state is None before the first frame, and tensors in any nesting after it

Frames come in the model's range, gaps as 0; static fields and a mask follow the channels of each (C + S). What is
returned are logits where the output is a sigmoid; else values, which are added to the last frame where the network is
to forecast the change. Attributes that a module may have:

    past, future    numbers of frames that it is made for
    stride          its frames are filled up to a height and width that are multiples of so many pixels
    config          keyword arguments (of JSON's types) that build it again, where its class takes any

Shapes: B batch, T time, K frames of a block, C channel, S static channel, Q quantile, H height, W width.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from nextframe.errors import ConfigError, ShapeError, first_line
from nextframe.models.blocks import Blocks, filled_up
from nextframe.models.facts import Own
from nextframe.models.layers import activate, repeated
from nextframe.models.network import FromPast, Network, Outputs

_FAILS = (
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    AssertionError,
    NotImplementedError,
)
"""Errors of a module that is given frames, or arguments, which it was not made for."""
_FASTER = 10.0
"""Rate at which a forecast of the change comes in, over that of other weights."""


class OwnBlocks(Blocks):
    """A module from past to future as a network of blocks; further arguments are those of `Outputs`. Of a residual
    forecast the share of what the module says is learnt, from 0 on, so that an untrained one forecasts persistence.

    Args:
        module: a past (B, P, C + S, H, W) to logits (B, K, Q C, H, W).
        in_channels: channels C of the frames.
        past: frames P that it reads.
        future: frames K that it returns.
        stride: pixels of which the heights and widths that it takes are multiples.
    """

    def __init__(
        self,
        module: nn.Module,
        in_channels: int = 1,
        *,
        past: int,
        future: int,
        stride: int = 1,
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, **outputs)
        self.module, self.past, self.future, self.stride = module, past, future, stride
        self.share = nn.Parameter(torch.zeros(())) if self.residual else None

    def whole_block(self, frames: Tensor) -> Tensor:
        said: Tensor = self.module(frames)
        return _changed(said, frames[:, -1:], self, self.share)


class OwnSteps(FromPast):
    """A module of steps as a network; arguments as of `OwnBlocks`.

    Args:
        module: a frame (B, C + S, H, W) and a state to logits (B, Q C, H, W) and a state.
        in_channels: channels C of the frames.
        stride: pixels of which the heights and widths that it takes are multiples.
    """

    def __init__(self, module: nn.Module, in_channels: int = 1, *, stride: int = 1, **outputs: Unpack[Outputs]) -> None:
        super().__init__(in_channels, **outputs)
        self.module, self.stride = module, stride
        self.share = nn.Parameter(torch.zeros(())) if self.residual else None

    @property
    def streams(self) -> bool:
        return True

    def forward(
        self, past: Tensor, future: Tensor | None = None, *, lead_times: int = 1, feedback: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Forecast the frames that follow the past (B, T, C + S, H, W), given the true ones before each where there is
        a future (B, K, C + S, H, W); return (B, K, Q C, H, W) and the state to go on from.
        """
        logits, state = self.logits(past, future, lead_times=lead_times, feedback=feedback)
        return activate(logits, self.output), state

    def logits(
        self, past: Tensor, future: Tensor | None = None, *, lead_times: int = 1, feedback: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """`forward` without the output's activation, for losses that take logits."""
        said, state = self._begin(past)
        outputs = [said]
        for k in range(1, lead_times if future is None else future.shape[1]):
            frame = self.shown(said[:, None], past[:, -1:])[:, 0] if future is None else future[:, k - 1]
            said, state = self.one(frame, state)
            outputs.append(said)
        return torch.stack(outputs, dim=1), state

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        said, state = self._begin(past)
        return activate(said, self.output), state

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        said, state = self.one(frame, state)
        return activate(said, self.output), state

    def _begin(self, past: Tensor) -> tuple[Tensor, Any]:
        frames = past.unbind(1)
        said, state = self.one(frames[0], None)
        for frame in frames[1:]:
            said, state = self.one(frame, state)
        return said, state

    def one(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits (B, Q C, H, W) of the frame after (B, C + S, H, W), and the state after it."""
        height, width = frame.shape[-2:]
        logits, state = self.whole(filled_up(frame, self.stride), state)
        return logits[..., :height, :width], state

    def whole(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """`one` of a frame whose height and width are multiples of `stride`."""
        said, state = self.module(frame, state)
        return _changed(said, frame, self, self.share), state


def _changed(said: Tensor, last: Tensor, network: Network, share: Tensor | None) -> Tensor:
    """Logits of what a module has said: of a residual, added to the last frame."""
    if share is None:
        return said
    return repeated(last[..., : network.in_channels, :, :], network.quantiles) + _FASTER * share * said


def home_of(module: object) -> str:
    """Place from which the class of a module is imported, "package.file:Class".

    Raises:
        ConfigError: no module of torch, or a network that has a name.
    """
    if not isinstance(module, nn.Module):
        raise ConfigError(
            "is no network",
            where="model",
            expected="name of an architecture, or a torch.nn.Module",
            received=type(module).__name__,
            hint="build the class, and give what it makes" if isinstance(module, type) else None,
        )
    if isinstance(module, Network):
        raise ConfigError(
            "is a network of an architecture",
            where="model",
            received=type(module).__name__,
            hint="name the architecture, and its sizes as options: model='stacked', filters=(24, 24)",
        )
    return f"{type(module).__module__}:{type(module).__qualname__}"


def class_of(home: str) -> type[nn.Module]:
    """The class of a module by where it is imported from.

    Raises:
        ConfigError: no such class, or one that is no module of torch.
    """
    name, _, qualified = home.partition(":")
    hint = "load the run with an instance of it: load_run(run, module=…)"
    try:
        kind = attrgetter(qualified)(import_module(name))
    except (ImportError, AttributeError, ValueError) as error:
        of_a_session = "<locals>" in qualified or name == "__main__"
        if of_a_session:
            hint = f"put it into a file that can be imported, or {hint}"
        elif isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
            # A command does not look into the folder that it is called in.
            hint = f"put the folder that {error.name} is in on PYTHONPATH, or {hint}"
        raise ConfigError(
            "was made in a script, a function or a notebook" if of_a_session else "cannot be imported",
            where=f"the class {home} of the network",
            received=None if of_a_session else first_line(error),
            hint=hint,
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)) or issubclass(kind, Network):
        raise ConfigError("is no torch.nn.Module of your own", where=f"the class {home} of the network")
    return kind


def built(home: str, arguments: Mapping[str, Any] | None) -> nn.Module:
    """A module of a class, with new weights.

    Raises:
        ConfigError: a class that cannot be imported, or not be built by these arguments.
    """
    kind = class_of(home)
    why = "it was trained as an instance that its `config` did not build"
    if arguments is not None:
        try:
            return kind(**arguments)
        except _FAILS as error:
            why = first_line(error)
    raise ConfigError(
        "cannot be built again",
        where=f"the class {home} of the network",
        received=why,
        hint="keep its keyword arguments in its attribute `config`, or load the run with an instance: "
        "load_run(run, module=…)",
    )


def arguments_of(module: nn.Module) -> dict[str, Any] | None:
    """Keyword arguments that build a module again, those of its `config`; None where they do not."""
    config = getattr(module, "config", None)
    try:
        arguments = json.loads(json.dumps(dict(config) if isinstance(config, Mapping) else {}))
        with torch.random.fork_rng(devices=[]):
            twin = built(home_of(module), arguments)
    except (ConfigError, TypeError, ValueError):
        return None
    return arguments if type(twin) is type(module) and shapes(twin) == shapes(module) else None


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of a module's weights, by name."""
    return {name: tuple(getattr(tensor, "shape", ())) for name, tensor in module.state_dict().items()}


def facts_of(
    module: nn.Module,
    *,
    past: int,
    channels: int,
    further: int,
    quantiles: int,
    size: tuple[int, int],
) -> Own:
    """Facts of a module, which is tried on two pasts of random numbers.

    Args:
        module: the module.
        past: frames P of a past.
        channels: channels C of a frame.
        further: channels S of static fields and a mask.
        quantiles: quantiles Q of each value that it is to forecast.
        size: height and width of the frames.

    Raises:
        ConfigError: nothing to train, weights that are no tensors, or an attribute that is no number of pixels.
        ShapeError: frames that it does not take, or other outputs than the contract has.
    """
    where = type(module).__name__
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ConfigError("has nothing to train: none of its parameters takes a gradient", where=where)
    odd = [name for name, value in module.state_dict().items() if not isinstance(value, Tensor)]
    if odd:
        raise ConfigError("has a state that is no tensor", where=where, received=odd[0], hint="keep it in `config`")
    stride = getattr(module, "stride", 1)
    if not isinstance(stride, int) or stride < 1:
        raise ConfigError("is no number of pixels", where=f"{where}.stride", received=stride)
    height, width = (side + -side % stride for side in size)
    steps = takes_state(module)
    device = next(module.parameters()).device
    frames = torch.rand(2, past, channels + further, height, width, generator=torch.Generator().manual_seed(0))
    given = frames[:, 0] if steps else frames
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            said = module(given.to(device), None) if steps else module(given.to(device))
    except _FAILS as error:
        raise ShapeError(
            f"fails on {'a frame' if steps else 'a past'} (B, {'' if steps else 'T, '}C, H, W) of "
            f"{' x '.join(map(str, given.shape))} ({first_line(error)})",
            where=where,
            hint="build it for these frames, or choose others with {past} and {crop}",
        ) from error
    finally:
        for part, mode in modes.items():
            part.training = mode
    if steps:
        if not isinstance(said, tuple) or len(said) != 2:
            raise ShapeError("does not return a frame and a state", where=where, received=type(said).__name__)
        said = said[0]
    expected = (2, quantiles * channels, height, width) if steps else (2, "K", quantiles * channels, height, width)
    received = tuple(said.shape) if isinstance(said, Tensor) else ()
    fits = len(received) == len(expected) and all(e in ("K", r) for e, r in zip(expected, received, strict=True))
    if not fits or 0 in received:
        what = "the next frame (B, C, H, W)" if steps else "the frames (B, K, C, H, W) that follow a past"
        raise ShapeError(
            f"does not return {what}",
            where=where,
            expected=expected,
            received=received or type(said).__name__,
            hint=f"it was given {tuple(given.shape)}",
        )
    return Own(frames=0 if steps else received[1], stride=stride, arguments=arguments_of(module))


def takes_state(module: nn.Module) -> bool:
    """True for a network of steps, whose `forward` takes a frame and a `state`."""
    return "state" in inspect.signature(module.forward).parameters


def wrapped(module: nn.Module, own: Own, channels: int, *, past: int, **outputs: Unpack[Outputs]) -> Network:
    """A copy of a module, as a network.

    Args:
        module: the module.
        own: its facts.
        channels: channels C of a frame.
        past: frames of a past.
        **outputs: see `Outputs`.
    """
    twin = copy.deepcopy(module).cpu().float()
    if not own.frames:
        return OwnSteps(twin, channels, stride=own.stride, **outputs)
    return OwnBlocks(twin, channels, past=past, future=own.frames, stride=own.stride, **outputs)
