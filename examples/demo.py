"""What `make demo` runs: forecast with a model that comes with the package, within seconds; then train one like it, the
stacked ConvLSTM on moving squares, for a few minutes, forecast, verify, show.

It is smaller than the tutorial's run (fewer steps, on 24x24 cuts of the movies) so that it ends within five minutes of
training on two cores; `examples/next-frame.py` is the whole of it.
"""

import shutil
import time
from pathlib import Path

import nextframe
from nextframe.weights import load_card

OUT = Path("demo")
PAST, LEAD_TIMES = 7, 8
HELD_OUT = "squares:movies=100,frames=15,seed=1000"
SHIPPED = "squares-stacked"


def main() -> None:
    if OUT.exists():
        shutil.rmtree(OUT)
    held_out = nextframe.open_source(HELD_OUT)
    # The movie with the most still to be seen at the end makes the best picture; the scores are those of all movies.
    movie = max(held_out.sequences, key=lambda sequence: sequence.read(PAST + LEAD_TIMES - 1, PAST + LEAD_TIMES).sum())

    show(nextframe.load_run(SHIPPED), movie, "shipped")
    print(f"{OUT}/shipped.gif: a forecast by {SHIPPED}, which comes with the package, beside the truth.")
    print(f"{load_card(SHIPPED).skill_in_short}.\n")

    print(
        "Training the stacked ConvLSTM on moving squares: our recipe, a few minutes, smaller than the tutorial's run."
    )
    started = time.perf_counter()
    model = nextframe.fit(
        "squares:movies=2600,frames=15", model="stacked", out=OUT, epochs=1, validation=0.02, test=0.0
    )
    print(f"trained for {time.perf_counter() - started:.0f} s\n")

    skill = nextframe.verify(
        model, held_out, past=PAST, lead_times=LEAD_TIMES, out=OUT, title="Moving squares: the demo"
    )
    nextframe.print_table(skill)

    show(model, movie, "forecast")
    last = {name: scores["csi_0.5"][-1] for name, scores in skill.scores.items()}
    print(f"CSI at lead time {LEAD_TIMES}: " + ", ".join(f"{name} {csi:.2f}" for name, csi in last.items()))
    print(f"Look at {OUT}/forecast.gif (forecast beside truth) and {OUT}/report.html (the whole verification).")


def show(model: nextframe.Forecaster, movie: nextframe.FrameSequence, name: str) -> None:
    """Forecast the end of a movie, and draw it beside the truth."""
    forecast = model.forecast(movie[:PAST], lead_times=LEAD_TIMES)
    past, truth = movie.read(0, PAST), movie.read(PAST, PAST + LEAD_TIMES)
    for suffix in ("gif", "png"):
        nextframe.save_forecast(forecast, OUT / f"{name}.{suffix}", past=past, truth=truth)


if __name__ == "__main__":
    main()
