"""Put a trained run into the package, with a card that says what it is and how good; write docs/shipped-models.md.

    python -m lab ship NAME RUN_FOLDER     measures the run, copies it to src/nextframe/weights/NAME, writes both its
                                           card and the page
    python -m lab ship --page              only writes the words below into the cards, and text and page from the cards
    python -m lab ship --calibrate NAME    only measures the model's errors on its validation part again
    python -m lab ship --measure NAME      measures it again as it is, and writes its card, where forecasts have changed
                                           by what is around the network
    python -m lab ship --test-part NAME    only keeps the frames that the model was measured on, where they are not
                                           generated, in tests/runs/NAME.nc

NAME is one of squares-stacked, squares-encoder-decoder, moving-mnist, radar-rain and video. A forecast needs weights,
configuration, normalisation and calibration: they are copied, and nothing else. Squares and digits are measured on
movies of a seed that no training used, radar on the test part of the run's own data, which `--data` holds, by default
../shared/data; the tests forecast a few of its windows again. `--half` stores the weights in half the space; what is
measured is what is shipped.
"""

import contextlib
import json
import math
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import xarray as xr
import yaml
from safetensors.torch import load_file

from lab.options import parser
from lab.place import DOCS, ROOT
from nextframe.api import resolve, verify_run
from nextframe.cli.options import SECTIONS
from nextframe.cli.program import app
from nextframe.config import RunConfig
from nextframe.data.split import split_as
from nextframe.errors import ConfigError, NextframeError
from nextframe.files import replacing, write_text
from nextframe.forecasting.calibrate import measured
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import CALIBRATION
from nextframe.frames.generated import GENERATED
from nextframe.frames.source import open_as
from nextframe.frames.together import as_options, described
from nextframe.report.cards import Card, load_card
from nextframe.report.tables import to_markdown
from nextframe.report.verdicts import verdict
from nextframe.runs import shipped as weights
from nextframe.runs.checksum import of_weights, sealed
from nextframe.runs.folder import STATIC, load_config, member_folders, save_config
from nextframe.runs.metrics import read_metrics
from nextframe.runs.seen import SEEN
from nextframe.runs.shipped import CARD, HOME
from nextframe.verification.result import Verification

PAGE = DOCS / "shipped-models.md"
TEST_PARTS = ROOT / "tests" / "runs"
"""Where frames are kept that a model was measured on, for the tests."""
LARGEST = 5_000_000
"""Bytes that all shipped models may have together."""
SEED, MOVIES = 20_000, 200
"""Of the held-out movies."""
SAMPLE = 8
"""Windows of the sample that the tests forecast again."""
COPIED = ("model.safetensors", "model.json", "config.yaml", "calibration.json", STATIC, SEEN)
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:home|root|tmp|work|mnt|data|srv|opt|var|usr|Users)/\S*")


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What is said of a model that the run folder does not know."""

    title: str
    model: tuple[str, ...] = ()
    """Architectures that may have this name; by default any."""
    source: str = ""
    """Generated source that the run has to have been trained on."""
    paths: tuple[str, ...] = ()
    """Beginnings of the paths, below the data, of the frames that it may have been trained on where there is none."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options that the held-out source has beside those of the run's own."""
    data: str
    licence: str
    limits: tuple[str, ...]


SQUARES = (
    "Movies of 3 to 7 white squares that move in straight lines over a dark frame, drawn by the package itself (the "
    "tutorial's moving squares)."
)
FREE = "The data are drawn by the package; data and weights are under its licence, Apache-2.0."
OF_SQUARES = (
    "It knows white squares of 4 or 6 pixels that move by at most one pixel a frame along each axis, values in 0..1. "
    "Other shapes, speeds and backgrounds it has never seen: train on your own frames for these.",
    "Squares that touch another one, or have touched one, make up almost nine tenths of its wrong pixels; a square by "
    "itself is forecast almost without error.",
)

