"""What a run folder of an earlier version, or a damaged one, is to the package."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from nextframe import api
from nextframe.cli import main
from nextframe.errors import CheckpointError, ConfigError
from nextframe.runs.folder import load_config, load_model
from nextframe.runs.manifest import FORMAT, read_manifest, write_manifest
from nextframe.runs.metrics import append_metrics, read_metrics
from nextframe.training.checkpoints import find_resume_point

EARLIER = Path(__file__).parent / "v0.1"
"""A run of version 0.1, killed in the midst of its 60 epochs, and calibrated."""
EPOCHS = 55


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(EARLIER, tmp_path / "run")


@pytest.mark.slow
def test_a_run_of_version_0_1_loads_forecasts_verifies_and_goes_on(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads((run / "model.json").read_text(encoding="utf-8"))["format"] == 1
    forecaster = api.load_run(run)
    assert forecaster.calibration is not None
    assert main(["inspect", str(run)]) == 0
    source, out = "squares:movies=1,frames=6,size=12,seed=9", tmp_path / "f.npy"
    assert main(["forecast", str(run), "--input", source, "--out", str(out)]) == 0
    assert np.isfinite(np.load(out)).all()
    assert main(["verify", str(run), "--no-progress", "--baselines=persistence", "--out", str(tmp_path / "v")]) == 0
    before, rows = forecaster.manifest.epoch, read_metrics(run)
    capsys.readouterr()
    assert main(["train", "--config", str(run / "config.yaml"), "--out", str(run), "--resume", "--no-progress"]) == 0
    after = read_metrics(run)
    assert [row["epoch"] for row in after] == list(range(1, 61))
    assert after[: len(rows) - 1] == rows[:-1]
    best = min(after, key=lambda row: row["val_rollout_mse"])
    assert load_model(run)[1].epoch == best["epoch"] >= before


def test_an_option_that_version_0_1_let_pass_unused_is_no_damage(run: Path, tmp_path: Path) -> None:
    old = json.loads((run / "model.json").read_text(encoding="utf-8"))
    old["config"]["model"] |= {"model": "encoder-decoder", "temporal_padding": "same"}
    old["config"]["training"]["min_seen"] = 1
    (tmp_path / "model.json").write_text(json.dumps(old), encoding="utf-8")
    assert read_manifest(tmp_path / "model.json").config.model.temporal_padding == "causal"


def test_a_manifest_says_the_same_in_every_format(run: Path, tmp_path: Path) -> None:
    manifest = read_manifest(run / "model.json")
    write_manifest(tmp_path, manifest, parameters=1)
    assert json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))["format"] == FORMAT
    assert read_manifest(tmp_path / "model.json") == manifest
    old = json.loads((run / "model.json").read_text(encoding="utf-8"))
    old |= {"grid": [[float(n) for n in range(12)], [float(n) for n in range(12)]], "time_step": 300.0}
    (run / "model.json").write_text(json.dumps(old), encoding="utf-8")
    placed = read_manifest(run / "model.json")
    assert (placed.time_step, placed.grid) == (300.0, (tuple(range(12)), tuple(range(12))))
    write_manifest(tmp_path, placed, parameters=1)
    assert read_manifest(tmp_path / "model.json") == placed


ABSURD: list[dict[str, Any]] = [
    {"channels": 10**9},
    {"channels": 0},
    {"channels": True},
    {"height": -3},
    {"width": 1e300},
    {"epoch": "x"},
    {"threshold": float("nan")},
    {"time_step": float("inf")},
    {"units": ["1", "1"]},
    {"grid": [[0.0], [1.0]]},
    {"variables": None},
    {"normaliser": {"method": "range", "offset": [0.0, 0.0], "scale": [1.0, 1.0], "bend": []}},
    {"config": {"model": {"filters": [10**9, 10**9]}}},
    {"config": {"model": {"filters": [10**18]}}},
    {"config": {"model": {"kernel_size": 10**6 + 1}}},
    {"config": {"model": {"quantiles": 10**9 + 1}}},
    {"config": {"data": {"past": 10**12}}, "format": 99},
    {"format": None},
    {"format": -1},
]


@pytest.mark.parametrize("changes", ABSURD, ids=str)
def test_a_damaged_manifest_is_named_before_memory_is_taken(run: Path, changes: dict[str, Any]) -> None:
    old = json.loads((run / "model.json").read_text(encoding="utf-8"))
    if "config" in changes:
        changes = {
            **changes,
            "config": {**old["config"], "model": {**old["config"]["model"], **changes["config"].get("model", {})}},
        }
    (run / "model.json").write_text(json.dumps({**old, **changes}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"model\.(json|safetensors): "):
        load_model(run)


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bits of a file turned over, or its end cut off."""
    if rng.random() < 0.3:
        return data[: rng.integers(len(data))]
    values = np.frombuffer(data, np.uint8).copy()
    for place in rng.integers(len(values), size=rng.integers(1, 6)):
        values[place] ^= 1 << rng.integers(8)
    return values.tobytes()


