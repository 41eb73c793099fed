"""Trainings that go wrong, are ended or killed: what is said, what stays, and what resuming makes of it."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nextframe import api
from nextframe.cli import main
from nextframe.config import RunConfig, TrainingConfig
from nextframe.errors import CheckpointError, ConfigError, DataError, TrainingError
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.runs.folder import load_model
from nextframe.runs.lock import LOCK
from nextframe.runs.metrics import read_metrics
from nextframe.training.checkpoints import find_resume_point, read_checkpoint
from nextframe.training.fit import train
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config

TINY: dict[str, Any] = {
    "data": "squares:movies=24,frames=8,size=16",
    "past": 4,
    "future": 4,
    "validation": 0.25,
    "test": 0.0,
    "filters": (3,),
    "epochs": 3,
    "batch_size": 4,
    "train_crop": 12,
    "accelerator": "cpu",
}


def tiny(**options: object) -> RunConfig:
    return preset_config("stacked").replace({**TINY, **options})


def run_tiny(out: Path, config: RunConfig, **more: Any) -> None:
    train(open_source(config.data.data), config, out, **{"progress": False, **more})


def arguments(out: Path, *more: str, **options: object) -> list[str]:
    """A training of the command line."""
    flags = [
        f"--{name.replace('_', '-')}={','.join(map(str, v)) if isinstance(v, tuple) else v}"
        for name, v in {**TINY, **options}.items()
    ]
    return ["train", "stacked", *flags, "--out", str(out), *more]


def start(*command: str, **more: Any) -> subprocess.Popen[str]:
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment = {**os.environ, **threads, **more.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "nextframe", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    pytest.fail(f"it ended before it said {beginning!r}: {process.communicate()}")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"])


def same(a: Path, b: Path) -> None:
    """Hold two runs to have ended alike, bit for bit."""
    first, second = weights(a), weights(b)
    assert all(torch.equal(first[name], second[name]) for name in first)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(run)] for run in (a, b)]
    assert rows[0] == rows[1]


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Has something done at the beginning of a step, counted from 1 over the whole training."""

    def when(step: int, what: Callable[[], None]) -> None:
        before = ForecastTraining.training_step

        def training_step(self: ForecastTraining, batch: Any, batch_index: int) -> Any:
            if self.global_step + 1 == step:
                what()
            return before(self, batch, batch_index)

        monkeypatch.setattr(ForecastTraining, "training_step", training_step)

    return when


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


# --- a loss that is not finite ---


@pytest.mark.slow
def test_a_loss_that_is_nan_ends_the_training_and_the_last_good_weights_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ForecastTraining._mean

    def loss(self: ForecastTraining, *values: torch.Tensor) -> torch.Tensor:
        return before(self, *values) * (float("nan") if self.global_step == 9 else 1)

    monkeypatch.setattr(ForecastTraining, "_mean", loss)
    run = tmp_path / "run"
    assert main(arguments(run, "--no-progress")) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "loss is NaN at step 10, in epoch 3, with learning rate " in printed.err
    assert "the weights after epoch " in printed.err
    assert "try a smaller --learning-rate 0.001" in printed.err
    assert "wrote" not in printed.out
    assert [row["epoch"] for row in read_metrics(run)] == [1, 2]
    assert all(torch.isfinite(values).all() for values in load_model(run)[0].state_dict().values())
    assert not list(run.rglob("*.tmp*"))
    assert not (run / LOCK).exists()
    assert api.load_run(run).forecast(open_source(TINY["data"]).sequences[0][:4], 2).lead_times == 2


def test_a_real_divergence_is_told_in_python_too(tmp_path: Path) -> None:
    config = tiny(
        optimizer="rmsprop", learning_rate=1e30, schedule="constant", gradient_clip=None, loss="mse", output="linear"
    )
    with pytest.raises(TrainingError, match=r"loss is (NaN|infinite) .*no weights were kept.*gradient_clip=1"):
        run_tiny(tmp_path / "run", config)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_validation_loss_that_is_nan_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ForecastTraining.validation_step

    def validation_step(self: ForecastTraining, batch: Any, batch_index: int) -> None:
        if self.trainer.current_epoch == 1:
            batch["future"] = batch["future"] * float("nan")
        before(self, batch, batch_index)

    monkeypatch.setattr(ForecastTraining, "validation_step", validation_step)
    with pytest.raises(TrainingError, match=r"validation loss is NaN after step 8, at the end of epoch 2.*epoch 1 are"):
        run_tiny(tmp_path, tiny())


