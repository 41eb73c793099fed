"""Exported models where nextframe is not: the example of NumPy and ONNX Runtime alone."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe.exports.export import export
from tests.exports.small import RANGE, past_frames, small_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"


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
    monkeypatch.setattr(
        sys, "argv", ["run_onnx.py", *map(str, (tmp_path / "model.json", tmp_path / "past.npy", out)), "--lead-times=5"]
    )
    runpy.run_path(str(EXAMPLE), run_name="__main__")

    forecast = np.load(out.with_suffix(".npy"))
    assert forecast.shape == expected.shape
    assert np.abs(forecast - expected).max() < 1e-5 * RANGE
    with Image.open(out) as picture:
        assert picture.size == (8 * 18, 8 * 13)
        assert getattr(picture, "n_frames", 1) == past.shape[1] + 5
