"""Trainings on uploaded frames: a model that is there afterwards, one at a time, an end before its time."""

import errno
import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.forecasting.load import load_run
from nextframe.service.limits import Limits, Refused
from nextframe.service.trainings import Trainings
from tests.service.running import httpx, npy
from tests.service.test_serve import served

CLIP = nextframe.open_source("squares:movies=1,frames=40,size=16,seed=3").sequences[0].read(0, 40)[:, 0]


def begun(address: str, seconds: float) -> Any:
    return httpx.post(f"{address}/trainings", params={"seconds": seconds}, content=npy(CLIP), timeout=60)


@pytest.mark.long
def test_a_model_is_trained_and_forecasts(tmp_path: Path) -> None:
    with served("squares-stacked", "--streams", str(tmp_path)) as (address, process):
        assert httpx.get(f"{address}/trainings").json() == []
        assert begun(address, 1e6).status_code == 422
        answer = begun(address, 4)
        assert answer.status_code == 202, answer.text
        name = answer.json()["id"]
        assert begun(address, 4).status_code == 503
        told = []
        with httpx.stream("GET", f"{address}/trainings/{name}/events", timeout=150) as events:
            told = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
        assert [each["state"] for each in (told[0], told[-1])] == ["running", "done"], told[-1]
        assert len(told[-1]["epochs"]) >= 1
        assert np.isfinite(told[-1]["epochs"][-1]["train_loss"])
        assert name in [model["name"] for model in httpx.get(f"{address}/models").json()]
        made = httpx.post(f"{address}/forecast", params={"model": name, "format": "npy"}, content=npy(CLIP), timeout=60)
        assert made.status_code == 200, made.text
        second = begun(address, 100).json()["id"]
        assert httpx.delete(f"{address}/trainings/{second}").json()["state"] == "cancelled"
        third = begun(address, 100)
        while third.status_code == 503:  # the process of the second one is being ended
            third = begun(address, 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert [path.name for path in (tmp_path / "trainings").iterdir()] == [name]


def test_a_full_disk_is_a_sentence_and_the_next_training_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "trained-7.npy").touch()  # of a service that was killed
    trainings = Trainings({}, tmp_path, Limits(training_bytes=1), set)
    frames = nextframe.open_source("squares:movies=1,frames=4,size=16").sequences[0]
    with monkeypatch.context() as patch:
        patch.setattr("nextframe.service.trainings.write_array", full)
        for _ in range(2):
            with pytest.raises(Refused, match="the service's disk is full") as refused:
                trainings.begin(frames, 1, {})
            assert refused.value.status == 507
    assert (trainings.names(), list(tmp_path.iterdir())) == ([], [])
    assert trainings.begin(frames, 1, {}).name == "trained-3"
    trainings.close()


def test_few_models_are_kept(run: Path, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"trained-{number}").symlink_to(run)
    (tmp_path / "trained-3").mkdir()  # an end before its time
    models = {run.name: load_run(run)}
    trainings = Trainings(models, tmp_path, Limits(training_bytes=1, trained=3), lambda: {"trained-1"})
    assert trainings.names() == ["trained-1", "trained-2", "trained-10"]
    assert not (tmp_path / "trained-3").exists()
    with pytest.raises(Refused, match="stream forecasts"):
        trainings.cancel("trained-1")
    frames = nextframe.open_source("squares:movies=1,frames=4,size=16").sequences[0]
    training = trainings.begin(frames, 1, {})
    assert training.name == "trained-11"
    assert trainings.names() == ["trained-1", "trained-10", "trained-11"]
    with pytest.raises(Refused, match="under way"):
        trainings.begin(frames, 1, {})
    deadline = time.monotonic() + 60
    while training.state == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    trainings.close()
    assert training.state == "failed", "there is no room in one byte"
    assert training.error
    assert "trained-11" not in models
    assert not list(tmp_path.glob("trained-11*"))
