"""Networks of Keras, both ways: the same numbers, and names of what does not map."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest
import torch

from nextframe.api import verify_run
from nextframe.cli import main
from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports.export import export
from nextframe.exports.keras_import import import_keras
from nextframe.forecasting.load import load_run
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.models.causality import check_causal
from nextframe.models.encoder_decoder import EncoderDecoder
from tests.exports.small import RANGE, small_ensemble, small_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # remarks of Keras on its own backend


class Keras:
    """Keras, which takes seconds to import: when a test first asks for something of it, and not to find the tests."""

    def __getattr__(self, name: str) -> Any:
        return getattr(pytest.importorskip("keras"), name)


keras = Keras()


def shaken(model: Any) -> Any:
    """A model of Keras with weights of which none is what it starts as."""
    draw = np.random.default_rng(0)
    model.set_weights(
        [weight + draw.uniform(-0.2, 0.2, weight.shape).astype("float32") for weight in model.get_weights()]
    )
    return model


def stack(padding: str = "same", *, norms: bool = True, size: int | None = 16, **options: Any) -> Any:
    parts: list[Any] = [keras.Input((None, size, size, 1))]
    for kernel in (5, 3):
        parts.append(keras.layers.ConvLSTM2D(3, kernel, padding="same", return_sequences=True, **options))
        if norms:
            parts.append(keras.layers.BatchNormalization(epsilon=2e-3))
    if padding == "causal":
        parts.append(keras.layers.ZeroPadding3D(((2, 0), (1, 1), (1, 1))))
    padding = "valid" if padding == "causal" else padding
    return shaken(keras.Sequential([*parts, keras.layers.Conv3D(1, 3, padding=padding, activation="sigmoid")]))


def encoder_decoder() -> Any:
    past, future = (keras.Input((None, 12, 14, 2)) for _ in range(2))
    _, hidden, cell = keras.layers.ConvLSTM2D(3, 3, padding="same", return_state=True)(past)
    decoder = keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)
    decoded = decoder(future, initial_state=[hidden, cell])
    frames = keras.layers.TimeDistributed(keras.layers.Conv2D(2, 1, activation="sigmoid"))(decoded)
    return shaken(keras.Model([past, future], frames))


def deep_encoder_decoder(*, norms: bool = False) -> Any:
    """Two layers each: Keras stores the decoder's first one before the encoder's second."""
    layers = keras.layers
    past, future = (keras.Input((None, 12, 14, 2)) for _ in range(2))
    features, *first = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, return_state=True)(past)
    features = layers.BatchNormalization()(features) if norms else features
    _, *second = layers.ConvLSTM2D(3, 3, padding="same", return_state=True)(features)
    decoded = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(future, initial_state=first)
    decoded = layers.BatchNormalization()(decoded) if norms else decoded
    decoded = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(decoded, initial_state=second)
    frames = layers.TimeDistributed(layers.Conv2D(2, 1, activation="sigmoid"))(decoded)
    return shaken(keras.Model([past, future], frames))


def with_states(order: Sequence[int]) -> Any:
    """An encoder-decoder whose decoder begins with these of the encoder's outputs, after the frames that it reads."""
    past, future = (keras.Input((5, 12, 14, 1)) for _ in range(2))
    encoder = keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, return_state=True, name="encoder")
    states = encoder(past)
    decoder = keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="odd")
    decoded = decoder(future if len(order) == 2 else states[0], initial_state=[states[n] for n in order[-2:]])
    frames = keras.layers.TimeDistributed(keras.layers.Conv2D(1, 1, activation="sigmoid"))(decoded)
    return keras.Model([past, future] if len(order) == 2 else past, frames)


def ours(run: Path, frames: np.ndarray) -> Any:
    network = ModelForecaster.load(run).model
    read = torch.from_numpy(frames.transpose(0, 1, 4, 2, 3))
    with torch.inference_mode():
        output = network(read[:, :4], read[:, 4:])[0] if isinstance(network, EncoderDecoder) else network(read)[0]
    return output.numpy().transpose(0, 1, 3, 4, 2)