class Empty(Persistence):
    """A forecaster that knows nothing."""

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        return super().predict(past, lead_times) * np.float32(np.nan)


def test_a_forecast_without_one_finite_value_is_an_error() -> None:
    frames = open_source(TINY["data"]).sequences[0][:4].read(0, 4)
    with pytest.raises(DataError, match="the frames to start from hold no valid value"):
        Persistence().forecast(np.full_like(frames, np.nan), 2)
    with pytest.raises(DataError, match="forecasts no finite value"):
        Empty().forecast(frames, 2)


# --- SIGTERM and SIGKILL ---


@pytest.mark.slow
@pytest.mark.parametrize(("step", "batches"), [(6, 2), (8, 0)], ids=["within an epoch", "at its last step"])
@pytest.mark.parametrize("workers", [0, 2])
def test_sigterm_saves_a_checkpoint_from_which_the_training_goes_on_bit_for_bit(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None], step: int, batches: int, workers: int
) -> None:
    config = tiny(workers=workers, patience=2)
    run_tiny(tmp_path / "whole", config)
    said: list[str] = []
    at_step(step, terminate)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        run_tiny(tmp_path / "run", config, tell=said.append)
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    when = f"in epoch 2, after step {step}" if batches else "after epoch 2"
    assert said[-1] == f"{tmp_path / 'run'}: ended by SIGTERM {when}; its checkpoint is saved, resume it to go on"
    point = find_resume_point(tmp_path / "run", print)
    assert point is not None
    assert (point.epochs, point.batches) == ((1, batches) if batches else (2, 0))
    at_step(0, terminate)
    run_tiny(tmp_path / "run", config, resume=True)
    same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.slow
def test_the_program_ends_with_143_and_says_so(tmp_path: Path) -> None:
    with start(*arguments(tmp_path / "run", epochs=2000)) as process:
        wait_for(process, "epoch 2/2000")
        process.terminate()
        out, err = process.communicate()
    assert process.returncode == 143
    assert "ended by SIGTERM" in out
    assert err == "nextframe: terminated\n"
    assert not (tmp_path / "run" / LOCK).exists()
    assert find_resume_point(tmp_path / "run", print) is not None


