"""From a model's configuration to the network."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from nextframe.architectures import architecture
from nextframe.config import ModelConfig
from nextframe.errors import ConfigError
from nextframe.models.channelwise import Channelwise
from nextframe.models.network import Network
from nextframe.models.patches import Patched
from nextframe.plugins import Late

_EVERY = ("filters", "kernel_size", "norm", "output", "residual", "quantiles")
"""Options that every architecture takes."""


def build_model(
    config: ModelConfig,
    channels: int,
    static_channels: int = 0,
    *,
    masked: bool = False,
    past: int = 7,
    future: int = 8,
) -> Network:
    """The network that a configuration describes.

    Args:
        config: what to build.
        channels: channels C of a frame.
        static_channels: channels S that never change, and a mask.
        masked: True where the last of these are a mask; see `Outputs`.
        past: frames that a forecast starts from, for architectures that are made for a number of them.
        future: frames of a forecast, likewise.

    Raises:
        ConfigError: options that the architecture does not take, or values that do not go together.
    """
    if config.channelwise:
        if static_channels:
            raise ConfigError("takes neither static fields nor a mask", where="channelwise", hint="leave them out")
        one = build_model(replace(config, channelwise=False), 1, past=past, future=future)
        return Channelwise(one, channels)
    row, pixels = architecture(config.model), config.patch**2
    options: dict[str, Any] = {**asdict(config), "past": past, "future": future}
    if len(config.kernel_size) == 1:
        options["kernel_size"] = config.kernel_size[0]
    network: Network = Late(row.home)(
        in_channels=pixels * channels,
        static_channels=pixels * static_channels,
        **({"masked": True} if masked else {}),
        **{name: options[name] for name in (*_EVERY, *sorted(row.takes & options.keys()))},
    )
    return Patched(network, config.patch) if config.patch > 1 else network
