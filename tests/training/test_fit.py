"""Training end to end on tiny movies: what a run folder holds, what stops a bad run, and resuming bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from nextframe import engine
from nextframe.config import RunConfig
from nextframe.errors import CheckpointError, ConfigError, DataError
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.source import open_source
from nextframe.models.build import build_model
from nextframe.runs.folder import load_config, load_model
from nextframe.runs.metrics import read_metrics
from nextframe.training.fit import train
from nextframe.training.presets import preset_config
from nextframe.training.skill import PerFrameLoss

TINY = {
    "data": "squares:movies=24,frames=8,size=16",
    "past": 4,
    "future": 4,
    "validation": 0.25,
    "test": 0.0,
    "filters": (4, 3),
    "epochs": 2,
    "batch_size": 4,
    "train_crop": 12,
    "accelerator": "cpu",
}


def tiny(model: str = "stacked", **options: object) -> RunConfig:
    return preset_config(model).replace({**TINY, **options})


def run_tiny(out: Path, config: RunConfig, *, resume: bool = False) -> None:
    train(open_source(config.data.data), config, out, progress=False, resume=resume)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("stacked", {}),
        ("stacked", {"temporal_padding": "same", "norm": "batch", "optimizer": "adadelta", "learning_rate": 1.0}),
        ("stacked", {"rollout_training": 0.5, "output": "linear", "residual": True, "loss": "mse"}),
        ("encoder-decoder", {"scheduled_sampling": 0.5}),
        ("encoder-decoder", {"rollout_training": 1.0, "optimizer": "rmsprop", "loss": "mae"}),
        ("stacked", {"importance": 0.2}),
        ("stacked", {"scheduled_sampling": 1.0, "loss": "quantile", "quantiles": 3, "output": "linear"}),
        ("stacked", {"loss": "balanced-mae", "loss_thresholds": (0.5,), "loss_weights": (1.0, 4.0)}),
    ],
)
def test_a_run_folder_holds_everything_that_a_forecast_needs(
    tmp_path: Path, model: str, options: dict[str, object]
) -> None:
    config = tiny(model, **options)
    run_tiny(tmp_path / "run", config)
    assert load_config(tmp_path / "run" / "config.yaml") == config
    rows = read_metrics(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(np.isfinite(row["val_loss"]) and 0 <= row["val_rollout_csi"] <= 1 for row in rows)
    network, card = load_model(tmp_path / "run")
    assert not network.training
    assert (card.channels, card.height, card.width, card.threshold) == (1, 16, 16, 0.5)
    assert card.config == config
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.slow
def test_training_lowers_the_loss_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    config = tiny(epochs=6, learning_rate=1e-2)
    run_tiny(tmp_path / "run", config)
    rows = read_metrics(tmp_path / "run")
    assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["val_rollout_mse"])
    assert load_model(tmp_path / "run")[1].epoch == best["epoch"]


def test_losses_are_reported_by_number_of_frames_seen(tmp_path: Path) -> None:
    run_tiny(tmp_path / "run", tiny(epochs=1, min_seen=3))
    (row,) = read_metrics(tmp_path / "run")
    seen = [row[f"val_loss_frames_seen_{n}"] for n in range(1, 8)]
    assert row["val_loss"] == pytest.approx(np.mean(seen[2:]), rel=1e-5)


def test_bar_and_line_count_epochs_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny(epochs=1)
    train(open_source(config.data.data), config, tmp_path, progress=True)
    out = capsys.readouterr().out
    assert "\nepoch 1/1  " in out
    assert "Epoch 1/1 " in out


@pytest.mark.slow
def test_patience_stops_a_training_that_no_longer_gains(tmp_path: Path) -> None:
    run_tiny(tmp_path / "run", tiny(epochs=20, learning_rate=1e-30, schedule="constant", patience=2))
    assert len(read_metrics(tmp_path / "run")) == 3


@pytest.mark.slow
def test_a_run_that_has_ended_is_not_trained_again(tmp_path: Path) -> None:
    still = tiny(epochs=3, learning_rate=1e-30, schedule="constant")  # no epoch after the first is better
    for name, config in (("whole", still), ("stopped", still.replace({"epochs": 20, "patience": 2}))):
        run = tmp_path / name
        run_tiny(run, config)
        assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=False)["epoch"] == 2
        before = (run / "metrics.csv").read_bytes()
        run_tiny(run, config, resume=True)
        assert (run / "metrics.csv").read_bytes() == before


@pytest.mark.slow
def test_epochs_on_the_rollout_alone_have_a_loss(tmp_path: Path) -> None:
    run_tiny(tmp_path / "run", tiny(epochs=2, rollout_training=0.5))
    assert all(0.3 < row["train_loss"] < 1.5 for row in read_metrics(tmp_path / "run"))


def test_a_single_step_trains(tmp_path: Path) -> None:
    config = tiny(epochs=1, batch_size=18, optimizer="adamw", learning_rate=1e-2)
    run_tiny(tmp_path / "run", config)
    torch.manual_seed(0)
    first = build_model(config.model, 1)
    moved = [
        (a - b).abs().max()
        for a, b in zip(first.parameters(), load_model(tmp_path / "run")[0].parameters(), strict=True)
    ]
    assert min(moved) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_mixed_precision_trains_with_clipped_gradients(tmp_path: Path, optimizer: str) -> None:
    run_tiny(tmp_path / "run", tiny(epochs=1, optimizer=optimizer, precision="bf16-mixed", gradient_clip=1.0))
    assert np.isfinite(read_metrics(tmp_path / "run")[0]["train_loss"])


@pytest.mark.slow
def test_a_lead_time_without_a_value_does_not_hide_the_best_weights(tmp_path: Path) -> None:
    movies = open_source(str(TINY["data"]))
    gappy = []
    for sequence in movies.sequences:
        values = sequence.read(0, 8)
        values[6] = np.nan
        gappy.append(FrameSequence(values=values, name=sequence.name, missing="mask"))
    config = tiny(epochs=3, learning_rate=1e-2)
    train(FrameSource(name="gappy", sequences=tuple(gappy)), config, tmp_path, progress=False)
    rows = read_metrics(tmp_path)
    assert all(np.isfinite(row["val_rollout_mse"]) for row in rows)
    best = min(rows, key=lambda row: row["val_rollout_mse"])
    assert load_model(tmp_path)[1].epoch == best["epoch"]


def test_sums_are_of_float32_where_a_device_has_no_more() -> None:
    def move(values: torch.Tensor) -> torch.Tensor:
        if values.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return values.clone()

    loss = PerFrameLoss(3, first=1)
    loss.update(torch.ones(2, 3, 1, 2, 2), torch.ones(2, 3, 1, 2, 2).bool())
    loss._apply(move)
    loss.update(torch.full((2, 2, 1, 2, 2), 3.0), torch.ones(2, 2, 1, 2, 2).bool())
    assert loss.total.dtype == torch.float32
    assert loss.compute()["by_frame"].tolist() == [1, 2, 2]
    assert loss.compute()["mean"] == 2
    loss.reset()
    loss._apply(move)
    assert loss.count.tolist() == [0, 0, 0]


def weights(run: Path) -> dict[str, torch.Tensor]:
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=False)
    return dict(last["state_dict"])


@pytest.mark.slow
def test_a_killed_and_resumed_run_ends_in_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    config = tiny("encoder-decoder", epochs=4, scheduled_sampling=0.5)
    run_tiny(tmp_path / "whole", config)
    program = (
        "import sys; from pathlib import Path; from nextframe.training.fit import train;"
        "from nextframe.runs.folder import load_config; from nextframe.frames.source import open_source;"
        "c = load_config(sys.argv[1]);"
        "train(open_source(c.data.data), c, Path(sys.argv[2]), progress=False, resume=True)"
    )
    killed = tmp_path / "killed"
    arguments = [sys.executable, "-c", program, str(tmp_path / "whole" / "config.yaml"), str(killed)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(arguments, env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (killed / "metrics.csv").exists() and len(read_metrics(killed)) >= 2:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    run_tiny(killed, config, resume=True)
    whole, resumed = weights(tmp_path / "whole"), weights(killed)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert [row["val_loss"] for row in read_metrics(killed)] == [
        row["val_loss"] for row in read_metrics(tmp_path / "whole")
    ]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_tiny(tmp_path / name, tiny(epochs=1, seed=seed))
    a, b, c = (safetensors.torch.load_file(tmp_path / n / "model.safetensors") for n in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run_tiny(tmp_path / "run", tiny(epochs=1))
    with pytest.raises(ConfigError, match=r"already holds a run.*resume=True"):
        run_tiny(tmp_path / "run", tiny(epochs=1))
    with pytest.raises(ConfigError, match=r"another configuration .epochs differ"):
        run_tiny(tmp_path / "run", tiny(epochs=3), resume=True)


def test_bad_run_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        load_model(tmp_path / "nothing")
    run = tmp_path / "run"
    run_tiny(run, tiny(epochs=1))
    card = json.loads((run / "model.json").read_text())
    (run / "model.json").write_text(json.dumps({**card, "threshold": 0.25}))
    with pytest.raises(CheckpointError, match=r"model.json: was changed since it was written"):
        load_model(run)
    del card["checksum"]
    (run / "model.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(CheckpointError, match=r"another version.*format 1.*format 99"):
        load_model(run)
    (run / "model.json").write_text(json.dumps({**card, "epoch": 7}))
    with pytest.raises(CheckpointError, match="another epoch"):
        load_model(run)
    for damage in ({"config": [1]}, {"normaliser": {**card["normaliser"], "low": "x", "scale": "x", "offset": "x"}}):
        (run / "model.json").write_text(json.dumps({**card, **damage}))
        with pytest.raises(CheckpointError, match=r"model.json: is damaged"):
            load_model(run)
    (run / "model.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"model\.json: cannot be read"):
        load_model(run)
    (run / "model.json").write_text(json.dumps({**card, "config": {**card["config"], "model": {"filters": [5, 3]}}}))
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        load_model(run)
    (run / "model.json").write_text(json.dumps(card))
    (run / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        load_model(run)


def test_constant_frames_are_refused(tmp_path: Path) -> None:
    frames = FrameSequence(values=np.full((40, 1, 12, 12), 3.0, np.float32), name="flat.npy")
    with pytest.raises(DataError, match="constant"):
        train(FrameSource(name="flat.npy", sequences=(frames,)), tiny(), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_missing_values_do_not_reach_the_loss(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((60, 1, 12, 12), np.float32)
    values[:, :, :4] = np.nan
    frames = FrameSequence(values=values, name="holes.nc", missing="mask")
    train(FrameSource(name="holes.nc", sequences=(frames,)), tiny(epochs=1), tmp_path / "run", progress=False)
    (row,) = read_metrics(tmp_path / "run")
    assert np.isfinite([row["train_loss"], row["val_loss"], row["val_rollout_mse"]]).all()


@pytest.mark.slow
@pytest.mark.skipif(not engine.instruction_sets(), reason="the native engine was not built on this machine")
def test_engine_and_plain_path_learn_alike(tmp_path: Path) -> None:
    """An epoch of both, loss by loss: float32 differences of 1e-6 must not grow into another course."""
    config = tiny(epochs=1, filters=(8, 8), data="squares:movies=80,frames=8,size=16", batch_size=4)
    run_tiny(tmp_path / "engine", config)
    before = engine.use(False)
    try:
        run_tiny(tmp_path / "plain", config)
    finally:
        engine.use(before)
    (fast,), (plain,) = read_metrics(tmp_path / "engine"), read_metrics(tmp_path / "plain")
    for name in ("train_loss", "val_loss", "val_rollout_mse"):
        assert fast[name] == pytest.approx(plain[name], rel=1e-3), name


@pytest.mark.slow
def test_recomputing_learns_the_same(tmp_path: Path) -> None:
    run_tiny(tmp_path / "kept", tiny(epochs=1))
    run_tiny(tmp_path / "again", tiny(epochs=1, recompute=3))
    (kept,), (again,) = read_metrics(tmp_path / "kept"), read_metrics(tmp_path / "again")
    assert again["train_loss"] == pytest.approx(kept["train_loss"], rel=1e-4)
    assert again["val_rollout_mse"] == pytest.approx(kept["val_rollout_mse"], rel=1e-3)


@pytest.mark.parametrize("options", [{"accelerator": "tpu"}, {"accelerator": "abacus"}, {"precision": "7"}], ids=str)
def test_a_machine_that_cannot_do_it_leaves_no_run(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"accelerator, devices, precision: this machine cannot"):
        run_tiny(tmp_path / "run", tiny().replace(options))
    assert not (tmp_path / "run" / "config.yaml").exists()
