"""Published protocols against plain re-implementations of what their code does, and small cases by hand."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from scipy.integrate import quad
from scipy.stats import norm
from skimage.metrics import structural_similarity

import nextframe
from nextframe.api import grade_file
from nextframe.errors import ConfigError
from nextframe.frames.sequence import FrameSequence
from nextframe.report.tables import score_tables
from nextframe.verification.additive import Settings, join
from nextframe.verification.protocol_data import applied
from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.verification.protocol_sums import ProtocolSums
from nextframe.verification.protocols import PROTOCOLS, Applied, named
from nextframe.verification.result import Verification

SEVIR = (16, 74, 133, 160, 181, 219)
Frames = NDArray[np.float32]


def fields(largest: float, *, size: tuple[int, int] = (32, 48), seed: int = 0, bytes_: bool = True) -> Frames:
    """Forecast and truth (2, B, K, C, H, W), smooth enough to have hits, with every kind of value."""
    random = np.random.default_rng(seed)
    coarse = random.random((2, 3, 4, 1, size[0] // 4, size[1] // 4))
    coarse[1] = 0.6 * coarse[0] + 0.4 * coarse[1]
    fine = np.kron(coarse, np.ones((4, 4))) * random.uniform(0.8, 1, (2, 3, 4, 1, *size))
    values = fine * largest
    return (np.floor(values) if bytes_ else values).astype(np.float32)


def scores(said: Frames, came: Frames, protocol: Applied, members: Frames | None = None) -> dict[str, float]:
    sums = ProtocolSums.each(said, came, Settings(protocol=protocol), members=members).total()
    return {name: float(value) for name, value in sums.scores().items()}


def counts(said: NDArray[Any], came: NDArray[Any], threshold: float) -> tuple[int, int, int, int]:
    """Hits, misses, false alarms, correct negatives, pixel by pixel; NaN on either side is none of the first three."""
    hits = misses = alarms = negatives = 0
    for f, o in zip(said.ravel().tolist(), came.ravel().tolist(), strict=True):
        if math.isnan(f) or math.isnan(o):
            continue
        hits += f >= threshold and o >= threshold
        misses += f < threshold and o >= threshold
        alarms += f >= threshold and o < threshold
        negatives += f < threshold and o < threshold
    return hits, misses, alarms, negatives


def pool(frames: NDArray[Any], size: int, reduce: Callable[[Any], float], *, edges: bool) -> NDArray[Any]:
    """Blocks of the last two axes, one after the other; NaN where one lacks a value."""
    height, width = frames.shape[-2:]
    rows, columns = ((-(-n // size) if edges else n // size) for n in (height, width))
    blocks = np.empty((*frames.shape[:-2], rows, columns))
    for place in np.ndindex(blocks.shape):
        *leading, y, x = place
        block = frames[(*leading, slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size))]
        blocks[place] = math.nan if np.isnan(block).any() else reduce(block)
    return blocks


def with_gaps(values: Frames, seed: int = 1) -> Frames:
    values = values.copy()
    values[np.random.default_rng(seed).random(values.shape) < 0.02] = np.nan
    return values


@pytest.mark.parametrize("gaps", [False, True])
def test_earthformer_counts_one_table_over_all_lead_times(gaps: bool) -> None:
    said, came = with_gaps(fields(255)) if gaps else fields(255)
    found = scores(said, came, named("earthformer"))
    csi = []
    for threshold in SEVIR:
        hits, misses, alarms, _ = counts(said, came, threshold)
        csi.append(hits / (hits + misses + alarms + 1e-4))
        assert found[f"csi_{threshold}"] == pytest.approx(csi[-1])
        assert found[f"pod_{threshold}"] == pytest.approx(hits / (hits + misses + 1e-4))
        assert found[f"sucr_{threshold}"] == pytest.approx(hits / (hits + alarms + 1e-4))
        assert found[f"bias_{threshold}"] == pytest.approx((hits + alarms) / (hits + misses))
        logbias = ((hits + alarms) / (hits + misses + 1e-4) / math.log(2)) ** 2
        assert found[f"logbias_{threshold}"] == pytest.approx(logbias)
    assert 0.05 < min(csi) < max(csi) < 1
    assert found["csi_mean"] == pytest.approx(np.mean(csi))
    error = (said - came).astype(np.float64) / 255
    if not gaps:
        assert found["mse"] == pytest.approx((error**2).mean())
        assert found["mae"] == pytest.approx(np.abs(error).mean())
    else:
        frames = [e[np.isfinite(e)] for e in error.reshape(12, -1)]
        assert found["mse"] == pytest.approx(np.mean([(e**2).mean() for e in frames]))


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [False, True])
def test_cascast_pools_by_maximum_and_mean(gaps: bool) -> None:
    said, came = fields(255, size=(36, 52), seed=2)  # which 16 does not divide: edges are dropped
    if gaps:
        said, came = with_gaps(said), with_gaps(came, 3)
    found = scores(said, came, named("cascast"))
    for kind, reduce in (("max", np.max), ("mean", np.mean)):
        for size in (4, 16):
            forecast, truth = (pool(part, size, reduce, edges=False) for part in (said, came))
            each = []
            for threshold in SEVIR:
                hits, misses, alarms, _ = counts(forecast, truth, threshold)
                each.append(hits / (hits + misses + alarms + 1e-4))
                assert found[f"csi_{kind}{size}_{threshold}"] == pytest.approx(each[-1])
                observed = hits + misses
                bias = (hits + alarms) / observed if observed else math.nan
                if not observed and hits + alarms:
                    bias = math.inf
                assert found[f"bias_{kind}{size}_{threshold}"] == pytest.approx(bias, nan_ok=True)
            assert found[f"csi_{kind}{size}_mean"] == pytest.approx(np.mean(each))
    hits, misses, alarms, negatives = counts(said, came, 133)
    chance = (hits + misses) * (misses + negatives) + (hits + alarms) * (alarms + negatives)
    assert found["hss_133"] == pytest.approx(2 * (hits * negatives - misses * alarms) / (chance + 1e-4))
    if not gaps:
        assert found["mse"] == pytest.approx((((said - came).astype(np.float64) / 255) ** 2).mean())
        assert found["ssim"] == pytest.approx(np.mean([gaussian_ssim(f, o, 255) for f, o in pairs(said, came)]))


def pairs(said: Frames, came: Frames) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Frames (H, W), one after the other."""
    size = said.shape[-2:]
    return list(zip(*(part.reshape(-1, *size).astype(np.float64) for part in (said, came)), strict=True))


