import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lab.__main__ import main
from lab.speed import run
from lab.speed.contenders import IN_SWEEP, NEXTFRAME, ON_CPU, ON_GPU, USUAL, Contender, keras_backends
from lab.speed.peak import convolution_peak
from lab.speed.picture import maps
from lab.speed.process import Process, _thread_limits, gist
from lab.speed.results import Measured
from lab.speed.run import measure
from lab.speed.work import PASSES, SWEEP, TRAINING, TUTORIAL, Work
from nextframe.errors import ConfigError

SMALL = Work(model="stacked", batch=2, past=3, future=2, filters=(4, 4), size=12)
KERAS = Contender(name="keras on nothing", kind="keras", backend="nothing")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured() -> tuple[Measured, list[str]]:
    lines: list[str] = []
    contenders = (NEXTFRAME, USUAL)
    return measure(steps=2, threads=(1,), works=[SMALL], contenders=contenders, progress=lines.append), lines


class Fake(Process):
    """A process that takes as many seconds a step as it has letters in its name, divided by its threads."""

    def __init__(self, contender: Contender, *_: object, threads: int, **__: object) -> None:
        if contender.compiled:
            raise ConfigError("failed", where=f"benchmark of {contender.name}", received="no compiler")
        self.contender, self.threads, self._opened = contender, threads, ExitStack()

    def step(self) -> float:
        return len(self.contender.name) / self.threads

    def idle_memory(self) -> int:
        return 1

    def peak_memory(self) -> int:
        return 2**20

    def versions(self) -> dict[str, str]:
        return {}


@pytest.mark.long
def test_contenders_take_turns_in_processes_of_their_own(measured: tuple[Measured, list[str]]) -> None:
    results, lines = measured[0].results, measured[1]
    assert [result.contender for result in results] == ["nextframe", "usual loop"]
    title = "stacked, 12x12 pixels, 4-4 filters, 1 thread"
    assert lines == [
        f"{title}: starting nextframe",
        f"{title}: starting usual loop",
        f"{title}: round 1 of 2",
        f"{title}: round 2 of 2",
    ]
    for result in results:
        assert 0 < result.fastest <= result.seconds <= result.slowest
        assert result.memory >= result.idle_memory > 2**24
        assert result.frames_per_second == pytest.approx(8 / result.seconds)
        assert result.peak_share == pytest.approx(SMALL.flops("training") / result.seconds / result.peak)
    assert not measured[0].left_out


def test_contenders_say_what_they_compute_with(measured: tuple[Measured, list[str]]) -> None:
    assert measured[0].versions.keys() == {"nextframe", "usual loop"}
    assert measured[0].versions["nextframe"]["torch"] == torch.__version__
    assert {"python", "numpy"} <= measured[0].versions["usual loop"].keys()