@pytest.mark.slow
def test_ctrl_c_is_one_in_python_and_is_heard_again(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None]
) -> None:
    said: list[str] = []
    at_step(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background hears none
    try:
        with pytest.raises(KeyboardInterrupt):
            run_tiny(tmp_path / "run", tiny(), tell=said.append)
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert said[-1] == f"{tmp_path / 'run'}: interrupted; its last checkpoint is there, resume it to go on"
    point = find_resume_point(tmp_path / "run", print)
    assert point is not None
    assert (point.epochs, point.batches) == (1, 0)


def test_sigterm_outside_of_the_training_ends_the_program_with_143(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(api, "fit", lambda **_: terminate())
    before = signal.getsignal(signal.SIGTERM)
    assert main(["train", "stacked"]) == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err == "nextframe: terminated\n"


@pytest.mark.long
def test_a_training_with_workers_that_is_killed_and_resumed_ends_bit_for_bit(tmp_path: Path) -> None:
    options: dict[str, object] = {"workers": 2, "epochs": 6}
    run_tiny(tmp_path / "whole", tiny(**options))
    with start(*arguments(tmp_path / "run", **options)) as process:
        wait_for(process, "epoch 3/6")
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    run_tiny(tmp_path / "run", tiny(**options), resume=True)
    same(tmp_path / "whole", tmp_path / "run")


def test_what_a_killed_run_left_goes_at_the_next_start(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    left = [run / f".metrics.{gone.pid}.tmp.csv", run / "checkpoints" / f".last.{gone.pid}.tmp.ckpt"]
    for path in left:
        path.write_text("")
    run_tiny(run, tiny(epochs=1))
    assert not any(path.exists() for path in left)


# --- two at once ---


@pytest.mark.long
def test_a_folder_that_is_trained_into_is_refused(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None]
) -> None:
    said: list[str] = []

    def another() -> None:
        commands = [arguments(tmp_path / "run", "--no-progress", *more) for more in ((), ("--resume",))]
        for process in [start(*command) for command in commands]:
            said.append(process.communicate()[1])
            assert process.returncode == 2

    at_step(2, another)
    run_tiny(tmp_path / "run", tiny(epochs=1))
    assert len(said) == 2
    for sentence in said:
        assert sentence.startswith(f"nextframe: {tmp_path / 'run'}: is in use by another training (received process")
        assert f"process {os.getpid()} on " in sentence
        assert sentence.count("\n") == 1


@pytest.mark.long
def test_three_trainings_at_once_get_a_folder_each(tmp_path: Path) -> None:
    command = arguments(Path("unused"), "--no-progress", epochs=1)
    command = [part for n, part in enumerate(command) if part != "--out" and command[n - 1] != "--out"]
    processes = [start(*command, f"--seed={seed}", cwd=tmp_path) for seed in range(3)]
    for process in processes:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    runs = sorted((tmp_path / "runs").iterdir())
    assert [run.name for run in runs] == ["stacked-squares", "stacked-squares-2", "stacked-squares-3"]
    assert sorted(load_model(run)[1].config.training.seed for run in runs) == [0, 1, 2]


def test_a_training_that_is_refused_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        api.fit("squares:movies=2,frames=8,size=16", past=40, progress=False)
    assert list(tmp_path.iterdir()) == []


# --- several devices ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"norm": "batch", "workers": 1, "scheduled_sampling": 0.5}, marks=pytest.mark.long)],
    ids=str,
)
def test_two_processes_train_as_one_does_with_the_same_batches(tmp_path: Path, options: dict[str, object]) -> None:
    config = tiny(epochs=2, **options)
    run_tiny(tmp_path / "one", config)
    said: list[str] = []
    run_tiny(tmp_path / "two", config.replace({"devices": 2}), tell=said.append, progress=True)
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    for a, b in zip(one, two, strict=True):
        for name in ("train_loss", "val_loss", "val_rollout_mse"):
            assert b[name] == pytest.approx(a[name], abs=1e-2), name
            if not options:
                assert b[name] == pytest.approx(a[name], rel=1e-4), name
    assert len([line for line in said if line.startswith("epoch ")]) == 2
    names = {path.name for path in (tmp_path / "two").iterdir()} - {"tensorboard"}
    assert names == {"config.yaml", "metrics.csv", "model.json", "model.safetensors", "seen.npz", "checkpoints"}
    assert not torch.distributed.is_initialized()


@pytest.mark.long
def test_two_processes_end_together_and_go_on_together(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None]
) -> None:
    config = tiny(devices=2)
    run_tiny(tmp_path / "whole", config)
    at_step(6, terminate)
    with pytest.raises(SystemExit):
        run_tiny(tmp_path / "run", config)
    at_step(0, terminate)
    run_tiny(tmp_path / "run", config, resume=True)
    same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.long
def test_devices_at_the_command_line(tmp_path: Path) -> None:
    process = start(*arguments(tmp_path / "run", devices=2, epochs=1))
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.count("epoch 1/1  ") == 1
    assert f"wrote {tmp_path / 'run'}" in out


def test_batches_that_devices_cannot_share_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch_size: cannot be shared evenly.*use batch_size=12"):
        TrainingConfig(batch_size=10, devices=4)


# --- checkpoints ---