def movies(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "causal"},
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"norms": False},
    ],
    ids=str,
)
def test_a_stack_of_keras_gives_the_same_numbers_here(options: dict[str, Any], tmp_path: Path) -> None:
    model = stack(**options)
    model.save(tmp_path / "model.keras")
    said: list[str] = []
    run = import_keras(tmp_path / "model.keras", tmp_path / "run", tell=said.append)
    frames = movies(2, 5, 16, 16, 1)
    np.testing.assert_allclose(ours(run, frames), model.predict(frames, verbose=0), atol=1e-5)
    causality = check_causal(ModelForecaster.load(run).model)
    assert causality.is_causal == ("padding" in options)
    assert said[1] == causality.sentence


@pytest.mark.parametrize(
    "build",
    [encoder_decoder, deep_encoder_decoder, lambda: deep_encoder_decoder(norms=True)],
    ids=["one", "two", "norms"],
)
def test_an_encoder_decoder_of_keras_gives_the_same_numbers_here(build: Callable[[], Any], tmp_path: Path) -> None:
    model = build()
    model.save(tmp_path / "model.keras")
    assert main(["import", str(tmp_path / "model.keras"), "--out", str(tmp_path / "run")]) == 0
    frames = movies(2, 7, 12, 14, 2)
    theirs = model.predict([frames[:, :3], frames[:, 3:-1]], verbose=0)
    np.testing.assert_allclose(ours(tmp_path / "run", frames), theirs, atol=1e-5)


def test_what_an_imported_network_was_trained_on_is_not_known(tmp_path: Path) -> None:
    stack().save(tmp_path / "model.keras")
    run = import_keras(tmp_path / "model.keras", tmp_path / "run", tell=lambda _: None)
    squares = "squares:movies=2,frames=15,size=16"
    skill = verify_run(run, data=squares, baselines=(), examples=0, progress=False)
    assert any("was trained on some of these frames is not known" in note for note in skill.notes)


def test_old_hard_sigmoids_are_told_by_the_version_that_wrote_them(tmp_path: Path) -> None:
    stack(recurrent_activation="hard_sigmoid").save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            old.writestr(name, json.dumps({"keras_version": "2.15.0"}) if name == "metadata.json" else content)
    runs = [import_keras(tmp_path / f"{n}.keras", tmp_path / n, tell=lambda _: None) for n in ("new", "old")]
    new_x, old_x = (ModelForecaster.load(run).model.layers[0].weight_x[0] for run in runs)  # type: ignore[union-attr, index]
    torch.testing.assert_close(new_x, old_x * (5 / 6))


