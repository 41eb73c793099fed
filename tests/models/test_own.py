"""Networks of one's own are trained, kept, loaded, verified, continued and exported as those of the package are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nextframe
from nextframe.errors import CheckpointError, ConfigError, ShapeError
from nextframe.models.facts import Own
from nextframe.models.own import OwnBlocks, OwnSteps, arguments_of, class_of, home_of
from nextframe.models.rollout import rollout
from nextframe.training.start import for_class
from tests.models.own_networks import Blocks, Halved, Returning, Steps, Twos

SQUARES = "squares:movies=8,frames=6,size=16"
SMALL: dict[str, Any] = {"past": 3, "future": 3, "epochs": 1, "batch_size": 4, "validation": 0.25, "progress": False}
LINEAR: dict[str, Any] = {"output": "linear", "residual": True, "loss": "mse"}

MODULES: dict[str, Callable[[], nn.Module]] = {"blocks": Blocks, "halved": Halved, "steps": Steps}


@pytest.fixture(scope="module", params=MODULES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nextframe.ModelForecaster:
    out = tmp_path_factory.mktemp("own") / request.param
    options = LINEAR if request.param == "halved" else {}
    model = nextframe.fit(SQUARES, model=MODULES[request.param](), out=out, **SMALL, **options)
    assert isinstance(model, nextframe.ModelForecaster)
    return model


def test_a_run_is_loaded_by_its_class(trained: nextframe.ModelForecaster) -> None:
    assert trained.run is not None
    again = nextframe.load_run(trained.run)
    frames = nextframe.open_source(f"{SQUARES},seed=5").sequences[0].read(0, 3)
    forecast = trained.forecast(frames, lead_times=7)
    np.testing.assert_array_equal(again.forecast(frames, lead_times=7).values, forecast.values)
    assert forecast.values.shape == (7, 1, 16, 16)
    assert trained.calibration is not None
    assert {path.suffix for path in trained.run.glob("model.*")} == {".json", ".safetensors"}


def test_a_run_is_loaded_by_an_instance_which_stays_as_it_is(trained: nextframe.ModelForecaster) -> None:
    assert trained.run is not None
    network: Any = trained.networks[0]
    module: nn.Module = type(network.module)()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    again = nextframe.load_run(trained.run, module)
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    for one, other in zip(again.networks[0].parameters(), trained.networks[0].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.slow
def test_it_is_verified_beside_the_package_s_own(trained: nextframe.ModelForecaster) -> None:
    scores = nextframe.verify(trained, f"{SQUARES},seed=5", baselines=["persistence"], progress=False)
    assert all(np.isfinite(scores.scores[trained.name]["mse"]))


@pytest.mark.parametrize("suffix", [".onnx", pytest.param(".pt2", marks=pytest.mark.long)])
@pytest.mark.slow
def test_it_is_exported(trained: nextframe.ModelForecaster, suffix: str, tmp_path: Path) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    exported = nextframe.export(trained, tmp_path / f"model{suffix}")
    assert exported.difference is not None
    assert exported.difference < 1e-3
    again = nextframe.load_run(tmp_path / f"model{suffix}")
    frames = np.random.default_rng(0).random((3, 1, 13, 18), np.float32)
    np.testing.assert_allclose(again.forecast(frames, 5).values, trained.forecast(frames, 5).values, atol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("kind", ["blocks", "steps"])
def test_a_rollout_is_what_training_sees(kind: str, residual: bool) -> None:
    torch.manual_seed(0)
    output: Any = "linear" if residual else "sigmoid"
    network: Any = (
        OwnBlocks(Blocks(2), past=3, future=2, output=output, residual=residual)
        if kind == "blocks"
        else OwnSteps(Steps(), output=output, residual=residual)
    ).eval()
    past = torch.rand(2, 3, 1, 9, 11)
    with torch.inference_mode():
        if residual:
            untrained = rollout(network, past, 5)
            torch.testing.assert_close(untrained, past[:, -1:].expand(-1, 5, -1, -1, -1))
            network.share.fill_(0.1)
        free = rollout(network, past, 5)
        logits = network.rollout_logits(past, 5)
    torch.testing.assert_close(free, torch.sigmoid(logits) if not residual else logits)
    assert free[:, 4].ne(free[:, 0]).any()


def test_steps_are_trained_on_true_frames() -> None:
    network = OwnSteps(Steps(), output="linear").eval()
    frames = torch.rand(1, 6, 1, 8, 8)
    with torch.inference_mode():
        given = network.training_logits(frames[:, :3], frames[:, 3:])
        last, _ = network.begin(frames[:, :5])
    torch.testing.assert_close(given[:, -1], last)


def test_the_module_that_is_given_is_left_alone(tmp_path: Path) -> None:
    module = Blocks()
    before = [parameter.clone() for parameter in module.parameters()]
    model = nextframe.fit(SQUARES, model=module, out=tmp_path / "run", **SMALL)
    for parameter, old in zip(module.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, old, rtol=0, atol=0)
    network: Any = model.networks[0]
    pairs = zip(module.parameters(), network.module.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)
    assert "own_networks:Blocks, " in repr(model)


def test_a_class_by_its_place_is_trained_too(tmp_path: Path) -> None:
    home = home_of(Blocks())
    model = nextframe.fit(SQUARES, model=home, out=tmp_path / "run", **SMALL)
    assert model.config.model.model == home
    assert model.config.model.filters == ()
    resumed = nextframe.fit(SQUARES, model=home, out=tmp_path / "run", resume=True, **{**SMALL})
    assert resumed.manifest == model.manifest


@pytest.mark.parametrize(("given", "lengths"), [({}, (3, 2)), ({"future": 4}, (3, 4))])
def test_a_class_by_its_place_has_the_lengths_that_it_is_made_for(
    given: dict[str, int], lengths: tuple[int, int]
) -> None:
    options = for_class(home_of(Twos()), given)
    assert (options["past"], options["future"]) == lengths


def test_a_class_by_its_place_trains_with_its_lengths(tmp_path: Path) -> None:
    options = {name: value for name, value in SMALL.items() if name not in ("past", "future")}
    model = nextframe.fit(SQUARES, model=home_of(Twos()), out=tmp_path / "run", **options)
    assert (model.config.data.past, model.config.data.future) == (3, 2)


@pytest.mark.slow
def test_members_of_an_ensemble_are_drawn_anew(tmp_path: Path) -> None:
    model = nextframe.fit(SQUARES, model=Blocks(), out=tmp_path / "run", members=2, **SMALL)
    one, other = (next(network.parameters()) for network in model.networks)
    assert not torch.allclose(one, other, atol=1e-2)
    assert len(nextframe.load_run(tmp_path / "run", Blocks()).networks) == 2


@pytest.mark.slow
def test_channels_of_several_variables_and_a_mask_are_read(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((8, 6, 2, 16, 16), np.float32)
    frames[0, 0, 0, :2] = np.nan
    model = nextframe.fit(frames, model=Blocks(2, 2), out=tmp_path / "run", **SMALL, missing="mask")
    assert model.forecast(frames[0, :3], 4).values.shape == (4, 2, 16, 16)
    assert not model.manifest.mask
    with pytest.raises(ShapeError, match="fails on a past"):
        nextframe.fit(frames, model=Blocks(2, 2), out=tmp_path / "other", **SMALL, missing="mask", mask=True)


ANSWERS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "one frame less an axis": (lambda past: past[:, -1], r"expected \(2, 'K', 1, 16, 16\)"),
    "other channels": (lambda past: past.repeat(1, 1, 2, 1, 1), "does not return the frames"),
    "another size": (lambda past: past[..., :8], r"\(2, 3, 1, 16, 8\)"),
    "no frame": (lambda past: past[:, :0], "does not return the frames"),
    "a tuple": (lambda past: (past, None), "tuple"),
    "an error": (lambda past: past.reshape(7), "fails on a past"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_other_outputs_are_refused_before_any_training(answer: str, tmp_path: Path) -> None:
    function, said = ANSWERS[answer]
    with pytest.raises(ShapeError, match=said):
        nextframe.fit(SQUARES, model=Returning(function), out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_what_is_no_network_of_one_s_own_is_refused(tmp_path: Path) -> None:
    where: dict[str, Any] = {"out": tmp_path / "run", **SMALL}
    with pytest.raises(ConfigError, match="is no network"):
        nextframe.fit(SQUARES, model=Blocks, **where)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="name the architecture"):
        nextframe.fit(SQUARES, model=nextframe.StackedConvLSTM(filters=(4,)), **where)
    with pytest.raises(ConfigError, match="nothing to train"):
        nextframe.fit(SQUARES, model=nn.Identity(), **where)
    with pytest.raises(ConfigError, match="filters: is for networks of the package"):
        nextframe.fit(SQUARES, model=Blocks(), filters=(4,), **where)
    with pytest.raises(ConfigError, match="is a network already"):
        nextframe.fit(SQUARES, model=Blocks(), from_="squares-stacked", **where)
    for home in ("no.such.file:Blocks", "tests.models.own_networks:Nothing", "json:JSONDecoder"):
        with pytest.raises(ConfigError, match=home):
            nextframe.fit(SQUARES, model=home, **where)


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    class Local(Blocks):
        """A class of a function, as one of a notebook."""

    lines: list[str] = []
    model = nextframe.fit(SQUARES, model=Local(), out=tmp_path / "run", tell=lines.append, **SMALL)
    assert any("load_run(" in line for line in lines)
    with pytest.raises(CheckpointError, match=r"Local.*was made in a script, a function or a notebook.*module="):
        nextframe.load_run(tmp_path / "run")
    again = nextframe.load_run(tmp_path / "run", module=Local())
    past = np.random.default_rng(0).random((3, 1, 16, 16), np.float32)
    np.testing.assert_array_equal(again.forecast(past).values, model.forecast(past).values)
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        nextframe.load_run(tmp_path / "run", module=Blocks(3))
    with pytest.raises(ConfigError, match="members"):
        nextframe.fit(SQUARES, model=Local(), out=tmp_path / "other", members=2, **SMALL)


def test_a_module_is_for_runs_of_its_kind() -> None:
    with pytest.raises(ConfigError, match="module"):
        nextframe.load_run("squares-stacked", Blocks())


def test_a_folder_of_the_hub_holds_none(tmp_path: Path) -> None:
    model = nextframe.fit(SQUARES, model=Blocks(), out=tmp_path / "run", **SMALL)
    with pytest.raises(ConfigError, match="whose class the Hub's folder does not hold"):
        nextframe.export(model, "hf:" + str(tmp_path / "hub"))


class Remembering(nn.Module):
    """Steps whose first state is none of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.outward = nn.Conv2d(2, 1, 1)

    def forward(self, frame: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        state = frame if state is None else 0.5 * (frame + state)
        return self.outward(torch.cat([frame, state], dim=1)), state


class Deciding(Blocks):
    """A network that looks at its values."""

    def forward(self, past: Tensor) -> Tensor:
        return super().forward(past) * (1 if np.asarray(past.detach()).mean() > 0.5 else 2)


UNTRACED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "state": (Remembering, "a state of zeros means something else to it than none"),
    "values": (Deciding, "it is not traced, or does not take frames of any size"),
}


