"""Ten frames from ten with an encoder-decoder ConvLSTM: the tutorial's second program.

Trains on moving squares with the tutorial's recipe, forecasts 10 frames from the first 10 of held-out movies, prints
the skill by lead time against the baselines and writes an animation of forecast beside truth.

    python examples/encoder-decoder.py                   the tutorial to the letter (20 epochs; see docs/results)
    python examples/encoder-decoder.py --epochs 2        shorter
    python examples/encoder-decoder.py --preset default  our recipe
"""

import argparse
from pathlib import Path

import nextframe


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--preset", choices=["tutorial", "default"], default="tutorial")
    options.add_argument("--epochs", type=int)
    options.add_argument("--seed", type=int)
    options.add_argument("--data", help="frames to train on; by default the preset's squares")
    options.add_argument("--out", type=Path, default=Path("runs/encoder-decoder"))
    options.add_argument("--resume", action="store_true")
    given = {name: value for name, value in vars(options.parse_args()).items() if value is not None}
    out = given.pop("out")
    data = given.pop("data", None)

    model = nextframe.fit(data, model="encoder-decoder", out=out, **given)

    held_out = nextframe.open_source("squares:movies=100,frames=20,seed=1000")
    skill = nextframe.verify(model, held_out, past=10, lead_times=10, out=out)
    nextframe.print_table(skill)

    movie = max(held_out.sequences, key=lambda sequence: sequence.read(19, 20).sum())  # the most to be seen at the end
    forecast = model.forecast(movie[:10], lead_times=10)
    nextframe.save_forecast(forecast, out / "encoder-decoder.gif", past=movie.read(0, 10), truth=movie.read(10, 20))
    print(f"wrote {out}/encoder-decoder.gif and {out}/report.html")


if __name__ == "__main__":
    main()
