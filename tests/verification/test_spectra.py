"""Power spectra against pysteps', and what they say of waves and of blur."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nextframe.verification.additive import Settings
from nextframe.verification.metrics import scores_of
from nextframe.verification.spectra import Spectra


def test_spectra_are_those_of_pysteps() -> None:
    spectral = pytest.importorskip("pysteps.utils.spectral")
    field = np.random.default_rng(0).normal(size=(1, 1, 1, 32, 32)).astype(np.float32)
    found = Spectra.each(field, field, Settings())
    expected = spectral.rapsd(field[0, 0, 0].astype(np.float64), fft_method=np.fft)
    np.testing.assert_allclose(found.power[0, 0, : len(expected)], expected, rtol=1e-6)


@pytest.mark.parametrize("size", [(24, 24), (24, 37), (41, 16)])
def test_a_wave_stands_at_its_wavelength(size: tuple[int, int]) -> None:
    x = np.arange(size[1])
    periods = 4
    wave = np.broadcast_to(np.sin(2 * np.pi * periods * x / size[1]), size).astype(np.float32)
    found = Spectra.each(wave[None, None, None], wave[None, None, None], Settings())
    peak = int(found.power[0, 0].argmax())
    assert found.wavelength[peak] == pytest.approx(size[1] / periods, rel=0.15)


def test_a_blurred_forecast_lacks_power_at_small_scales_alone() -> None:
    draw = np.random.default_rng(1)
    truth = draw.normal(size=(2, 3, 1, 40, 40)).astype(np.float32)
    blurred = gaussian_filter(truth, (0, 0, 0, 1, 1))
    found = Spectra.each(blurred, truth, Settings()).total()
    assert scores_of([found])["power_8px"].max() < 0.4
    ratio = found.power / found.truth_power
    assert ratio[:, 1].min() > 0.9
    assert scores_of([Spectra.each(truth, truth, Settings()).total()])["power_8px"] == pytest.approx([1, 1, 1])


def test_missing_values_say_nothing() -> None:
    truth = np.random.default_rng(2).normal(size=(1, 1, 1, 20, 20)).astype(np.float32)
    forecast = truth.copy()
    truth[..., :5] = np.nan
    forecast[..., :5] = 1000
    assert scores_of([Spectra.each(forecast, truth, Settings()).total()])["power_8px"] == pytest.approx([1])