MODELS = {
    "squares-stacked": Shipped(
        title="moving squares, by the stacked ConvLSTM",
        model=("stacked",),
        source="squares",
        data=SQUARES,
        licence=FREE,
        limits=OF_SQUARES,
    ),
    "squares-encoder-decoder": Shipped(
        title="moving squares, by the encoder-decoder ConvLSTM",
        model=("encoder-decoder",),
        source="squares",
        data=SQUARES,
        licence=FREE,
        limits=OF_SQUARES,
    ),
    "moving-mnist": Shipped(
        title="handwritten digits that bounce off the edges of the frame (Moving MNIST)",
        source="moving-mnist",
        options={"part": "test"},
        data="Movies of handwritten digits that bounce off the edges of the frame, drawn by the package from nine "
        "tenths of the 10,000 MNIST digits that come with it. The held-out movies show the other digits.",
        licence="The digits are by Y. LeCun, C. Cortes and C. Burges under CC BY-SA 3.0, and the weights made from "
        "them are under it, too.",
        limits=(
            "The movies are drawn by the rules of Srivastava et al. (2015), but they are not the 10,000 test movies "
            "that published tables are made with: its scores do not compare with those.",
            "It knows digits of 28 pixels at one speed, values in 0..255. What a digit looks like behind another it "
            "can only guess, and it blurs where it is not sure.",
        ),
    ),
    "radar-rain": Shipped(
        title="rain rate by radar, learned on four networks",
        paths=("radar/knmi-", "radar/mch-", "radar-more/knmi-", "radar-more/fmi-", "radar-more/mrms-"),
        data="Rain rate of the composites of the Netherlands (a summer morning and winter evenings), Finland, "
        "Switzerland and the United States, at pixels of about 4 km and steps of 4 and 5 minutes, as in the example "
        "data of pysteps (pySTEPS/pysteps-data on GitHub) and on KNMI's data platform; two evenings of the "
        "Netherlands are held out. The data do not come with the package.",
        licence="Data: KNMI (CC BY 4.0, dataplatform.knmi.nl), FMI (CC BY 4.0), MeteoSwiss, NOAA MRMS (public domain). "
        "Weights: Apache-2.0, with these credits.",
        limits=(
            "Models made as it is were measured on networks that they never saw, each of eight in turn "
            "(docs/results/radar.md), but on few events of each. Verify it on your own radar before you use it, and "
            "tune it to that: `nextframe train --from radar-rain --data ...`.",
            "It learned pixels of about 4 km and steps of 4 and 5 minutes. Finer pixels are averaged to these, as far "
            "as metadata tell, and the forecast is brought back to the grid that it came from. Other steps are "
            "forecast on their own clock.",
            "As it is, a forecast is a mean: smooth, and too seldom heavy. `--matched` makes it sharp.",
            "It is for research and teaching; do not base a warning on it.",
        ),
    ),
    "video": Shipped(
        title="any clip, in colour or grey: a correction of motion that was put to the test",
        source="clips",
        options={"part": "test", "colour": "yes"},
        data="Clips drawn by the package itself (`clips`): photographs and textures that are moved, turned, scaled, "
        "lit and occluded, with sprites, digits and noise. The held-out clips show other photographs and digits, in "
        "colour.",
        licence="The photographs come with scikit-image, in the public domain or under CC0; the digits are of MNIST, "
        "by Y. LeCun, C. Cortes and C. Burges under CC BY-SA 3.0, and the weights made from them are under it, too.",
        limits=(
            "It moves each place as would have forecast the last frames best, and corrects that by what it learned "
            "of noise, light and edges, channel by channel: it foresees what goes on, not what begins.",
            "It gains most where frames are noisy or the light changes. Where a camera shakes or a face talks, a "
            "hindcast of the last frame keeps it near to that one, and it gains little.",
            "It learned frames of 48 pixels and motions of up to five pixels a frame. Tune it to a clip that you "
            "have more of: `nextframe train --from video --data clip.mp4`.",
        ),
    ),
}


