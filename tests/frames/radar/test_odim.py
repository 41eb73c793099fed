"""ODIM composites in the variants that centres write: inheritance, forms of text, sentinels, times, faults."""

import contextlib
import io
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.source import open_source

h5py = pytest.importorskip("h5py")
pytest.importorskip("pyproj")
ODIM = Path(__file__).parents[4] / "shared" / "data" / "formats" / "odim"
real = pytest.mark.skipif(
    not ODIM.is_dir(), reason="the real ODIM composites (../shared/data/formats/odim) are not here"
)

START = datetime(2025, 7, 1, 12)
NUMBERS = {"gain": 0.5, "offset": 0.0, "nodata": 255.0, "undetect": 0.0}
FIELD = np.array([[0, 2, 255], [4, 6, 8]], np.uint8)
LAEA = "+proj=laea +lat_0=55 +lon_0=10 +x_0=0 +y_0=0 +units=m +ellps=WGS84"
CORNERS = {"LL_lat": 54.0, "LL_lon": 9.0, "UR_lat": 56.0, "UR_lon": 11.0}


def stamp(time: datetime, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}date": np.bytes_(time.strftime("%Y%m%d")),
        f"{prefix}time": np.bytes_(time.strftime("%H%M%S")),
    }


def group(file: Any, name: str, attributes: Mapping[str, Any]) -> None:
    file.require_group(name).attrs.update({k: np.bytes_(v) if type(v) is str else v for k, v in attributes.items()})


def write(path: Path, minute: int = 0, field: np.ndarray = FIELD, *, about: Any = None, **data: Any) -> Path:
    """A composite of one RATE, with further groups (`about`) and attributes of its data's `what`."""
    with h5py.File(path, "w") as file:
        file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_3")
        group(file, "what", {"object": "COMP", "source": "ORG:247", **stamp(START + timedelta(minutes=minute))})
        group(file, "where", {"projdef": LAEA, **CORNERS})
        file["dataset1/data1/data"] = field
        group(file, "dataset1/data1/what", {"quantity": "RATE", **NUMBERS, **data})
        for name, attributes in (about or {}).items():
            group(file, name, attributes)
    return path


def change(path: Path, by: Callable[[Any], object]) -> Path:
    with h5py.File(path, "a") as file:
        by(file)
    return path


def first(path: Path, **options: Any) -> np.ndarray:
    frame: np.ndarray = open_source(path, **options).sequences[0].read(0, 1)[0, 0]
    return frame


def test_what_is_said_of_the_dataset_or_the_file_holds_for_its_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", about={"dataset1/what": {"quantity": "RATE", "gain": 2.0}, "what": {"offset": 1.0}})

    def move(file: Any) -> None:
        for name in ("quantity", "gain", "offset"):
            del file["dataset1/data1/what"].attrs[name]
        file["dataset1/where/xscale"] = 2000.0  # a group that has no attribute of the quantity
        for name in ("projdef", *CORNERS):
            file["dataset1/where"].attrs[name] = file["where"].attrs[name]
        del file["where"]

    change(path, move)
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], [[0, 5, np.nan], [9, 13, 17]])
    assert sequence.grid is not None
    change(path, lambda file: group(file, "dataset1/data1/what", {"gain": 3.0}))  # the innermost comes first
    assert first(path)[1, 0] == 13


@pytest.mark.parametrize(
    "form",
    [
        str,
        np.bytes_,
        lambda text: np.array([text], h5py.string_dtype()),
        lambda text: np.array([text.encode()], h5py.string_dtype()),
        lambda text: np.array([text.encode()]),
        lambda text: np.array(text.encode(), h5py.string_dtype("ascii", len(text) + 3)),
        lambda text: np.bytes_(text + "\0"),
        lambda text: np.bytes_(text + " "),
    ],
    ids=["str", "bytes", "array of str", "array of bytes", "fixed array", "padded", "zero at its end", "blank"],
)
def test_text_in_every_form_that_hdf5_has(tmp_path: Path, form: Callable[[str], Any]) -> None:
    def rewrite(file: Any) -> None:
        def one(name: str, item: Any) -> None:
            for key, value in list(item.attrs.items()):
                item.attrs[key] = form(value.decode()) if isinstance(value, bytes) else np.array([value])

        one("", file)
        file.visititems(one)

    path = change(write(tmp_path / "a.h5"), rewrite)
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], [[0, 1, np.nan], [2, 3, 4]])
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64("2025-07-01T12:00")
    assert sequence.attributes["institution"] == "ORG:247"
    assert sequence.grid is not None


