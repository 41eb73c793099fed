"""Scores of the line after each epoch: in source units, and those that a verification has on the same windows."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.config import Coordinates
from nextframe.data.split import split_as
from nextframe.data.windows import cut_windows
from nextframe.forecasting.persistence import Persistence
from nextframe.runs.metrics import read_metrics
from nextframe.verification.verify import verify

SMALL: Any = {
    **{"past": 3, "future": 2, "filters": (3,), "epochs": 1, "minutes": None, "train_crop": None},
    **{"validation": 0.3, "test": 0.2},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coordinates", "residual"), [("eulerian", False), ("lagrangian", False), ("eulerian", True), ("lagrangian", True)]
)
def test_they_are_those_of_a_verification_on_the_same_windows(
    tmp_path: Path, coordinates: Coordinates, residual: bool
) -> None:
    draw = np.random.default_rng(0)
    start = 250 + 60 * draw.random((16, 16))
    frames = np.stack([np.roll(start, n, axis=1) for n in range(60)])[:, None] + draw.normal(0, 2, (60, 1, 16, 16))
    lines: list[str] = []
    model = nextframe.fit(
        frames.astype(np.float32),
        out=tmp_path / "run",
        **SMALL,
        residual=residual,
        output="linear",
        loss="mse",
        coordinates=coordinates,
        batch_size=8,
        progress=True,
        tell=lines.append,
    )
    source = nextframe.open_source(frames.astype(np.float32))
    windows = cut_windows(split_as(source, model.config.data).validation, past=3, future=2)
    found = verify([model, Persistence()], windows, thresholds=(model.manifest.threshold,))
    row = read_metrics(tmp_path / "run")[-1]
    mse = float(np.mean(found.scores["model"]["mse"]))
    csi = float(np.mean(found.scores["model"][f"csi_{model.manifest.threshold:g}"]))
    assert row["val_rollout_mse"] == pytest.approx(mse, rel=1e-4)
    if (
        not residual
    ):  # the best share of what the network adds is known when the epoch is over, and squared errors of it
        assert row["val_rollout_csi"] == pytest.approx(csi, abs=1e-3)
    if coordinates == "eulerian":
        simple = float(np.mean(found.scores["persistence"]["mse"]))
        assert row["val_persistence_mse"] == pytest.approx(simple, rel=1e-4)
    (said,) = (line for line in lines if "rollout: MSE" in line)
    match = re.search(r"rollout: MSE (\S+)", said)
    assert match is not None
    assert float(match[1]) == pytest.approx(mse, rel=1e-3)


@pytest.mark.slow
def test_of_pictures_the_line_has_the_psnr_that_a_verification_has(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    start = draw.integers(20, 230, (12, 12))
    film = np.stack([np.roll(start, n, axis=1) for n in range(40)]).astype(np.uint8)
    lines: list[str] = []
    model = nextframe.fit(
        film,
        out=tmp_path / "run",
        **SMALL,
        tell=lines.append,
    )
    windows = cut_windows(split_as(nextframe.open_source(film), model.config.data).validation, past=3, future=2)
    expected = float(np.mean(verify([model], windows).scores["model"]["psnr"]))
    (said,) = (line for line in lines if "rollout: MSE" in line)
    match = re.search(r"PSNR (\S+) dB", said)
    assert match is not None
    assert "CSI" not in said
    assert read_metrics(tmp_path / "run")[-1]["val_rollout_psnr"] == pytest.approx(expected, abs=0.02)
    assert float(match[1]) == pytest.approx(expected, abs=0.02)
