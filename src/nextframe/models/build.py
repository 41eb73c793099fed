"""From a model's configuration to the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nextframe.config import ModelConfig
from nextframe.errors import ConfigError
from nextframe.models.causal_stack import CausalStack
from nextframe.models.convgru import StackedConvGRU
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.multiscale import MultiscaleConvLSTM
from nextframe.models.network import Network
from nextframe.models.patches import Patched
from nextframe.models.predrnn import PredRNN
from nextframe.models.simvp import SimVP
from nextframe.models.stacked import StackedConvLSTM
from nextframe.models.trajgru import StackedTrajGRU

CAUSAL_STACKS: dict[str, Callable[..., CausalStack]] = {
    "convgru": StackedConvGRU,
    "trajgru": StackedTrajGRU,
    "predrnn": PredRNN,
    "multiscale": MultiscaleConvLSTM,
}


def build_model(
    config: ModelConfig, channels: int, static_channels: int = 0, *, past: int = 7, future: int = 8
) -> Network:
    """The network that `config` describes.

    Args:
        config: what to build.
        channels: channels C of a frame.
        static_channels: channels S that never change.
        past: frames that a forecast starts from; only SimVP is made for a number of them.
        future: frames of a forecast; only SimVP is made for a number of them.

    Raises:
        ConfigError: options that the architecture does not have.
    """
    if config.patch > 1:
        pixels = config.patch**2
        return Patched(_build(config, pixels * channels, pixels * static_channels, past, future), config.patch)
    return _build(config, channels, static_channels, past, future)


def _build(config: ModelConfig, channels: int, static_channels: int, past: int, future: int) -> Network:
    common: dict[str, Any] = {
        "in_channels": channels,
        "filters": config.filters,
        "kernel_size": config.kernel_size,
        "norm": config.norm,
        "output": config.output,
        "residual": config.residual,
        "quantiles": config.quantiles,
        "static_channels": static_channels,
    }
    gates: dict[str, Any] = {"gate_activation": config.gate_activation, "peepholes": config.peepholes}
    if config.model == "stacked":
        return StackedConvLSTM(temporal_padding=config.temporal_padding, **gates, **common)
    if config.model in ("simvp", *CAUSAL_STACKS):
        if config.peepholes or config.gate_activation != "sigmoid" or config.temporal_padding != "causal":
            raise ConfigError(
                "takes no peepholes, sigmoid gates only, and causal padding only",
                where=f"model={config.model!r}",
                received=f"peepholes {config.peepholes}, {config.gate_activation}, {config.temporal_padding}",
                hint="leave these options out, or use model='stacked'",
            )
        if config.model == "simvp":
            return SimVP(past=past, future=future, **common)
        return CAUSAL_STACKS[config.model](**common)
    return EncoderDecoder(**gates, **common)