def test_numbers_written_as_text_are_read_and_others_are_named(tmp_path: Path) -> None:
    assert first(write(tmp_path / "a.h5", gain="0.25"))[1, 0] == 1
    wrong: tuple[tuple[str, Any], ...] = (("gain", "much"), ("gain", 0.0), ("offset", np.nan), ("gain", np.inf))
    for name, value in wrong:
        with pytest.raises(DataError, match=rf"b\.h5: (what/)?{name} of dataset1/data1 "):
            open_source(write(tmp_path / "b.h5", **{name: value}))


def test_dry_is_not_missing_whatever_stands_for_them(tmp_path: Path) -> None:
    assert first(write(tmp_path / "a.h5", offset=-1.0))[0].tolist()[:2] == [0, 0]  # undetect is no rain, not -1 mm/h
    floats = np.array([[-8888000.0, 0.5, -9999000.0]])
    sentinels: dict[str, Any] = {"gain": 1.0, "nodata": -9999000.0, "undetect": -8888000.0}
    np.testing.assert_array_equal(first(write(tmp_path / "b.h5", field=floats, **sentinels)), [[0, 0.5, np.nan]])
    tenths = np.array([[-999.9, 3.5]], np.float32)  # told in float64, which float32 does not hold exactly
    np.testing.assert_array_equal(
        first(write(tmp_path / "c.h5", field=tenths, gain=1.0, nodata=-999.9, undetect=-1.0)), [[np.nan, 3.5]]
    )
    nans = np.array([[np.nan, 3.5]])
    assert first(write(tmp_path / "d.h5", field=nans, undetect=np.nan)).tolist() == [[0, 1.75]]
    np.testing.assert_array_equal(first(write(tmp_path / "e.h5", field=nans, nodata=np.nan)), [[np.nan, 1.75]])
    signed = FIELD.view(np.int8)  # 255 in a signed byte
    np.testing.assert_array_equal(first(write(tmp_path / "f.h5", field=signed)), [[0, 1, np.nan], [2, 3, 4]])
    same = write(tmp_path / "g.h5", undetect=255.0)
    np.testing.assert_array_equal(first(same), [[0, 1, np.nan], [2, 3, 4]])  # missing, where one number says both
    dbz = write(tmp_path / "h.h5", quantity="DBZH", offset=-32.0)
    np.testing.assert_array_equal(first(dbz), [[-30, -31, np.nan], [-30, -29, -28]])
    none = change(write(tmp_path / "i.h5"), lambda file: [file["dataset1/data1/what"].attrs.pop(k) for k in NUMBERS])
    assert first(none).tolist() == FIELD.tolist()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PVOL", "a polar volume"),
        ("SCAN", "a polar scan"),
        ("CVOL", "a Cartesian volume"),
        ("VP", "a vertical profile"),
    ],
)
def test_what_is_no_composite_is_called_by_its_name(tmp_path: Path, kind: str, name: str) -> None:
    path = write(tmp_path / "a.h5", about={"what": {"object": kind}})
    with pytest.raises(DataError, match=rf"a\.h5: is {name}, not a composite"):
        open_source(path)


def test_a_volume_that_does_not_say_so_is_told_by_its_rays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", about={"dataset1/where": {"nbins": 3, "nrays": 2}})
    change(path, lambda file: file["what"].attrs.pop("object"))
    with pytest.raises(DataError, match="is a polar volume"):
        open_source(path)


def test_two_fields_of_one_time_are_asked_about_and_chosen_by_their_place(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.h5", about={"dataset1/what": {"product": "PPI"}, "dataset2/data1/what": {"quantity": "RATE"}}
    )
    change(path, lambda file: file.create_dataset("dataset2/data1/data", data=FIELD + 1))
    with pytest.raises(
        ConfigError, match=r"RATE of 2025-07-01T12:00 more than once, in dataset1/data1 \(PPI\) and"
    ) as e:
        open_source(path)
    assert "variable='dataset1/data1/RATE'" in str(e.value)
    assert first(path, variable=("dataset1/RATE",))[1, 0] == 2
    assert first(path, variable=("dataset2/data1/RATE",))[1, 0] == 5
    with pytest.raises(ConfigError, match="holds no such quantity"):
        open_source(path, variable=("dataset3/RATE",))


