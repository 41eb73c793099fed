"""From a model's configuration to the network."""

from __future__ import annotations

from nextframe.config import ModelConfig
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.stacked import StackedConvLSTM


def build_model(config: ModelConfig, channels: int, static_channels: int = 0) -> StackedConvLSTM | EncoderDecoder:
    """The network that `config` describes, for frames of so many channels, and so many that never change."""
    if config.model == "stacked":
        return StackedConvLSTM(
            channels,
            config.filters,
            config.kernel_size,
            norm=config.norm,
            temporal_padding=config.temporal_padding,
            gate_activation=config.gate_activation,
            peepholes=config.peepholes,
            output=config.output,
            residual=config.residual,
            quantiles=config.quantiles,
            static_channels=static_channels,
        )
    return EncoderDecoder(
        channels,
        config.filters,
        config.kernel_size,
        norm=config.norm,
        gate_activation=config.gate_activation,
        peepholes=config.peepholes,
        output=config.output,
        residual=config.residual,
        quantiles=config.quantiles,
        static_channels=static_channels,
    )
