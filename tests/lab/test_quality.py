import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab.__main__ import main
from lab.pages.quality import marks
from lab.quality import curves as quality
from lab.quality import worker as quality_worker
from lab.quality.curves import Curve, Point, chosen, load, measure, rows, save, to_markdown
from lab.quality.keras_weights import BATCH_NORM_MOMENTUM, from_keras
from lab.quality.picture import quality_curves
from lab.quality.trials import CAUSAL, ENCODER_DECODER, SAME, TRIALS, Goal, Trial
from lab.quality.worker import Watcher, resolved
from lab.speed.keras_models import stack
from nextframe.errors import ConfigError, DataError
from nextframe.frames.generated.squares import MovingSquares
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.models.stacked import StackedConvLSTM

HERE: dict[str, Any] = {"seed": 0, "machine": "Z80, 1 core"}
QUICK = Trial(name="causal-short", goal=CAUSAL, recipe="ours", steps=3, changes={"filters": (4,)}, checks=2)


def point(seconds: float, csi: float, movies: int = 1000, loss: float = 0.01) -> Point:
    return Point(step=int(seconds), seconds=seconds, movies=movies, loss=loss, csi=(csi + 0.01, csi - 0.01))


@pytest.fixture
def curves() -> tuple[Curve, ...]:
    trials = {trial.name: trial for trial in TRIALS}
    alone = Point(step=9, seconds=9.0, movies=1000, loss=7e-4, csi=())
    return (
        Curve(trial=trials["causal"], points=(point(10, 0.5), point(20, 0.95, movies=100), point(30, 0.94)), **HERE),
        Curve(trial=trials["causal-tutorial"], points=(point(100, 0.2),), **HERE),
        Curve(trial=trials["same"], points=(alone,), **HERE),
    )


def test_a_mark_counts_where_all_held_out_movies_were_forecast(curves: tuple[Curve, ...]) -> None:
    titles, lines = rows(curves)
    assert [dict(zip(titles, line, strict=True))["marks reached"] for line in lines] == [
        "CSI 0.90 in 30 s",
        "none until it was stopped",
        "loss 0.00073238 in 9 s",
    ]
    assert curves[0].until(csi=0.95) == 20
    assert curves[0].until(csi=0.95, movies=1000) is None
    assert curves[0].until(loss=0.001) is None
    assert to_markdown(curves).count("\n") == 2 + len(curves)


def test_machines_are_told_where_they_differ(curves: tuple[Curve, ...]) -> None:
    titles, lines = rows((curves[0], replace(curves[1], machine="6502, 1 core")))
    assert (titles[-1], [line[-1] for line in lines]) == ("on", ["Z80", "6502"])
    assert rows(curves)[0] == titles[:-1]


def test_every_goal_has_a_panel_and_every_trial_a_line(curves: tuple[Curve, ...]) -> None:
    figure = quality_curves((curves[0], replace(curves[0], seed=1), *curves[1:]))
    causal, same = figure.axes
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours", "the tutorial's"]
    ours, again, tutorial = (line.get_color() for line in causal.lines[:3])
    assert ours == again == same.lines[0].get_color() != tutorial
    assert [list(np.asarray(line.get_ydata())) for line in same.lines] == [[7e-4], [SAME.loss, SAME.loss]]


@pytest.mark.parametrize("csi", [0.5, 0.96, 0.995])
def test_the_best_and_all_marks_are_inside_the_panel(curves: tuple[Curve, ...], csi: float) -> None:
    panel = quality_curves((replace(curves[0], points=(point(10, csi),)),)).axes[0]
    assert max(csi, *CAUSAL.csi) < panel.get_ylim()[1] < 1


def test_curves_are_kept_trial_by_trial(curves: tuple[Curve, ...], tmp_path: Path) -> None:
    save(curves[:1], tmp_path / "q.json", "one")
    save(curves[1:], tmp_path / "q.json", "two")
    assert sorted(load(tmp_path / "q.json"), key=repr) == sorted(curves, key=repr)
    held = json.loads((tmp_path / "q.json").read_text())["trials"]
    assert [held[name]["command"] for name in ("causal", "causal-tutorial", "same")] == ["one", "two", "two"]
    assert {"machine", "versions", "date", "engine", "seed", "configuration"} <= held["causal"].keys()
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(DataError, match=r"other.json: holds no results"):
        load(tmp_path / "other.json")


