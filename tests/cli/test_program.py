import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

import nextframe
from nextframe import api
from nextframe.cli import main, program
from nextframe.cli.train import say
from nextframe.errors import DataError, NextframeWarning

HEAVY = ("torch", "lightning", "xarray", "matplotlib", "pandas", "scipy", "av")
SMALL = (
    "--data=squares:movies=12,frames=6,size=16 --past=3 --future=2 --validation=0.2 --test=0.2 --filters=4 --norm=layer"
)
TRAIN = ["train", "stacked", *SMALL.split(), "--epochs=1", "--batch-size=4", "--train-crop=none", "--no-progress"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main([*TRAIN, "--out", str(folder)]) == 0
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one sentence that a user's mistake is answered with."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("nextframe: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["train", "--help"], ["forecast", "--help"], ["verify", "--help"]]
)
@pytest.mark.slow
def test_help_comes_at_once(arguments: list[str]) -> None:
    code = (
        "import sys; from nextframe.cli import main; code = main(sys.argv[1:]); "
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    exit_code, *modules = done.stderr.split()
    assert exit_code == "0"
    assert not set(HEAVY) & set(modules)
    assert done.stdout.startswith("Usage: nextframe")


def test_the_package_itself_loads_nothing_heavy() -> None:
    code = "import sys, nextframe; assert 'fit' in dir(nextframe); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "xarray"} & set(done.stdout.split())


def test_every_name_of_the_package_is_there() -> None:
    for name in nextframe.__all__:
        assert getattr(nextframe, name) is not None
    assert set(nextframe.__all__) <= set(dir(nextframe))
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        nextframe.predict  # noqa: B018


def test_module_and_version() -> None:
    done = subprocess.run([sys.executable, "-m", "nextframe", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == nextframe.__version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], 'Unknown command "trian". Did you mean "train"?'),
        (["train", "stacked", "--epcohs", "3"], "Unknown option: --epcohs. Did you mean --epochs?"),
        (["train", "lstm"], "unknown model (expected one of stacked, encoder-decoder"),
        (["train", "stacked", "--epochs", "many"], 'unable to convert "many" into int'),
        (["train", "stacked", "--filters", "3,x"], '"3,x" is not whole numbers separated by commas'),
        (["train", "stacked", "--norm", "instance"], 'Choose from: "batch", "layer", "group", "none"'),
        (["train", "stacked", "--epochs"], "--epochs requires an argument"),
        (["train", "stacked", "--resume"], "name its folder with --out RUN"),
        (["train", "stacked", "--config", "missing.yaml"], "missing.yaml: cannot be read"),
        (["forecast", "run"], "run: is neither a run folder nor a shipped model"),
        (["verify"], "RUN"),
        (["verify", "forecast.nc"], "name them with --data SOURCE"),
        (["inspect"], "name a file, a source or a run folder"),
        (["inspect", "no-such-file.nc"], "no-such-file.nc"),
        (["inspect", "squares:wings=2"], "wings"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_values_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "seed: is too small" in refused(capsys, *TRAIN, "--seed=-1", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_configuration_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("epochs: [", encoding="utf-8")
    assert "run.yaml: cannot be read as a configuration" in refused(capsys, "train", "--config", tmp_path / "run.yaml")
    (tmp_path / "run.yaml").write_text("just a sentence", encoding="utf-8")
    assert "run.yaml: is not a configuration" in refused(capsys, "train", "--config", tmp_path / "run.yaml")


def test_train_calls_the_api_with_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def fit(**options: Any) -> Any:
        calls.append(options)
        raise DataError("stop here")

    monkeypatch.setattr(api, "fit", fit)
    settings = {"model": {"model": "encoder-decoder", "filters": [8, 8]}, "training": {"epochs": 3, "seed": 5}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert main(["train", "--config", str(tmp_path / "run.yaml"), "--epochs", "4", "--no-progress"]) == 2
    assert calls == [
        {
            "model": "encoder-decoder",
            "preset": "default",
            "progress": False,
            "filters": [8, 8],
            "epochs": 4,
            "seed": 5,
            "tell": say,
        }
    ]


def interrupt(**options: object) -> None:
    raise KeyboardInterrupt


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(api, "fit", interrupt)
    assert main(["train", "stacked"]) == 130
    assert capsys.readouterr().err == "nextframe: interrupted\n"


def test_a_defect_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(api, "fit", fail)
    with pytest.raises(ZeroDivisionError):
        main(["train", "stacked"])


@pytest.mark.slow
def test_a_run_leaves_what_reruns_it(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert main(["train", "--config", str(run / "config.yaml"), "--out", str(again), "--no-progress"]) == 0
    assert (again / "config.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    assert (again / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_a_second_training_does_not_overwrite_the_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "model.safetensors").read_bytes()
    capsys.readouterr()
    assert "already holds a run" in refused(capsys, *TRAIN, "--out", run)
    assert (run / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("suffix", ["gif", "png", "npy", "nc"])
@pytest.mark.slow
def test_forecast_writes_a_file(run: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"forecast.{suffix}"
    source = "squares:movies=1,frames=6,size=16,seed=9"
    assert main(["forecast", str(run), "--input", source, "--lead-times", "3", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {out}: 3 frames from 3 of squares")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_forecast_of_known_frames_shows_the_truth(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "squares:movies=1,frames=6,size=16,seed=9"
    command = ["forecast", str(run), "--input", source, "--lead-times", "2", "--out", str(tmp_path / "f.gif")]
    assert main([*command, "--start", "4"]) == 0
    assert "beside the truth" in capsys.readouterr().out


def test_forecast_refuses_what_it_cannot_do(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "squares:movies=1,frames=6,size=16"
    assert "forecast.doc" in refused(capsys, "forecast", run, "--input", source, "--out", tmp_path / "forecast.doc")
    assert "start" in refused(capsys, "forecast", run, "--input", source, "--start=7", "--out", tmp_path / "f.gif")
    assert "at least 1" in refused(
        capsys, "forecast", run, "--input", source, "--lead-times=0", "--out", tmp_path / "f.gif"
    )
    assert "is not a run folder" in refused(capsys, "forecast", tmp_path / "none", "--input", source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_verify_prints_a_table_and_writes_scores_and_report(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", str(run), "--baselines", "persistence", "--thresholds", "0.5,0.8", "--out", str(tmp_path)]
    assert main([*command, "--no-progress"]) == 0
    assert "persistence" in capsys.readouterr().out
    scores = json.loads((tmp_path / "verification.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores) == {"model", "persistence"}
    assert {"csi_0.5", "csi_0.8", "mse"} <= set(scores["model"])
    assert len(scores["model"]["mse"]) == 2
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_forecast_file_is_graded_like_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = "squares:movies=1,frames=6,size=16,seed=9"
    forecast = tmp_path / "forecast.nc"
    command = ["forecast", str(run), "--input", frames, "--lead-times", "2", "--start", "4", "--out", str(forecast)]
    assert main(command) == 0
    assert main(["verify", str(forecast), "--data", frames, "--out", str(tmp_path)]) == 0
    scores = json.loads((tmp_path / "verification.json").read_text(encoding="utf-8"))["scores"]
    assert [len(by_lead_time["mse"]) for by_lead_time in scores.values()] == [2]


def test_inspect_tells_of_frames_of_a_run_and_of_the_machine(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "squares:movies=20,frames=15,size=16"]) == 0
    assert "persistence" in capsys.readouterr().out.lower()
    assert main(["inspect", "squares:movies=20,frames=15,size=16", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sequences"] == 20
    assert main(["inspect", str(run)]) == 0
    told = capsys.readouterr().out
    assert "stacked" in told
    assert "validation loss" in told
    assert main(["inspect", "--system"]) == 0
    assert "torch" in capsys.readouterr().out


@pytest.mark.slow
def test_later_frames_may_be_read_in_another_way(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    coloured, damaged = rng.random((9, 3, 16, 16), np.float32), rng.random((9, 16, 16), np.float32)
    damaged[7, 3] = np.nan
    np.save(tmp_path / "coloured.npy", coloured)
    np.save(tmp_path / "damaged.npy", damaged)
    for name, option in (("coloured", ["--grey"]), ("damaged", ["--missing", "mask"])):
        source, out = tmp_path / f"{name}.npy", tmp_path / f"{name}.gif"
        assert option[0] in refused(capsys, "forecast", run, "--input", source, "--out", out)
        assert main(["forecast", str(run), "--input", str(source), "--out", str(out), *option]) == 0
        assert out.is_file()
        capsys.readouterr()
    call = ["verify", str(run), "--data", str(tmp_path / "coloured.npy"), "--baselines=none", "--no-progress"]
    assert main([*call, "--grey", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    # What a run was trained on is read as it was then: an option that would be ignored is refused.
    assert "grey" in refused(capsys, "verify", run, "--grey")


def test_a_forecast_does_not_start_from_before_a_gap(run: Path, tmp_path: Path) -> None:
    hours = np.array([0, 1, 2, 3, 4, 8, 9, 10])
    times = np.datetime64("2020-01-01", "ns") + hours * np.timedelta64(1, "h")
    rain = (("time", "y", "x"), np.random.default_rng(0).random((8, 16, 16), np.float32))
    xr.Dataset({"rain": rain}, {"time": times}).to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    with pytest.warns(NextframeWarning, match="1 frame to start from, where the training had 3"):
        after, past, truth = api.forecast_file(run, tmp_path / "rain.nc", start=6, lead_times=2)
    assert (len(past), after.init_time, truth is not None) == (1, times[5], True)
    # The frames after the gap are not those that are forecast.
    _, past, truth = api.forecast_file(run, tmp_path / "rain.nc", start=4, lead_times=2)
    assert (len(past), truth) == (3, None)


@pytest.mark.slow
def test_a_run_folder_may_be_called_as_a_forecast_file_is(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rain.nc"
    shutil.copytree(run, folder)
    assert main(["verify", str(folder), "--baselines=none", "--no-progress", "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize(("option", "where"), [("--limit=0", "limit"), ("--lead-times=0", "future")])
def test_nothing_to_verify_is_no_default(
    run: Path, option: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{where}: is too small" in refused(capsys, "verify", run, option)


def test_a_suffix_is_refused_before_the_work(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "forecast_file", None)
    assert main(["forecast", str(run), "--input", "squares", "--out", str(tmp_path / "next.jpg")]) == 2


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.gif").mkdir()
    monkeypatch.setattr("nextframe.forecasting.load.load_run", lambda *_: pytest.fail("forecast"))
    for out, why in ((tmp_path / "file" / "f.gif", "cannot be written"), (tmp_path / "folder.gif", "is a folder")):
        assert f"{out}: {why}" in refused(capsys, "forecast", run, "--out", out)
    monkeypatch.undo()
    monkeypatch.setattr("nextframe.verification.run.evaluate_entrants", lambda *_, **__: pytest.fail("verified"))
    below = tmp_path / "file" / "deep" / "er"
    assert "cannot be written" in refused(capsys, "verify", run, "--out", below)
    assert f"{below}: cannot be written" in refused(capsys, *TRAIN, "--out", below)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.gif"]


def test_a_forecast_is_as_long_as_those_of_the_training(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = "squares:movies=1,frames=6,size=16,seed=9"
    command = ["forecast", str(run), "--input", frames, "--out", str(tmp_path / "f.npy")]
    assert main(command) == 0
    assert np.load(tmp_path / "f.npy").shape == (2, 1, 16, 16)
    capsys.readouterr()
    assert main([*command, "--start=5"]) == 0
    assert "no truth beside it: the frames hold fewer than 2 from 5 on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forecast", "RUN", "--exceed=0.5", "--out=f.npy"], "f.npy: NumPy array has no place for probabilities"),
        (["inspect", "RUN", "--json"], "--json: is for frames"),
        (["inspect", "--models", "--past=3"], "--past: is for frames"),
        (["inspect", "RUN", "--measure"], "--measure: is for frames or for this machine"),
        ([*TRAIN, "--weight-decay=0.1"], "weight_decay: is for adamw"),
        (["inspect", "squares:movies=a"], "is no value of movies (expected movies=NUMBER"),
        (
            ["forecast", "RUN", "--input=large.npy"],
            "was trained on values from 0 to 1 (received values from 400.313 to 1000)",
        ),
        (["forecast", "radar-rain"], "radar-rain: the frames that it was measured on do not come with the package"),
        (["verify", "radar-rain"], "name frames of your own with --data SOURCE"),
        ([*(a.replace("past=3", "past=5") for a in TRAIN)], "training part: holds no window"),
    ],
)
def test_what_would_be_ignored_or_wrong_is_refused(
    arguments: list[str],
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("large.npy", np.linspace(0, 1000, 5 * 16 * 16, dtype=np.float32).reshape(5, 16, 16))
    assert said in refused(capsys, *(str(run) if argument == "RUN" else argument for argument in arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["large.npy"]


@pytest.mark.slow
def test_another_time_step_than_that_of_the_training_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for minutes in (5, 10):
        times = np.datetime64("2026-01-01", "ns") + np.arange(30) * np.timedelta64(minutes, "m")
        rain = (("time", "y", "x"), np.random.default_rng(0).random((30, 16, 16), np.float32), {"units": "mm"})
        xr.Dataset({"rain": rain}, {"time": times}).to_netcdf(tmp_path / f"{minutes}.nc", engine="h5netcdf")
    out = str(tmp_path / "run")
    train = [f"--data={tmp_path / '5.nc'}" if argument.startswith("--data") else argument for argument in TRAIN]
    assert main([*train, "--out", out]) == 0
    capsys.readouterr()
    for minutes, told in ((5, ""), (10, "10 minutes apart, those of the training were 5 minutes apart")):
        command = ["forecast", out, "--input", str(tmp_path / f"{minutes}.nc"), "--out", str(tmp_path / "f.gif")]
        assert main(command) == 0
        printed = capsys.readouterr()
        assert told in printed.err if told else printed.err == ""
        assert "wrote" in printed.out


def test_a_run_that_is_not_there_is_begun_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resumed = [argument for argument in TRAIN if argument != "--no-progress"]
    assert main([*resumed, "--resume", "--out", str(tmp_path / "new")]) == 0
    assert "new: holds no run to resume, a new one begins" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_defect() -> None:
    code = "import sys; from nextframe.cli import main; sys.exit(main(['inspect', 'squares:movies=12', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_told_apart_where_a_library_makes_an_interrupt_of_it(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def watching(*arguments: Any, **options: Any) -> None:
        with suppress(SystemExit, KeyboardInterrupt):
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "app", watching)
    assert main([]) == code
    assert capsys.readouterr().err == f"nextframe: {'interrupted' if code == 130 else 'terminated'}\n"


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_whose_exception_python_drops_is_heard(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Module: ...

    def importing(*arguments: Any, **options: Any) -> None:
        module = Module()
        callback = weakref.ref(module, lambda reference: os.kill(os.getpid(), number))
        del module
        assert callback() is None
        threading.Event().wait(60)

    monkeypatch.setattr(program, "app", importing)
    assert main([]) == code
    assert capsys.readouterr().err == f"nextframe: {'interrupted' if code == 130 else 'terminated'}\n"


def test_ctrl_c_is_heard_while_the_program_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "main", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "nextframe: interrupted\n"
