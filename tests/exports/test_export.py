"""The command, the description, and what is refused: exported models are runs, and nothing is half-written."""

import json
import re
import zipfile
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest

import nextframe
from nextframe.cli import main
from nextframe.data.limits import Limits
from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports import parity
from nextframe.exports.description import describe
from nextframe.exports.export import export
from nextframe.exports.graph import graphs
from nextframe.exports.keras_import import import_keras
from nextframe.forecasting.load import load_run
from nextframe.forecasting.model_forecaster import ModelForecaster
from tests.exports.small import past_frames, small_model

SQUARES = "squares:movies=2,frames=15,seed=9"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped stack, exported by the command line."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    assert main(["export", "squares-stacked", "--out", str(path)]) == 0
    return path


@pytest.mark.slow
def test_the_command_tells_files_parity_size_and_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "moving-mnist", "--out", str(tmp_path / "digits.onnx")]) == 0
    said = capsys.readouterr().out
    assert "digits.onnx" in said
    assert "digits.json" in said
    assert "over 20 frames fed back" in said
    assert ", over the first 3 by " in said
    assert "MB" in said or "KB" in said
    assert "speed:" in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["digits.json", "digits.onnx"]


@pytest.mark.slow
def test_the_graph_is_a_step_with_named_states_of_any_size(exported: Path) -> None:
    model = onnx.load(exported)
    inputs = {i.name: [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    assert inputs["frame"] == ["N", 1, "H", "W"]
    assert list(inputs) == ["frame", *(f"state_{n}" for n in range(len(inputs) - 1))]
    outputs = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    assert outputs == {"next_frame": inputs["frame"]} | {f"next_{name}": inputs[name] for name in list(inputs)[1:]}
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties["variables"]) == ["brightness"]
    assert json.loads(properties["past"]) == 7
    assert json.loads(properties["card"])["name"] == "squares-stacked"
    beside = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    assert [state["name"] for state in beside["states"]["step"]] == list(inputs)[1:]
    assert any("zeros" in sentence for sentence in beside["use"])


@pytest.mark.slow
def test_the_file_and_the_description_tell_what_is_forecast_and_where(tmp_path: Path) -> None:
    plain = small_model("stacked", channels=2)
    grid = tuple(1000.0 * n for n in range(20)), tuple(5e5 + 2000.0 * n for n in range(24))
    model = ModelForecaster(plain.model, replace(plain.manifest, grid=grid))
    export(model, tmp_path / "model.onnx")
    held = {
        "nextframe": version("nextframe"),
        "variables": ["v0", "v1"],
        "units": ["K", "K"],
        "time_step": 300.0,
        "past": 4,
        "lead_times": 3,
        "grid": {"y": list(grid[0]), "x": list(grid[1])},
        "card": None,
    }
    properties = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert {name: json.loads(properties[name]) for name in held} == held
    beside = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert json.loads(properties["description"]) == beside
    assert {name: beside[name] for name in held} == held
    assert load_run(tmp_path / "model.onnx").manifest == model.manifest


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", ["squares-stacked", "squares-encoder-decoder"])
def test_an_exported_model_has_the_scores_of_its_run(name: str, tmp_path: Path) -> None:
    nextframe.export(name, tmp_path / "model.onnx")
    held_out = nextframe.open_source("squares:movies=8,frames=20,seed=9")
    own, again = (
        nextframe.verify(nextframe.load_run(run), held_out, baselines=(), limit=8, progress=False)
        for run in (name, tmp_path / "model.onnx")
    )
    assert own.count == again.count == 8
    assert again.scores["model"].keys() == own.scores["model"].keys()
    for metric, values in own.scores["model"].items():
        allowed = 1e-4 * max(1.0, float(np.nanmax(np.abs(values))))  # of decibels, of the largest
        np.testing.assert_allclose(again.scores["model"][metric], values, rtol=0, atol=allowed, err_msg=metric)


@pytest.mark.slow
def test_verify_and_forecast_take_an_exported_model_and_write_nothing_beside_it(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(exported.parent.iterdir())
    monkeypatch.chdir(exported.parent)
    assert main(["verify", exported.name, "--data", SQUARES, "--limit", "1", "--no-progress"]) == 0
    assert "CSI" in capsys.readouterr().out
    out = tmp_path / "next.npy"
    assert main(["forecast", str(exported), "--input", SQUARES, "--lead-times", "3", "--out", str(out)]) == 0
    assert np.load(out).shape[0] == 3
    assert sorted(exported.parent.iterdir()) == before


@pytest.mark.slow
def test_the_files_of_an_encoder_decoder_are_found_by_any_of_their_names(tmp_path: Path) -> None:
    model = small_model("encoder-decoder")
    names = [file.name for file in export(model, tmp_path / "model.onnx").files]
    assert names == ["model.encoder.onnx", "model.decoder.onnx", "model.json"]
    past = past_frames(1, 1, 12, 13)
    forecasts = [load_run(tmp_path / f"model{part}.onnx").predict(past, 2) for part in ("", ".encoder", ".decoder")]
    assert np.array_equal(forecasts[0], forecasts[1])
    assert np.array_equal(forecasts[0], forecasts[2])
    (tmp_path / "model.encoder.onnx").unlink()
    with pytest.raises(CheckpointError, match="one of two files"):
        load_run(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("coordinates", "motion"), [("translated", "one displacement"), ("adaptive", "at each place a mean of no motion")]
)
def test_the_motion_that_is_left_to_do_is_that_of_the_coordinates(coordinates: str, motion: str) -> None:
    model = small_model("stacked", coordinates=coordinates)
    around = describe(model, graphs(model), {"step": "model.onnx"})["around"]
    assert f"find the motion at the last frame seen ({motion}" in around[1]


@pytest.mark.slow
def test_lagrangian_models_say_what_is_to_be_done_around_them(tmp_path: Path) -> None:
    exported = export(small_model("stacked", coordinates="lagrangian"), tmp_path / "model.onnx")
    assert any("motion is not in the file" in sentence for sentence in exported.remarks)
    description = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert description["around"] == list(exported.remarks)
    past = past_frames(1, 1, 20, 24)
    true, read = small_model("stacked", coordinates="lagrangian").predict(past, 3), load_run(tmp_path / "model.onnx")
    np.testing.assert_allclose(read.predict(past, 3), true, atol=1e-3)


def test_an_unknown_suffix_is_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "squares-stacked", "--out", str(tmp_path / "model.tflite")]) == 2
    said = capsys.readouterr().err
    assert "is no format that models are exported to" in said
    assert ".keras or a folder" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".onnx", ".Keras"])
