"""Write the README's tables from the results in lab/results: `python -m lab readme [--demo DEMO_FOLDER]`.

DEMO_FOLDER is what `make demo` wrote; its scores are taken over first. The animation at the top is a forecast by the
best of the models that come with the package, by its card.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.options import parser
from lab.pages.marked import fill
from lab.pages.quality import CSI_MARKS, best, steps_in_words
from lab.place import DOCS, RESULTS, ROOT
from lab.quality.curves import load
from lab.quality.curves import to_markdown as to_table
from lab.quality.trials import CAUSAL
from nextframe.api import load_run
from nextframe.files import write_text
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast
from nextframe.report.cards import Card, load_card
from nextframe.report.tables import to_markdown
from nextframe.runs.shipped import shipped
from nextframe.verification.result import Verification
from nextframe.verification.titles import mean


def best_shipped() -> Card:
    """The card of the model with the highest CSI on held-out frames that anyone can draw again."""
    cards = [card for card in map(load_card, shipped()) if card.held_out and card.skill.thresholds]
    return max(cards, key=lambda card: mean(card.skill.scores["model"][card.headline]))


def write_picture(path: Path) -> None:
    """Write a forecast by the best shipped model beside the truth, of the held-out movie that ends with most in it."""
    card = best_shipped()
    model = load_run(card.name)
    seen, ahead = model.config.data.past, model.config.data.future
    movies = open_source(card.held_out or "").sequences
    movie = max(movies, key=lambda movie: movie.read(seen + ahead - 1, seen + ahead).sum())
    forecast = model.forecast(movie[:seen], ahead)
    save_forecast(forecast, path, past=movie.read(0, seen), truth=movie.read(seen, seen + ahead))


def demo_table() -> str:
    """The skill table of the demo."""
    skill = Verification.from_json(RESULTS / "demo" / "verification.json")
    return to_markdown(skill, ["csi_0.5"]) + f"\nMade by `make demo` on {skill.machine}.\n"


def speed_table() -> str:
    """Seconds a training step and seconds a new frame, and ratios, of the benchmark's last runs."""
    tables = []
    for task in ("training", "streaming"):
        content = json.loads((RESULTS / f"{task}.json").read_text(encoding="utf-8"))
        made = f"`python -m lab {task}` on {content['machine']}, {content['date']}."
        most = max(result["threads"] for result in content["results"])
        head, marks, *lines = content["markdown"].strip().splitlines()
        shown = [line for line in lines if line.split(" | ")[2] == str(most)]
        tables.append("\n".join([head, marks, *shown]) + f"\n\n{made}\n")
    return "\n".join(tables)


def quality_table() -> str:
    """What each training reached, and in what time."""
    path = RESULTS / "quality.json"
    held = json.loads(path.read_text(encoding="utf-8"))["trials"]
    machines = " and ".join(sorted({trial["machine"] for trial in held.values()}))
    return f"{to_table(load(path))}\n`python -m lab quality` on {machines}.\n"


def soon() -> str:
    """How soon a CSI of 0.90 is reached, and where the tutorial's recipe in Keras is by its end."""
    curves = load(RESULTS / "quality.json")
    csi, most = CSI_MARKS[CAUSAL.name][0]
    found = best(curves, CAUSAL, most, csi=csi)
    keras = next(curve for curve in curves if curve.trial.keras)
    last = keras.points[-1]
    lines = [
        f"On moving squares a CSI of {csi:.2f} over eight frames after {found.in_words},",
        f"where the tutorial's recipe in Keras has {last.mean_csi:.2f} after {steps_in_words(keras)} and "
        f"{last.seconds:.0f} s",
        "([measured](docs/results/quality.md)).",
    ]
    return "".join(f"  {line}\n" for line in lines) + "  "


def main(arguments: Sequence[str]) -> None:
    options = parser("readme", __doc__)
    options.add_argument("--demo", type=Path, help="folder that make demo wrote")
    given = options.parse_args(arguments)
    if given.demo:
        (RESULTS / "demo").mkdir(parents=True, exist_ok=True)
        (DOCS / "assets").mkdir(exist_ok=True)
        shutil.copy(given.demo / "verification.json", RESULTS / "demo" / "verification.json")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    write_picture(DOCS / "assets" / "demo.gif")
    tables = {"demo": demo_table(), "speed": speed_table(), "quality": quality_table(), "soon": soon()}
    for name, table in tables.items():
        text = fill(text, name, table)
    write_text(ROOT / "README.md", text)