def ship(name: str, run: Path, data: Path, thresholds: list[float] | None, *, half: bool) -> None:
    """Measure a run and put it into the package."""
    said = MODELS[name]
    config = _portable(load_config(run / "config.yaml"), data)
    drawn = config.data.data.partition(":")[0] in GENERATED
    for frames in _paths(config):
        if frames.partition(":")[0] != said.source if drawn or said.source else not frames.startswith(said.paths):
            expected = said.source or " or ".join(f"{beginning}..." for beginning in said.paths)
            raise ConfigError(f"is not what {name} is trained on", where=frames, expected=expected)
    if said.model and config.model.model not in said.model:
        raise ConfigError(f"is not the model of {name}", where=config.model.model, expected=" or ".join(said.model))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        for kept in [run, *member_folders(run)]:
            _copy(kept, folder if kept == run else folder / kept.name, data, half=half)
        trained = [read_metrics(member) for member in member_folders(run) or [run]]
        card = _measured(
            *(name, said, run, folder, config, data, thresholds),
            epochs=len(trained[0]),
            seconds=round(sum(row["seconds"] for rows in trained for row in rows)),
        )
        _write_card(card, folder)
        for path in folder.rglob("*"):
            _hold_no_machine_path(path)
        others = (path for path in HOME.rglob("*") if path.is_file() and HOME / name not in path.parents)
        size = sum(path.stat().st_size for path in [*others, *(p for p in folder.rglob("*") if p.is_file())])
        if size > LARGEST:
            raise ConfigError("would make the shipped models too large", where=run, expected=LARGEST, received=size)
        shutil.rmtree(HOME / name, ignore_errors=True)
        shutil.copytree(folder, HOME / name)
    print(f"wrote {(HOME / name).relative_to(ROOT)}: {card.skill_in_short}; {size:,} bytes of {LARGEST:,} in all")
    if card.held_out is None:
        keep_test_part(name, data)
    write_texts()


def calibrate(name: str, data: Path) -> None:
    """Measure a shipped model's errors again, on the validation part of what it was trained on; weights and card, which
    says nothing of members, stay.
    """
    with contextlib.chdir(data):
        calibration = measured(load_run(HOME / name))  # the data may have a folder of that name
    path = HOME / name / CALIBRATION
    calibration.save(path)
    print(f"wrote {path.relative_to(ROOT)}: {calibration.windows} forecasts, {calibration.lead_times} lead times")


def measure(name: str, data: Path) -> None:
    """Measure a shipped model again, whose weights stay, and write its card and the page."""
    card, folder = load_card(name), HOME / name
    config, thresholds = load_config(folder / "config.yaml"), list(card.skill.thresholds) or None
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / name
        shutil.copytree(folder, copy)
        again = _measured(
            *(name, MODELS[name], folder, copy, config, data, thresholds), epochs=card.epochs, seconds=card.seconds
        )
    _write_card(again, folder)
    print(f"wrote the card of {name}: {again.skill_in_short}")
    write_texts()


def keep_test_part(name: str, data: Path) -> None:
    """Keep the frames of a model's test part, read as it reads them, in steps of half a thousandth of the largest."""
    card = load_card(name)
    config = RunConfig.from_dict(card.recipe).data
    with contextlib.chdir(data):
        spans = split_as(open_as(config), config).test
        frames = np.concatenate([span.sequence.read(span.start, span.stop) for span in spans])
    sequence = spans[0].sequence
    times = [span.sequence.times[span.start : span.stop] for span in spans if span.sequence.times is not None]
    path = TEST_PARTS / f"{name}.nc"
    field = xr.DataArray(
        frames[:, 0],
        {"time": np.concatenate(times)},
        ("time", "y", "x"),
        sequence.variables[0],
        {"units": sequence.units[0], "comment": f"{card.data} {card.licence}"},
    )
    step = float(np.nanmax(frames)) / 2000
    stored = {"dtype": "int16", "scale_factor": step, "_FillValue": -1, "zlib": True, "complevel": 9, "shuffle": True}
    with replacing(path) as temporary:
        field.to_netcdf(temporary, engine="h5netcdf", encoding={field.name: stored})
    print(f"wrote {path.relative_to(ROOT)}: {len(frames)} frames, {path.stat().st_size:,} bytes")


def _copy(run: Path, folder: Path, data: Path, *, half: bool) -> None:
    """What a forecast needs of a run folder, with paths below the data folder in place of those of a machine."""
    config = _portable(load_config(run / "config.yaml"), data)
    single = config.training.members == 1
    for file in ("model.safetensors", "model.json") if single else ():
        if not (run / file).is_file():
            raise ConfigError(f"holds no {file}", where=run, hint="train it to the end")
    folder.mkdir(parents=True)
    drawn = config.data.data.partition(":")[0] in GENERATED  # again where need be, so that no record is needed
    for file in COPIED:
        if (run / file).is_file() and not (drawn and file == SEEN):
            shutil.copyfile(run / file, folder / file)
    save_config(folder, config)
    if single and half:
        _halve(folder / "model.safetensors")
    if single:
        described = json.loads((run / "model.json").read_text(encoding="utf-8"))
        shipped = {"config": config.to_dict(), "weights_checksum": of_weights(load_file(folder / "model.safetensors"))}
        write_text(folder / "model.json", json.dumps(sealed({**described, **shipped}), indent=2) + "\n")


