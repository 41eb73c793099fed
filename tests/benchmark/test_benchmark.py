import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nextframe.benchmark import run
from nextframe.benchmark.keras_models import keras_backend, keras_step
from nextframe.benchmark.ours import nextframe_step
from nextframe.benchmark.run import CONTENDERS, Contender, Result, benchmark, convolution_peak, ratios, save
from nextframe.benchmark.usual import UsualConvLSTM, UsualEncoderDecoder, UsualStack, usual_step
from nextframe.benchmark.work import INFERENCE, TRAINING, Task, Work
from nextframe.cli import main
from nextframe.errors import ConfigError
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.stacked import StackedConvLSTM

SMALL = (
    Work(model="stacked", batch=2, past=3, future=2, filters=(4, 4), size=12),
    Work(model="encoder-decoder", batch=2, past=3, future=2, filters=(4,), size=12),
)


def movie(work: Work) -> torch.Tensor:
    return torch.rand(work.batch, work.past + work.future, 1, work.size, work.size)


def copy_layer(usual: UsualConvLSTM, layer: ConvLSTM2d) -> None:
    assert layer.bias is not None
    with torch.no_grad():
        usual.convolution.weight.copy_(torch.cat([layer.weight_x, layer.weight_h], dim=1))
        usual.convolution.bias.copy_(layer.bias)  # type: ignore[union-attr]


def test_the_usual_layer_computes_what_ours_computes() -> None:
    torch.manual_seed(0)
    layer, usual = ConvLSTM2d(3, 5), UsualConvLSTM(3, 5)
    copy_layer(usual, layer)
    frames = torch.rand(2, 4, 3, 7, 9)
    hidden, state = layer(frames)
    expected, (last_hidden, last_cell) = usual(frames)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(state.hidden, last_hidden)
    torch.testing.assert_close(state.cell, last_cell)


def test_contenders_train_networks_of_one_size() -> None:
    def parameters(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert parameters(UsualStack((40, 40, 40))) == parameters(StackedConvLSTM())
    assert parameters(UsualEncoderDecoder((128,))) == parameters(EncoderDecoder())


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_contenders_forecast_the_frames_that_are_asked_for(work: Work) -> None:
    for step in (nextframe_step, usual_step):
        frames = step(work, "inference", movie(work))()
        assert isinstance(frames, torch.Tensor)
        assert frames.shape == (2, 2, 1, 12, 12)
        assert not frames.requires_grad


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_contenders_train(work: Work) -> None:
    for step in (nextframe_step, usual_step):
        train = step(work, "training", movie(work))
        train()
        train()


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_operations_are_those_that_torch_counts(work: Work) -> None:
    frames = movie(work)[:, :-1]
    with FlopCounterMode(display=False) as counter:
        for layer, channels in zip(work.filters, (1, *work.filters), strict=False):
            UsualConvLSTM(channels, layer)(torch.rand(*frames.shape[:2], channels, work.size, work.size))
    assert work.flops("inference") == counter.get_total_flops()
    assert work.flops("training") == 3 * work.flops("inference")


def test_the_tutorials_work() -> None:
    assert [work.frames("training") for work in TRAINING] == [150, 152]
    assert [work.frames("inference") for work in INFERENCE] == [8, 10]
    assert {work.model for work in TRAINING} == {"stacked", "encoder-decoder"}
    assert convolution_peak(SMALL[0], repeats=1) > 0


def test_contenders_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    rounds: list[str] = []
    results = benchmark(
        "training", steps=2, threads=1, works=SMALL[:1], contenders=CONTENDERS[:4], progress=rounds.append
    )
    assert [result.contender for result in results] == [contender.name for contender in CONTENDERS[:4]]
    assert rounds[-2:] == ["stacked: round 1 of 2", "stacked: round 2 of 2"]
    for result in results:
        assert 0 < result.fastest <= result.seconds <= result.slowest
        assert result.memory > 2**24
        assert result.frames_per_second == pytest.approx(8 / result.seconds)
    save(results, tmp_path / "r.json", "nextframe benchmark")
    content = json.loads((tmp_path / "r.json").read_text())
    assert {"machine", "versions", "date", "command", "engine"} <= content.keys()
    assert [row["seconds"] for row in content["results"]] == [result.seconds for result in results]
    assert content["markdown"].count("\n") == 2 + 4


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_streaming_reads_one_frame(work: Work) -> None:
    for step in (nextframe_step, usual_step):
        do = step(work, "streaming", movie(work))
        do()
        do()


def test_the_command_prints_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def result(name: str, seconds: float) -> Result:
        numbers = {
            "fastest": seconds,
            "slowest": seconds,
            "memory": 2**30,
            "frames_per_second": 16.0,
            "peak_share": 0.5,
        }
        return Result(work=SMALL[0], task="training", contender=name, seconds=seconds, **numbers)  # type: ignore[arg-type]

    results = [result("nextframe", 0.5), result("usual loop", 2.0)]
    assert ratios(results) == [1.0, 4.0]
    monkeypatch.setattr(run, "benchmark", lambda *_, **__: results)
    assert main(["benchmark"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "usual loop" in line)
    assert line.split()[-1] == "4.00"


def test_a_contender_that_fails_is_named() -> None:
    with pytest.raises(ConfigError, match="benchmark of nextframe: failed"):
        benchmark(
            "training",
            works=[Work(model="encoder-decoder", batch=2, past=0, future=2, filters=(4,), size=12)],
            contenders=[Contender(name="nextframe")],
        )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on torch tensors
@pytest.mark.skipif(keras_backend() is None, reason="Keras is not installed")
@pytest.mark.parametrize("task", get_args(Task))
def test_keras_does_the_same_work(task: Task) -> None:
    for work in SMALL:
        step = keras_step(work, task, movie(work).movedim(2, -1).numpy())
        done = step()
        if task == "inference":
            assert isinstance(done, np.ndarray)
            assert done.shape == (2, 2, 12, 12, 1)
