"""The Keras example as it is since 2021: kernels 5, 3, 1, rectified cells, and norms between the layers alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nextframe.config import ModelConfig, RunConfig
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.training.presets import preset_config

# Written here from the equations, and run by Keras itself.
PROGRAM = """
import json, sys
import numpy as np
import keras
frames = np.load(sys.argv[1])
layer = keras.layers.ConvLSTM2D(4, int(sys.argv[2]), padding="same", activation="relu", return_sequences=True)
layer.build(frames.shape)
rng = np.random.default_rng(3)
weights = [rng.normal(scale=0.3, size=w.shape).astype("float32") for w in layer.get_weights()]
layer.set_weights(weights)
np.savez(sys.argv[3], *weights, output=np.asarray(keras.ops.convert_to_numpy(layer(frames))))
"""


def ours_from(weight: np.ndarray[Any, Any]) -> torch.Tensor:
    """Keras's kernel (k, k, C, 4F), gates input, forget, cell, output, as ours (4F, C, k, k) with the cell last."""
    i, f, c, o = np.split(weight, 4, axis=-1)
    joined = np.concatenate([i, f, o, c], axis=-1)
    return torch.from_numpy(np.ascontiguousarray(joined.transpose(3, 2, 0, 1) if joined.ndim == 4 else joined))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [pytest.param(1, marks=pytest.mark.long), 5])
def test_a_rectified_layer_is_that_of_keras(kernel: int, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    frames = np.random.default_rng(0).random((2, 5, 7, 8, 3)).astype(np.float32)
    np.save(tmp_path / "frames.npy", frames)
    command = [sys.executable, "-c", PROGRAM, "frames.npy", str(kernel), "out.npz"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "KERAS_BACKEND": "torch"}, check=True, capture_output=True)
    kept = np.load(tmp_path / "out.npz")
    layer = ConvLSTM2d(3, 4, kernel, cell_activation="relu")
    with torch.no_grad():
        for parameter, name in ((layer.weight_x, "arr_0"), (layer.weight_h, "arr_1"), (layer.bias, "arr_2")):
            assert parameter is not None
            parameter.copy_(ours_from(kept[name]))
        hidden, _ = layer(torch.from_numpy(frames.transpose(0, 1, 4, 2, 3).copy()))
    np.testing.assert_allclose(hidden.numpy().transpose(0, 1, 3, 4, 2), kept["output"], rtol=1e-4, atol=1e-5)


def test_the_preset_is_the_network_of_the_page() -> None:
    config = preset_config("stacked", "keras-2021")
    network = build_model(config.model, 1)
    layers = [layer for layer in network.modules() if isinstance(layer, ConvLSTM2d)]
    assert [layer.kernel_size for layer in layers] == [(5, 5), (3, 3), (1, 1)]
    statistics = 2 * 2 * 64  # running means and variances, which Keras counts
    assert sum(weights.numel() for weights in network.parameters()) + statistics == 746_689  # as the page prints it
    training, data = config.training, config.data
    assert (training.epochs, training.batch_size, training.optimizer, training.loss) == (20, 5, "adam", "bce")
    assert data.past + data.future == 20
    assert network(torch.rand(1, 3, 1, 12, 12))[0].shape == (1, 3, 1, 12, 12)


@pytest.mark.parametrize("model", ["stacked", "encoder-decoder"])
@pytest.mark.parametrize("past", [1, 3])
def test_the_receptive_field_of_differing_kernels_is_no_larger_than_it_says(model: str, past: int) -> None:
    torch.manual_seed(0)
    config = ModelConfig(model=model, filters=(2, 2, 2), kernel_size=(5, 3, 1), norm="layer", output="linear")
    network = build_model(config, 1).eval().double()
    from nextframe.models.rollout import rollout

    frames = torch.rand(1, past, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    rollout(network, frames, 2)[0, -1, 0, 20, 20].backward()
    assert frames.grad is not None
    seen = frames.grad[0, :, 0].abs().sum(0).nonzero()
    radius = network.reach(past, 2)
    assert radius is not None
    assert int((seen - 20).abs().max()) <= radius


def test_kernels_are_one_number_or_one_for_each_layer() -> None:
    base = RunConfig().replace({"filters": (4, 4, 4)})
    assert base.replace({"kernel_size": 5}).model.kernel_size == (5,)
    assert base.replace({"kernel_size": [5, 3, 1]}).model.kernel_size == (5, 3, 1)
    assert RunConfig.from_dict({"model": {"kernel_size": 3}}).model.kernel_size == (3,)  # runs of earlier versions
    again = RunConfig.from_dict(json.loads(json.dumps(base.replace({"kernel_size": (5, 3, 1)}).to_dict())))
    assert again.model.kernel_size == (5, 3, 1)
    with pytest.raises(ConfigError, match=r"kernel_size: does not fit the layers \(expected 1 or 3"):
        base.replace({"kernel_size": (5, 3)})
    with pytest.raises(ConfigError, match="is even"):
        base.replace({"kernel_size": (5, 4, 1)})
    with pytest.raises(ConfigError, match="does not fit the layers"):
        base.replace({"model": "convgru", "kernel_size": (5, 3, 1)})
    with pytest.raises(ConfigError, match="cell_activation"):
        base.replace({"model": "convgru", "cell_activation": "relu"})