def test_weights_alone_take_the_name_of_their_architecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = stack()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    whole = import_keras(tmp_path / "model.keras", tmp_path / "whole", tell=lambda _: None)
    assert main(["import", str(tmp_path / "model.weights.h5"), "--out", str(tmp_path / "run")]) == 2
    assert "--model stacked" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    arguments = ["import", str(tmp_path / "model.weights.h5"), "--model", "stacked", "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    frames = movies(1, 4, 16, 16, 1)
    np.testing.assert_allclose(ours(tmp_path / "run", frames), ours(whole, frames), atol=2e-3)  # epsilon is not in it


def test_layers_that_do_not_map_are_all_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = keras.Sequential(
        [
            keras.Input((None, 16, 16, 1)),
            keras.layers.ConvLSTM2D(3, 3, strides=2, padding="same", return_sequences=True, name="strided"),
            keras.layers.TimeDistributed(keras.layers.MaxPooling2D(), name="pooled"),
            keras.layers.ConvLSTM2D(3, 3, padding="same", activation="elu", return_sequences=True, name="bent"),
            keras.layers.Conv3D(1, 3, padding="same"),
        ]
    )
    model.save(tmp_path / "model.keras")
    assert main(["import", str(tmp_path / "model.keras"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    for name in ("strided", "pooled", "bent", "nothing was written"):
        assert name in error
    assert not (tmp_path / "run").exists()


def channels_first(*between: Any, readout: str = "each") -> Any:
    """A stack with channels first; `between` follow its ConvLSTM2D layer."""
    first = {"data_format": "channels_first"}
    parts: list[Any] = [keras.Input((5, 2, 12, 14))]
    parts += [keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, **first), *between]
    if readout == "each":
        parts.append(keras.layers.TimeDistributed(keras.layers.Conv2D(2, 1, activation="sigmoid", **first)))
    else:
        swapped = [keras.layers.Permute((2, 1, 3, 4))] if readout == "swapped" else []
        parts += [*swapped, keras.layers.Conv3D(2, 3, padding="same", activation="sigmoid", **first), *swapped]
    return shaken(keras.Sequential(parts))


@pytest.mark.parametrize("readout", ["each", "swapped"])
def test_channels_may_stand_first(readout: str, tmp_path: Path) -> None:
    model = channels_first(keras.layers.BatchNormalization(axis=2), readout=readout)
    model.save(tmp_path / "model.keras")
    run = import_keras(tmp_path / "model.keras", tmp_path / "run", tell=lambda _: None)
    frames = movies(2, 5, 12, 14, 2)
    theirs = model.predict(frames.transpose(0, 1, 4, 2, 3), verbose=0).transpose(0, 1, 3, 4, 2)
    np.testing.assert_allclose(ours(run, frames), theirs, atol=1e-5)
    manifest = ModelForecaster.load(run).manifest
    assert (manifest.channels, manifest.height, manifest.width) == (2, 12, 14)


def lone(*before: Any, after: Sequence[Any] = (), activation: str = "sigmoid") -> Any:
    """A ConvLSTM2D and what is around it, with a readout."""
    parts = [
        keras.Input((5, 12, 14, 1)),
        keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="first"),
    ]
    last = keras.layers.Conv3D(1, 3, padding="same", activation=activation, name="last")
    return shaken(keras.Sequential([*parts, *before, last, *after]))


def another() -> Any:
    return keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)


NO_COUNTERPART: dict[str, tuple[Callable[[], Any], str]] = {
    "norm over columns": (
        lambda: channels_first(keras.layers.BatchNormalization(name="odd")),
        "odd over axis -1 of T C H W",
    ),
    "norm over rows": (lambda: lone(keras.layers.BatchNormalization(axis=2, name="odd")), "odd over axis 2 of T H W C"),
    "frames for channels": (lambda: channels_first(readout="direct"), "which reads axes T C H W as C T H W"),
    "two norms": (
        lambda: lone(keras.layers.BatchNormalization(), keras.layers.BatchNormalization(name="odd")),
        "odd, a second norm",
    ),
    "two activations": (
        lambda: lone(activation="relu", after=[keras.layers.Activation("sigmoid")]),
        "last with activation='relu' before another",
    ),
    "an activation twice": (
        lambda: lone(activation="linear", after=[keras.layers.Activation("sigmoid") for _ in range(2)]),
        "a second activation of the output",
    ),
    "states in each other's place": (
        lambda: with_states((2, 1)),
        "odd, which does not begin with hidden and cell state of encoder",
    ),
    "states within a stack": (lambda: with_states((0, 1, 2)), "odd, which reads more than one tensor"),
    "a norm here and none there": (
        lambda: lone(another(), keras.layers.LayerNormalization(), another()),
        "layer normalisation after some ConvLSTM2D and not after others",
    ),
    "two kinds of norm": (
        lambda: lone(keras.layers.LayerNormalization(), another(), keras.layers.BatchNormalization()),
        "batch and layer normalisation in one network",
    ),
    "another inverse": (
        lambda: keras.Sequential(
            [
                keras.Input((5, 12, 14, 1)),
                keras.layers.Rescaling(0.1),
                another(),
                keras.layers.Conv3D(1, 3, padding="same"),
                keras.layers.Rescaling(9.0),
            ]
        ),
        "a Rescaling of the input without its inverse",
    ),
}


@pytest.mark.parametrize(("build", "clause"), NO_COUNTERPART.values(), ids=NO_COUNTERPART.keys())
def test_what_would_come_out_as_other_numbers_is_named(build: Callable[[], Any], clause: str, tmp_path: Path) -> None:
    build().save(tmp_path / "model.keras")
    with pytest.raises(CheckpointError) as caught:
        import_keras(tmp_path / "model.keras", tmp_path / "run", tell=lambda _: None)
    assert clause in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_weights_alone_do_not_tell_several_layers_of_an_encoder_from_those_of_its_decoder(tmp_path: Path) -> None:
    deep_encoder_decoder().save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(CheckpointError, match="do not tell which are whose"):
        import_keras(tmp_path / "model.weights.h5", tmp_path / "run", tell=lambda _: None, model="encoder-decoder")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("architecture", ["stacked", "encoder-decoder"])
def test_weights_of_another_network_are_refused(architecture: str, tmp_path: Path) -> None:
    model = encoder_decoder() if architecture == "stacked" else stack()
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(CheckpointError, match="does not hold the weights of"):
        import_keras(tmp_path / "model.weights.h5", tmp_path / "run", tell=lambda _: None, model=architecture)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_damaged_files_are_told_in_one_sentence(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a file of Keras 3"):
        import_keras(path, tmp_path / "run", tell=lambda _: None)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("stacked", {}),
        ("stacked", {"norm": "layer", "gate_activation": "hard_sigmoid"}),
        ("stacked", {"norm": "group", "temporal_padding": "same", "cell_activation": "relu", "kernel_size": (5, 3)}),
        ("stacked", {"output": "linear", "loss": "mse"}),
        ("encoder-decoder", {"filters": (3, 4)}),
        ("encoder-decoder", {"output": "linear", "residual": True, "loss": "mse"}),
    ],
    ids=str,
)
def test_a_network_of_ours_gives_the_same_numbers_in_keras(
    architecture: str, options: dict[str, Any], tmp_path: Path
) -> None:
    model = small_model(architecture, channels=2, **options)
    assert (export(model, tmp_path / "model.keras").difference or 0) < 1e-5
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    past = np.random.default_rng(2).uniform(10, 50, (3, 5, 2, 20, 24)).astype(np.float32)
    movie = past.transpose(0, 1, 3, 4, 2)
    given = [movie[:, :-1], movie[:, -1:]] if architecture == "encoder-decoder" else movie
    forecast = loaded.predict(given, verbose=0)[:, -1].transpose(0, 3, 1, 2)
    true = model.predict(past, 1)[:, 0]
    assert np.abs(forecast - true).max() < 1e-5 * max(RANGE, float(np.ptp(true)))


