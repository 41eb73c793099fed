from contextlib import nullcontext
from importlib.util import find_spec
from typing import get_args

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lab.speed.contenders import ON_CPU
from lab.speed.keras_models import keras_step
from lab.speed.on_gpu import on_gpu
from lab.speed.ours import nextframe_step
from lab.speed.passes import training_pass
from lab.speed.usual import UsualConvLSTM, UsualEncoderDecoder, UsualStack, usual_step
from lab.speed.work import PASSES, Step, Task, Work
from lab.speed.worker import seconds_of, step_of, versions
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.stacked import StackedConvLSTM

SMALL = (
    Work(model="stacked", batch=2, past=3, future=2, filters=(4, 4), size=12),
    Work(model="encoder-decoder", batch=2, past=3, future=2, filters=(4,), size=12, kernel=5),
)
TASKS: tuple[Task, ...] = ("training", "inference", "streaming")


def movie(work: Work) -> torch.Tensor:
    return torch.rand(work.batch, work.past + work.future, 1, work.size, work.size)


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_usual_layer_computes_what_ours_computes(kernel: int) -> None:
    torch.manual_seed(0)
    layer, usual = ConvLSTM2d(3, 5, kernel), UsualConvLSTM(3, 5, kernel)
    assert layer.bias is not None
    with torch.no_grad():
        usual.convolution.weight.copy_(torch.cat([layer.weight_x, layer.weight_h], dim=1))
        usual.convolution.bias.copy_(layer.bias)  # type: ignore[union-attr]
    frames = torch.rand(2, 4, 3, 7, 9)
    hidden, state = layer(frames)
    expected, (last_hidden, last_cell) = usual(frames)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(state.hidden, last_hidden)
    torch.testing.assert_close(state.cell, last_cell)


@pytest.mark.parametrize("kernel", [3, 5])
def test_contenders_train_networks_of_one_size(kernel: int) -> None:
    def parameters(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert parameters(UsualStack((40, 40), kernel)) == parameters(StackedConvLSTM(1, (40, 40), kernel))
    assert parameters(UsualEncoderDecoder((16,), kernel)) == parameters(EncoderDecoder(1, (16,), kernel))


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_contenders_forecast_the_frames_that_are_asked_for(work: Work) -> None:
    for step in (nextframe_step, usual_step):
        frames = step(work, "inference", movie(work))()
        assert isinstance(frames, torch.Tensor)
        assert frames.shape == (2, 2, 1, 12, 12)
        assert not frames.requires_grad


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_contenders_do_every_task_again_and_again(work: Work, task: Task) -> None:
    for make in (nextframe_step, usual_step):
        step = make(work, task, movie(work))
        step()
        assert seconds_of(step) > 0


def test_the_passes_of_a_training() -> None:
    weight = torch.nn.Parameter(torch.ones(()))
    optimizer = torch.optim.SGD([weight], lr=1.0)

    def loss() -> torch.Tensor:
        return 3 * weight

    training, forward, backward = (training_pass(task, loss, optimizer) for task in PASSES)
    assert forward() == 3
    assert weight.grad is None
    for _ in range(2):  # gradients do not pile up
        backward()
        assert weight.grad == 3
    assert weight == 1
    training()
    assert weight == -2


def test_what_goes_before_a_step_is_off_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def takes(seconds: float) -> None:
        clock[0] += seconds

    assert seconds_of(Step(lambda: takes(1), before=lambda: takes(10))) == 1


def test_the_gpu_is_waited_for_before_and_after_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("waited"))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    for name in ("benchmark", "allow_tf32"):
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))
    on_gpu(Step(lambda: done.append("step")), "tf32")()
    assert done[-3:] == ["waited", "step", "waited"]
    done.clear()
    on_gpu(Step(lambda: done.append("step"), before=lambda: done.append("before")), "bf16")()
    assert done == ["before", "waited", "step", "waited"]


def test_the_compiled_loop_is_compiled_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_(module: torch.nn.Module, **options: object) -> None:
        assert options["fullgraph"]
        compiled.append(type(module).__name__)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    (contender,) = (contender for contender in ON_CPU if contender.compiled)
    for work in SMALL:
        for task in TASKS:
            step_of(contender, work, task, "cpu")()
    assert compiled == [
        *("UsualStack", "UsualStack", "UsualConvLSTM", "UsualConvLSTM"),
        *("UsualEncoderDecoder", "UsualConvLSTM", "UsualConvLSTM", "UsualConvLSTM"),
    ]


def test_channels_last_changes_the_layout_alone() -> None:
    results = []
    for channels_last in (False, True):
        torch.manual_seed(0)
        results.append(usual_step(SMALL[0], "forward", torch.ones(2, 5, 1, 12, 12), channels_last=channels_last)())
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.model)
def test_operations_are_those_that_torch_counts(work: Work) -> None:
    frames = movie(work)[:, :-1]
    with FlopCounterMode(display=False) as counter:
        for layer, channels in zip(work.filters, (1, *work.filters), strict=False):
            usual = UsualConvLSTM(channels, layer, work.kernel)
            usual(torch.rand(*frames.shape[:2], channels, work.size, work.size))
    assert work.flops("inference") == counter.get_total_flops()
    assert work.flops("training") == 3 * work.flops("inference")


def test_versions_are_those_of_what_is_loaded() -> None:
    assert versions()["torch"] == torch.__version__
    assert versions()["numpy"] == np.__version__


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on torch tensors
@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
@pytest.mark.parametrize("task", get_args(Task))
def test_keras_does_the_same_work(task: Task) -> None:
    for work in SMALL:
        step = keras_step(work, task, movie(work).movedim(2, -1).numpy(), "torch")
        step()
        done = step()
        if task == "inference":
            assert isinstance(done, np.ndarray)
            assert done.shape == (2, 2, 12, 12, 1)
        assert task in PASSES or done is not None
