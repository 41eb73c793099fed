"""Layouts of published data sets, told by names of files and folders; nothing that reads them is loaded for that."""

from __future__ import annotations

import re
from pathlib import Path

from nextframe.frames.formats.inflated import members
from nextframe.frames.remote import Remote

CATALOG = "CATALOG.csv"
"""Catalogue of SEVIR."""
_CATALOGUED = ("id", "file_name", "file_index", "img_type", "time_utc", "minute_offsets", "pct_missing")
"""Columns that tell it."""
METEONET = re.compile(r"(?P<product>reflectivity_old|reflectivity_new|rainfall)_(?P<zone>NW|SE)_\d{4}_\d{2}\.\d\.npz")
"""Files of MeteoNet's radar."""
COORDINATES = re.compile(r"radar_coords_(?P<zone>NW|SE)\.npz")
"""Coordinates of their pixels."""
PICTURES = "radarPNG"
"""Folder of HKO-7's pictures."""
ACTIONS = ("boxing", "handclapping", "handwaving", "walking", "jogging", "running")
"""Folders of KTH."""
FILM = re.compile(r"person(\d{2})_.*")
"""Folders of its films."""


def is_sevir(path: Path) -> bool:
    """True where a folder holds a catalogue of SEVIR."""
    catalogue = path / CATALOG
    if not (_is_folder(path) and catalogue.is_file()):
        return False
    try:
        with catalogue.open(encoding="utf-8") as file:
            return set(_CATALOGUED) <= set(file.readline(10_000).strip().split(","))
    except (OSError, ValueError):
        return False


def is_meteonet(path: Path) -> bool:
    """True where a file is of MeteoNet's radar, by its name.

    >>> is_meteonet(Path("reflectivity_old_SE_2016_08.3.npz")), is_meteonet(Path("SE_2016.npz"))
    (True, False)
    """
    return METEONET.fullmatch(path.name) is not None or COORDINATES.fullmatch(path.name) is not None


def is_hko7(path: Path) -> bool:
    """True where a folder holds the pictures of HKO-7."""
    return _is_folder(path) and (path / PICTURES).is_dir()


def is_kth(path: Path) -> bool:
    """True where a folder holds folders of KTH's actions, with films of persons."""
    if not _is_folder(path):
        return False
    actions = [path / action for action in ACTIONS if (path / action).is_dir()]
    return len(actions) > 1 and any(FILM.fullmatch(film.name) for film in actions[0].iterdir())


def is_taxibj(path: Path) -> bool:
    """True where an NPZ file holds the arrays of TaxiBJ."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    return {"X_train", "Y_train", "X_test", "Y_test"} <= set(members(path))


def _is_folder(path: Path) -> bool:
    """True of a folder of this machine: an address says yes to whatever folder it is asked for."""
    return path.is_dir() and not isinstance(path, Remote)
