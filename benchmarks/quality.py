"""Write docs/results/quality.md: how long trainings take until their forecasts are good, and which marks were reached.

    python benchmarks/quality.py

It reads what this command wrote, trial by trial or all at once:

    nextframe benchmark quality --keras-python PYTHON --out benchmarks/results/quality.json
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from squares_errors import section

from nextframe.benchmark.quality import Curve, load, to_markdown
from nextframe.benchmark.quality_trials import HELD_OUT_SEED, TRAINING_SEED
from nextframe.files import write_text

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "quality.json"
PAGE = ROOT / "docs" / "results" / "quality.md"
PICTURE = ROOT / "docs" / "assets" / "quality.png"

CSI_MARKS = {"stacked, causal": ((0.90, 120.0), (0.95, 360.0), (0.98, None)), "encoder-decoder": ((0.95, 900.0),)}
"""Goal -> CSI to be reached, and in how many seconds."""
LOSS_SECONDS = 156.0
"""What the tutorial's GPU took for its loss."""
TIMES_FASTER = 10.0
"""How many times less the time to the skill of the tutorial's recipe in Keras is to be."""


def marks(curves: tuple[Curve, ...]) -> Iterator[list[str]]:
    """What was to be reached, and the shortest time of our recipes in which it was."""
    ours = [curve for curve in curves if curve.trial.preset == "default"]
    for curve in curves:
        goal = curve.trial.goal
        if curve.trial.name == "same" and goal.loss is not None:
            seconds = _shortest(ours, goal.name, loss=goal.loss)
            yield _mark(f"{goal.name}: loss {goal.loss:g}, the tutorial's", LOSS_SECONDS, seconds)
    goals = {curve.trial.goal.name: curve.trial.goal for curve in ours}
    for name, goal in ((name, goal) for name, goal in goals.items() if name in CSI_MARKS):
        for csi, most in CSI_MARKS[name]:
            seconds = _shortest(ours, name, csi=csi)
            yield _mark(f"{name}: CSI {csi:.2f}", most, seconds)
        if goal.loss is not None:
            best = min(curve.points[-1].loss for curve in ours if curve.trial.goal.name == name)
            seconds = _shortest(ours, name, loss=goal.loss)
            what = f"{name}: loss {goal.loss:g} on frames held out, the tutorial's on those trained on"
            yield _mark(what, None, seconds, f"never; {best:.1e} at best")
    for keras in (curve for curve in curves if curve.trial.keras):
        best_point = max(keras.points, key=lambda point: point.mean_csi)
        seconds = _shortest(ours, keras.trial.goal.name, csi=best_point.mean_csi)
        times = 0.0 if seconds is None else best_point.seconds / seconds
        yield [
            f"{keras.trial.goal.name}: CSI {best_point.mean_csi:.2f}, the best of the tutorial's recipe in Keras in "
            f"{best_point.step} of its {keras.trial.steps} steps",
            f"{TIMES_FASTER:g} times faster",
            "never" if seconds is None else f"{times:.1f} times: {seconds:.0f} s against {best_point.seconds:.0f} s",
            "reached" if times >= TIMES_FASTER else "not reached",
        ]


def _shortest(curves: list[Curve], goal: str, *, loss: float | None = None, csi: float | None = None) -> float | None:
    some = [curve for curve in curves if curve.trial.goal.name == goal]
    # Marks are judged on all held-out movies; a skill that is low enough to be passed on the way, on a tenth of them.
    movies = 0 if csi is not None and csi < 0.9 else max(point.movies for curve in some for point in curve.points)
    found = [curve.until(loss=loss, csi=csi, movies=movies) for curve in some]
    return min((seconds for seconds in found if seconds is not None), default=None)


def _mark(what: str, most: float | None, seconds: float | None, never: str = "never") -> list[str]:
    wanted = "at all" if most is None else f"{most:.0f} s"
    reached = seconds is not None and (most is None or seconds <= most)
    return [what, wanted, never if seconds is None else f"{seconds:.0f} s", "reached" if reached else "not reached"]


def lead_times(curves: tuple[Curve, ...]) -> str:
    """CSI by lead time at the end of each training that has a rollout."""
    some = [curve for curve in curves if curve.points[-1].csi]
    most = max(len(curve.points[-1].csi) for curve in some)
    head = ["model", "recipe", *(str(n) for n in range(1, most + 1))]
    rows = [
        [curve.trial.goal.name, curve.trial.recipe, *(f"{csi:.3f}" for csi in curve.points[-1].csi)] for curve in some
    ]
    lines = [head, ["---", "---", *["---:"] * most], *([*row, *[""] * (len(head) - len(row))] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run from the command line."""
    curves = load(RESULTS)
    held = json.loads(RESULTS.read_text(encoding="utf-8"))["trials"]
    # The marks are those of our recipes and of Keras beside them.
    judged = {curve.machine for curve in curves if curve.trial.preset == "default" or curve.trial.keras}
    others = sorted({curve.machine for curve in curves} - judged)
    dates = sorted({trial["date"] for trial in held.values()})
    rows = [["what", "mark", "measured", ""], ["---", "---:", "---:", "---"], *marks(curves)]
    shutil.copy(RESULTS.with_suffix(".png"), PICTURE)
    movies = max(point.movies for curve in curves for point in curve.points)
    text = [
        "# Quality by training time",
        "",
        f"How long a training takes on {' and '.join(sorted(judged))} until its forecasts of moving squares are good.",
        *[f"Those on {other} have seconds that compare with each other's only." for other in others],
        "",
        "![Quality by seconds of training](../assets/quality.png)",
        "",
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        "",
        "Every training, in the order of the picture's panels:",
        "",
        to_markdown(curves),
        "CSI by lead time at the end of each:",
        "",
        lead_times(curves),
        "",
        "What is measured: the CSI at 0.5 of the free rollout, 8 frames from 7 (the stack) or 10 from 10 (the",
        "encoder-decoder), the mean over lead times; and the loss, mean binary cross-entropy of the one-step forecasts",
        f"whose inputs are true frames. Both on {movies} held-out movies of seed {HELD_OUT_SEED}, which no training",
        "and no choice of a recipe has seen; on the way, on the first 100 of them. Movies trained on are of seed",
        f"{TRAINING_SEED}: new ones in every step for our recipe; for the tutorial's own its 950 (the stack) or",
        "1,000 (the encoder-decoder), again and again.",
        "Seconds are those of training, with the drawing of the movies; the clock stands still while quality is",
        "measured. A recipe of ours is fitted to its number of steps: the learning rate falls to zero at the end, so",
        "that its quality on the way is not what a shorter training reaches. One seed each.",
        "The tutorial's recipe trains at a constant rate, and its quality jumps from step to step, most of all at the",
        "last lead times (three seeds differ there by more than their mean, by number of frames seen in",
        "[the tutorial's tables](tutorial.md)): a row has the quality of its last step, those tables that of the best",
        "epoch.",
        "",
        "The tutorial's recipe in Keras trains the causal stack, which is better at rollouts than the tutorial's own",
        "padding, and is measured with its running statistics freed from their initial values: both in its favour.",
        "",
        "```console",
        "$ nextframe benchmark quality --keras-python PYTHON --out benchmarks/results/quality.json",
        "$ python benchmarks/quality.py",
        "```",
        "",
        f"Measured {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; `benchmarks/results/quality.json` has every",
        "point, the configurations, and the versions.",
        "",
        *section(),
    ]
    write_text(PAGE, "\n".join(text))
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