def _halve(path: Path) -> None:
    """Store weights as float16; they are read into the float32 of the model."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    halved = {name: weight.half() for name, weight in load_file(path).items()}
    path.write_bytes(safetensors.torch.save(halved, metadata=metadata))


def _paths(config: RunConfig) -> list[str]:
    """Paths or names of the frames that a run was trained on."""
    return [str(described(source).source) for source in config.data.sources] or [config.data.data]


def _portable(config: RunConfig, data: Path) -> RunConfig:
    """The configuration with paths as seen from the data folder; those of generated frames stay."""

    def relative(path: str) -> str:
        try:
            return str(Path(path).resolve().relative_to(data.resolve()))
        except ValueError:
            # As it is once it has been shipped: already as seen from there.
            if not Path(path).is_absolute() and (data / path).exists():
                return path
            raise ConfigError("lies outside the data folder", where=path, hint=f"name it: --data ({data})") from None

    if config.data.data.partition(":")[0] in GENERATED:
        return config
    static = tuple(":".join([relative(file), *rest]) for file, *rest in (f.split(":") for f in config.data.static))
    if not config.data.sources:
        return config.replace({"data": relative(config.data.data), "static": static})
    several = [
        {"path": relative(str(this.source)), **this.options, "weight": this.weight, "name": this.name}
        for this in map(described, config.data.sources)
    ]
    return config.replace({**as_options({"data": several}), "static": static})


def _measured(
    name: str,
    said: Shipped,
    run: Path,
    folder: Path,
    config: RunConfig,
    data: Path,
    thresholds: list[float] | None,
    *,
    epochs: int,
    seconds: int,
) -> Card:
    """The card, with the skill of the run in `folder`, whose training took so many epochs and seconds."""
    if not (folder / "calibration.json").is_file():
        raise ConfigError("is not calibrated", where=run, hint=f"nextframe calibrate {run}")
    described = [
        json.loads((member / "model.json").read_text(encoding="utf-8")) for member in member_folders(folder) or [folder]
    ]
    held_out = _held_out(said, config, described[0])
    kept = contextlib.chdir(data) if held_out is None else contextlib.nullcontext()
    with kept:
        found = verify_run(
            folder,
            data=held_out,
            thresholds=thresholds,
            out=Path(folder).parent / "verification",
            examples=0,
            command=f"nextframe verify {name}",
        )
        sample = verify_run(
            folder,
            data=held_out,
            thresholds=thresholds,
            baselines=(),
            limit=SAMPLE,
            out=Path(folder).parent / "sample",
            examples=0,
            progress=False,
        )
    events = [f"csi_{threshold:g}" for threshold in found.thresholds]
    metrics = [*(events or ["psnr", "ssim"]), "mse"]
    shown = {who: scores for who, scores in found.scores.items() if not who.endswith(", uncalibrated")}
    verdicts = [verdict(replace(found, scores=shown), metric=metric) for metric in metrics]
    return Card(
        name=name,
        title=said.title,
        data=said.data,
        licence=said.licence,
        command=command(config, f"runs/{name}"),
        recipe=config.to_dict(),
        parameters=sum(model["parameters"] for model in described),
        epochs=epochs,
        seconds=seconds,
        held_out=held_out,
        skill=Verification(
            scores={who: {m: _short(scores[m]) for m in metrics} for who, scores in shown.items()},
            intervals={
                who: {m: [_short(pair) for pair in bounds[m]] for m in metrics}
                for who, bounds in found.intervals.items()
                if who in shown
            },
            **{
                part: getattr(found, part)
                for part in (
                    *("lead_time", "lead_time_unit", "count", "command", "data", "units", "thresholds"),
                    *("blocks", "video", "data_range", "versions", "machine"),
                )
            },
        ),
        sample={m: _short(sample.scores["model"][m]) for m in (metrics[0], "mse")},
        sample_windows=sample.count,
        verdicts=verdicts,
        limits=said.limits,
        date=datetime.now(UTC).date().isoformat(),
    )


def _held_out(said: Shipped, config: RunConfig, described: dict[str, Any]) -> str | None:
    """A generated source that no training saw; None for other frames."""
    if said.source not in GENERATED:
        return None
    options = dict(option.split("=") for option in config.data.data.partition(":")[2].split(",") if option)
    if options.get("seed") == str(SEED):
        raise ConfigError("are the held-out movies themselves", where=config.data.data, hint="train on another seed")
    frames = config.data.past + config.data.future
    given = {"movies": MOVIES, "frames": frames, "size": described["height"], "seed": SEED, **said.options}
    drawn = ",".join(f"{option}={value}" for option, value in {**options, **given}.items())
    return f"{said.source}:{drawn}"


def _short(values: Any) -> list[float]:
    """Six digits; more would change with the processor."""
    if not all(map(math.isfinite, values)):
        raise ConfigError("are not all defined", where="its scores", received=values, hint="choose other --thresholds")
    return [float(f"{value:.6g}") for value in values]


def _write_card(card: Card, folder: Path) -> None:
    """The card into a model's folder, for programs and for people."""
    write_text(folder / CARD, json.dumps(_plain(card), indent=1) + "\n")
    write_text(folder / "README.md", card_text(card, level=1, recipe=True))


