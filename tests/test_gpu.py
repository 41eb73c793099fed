"""What runs on a CUDA GPU gives the numbers of the CPU. Skipped where there is no GPU."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

import nextframe
from lab.speed.contenders import ON_GPU
from lab.speed.results import save
from lab.speed.run import measure
from lab.speed.work import Work
from nextframe.architectures import names
from nextframe.config import ModelConfig
from nextframe.frames.source import open_source
from nextframe.models.build import build_model
from nextframe.models.causality import check_causal
from nextframe.models.convlstm import recompute_in_segments
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.runs.metrics import append_metrics, read_metrics
from nextframe.training.fit import train
from nextframe.training.presets import preset_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")

KINDS = names()
TINY: dict[str, Any] = {
    "data": "squares:movies=24,frames=8,size=16",
    "past": 4,
    "future": 4,
    "validation": 0.25,
    "test": 0.0,
    "filters": (4, 4, 4),
    "epochs": 2,
    "batch_size": 4,
    "train_crop": 12,
    "accelerator": "cuda",
}


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Products in float32, not in TF32."""
    flags = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = flags


def twins(kind: str, **options: Any) -> tuple[Network, Network]:
    """The same network on the CPU and on the GPU."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(model=kind, filters=(4, 4, 4), norm="layer", **options), 1)
    return model, copy.deepcopy(model).cuda()


def loss_and_logits(model: Network, movie: Tensor) -> tuple[Tensor, Tensor]:
    past, future = movie[:, :5], movie[:, 5:]
    logits = model.training_logits(past, future)
    target = movie[:, -logits.shape[1] :]
    return binary_cross_entropy_with_logits(logits, target), logits


@pytest.mark.parametrize(
    ("kind", "recompute"),
    [*((kind, None) for kind in KINDS), ("stacked", 2), ("encoder-decoder", 2), ("multiscale", 2)],
)
def test_outputs_and_gradients_are_those_of_the_cpu(kind: str, recompute: int | None) -> None:
    on_cpu, on_gpu = twins(kind)
    movie = torch.rand(2, 8, 1, 12, 16)
    found = []
    for model in (on_cpu, on_gpu):
        recompute_in_segments(model, recompute)
        loss, logits = loss_and_logits(model, movie.to(next(model.parameters()).device))
        loss.backward()
        found.append(
            (logits.detach().cpu(), {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None})
        )
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-3, atol=1e-4)
    assert found[0][1].keys() == found[1][1].keys()
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "peepholes"), [*((kind, False) for kind in KINDS), ("stacked", True), ("encoder-decoder", True)]
)
def test_rollouts_are_those_of_the_cpu(kind: str, peepholes: bool) -> None:
    on_cpu, on_gpu = twins(kind, peepholes=peepholes)
    past = torch.rand(2, 5, 1, 12, 16)
    with torch.inference_mode():
        torch.testing.assert_close(
            rollout(on_gpu.eval(), past.cuda(), 4).cpu(), rollout(on_cpu.eval(), past, 4), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("encoder-decoder", "simvp")])
def test_the_gpu_finds_the_same_dependencies(kind: str) -> None:
    on_cpu, on_gpu = (check_causal(model, shape=(1, 6, 1, 12, 12)) for model in twins(kind))
    assert on_gpu.reads == on_cpu.reads == tuple(tuple(range(n + 1)) for n in range(6))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in KINDS),
        ("stacked", {"precision": "bf16-mixed"}),
        ("stacked", {"precision": "16-mixed"}),
        ("stacked", {"precision": "bf16-mixed", "peepholes": True, "recompute": 2}),
        ("encoder-decoder", {"precision": "bf16-mixed", "scheduled_sampling": 0.5}),
        ("predrnn", {"precision": "bf16-mixed"}),
        ("trajgru", {"precision": "bf16-mixed"}),
        ("convgru", {"precision": "bf16-mixed"}),
        ("simvp", {"precision": "bf16-mixed"}),
        ("multiscale", {"precision": "bf16-mixed"}),
        ("stacked", {"preset": "tutorial", "temporal_padding": "same", "train_crop": None}),
        ("encoder-decoder", {"preset": "tutorial", "train_crop": None}),
        ("stacked", {"rollout_training": 0.5, "scheduled_sampling": 1.0}),
        ("stacked", {"output": "linear", "residual": True, "loss": "mse", "importance": 0.2}),
        ("stacked", {"output": "linear", "loss": "quantile", "quantiles": 3}),
        ("stacked", {"loss": "ssim-mae"}),
        ("stacked", {"loss": "balanced-mae", "loss_thresholds": (0.5,), "loss_weights": (1.0, 4.0)}),
        ("stacked", {"coordinates": "lagrangian"}),
        ("stacked", {"members": 2}),
    ],
    ids=str,
)
def test_what_is_trained_on_the_gpu_forecasts_on_the_cpu(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    if "coordinates" in options:
        pytest.importorskip("pysteps")
    run = tmp_path / "run"
    forecaster = nextframe.fit(model=kind, out=run, progress=False, **{**TINY, **options})
    folders = [run] if "members" not in options else [run / "member-1", run / "member-2"]
    for folder in folders:
        rows = read_metrics(folder)
        assert [row["epoch"] for row in rows] == [1, 2]
        assert all(np.isfinite(row["val_loss"]) for row in rows)
    past = open_source("squares:movies=2,frames=4,size=16,seed=9").sequences[0].read(0, 4)[None]
    on_cpu = forecaster.predict(past, 3)
    assert np.isfinite(on_cpu).all()
    assert {p.device.type for network in forecaster.networks for p in network.parameters()} == {"cpu"}
    np.testing.assert_allclose(forecaster.to("cuda").predict(past, 3), on_cpu, rtol=1e-3, atol=1e-3)
    assert {p.device.type for network in forecaster.networks for p in network.parameters()} == {"cuda"}


def test_both_devices_train_alike(tmp_path: Path) -> None:
    rows = {}
    for accelerator in ("cpu", "cuda"):
        nextframe.fit(
            model="stacked", out=tmp_path / accelerator, progress=False, **{**TINY, "accelerator": accelerator}
        )
        rows[accelerator] = read_metrics(tmp_path / accelerator)
    for cpu, cuda in zip(rows["cpu"], rows["cuda"], strict=True):
        assert cuda["train_loss"] == pytest.approx(cpu["train_loss"], rel=1e-2)
        assert cuda["val_loss"] == pytest.approx(cpu["val_loss"], rel=1e-2)


def test_a_training_is_resumed_on_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = preset_config("stacked").replace({**TINY, "epochs": 3})
    source = open_source(config.data.data)
    train(source, config, tmp_path / "whole", progress=False)
    whole = read_metrics(tmp_path / "whole")

    def cut_off(run: Path, row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise RuntimeError("the power is gone")
        append_metrics(run, row)

    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr("nextframe.training.fit.append_metrics", cut_off)
        with pytest.raises(RuntimeError, match="power"):
            train(source, config, stopped, progress=False)
    assert [row["epoch"] for row in read_metrics(stopped)] == [1]
    train(source, config, stopped, progress=False, resume=True)
    for was, found in zip(whole, read_metrics(stopped), strict=True):
        assert found["train_loss"] == pytest.approx(was["train_loss"], rel=1e-2)
        assert found["val_loss"] == pytest.approx(was["val_loss"], rel=1e-2)


def test_the_benchmark_measures_on_the_gpu(tmp_path: Path) -> None:
    work = Work(model="stacked", batch=2, past=3, future=2, filters=(4, 4), size=12)
    contenders = [contender for contender in ON_GPU if contender.name in ("nextframe", "usual loop, bf16")]
    measured = measure("training", steps=2, works=[work], contenders=contenders, accelerator="cuda")
    save(measured, tmp_path / "gpu.json", "a test")
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["accelerator"] == torch.cuda.get_device_name()
    assert [result["contender"] for result in content["results"]] == ["nextframe", "usual loop, bf16"]
    assert all(result["seconds"] > 0 and result["memory"] > 0 for result in content["results"])
