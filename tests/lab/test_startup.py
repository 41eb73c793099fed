"""The cost of a start: CPU seconds are those of the process alone, and the table holds them to their marks."""

import json
from pathlib import Path

import pytest

from lab.studies import startup
from lab.studies.startup import STARTS, Start, measured, started, table
from nextframe.errors import ConfigError
from nextframe.frames.source import open_source


@pytest.mark.slow
def test_a_process_that_waits_costs_wall_time_and_one_that_counts_cpu_time(tmp_path: Path) -> None:
    _, wall = started(["-c", "import time; time.sleep(1)"], tmp_path)
    assert wall >= 1
    until = "import time\nwhile time.process_time() < 1: pass"
    assert started(["-c", until], tmp_path)[0] >= 1


def test_a_process_that_fails_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such thing"):
        started(["-c", "raise SystemExit('no such thing')"], tmp_path)


def test_starts_take_turns_and_the_first_turn_is_not_counted(tmp_path: Path) -> None:
    starts = [
        Start(name, ("-c", f"open('order', 'a').write('{name}')"))  # what a process leaves
        for name in "ab"
    ]
    seconds = measured(starts, 3, tmp_path)
    assert (tmp_path / "order").read_text() == "baabbaab"
    assert {name: len(took["all"]) for name, took in seconds.items()} == {"a": 3, "b": 3}
    assert all(took["cpu"] == sorted(pair[0] for pair in took["all"])[1] for took in seconds.values())


def test_the_file_that_is_looked_at_is_an_hour_of_rain(tmp_path: Path) -> None:
    startup.write_file(path := tmp_path / startup.FILE)
    (sequence,) = open_source(path).sequences
    assert sequence.shape == (12, 1, 64, 64)
    assert sequence.units == ("mm/h",)


def test_the_table_holds_medians_to_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = dict(zip([start.name for start in STARTS], (2.0, 3.0, 1.0, 1.5, 0.3), strict=True))
    result = {
        "rounds": 3,
        "seconds": {name: {"cpu": value, "wall": 1.0} for name, value in cpu.items()},
        **{"command": "python -m lab startup", "machine": "a machine", "date": "2026-01-01"},
        "versions": {"torch": "2"},
    }
    lines = [line for line in table(result).splitlines() if "nextframe" in line]
    assert "1.50 of `import torch` | 1.6 | reached" in lines[0]
    assert "1.50 of `import xarray` | 1.3 | not reached" in lines[1]
    assert "0.30" in lines[2]
    assert "0.4 s | reached" in lines[2]
    monkeypatch.setattr(startup, "RESULT", tmp_path / "startup.json")
    assert "python -m lab startup" in startup.section()
    startup.RESULT.write_text(json.dumps(result), encoding="utf-8")
    assert startup.section() == table(result)
