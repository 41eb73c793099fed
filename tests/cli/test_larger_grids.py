"""A run on grids of another size than it was trained on, whole and in tiles, by the command line."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from nextframe.cli import main

SMALL = "squares:movies=12,frames=6,size=16"


@pytest.fixture(scope="module", params=["stacked", "encoder-decoder"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    options = "--past=3 --future=2 --validation=0.2 --test=0.2 --filters=4 --norm=layer --patch=2 --train-crop=8"
    arguments = ["train", request.param, f"--data={SMALL}", *options.split(), "--epochs=1", "--no-progress"]
    assert main([*arguments, "--out", str(folder)]) == 0
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["model"]["patch"] == 2
    return folder


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie of 61 x 83 pixels, which is no multiple of the patch."""
    path = tmp_path_factory.mktemp("frames") / "large.npy"
    y, x = np.mgrid[:61, :83]
    np.save(path, np.stack([np.hypot(y - 25 - t, x - 40 - 2 * t) < 15 for t in range(7)]).astype(np.float32))
    return path


@pytest.mark.slow
def test_it_forecasts_and_verifies_another_size(run: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.nc"
    assert main(["forecast", str(run), "--input", str(frames), "--lead-times", "3", "--out", str(out)]) == 0
    with xr.open_dataset(out) as made:
        assert dict(made.sizes) == {"lead_time": 3, "y": 61, "x": 83}
    assert main(["verify", str(run), "--data", str(frames), "--out", str(tmp_path), "--no-progress"]) == 0
    assert (tmp_path / "verification.json").is_file()


@pytest.mark.slow
def test_in_tiles_it_forecasts_the_same(run: Path, frames: Path, tmp_path: Path) -> None:
    made = {}
    for name, options in {
        "whole": [],
        "tiled": ["--tile", "56", "--overlap", "46"],
        "default": ["--tile", "56"],
    }.items():
        out = tmp_path / f"{name}.npy"
        assert main(["forecast", str(run), "--input", str(frames), "--lead-times=2", *options, "--out", str(out)]) == 0
        made[name] = np.load(out)
    assert made["whole"].shape == (2, 1, 61, 83)
    np.testing.assert_allclose(made["tiled"], made["whole"], atol=1e-5)
    np.testing.assert_allclose(made["default"], made["whole"], atol=1e-5)


@pytest.mark.slow
def test_probabilities_and_scores_in_tiles(run: Path, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.nc"
    options = ["--lead-times=2", "--tile=40", "--exceed=0.5", "--coverage=0.9", "--members"]
    assert main(["forecast", str(run), "--input", str(frames), *options, "--out", str(out)]) == 0
    with xr.open_dataset(out) as made:
        assert {"frame", "frame_probability", "frame_lower", "frame_upper"} <= set(made)
        assert bool(((made.frame_probability >= 0) & (made.frame_probability <= 1)).all())
    scores = ["--tile=40", "--overlap=10", "--matched", "--baselines=persistence", "--no-progress"]
    assert main(["verify", str(run), "--data", str(frames), *scores, "--out", str(tmp_path)]) == 0


@pytest.mark.slow
def test_tiles_that_make_no_sense_are_refused(
    run: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, said in {
        "--tile=0": "tile: is too small (expected at least 1, received 0)",
        "--tile=20 --overlap=20": "overlap: does not fit the tiles (expected 0 to 19, received 20)",
        "--overlap=20": "overlap: is of tiles (received 20)",
        "--tile=3": "tile, overlap: leave no room for a step of 2 pixels, the model's patch",
    }.items():
        arguments = ["forecast", str(run), "--input", str(frames), *options.split(), "--out", str(tmp_path / "no.npy")]
        assert main(arguments) == 2
        assert f"nextframe: {said}" in capsys.readouterr().err
    assert not (tmp_path / "no.npy").exists()


def test_inspect_tells_of_patches_and_of_what_a_forecast_reads(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(run)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    stacked = "model stacked" in printed
    # Patches of 2 pixels; per frame one patch along the recurrence, and the readout's where there is one.
    reach = 2 * (2 + 2 * (2 if stacked else 1)) + 1
    assert "patches 2 x 2 pixels (space-to-depth)" in printed
    assert f"receptive field up to {reach} pixels away" in printed
    parameters = 4 * 4 * (9 * (4 + 4) + 1)  # of a layer of 4 filters that reads 4 channels
    expected = parameters + 2 * 4 + 4 * (27 * 4 + 1) if stacked else 2 * parameters + 4 * (4 + 1)
    assert f"{expected:,} parameters" in printed
    assert "depends on no" in printed