def test_a_suffix_without_a_name_makes_no_hidden_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "squares-stacked", "--out", str(tmp_path / name)]) == 2
    assert "is a suffix without a name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_step_takes_time_on_a_machine_that_does_other_things(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.cumsum([0, 3, 0, 2] * 3).tolist())  # short rollouts of 3 s, and long ones of 2
    monkeypatch.setattr(parity, "perf_counter", lambda: next(clock))
    assert parity._seconds_a_step([[]], past_frames(1, 1, 4, 4)) == [2 / 6]


@pytest.mark.slow
def test_weights_that_are_not_beside_their_file_are_told_without_a_word_of_others_sources(
    exported: Path, tmp_path: Path
) -> None:
    onnx.save(
        onnx.load(exported),
        tmp_path / "lost.onnx",
        save_as_external_data=True,
        location="gone.data",
        size_threshold=0,
    )
    (tmp_path / "gone.data").unlink()
    with pytest.raises(CheckpointError, match="cannot be read as an ONNX model") as caught:
        load_run(tmp_path / "lost.onnx")
    assert "does not exist" in str(caught.value)
    assert ".cc" not in str(caught.value)


@pytest.mark.slow
def test_a_model_of_two_files_takes_the_place_of_one_of_a_single_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(small_model("stacked"), path)
    export(small_model("encoder-decoder"), path)
    assert not path.exists()
    assert load_run(path).config.model.model == "encoder-decoder"
    export(small_model("convgru"), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.onnx"]
    assert load_run(path).config.model.model == "convgru"


def test_a_file_of_another_program_is_neither_removed_nor_loaded_in_place_of_two(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"of another program")
    with pytest.raises(ConfigError, match="in place of the two files"):
        export(small_model("encoder-decoder"), path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"of another program"]


def test_a_run_keeps_its_own_manifest(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(ConfigError, match="in the way"):
        export(small_model("stacked"), tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("model.pt2", "model/extra/description.json"),
        ("model.aoti", "model/extra/description.json"),
        ("model.keras", "config.json"),
    ],
)
def test_archives_whose_bytes_have_changed_are_told_in_one_sentence(name: str, member: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, json.dumps({"format": list(range(100))}))
    whole = (tmp_path / name).read_bytes()
    read = partial(import_keras, out=tmp_path / "run", tell=print) if name.endswith("keras") else load_run
    for position in range(0, len(whole), 4):
        damaged = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(CheckpointError):
            read(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07\x12\x03abc"])
def test_damaged_files_are_told_in_one_sentence(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert main(["verify", str(path), "--data", SQUARES]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("operator", "opset", "ir", "sentence"),
    [
        ("Relu", 18, 9, "is no model that nextframe has exported"),
        ("Relu", 99, 9, "is of a newer opset than ONNX Runtime reads"),
        ("Relu", 18, 99, "is of a newer IR version than ONNX Runtime reads"),
        ("Frobnicate", 18, 9, "cannot be read as an ONNX model"),
    ],
)
def test_foreign_files_and_newer_versions_are_refused_without_a_word_of_others_sources(
    operator: str, opset: int, ir: int, sentence: str, tmp_path: Path
) -> None:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node(operator, ["x"], ["y"])], "foreign", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=ir)
    (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_run(tmp_path / "foreign.onnx")
    assert not re.search(r"\.(cc|cpp|h):\d|ONNXRuntimeError|failed:", str(caught.value))


@pytest.mark.slow
@pytest.mark.parametrize(
    "states", [{}, {"step": [{}]}, {"step": [{"channels": 4, "pixels": 0}]}, {"step": None}], ids=str
)
def test_a_description_of_other_states_is_told_in_one_sentence(states: object, exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "description")
    entry.value = json.dumps({**json.loads(entry.value), "states": states})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match="carries a damaged description"):
        load_run(tmp_path / "model.onnx")


@pytest.mark.parametrize("suffix", [".pt2", ".aoti"])
def test_archives_of_something_else_are_told_in_one_sentence(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/notes.txt", "mine")
    assert main(["verify", str(path), "--data", SQUARES]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "is no model that nextframe has exported" in line


@pytest.mark.parametrize("content", ["", "no model at all", "<net></net>", "<note>of another kind</note>"])
def test_damaged_openvino_files_are_told_in_one_sentence(
    content: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "model.xml"
    path.write_text(content, encoding="utf-8")
    assert main(["verify", str(path), "--data", SQUARES]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "cannot be read as an OpenVINO model" in line
    assert ".cpp" not in line


@pytest.mark.parametrize("name", ["model.keras", "notes.txt"])
def test_a_file_of_another_kind_is_named_before_the_place_of_its_scores(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(b"something else")
    assert main(["verify", str(tmp_path / name), "--data", SQUARES]) == 2
    error = capsys.readouterr().err
    assert "is a file that no model is loaded from" in error
    assert ("nextframe import" in error) == name.endswith(".keras")


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not there"):
        load_run(tmp_path / "model.onnx")


@pytest.mark.parametrize("coordinates", ["eulerian", "lagrangian", "adaptive"])
def test_frames_that_are_never_seen_are_fed_back_as_the_run_feeds_them(tmp_path: Path, coordinates: str) -> None:
    """Columns without a value in any frame, as beyond the reach of a radar, and values that are held to limits."""
    model = small_model(
        "stacked",
        mask=True,
        limits=Limits(low=(12.0,), high=(45.0,), least=(15.0,)),
        coordinates=coordinates,
        output="linear",
        residual=True,
        loss="mse",
    )
    past = past_frames(1, 1, 20, 24)
    past[..., :6] = np.nan
    export(model, tmp_path / "model.onnx")
    again = load_run(tmp_path / "model.onnx")
    np.testing.assert_allclose(again.predict(past, 5), model.predict(past, 5), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("trained", "given"), [(1, 3), (3, 1), (3, 4), (2, 2)])
def test_a_network_of_single_channels_forecasts_any_number_of_them(trained: int, given: int, tmp_path: Path) -> None:
    model = small_model("stacked", channels=trained, channelwise=True, quantiles=3, loss="quantile", output="linear")
    export(model, tmp_path / "model.onnx")
    again = load_run(tmp_path / "model.onnx")
    past = past_frames(2, given, 13, 18)
    for expected, exported in zip(model.raw_distribution(past, 4), again.raw_distribution(past, 4), strict=True):
        assert exported.shape == expected.shape
        np.testing.assert_allclose(exported, expected, atol=1e-3)