@pytest.mark.slow
def test_a_damaged_last_checkpoint_is_passed_over_and_told(tmp_path: Path) -> None:
    config = tiny(learning_rate=1e-30, schedule="constant")  # no epoch is better than the first
    run_tiny(tmp_path / "whole", config)
    run = shutil.copytree(tmp_path / "whole", tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-2000])
    said: list[str] = []
    run_tiny(run, config, resume=True, tell=said.append)
    assert "last.ckpt: cannot be resumed" in said[0]
    assert "going on from best.ckpt, after epoch 1" in said[0]
    same(tmp_path / "whole", run)
    for path in (last, last.with_name("best.ckpt")):
        path.write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: cannot be resumed"):
        run_tiny(run, config, resume=True)


class Trap:
    """Runs a program when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_strangers_checkpoint_runs_nothing(tmp_path: Path) -> None:
    run, trap = tmp_path / "run", tmp_path / "sprung"
    run_tiny(run, tiny(epochs=1))
    last = run / "checkpoints" / "last.ckpt"
    checkpoint = dict(read_checkpoint(last))
    torch.save({**checkpoint, "callbacks": {"trap": Trap(trap)}}, last)
    shutil.copy(last, last.with_name("best.ckpt"))
    with pytest.raises(CheckpointError, match="it holds more than numbers, and nothing of it was run"):
        run_tiny(run, tiny(epochs=1), resume=True)
    last.write_bytes(pickle.dumps(Trap(trap)))
    last.with_name("best.ckpt").unlink()
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        run_tiny(run, tiny(epochs=1), resume=True)
    assert not trap.exists()


@pytest.mark.slow
def test_a_checkpoint_of_something_else_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_tiny(run, tiny(epochs=1))
    (run / "checkpoints" / "best.ckpt").unlink()
    last = run / "checkpoints" / "last.ckpt"
    whole = dict(read_checkpoint(last))
    state = {**whole["state_dict"], "model.other": torch.zeros(3)}
    others: Sequence[object] = ({**whole, "state_dict": state}, {**whole, "optimizer_states": []}, {"epoch": 3}, [1, 2])
    for other in others:
        torch.save(other, last)
        with pytest.raises(CheckpointError, match=r"last\.ckpt: (is of another model|cannot be resumed)"):
            run_tiny(run, tiny(epochs=1), resume=True)
    with zipfile.ZipFile(last, "w") as archive:
        archive.writestr("notes.txt", "a zip of something")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: cannot be resumed"):
        run_tiny(run, tiny(epochs=1), resume=True)


def test_checkpoints_are_written_beside_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in TMPDIR, which may be another file system: what is moved from there is copied, and a kill cuts it off."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    seen: list[set[str]] = []
    before = Path.replace

    def replace(self: Path, target: Path) -> Path:
        seen.append({self.parent.name, Path(target).name})
        return before(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    run_tiny(tmp_path / "run", tiny(epochs=1))
    assert {"checkpoints", "last.ckpt"} in seen
    assert {"checkpoints", "best.ckpt"} in seen


@pytest.mark.slow
def test_a_moved_run_keeps_its_best_checkpoint(tmp_path: Path, at_step: Any) -> None:
    config = tiny(epochs=6, learning_rate=1e-30, schedule="constant")  # no epoch is better than the first
    at_step(10, terminate)
    with pytest.raises(SystemExit):
        run_tiny(tmp_path / "here", config)
    at_step(0, terminate)
    best = (tmp_path / "here" / "checkpoints" / "best.ckpt").read_bytes()
    (tmp_path / "here").rename(tmp_path / "there")
    run_tiny(tmp_path / "there", config, resume=True)
    assert len(read_metrics(tmp_path / "there")) == 6
    assert (tmp_path / "there" / "checkpoints" / "best.ckpt").read_bytes() == best
    assert not (tmp_path / "here").exists()
    assert load_model(tmp_path / "there")[1].epoch == 1


# --- places that cannot be written to ---


@pytest.mark.slow
def test_a_run_folder_that_is_removed_ends_the_training(
    tmp_path: Path, at_step: Callable[[int, Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    at_step(6, lambda: shutil.rmtree(run))
    assert main(arguments(run, "--no-progress")) == 1
    assert "run: was removed while it was trained" in capsys.readouterr().err
    assert not run.exists() or not (run / "metrics.csv").exists()


FULL = (
    "import resource, sys; from nextframe.cli import main\n"
    "from nextframe.training.callbacks import EpochReport\n"
    "before = EpochReport.on_train_epoch_end\n"
    "def then(self, trainer, module):\n"
    "    before(self, trainer, module)\n"
    "    if trainer.current_epoch == 1: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    "EpochReport.on_train_epoch_end = then\n"
    "sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.long
def test_a_disk_that_is_full_is_a_sentence_and_what_was_written_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, *arguments(tmp_path / "run", "--no-progress")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ckpt: cannot be written (received File too large)" in done.stderr
    assert not list((tmp_path / "run").rglob("*.tmp*"))
    point = find_resume_point(tmp_path / "run", print)
    assert point is not None
    assert point.epochs == 1
    run_tiny(tmp_path / "run", tiny(), resume=True)
    assert len(read_metrics(tmp_path / "run")) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert main(arguments(tmp_path / "closed" / "run", "--no-progress")) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte"])
def test_a_name_that_no_folder_can_have_is_a_sentence(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path / name, "--no-progress")) == 2
    assert "cannot be written" in capsys.readouterr().err


# --- what is said ---


@pytest.mark.slow
def test_the_library_says_nothing_but_through_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    source = "squares:movies=24,frames=10,size=16"  # two frames of each movie are in no window of stride 4
    options = {**TINY, "data": source, "epochs": 1}
    del options["data"]
    api.fit(source, out=tmp_path / "a", progress=False, **options)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    api.fit(source, out=tmp_path / "b", progress=True, tell=said.append, **options)
    assert any(line.startswith("epoch 1/1  ") for line in said)
    assert any("windows to train on" in line for line in said)
    assert "windows to train on" not in capsys.readouterr().out
    api.fit(source, out=tmp_path / "c", progress=True, **options)
    assert "windows to train on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--learning-rate=inf", "learning_rate: is not finite"),
        ("--learning-rate=nan", "learning_rate: is not finite"),
        ("--learning-rate=-1", "learning_rate: is not positive"),
        ("--learning-rate=0", "learning_rate: is not positive"),
        ("--gradient-clip=-1", "gradient_clip: is not positive"),
        ("--gradient-clip=nan", "gradient_clip: is not finite"),
        ("--importance=nan", "importance: is not finite"),
        ("--seed=99999999999999999999", "seed: is too large"),
        ("--patience=99999999999999999999", "patience: is too large"),
        ("--learning-rate=1e300", "learning_rate: is too large"),
    ],
)
def test_numbers_that_no_training_can_have_are_refused(
    tmp_path: Path, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(tmp_path / "run", "--no-progress"), option]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    run_tiny(tmp_path, tiny(epochs=1, seed=2**63 - 2))
    assert json.loads((tmp_path / "model.json").read_text())["config"]["training"]["seed"] == 2**63 - 2


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [False, True])
def test_weights_that_were_removed_come_back_on_resume(tmp_path: Path, tuned: bool) -> None:
    """Scored from infinity on, any later epoch would be taken for the best."""
    config = tiny(epochs=2, residual=True, output="linear", loss="mse")
    run_tiny(tmp_path / "first", config)
    if tuned:  # at a rate at which nothing is better than the start
        config = config.replace({"from_": str(tmp_path / "first"), "learning_rate": 30.0, "gradient_clip": None})
        run_tiny(tmp_path / "run", config)
    else:
        shutil.move(tmp_path / "first", tmp_path / "run")
    run = tmp_path / "run"
    kept, manifest = (run / "model.safetensors").read_bytes(), (run / "model.json").read_bytes()
    (run / "model.safetensors").unlink()
    said: list[str] = []
    run_tiny(run, config, resume=True, tell=said.append)
    assert any("its weights were gone" in line for line in said)
    assert (run / "model.safetensors").read_bytes() == kept
    assert (run / "model.json").read_bytes() == manifest
    (run / "checkpoints" / "last.ckpt").unlink()
    if (run / "checkpoints" / "best.ckpt").exists():
        point = find_resume_point(run, said.append)
        assert point is not None
        assert said[-1] == f"{run}: holds no last.ckpt: going on from best.ckpt, after epoch {point.epochs}"
