"""The models that come with the package: found by name, small, and as good as their cards say."""

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import xarray as xr

import nextframe
from lab import ship
from nextframe import api
from nextframe.cli import main
from nextframe.cli.program import app
from nextframe.config import RunConfig
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import CheckpointError, ConfigError
from nextframe.frames.together import as_options
from nextframe.report.cards import Card, load_card
from nextframe.report.tables import to_markdown
from nextframe.runs import shipped as weights
from nextframe.runs.folder import load_config, member_folders
from nextframe.runs.shipped import HOME, find_run, shipped, shipped_name
from nextframe.verification.verify import verify as verify_windows

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(home|root|tmp|work|mnt|data|srv|opt|var|usr|Users)/")
FRESH, SPREADS = 8, 5
SAME = 0.005
"""Share that a score differs by on another processor, at most."""
GENERATED = [name for name in shipped() if load_card(name).held_out is not None]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without any folder."""
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_they_are_in_the_package_and_small() -> None:
    found = files("nextframe").joinpath("weights")
    assert shipped()
    for name in shipped():
        inside = {part.name for part in (found / name).iterdir()}
        assert {"card.json", "README.md", "config.yaml", "calibration.json"} <= inside, name
        single = load_config(HOME / name / "config.yaml").training.members == 1
        assert {"model.safetensors", "model.json"} <= inside or not single, name
    assert sum(path.stat().st_size for path in HOME.rglob("*") if path.is_file()) < 5_000_000


@pytest.mark.parametrize("name", shipped())
def test_a_folder_holds_what_a_forecast_needs_and_no_path_of_a_machine(name: str) -> None:
    for path in filter(Path.is_file, (HOME / name).rglob("*")):
        assert path.suffix in (".safetensors", ".json", ".yaml", ".md", ".npy", ".npz"), path
        if path.suffix in (".json", ".yaml", ".md"):
            assert not MACHINE_PATH.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("name", shipped())
def test_the_card_tells_the_recipe(name: str) -> None:
    card, model = load_card(name), nextframe.load_run(name)
    config = load_config(HOME / name / "config.yaml")
    assert RunConfig.from_dict(card.recipe) == config == model.config
    _, bound, _ = app.parse_args(shlex.split(card.command)[1:], exit_on_error=False, print_error=False)
    options = {option: value for option, value in bound.kwargs.items() if option != "out"}
    assert api.resolve(*bound.args, **options) == config
    assert card.parameters == sum(p.numel() for network in model.networks for p in network.parameters())
    assert card.name == name
    assert card.licence
    assert card.limits


@pytest.mark.parametrize("name", shipped())
def test_the_text_and_the_page_show_the_card(name: str) -> None:
    card = load_card(name)
    for page in (HOME / name / "README.md", ROOT / "docs" / "shipped-models.md"):
        text = page.read_text(encoding="utf-8")
        assert to_markdown(card.skill) in text
        for said in (card.command, card.data, card.licence, f"{card.parameters:,}", *card.verdicts, *card.limits):
            assert said in text


@pytest.mark.parametrize("name", shipped())
def test_it_forecasts_finite_values(name: str) -> None:
    model, card = nextframe.load_run(name), load_card(name)
    drawn = np.random.default_rng(0).random((model.config.data.past, model.manifest.channels, 32, 32), np.float32)
    past = np.where(drawn > 0.8, drawn * card.skill.data_range, 0.0).astype(np.float32)
    lead_times = len(card.skill.lead_time)
    if model.config.data.static:  # these fix the grid
        past = np.resize(past, (*past.shape[:2], model.manifest.height, model.manifest.width))
    made = model.forecast(past, lead_times)
    assert made.values.shape == (lead_times, *past.shape[1:])
    assert np.isfinite(made.values).all()
    assert made.members is not None  # it is calibrated
    assert np.isfinite(made.members).all()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name in ("radar-rain", "squares-encoder-decoder") else name
        for name in shipped()
    ],
)
def test_its_skill_is_that_of_the_card(name: str) -> None:
    """The same few windows are forecast again. What differs is the order of sums on another processor."""
    card = load_card(name)
    if card.held_out is None:  # real frames, of which the test part is kept beside this file, already cut and converted
        kept = Path(__file__).with_name(f"{name}.nc")
        read: dict[str, Any] = {"crop": (), "coarsen": 1, "rain_unit": "as-read"}
        found = scores(name, card, kept, card.sample_windows, **read)
    else:
        found = scores(name, card, None, card.sample_windows)
    for metric, said in card.sample.items():
        assert found[metric] == pytest.approx(said, rel=SAME, abs=1e-5), metric


def test_verify_has_the_thresholds_of_the_card(tmp_path: Path) -> None:
    rain = np.random.default_rng(0).gamma(0.5, 4.0, (20, 40, 40)).astype(np.float32)
    times = np.datetime64("2026-01-01T00:00", "ns") + np.arange(20) * np.timedelta64(5, "m")
    field = xr.DataArray(rain, {"time": times}, ("time", "y", "x"), "rain", {"units": "mm/h"})
    field.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    as_it_is: dict[str, Any] = {"crop": (), "coarsen": 1, "rain_unit": "as-read"}
    found = api.verify_run(
        "radar-rain", data=tmp_path / "rain.nc", baselines=(), limit=1, examples=0, progress=False, **as_it_is
    )
    assert list(found.thresholds) == list(load_card("radar-rain").skill.thresholds) == [0.2, 1.0, 3.0]


@pytest.mark.long
@pytest.mark.parametrize("name", GENERATED)
def test_its_skill_on_other_movies_is_that_of_the_card(name: str) -> None:
    """Movies that were drawn from no seed used before score as the card says, within their spread."""
    card = load_card(name)
    assert card.held_out is not None
    other, found_seed = re.subn(r"seed=\d+", "seed=31415", card.held_out)
    assert found_seed == 1
    found = scores(name, card, re.sub(r"movies=\d+", f"movies={FRESH}", other), None)
    for metric in (card.headline, "mse"):
        for value, said, (low, high) in zip(
            found[metric], card.skill.scores["model"][metric], card.skill.intervals["model"][metric], strict=True
        ):
            # The interval of the mean of all movies, 1.96 standard errors to each side, tells the spread of one.
            spread = (high - low) / 3.92 * math.sqrt(card.skill.count)
            assert abs(value - said) <= SPREADS * spread * math.sqrt(1 / FRESH + 1 / card.skill.count), metric


@pytest.mark.long
@pytest.mark.parametrize("name", GENERATED)
def test_other_weights_would_not_pass(name: str, tmp_path: Path) -> None:
    card = load_card(name)
    shutil.copytree(HOME / name, tmp_path / "changed")
    for folder in member_folders(tmp_path / "changed") or [tmp_path / "changed"]:
        path = folder / "model.safetensors"
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        noise = torch.Generator().manual_seed(0)
        changed = {
            layer: weight + 0.05 * weight.float().square().mean().sqrt() * torch.randn(weight.shape, generator=noise)
            for layer, weight in safetensors.torch.load_file(path).items()
        }
        path.write_bytes(safetensors.torch.save(changed, metadata=metadata))
    found = scores("changed", card, card.held_out, card.sample_windows)
    assert found["mse"] != pytest.approx(card.sample["mse"], rel=SAME, abs=1e-5)


def scores(
    run: str, card: Card, data: str | Path | None, limit: int | None, **reading: Any
) -> Mapping[str, Sequence[float]]:
    found = api.verify_run(
        run,
        data=data,
        baselines=(),
        thresholds=card.skill.thresholds,
        limit=limit,
        out="out",
        progress=False,
        **reading,
    )
    return found.scores["model"]


@pytest.mark.long
def test_a_name_goes_where_a_run_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = GENERATED[0]
    before = {path: path.stat().st_mtime_ns for path in HOME.rglob("*") if path.suffix != ".pyc"}
    assert main(["forecast", name, "--out", "movie.png"]) == 0
    assert "beside the truth" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["movie.png"]
    assert main(["verify", name, "--limit=2", "--baselines=none", "--no-progress"]) == 0
    assert "wrote" not in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["movie.png"]
    assert main(["verify", name, "--limit=2", "--baselines=none", "--no-progress", "--out=scores"]) == 0
    assert (tmp_path / "scores" / "report.html").is_file()
    assert "not to be changed" in refused(capsys, "calibrate", name)
    assert {path: path.stat().st_mtime_ns for path in HOME.rglob("*") if path.suffix != ".pyc"} == before


def test_a_folder_of_that_name_goes_first(tmp_path: Path) -> None:
    name = GENERATED[0]
    assert (find_run(name), shipped_name(name)) == (HOME / name, name)
    shutil.copytree(HOME / name, tmp_path / name)
    assert (find_run(name), shipped_name(name)) == (Path(name), None)
    assert nextframe.load_run(name).run == Path(name)


def test_a_name_that_is_none_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    name = GENERATED[0]
    slip = name[:-2] + name[-1] + name[-2]
    with pytest.raises(CheckpointError, match="neither a run folder nor a shipped model"):
        nextframe.load_run("none-of-these")
    for command in (["forecast", slip], ["verify", slip], ["inspect", slip], ["inspect", "--models", slip]):
        said = refused(capsys, *command)
        assert f"did you mean {name!r}?" in said
    # What is spelt as a path is one.
    with pytest.raises(CheckpointError, match="is not a run folder"):
        nextframe.load_run(f"runs/{slip}")


def test_inspect_lists_them_and_shows_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped())
    for name, line in zip(shipped(), lines, strict=True):
        assert load_card(name).skill_in_short in line
        assert f"{load_card(name).parameters:,}" in line
    assert main(["inspect", "--models", shipped()[0]]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for said in (load_card(shipped()[0]).data, *load_card(shipped()[0]).limits):
        assert said in told


def test_the_list_comes_at_once() -> None:
    code = "import sys; from nextframe.cli import main; main(['inspect', '--models']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "xarray", "matplotlib"} & set(done.stdout.splitlines()[-1].split())


def test_a_run_of_ones_own_forecasts_its_test_part(trained: Path, tmp_path: Path) -> None:
    _, past, truth = api.forecast_file(trained, lead_times=3)
    expected = nextframe.open_source("squares:movies=12,frames=6,size=16").sequences[10]  # the last two of twelve
    assert truth is not None
    assert (past.read(0, 3) == expected.read(0, 3)).all()
    assert (truth.read(0, 3) == expected.read(3, 6)).all()
    with pytest.raises(ConfigError, match="name it with source=SOURCE"):
        api.forecast_file(trained, grey=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    options = "--data=squares:movies=12,frames=6,size=16 --past=3 --future=3 --validation=0.2 --test=0.2 --filters=4"
    rest = ["--epochs=1", "--batch-size=4", "--train-crop=none", "--no-progress", "--out", str(folder)]
    assert main(["train", "stacked", *options.split(), *rest]) == 0
    return folder


@pytest.mark.long
@pytest.mark.parametrize("half", [False, True])
def test_one_command_ships_a_run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool) -> None:
    home = tmp_path / "weights"
    for module in (ship, weights):
        monkeypatch.setattr(module, "HOME", home)
    monkeypatch.setattr(ship, "ROOT", tmp_path)
    monkeypatch.setattr(ship, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(ship, "MOVIES", 10)
    ship.main(["squares-stacked", str(trained), *(["--half"] if half else [])])
    folder = home / "squares-stacked"
    names = {"README.md", "calibration.json", "card.json", "config.yaml", "model.json", "model.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    card = load_card("squares-stacked")
    assert card.held_out == "squares:movies=10,frames=6,size=16,seed=20000"
    assert set(card.skill.scores) == {"model", "persistence", "extrapolation"}
    assert {len(values) for by_metric in card.skill.scores.values() for values in by_metric.values()} == {3}
    assert "--filters 4" in card.command
    for path in (folder / "card.json", folder / "README.md", tmp_path / "page.md"):
        assert str(trained.parent) not in path.read_text(encoding="utf-8")
    # The skill of persistence needs no model, and can be had in another way.
    movies = nextframe.open_source(card.held_out)
    windows = cut_windows([Span(movie, 0, 6) for movie in movies.sequences], past=3, future=3)
    expected = verify_windows([nextframe.Persistence()], windows, thresholds=card.skill.thresholds)
    for metric, values in card.skill.scores["persistence"].items():
        assert values == pytest.approx(expected.scores["persistence"][metric], rel=1e-5)
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16 if half else torch.float32}
    own, again = nextframe.load_run(trained), nextframe.load_run("squares-stacked")
    movie = movies.sequences[0][:3]
    assert again.forecast(movie, 3).values == pytest.approx(own.forecast(movie, 3).values, abs=1e-2 if half else 0)
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["config"] == card.recipe


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("moving-mnist", "is not what moving-mnist is trained on"),
        ("radar-rain", "is not what radar-rain is trained on"),
        ("squares-encoder-decoder", "is not the model of squares-encoder-decoder"),
    ],
)
def test_what_is_called_by_another_name_is_not_shipped(trained: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ship.ship(name, trained, DATA, None, half=False)


def test_paths_of_a_machine_become_paths_below_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "radar" / "knmi-day").mkdir(parents=True)
    (data / "height.nc").touch()
    config = RunConfig().replace({"data": str(data / "radar" / "knmi-day"), "static": (f"{data}/height.nc:z",)})
    portable = ship._portable(config, data)
    assert (portable.data.data, portable.data.static) == ("radar/knmi-day", ("height.nc:z",))
    assert ship._portable(portable, data) == portable
    day = str(data / "radar" / "knmi-day")
    several = config.replace(
        {**as_options({"data": [{"path": day, "name": "day", "coarsen": 2}, f"{data}/height.nc"]}), "static": ()}
    )
    portable = ship._portable(several, data)
    assert portable.data.sources == ("radar/knmi-day::coarsen=2,name=day", "height.nc")
    assert ship._portable(portable, data) == portable
    assert "--data radar/knmi-day::coarsen=2,name=day --data height.nc" in ship.command(portable, "runs/x")
    with pytest.raises(ConfigError, match="lies outside the data folder"):
        ship._portable(config, tmp_path / "elsewhere")