@pytest.mark.slow
@pytest.mark.parametrize("goal", [CAUSAL, ENCODER_DECODER], ids=lambda goal: goal.name)
def test_quality_is_that_of_forecasts_of_all_movies(goal: Goal) -> None:
    trial = Trial(name="x", goal=goal, recipe="", steps=1, changes={"filters": (3,)})
    torch.manual_seed(0)
    model = build_model(resolved(trial).model, 1)
    found = Watcher(goal, 25).look(model, last=True)
    assert model.training
    frames = torch.from_numpy(MovingSquares(movies=25, frames=goal.frames, seed=1000).render(0, goal.frames)).float()
    model.eval()
    with torch.inference_mode():
        said = rollout(model, frames[:, : goal.past], goal.frames - goal.past) >= 0.5
        was = frames[:, goal.past :] >= 0.5
        csi = (said & was).sum((0, 2, 3, 4)) / (said | was).sum((0, 2, 3, 4))
        output = model.training_logits(frames[:, : goal.past], frames[:, goal.past :]).sigmoid()
    target = frames[:, -output.shape[1] :]
    assert found["csi"] == pytest.approx(csi.tolist())
    expected = torch.nn.functional.binary_cross_entropy(output, target).item()
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_all_held_out_movies_are_forecast_only_where_a_mark_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    csi = 0.5

    def measured(model: object, goal: object, movies: torch.Tensor) -> dict[str, object]:
        asked.append(len(movies))
        return {"movies": len(movies), "loss": 1.0, "csi": [csi]}

    monkeypatch.setattr(quality_worker, "measure", measured)
    watcher, model = Watcher(CAUSAL, 120), StackedConvLSTM(1, (2,))
    for csi in (0.5, 0.93, 0.94, 0.96):  # noqa: B007  # read by `measured`
        watcher.look(model, last=False)
    watcher.look(model, last=True)
    assert asked == [100, 100, 120, 100, 100, 120, 100, 120]


def test_points_are_spread_over_the_steps_and_end_with_the_last() -> None:
    assert replace(QUICK, steps=100, checks=4).points == [25, 50, 75, 100]
    assert replace(QUICK, steps=2, checks=10).points == [1, 2]


@pytest.mark.long
def test_a_training_is_watched_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []
    program = tmp_path / "quick.py"
    program.write_text(
        "from lab.quality import worker as quality_worker\n"
        "from lab.quality.trials import CAUSAL, Trial\n"
        "quality_worker.train(Trial(name='causal-short', goal=CAUSAL, recipe='', steps=3,"
        " changes={'filters': (4,)}, checks=2), 3)\n"
    )
    monkeypatch.setattr(quality, "_ours", lambda trial, _: quality._points([sys.executable, str(program)], trial))
    kept: list[Curve] = []
    (curve,) = measure([QUICK], held_out=3, progress=told.append, done=kept.append)
    assert [found.step for found in curve.points] == [2, 3]
    assert kept == [curve]
    assert 0 < curve.points[0].seconds < curve.points[1].seconds
    assert len(told) == 2
    assert "causal-short: step 3" in told[1]


