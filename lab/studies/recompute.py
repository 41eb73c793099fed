"""Memory and time of a training step by the length of the segments that are computed again.

    python -m lab recompute [--steps 4]

measures them beside the usual loop, in one interleaved run, and writes lab/results/recompute.json and the table
between the marks in docs/engine.md. Run it on an idle machine.
"""

from collections.abc import Sequence

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS
from lab.speed.contenders import NEXTFRAME, USUAL, Contender
from lab.speed.results import Result, save
from lab.speed.run import measure
from nextframe.files import write_text
from nextframe.machine import describe_machine

RESULT = RESULTS / "recompute.json"
PAGE = DOCS / "engine.md"
CONTENDERS = (
    USUAL,
    NEXTFRAME,
    *(Contender(name=f"nextframe, recompute {n}", kind="nextframe", recompute=n) for n in (8, 4, 2, 1)),
)


def table(results: tuple[Result, ...]) -> str:
    """What a step takes, and as shares of the usual loop's."""
    lines = ["| model | | s/step | MiB | time over the usual loop's | memory over the usual loop's |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    for found in results:
        usual = next(r for r in results if r.contender == USUAL.name and r.work == found.work)
        memory, seconds = taken(found), found.seconds
        lines.append(
            f"| {found.work.label} | {found.contender} | {seconds:.2f} | {memory / 2**20:.0f} | "
            f"{seconds / usual.seconds:.2f} | {memory / taken(usual):.2f} |"
        )
    return "\n".join(lines)


def taken(result: Result) -> int:
    """What steps add to the memory of the idle process."""
    return result.memory - result.idle_memory


def main(arguments: Sequence[str]) -> None:
    options = parser("recompute", __doc__)
    options.add_argument("--steps", type=int, default=4)
    steps = options.parse_args(arguments).steps
    measured = measure("training", steps=steps, contenders=CONTENDERS, progress=print)
    command = f"python -m lab recompute --steps {steps}"
    save(measured, RESULT, command)
    text = table(measured.results)
    said = f"Medians of {steps} steps on {describe_machine()}: `{command}`."
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "recompute", f"\n{text}\n\n{said}\n\n"))
    print(text)