def gaussian_ssim(said: NDArray[np.float64], came: NDArray[np.float64], largest: float) -> float:
    """By the paper: 11 x 11 weights of sigma 1.5, window by window."""
    offsets = np.arange(-5, 6)
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    found = []
    for y in range(5, said.shape[0] - 5):
        for x in range(5, said.shape[1] - 5):
            f, o = (part[y - 5 : y + 6, x - 5 : x + 6] for part in (said, came))
            mf, mo = (weights * f).sum(), (weights * o).sum()
            sf, so = (weights * f * f).sum() - mf**2, (weights * o * o).sum() - mo**2
            both = (weights * f * o).sum() - mf * mo
            found.append((2 * mf * mo + c1) * (2 * both + c2) / ((mf**2 + mo**2 + c1) * (sf + so + c2)))
    return float(np.mean(found))


def test_cascast_takes_members_for_a_normal_distribution() -> None:
    random = np.random.default_rng(4)
    members = random.integers(0, 255, (1, 6, 1, 1, 4, 4)).astype(np.float32)
    came = random.integers(0, 255, (1, 1, 1, 4, 4)).astype(np.float32)
    found = scores(members.mean(1), came, named("cascast"), members)
    scaled = members[0].astype(np.float64) / 255
    each = []
    for y in range(4):
        for x in range(4):
            mean, spread = scaled[:, 0, 0, y, x].mean(), scaled[:, 0, 0, y, x].std(ddof=1)
            o = float(came[0, 0, 0, y, x]) / 255
            below = quad(lambda v, m=mean, s=spread: norm.cdf(v, m, s) ** 2, -3, o)[0]
            above = quad(lambda v, m=mean, s=spread: norm.sf(v, m, s) ** 2, o, 4)[0]
            each.append(below + above)
    assert found["crps"] == pytest.approx(np.mean(each), rel=1e-5)
    block = scaled[:, 0, 0].max((1, 2))
    one = Applied(protocol=named("cascast").protocol, data=named("cascast").data)
    same = np.repeat(block.astype(np.float32) * 255, 16).reshape(1, 6, 1, 1, 4, 4)
    flat = np.full_like(came, came.max())
    assert found["crps_max4"] == pytest.approx(scores(same.mean(1), flat, one, same)["crps"], rel=1e-5)


def test_the_crps_of_a_single_forecast_is_its_absolute_error() -> None:
    said, came = fields(255, seed=5)
    found = scores(said, came, named("cascast"))
    assert found["crps"] == pytest.approx(np.abs((said - came).astype(np.float64) / 255).mean(), abs=1e-8)


