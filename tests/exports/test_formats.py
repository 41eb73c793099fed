"""Every model in every format: the forecasts are those of the model, after 20 frames fed back."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from nextframe.architectures import names
from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError
from nextframe.exports.description import describe
from nextframe.exports.export import export
from nextframe.exports.formats import FORMATS
from nextframe.exports.graph import graphs
from nextframe.forecasting.load import load_run
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from tests.exports.small import RANGE, past_frames, small_ensemble, small_model
from tests.models.own_networks import Blocks, Steps

GRAPHS = [row.suffix for row in FORMATS if row.write is not None]
WHOLE = [row.suffix for row in FORMATS if row.whole is not None]
MODELS: dict[str, Callable[[], TrainedForecaster]] = {
    **{name: partial(small_model, name) for name in names() if name != "doubled"},
    "channelwise": partial(small_model, "stacked", channels=3, channelwise=True),
    "lagrangian": partial(small_model, "stacked", coordinates="lagrangian"),
    "own blocks": lambda: small_model(Blocks()),
    "own steps": lambda: small_model(Steps()),
}
"""Every architecture, and what is built around any of them."""
REFUSED = {
    ".keras": "cannot be exported to Keras",
    "": "a network of your own",
}
"""Rule of what a format that holds no graph cannot hold."""
HELD = {
    ".keras": {"stacked", "encoder-decoder"},
    "": {name for name in MODELS if not name.startswith("own")},
}


def hold_alike(model: TrainedForecaster, path: Path, *, channels: int = 1, size: tuple[int, int] | None = None) -> None:
    """Hold what was exported to the model's forecasts and members, of two batches and odd sizes."""
    exported = load_run(path)
    for batch, (height, width) in ((1, size or (19, 23)), (3, size or (13, 18))):
        past = past_frames(batch, channels, height, width)
        for true, read in zip(model.distribution(past, 20), exported.distribution(past, 20), strict=True):
            assert read.shape == true.shape
            assert np.abs(read - true).max() < 1e-5 * max(RANGE, float(np.ptp(true)))


