"""Write docs/results/quality.md: how long trainings take until their forecasts are good, and which marks were reached.

    python -m lab quality-page

It reads what this command wrote, trial by trial or all at once:

    python -m lab quality --keras-python PYTHON --out lab/results/quality.json
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.options import parser
from lab.place import DOCS, RESULTS, ROOT
from lab.quality.curves import Curve, load, to_markdown
from lab.quality.trials import HELD_OUT_SEED, TRAINING_SEED, Goal
from lab.studies.squares_errors import section
from nextframe.files import write_text

RESULT = RESULTS / "quality.json"
PAGE = DOCS / "results" / "quality.md"
PICTURE = DOCS / "assets" / "quality.png"

CSI_MARKS = {"stacked, causal": ((0.90, 120.0), (0.95, 360.0), (0.98, None)), "encoder-decoder": ((0.95, 900.0),)}
"""Goal -> CSI to be reached, and in how many seconds."""
LOSS_SECONDS = 156.0
"""What the tutorial's GPU took for its loss."""
TIMES_FASTER = 10.0
"""How many times less the time to the skill of the tutorial's recipe in Keras is to be."""


@dataclass(frozen=True)
class Reached:
    """When one recipe reached a mark, with each seed that it was trained with."""

    seconds: tuple[float | None, ...]
    """None where it never did."""
    most: float | None
    """In how many seconds it was to be reached; None for at all."""

    @property
    def times(self) -> list[float]:
        """The seconds of those that did, in order."""
        return sorted(seconds for seconds in self.seconds if seconds is not None)

    @property
    def in_time(self) -> int:
        """With how many seeds it was reached in time."""
        return sum(self.most is None or seconds <= self.most for seconds in self.times)

    @property
    def rank(self) -> tuple[float, ...]:
        """Less is better: first by the share of the seeds that were in time, then that which reached it, then time."""
        count = len(self.seconds)
        return -self.in_time / count, -len(self.times) / count, sum(self.times) / max(len(self.times), 1)

    @property
    def in_words(self) -> str:
        """The seconds, least to most, and with how many seeds; of at least one that reached it."""
        count = len(self.seconds)
        least_to_most = " to ".join(dict.fromkeys(f"{seconds:.0f}" for seconds in (self.times[0], self.times[-1])))
        return f"{least_to_most} s" + ("" if count == 1 else f" with {len(self.times)} of {count} seeds")

    @property
    def cells(self) -> list[str]:
        """What a table says of it: seconds, verdict."""
        count = len(self.seconds)
        verdicts = {0: "not reached", count: "reached"}
        return [
            self.in_words,
            verdicts.get(self.in_time, f"reached with {self.in_time} of {count} seeds"),
        ]


def marks(curves: tuple[Curve, ...]) -> Iterator[list[str]]:
    """What was to be reached, and when the best of our recipes did."""
    ours = [curve for curve in curves if curve.trial.preset == "default"]
    for curve in curves:
        goal = curve.trial.goal
        if curve.trial.name == "same" and goal.loss is not None:
            yield _mark(f"{goal.name}: loss {goal.loss:g}, the tutorial's", best(curves, goal, LOSS_SECONDS))
    goals = {curve.trial.goal.name: curve.trial.goal for curve in ours}
    for name, goal in ((name, goal) for name, goal in goals.items() if name in CSI_MARKS):
        for csi, most in CSI_MARKS[name]:
            yield _mark(f"{name}: CSI {csi:.2f}", best(curves, goal, most, csi=csi))
        if goal.loss is not None:
            last = min((c.points[-1] for c in ours if c.trial.goal.name == name), key=lambda point: point.loss)
            what = f"{name}: loss {goal.loss:g} on frames held out, the tutorial's on those trained on"
            never = f"never; {last.loss:.1e} at best, in {last.seconds:.0f} s"
            yield _mark(what, best(curves, goal, None), never)
    for keras in (curve for curve in curves if curve.trial.keras):
        best_point = max(keras.points, key=lambda point: point.mean_csi)
        found = best(curves, keras.trial.goal, None, csi=best_point.mean_csi)
        slowest = max(found.times, default=None)
        times = 0.0 if slowest is None else best_point.seconds / slowest
        yield [
            f"{keras.trial.goal.name}: CSI {best_point.mean_csi:.2f}, the best of the tutorial's recipe in Keras in "
            f"{steps_in_words(keras)}",
            f"{TIMES_FASTER:g} times faster",
            "never" if slowest is None else f"{times:.1f} times: {slowest:.0f} s against {best_point.seconds:.0f} s",
            "reached" if times >= TIMES_FASTER else "not reached",
        ]


def steps_in_words(curve: Curve) -> str:
    """All steps of a training, or as many as it did of them before it was stopped."""
    done, steps = curve.points[-1].step, curve.trial.steps
    return f"its {steps} steps" if done == steps else f"{done} of its {steps} steps"