def _plain(card: Card) -> dict[str, Any]:
    """The card as JSON takes it; of the scores, what there is."""
    skill = {n: v for n, v in vars(card.skill).items() if n == "thresholds" or v not in ({}, (), [], "", None, False)}
    return {part.name: skill if part.name == "skill" else getattr(card, part.name) for part in fields(Card)}


def _hold_no_machine_path(path: Path) -> None:
    if path.suffix in (".json", ".yaml", ".md") and (found := MACHINE_PATH.search(path.read_text(encoding="utf-8"))):
        raise ConfigError("names a path of this machine", where=path.name, received=found[0])


def command(config: RunConfig, out: str) -> str:
    """The command that trains a configuration; it is parsed again, to hold it to that."""
    preset = resolve(config.model.model)
    options = []
    for section in SECTIONS:
        was, is_ = asdict(getattr(preset, section)), asdict(getattr(config, section))
        for name, value in is_.items():
            option = f"--{name.replace('_', '-')}"
            if value == was[name] or name == "sources":
                continue
            if name == "data" and config.data.sources:
                options += [part for source in config.data.sources for part in (option, source)]
            elif isinstance(value, bool):
                options.append(option if value else option.replace("--", "--no-", 1))
            else:
                options += [option, typed(value)]
    words = ["nextframe", "train", config.model.model, *options, "--out", out]
    _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    given = {name: value for name, value in bound.kwargs.items() if name != "out"}
    if resolve(config.model.model, **given) != config:
        raise ConfigError("cannot be said as a command", where="the configuration", received=shlex.join(words))
    return shlex.join(words)