def cases() -> list[Any]:
    """Every model in every format; PyTorch takes long over the larger programs of its own."""
    return [
        pytest.param(name, suffix, marks=pytest.mark.long)
        if suffix == ".aoti" or (suffix == ".pt2" and name != "stacked")
        else (name, suffix)
        for name in MODELS
        for suffix in GRAPHS
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "suffix"), cases())
def test_every_model_forecasts_the_same_in_every_format_of_a_graph(name: str, suffix: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    exported = export(model, tmp_path / f"model{suffix}")
    assert exported.difference is not None
    assert exported.difference < 1e-5
    assert exported.early_difference is not None
    assert exported.early_difference <= exported.difference
    assert exported.rounding is not None
    assert exported.rounding < 1e-5
    assert all(file.is_file() for file in exported.files)
    parts = [file for file in exported.files if file.suffix == suffix and ".rollout" not in file.name]
    assert len(parts) == (2 if name == "encoder-decoder" else 1)
    hold_alike(model, tmp_path / f"model{suffix}", channels=model.manifest.channels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # remarks of Keras on its own backend
@pytest.mark.parametrize("suffix", WHOLE)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_held_by_a_format_of_the_whole_or_refused_before_any_work(
    name: str, suffix: str, tmp_path: Path
) -> None:
    if suffix == ".keras" and find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    model = MODELS[name]()
    if name not in HELD[suffix]:
        with pytest.raises(ConfigError, match=REFUSED[suffix]):
            export(model, tmp_path / f"model{suffix}")
        assert list(tmp_path.iterdir()) == []
        return
    difference = export(model, tmp_path / f"model{suffix}").difference
    if suffix == ".keras":  # its own numbers are held in test_keras
        assert difference is not None
        assert difference < 1e-5
        return
    past = past_frames(2, model.manifest.channels, 15, 21)
    np.testing.assert_array_equal(load_run(tmp_path / "model").predict(past, 7), model.predict(past, 7))


@pytest.mark.long
@pytest.mark.parametrize("architecture", ["stacked", "encoder-decoder"])
def test_the_whole_rollout_is_a_program_of_its_own(architecture: str, tmp_path: Path) -> None:
    model = small_model(architecture, past=2, future=2)
    export(model, tmp_path / "model.pt2")
    rollout = torch.export.load(tmp_path / "model.rollout.pt2").module()
    past = past_frames(1, 1, 20, 24, count=2)
    with torch.inference_mode():
        forecast = rollout(torch.from_numpy(past)).numpy()
    assert np.abs(forecast - model.predict(past, 2)).max() < 1e-5 * RANGE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # remarks of Keras on its own backend
@pytest.mark.parametrize("suffix", [".onnx", ".xml", pytest.param(".pt2", marks=pytest.mark.long), ".keras"])
def test_a_suffix_in_capitals_is_the_same_format(suffix: str, tmp_path: Path) -> None:
    if suffix == ".keras" and find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    model, path = small_model("stacked"), tmp_path / f"model{suffix.upper()}"
    exported = export(model, path)
    assert path in exported.files
    assert sorted(tmp_path.iterdir()) == sorted(exported.files)
    if suffix != ".keras":
        past = past_frames(1, 1, 12, 13)
        np.testing.assert_allclose(load_run(path).predict(past, 2), model.predict(past, 2), atol=1e-5 * RANGE)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["stacked", "encoder-decoder", "simvp"])
def test_a_value_of_about_nothing_is_as_exact_as_any_other(architecture: str, tmp_path: Path) -> None:
    network = small_model(architecture).model
    bias = network.get_submodule("readout").bias
    assert isinstance(bias, torch.Tensor)
    with torch.no_grad():
        bias.fill_(-12.0)
    as_they_are = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    model = ModelForecaster(network, replace(small_model(architecture).manifest, normaliser=as_they_are))
    export(model, tmp_path / "model.onnx")
    past = np.random.default_rng(3).random((1, 4, 1, 13, 18), np.float32)
    true = model.predict(past, 3)
    assert 0 < true.max() < 1e-3
    np.testing.assert_allclose(load_run(tmp_path / "model.onnx").predict(past, 3), true, rtol=1e-4)


@pytest.mark.slow
def test_a_signal_still_finds_its_stack_when_openvino_models_have_gone(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    export(small_model("encoder-decoder"), tmp_path / "model.xml")
    code = (
        "import faulthandler, gc, os, signal, sys\n"
        "faulthandler.enable()\n"
        "from nextframe.forecasting.load import load_run\n"
        f"model = load_run({str(tmp_path / 'model.xml')!r})\n"
        "for part in ('encoder', 'decoder'):\n"
        "    del model.runner.parts[part]\n"
        "    gc.collect()\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('received'))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "received\n"), done.stderr


OPTIONS: dict[str, dict[str, Any]] = {
    "old gates and peepholes": {"gate_activation": "hard_sigmoid", "peepholes": True},
    "same padding": {"temporal_padding": "same"},
    "patches, kernels by layer and rectified cells": {"patch": 4, "kernel_size": (5, 3), "cell_activation": "relu"},
    "layer norm": {"norm": "layer", "filters": (4,)},
    "mask": {"mask": True, "patch": 2},
    "limits": {
        "output": "linear",
        "residual": True,
        "loss": "mse",
        "limits": Limits(low=(20.0, None), high=(None, 40.0), least=(None, None)),
    },
    "logarithm and group norm": {"output": "linear", "norm": "group", "loss": "mse"},
    "residual": {"output": "linear", "residual": True, "norm": "none", "loss": "mse"},
    "quantiles": {"output": "linear", "quantiles": 3, "loss": "quantile"},
    "quantiles that are moved": {
        "output": "linear",
        "quantiles": 3,
        "loss": "quantile",
        "coordinates": "lagrangian",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_every_option_is_inside_the_graph(options: dict[str, Any], tmp_path: Path) -> None:
    model = small_model("stacked", channels=2, **options)
    export(model, tmp_path / "model.onnx")
    hold_alike(model, tmp_path / "model.onnx", channels=2)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "quantiles"), [("stacked", 1), ("encoder-decoder", 3), ("simvp", 1)])
def test_members_of_an_ensemble_read_their_own_forecasts(architecture: str, quantiles: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"quantiles": 3, "output": "linear", "loss": "quantile"} if quantiles > 1 else {}
    model = small_ensemble(architecture, patch=2, **options)
    export(model, tmp_path / "model.onnx")
    hold_alike(model, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("coordinates", ["lagrangian", "adaptive"])
def test_members_of_an_exported_ensemble_are_moved_and_put_to_the_test_each_by_itself(
    coordinates: str, tmp_path: Path
) -> None:
    model = small_ensemble("stacked", coordinates=coordinates)
    assert model.models[0].proves == (coordinates == "adaptive")
    export(model, tmp_path / "model.onnx")
    past, again = past_frames(2, 1, 20, 24), load_run(tmp_path / "model.onnx")
    for true, read in zip(model.raw_distribution(past, 5), again.raw_distribution(past, 5), strict=True):
        assert np.abs(read - true).max() < 1e-5 * RANGE


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"quantiles": 3, "output": "linear", "loss": "quantile"}], ids=str)
def test_members_of_an_exported_ensemble_are_shrunk_each_as_it_was_in_its_training(
    options: dict[str, Any], tmp_path: Path
) -> None:
    model = small_ensemble("stacked", coordinates="lagrangian", **options)
    first, second = model.models
    first.door = replace(first.door, shrinkage=(0.25, 0.5))
    second.door = replace(second.door, shrinkage=(0.75,))
    description = describe(model, graphs(model), {})
    assert any("of member 1 0.25, 0.5; of member 2 0.75" in sentence for sentence in description["around"])
    export(model, tmp_path / "model.onnx")
    past, again = past_frames(2, 1, 20, 24), load_run(tmp_path / "model.onnx")
    for true, read in zip(model.raw_distribution(past, 5), again.raw_distribution(past, 5), strict=True):
        assert np.abs(read - true).max() < 1e-5 * RANGE


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["encoder-decoder", "simvp"])
def test_static_fields_are_inside_and_fix_the_grid(architecture: str, tmp_path: Path) -> None:
    static = np.random.default_rng(5).normal(size=(2, 15, 21)).astype(np.float32)
    model = small_model(architecture, static=static)
    export(model, tmp_path / "model.onnx")
    hold_alike(model, tmp_path / "model.onnx", size=(15, 21))
    assert "N movies at once, of 15 x 21 pixels" in json.loads((tmp_path / "model.json").read_text())["use"][0]
    for path in tmp_path.glob("*.onnx"):
        for output in onnxruntime.InferenceSession(path).get_outputs():
            assert output.shape[0] == "N", output.name
