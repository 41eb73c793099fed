"""Record of the frames that a run has seen in its training, in the run folder: `seen.npz`."""

from __future__ import annotations

import io
from pathlib import Path
from warnings import warn

import numpy as np

from nextframe.config import DataConfig
from nextframe.data.seen import Seen, Stretch, seen_in
from nextframe.data.split import Split, split_as
from nextframe.errors import NextframeError, NextframeWarning
from nextframe.files import ARCHIVE_ERRORS, replacing
from nextframe.frames.source import open_as

SEEN = "seen.npz"
"""Its name in a run folder."""


def save_seen(run: Path, parts: Split, start: str | None = None) -> None:
    """Write the record of the training and the validation part, which choose the weights together.

    Args:
        run: the run folder.
        parts: what it is trained on.
        start: the run that it starts from, if any: what that has seen, this one's weights have seen, too.
    """
    seen = seen_in([*parts.train, *parts.validation])
    earlier = None if start is None else recorded_by(start)
    write_seen(run / SEEN, seen if earlier is None else Seen((*earlier.stretches, *seen.stretches)))


def write_seen(path: Path, seen: Seen) -> None:
    """Write a record, whole or not at all."""
    stretches = seen.stretches
    columns = {
        "path": np.array([stretch.file for stretch in stretches], str),
        "start": np.array([stretch.start for stretch in stretches], np.int64),
        "stop": np.array([stretch.stop for stretch in stretches], np.int64),
        "box": np.array([stretch.box or (np.nan,) * 4 for stretch in stretches], np.float64).reshape(-1, 4),
    }
    for name in ("times", "frames", "marks"):
        rows = [np.asarray(getattr(stretch, name)).astype(np.int64) for stretch in stretches]
        columns[name] = np.concatenate(rows) if rows else np.empty(0, np.int64)
        columns[f"{name}_each"] = np.array([len(row) for row in rows], np.int64)
    buffer = io.BytesIO()  # NumPy's archive of a file cannot be closed where the disk is full
    np.savez_compressed(buffer, allow_pickle=False, **columns)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_seen(path: Path) -> Seen | None:
    """Read a record; None where there is none, or one that cannot be read.

    Warns:
        NextframeWarning: one that cannot be read.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as columns:  # NumPy leaves a damaged one open
            table = {name: columns[name] for name in columns.files}
    except ARCHIVE_ERRORS:
        _warn_unread(path)
        return None
    try:
        parts = {
            name: np.split(table[name], np.cumsum(table[f"{name}_each"])[:-1]) for name in ("times", "frames", "marks")
        }
        return Seen(
            tuple(
                Stretch(
                    file=str(table["path"][n]),
                    start=int(table["start"][n]),
                    stop=int(table["stop"][n]),
                    times=parts["times"][n].astype("datetime64[ns]"),
                    box=() if np.isnan(table["box"][n]).any() else tuple(table["box"][n].tolist()),
                    frames=tuple(parts["frames"][n].tolist()),
                    marks=tuple(parts["marks"][n].tolist()),
                )
                for n in range(len(table["start"]))
            )
        )
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):  # of columns that are no record's
        _warn_unread(path)
        return None


def _warn_unread(path: Path) -> None:
    warn(
        f"{path}: holds no record that can be read: which frames the model has seen is taken from its "
        "configuration, as far as its data are still there",
        NextframeWarning,
        stacklevel=4,
    )


def recorded_by(run: str | Path) -> Seen | None:
    """The record in a run folder, or in that of its first member; None where there is none."""
    seen = (read_seen(folder / SEEN) for folder in (Path(run), Path(run) / "member-1"))
    return next((each for each in seen if each is not None), None)


def seen_by(run: str | Path | None, config: DataConfig) -> Seen | None:
    """Frames that a run has seen: its record, else what its configuration says of its source as far as that is there;
    None where neither tells.

    Args:
        run: the run folder; None for a model that is in memory alone.
        config: how it read its data, and divided them.
    """
    recorded = None if run is None else recorded_by(run)
    if recorded is not None:
        return recorded
    try:
        parts = split_as(open_as(config), config)
        return seen_in([*parts.train, *parts.validation])
    except NextframeError:  # moved, or taken away
        return None
