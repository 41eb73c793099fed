"""Exported models where nextframe is not: the example of NumPy and ONNX Runtime alone."""

import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image

from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser
from nextframe.exports.export import export
from nextframe.forecasting.model_forecaster import ModelForecaster
from tests.exports.small import RANGE, past_frames, small_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"


def run_example(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")


def without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("nextframe", "torch")]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "patch"), [("stacked", 1), ("encoder-decoder", 2)])
def test_the_example_forecasts_as_the_model_does_without_the_package(
    architecture: str, patch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(architecture, patch=patch)
    export(model, tmp_path / "model.onnx")
    past = past_frames(1, 1, 13, 18)
    np.save(tmp_path / "past.npy", past[0])
    assert past.shape[1] == model.config.data.past + 1  # the last ones are read, as by the package
    expected = model.predict(past[:, 1:], 5)[0]

    without_the_package(monkeypatch)
    out = tmp_path / "forecast.gif"
    run_example(monkeypatch, tmp_path / "model.json", tmp_path / "past.npy", out, "--lead-times=5")

    forecast = np.load(out.with_suffix(".npy"))
    assert forecast.shape == expected.shape
    assert np.abs(forecast - expected).max() < 1e-5 * RANGE
    with Image.open(out) as picture:
        assert picture.size == (18, 13)
        assert getattr(picture, "n_frames", 1) == model.config.data.past + 5


SHARES = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))


def of_pictures(kind: str) -> ModelForecaster:
    """A small model of pictures: of grey from 0 to 1, of grey from 0 to 255, of colour, or of each channel apart."""
    channels = 3 if kind == "colour" else 1
    architecture = "encoder-decoder" if kind == "shares" else "stacked"
    small = small_model(architecture, channels=channels, channelwise=kind == "apart")
    limits = Limits(low=(0.0,) * channels, high=(255.0,) * channels, least=(None,) * channels)
    normaliser = SHARES if kind == "shares" else small.normaliser
    names = ("red", "green", "blue") if channels == 3 else ("brightness",)
    facts = replace(small.manifest, normaliser=normaliser, variables=names, units=("1",) * channels, time_step=None)
    return ModelForecaster(small.model, facts if kind == "shares" else replace(facts, limits=limits))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shares", "bytes", "colour", "apart"])
def test_the_example_reads_a_gif_as_the_package_does(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = of_pictures(kind)
    export(model, tmp_path / "model.onnx")
    colours = kind in ("colour", "apart")
    drawn = np.zeros((5, 13, 18, 3), np.uint8)
    for n, frame in enumerate(drawn):
        frame[4:9, 2 + n : 8 + n] = (250, 120, 30) if colours else 200
        frame[0, 0] = 0, 60, 255
    images = [Image.fromarray(frame if colours else frame[..., 0]) for frame in drawn]
    images[0].save(tmp_path / "past.gif", save_all=True, append_images=images[1:])
    forecast = model.forecast(tmp_path / "past.gif", 4)
    assert forecast.values.shape == (4, 3 if colours else 1, 13, 18)
    past = drawn if colours else drawn[..., :1]
    values = past.transpose(0, 3, 1, 2).astype(np.float32)
    largest = 1 if kind == "shares" else 255
    share = np.float32(255 / largest)  # a forecast of bytes is in bytes
    np.testing.assert_allclose(model.predict(values[None, 1:] / share, 4)[0] * share, forecast.values, atol=1e-3)

    without_the_package(monkeypatch)
    out = tmp_path / "forecast.gif"
    run_example(monkeypatch, tmp_path / "model.json", tmp_path / "past.gif", out, "--lead-times=4")

    np.testing.assert_allclose(np.load(out.with_suffix(".npy")), forecast.values / share, rtol=0, atol=1e-5 * largest)
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == 4 + 4
        first = np.asarray(picture.convert("RGB")).astype(int)
    assert (np.ptp(first[6, 6]) > 50) == colours


@pytest.mark.slow
def test_a_picture_of_what_is_no_brightness_is_refused_by_the_example(
    onnx_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((13, 18), np.uint8)).save(tmp_path / "past.gif")
    with pytest.raises(SystemExit) as ended:
        run_example(monkeypatch, onnx_model, tmp_path / "past.gif", tmp_path / "forecast.gif")
    assert ended.value.code == 2
    assert "a picture holds no values in K; give an array" in capsys.readouterr().err


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description of a small stack."""
    folder = tmp_path_factory.mktemp("model")
    export(small_model("stacked"), folder / "model.onnx")
    return folder / "model.json"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("past", "said"),
    [
        (np.zeros((7, 13, 18)), "must hold frames (T, 1, H, W), not (7, 13, 18)"),
        (np.zeros((1, 7, 1, 13, 18)), "must hold frames (T, 1, H, W), not (1, 7, 1, 13, 18)"),
        (np.zeros((7, 3, 13, 18)), "must hold frames (T, 1, H, W), not (7, 3, 13, 18)"),
        (np.zeros((0, 1, 13, 18)), "must hold frames (T, 1, H, W), not (0, 1, 13, 18)"),
        (np.array([None]), "cannot read"),
        (b"GIF89a", "cannot read"),
        (None, "cannot read"),
    ],
)
def test_a_past_that_is_none_is_a_sentence_of_the_example(
    onnx_model: Path,
    past: object,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if isinstance(past, bytes):
        (tmp_path / "past.npy").write_bytes(past)
    elif past is not None:
        np.save(tmp_path / "past.npy", np.asarray(past))
    with pytest.raises(SystemExit) as ended:
        run_example(monkeypatch, onnx_model, tmp_path / "past.npy", tmp_path / "forecast.gif")
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "forecast.gif").exists()


def _a_list(folder: Path) -> None:
    (folder / "model.json").write_text("[]")


def _another_graph(folder: Path) -> None:
    other = small_model("encoder-decoder", patch=2)
    export(other, folder / "other.onnx")
    (folder / "other.decoder.onnx").replace(folder / "model.onnx")


def _a_damaged_graph(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_a_list, _another_graph, _a_damaged_graph])
def test_a_model_that_is_none_is_a_sentence_of_the_example(
    spoil: Callable[[Path], None],
    onnx_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in onnx_model.parent.iterdir():
        copy(file, tmp_path / file.name)
    spoil(tmp_path)
    np.save(tmp_path / "past.npy", np.zeros((3, 1, 13, 18)))
    with pytest.raises(SystemExit) as ended:
        run_example(monkeypatch, tmp_path / "model.json", tmp_path / "past.npy", tmp_path / "forecast.gif")
    assert ended.value.code == 2
    assert f"forecast with {tmp_path / 'model.json'}: " in capsys.readouterr().err
    assert not (tmp_path / "forecast.gif").exists()
