"""Next-frame prediction with a stacked ConvLSTM: the tutorial's first program.

Trains on moving squares with the tutorial's recipe, forecasts 8 frames from the first 7 of held-out movies, prints the
skill by lead time against the baselines and writes an animation of forecast beside truth.

    python examples/next-frame.py                              the tutorial to the letter (5 epochs; see docs/results)
    python examples/next-frame.py --temporal-padding causal    the same, with no look at the frame to be forecast
    python examples/next-frame.py --preset default             our recipe
"""

import argparse
from pathlib import Path

import nextframe


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--preset", choices=["tutorial", "default"], default="tutorial")
    options.add_argument("--temporal-padding", choices=["same", "causal"])
    options.add_argument("--epochs", type=int)
    options.add_argument("--seed", type=int)
    options.add_argument("--data", help="frames to train on; by default the preset's squares")
    options.add_argument("--out", type=Path, default=Path("runs/next-frame"))
    options.add_argument("--resume", action="store_true")
    given = {name: value for name, value in vars(options.parse_args()).items() if value is not None}
    out = given.pop("out")
    data = given.pop("data", None)

    model = nextframe.fit(data, model="stacked", out=out, **given)

    held_out = nextframe.open_source("squares:movies=100,frames=15,seed=1000")
    skill = nextframe.verify(model, held_out, past=7, lead_times=8, out=out)
    nextframe.print_table(skill)

    movie = max(held_out.sequences, key=lambda sequence: sequence.read(14, 15).sum())  # the most to be seen at the end
    forecast = model.forecast(movie[:7], lead_times=8)
    nextframe.save_forecast(forecast, out / "next-frame.gif", past=movie.read(0, 7), truth=movie.read(7, 15))
    print(f"wrote {out}/next-frame.gif and {out}/report.html")


if __name__ == "__main__":
    main()
