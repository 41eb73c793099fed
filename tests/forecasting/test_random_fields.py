"""Random fields: their spectrum, their distribution, their memory, and ranks of members."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, rankdata

from nextframe.forecasting.random_fields import BANDS, WAVELENGTHS, draw, in_order, periodic_size, ranks

ONE = np.eye(1)


def spectrum(*bands: tuple[int, float]) -> np.ndarray:
    power = np.zeros(BANDS)
    for band, share in bands:
        power[band] = share
    return power


def fields(power: np.ndarray, size: tuple[int, int], members: int, seed: int = 0, leads: int = 1) -> np.ndarray:
    """Fields (K, M, P, Q) of one channel."""
    persistence = np.full((1, leads - 1, BANDS), 0.8)
    drawn = draw(np.tile(power, (1, leads, 1)), persistence, ONE, size, members, seed)
    return np.stack([field[0].copy() for field in drawn])


@pytest.mark.parametrize("size", [(96, 80), (45, 75)])
def test_the_power_of_each_band_is_what_was_asked_for(size: tuple[int, int]) -> None:
    asked = spectrum((5, 0.4), (8, 0.3), (12, 0.2), (BANDS - 1, 0.1))
    drawn = fields(asked, size, 200)[0]
    # A reference of its own: the whole complex transform, and the wavelength of each of its coefficients.
    power = (np.abs(np.fft.fft2(drawn.astype(np.float64))) ** 2).mean(0) / np.prod(size) ** 2
    rows, columns = np.meshgrid(np.fft.fftfreq(size[0]), np.fft.fftfreq(size[1]), indexing="ij")
    with np.errstate(divide="ignore"):
        wavelength = 1 / np.sqrt(rows**2 + columns**2)
    borders = [np.inf, *WAVELENGTHS, 0]
    for band, share in enumerate(asked):
        inside = (wavelength <= borders[band]) & (wavelength > borders[band + 1])
        assert power[inside].sum() == pytest.approx(share, abs=0.03), band
        if share:  # spread evenly, mirror images and all
            assert power[inside].std() < 0.2 * power[inside].mean()


def test_each_pixel_is_standard_normal() -> None:
    drawn = fields(spectrum((6, 0.7), (13, 0.3)), (60, 48), 600)[0]
    for row, column in ((0, 0), (59, 47), (30, 17)):
        assert kstest(norm.cdf(drawn[:, row, column]), "uniform").pvalue > 1e-3


def test_correlation_by_distance_does_not_depend_on_the_grid() -> None:
    asked = spectrum((5, 0.5), (9, 0.5))

    def correlation(size: tuple[int, int]) -> list[float]:
        drawn = fields(asked, size, 60)[0]
        return [float((drawn[:, :, lag:] * drawn[:, :, : -lag or None]).mean()) for lag in (3, 9, 20)]

    assert correlation((150, 160)) == pytest.approx(correlation((240, 300)), abs=0.06)


def test_a_share_without_a_wave_on_a_small_grid_is_not_lost() -> None:
    drawn = fields(spectrum((2, 0.6), (12, 0.4)), (20, 24), 800)[0]  # waves of 128 to 256 pixels
    assert drawn.var() == pytest.approx(1, abs=0.1)
    assert drawn.mean((1, 2)).var() == pytest.approx(0.6, abs=0.1)


def test_lead_times_remember_the_one_before() -> None:
    drawn = fields(spectrum((8, 1.0)), (64, 64), 40, leads=3)
    assert drawn.var(axis=(1, 2, 3)) == pytest.approx([1, 1, 1], abs=0.05)
    assert (drawn[0] * drawn[1]).mean() == pytest.approx(0.8, abs=0.05)
    assert (drawn[0] * drawn[2]).mean() == pytest.approx(0.64, abs=0.05)


def test_channels_are_mixed() -> None:
    mixture = np.linalg.cholesky(np.array([[1.0, -0.7], [-0.7, 1.0]]))
    (drawn,) = draw(np.tile(spectrum((8, 1.0)), (2, 1, 1)), np.zeros((2, 0, BANDS)), mixture, (64, 64), 40, 0)
    assert drawn.var(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=0.05)
    assert (drawn[0] * drawn[1]).mean() == pytest.approx(-0.7, abs=0.05)


def test_the_same_seed_gives_the_same_fields_and_another_others() -> None:
    asked = spectrum((8, 1.0))
    np.testing.assert_array_equal(fields(asked, (32, 32), 3, seed=5), fields(asked, (32, 32), 3, seed=5))
    assert abs(np.corrcoef(fields(asked, (32, 32), 3, 5).ravel(), fields(asked, (32, 32), 3, 6).ravel())[0, 1]) < 0.3
    # A member is the same, however many there are.
    np.testing.assert_array_equal(fields(asked, (32, 32), 3, seed=5)[:, :2], fields(asked, (32, 32), 2, seed=5))


def test_the_periodic_grid_is_larger() -> None:
    rows, columns = periodic_size(765, 40)
    assert 765 + 128 <= rows < 1000
    assert 80 <= columns < 100


def test_ranks_are_those_of_a_sort() -> None:
    values = np.random.default_rng(0).integers(0, 9, (7, 40, 50)).astype(np.float32)
    np.testing.assert_array_equal(ranks(values), rankdata(values, method="ordinal", axis=0) - 1)
    np.testing.assert_array_equal(in_order(np.sort(values, axis=0), ranks(values)), values)