READ_BY_A_BACKEND = """
import sys
import numpy as np
import keras

assert keras.backend.backend() == sys.argv[2]
for name in ("stacked", "encoder-decoder"):
    movie = np.load(f"{sys.argv[1]}/{name}.npy")
    given = [movie[:, :-1], movie[:, -1:]] if name == "encoder-decoder" else movie
    model = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras")
    np.save(f"{sys.argv[1]}/{name}.{sys.argv[2]}.npy", np.asarray(model.predict(given, verbose=0))[:, -1])
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder of models in files of Keras and of movies to read, and the forecasts of the next frame."""
    folder, forecasts = tmp_path_factory.mktemp("left"), {}
    for name in ("stacked", "encoder-decoder"):
        model = small_model(name, channels=2)
        export(model, folder / f"{name}.keras")
        past = np.random.default_rng(2).uniform(10, 50, (3, 5, 2, 20, 24)).astype(np.float32)
        np.save(folder / f"{name}.npy", past.transpose(0, 1, 3, 4, 2))
        forecasts[name] = model.predict(past, 1)[:, 0].transpose(0, 2, 3, 1)
    return folder, forecasts


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
        for name in ("torch", "tensorflow", "jax")
    ],
)
def test_every_backend_of_keras_forecasts_the_same(backend: str, left: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, forecasts = left
    command = [sys.executable, "-c", READ_BY_A_BACKEND, str(folder), backend]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, true in forecasts.items():
        read = np.load(folder / f"{name}.{backend}.npy")
        assert read.shape == true.shape
        assert np.abs(read - true).max() < 1e-5 * RANGE


def test_there_and_back_is_the_same_run(tmp_path: Path) -> None:
    model = small_model("stacked")
    export(model, tmp_path / "model.keras")
    run = import_keras(tmp_path / "model.keras", tmp_path / "run", tell=lambda _: None, past=4, future=3)
    past = np.random.default_rng(2).uniform(10, 50, (1, 4, 1, 13, 18)).astype(np.float32)
    np.testing.assert_allclose(ModelForecaster.load(run).predict(past, 3), model.predict(past, 3), atol=1e-3)


@pytest.mark.parametrize("options", [{"peepholes": True}, {"patch": 2}, {"coordinates": "lagrangian"}], ids=str)
def test_options_that_keras_lacks_are_refused_and_nothing_is_written(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be exported to Keras"):
        export(small_model("stacked", **options), tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_ensembles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an ensemble of 2 models"):
        export(small_ensemble("stacked"), tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["squares-stacked", "squares-encoder-decoder"])
def test_shipped_models_leave_with_the_same_forecasts_of_what_they_know(name: str, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    difference = export(load_run(name), tmp_path / "model.keras").difference
    assert difference is not None
    assert difference < 1e-5
