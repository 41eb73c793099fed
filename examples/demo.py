"""What `make demo` runs: forecast with a model that comes with the package, within seconds; then train one like it, the
stacked ConvLSTM on moving squares, for a few minutes, forecast, verify, show.

It is smaller than the tutorial's run (fewer steps, on 24x24 cuts of the movies) so that it ends within five minutes of
training on two cores; `examples/next-frame.py` is the whole of it.
"""

import shutil
import time
from pathlib import Path

import nextframe
from nextframe.report.cards import load_card

OUT = Path("demo")
PAST, LEAD_TIMES = 7, 8
HELD_OUT = "squares:movies=100,frames={},seed=1000"
SHIPPED = "squares-encoder-decoder"


def main() -> None:
    if OUT.exists():
        shutil.rmtree(OUT)
    shipped = nextframe.load_run(SHIPPED)
    seen, ahead = shipped.config.data.past, shipped.config.data.future
    show(shipped, nextframe.open_source(HELD_OUT.format(seen + ahead)), seen, ahead, "shipped")
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

    held_out = nextframe.open_source(HELD_OUT.format(PAST + LEAD_TIMES))
    skill = nextframe.verify(
        model, held_out, past=PAST, lead_times=LEAD_TIMES, out=OUT, title="Moving squares: the demo"
    )
    nextframe.print_table(skill)

    show(model, held_out, PAST, LEAD_TIMES, "forecast")
    last = {name: scores["csi_0.5"][-1] for name, scores in skill.scores.items()}
    print(f"CSI at lead time {LEAD_TIMES}: " + ", ".join(f"{name} {csi:.2f}" for name, csi in last.items()))
    print(f"Look at {OUT}/forecast.gif (forecast beside truth) and {OUT}/report.html (the whole verification).")


def show(model: nextframe.Forecaster, movies: nextframe.FrameSource, seen: int, ahead: int, name: str) -> None:
    """Forecast the end of a movie, and draw it beside the truth: of the movie with the most still to be seen then."""
    movie = max(movies.sequences, key=lambda sequence: sequence.read(seen + ahead - 1, seen + ahead).sum())
    forecast = model.forecast(movie[:seen], lead_times=ahead)
    past, truth = movie.read(0, seen), movie.read(seen, seen + ahead)
    for suffix in ("gif", "png"):
        nextframe.save_forecast(forecast, OUT / f"{name}.{suffix}", past=past, truth=truth)


if __name__ == "__main__":
    main()