def best(curves: tuple[Curve, ...], goal: Goal, most: float | None, *, csi: float | None = None) -> Reached:
    """When a CSI, or the goal's loss, was reached by that of our recipes that was best at it."""
    some = [curve for curve in curves if curve.trial.preset == "default" and curve.trial.goal.name == goal.name]
    # Marks are judged on all held-out movies; a skill that is low enough to be passed on the way, on a tenth of them.
    movies = 0 if csi is not None and csi < 0.9 else max(point.movies for curve in some for point in curve.points)
    recipes: dict[str, list[float | None]] = {}
    for curve in some:
        seconds = curve.until(loss=None if csi is not None else goal.loss, csi=csi, movies=movies)
        recipes.setdefault(curve.trial.recipe, []).append(seconds)
    return min((Reached(tuple(seconds), most) for seconds in recipes.values()), key=lambda found: found.rank)


def _mark(what: str, found: Reached, never: str = "never") -> list[str]:
    wanted = "at all" if found.most is None else f"{found.most:.0f} s"
    return [what, wanted, *(found.cells if found.times else [never, "not reached"])]


def lead_times(curves: tuple[Curve, ...]) -> str:
    """CSI by lead time at the end of each training that has a rollout."""
    some = [curve for curve in curves if curve.points[-1].csi]
    most = max(len(curve.points[-1].csi) for curve in some)
    head = ["model", "recipe", "seed", *(str(n) for n in range(1, most + 1))]
    rows = [[c.trial.goal.name, c.trial.recipe, str(c.seed), *(f"{csi:.3f}" for csi in c.points[-1].csi)] for c in some]
    lines = [head, ["---", "---", *["---:"] * (most + 1)], *([*row, *[""] * (len(head) - len(row))] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str]) -> None:
    parser("quality-page", __doc__).parse_args(arguments)
    curves = load(RESULT)
    held = json.loads(RESULT.read_text(encoding="utf-8"))["trials"]
    # The marks are those of our recipes and of Keras beside them.
    judged = {curve.machine for curve in curves if curve.trial.preset == "default" or curve.trial.keras}
    others = sorted({curve.machine for curve in curves} - judged)
    dates = sorted({trial["date"] for trial in held.values()})
    rows = [["what", "mark", "measured", ""], ["---", "---:", "---:", "---"], *marks(curves)]
    shutil.copy(RESULT.with_suffix(".png"), PICTURE)
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
        "encoder-decoder), the mean over lead times; and, where it is to reach a mark, the loss: mean binary",
        "cross-entropy of the one-step forecasts whose inputs are true frames. Both on",
        f"{movies} held-out movies of seed {HELD_OUT_SEED}, which no training has seen, nor the choice of a recipe",
        "but for its number of steps; on the way, on the first 100 of them, and on all where these promise that a",
        f"mark is reached. Movies trained on are of seed {TRAINING_SEED}: new ones in every step for our recipes; for",
        "the tutorial's own its 950 (the stack) or 1,000 (the encoder-decoder), again and again. The seed in the",
        "tables is that of weights, order and cuts.",
        "",
        "\"Ours\" is the default recipe of `nextframe train` for as many steps as the row says; with 'same' padding it",
        "has the tutorial's batch norm, and its loss counts from the first frame on (`--norm batch --min-seen 1`).",
        "Seconds are those of training, with the drawing of the movies; the clock stands still while quality is",
        "measured. A recipe of ours is fitted to its number of steps: the learning rate falls to zero at the end, so",
        'that its quality on the way is not what a shorter training reaches. "Ours, short" and "ours, long" are the',
        "same recipe for other numbers of steps.",
        "",
        '"The tutorial\'s" is its recipe through our layers and engine. It trains at a constant rate, and its quality',
        "jumps from step to step, most of all at the last frames: [after five epochs](tutorial.md) the causal stack's",
        "validation loss was ten times as large with one of three seeds as with the others, nearly all of it from the",
        "last frame. A row has the quality of the last step, not of the best epoch. Where a row has steps such as",
        '"760 of 2500", the training was stopped for its time; [after its 20 epochs](tutorial.md) the',
        "encoder-decoder is much better.",
        "",
        "The tutorial's recipe in Keras trains the causal stack, which is better at rollouts than the tutorial's own",
        "padding, and is measured with its running statistics freed from their initial values: both in its favour.",
        "Our time to its CSI is that of the slowest seed, read on the first 100 movies. The encoder-decoder was not",
        "trained in Keras.",
        "",
        "```console",
        "$ python -m lab quality --keras-python PYTHON --out lab/results/quality.json",
        "$ python -m lab quality-page",
        "```",
        "",
        f"Measured {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; `lab/results/quality.json` has every",
        "point, the configurations, and the versions.",
        "",
        *section(),
    ]
    write_text(PAGE, "\n".join(text))
    print(f"wrote {PAGE.relative_to(ROOT)}")
