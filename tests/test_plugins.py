"""Tables: own rows first, rows of other packages after them, and those that are wrong left out with a word."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from nextframe import plugins
from nextframe.architectures import architectures
from nextframe.errors import NextframeWarning
from nextframe.forecasting.baselines import baselines
from nextframe.frames.formats import formats
from nextframe.plugins import GROUPS, Late, table


@dataclass(frozen=True)
class Row:
    name: str


OWN = (Row("first"), Row("second"))
THEIRS = Row("theirs")
TAKEN = Row("second")
NOT_A_ROW = SimpleNamespace(name="other")


@pytest.fixture(autouse=True)
def _no_cache() -> Iterator[None]:
    plugins._loaded.cache_clear()
    yield
    plugins._loaded.cache_clear()


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Have other packages name these objects, by the entry points' names."""
    there = [EntryPoint(name=name, value=value, group="nextframe.metrics") for name, value in points.items()]
    monkeypatch.setattr(plugins, "_entry_points", lambda: tuple(there))


def test_without_other_packages_a_table_is_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch)
    assert table("nextframe.metrics", OWN) == OWN


def test_rows_of_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, theirs=f"{__name__}:THEIRS")
    assert table("nextframe.metrics", OWN) == (*OWN, THEIRS)
    assert table("nextframe.formats", OWN) == OWN


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_package:ROW", r"point odd in nextframe\.metrics cannot be loaded \(No module named"),
        (f"{__name__}:NO_SUCH", "point odd in nextframe.metrics cannot be loaded"),
        (f"{__name__}:NOT_A_ROW", "point odd in nextframe.metrics is no Row, and is left out"),
        (f"{__name__}:TAKEN", "point odd in nextframe.metrics has the name 'second' of another row, and is left out"),
    ],
)
def test_what_is_no_row_is_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    offer(monkeypatch, odd=value, theirs=f"{__name__}:THEIRS")
    with pytest.warns(NextframeWarning, match=said):
        assert table("nextframe.metrics", OWN) == (*OWN, THEIRS)


def test_of_two_packages_with_one_name_the_first_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, a=f"{__name__}:THEIRS", b=f"{__name__}:THEIRS")
    with pytest.warns(NextframeWarning, match=r"point b .*has the name 'theirs'"):
        assert table("nextframe.metrics", OWN) == (*OWN, THEIRS)


def test_a_late_function_is_imported_when_it_is_called() -> None:
    late = Late("no_such_package:function")
    with pytest.raises(ModuleNotFoundError):
        late()
    assert Late("builtins:max")(1, 2, key=lambda n: -n) == 1
    assert Late("collections:Counter.fromkeys").home.endswith("fromkeys")


@pytest.mark.parametrize("rows", [architectures, baselines, formats], ids=lambda rows: rows.__name__)
def test_names_of_a_table_are_different(rows: object) -> None:
    assert callable(rows)
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names) > 1


def test_every_group_has_a_table() -> None:
    assert {group.removeprefix("nextframe.") for group in GROUPS} == {
        "architectures",
        "baselines",
        "formats",
        "metrics",
        "writers",
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere libraries are bound to their own copies by themselves")
@pytest.mark.parametrize("first", ["eccodes", "eccodes, pyproj"])
def test_projections_are_right_where_a_program_loaded_eccodes_first_or_that_is_told(first: str) -> None:
    pytest.importorskip("pyproj")
    pytest.importorskip("eccodes")
    use = "from nextframe.frames.radar.place import projected; print(projected('a.h5', 'EPSG:3035', {'at': (10, 52)}))"
    done = subprocess.run([sys.executable, "-c", f"import {first}\n{use}"], capture_output=True, text=True, check=False)
    if first == "eccodes":
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == "({'at': (4321000.0, 3210000.0)}, 'm')"
    else:
        assert "ConfigError: a.h5: needs pyproj to be imported before ecCodes" in done.stderr


def test_every_file_that_imports_either_library_sees_to_their_order() -> None:
    """A process in which ecCodes comes first ends in a crash, long after the import."""
    for path in Path(plugins.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^ *(?:import|from) (?:pyproj|eccodes|cfgrib)|library\(\"(?:pyproj|eccodes|cfgrib)", text, re.M):
            assert "pyproj_first()" in text, path