@pytest.mark.parametrize("name", ["model.json", "calibration.json", "model.safetensors", "metrics.csv", "config.yaml"])
@pytest.mark.slow
def test_bits_that_have_turned_are_a_sentence_or_nothing(run: Path, name: str) -> None:
    whole = (run / name).read_bytes()
    rng = np.random.default_rng(0)
    said = []
    for _ in range(40):
        (run / name).write_bytes(flipped(whole, rng))
        try:
            if name == "metrics.csv":
                read_metrics(run)
            elif name == "config.yaml":
                load_config(run / name)
            else:
                api.load_run(run)
        except (CheckpointError, ConfigError) as error:
            said.append(str(error))
    assert len(said) > 5
    assert not any("\n" in sentence for sentence in said)


def test_bits_of_a_checkpoint_that_have_turned_are_always_seen(run: Path) -> None:
    folder = run / "checkpoints"
    whole = (folder / "last.ckpt").read_bytes()
    (folder / "best.ckpt").unlink()
    point = find_resume_point(run, print)
    assert point is not None
    assert (point.epochs, point.batches) == (EPOCHS, 0)
    rng, said = np.random.default_rng(1), []
    for _ in range(40):
        (folder / "last.ckpt").write_bytes(flipped(whole, rng))
        try:
            still = find_resume_point(run, print)
        except CheckpointError as error:
            said.append(str(error))
            continue
        # What was hit says nothing: times of the archive's members and the like.
        assert still == point
        now, before = weights((folder / "last.ckpt").read_bytes()), weights(whole)
        assert all(torch.equal(now[name], before[name]) for name in before)
    assert len(said) > 30
    assert all("last.ckpt: cannot be resumed" in sentence for sentence in said)


def weights(checkpoint: bytes) -> dict[str, torch.Tensor]:
    return dict(torch.load(io.BytesIO(checkpoint), weights_only=True)["state_dict"])


def test_inspection_shows_what_is_whole(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "metrics.csv").write_text("epoch,seconds\n1,x\n", encoding="utf-8")
    (run / "calibration.json").write_text("{", encoding="utf-8")
    assert main(["inspect", str(run)]) == 0
    said = "".join(capsys.readouterr().out.split())
    assert "stacked,filters2,2" in said
    assert "metrics.csv:isdamaged" in said
    assert "calibration.json:cannotberead" in said
    (run / "model.json").write_text("{", encoding="utf-8")
    (run / "metrics.csv").write_bytes((EARLIER / "metrics.csv").read_bytes())
    assert main(["inspect", str(run)]) == 0
    said = "".join(capsys.readouterr().out.split())
    assert "model.json:cannotberead" in said
    assert "validationloss" in said


def test_weights_that_are_not_finite_are_refused(run: Path) -> None:
    manifest = read_manifest(run / "model.json")
    weights = safetensors.torch.load_file(run / "model.safetensors")
    name = next(iter(weights))
    weights[name] = weights[name] * float("nan")
    data = safetensors.torch.save(weights, metadata={"epoch": str(manifest.epoch)})
    (run / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="holds weights that are not finite"):
        load_model(run)
    assert main(["verify", str(run), "--no-progress"]) == 2


def test_rows_of_metrics_are_numbers(tmp_path: Path) -> None:
    append_metrics(tmp_path, {"epoch": 1, "loss": 0.5})
    append_metrics(tmp_path, {"epoch": 2, "loss": 0.25})
    append_metrics(tmp_path, {"epoch": 2, "loss": 0.125})
    assert read_metrics(tmp_path) == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.125}]
    for text in ("", "epoch,loss\n1\n", "loss\n1\n", "epoch,loss\n1,one\n", "epoch,loss\n1,2,3\n"):
        (tmp_path / "metrics.csv").write_text(text, encoding="utf-8")
        with pytest.raises(CheckpointError, match=r"metrics\.csv: is damaged"):
            read_metrics(tmp_path)
