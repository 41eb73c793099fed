"""Runs as nowcasting methods of pysteps: called as these, with their metadata, and blended by them."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.errors import ConfigError, ShapeError
from nextframe.forecasting.pysteps_method import get_method
from nextframe.frames.rain import reflectivity
from nextframe.frames.sequence import FrameSequence

METADATA: dict[str, Any] = {
    "unit": "mm/h", "transform": None, "accutime": 5, "threshold": 0.1, "zerovalue": 0.0,
    "projection": "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +units=m", "x1": 0.0, "x2": 32_000.0,
    "y1": 0.0, "y2": 32_000.0, "cartesian_unit": "m", "yorigin": "upper",
}  # fmt: skip


def rain(frames: int = 8, size: int = 32) -> np.ndarray[Any, Any]:
    """A shower that moves a pixel a frame."""
    y, x = np.mgrid[:size, :size]
    fields = [12 * np.exp(-((y - 14) ** 2 + (x - 8 - n) ** 2) / 30) for n in range(frames)]
    return np.where(np.array(fields) < 0.1, 0, fields)


@pytest.mark.slow
def test_it_is_called_as_pysteps_calls_its_own() -> None:
    fields = rain()
    method = get_method("radar-rain")
    run = nextframe.load_run("radar-rain")
    made = method(fields, np.zeros((2, 32, 32)), 3)
    past = run.config.data.past
    expected = run.forecast(fields[-past:].astype(np.float32), 3).values[:, 0]
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    members = method(fields, None, 3, n_ens_members=5, seed=1, num_workers=2)
    assert members.shape == (5, 3, 32, 32)
    assert len(np.unique(members[:, 0, 14, 14])) > 1


@pytest.mark.slow
def test_lead_times_may_be_a_list_of_whole_steps() -> None:
    fields = rain()
    method = get_method("radar-rain")
    first, _, third = method(fields, None, 3, n_ens_members=2).swapaxes(0, 1)
    made = method(fields, None, [1, 3.0], n_ens_members=2)
    np.testing.assert_array_equal(made, np.stack([first, third], axis=1))
    wrongs: list[Any] = [[0.5, 1], [2, 1], [], [0, 1], 0, 2.5]
    for wrong in wrongs:
        with pytest.raises(ConfigError, match="timesteps: are no lead times of the run"):
            method(fields, None, wrong)


@pytest.mark.slow
def test_metadata_say_the_unit_and_the_transform() -> None:
    fields = rain()
    method = get_method("radar-rain")
    plain, about = method(fields, None, 2, metadata=METADATA)
    np.testing.assert_allclose(plain, method(fields, None, 2), rtol=1e-5)
    assert about == METADATA
    with contextlib.redirect_stdout(io.StringIO()):
        transformation = pytest.importorskip("pysteps.utils.transformation")
    decibels, changed = transformation.dB_transform(fields, METADATA, threshold=0.1, zerovalue=-15.0)
    made, about = method(decibels, None, 2, metadata=changed)
    assert about["transform"] == "dB"
    back, _ = transformation.dB_transform(made, about, inverse=True)
    np.testing.assert_allclose(back, np.where(plain < 0.1, 0, plain), rtol=1e-4, atol=1e-4)
    echoes = reflectivity(fields.astype(np.float32))
    in_dbz, about = method(echoes, None, 2, metadata={**METADATA, "unit": "dBZ", "transform": "dB"})
    assert about["unit"] == "dBZ"
    np.testing.assert_allclose(
        in_dbz, reflectivity(plain.astype(np.float32)), atol=0.5
    )  # near the threshold of rain, decibels of a little are many
    amounts, _ = method(fields / 12, None, 2, metadata={**METADATA, "unit": "mm"})
    np.testing.assert_allclose(amounts, plain / 12, atol=2e-3)


def test_what_does_not_fit_is_refused() -> None:
    method = get_method("radar-rain")
    fields = rain()
    for precip, velocity, options, message in (
        (fields[0], None, {}, "precip: are no fields"),
        (fields[:1], None, {}, "fewer fields than the run starts from"),
        (fields, np.zeros((2, 3, 3)), {}, "velocity: is no motion of these fields"),
        (fields, None, {"metadata": {**METADATA, "transform": "BoxCox"}}, "transform"),
        (fields, None, {"n_ens_members": 0}, "asks for no member"),
    ):
        with pytest.raises((ShapeError, ConfigError), match=message):
            method(precip, velocity, 2, **options)
    with pytest.raises(ConfigError, match="knows no probabilities"):
        get_method(nextframe.Persistence())(fields, None, 2, n_ens_members=3)


def test_a_gap_in_the_last_field_is_one_in_the_forecast() -> None:
    fields = np.ma.masked_less(rain() + 1, 0)
    fields[:, 3, 3] = np.ma.masked
    made = get_method(nextframe.Persistence())(fields, None, 2)
    assert np.isnan(made[:, 3, 3]).all()


def test_the_package_offers_it() -> None:
    assert nextframe.get_method is get_method


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of pysteps
def test_members_feed_the_blending_of_pysteps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pysteps")
    from examples import blending

    monkeypatch.chdir(tmp_path)
    texture = np.random.default_rng(0).gamma(2, 0.5, (20, 64, 64))
    fields = np.roll(rain(20, 64) + np.roll(rain(20, 64), 24, axis=1), 4, axis=2) * texture
    source = FrameSequence(
        values=fields[:, None].astype(np.float32),
        name="shower",
        times=np.datetime64("2020-06-01", "ns") + np.arange(20) * np.timedelta64(5, "m"),
        variables=("rain_rate",),
        units=("mm/h",),
    )
    blended, nowcast, model = blending.blend(source, "radar-rain", start=10, lead_times=4, members=3)
    assert blended.shape == nowcast.shape == (3, 4, 64, 64)
    assert model.shape == (5, 64, 64)
    assert np.isfinite(blended).mean() > 0.9
    assert float(np.nanmax(blended)) > 1