@pytest.mark.slow
def test_a_training_in_keras_waits_while_its_weights_are_measured(tmp_path: Path) -> None:
    trained = tmp_path / "trained.py"
    trained.write_text(
        "import json, sys\n"
        "import numpy as np\n"
        "shapes = [(3, 3, 1, 16), (3, 3, 4, 16), (16,), (4,), (4,), (4,), (4,), (3, 3, 3, 4, 1), (1,)]\n"
        "for step, bias in ((1, -5.0), (2, 5.0)):\n"
        "    weights = [np.zeros(shape, np.float32) for shape in shapes]\n"
        "    weights[6] += 1\n"
        "    weights[-1] += bias\n"
        "    np.savez(f'{sys.argv[1]}/{step}.npz', *weights)\n"
        "    print('Epoch 1')\n"
        "    told = {'step': step, 'seconds': 10.0 * step, 'weights': f'{step}.npz', 'last': step == 2}\n"
        "    print(json.dumps(told), flush=True)\n"
        "    assert sys.stdin.readline() == '\\n'\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{trained}" "$4"\n')  # after -m, module and trial
    python.chmod(0o755)
    changes = {"filters": (4,)}
    trial = replace(QUICK, name="causal-keras", preset="tutorial", keras=True, changes=changes)
    (curve,) = measure([trial], held_out=5, keras_python=python)
    nothing, everything = curve.points
    assert (nothing.step, nothing.seconds, everything.step, everything.seconds) == (1, 10.0, 2, 20.0)
    movies = MovingSquares(movies=5, frames=CAUSAL.frames, seed=1000).render(0, CAUSAL.frames)
    assert nothing.mean_csi == 0
    assert everything.csi == pytest.approx(movies[:, CAUSAL.past :].mean((0, 2, 3, 4)).tolist())
    lit = movies[:, 1:].mean()
    assert nothing.loss == pytest.approx(np.log1p(np.exp(-5.0)) + 5 * lit, rel=1e-5)
    assert everything.loss == pytest.approx(np.log1p(np.exp(-5.0)) + 5 * (1 - lit), rel=1e-5)


def test_a_training_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [sys.executable, "-c", "raise ValueError('no room')"]
    monkeypatch.setattr(quality, "_ours", lambda trial, _: quality._points(broken, trial))
    with pytest.raises(ConfigError, match=r"trial causal-short: failed.*ValueError: no room"):
        measure([QUICK])


def test_every_trial_has_a_configuration() -> None:
    for trial in TRIALS:
        config = resolved(trial)
        assert config.data.past + config.data.future == trial.goal.frames
        assert (trial.movies is None) == (trial.preset == "default")
        drawn = trial.movies or trial.steps * config.training.batch_size
        assert config.data.data == f"squares:movies={drawn},frames={trial.goal.frames},seed=1"
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)


def test_trials_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "keras_backends", lambda _: ())
    assert [trial.name for trial in chosen(["same", "causal"], None)] == ["same", "causal"]
    assert not any(trial.keras for trial in chosen([], None))
    with pytest.raises(ConfigError, match=r"keras_python=.*has no Keras on TensorFlow"):
        chosen(["causal-keras"], None)
    monkeypatch.setattr(quality, "keras_backends", lambda _: ("tensorflow",))
    assert chosen([], None) == TRIALS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quality", "--steps", "3"], "Unknown option: --steps"),
        (["quality", "--trials", "fast"], "trials: unknown trial"),
        (["training", "--trials", "same"], "Unknown option: --trials"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_prints_and_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], curves: tuple[Curve, ...]
) -> None:
    monkeypatch.setattr(quality, "_ours", lambda *_: iter(curves[0].points))
    out = tmp_path / "quality.json"
    assert main(["quality", "--trials", "causal", "--out", str(out), "--no-progress"]) == 0
    assert "CSI 0.90" in capsys.readouterr().out
    (kept,) = load(out)
    assert replace(kept, machine=curves[0].machine) == curves[0]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("content", ["{", '{"task": "training"}', '{"trials": []}', '{"trials": {"causal": {}}}'])
def test_results_of_another_kind_are_told_before_anything_is_measured(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality, "_ours", lambda *_: pytest.fail("measured"))
    out = tmp_path / "training.json"
    out.write_text(content)
    assert main(["quality", "--trials", "causal", "--out", str(out), "--no-progress"]) == 2
    assert "training.json: holds no results of this benchmark" in " ".join(capsys.readouterr().err.split())
    assert out.read_text() == content