@pytest.mark.parametrize("fault", UNTRACED)
@pytest.mark.slow
def test_what_cannot_be_exported_is_told_before_anything_is_written(fault: str, tmp_path: Path) -> None:
    module, said = UNTRACED[fault]
    model = nextframe.fit(SQUARES, model=module(), out=tmp_path / "run", **SMALL)
    with pytest.raises(ConfigError, match=said):
        nextframe.export(model, tmp_path / "files" / "model.pt2")
    assert not any((tmp_path / "files").glob("*"))


def test_facts_are_kept_in_the_manifest(tmp_path: Path) -> None:
    nextframe.fit(SQUARES, model=Blocks(1), out=tmp_path / "run", **SMALL)
    path = tmp_path / "run" / "model.json"
    content = json.loads(path.read_text())
    del content["checksum"]
    assert content["own"] == {"frames": 1, "stride": 1, "arguments": {"frames": 1, "channels": 1}}
    for damage in ({"frames": -1}, {"stride": 0}, {"arguments": 3}):
        path.write_text(json.dumps({**content, "own": {**content["own"], **damage}}))
        with pytest.raises(CheckpointError, match="is damaged"):
            nextframe.load_run(tmp_path / "run")
    path.write_text(json.dumps({name: value for name, value in content.items() if name != "own"}))
    with pytest.raises(CheckpointError, match="is damaged"):
        nextframe.load_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("home", "on_the_path"),
    [("no_such_file:Blocks", True), ("no.such.file:Blocks", True), ("tests.models.own_networks:Nothing", False)],
)
def test_a_file_that_python_does_not_find_belongs_on_its_path(home: str, on_the_path: bool) -> None:
    with pytest.raises(ConfigError, match="cannot be imported") as refused:
        class_of(home)
    assert ("on PYTHONPATH" in str(refused.value)) is on_the_path


def test_arguments_build_a_module_again_or_are_none() -> None:
    assert arguments_of(Blocks(5)) == {"frames": 5, "channels": 1}
    assert arguments_of(Steps()) == {}
    changed = Blocks(5)
    changed.config = {"frames": 4}
    assert arguments_of(changed) is None
    assert class_of(home_of(Steps())) is Steps
    assert Own.from_dict(Own(frames=3).to_dict()) == Own(frames=3)
