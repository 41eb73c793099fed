"""The models that come with the package, exported: each file forecasts as its run does, with all that is around it.

Axes: B batch, T time, C channel, H height, W width.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import nextframe
from nextframe.exports.parity import known_movies
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.runs.shipped import shipped

RADAR = Path(__file__).parents[1] / "runs" / "radar-rain.nc"
LEAD_TIMES = 3
SUFFIXES = (".onnx", ".xml", pytest.param(".pt2", marks=pytest.mark.long))  # a `.pt2` holds the whole rollout, too


def known_past(name: str, model: TrainedForecaster) -> FloatArray:
    """A past (B, T, C, H, W) of what a shipped model knows: rain of a radar with what lies beyond its reach, a movie in
    colour, or generated movies of an odd size.
    """
    count = model.config.data.past
    if name == "radar-rain":
        past = nextframe.open_source(RADAR, rain_unit="as-read").sequences[0].read(0, count)[None]
        assert np.isnan(past).any()
        return past
    movies = known_movies(model, 1, count, 35, 39)
    if model.config.model.channelwise:
        return np.concatenate([movies, movies[..., ::-1] / 2, movies[..., ::-1, :] / 3], axis=2)
    return movies


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", shipped())
def test_every_shipped_model_forecasts_the_same_when_exported(name: str, suffix: str, tmp_path: Path) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")
    path = tmp_path / f"model{suffix}"
    exported = nextframe.export(name, path)
    assert exported.early_difference is not None
    assert exported.early_difference < 1e-5
    model, again = nextframe.load_run(name), nextframe.load_run(path)
    past = known_past(name, model)
    true = model.predict(past, LEAD_TIMES)
    spread = float(np.nanmax(past) - np.nanmin(past))
    assert spread > 0
    np.testing.assert_allclose(again.predict(past, LEAD_TIMES), true, rtol=0, atol=1e-4 * spread)  # missing alike, too
    for calibrated, read in zip(
        model.distribution(past, LEAD_TIMES), again.distribution(past, LEAD_TIMES), strict=True
    ):
        np.testing.assert_allclose(read, calibrated, rtol=0, atol=1e-4 * spread)
    moves = model.config.data.coordinates != "eulerian"
    around = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["around"]
    assert any(f"in {model.config.data.coordinates} coordinates" in sentence for sentence in around) == moves
    assert any("take only the share" in sentence for sentence in around) == (name == "radar-rain")
    assert any("forecast its last frame from those before it" in sentence for sentence in around) == (name == "video")