def test_the_page_tells_what_was_reached_and_what_was_not(curves: tuple[Curve, ...]) -> None:
    trials = {trial.name: trial for trial in TRIALS}
    keras = Curve(trial=trials["causal-keras"], points=(point(300, 0.4), point(475, 0.3)), **HERE)
    late = Curve(trial=trials["encoder-decoder"], points=(point(1000, 0.96, loss=3e-4),), **HERE)
    found = {what: rest for what, *rest in marks((*curves, keras, late))}
    assert found == {
        "stacked, 'same' padding: loss 0.00073238, the tutorial's": ["156 s", "9 s", "reached"],
        "stacked, causal: CSI 0.90": ["120 s", "30 s", "reached"],
        "stacked, causal: CSI 0.95": ["360 s", "never", "not reached"],
        "stacked, causal: CSI 0.98": ["at all", "never", "not reached"],
        "encoder-decoder: CSI 0.95": ["900 s", "1000 s", "not reached"],
        "encoder-decoder: loss 0.0001 on frames held out, the tutorial's on those trained on": [
            "at all",
            "never; 3.0e-04 at best, in 1000 s",
            "not reached",
        ],
        "stacked, causal: CSI 0.40, the best of the tutorial's recipe in Keras in its 475 steps": [
            "10 times faster",
            "30.0 times: 10 s against 300 s",
            "reached",
        ],
    }


def test_a_mark_counts_the_seeds_of_the_recipe_that_is_best_at_it(curves: tuple[Curve, ...]) -> None:
    trials = {trial.name: trial for trial in TRIALS}
    runs = {
        "causal-short": [point(50, 0.91)],
        "causal-short-seed-1": [point(40, 0.85), point(130, 0.92)],
        "causal-short-seed-2": [point(60, 0.89)],
        "causal": [point(119, 0.90), point(400, 0.955)],
        "causal-long": [point(110, 0.90), point(900, 0.955), point(1500, 0.981)],
    }
    some = [Curve(trial=trials[name], points=tuple(found), **HERE) for name, found in runs.items()]
    found = {what: rest for what, *rest in marks(tuple(some))}
    assert found == {
        "stacked, causal: CSI 0.90": ["120 s", "110 s", "reached"],
        "stacked, causal: CSI 0.95": ["360 s", "400 s", "not reached"],
        "stacked, causal: CSI 0.98": ["at all", "1500 s", "reached"],
    }
    found = {what: rest for what, *rest in marks(tuple(some[:3]))}
    assert found["stacked, causal: CSI 0.90"] == ["120 s", "50 to 130 s with 2 of 3 seeds", "reached with 1 of 3 seeds"]
    assert found["stacked, causal: CSI 0.95"] == ["360 s", "never", "not reached"]
    stopped = Curve(trial=trials["encoder-decoder-tutorial"], points=(point(760, 0.8),), **HERE)
    titles, lines = rows([stopped, some[1]])
    cells = [dict(zip(titles, line, strict=True)) for line in lines]
    assert [line["steps"] for line in cells] == ["760 of 2500", "130 of 400"]
    assert [line["loss"] for line in cells] == ["1.00e-02", ""]
    assert [line["marks reached"] for line in cells] == ["none until it was stopped", "CSI 0.90 in 130 s"]


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "causal"])
def test_a_stack_of_keras_forecasts_the_same_here(padding: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is first imported
    keras = pytest.importorskip("keras")
    twin = stack(keras, (3, 4), 3, 6, causal=padding == "causal")
    draw = np.random.default_rng(0)
    weights = [draw.normal(0, 0.4, w.shape).astype(np.float32) for w in twin.weights]
    for variance in (6, 13):  # kernel, recurrent kernel, bias, scale, shift, mean, variance; twice
        weights[variance] = np.abs(weights[variance]) + 0.1
    twin.set_weights(weights)
    steps = 30
    share = BATCH_NORM_MOMENTUM**steps
    for n in (5, 12):  # as running statistics that still hold a share of the initial ones
        weights[n] = weights[n] * (1 - share)
        weights[n + 1] = weights[n + 1] * (1 - share) + share
    model = StackedConvLSTM(1, (3, 4), norm="batch", temporal_padding="same" if padding == "same" else "causal")
    from_keras(model, weights, steps)
    movie = draw.random((2, 5, 6, 6, 1)).astype(np.float32)
    theirs = np.moveaxis(twin(movie).detach().numpy(), -1, 2)
    with torch.inference_mode():
        ours, _ = model.eval()(torch.from_numpy(np.moveaxis(movie, -1, 2).copy()))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-6)
