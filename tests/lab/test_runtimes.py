"""Runtimes side by side: every format takes its turn, what is missing is named, and the table says all of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.studies import runtimes
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
    assert list(found) == [onnx.title]
    assert all(value is not None and 0 <= value < 1e-5 for value in found[onnx.title].values())
    shown = runtimes.parity_table({"parity": {"small": found}})
    assert f"| `small` | {onnx.title} | " in shown
    assert "1 of 1 stay below 1e-05" in shown
    unsure = {onnx.title: {**found[onnx.title], "difference": 2e-4, "own_rounding": 1e-4}}
    words = " ".join(runtimes.parity_words({"small": found, "unsure": unsure}))
    assert "1 of 2 stay below" in words
    assert "`unsure` does not: 2.0e-04, where the run itself is 1.0e-04 from its own network in float64" in words


def test_the_task_keeps_what_it_has_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtimes, "FORMATS", ())
    monkeypatch.setattr(runtimes, "parities", lambda *_: ())
    page = runtimes.PAGE.read_text(encoding="utf-8")
    command = ["runtimes", "--models", "squares-stacked", "--rounds", "1", "--steps", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    result = json.loads((tmp_path / "runtimes.json").read_text(encoding="utf-8"))
    assert {"machine", "versions", "date", "threads"} <= result.keys()
    assert "| `squares-stacked` | 40 x 40 | nextframe |" in capsys.readouterr().out
    assert runtimes.PAGE.read_text(encoding="utf-8") == page
