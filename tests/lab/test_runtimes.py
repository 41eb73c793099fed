"""Runtimes side by side: every format takes its turn, what is missing is named, and the table says all of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.studies import runtime_tables, runtimes
from nextframe.exports.formats import FORMATS, ExportFormat
from tests.exports.small import past_frames, small_model

MISSING = ExportFormat(suffix=".onnx", title="Nothing", needs=("no_such_library",), extra="export")


@pytest.mark.slow
def test_every_runtime_takes_its_turn_and_what_is_missing_is_named() -> None:
    pytest.importorskip("onnxruntime")
    onnx = next(row for row in FORMATS if row.suffix == ".onnx")
    for architecture in ("stacked", "encoder-decoder"):
        first = past_frames(1, 1, 12, 14)[:, :1]
        found = runtimes.measured(small_model(architecture), first, [onnx, MISSING], rounds=2, steps=2)
        assert list(found["seconds"]) == ["nextframe", onnx.title]
        assert all(0 < took["fastest"] <= took["median"] <= took["slowest"] for took in found["seconds"].values())
        (line,) = found["left_out"]
        assert "no_such_library" in line


def test_contenders_alternate_and_each_turn_begins_with_a_forecast_that_is_not_counted() -> None:
    turns: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def predict(self, *_: object) -> None:
            turns.append(self.name)

    runtimes.timed({name: Named(name) for name in "ab"}, np.zeros((1, 1, 1, 4, 4), np.float32), 2, 1)  # type: ignore[misc]
    assert "".join(turns) == "aabbbbaaaabb"


def test_the_parity_of_a_model_is_that_of_each_format_beside_rounding() -> None:
    pytest.importorskip("onnxruntime")
    onnx = next(row for row in FORMATS if row.suffix == ".onnx")
    found = runtimes.parity(small_model("stacked"), [onnx, MISSING])
    assert list(found["exports"]) == [onnx.title]
    assert list(found["rounding"]) == list(runtimes.ROUNDING)
    for differences in (*found["exports"].values(), *found["rounding"].values()):
        early, late = (differences[name] for name in runtime_tables.DIFFERENCES)
        assert 0 <= early <= late < 1e-5
    assert {"date", "versions", "machine"} <= found.keys()
    shown = runtime_tables.parity_table({"parity": {"small": {**found, "date": "2026-01-02"}}})
    assert f"| `small` | {onnx.title} | the run | " in shown
    assert "| `small` | the run itself | float64 | " in shown
    assert shown.count("| 2026-01-02 |") == 3
    assert "1 of 1 stay below 1e-05" in shown
    unsure = {
        "exports": {onnx.title: {"early_difference": 2e-6, "difference": 2e-4}},
        "rounding": {"the run itself": {"early_difference": 1e-6, "difference": 1e-4}},
    }
    words = " ".join(runtime_tables.parity_words({"small": found, "unsure": unsure}))
    assert "1 of 2 stay below" in words
    assert (
        "`unsure` does not. After 3 frames its exports are up to 2.0e-06 from the run, and the run is 1.0e-06" in words
    )
    assert "from its own network in float64; after 20, 2.0e-04 and 1.0e-04." in words


@pytest.mark.slow
def test_the_seconds_of_an_export_are_kept_and_what_it_cannot_be_is_named() -> None:
    pytest.importorskip("onnxruntime")
    onnx = next(row for row in FORMATS if row.suffix == ".onnx")
    found = runtimes.export_times(
        "moving-mnist", [onnx, ExportFormat(suffix=".none", title="None", needs=(), extra="")]
    )
    assert list(found["seconds"]) == [onnx.title]
    assert found["seconds"][onnx.title] > 0
    (line,) = found["left_out"]
    assert "is no format that models are exported to" in line
    one = {**found, "seconds": {onnx.title: 3.0}, "date": "2026-01-02", "left_out": []}
    shown = runtime_tables.exports_table({"exports": {"fast": one}})
    assert "| `fast` | 3.0 | 2026-01-02 |" in shown
    assert "All stay below 20 s" in shown
    slow = {**one, "seconds": {onnx.title: 25.0, "Another": 2.0}}
    shown = runtime_tables.exports_table({"exports": {"fast": one, "slow": slow}})
    assert "| `fast` | 3.0 |  | 2026-01-02 |" in shown
    assert f"`slow` as {onnx.title}: 25 stay above 20 s" in shown


def test_the_task_keeps_what_it_has_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtimes, "FORMATS", ())
    monkeypatch.setattr(runtimes, "parities", lambda *_: ())
    monkeypatch.setattr(runtimes, "shipped", lambda: ())
    page = runtime_tables.PAGE.read_text(encoding="utf-8")
    command = ["runtimes", "--models", "squares-stacked", "--rounds", "1", "--steps", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    result = json.loads((tmp_path / "runtimes.json").read_text(encoding="utf-8"))
    assert {"machine", "versions", "date", "threads"} <= result.keys()
    assert "| `squares-stacked` | 40 x 40 | nextframe |" in capsys.readouterr().out
    assert runtime_tables.PAGE.read_text(encoding="utf-8") == page
