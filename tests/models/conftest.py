"""Keras on its torch backend, as the reference that the models are held against.

Channels are last in Keras, and its gates stand in the order input, forget, cell, output.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"  # read when Keras is first imported

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.readout import TemporalReadout


class Keras:
    """Keras layers with the weights of ours. They take and return channels-last tensors."""

    def __init__(self) -> None:
        import keras

        assert keras.backend.backend() == "torch"
        self.keras: Any = keras

    @staticmethod
    def reordered(gates: Tensor) -> Tensor:
        """Gate rows in Keras' order."""
        i, f, o, c = gates.chunk(4)
        return torch.cat([i, f, c, o])

    @classmethod
    def weights(cls, layer: ConvLSTM2d) -> list[Tensor]:
        """The layer's parameters, or their gradients by the same rule, as Keras holds them."""
        kernels = [cls.reordered(w).permute(2, 3, 1, 0) for w in (layer.weight_x, layer.weight_h)]
        return kernels if layer.bias is None else [*kernels, cls.reordered(layer.bias)]

    def convlstm(self, layer: ConvLSTM2d, size: tuple[int, int], **options: Any) -> Any:
        gate = "sigmoid"
        if layer.gate_activation == "hard_sigmoid":
            ops = self.keras.ops

            def gate(x: Any) -> Any:  # type: ignore[misc]  # Keras 3 gives the name to another slope
                return ops.clip(0.2 * x + 0.5, 0.0, 1.0)

        twin = self.keras.layers.ConvLSTM2D(
            layer.filters,
            layer.kernel_size,
            padding="same",
            use_bias=layer.bias is not None,
            recurrent_activation=gate,
            dtype=self._dtype(layer),
            **{"return_sequences": True, "return_state": True, **options},
        )
        return self._built(twin, (None, None, *size, layer.in_channels), self.weights(layer))

    def conv3d(self, readout: TemporalReadout, activation: str) -> Any:
        twin = self.keras.layers.Conv3D(
            len(readout.weight), 3, padding="same", activation=activation, dtype=self._dtype(readout)
        )
        shape = (None, None, None, None, readout.weight.shape[1])
        return self._built(twin, shape, [readout.weight.permute(2, 3, 4, 1, 0), readout.bias])

    def conv2d(self, readout: nn.Module, activation: str) -> Any:
        assert isinstance(readout, nn.Conv2d)
        assert readout.bias is not None
        twin = self.keras.layers.Conv2D(readout.out_channels, 1, activation=activation, dtype=self._dtype(readout))
        shape = (None, None, None, readout.in_channels)
        return self._built(twin, shape, [readout.weight.permute(2, 3, 1, 0), readout.bias])

    def batch_norm(self, norm: nn.Module) -> Any:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        twin = self.keras.layers.BatchNormalization(dtype=self._dtype(norm))
        weights = [norm.weight, norm.bias, norm.running_mean, norm.running_var]
        return self._built(twin, (None, None, None, None, norm.num_features), weights)

    @staticmethod
    def _dtype(module: nn.Module) -> str:
        return str(next(module.parameters()).dtype).removeprefix("torch.")

    @staticmethod
    def _built(twin: Any, shape: tuple[int | None, ...], weights: list[Tensor]) -> Any:
        twin.build(shape)
        with torch.no_grad():
            for variable, weight in zip(twin.weights, weights, strict=True):
                assert tuple(variable.shape) == tuple(weight.shape)
                variable.value.copy_(weight)
        return twin


@pytest.fixture(scope="session")
def keras() -> Keras:
    return Keras()


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
