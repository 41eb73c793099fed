"""A replay with lost, late, doubled and truncated files and kills, small; `python -m lab live` runs the full one."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lab.live.command import PARTS, tables
from lab.live.replay import WAYS, compared, replayed, schedule
from lab.live.watching import Watching, composites, later, time_of
from nextframe.frames.source import open_source
from tests.service.conftest import BEGIN, STEP

RADAR = Path(__file__).parents[3] / "shared" / "data" / "radar" / "knmi-2010-08-26"


def test_a_schedule_disturbs_as_many_files_as_it_says() -> None:
    moments, ways = schedule(92, seed=3)
    assert {way: len(numbers) for way, numbers in ways.items()} == dict.fromkeys(WAYS, 5)
    assert len({n for numbers in ways.values() for n in numbers}) == 20
    arrivals = [arrival for moment in moments for arrival in moment]
    whole = Counter(arrival.file for arrival in arrivals if arrival.part == 1)
    assert not set(whole) & set(ways["dropped"])
    assert all(whole[n] == 2 for n in ways["doubled"])
    assert sum(n in whole for n in ways["truncated"]) == 3
    assert all(n not in [arrival.file for arrival in moments[n]] for n in ways["late"])
    assert schedule(92, seed=3) == (moments, ways)
    assert schedule(92, seed=4) != (moments, ways)


@pytest.mark.long
def test_products_are_those_of_an_undisturbed_replay(run: Path, arrives: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = [Path(shutil.move(arrives(n), tmp_path / "files")) for n in range(20)]
    told = replayed(
        files,
        [BEGIN + n * STEP for n in range(20)],
        disturbed=Watching(tmp_path / "a", str(run), pattern="*.nc", formats=("npy", "nc"), lead_times=2),
        undisturbed=Watching(tmp_path / "b", str(run), pattern="*.nc", formats=("npy", "nc"), lead_times=2),
        kills=2,
        seed=1,
    )
    assert told["whole"] == 19
    assert (told["products"], told["equal"]) == (38, 38)
    assert told["different"] == told["missing"] == told["more"] == []
    # What the comparison finds, and what it does not mind.
    one, other = tmp_path / "a" / "products", tmp_path / "b" / "products"
    name = sorted(path.name for path in one.glob("*.nc"))[3]
    assert (one / name).read_bytes() != (other / name).read_bytes(), "they say when they were written"
    values = sorted(one.glob("*.npy"))
    np.save(values[0], np.load(values[0]) + 1)
    values[1].unlink()
    (one / ".half.tmp").touch()
    told = compared(one, other)
    assert (told["different"], told["missing"], told["more"]) == ([values[0].name], [values[1].name], [".half.tmp"])


@pytest.mark.skipif(not RADAR.is_dir(), reason=f"{RADAR} has no radar files")
def test_a_composite_of_a_later_time(tmp_path: Path) -> None:
    file = composites(RADAR)[3]
    assert time_of(file) == np.datetime64("2010-08-26T00:15")
    copy = later(file, np.timedelta64(29, "h"), tmp_path)
    assert copy.name == "RAD_NL25_RAP_5min_201008270515.h5"
    assert time_of(copy) == np.datetime64("2010-08-27T05:15")
    before, after = (open_source(path).sequences[0] for path in (file, copy))
    assert after.times is not None
    assert after.times[0] == np.datetime64("2010-08-27T05:15")
    assert after.accumulation == before.accumulation
    np.testing.assert_array_equal(after.read(0, 1), before.read(0, 1))


def test_the_page_shows_what_was_measured() -> None:
    spread = {"median": 1.5, "p99": 2.5, "count": 3}
    origin = {"command": "python -m lab live", "machine": "a machine", "date": "2026-01-01"}
    results = {
        "serve": {
            **origin,
            "rows": [
                {
                    "what": "GET",
                    "clients": 8,
                    "answered": 9,
                    "lost": 0,
                    "again": 2,
                    "per_second": 3.0,
                    "seconds": spread,
                }
            ],
            "program_per_second": 0.2,
            "times_as_many": 10.0,
            "times_as_many_at_best": 12.0,
        },
        "session": {**origin, "step_ms": spread, "session_ms": spread, "ratio": 1.1},
    }
    page = tables(results)
    assert page.index("ratio | 1.1") < page.index("| GET | 8 | 9 | 0 | 2 | 3.0 | 1.5 s | 2.5 s |")
    assert page.count("`python -m lab live` on a machine, 2026-01-01.") == 2
    assert list(PARTS) == ["session", "follow", "replay", "serve"]
