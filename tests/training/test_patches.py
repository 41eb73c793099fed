"""Space-to-depth end to end: trained on patches, forecast on larger grids and in tiles, from a run folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

import nextframe
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.patches import Patched
from nextframe.runs.folder import load_model


def rain(movies: int, frames: int, side: int, seed: int = 0) -> NDArray[np.float32]:
    """Blobs on the move, binary as the radar of the tutorial's author, (N, T, H, W)."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    made = np.zeros((movies, frames, side, side), np.float32)
    for movie in made:
        for _ in range(4):
            place, speed = draw.uniform(0, side, 2), draw.uniform(-4, 4, 2)
            for t, frame in enumerate(movie):
                frame[np.hypot(y - place[0] - t * speed[0], x - place[1] - t * speed[1]) < side / 10] = 1
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers in the encoder and two in the decoder, on 100 x 100 frames as 25 x 25 x 16."""
    folder = tmp_path_factory.mktemp("patches")
    np.save(folder / "rain.npy", rain(10, 8, 100))
    read: list[tuple[int, ...]] = []
    scan = ConvLSTM2d.scan

    def noting(self: ConvLSTM2d, frames: torch.Tensor, state: Any = None) -> Any:
        read.append(tuple(frames.shape[2:]))
        return scan(self, frames, state)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ConvLSTM2d, "scan", noting)
        nextframe.fit(
            folder / "rain.npy",
            model="encoder-decoder",
            axes="NTHW",
            out=folder / "run",
            patch=4,
            filters=(16, 12),
            past=4,
            future=4,
            validation=0.2,
            test=0.2,
            train_crop=None,
            optimizer="rmsprop",
            schedule="constant",
            learning_rate=3e-3,
            batch_size=2,
            epochs=4,
            progress=False,
        )
    assert {shape for shape in read if shape[0] == 16} == {(16, 25, 25)}
    assert {shape[1:] for shape in read} == {(25, 25)}
    return folder / "run"


@pytest.mark.slow
def test_it_learns(run: Path) -> None:
    model, card = load_model(run)
    assert isinstance(model, Patched)
    assert isinstance(model.inner, EncoderDecoder)
    assert (model.patch, model.in_channels, model.inner.in_channels) == (4, 1, 16)
    assert card.config.model.patch == 4
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["patch"] == 4
    rows = (run / "metrics.csv").read_text().splitlines()
    losses = [float(row.split(",")[rows[0].split(",").index("val_loss")]) for row in rows[1:]]
    assert losses[-1] < 0.7 * losses[0]


def test_it_forecasts_its_own_grid_and_larger_ones(run: Path) -> None:
    model = nextframe.load_run(run)
    for height, width in ((100, 100), (150, 203)):
        past = rain(1, 4, max(height, width), seed=5)[0, :, :height, :width]
        forecast = model.forecast(past, lead_times=4)
        assert forecast.values.shape == (4, 1, height, width)
        assert forecast.members is not None
        assert forecast.members.shape == (19, 4, 1, height, width)
        assert np.isfinite(forecast.members).all()
        tiled = model.forecast(past, lead_times=4, tile=96)
        assert tiled.members is not None
        # The receptive field is larger than half a tile, but hardly anything comes from so far away.
        assert np.abs(tiled.values - forecast.values).mean() < 0.01


def test_the_same_configuration_without_patches_has_another_model(run: Path) -> None:
    patched, _ = load_model(run)
    plain = build_model(nextframe.load_run(run).config.replace({"patch": 1}).model, 1)
    assert not isinstance(plain, Patched)
    assert plain.in_channels == patched.in_channels == 1


def test_a_crop_has_to_be_whole_patches(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train_crop: cannot be cut into whole patches.*train_crop=24"):
        nextframe.fit(run.parent / "rain.npy", out=tmp_path / "run", patch=4, train_crop=26, progress=False)
    assert not (tmp_path / "run").exists()