def test_the_peak_is_measured_with_the_threads_of_the_contenders(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    assert convolution_peak(SMALL, repeats=1, threads=1) > 0
    assert chosen == [1, before]


def test_the_tutorials_work_and_the_sweep() -> None:
    assert [work.frames("training") for work in TRAINING] == [150, 152]
    assert [work.frames("inference") for work in TUTORIAL["inference"]] == [8, 10]
    assert [work.label for work in TRAINING] == ["stacked", "encoder-decoder"]
    assert replace(TRAINING[0], kernel=5).label == "stacked, 5x5 kernels"
    assert {(work.size, *work.filters) for work in SWEEP} == {(s, f) for s in (64, 128, 256) for f in (16, 64, 256)}


@pytest.mark.long
def test_a_contender_that_fails_is_named() -> None:
    with pytest.raises(ConfigError, match="benchmark of nextframe: failed"):
        measure(works=[replace(SMALL, model="encoder-decoder", past=0)], contenders=[NEXTFRAME])


def test_who_cannot_be_compiled_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Process", Fake)
    lines: list[str] = []
    measured = measure(steps=1, threads=(1,), works=[SMALL], contenders=(ON_CPU[-1], USUAL), progress=lines.append)
    assert [result.contender for result in measured.results] == ["usual loop"]
    (line,) = measured.left_out
    assert line.endswith("left out, benchmark of usual loop, compiled: failed (received no compiler)")
    assert line in lines


def test_a_sweep_leaves_out_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Process", Fake)
    small, large = replace(SMALL, filters=(4,)), replace(SMALL, filters=(64,))
    peak = large.flops("forward") / 30
    monkeypatch.setattr(run, "convolution_peak", lambda *_, **__: peak)
    measured = measure("forward", steps=1, sweep=True, threads=(1,), works=(small, large), contenders=(USUAL,))
    assert [result.work for result in measured.results] == [small]
    assert measured.left_out == (
        "stacked, 12x12 pixels, 64 filters, 1 thread: left out, direct convolutions would take 30 s a step",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["streaming", "--sweep"], "sweep: measures passes of a training"),
        (["training", "--threads", "0"], "steps, threads: is too small"),
        (["training", "--kernel", "4"], "kernel: is not odd"),
        (["training", "--keras-python", "/nowhere/python"], "is no Python interpreter that answers"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured_on_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["training", "--accelerator", "cuda"]) == 2
    assert "finds no GPU that PyTorch could use" in capsys.readouterr().err


def test_contenders_have_names_of_their_own() -> None:
    for group in (ON_CPU, ON_GPU, IN_SWEEP):
        assert len({contender.name for contender in group}) == len(group)
        assert group[0].name == "nextframe"


def test_an_interpreter_is_asked_for_its_keras(tmp_path: Path) -> None:
    assert set(keras_backends(sys.executable)) <= {"tensorflow", "jax"}
    asked = tmp_path / "python"
    asked.write_text('#!/bin/sh\necho \'["tensorflow", "jax"]\'\n')
    asked.chmod(0o755)
    assert keras_backends(asked) == ("tensorflow", "jax")


def test_keras_is_held_to_the_threads_of_the_others() -> None:
    assert _thread_limits(USUAL, 2) == {"OMP_NUM_THREADS": "2"}
    assert _thread_limits(KERAS, 2)["TF_NUM_INTRAOP_THREADS"] == "2"
    assert _thread_limits(KERAS, 1)["XLA_FLAGS"].endswith("--xla_cpu_multi_thread_eigen=false")


def test_of_a_traceback_the_line_that_names_the_error_is_told() -> None:
    assert gist(["Traceback", "ValueError: no", "  more of it"]) == "ValueError: no"
    assert gist(["torch._inductor.exc.InductorError: CppCompileError: no", "Set TORCH_LOGS"]).startswith("torch._ind")
    assert gist(["killed"]) == "killed"
    assert gist([]) == "no message"


def test_the_command_prints_and_writes_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "Process", Fake)
    monkeypatch.setattr(run, "TUTORIAL", {"training": [SMALL]})
    monkeypatch.setattr(run, "contenders_on", lambda *_, **__: (NEXTFRAME, USUAL, ON_CPU[-1]))
    assert main(["training", "--threads", "1,2", "--out", str(tmp_path / "r.json"), "--no-progress"]) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = [line.split() for line in printed if line.startswith("usual loop ")]
    assert [line[-1] for line in lines] == ["1.00", "2.00"]  # against 1 thread
    assert [line[2] for line in lines] == ["10", "5"]  # s/step
    assert sum("left out" in line for line in printed) == 2
    content = json.loads((tmp_path / "r.json").read_text())
    assert {"machine", "versions", "date", "command", "engine", "accelerator", "left_out"} <= content.keys()
    assert content["contenders"].keys() == {"nextframe", "usual loop"}
    assert len(content["peak_gflops"]) == 2
    assert [row["seconds"] for row in content["results"]] == [9, 10, 4.5, 5]
    assert [row["scaling"] for row in content["results"]] == [1, 1, 2, 2]
    assert [row["ratio"] for row in content["results"]] == [1, pytest.approx(10 / 9)] * 2
    assert content["markdown"].count("\n") == 2 + 4
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_is_drawn_as_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Process", Fake)
    works = [replace(SMALL, filters=(f,), size=s) for f, s in ((4, 8), (8, 8), (4, 12))]
    figure = maps(measure(sweep=True, steps=1, threads=(1,), works=works, contenders=IN_SWEEP).results)
    plain, usual = figure.axes
    assert [text.get_text() for text in plain.texts] == ["3.11", "3.11", "3.11", "left out"]
    assert "usual loop" in usual.get_title(loc="left")


def test_passes_are_counted_as_operations() -> None:
    training, forward, backward = (SMALL.flops(task) for task in PASSES)
    assert forward + backward == training
