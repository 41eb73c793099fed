"""Tests of the laboratory try its writers, and leave its pages and results as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
WRITTEN = ("docs", "lab/results", "README.md")


def times() -> dict[Path, int]:
    """Pages and results, and when each was written."""
    places = (ROOT / place for place in WRITTEN)
    files = (file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file())
    return {file: file.stat().st_mtime_ns for file in files}


@pytest.fixture(autouse=True)
def nothing_of_the_repository_is_written() -> Iterator[None]:
    before = times()
    yield
    assert times() == before, "a test has written a page or a result of the repository"