@pytest.mark.parametrize("name", ["sevir", "meteonet", "shanghai", "cikm"])
@pytest.mark.parametrize("gaps", [False, True])
def test_diffcast_averages_the_scores_of_lead_times(name: str, gaps: bool) -> None:
    protocol = named(f"diffcast:{name}")
    full, thresholds = protocol.data.full, protocol.data.thresholds
    said, came = fields(full * 0.999, size=(20, 28), seed=6, bytes_=False)  # edges that count
    came[:, 3] *= 0.1  # no event at the last lead time
    said[:, 3] *= 0.1
    if gaps:
        said, came = with_gaps(said), with_gaps(came, 7)
    found = scores(said, came, protocol)
    csi_of_all = []
    for threshold in thresholds:
        csi, far, hss = [], [], []
        for k in range(4):
            # The published code cuts off what follows the point, which moves no value over a whole threshold.
            hits, misses, alarms, negatives = counts(np.floor(said[:, k]), np.floor(came[:, k]), threshold)
            csi.append(hits / (hits + misses + alarms) if hits + misses + alarms else 0)
            far.append(alarms / (hits + alarms) if hits + alarms else 0)
            chance = (hits + misses) * (misses + negatives) + (hits + alarms) * (alarms + negatives)
            hss.append(2 * (hits * negatives - misses * alarms) / chance if chance else 0)
        key = f"{threshold:g}"
        assert found[f"csi_{key}"] == pytest.approx(np.mean(csi))
        assert found[f"far_{key}"] == pytest.approx(np.mean(far))
        assert found[f"hss_{key}"] == pytest.approx(np.mean(hss))
        csi_of_all.append(np.mean(csi))
        for size in (4, 16):
            forecast, truth = (pool(np.floor(part), size, np.max, edges=True) for part in (said, came))
            hits, misses, alarms, _ = counts(forecast, truth, threshold)
            events = hits + misses + alarms
            assert found[f"csi_max{size}_{key}"] == pytest.approx(hits / events if events else math.nan, nan_ok=True)
    assert found["csi_mean"] == pytest.approx(np.mean(csi_of_all))
    if gaps:
        return
    errors = [(f - o) for f, o in pairs(said, came)]
    squared = [(e**2).mean() for e in errors]
    assert found["mse"] == pytest.approx(np.mean(squared))
    assert found["mae"] == pytest.approx(np.mean([np.abs(e).mean() for e in errors]))
    assert found["rmse"] == pytest.approx(np.mean(np.sqrt(squared)))
    assert found["psnr"] == pytest.approx(np.mean([20 * np.log10(full / np.sqrt(s)) for s in squared]))
    assert found["ssim"] == pytest.approx(np.mean([gaussian_ssim(f, o, full) for f, o in pairs(said, came)]))


def test_diffcast_cuts_values_to_the_range_of_the_data_set() -> None:
    said, came = fields(255, seed=8)
    over = said * 1.5 - 40
    plain, cut = scores(np.clip(over, 0, 255), came, named("diffcast")), scores(over, came, named("diffcast"))
    assert cut == plain


@pytest.mark.parametrize("channels", [1, 2])
def test_openstl_sums_over_pixels_and_takes_ssim_of_a_range_of_two(channels: int) -> None:
    random = np.random.default_rng(9)
    came = random.random((3, 4, channels, 16, 17)).astype(np.float32)
    said = (came + random.normal(0, 0.3, came.shape)).astype(np.float32)  # beyond 0..1 now and then
    found = scores(said, came, named("openstl"))
    error = said.astype(np.float64) - came
    assert found["mse"] == pytest.approx((error**2).mean((0, 1)).sum(), rel=1e-6)
    assert found["mae"] == pytest.approx(np.abs(error).mean((0, 1)).sum(), rel=1e-6)
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean((0, 1)).sum()), rel=1e-6)
    cut = np.clip(said, 0, 1)
    ssim, psnr = [], []
    for b in range(3):
        for k in range(4):
            f, o = (part[b, k].swapaxes(0, 2).astype(np.float64) for part in (cut, came))
            similarity: Any = structural_similarity
            ssim.append(similarity(f, o, channel_axis=-1, data_range=2))
            psnr.append(20 * np.log10(1 / np.sqrt(((f - o) ** 2).mean())))
    assert found["ssim"] == pytest.approx(np.mean(ssim))
    assert found["psnr"] == pytest.approx(np.mean(psnr))
    assert "csi_mean" not in found