def test_two_steps_of_a_file_are_two_frames(tmp_path: Path) -> None:
    for n in range(2):
        later = [START + timedelta(minutes=10 * n + m) for m in (0, 5, 10)]
        times = [{**stamp(a, "start"), **stamp(b, "end")} for a, b in pairwise(later)]
        about = {"dataset1/what": times[0], "dataset2/what": times[1], "dataset2/data1/what": {"quantity": "RATE"}}
        path = write(tmp_path / f"{n}.h5", 10 * n, about=about)
        change(path, lambda file: file.create_dataset("dataset2/data1/data", data=FIELD + 10))
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.times is not None
    minutes = (sequence.times - np.datetime64("2025-07-01T12:00")) / np.timedelta64(1, "m")
    assert minutes.tolist() == [5, 10, 15, 20]
    assert sequence.read(0, 4)[:, 0, 1, 0].tolist() == [2, 14, 2, 14]


@pytest.mark.parametrize(
    ("date", "time"),
    [("20250701", "1205"), ("20250701", "12:05:00"), ("2025071", "120500"), ("20251301", "120500"), ("", "120500")],
)
def test_a_time_of_another_form_is_no_time(tmp_path: Path, date: str, time: str) -> None:
    with pytest.raises(DataError, match=r"a\.h5: has no time that can be read in what/date and what/time"):
        open_source(write(tmp_path / "a.h5", about={"what": {"date": date, "time": time}}))


@pytest.mark.parametrize("nominal", ["start", "end"])
def test_amounts_are_of_the_time_that_they_say_and_stand_at_its_end(tmp_path: Path, nominal: str) -> None:
    for n in range(3):
        start = START + timedelta(minutes=15 * n)
        end = start + timedelta(hours=1)
        span = {**stamp(start, "start"), **stamp(end - timedelta(seconds=n % 2), "end")}
        about = {"dataset1/what": span, "what": stamp(start if nominal == "start" else end)}
        write(tmp_path / f"{n}.h5", about=about, quantity="ACRR", gain=1.0)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.units == ("mm",)
    assert sequence.accumulation == (np.timedelta64(1, "h"),)
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64("2025-07-01T13:00")
    assert sequence.time_step == np.timedelta64(15, "m")
    (rate,) = open_source(tmp_path, rain_unit="mm/h").sequences
    assert rate.read(0, 1)[0, 0, 1].tolist() == [4, 6, 8]
    assert rate.notes == ()


def test_amounts_over_unlike_times_are_no_sequence_and_unstated_ones_are_told(tmp_path: Path) -> None:
    for n, minutes in enumerate((5, 60)):
        end = START + timedelta(minutes=5 * n)
        span = {**stamp(end - timedelta(minutes=minutes), "start"), **stamp(end, "end")}
        write(tmp_path / f"{n}.h5", about={"dataset1/what": span}, quantity="ACRR")
    with pytest.raises(DataError, match=r"1\.h5: is summed up over another time .*expected 5 min, received 1 h"):
        open_source(tmp_path)
    for n in range(2):
        write(tmp_path / f"{n}.h5", 5 * n, quantity="ACRR")
    source = open_source(tmp_path, rain_unit="mm/h")
    assert source.sequences[0].read(0, 1)[0, 0, 1, 0] == 2 * 12
    (note,) = source.notes
    assert "was taken to be one time step, 5 min" in note


def test_a_header_of_another_shape_or_no_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected \(3, 2\), received \(2, 3\)"):
        open_source(write(tmp_path / "a.h5", about={"where": {"xsize": 2, "ysize": 3}}))
    path = change(write(tmp_path / "b.h5"), lambda file: file.pop("where"))
    assert open_source(path).sequences[0].grid is None
    path = write(tmp_path / "c.h5", about={"where": {"projdef": "+proj=nonsense"}})
    with pytest.raises(DataError, match="projection that PROJ does not take"):
        open_source(path)
    degrees = write(tmp_path / "d.h5", about={"where": {"projdef": "+proj=longlat +ellps=WGS84"}})
    grid = open_source(degrees).sequences[0].grid
    assert grid is not None
    assert (grid.y_name, grid.y_attributes["units"], grid.y.tolist()) == ("latitude", "degrees_north", [55.5, 54.5])


