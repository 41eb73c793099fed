"""Files that a plugin of pysteps imports, where no format of ours reads them."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe.cli import main
from nextframe.errors import DataError
from nextframe.frames.format import Format
from nextframe.frames.formats import formats
from nextframe.frames.radar import importers
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from tests.frames.radar.test_composites import odim

METADATA = {
    "unit": "mm", "accutime": 10.0, "transform": None, "projection": "+proj=longlat +datum=WGS84",
    "x1": 4.0, "x2": 6.0, "y1": 50.0, "y2": 52.0, "yorigin": "upper", "cartesian_unit": "degrees",
    "institution": "a service",
}  # fmt: skip


def import_rows(filename: str, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """A plugin's importer of a text of numbers."""
    with Path(filename).open() as stream:
        if stream.readline().strip() != "rows":
            raise OSError("no rows")
        field = np.loadtxt(stream, ndmin=2)
    return np.ma.masked_equal(field, -1), None, dict(METADATA)


def import_broken(filename: str, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """A plugin's importer that takes nothing."""
    raise ZeroDivisionError("not mine")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(f"import_{name}", f"{__name__}:import_{name}", importers.GROUPS[0]) for name in ("broken", "rows")
    ]
    loaded = {"import_broken": import_broken, "import_rows": import_rows}
    monkeypatch.setattr(EntryPoint, "load", lambda point: loaded[point.name])
    monkeypatch.setattr(importers, "plugins", lambda: tuple(points))


def write(folder: Path, name: str, value: float) -> None:
    (folder / name).write_text(f"rows\n{value} 0\n-1 1.5\n")


@pytest.mark.usefixtures("plugins")
def test_files_of_a_plugin_are_a_sequence_in_order_of_time(tmp_path: Path) -> None:
    for n, minute in enumerate(("20", "00", "10")):
        write(tmp_path, f"rain_2020060112{minute}.rows", n)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.times is not None
    assert [str(time)[11:16] for time in sequence.times] == ["12:00", "12:10", "12:20"]
    values = sequence.read(0, 3)[:, 0]
    np.testing.assert_array_equal(values[:, 0, 0], [1, 2, 0])
    assert np.isnan(values[:, 1, 0]).all()
    assert (sequence.units, sequence.variables) == (("mm",), ("rain_amount",))
    assert sequence.accumulation == (np.timedelta64(10, "m"),)
    assert sequence.grid is not None
    np.testing.assert_allclose(sequence.grid.y, [51.5, 50.5])
    assert open_source(tmp_path, rain_unit="mm/h").sequences[0].read(0, 1)[0, 0, 1, 1] == 9


@pytest.mark.usefixtures("plugins")
def test_one_file_and_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, "a.rows", 3)
    assert open_source(tmp_path / "a.rows").sequences[0].read(0, 1)[0, 0, 0, 0] == 3
    write(tmp_path, "b.rows", 4)
    with pytest.raises(DataError, match="has no time in its name"):
        open_source(str(tmp_path / "*.rows"))


@pytest.mark.usefixtures("plugins")
def test_what_no_importer_takes_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert main(["inspect", str(tmp_path / "a.txt")]) == 2
    said = capsys.readouterr().err
    assert "cannot be read by any importer of pysteps" in said
    assert "import_broken: not mine; import_rows: no rows" in said


@pytest.mark.usefixtures("plugins")
def test_our_own_formats_come_first(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8)))
    write(tmp_path, "note.txt", 3)
    assert open_source(tmp_path).sequences[0].shape == (3, 1, 8, 8)


def test_without_plugins_the_file_is_of_no_format(tmp_path: Path) -> None:
    write(tmp_path, "a.rows", 1)
    with pytest.raises(DataError, match="is of no format that can be read"):
        open_source(tmp_path / "a.rows")


@pytest.mark.usefixtures("plugins")
def test_hdf5_of_another_layout_goes_to_the_plugin_and_a_composite_stays_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py (extra radar)")
    with h5py.File(tmp_path / "own_202006011200.h5", "w") as file:
        file["rows"] = [[3.0, 0.0], [-1.0, 1.5]]

    def import_own(filename: str, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
        with h5py.File(filename) as file:
            return np.ma.masked_equal(file["rows"][()], -1), None, dict(METADATA)

    monkeypatch.setattr(EntryPoint, "load", lambda point: import_own)
    (sequence,) = open_source(tmp_path / "own_202006011200.h5").sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], [[3, 0], [np.nan, 1.5]])
    assert len(open_source(tmp_path).sequences[0]) == 1
    odim(tmp_path / "odim.h5", np.ones((2, 2)), 0)
    assert open_source(tmp_path / "odim.h5").sequences[0].variables == ("rain_rate",)
    (tmp_path / "damaged.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"damaged\.h5: cannot be read as a radar composite"):
        open_source(tmp_path / "damaged.h5")


def test_hdf5_of_another_layout_goes_to_the_row_of_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py (extra radar)")

    def opened(name: str, files: Sequence[Path], *_: object) -> tuple[FrameSequence, ...]:
        return (FrameSequence(values=np.ones((len(files), 1, 2, 2), np.float32), name=name),)

    row = Format(name="theirs", suffixes=(".h5",), open=opened, together=True)
    monkeypatch.setattr("nextframe.frames.source.formats", lambda: (*formats(), row))
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["values"] = np.zeros(3)
    assert open_source(tmp_path / "theirs.h5").sequences[0].shape == (1, 1, 2, 2)
    odim(tmp_path / "odim.h5", np.ones((2, 2)), 0)
    assert open_source(tmp_path / "odim.h5").sequences[0].variables == ("rain_rate",)
    with pytest.raises(DataError, match=r"files of several kinds|as the others are"):
        open_source(tmp_path)
    odim(tmp_path / "volume.h5", np.ones((2, 2)), 0)
    with h5py.File(tmp_path / "volume.h5", "a") as file:
        file["what"].attrs["object"] = np.bytes_("PVOL")
    assert open_source(tmp_path / "volume.h5").sequences[0].variables == ("frame",)