def test_openstl_leaves_out_what_is_missing() -> None:
    came = np.zeros((1, 2, 1, 16, 16), np.float32)
    said = np.full_like(came, 0.5)
    said[0, 0, 0, 0, :8] = np.nan
    came[0, 1] = np.nan
    found = scores(said, came, named("openstl"))
    assert found["mse"] == pytest.approx(0.25 * 256)  # of one frame, as if it were whole
    assert found["psnr"] == pytest.approx(20 * np.log10(2))
    assert math.isfinite(found["ssim"])


def test_by_hand() -> None:
    came = np.array([[[[[74, 73, 220, 0]]]]], np.float32)
    said = np.array([[[[[74, 90, 0, 0]]]]], np.float32)
    found = scores(said, came, named("earthformer"))
    assert found["csi_74"] == pytest.approx(1 / (3 + 1e-4))  # a hit, a false alarm, a miss
    assert found["csi_219"] == 0
    assert found["bias_74"] == pytest.approx(1)
    assert found["bias_219"] == 0
    assert found["csi_160"] == 0
    assert found["mse"] == pytest.approx((17**2 + 220**2) / 4 / 255**2)


def test_an_event_may_have_to_exceed_its_threshold() -> None:
    came = np.array([[[[[74, 75]]]]], np.float32)
    protocol = named("earthformer")
    above = replace(protocol, protocol=replace(protocol.protocol, event=">"))
    assert scores(came, came, protocol)["csi_74"] == pytest.approx(1, abs=1e-4)
    tables = ProtocolSums.each(came, came, Settings(protocol=above))
    assert tables.hits[0, 0, 1].tolist() == [1]


@pytest.mark.parametrize(
    ("name", "scale", "data_range"),
    [("earthformer", 1 / 255, 1.0), ("diffcast:shanghai", 255 / 90, 255.0), ("diffcast:meteonet", 1 / 90, 1.0)],
)
def test_plain_numbers_are_brought_to_the_data_sets_unit(name: str, scale: float, data_range: float) -> None:
    protocol = named(name)
    own = np.array(protocol.data.thresholds, np.float32).reshape(1, 1, 1, 1, -1)
    frames = (own * np.float32(scale)).astype(np.float32)
    brought = applied(name, FrameSequence(values=frames[0], name="plain"), data_range)
    assert brought is not None
    hits = ProtocolSums.each(frames, frames, Settings(protocol=brought)).hits[0, 0, :, 0]
    assert hits.tolist() == list(range(len(protocol.data.thresholds), 0, -1))  # each reaches its own threshold


def test_frames_in_another_unit_are_refused() -> None:
    values = np.zeros((4, 1, 8, 8), np.float32)
    rain = FrameSequence(values=values, name="rain", units=("mm/h",))
    with pytest.raises(ConfigError, match="diffcast:meteonet"):
        applied("diffcast", rain, 30.0)
    echo = FrameSequence(values=values, name="echo", units=("dBZ",))
    kept = applied("diffcast:meteonet", echo, 60.0)
    assert kept is not None
    assert kept.factor == 1
    with pytest.raises(ConfigError, match="range of 60"):
        applied("diffcast:meteonet", FrameSequence(values=values, name="plain"), 60.0)


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="earthformer, cascast, diffcast, openstl"):
        named("earthfromer")
    with pytest.raises(ConfigError, match="diffcast:shanghai"):
        named("diffcast:shanghia")


@pytest.mark.parametrize("row", PROTOCOLS, ids=lambda row: row.name)
def test_sums_of_parts_are_those_of_the_whole(row: Any) -> None:
    protocol = named(row.name)
    said, came = fields(protocol.data.full, seed=10, bytes_=False)
    settings = Settings(protocol=protocol)
    whole = ProtocolSums.each(said, came, settings)
    parts = join(
        [ProtocolSums.each(said[:1], came[:1], settings), ProtocolSums.each(said[1:], came[1:], settings)], axis=0
    )
    for name, value in whole.total().scores().items():
        np.testing.assert_allclose(parts.total().scores()[name], value, rtol=1e-12)
    drawn = whole.weighed(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])).scores()
    first = ProtocolSums.each(said[:1], came[:1], settings).total().scores()
    for name, value in whole.total().scores().items():
        np.testing.assert_allclose(drawn[name], [value, first[name]], rtol=1e-12)