def typed(value: object) -> str:
    """A value as the command line has it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def card_text(card: Card, *, level: int, recipe: bool = False) -> str:
    """A card as Markdown."""
    head = "#" * level
    skill = card.skill
    given = "" if card.held_out else " --input archive.nc"
    versions = ", ".join(f"{package} {version}" for package, version in skill.versions.items())
    lines = [
        f"{head} {card.name}",
        "",
        f"Forecasts {card.title}, {len(skill.lead_time)} frames from {card.recipe['data']['past']}; "
        f"{card.parameters:,} parameters.",
        "",
        "```console",
        f"$ nextframe forecast {card.name}{given} --out forecast.gif",
        f"$ nextframe verify {card.name}{given.replace('--input', '--data')}",
        "```",
        "",
        f"**Data.** {card.data} {card.licence}",
        "",
        f"**Training.** {card.training}:",
        "",
        "```console",
        f"$ {card.command}",
        "```",
        "",
    ]
    if card.held_out is None:
        lines += [
            "Paths are as seen from the folder that holds the data; called there, `forecast` and `verify` find the "
            "test part by themselves.",
            "",
        ]
    if recipe:
        resolved = yaml.safe_dump(dict(card.recipe), sort_keys=False).rstrip()
        lines += ["That is, in full:", "", "```yaml", resolved, "```", ""]
    lines += [
        f"**Skill.** {skill.count} forecasts of {_code(card)} on {skill.machine}, {card.date} "
        f"({versions}). {' '.join(card.verdicts)}",
        "",
        to_markdown(skill),
        "**Limits.**",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
    ]
    return "\n".join(lines)


def _in_these_words(card: Card) -> Card:
    """The card with what is said here of its model."""
    said = MODELS[card.name]
    return replace(card, title=said.title, data=said.data, licence=said.licence, limits=said.limits)


def _code(card: Card) -> str:
    return f"`{card.held_out}`, a seed that no training used," if card.held_out else f"`{card.skill.data}`,"


def write_texts() -> None:
    """Write the cards' text and the page from the cards."""
    cards = [_in_these_words(load_card(name)) for name in MODELS if name in weights.shipped()]
    for card in cards:
        _write_card(card, HOME / card.name)
    lines = [
        "# Shipped models",
        "",
        "![Moving MNIST, forecast by the shipped model, beside the truth](assets/pictures/digits.png)",
        "",
        "Some small trained models come with the package, so that a forecast can be looked at before anything is",
        "trained:",
        "",
        "```console",
        "$ nextframe inspect --models",
        *(f"$ nextframe inspect {cards[0].name}", f"$ nextframe forecast {cards[0].name} --out forecast.gif"),
        "```",
        "",
        "A name goes wherever a run folder does: `forecast`, `verify`, `inspect`, and `nextframe.load_run(NAME)` in",
        "Python. Where the working directory holds a folder of that name, the folder is meant. Without `--input`, the",
        "first frames that the model was measured on are forecast, beside the truth; without `--data`, `verify` makes",
        "the table below again; but `radar-rain` was measured on radar that does not come with the package, and wants",
        "yours. A shipped model is not to be changed: `calibrate` refuses it, and `verify` writes nothing but to",
        "`--out`. `nextframe inspect --models NAME` shows a card also where a source of frames has the same name, as",
        "`moving-mnist` does.",
        "",
        *(
            f"- [{card.name}](#{card.name}): {card.title}; {card.parameters:,} parameters; {card.skill_in_short}."
            for card in cards
        ),
        "",
        "Everything below was measured when the weights were put into the package, by `python -m lab ship`, which",
        "wrote it; the tests hold the weights to it. The same is in `card.json`, beside the weights and the",
        "configuration that reruns the training. The weights are stored as float16: what is measured is what they",
        "forecast, and a training of one's own ends with float32. Seconds of training are of a machine with two cores",
        "that did other work besides.",
        "",
        *(card_text(card, level=2) for card in cards),
    ]
    write_text(PAGE, "\n".join(lines))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def main(arguments: Sequence[str]) -> None:
    options = parser("ship", __doc__)
    options.add_argument("name", nargs="?", choices=list(MODELS), help="what it is called in the package")
    options.add_argument("run", nargs="?", type=Path, help="its run folder")
    options.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds real data")
    options.add_argument("--thresholds", help="what counts as an event; by default the run's own")
    options.add_argument("--half", action="store_true", help="store the weights in half precision")
    only = options.add_mutually_exclusive_group()
    only.add_argument("--page", action="store_true", help="only write the cards' text and the page")
    only.add_argument("--calibrate", choices=list(MODELS), metavar="NAME", help="only measure its errors again")
    only.add_argument(
        "--measure", choices=list(MODELS), metavar="NAME", help="only measure it again, and write its card"
    )
    only.add_argument("--test-part", choices=list(MODELS), metavar="NAME", help="only keep the frames of its test part")
    given = options.parse_args(arguments)
    if any((given.page, given.calibrate, given.measure, given.test_part)) == (given.run is not None):
        options.error("give NAME and RUN_FOLDER, or --page, --calibrate, --measure or --test-part alone")
    if ROOT not in HOME.parents:
        options.error(f"the package that is installed is not this one, but {HOME.parent}: run `make install`")
    thresholds = [float(value) for value in given.thresholds.split(",")] if given.thresholds else None
    try:
        if given.page:
            write_texts()
        elif given.calibrate is not None:
            calibrate(given.calibrate, given.data)
        elif given.measure is not None:
            measure(given.measure, given.data)
        elif given.test_part is not None:
            keep_test_part(given.test_part, given.data)
        else:
            ship(given.name, given.run, given.data, thresholds, half=given.half)
    except NextframeError as error:
        options.error(str(error))
