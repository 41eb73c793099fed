"""Scores and their report in a folder: `verification.json` and `report.html`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.files import check_writable

if TYPE_CHECKING:
    from nextframe.verification.result import Verification

SCORES, REPORT = "verification.json", "report.html"


def check_folder(out: str | Path | None) -> None:
    """Find out before the work whether scores and report can be written.

    Raises:
        ConfigError: a place that cannot be written to.
    """
    if out is not None:
        check_writable(Path(out) / SCORES)


def write_scores(out: str | Path | None, verification: Verification, *, title: str) -> None:
    """Write the scores and the report into a folder, where one is wanted."""
    from nextframe.report.html import write_report

    if out is not None:
        verification.to_json(Path(out) / SCORES)
        write_report(Path(out) / REPORT, verification, title=title)
