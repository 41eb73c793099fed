"""Exported models where nextframe is not: the example of NumPy and ONNX Runtime alone."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image

from nextframe.exports.export import export
from tests.exports.small import RANGE, past_frames, small_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"


def run_example(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "patch"), [("stacked", 1), ("encoder-decoder", 2)])
def test_the_example_forecasts_as_the_model_does_without_the_package(
    architecture: str, patch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(architecture, patch=patch)
    export(model, tmp_path / "model.onnx")
    past = past_frames(1, 1, 13, 18)
    np.save(tmp_path / "past.npy", past[0])
    expected = model.predict(past, 5)[0]

    for name in [name for name in sys.modules if name.partition(".")[0] in ("nextframe", "torch")]:
        monkeypatch.setitem(sys.modules, name, None)
    out = tmp_path / "forecast.gif"
    run_example(monkeypatch, tmp_path / "model.json", tmp_path / "past.npy", out, "--lead-times=5")

    forecast = np.load(out.with_suffix(".npy"))
    assert forecast.shape == expected.shape
    assert np.abs(forecast - expected).max() < 1e-5 * RANGE
    with Image.open(out) as picture:
        assert picture.size == (8 * 18, 8 * 13)
        assert getattr(picture, "n_frames", 1) == past.shape[1] + 5


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
