"""The scores of a training by epoch: `metrics.csv`, a row for each."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from nextframe.errors import CheckpointError, first_line
from nextframe.files import replacing

METRICS = "metrics.csv"


def append_metrics(run: Path, row: Mapping[str, float]) -> None:
    """Add an epoch's row, replacing rows of that epoch and later ones (left by a killed run).

    Raises:
        CheckpointError: rows that cannot be read.
        ConfigError: a place that cannot be written to.
    """
    path = run / METRICS
    rows = [old for old in read_metrics(run) if old["epoch"] < row["epoch"]] if path.exists() else []
    rows.append(dict(row))
    columns = list(dict.fromkeys(name for each in reversed(rows) for name in each))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)


def read_metrics(run: str | Path) -> list[dict[str, float]]:
    """The rows, numbers as numbers.

    Raises:
        CheckpointError: a file that cannot be read, or whose rows are no numbers.
    """
    path = Path(run) / METRICS
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(path, first_line(error)) from error
    rows = []
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _damaged(path, f"{len(line)} values for {len(header)} names in line {number}")
        try:
            # A column that only later epochs have, since an option or the package has changed, is empty before.
            rows.append({name: float(value) for name, value in zip(header, line, strict=True) if value})
        except ValueError as error:
            raise _damaged(path, f"{first_line(error)} in line {number}") from error
    if "epoch" not in header:
        raise _damaged(path, "no column of epochs")
    return rows


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError("is damaged", where=path, received=why, hint="remove it to go on without")