def test_nothing_outside_of_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(range(6)))
    write(tmp_path / "other.h5", field=FIELD + 1)

    def external(file: Any) -> None:
        del file["dataset1/data1/data"]
        secret = [(str(tmp_path / "secret.bin"), 0, 6)]
        file["dataset1/data1"].create_dataset("data", (2, 3), "u1", external=secret)

    def link(file: Any) -> None:
        del file["dataset1/data1/data"]
        file["dataset1/data1/data"] = h5py.ExternalLink("other.h5", "dataset1/data1/data")

    def virtual(file: Any) -> None:
        del file["dataset1/data1/data"]
        layout = h5py.VirtualLayout((2, 3), "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "dataset1/data1/data", (2, 3))
        file["dataset1/data1"].create_virtual_dataset("data", layout)

    for by in (external, link, virtual):
        path = change(write(tmp_path / "a.h5"), by)
        with pytest.raises(DataError, match=r"a\.h5: keeps dataset1/data1/data in another file"):
            open_source(path)

    def through(file: Any) -> None:  # a soft link by way of an external one
        del file["dataset1/data1/data"]
        file["dataset1/data1/data"] = h5py.SoftLink("/how/data")
        file["how"] = h5py.ExternalLink("other.h5", "dataset1/data1")

    with pytest.raises(DataError):
        open_source(change(write(tmp_path / "a.h5"), through))


def test_claims_that_no_radar_makes_take_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")

    def claim(file: Any) -> None:
        del file["dataset1/data1/data"]
        file.create_dataset("dataset1/data1/data", (10**6, 10**6), "u1", chunks=(100, 100))

    with pytest.raises(DataError, match=r"a\.h5: claims frames of 1,000,000 x 1,000,000 pixels"):
        open_source(change(path, claim)).sequences[0].read(0, 1)


@pytest.mark.parametrize("shape", [(6,), (1, 2, 3)])
def test_fields_of_other_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="has another shape"):
        open_source(write(tmp_path / "a.h5", field=FIELD.reshape(shape)))


def test_text_in_place_of_a_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no field of numbers"):
        open_source(write(tmp_path / "a.h5", field=FIELD.astype("S3"))).sequences[0].read(0, 1)


def test_every_truncation_is_a_sentence(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.h5").read_bytes()
    path = tmp_path / "b.h5"
    for size in range(1, len(whole), 293):
        path.write_bytes(whole[:size])
        with contextlib.suppress(DataError, ConfigError, ShapeError):
            open_source(path).sequences[0].read(0, 1)


@pytest.mark.slow
def test_flipped_bytes_are_sentences_or_values(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.h5").read_bytes()
    path = tmp_path / "b.h5"
    random = np.random.default_rng(7)
    for _ in range(60):
        broken = bytearray(whole)
        for at in random.integers(0, len(whole), 4):
            broken[at] = random.integers(256)
        path.write_bytes(broken)
        with contextlib.suppress(DataError, ConfigError, ShapeError):
            open_source(path).sequences[0].read(0, 1)


@real
@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("T_PAAH21_C_EUOC_20180824180000.hdf", "RATE"),
        ("composite_with_radarindex.h5", "DBZH"),
        ("comp4ctfilter.h5", "dataset2/DBZH"),
    ],
)
@pytest.mark.slow
def test_real_composites_as_pysteps_reads_them(name: str, quantity: str) -> None:
    importers = pytest.importorskip("pysteps.io.importers")
    with contextlib.redirect_stdout(io.StringIO()):
        expected, _, metadata = importers.import_odim_hdf5(str(ODIM / name), qty=quantity.split("/")[-1])
    (sequence,) = open_source(ODIM / name, variable=(quantity,)).sequences
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], np.ma.filled(expected, np.nan), rtol=1e-6)
    assert sequence.grid is not None
    half = np.diff(sequence.grid.x)[0] / 2
    assert sequence.grid.x[0] - half == pytest.approx(metadata["x1"], abs=1e-6)
    assert sequence.grid.y[0] == pytest.approx(metadata["y2"] - np.abs(np.diff(sequence.grid.y)[0]) / 2, abs=1e-6)
