"""Memory and time of a training step by the length of the segments that are computed again.

    python benchmarks/recompute.py [--steps 4]

measures them beside the usual loop, in one interleaved run, and writes benchmarks/results/recompute.json and the table
between the marks in docs/engine.md. Run it on an idle machine.
"""

import argparse
from pathlib import Path

from readme import fill

from nextframe.benchmark.contenders import NEXTFRAME, USUAL, Contender
from nextframe.benchmark.results import Result, save
from nextframe.benchmark.run import benchmark
from nextframe.files import write_text
from nextframe.machine import describe_machine

RESULT = Path(__file__).parent / "results" / "recompute.json"
PAGE = Path(__file__).parent.parent / "docs" / "engine.md"
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


def main() -> None:
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=4)
    steps = options.parse_args().steps
    measured = benchmark("training", steps=steps, contenders=CONTENDERS, progress=print)
    command = f"python benchmarks/recompute.py --steps {steps}"
    save(measured, RESULT, command)
    text = table(measured.results)
    said = f"Medians of {steps} steps on {describe_machine()}: `{command}`."
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "recompute", f"\n{text}\n\n{said}\n\n"))
    print(text)


if __name__ == "__main__":
    main()