@pytest.mark.slow
def test_verification_prints_the_protocol_with_every_number(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    movie = np.cumsum(random.normal(0, 20, (60, 1, 24, 24)), 0) + 120
    movie = np.clip(movie, 0, 254).astype(np.uint8)
    verification = nextframe.verify(
        ["persistence"], movie, past=2, lead_times=3, baselines=["translation"], protocol="diffcast", progress=False,
        stride=3, out=tmp_path,
    )  # fmt: skip
    scores_ = verification.protocol
    assert scores_ is not None
    assert scores_.name == "diffcast:sevir"
    assert all(key.startswith("diffcast:sevir.") for each in scores_.scores.values() for key in each)
    truth, last = (
        np.stack([movie[n + 2 : n + 5] for n in range(0, 56, 3)]),
        np.stack([movie[[n + 1]] for n in range(0, 56, 3)]),
    )
    plain = scores(np.repeat(last, 3, 1).astype(np.float32), truth.astype(np.float32), named("diffcast"))
    assert scores_.scores["persistence"]["diffcast:sevir.csi_74"] == pytest.approx(plain["csi_74"])
    low, high = scores_.intervals["persistence"]["diffcast:sevir.csi_74"]
    assert low < plain["csi_74"] < high
    text = io.StringIO()
    Console(file=text, width=250).print(score_tables(verification))
    assert "diffcast:sevir: CSI ↑ (frequency bias → 1)" in text.getvalue()
    assert "diffcast:sevir, max pool 4 CSI at 74" in text.getvalue()
    assert "published with windows of 5 + 20 frames every 5; here of 2 + 3 every 3" in text.getvalue()
    page = (tmp_path / "report.html").read_text()
    assert "By the protocol diffcast:sevir" in page
    frame = verification.to_dataframe()
    row = frame[(frame.score == "diffcast:sevir.csi_max4_74") & (frame.forecaster == "persistence")].iloc[0]
    assert (row.protocol, row.metric, row.pool, row.threshold) == ("diffcast:sevir", "csi", "max 4", 74)
    assert set(frame[frame.protocol == ""].metric) >= {"mse", "ssim"}
    latex = verification.to_latex()
    assert latex.count("diffcast:sevir") >= 4
    assert float(verification.to_xarray()["diffcast:sevir.csi_74"].sel(forecaster="persistence")) == row_value(frame)
    verification.to_xarray().to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    assert (
        "diffcast:sevir.csi_74"
        in json.loads((tmp_path / "verification.json").read_text())["protocol"]["scores"]["persistence"]
    )
    again = Verification.from_json(tmp_path / "verification.json")
    assert again.protocol is not None
    assert again.protocol.scores["persistence"]["diffcast:sevir.csi_74"] == pytest.approx(plain["csi_74"])


def test_tables_of_a_protocol_are_latex_and_say_where_they_are_from() -> None:
    scores_ = {}
    for name, seed in (("run_a", 13), ("persistence", 14)):
        said, came = fields(255, seed=seed)
        scores_[name] = {f"cascast.{k}": v for k, v in scores(said, came, named("cascast")).items()}
    held = ProtocolScores(name="cascast", data="SEVIR", unit="count", source="Gong et al.", scores=scores_)
    text = Verification(scores={"run_a": {"mse": [1.0]}}, lead_time=[1], count=1, protocol=held).to_latex()
    assert r"cascast, max pool 4 & CSI at 16 & CSI at 74" in text
    assert r"run\_a & \textbf{" in text
    assert not {"^", "²", "→"} & set(
        "".join(line for line in text.splitlines() if not line.startswith("%")).replace("$^2$", "")
    )
    assert text.count("Gong et al.") == 6
    empty = [line for line in text.splitlines() if line.startswith("persistence")]
    assert len(empty) == 6


def row_value(frame: Any) -> float:
    found = frame[(frame.score == "diffcast:sevir.csi_74") & (frame.forecaster == "persistence")]
    return float(found.iloc[0].value)


def test_a_forecast_file_is_graded_by_a_protocol(tmp_path: Path) -> None:
    random = np.random.default_rng(12)
    truth = random.integers(0, 255, (6, 16, 16)).astype(np.uint8)
    said = random.integers(0, 255, (3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "truth.npy", truth)
    xr.Dataset({"frame": (("lead_time", "y", "x"), said)}).to_netcdf(tmp_path / "forecast.nc", engine="h5netcdf")
    graded = grade_file(tmp_path / "forecast.nc", tmp_path / "truth.npy", protocol="earthformer").protocol
    assert graded is not None
    expected = scores(said[None, :, None], truth[None, 3:, None].astype(np.float32), named("earthformer"))
    assert graded.scores["forecast"]["earthformer.csi_133"] == pytest.approx(expected["csi_133"])
