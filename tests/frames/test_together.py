"""Many sources as one: options of their own, one unit, one pixel, one step, and nothing invented."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.api import compare_sources
from nextframe.errors import ConfigError, DataError, NextframeError
from nextframe.frames.rain import reflectivity
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.together import as_options, described, to_time_step, written


def radar(
    path: Path, *, size: int = 32, km: float = 1.0, minutes: int = 5, frames: int = 24, unit: str = "mm/h",
    name: str = "rain_rate", seed: int = 0, start: str = "2020-06-01T00:00",
) -> Path:  # fmt: skip
    """A file of a radar: showers that move by a kilometre a minute."""
    y, x = np.mgrid[:size, :size] * km
    draw = np.random.default_rng(seed)
    spots = draw.uniform(0, size * km, (6, 2))
    fields = np.zeros((frames, size, size), np.float32)
    for n in range(frames):
        for row, column in spots:
            away = (y - row) ** 2 + (
                (x - column - 0.3 * n * minutes + size * km / 2) % (size * km) - size * km / 2
            ) ** 2
            fields[n] += 8 * np.exp(-away / 12)
    fields[fields < 0.2] = 0
    values = fields
    if unit == "dBZ":
        values = reflectivity(fields)
    elif unit == "mm":
        values = fields * np.float32(minutes / 60)
    times = np.datetime64(start, "ns") + np.arange(frames) * np.timedelta64(minutes, "m")
    axis = np.arange(size) * km
    xr.Dataset(
        {name: (("time", "y", "x"), values, {"units": unit})},
        {
            "time": times,
            "y": ("y", axis[::-1], {"units": "km", "standard_name": "projection_y_coordinate"}),
            "x": ("x", axis, {"units": "km", "standard_name": "projection_x_coordinate"}),
        },
    ).to_netcdf(path, engine="h5netcdf")
    return path


def test_a_source_is_a_text_with_options_or_a_mapping() -> None:
    text = "a.nc::coarsen=2,crop=0,0,8,8,variable=a,b,weight=0.5,name=one"
    one = described(text)
    assert one.options == {"coarsen": 2, "crop": (0, 0, 8, 8), "variable": ("a", "b")}
    assert (one.source, one.weight, one.name) == ("a.nc", 0.5, "one")
    assert described(written(one_mapping := {"path": "a.nc", "rain-unit": "mm/h", "weight": 2})) == described(
        one_mapping
    )
    for wrong, message in (
        ("a.nc::coarse=2", "unknown option 'coarse'"),
        ("a.nc::wieght=2", r"expected one of .*name.*weight.*did you mean 'weight'"),
        ("a.nc::weight=0", "is no weight"),
        ("a.nc::coarsen=two", "coarsen: has the wrong type"),
        ({"coarsen": 2}, "names no path"),
    ):
        with pytest.raises(ConfigError, match=message):
            described(wrong)


def test_a_configuration_keeps_the_list() -> None:
    assert as_options({"data": "a.nc"}) == {"data": "a.nc"}
    assert as_options({"data": ["a.nc"]}) == {"data": "a.nc"}
    found = as_options({"data": ["a.nc", {"path": "b.nc", "weight": 3}]})
    assert found == {"data": "a.nc, b.nc", "sources": ("a.nc", "b.nc::weight=3")}


def test_sources_differ_in_size_unit_and_options(tmp_path: Path) -> None:
    sources = [
        radar(tmp_path / "a.nc"),
        f"{radar(tmp_path / 'b.nc', size=48, unit='dBZ', name='reflectivity')}::weight=2,crop=0,0,40,44",
        {"path": radar(tmp_path / "c.nc", size=24, unit="mm", name="amount"), "coarsen": 2, "name": "third"},
    ]
    source = nextframe.open_source(sources)  # type: ignore[arg-type]
    assert source.mixed
    assert [sequence.shape[2:] for sequence in source.sequences] == [(32, 32), (40, 44), (12, 12)]
    assert {(sequence.units, sequence.variables) for sequence in source.sequences} == {(("mm/h",), ("rain_rate",))}
    assert [sequence.weight for sequence in source.sequences] == [1, 2, 1]
    assert source.origins == (str(tmp_path / "a.nc"), str(tmp_path / "b.nc"), "third")
    alone = nextframe.open_source(tmp_path / "b.nc", rain_unit="mm/h", crop=(0, 0, 40, 44)).sequences[0]
    np.testing.assert_array_equal(source.sequences[1].read(0, 3), alone.read(0, 3))


@pytest.mark.slow
def test_other_units_are_converted_or_refused(tmp_path: Path) -> None:
    metres, kilometres = radar(tmp_path / "m.nc", unit="m"), radar(tmp_path / "km.nc", unit="km")
    source = nextframe.open_source([metres, kilometres])
    assert {sequence.units for sequence in source.sequences} == {("m",)}
    whole = nextframe.open_source(kilometres).sequences[0].read(0, 1)
    np.testing.assert_allclose(source.sequences[1].read(0, 1), whole * 1000, rtol=1e-6)
    warm = nextframe.open_source([radar(tmp_path / "c.nc", unit="degC"), radar(tmp_path / "w.nc", unit="K")])
    raw = nextframe.open_source(tmp_path / "w.nc").sequences[0].read(0, 1)
    np.testing.assert_allclose(warm.sequences[1].read(0, 1), raw - 273.15, atol=1e-3)
    with pytest.raises(DataError, match=r"k\.nc: cannot be brought to the unit of .*m\.nc .*expected rain_rate \(m\)"):
        nextframe.open_source([metres, radar(tmp_path / "k.nc", unit="K")])


def test_pixels_are_averaged_to_a_resolution_and_never_made_finer(tmp_path: Path) -> None:
    half, two = radar(tmp_path / "half.nc", km=0.5), radar(tmp_path / "two.nc", km=2.0)
    odd = radar(tmp_path / "odd.nc", km=2.5)
    source = nextframe.open_source([half, two, odd], resolution="2km")
    assert [sequence.shape[2:] for sequence in source.sequences] == [(8, 8), (32, 32), (32, 32)]
    raw = nextframe.open_source(half).sequences[0].read(0, 1)[0, 0]
    np.testing.assert_allclose(
        source.sequences[0].read(0, 1)[0, 0], raw.reshape(8, 4, 8, 4).mean((1, 3)), rtol=1e-5, atol=1e-6
    )
    assert any("its pixels are of 2.5 km, the nearest to 2km" in note for note in source.notes)
    with pytest.raises(DataError, match=r"pixels of 2 km, of which 1km cannot be made without inventing"):
        nextframe.open_source(two, resolution="1km")
    with pytest.raises(DataError, match="does not say how large its pixels are"):
        nextframe.open_source("squares:movies=1,frames=4,size=16", resolution="2km")
    for wrong in ("2", "two km", "0km"):
        with pytest.raises(ConfigError, match="is no length"):
            nextframe.open_source(half, resolution=wrong)


def test_steps_are_picked_at_their_multiples_and_amounts_averaged(tmp_path: Path) -> None:
    rate = radar(tmp_path / "rate.nc", minutes=5, start="2020-06-01T00:05")
    picked = nextframe.open_source(rate, time_step="10min").sequences[0]
    raw = nextframe.open_source(rate).sequences[0]
    assert picked.times is not None
    assert [str(time)[11:16] for time in picked.times[:2]] == ["00:10", "00:20"]
    assert len(picked) == 12
    np.testing.assert_array_equal(picked.read(0, 12), raw.read(0, 24)[1::2])
    assert picked.segments() == [(0, 12)]
    amount = radar(tmp_path / "amount.nc", minutes=5, unit="mm", name="amount")
    means = nextframe.open_source(amount, time_step="10min", rain_unit="mm/h").sequences[0]
    rates = nextframe.open_source(amount, rain_unit="mm/h").sequences[0].read(0, 24)
    np.testing.assert_allclose(means.read(0, 2), (rates[1:4:2] + rates[2:5:2]) / 2, rtol=1e-5)


def test_steps_that_would_need_invented_frames_are_refused(tmp_path: Path) -> None:
    slow = radar(tmp_path / "slow.nc", minutes=15)
    with pytest.raises(
        DataError, match=r"a frame every 15 min, of which steps of 10min cannot be made without inventing"
    ):
        nextframe.open_source([radar(tmp_path / "fast.nc"), slow], time_step="10min")
    with pytest.raises(DataError, match="does not say how much time"):
        nextframe.open_source("squares:movies=1,frames=4,size=16", time_step="10min")
    with pytest.raises(ConfigError, match="is no duration"):
        nextframe.open_source(slow, time_step="soon")


def test_a_gap_stays_a_gap() -> None:
    minutes = np.array([0, 5, 10, 15, 20, 40, 45, 50, 55, 60])
    times = np.datetime64("2020-06-01", "ns") + minutes * np.timedelta64(1, "m")
    values = np.arange(10.0).reshape(10, 1, 1, 1)
    sequence = FrameSequence(values=values, name="s", times=times, time_step=np.timedelta64(5, "m"))
    picked = to_time_step(sequence, "10min", average=False)
    assert picked.read(0, len(picked)).ravel().tolist() == [0, 2, 4, 5, 7, 9]
    assert picked.segments() == [(0, 3), (3, 6)]
    means = to_time_step(sequence, "10min", average=True)
    assert means.read(0, len(means)).ravel().tolist() == [1.5, 3.5, 6.5, 8.5]


def test_what_was_assumed_of_some_sources_names_them(tmp_path: Path) -> None:
    rate = radar(tmp_path / "rate.nc")
    amounts = [radar(tmp_path / f"{name}.nc", unit="mm", minutes=10) for name in ("one", "two")]
    source = nextframe.open_source([rate, *amounts])
    (note,) = source.notes
    assert note.startswith(f"{amounts[0]}, {amounts[1]}: rain_rate is an amount in mm over a time")
    assert note.count(str(tmp_path)) == 2
    (note,) = nextframe.open_source(amounts, rain_unit="mm/h").notes
    assert str(tmp_path) not in note


def test_bad_lists_are_a_sentence(tmp_path: Path) -> None:
    a = radar(tmp_path / "a.nc")
    for sources, message in (
        ([], "at least one source"),
        ([str(a), str(a)], "is named twice"),
        ([str(a), str(tmp_path / "none.nc")], "is neither a file nor a known source"),
        ([str(a), "squares:movies=2,frames=5"], "cannot be brought to the unit of"),
    ):
        with pytest.raises(NextframeError, match=message):
            nextframe.open_source(sources)


@pytest.mark.slow
def test_a_file_lists_sources_with_weights_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    radar(tmp_path / "a.nc")
    radar(tmp_path / "b.nc", km=2.0, seed=1)
    (tmp_path / "sources.yaml").write_text("- a.nc\n- path: b.nc\n  crop: [0, 8, 16, 24]\n  weight: 2\n  name: bee\n")
    source = nextframe.open_source("sources.yaml")
    assert [(s.origin, s.weight, s.shape[2:]) for s in source.sequences] == [
        ("a.nc", 1.0, (32, 32)),
        ("bee", 2.0, (16, 24)),
    ]
    assert as_options({"data": ["sources.yaml"]})["sources"] == ("a.nc", "b.nc::crop=0,8,16,24,weight=2,name=bee")
    assert len(nextframe.open_source(["sources.yaml", str(radar(tmp_path / "c.nc", seed=2))]).sequences) == 3
    assert len(compare_sources(["sources.yaml"]).sides) == 2
    called = nextframe.verify("persistence", "sources.yaml", past=2, lead_times=1, baselines=(), progress=False)
    assert set(called.by_source) == {"a.nc", "bee"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.nc: 3", "is no list of sources"),
        ("[]", "is no list of sources"),
        ("- 3", "is no list of sources"),
        ("- other.yaml", "is no list of sources"),
        ("- [", "cannot be read as a list of sources"),
        ("- path: a.nc\n  wieght: 2", "did you mean 'weight'"),
        ("- weight: 2", "names no path"),
    ],
)
def test_a_file_that_lists_no_sources_is_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        nextframe.open_source(tmp_path / "sources.yaml")
    with pytest.raises(ConfigError, match="No such file"):
        nextframe.open_source(tmp_path / "absent.yaml")


@pytest.mark.slow
def test_lead_times_of_sources_with_differing_steps_are_frames(tmp_path: Path) -> None:
    paths = [str(radar(tmp_path / "a.nc")), str(radar(tmp_path / "b.nc", minutes=10, seed=1))]
    both = nextframe.verify("persistence", paths, past=2, lead_times=2, baselines=(), progress=False)
    assert (both.lead_time, both.lead_time_unit) == ([1, 2], "frames")
    assert "lead times are in frames, for time steps differ: 5 min and 10 min" in both.notes
    assert [(each.lead_time, each.lead_time_unit) for each in both.by_source.values()] == [
        ([5, 10], "minutes"),
        ([10, 20], "minutes"),
    ]
