"""Ensembles and quantiles, from training to a forecast with probabilities."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import nextframe
from nextframe.cli import main
from nextframe.config import RunConfig
from nextframe.errors import CheckpointError, ConfigError, NextframeWarning
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.rollout import rollout, rollout_outputs
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.losses import elementwise_loss, quantile_loss, similarity_loss
from nextframe.verification.result import Verification

SMALL: dict[str, Any] = {"filters": (4,), "epochs": 1, "batch_size": 4, "past": 3, "future": 3, "progress": False}
SQUARES = "squares:movies=20,frames=6,size=16"


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "ensemble"
    trained = nextframe.fit(SQUARES, out=run, members=2, **SMALL)
    assert isinstance(trained, EnsembleForecaster)
    return run


@pytest.mark.slow
def test_an_ensemble_is_members_of_different_seeds(ensemble: Path) -> None:
    trained = nextframe.load_run(ensemble)
    assert isinstance(trained, EnsembleForecaster)
    past = nextframe.open_source(SQUARES).sequences[0].read(0, 3)[None]
    forecast, members = trained.raw_distribution(past, 2)
    assert members.shape == (1, 2, 2, 1, 16, 16)
    assert np.abs(members[:, 0] - members[:, 1]).max() > 1e-4
    np.testing.assert_allclose(forecast, members.mean(1))
    alone = ModelForecaster.load(ensemble / "member-1").predict(past, 2)
    np.testing.assert_allclose(members[:, 0], alone)
    seeds = {model.config.training.seed for model in trained.models}
    assert seeds == {0, 1}


def test_an_interrupted_ensemble_is_resumed(ensemble: Path) -> None:
    with pytest.raises(ConfigError, match="already holds a run"):
        nextframe.fit(SQUARES, out=ensemble, members=2, **SMALL)
    before = (ensemble / "member-2" / "model.safetensors").read_bytes()
    nextframe.fit(SQUARES, out=ensemble, members=2, resume=True, **SMALL)
    assert (ensemble / "member-2" / "model.safetensors").read_bytes() == before


def test_an_ensemble_tells_of_probabilities_that_are_not_calibrated(
    ensemble: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = nextframe.load_run(ensemble)
    assert trained.calibration is not None
    known = trained.calibration.lead_times
    movie = nextframe.open_source(SQUARES).sequences[0][:3]
    assert trained.forecast(movie, known).members is not None
    with pytest.warns(NextframeWarning, match=f"own, not calibrated: it is calibrated for {known} lead times"):
        further = trained.forecast(movie, known + 1)
    assert further.members is not None
    assert len(further.members) == 2
    command = ["forecast", str(ensemble), "--input", SQUARES, "--lead-times", str(known + 1), "--exceed", "0.5"]
    assert main([*command, "--out", str(tmp_path / "f.nc")]) == 0
    assert f"it is calibrated for {known} lead times and {known + 1} were asked for" in capsys.readouterr().err


@pytest.mark.slow
def test_probabilities_reach_the_file(ensemble: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "f.nc"
    command = ["forecast", str(ensemble), "--input", SQUARES, "--start", "3", "--lead-times", "3"]
    assert main([*command, "--exceed", "0.3,0.6", "--coverage", "0.8", "--members", "--out", str(out)]) == 0
    with xr.open_dataset(out, engine="h5netcdf") as data:
        probability = data["brightness_probability"]
        assert probability.dims[0] == "threshold"
        assert list(data["threshold"].values) == [0.3, 0.6]
        assert ((probability >= 0) & (probability <= 1)).all()
        assert (probability[0] >= probability[1]).all()
        assert (data["brightness_lower"] <= data["brightness_upper"]).all()
        share = (data["brightness_member"] >= 0.3).mean("member")
        np.testing.assert_allclose(probability[0], share, atol=1e-6)
        assert data["brightness"].attrs["ancillary_variables"].split()[0] == "brightness_probability"
    assert main([*command, "--exceed", "0.5", "--out", str(tmp_path / "f.png")]) == 0
    assert main(["verify", str(out), "--data", SQUARES, "--out", str(tmp_path)]) == 0  # graded with its members
    graded = Verification.from_json(tmp_path / "verification.json")
    assert "crps" in next(iter(graded.scores.values()))
    capsys.readouterr()
    assert main([*command, "--coverage", "0.8", "--out", str(tmp_path / "f.gif")]) == 2
    assert "f.gif: GIF has no place for interval" in capsys.readouterr().err


@pytest.mark.slow
def test_a_verified_ensemble_is_shown_with_and_without_calibration(ensemble: Path) -> None:
    assert main(["verify", str(ensemble), "--baselines", "persistence,climatology", "--no-progress"]) == 0
    found = Verification.from_json(ensemble / "verification.json")
    assert list(found.scores) == ["model", "model, uncalibrated", "persistence", "climatology"]
    assert found.scores["model"]["mse"] == found.scores["model, uncalibrated"]["mse"]
    assert len(found.ranks["model"]) == 20
    assert len(found.ranks["model, uncalibrated"]) == 3
    assert sum(found.ranks["model"]) == pytest.approx(1)
    page = (ensemble / "report.html").read_text()
    for heading in ("Power spectra", "Reliability", "Rank histograms"):
        assert heading in page


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
def test_a_model_of_quantiles_is_trained_and_forecasts(kind: str, tmp_path: Path) -> None:
    trained = nextframe.fit(
        SQUARES,
        kind,
        out=tmp_path / "run",
        quantiles=5,
        loss="quantile",
        rollout_training=0.5,
        **SMALL,
    )
    past = nextframe.open_source(SQUARES).sequences[0].read(0, 3)[None]
    forecast, members = trained.raw_distribution(past, 2)
    assert members.shape == (1, 5, 2, 1, 16, 16)
    assert (np.diff(members, axis=1) >= 0).all()
    np.testing.assert_array_equal(forecast, members[:, 2])
    assert trained.forecast(past[0], 2).probability(0.5).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("model", [StackedConvLSTM, EncoderDecoder])
def test_the_median_is_what_is_fed_back(model: type[StackedConvLSTM] | type[EncoderDecoder]) -> None:
    torch.manual_seed(0)
    network = model(2, (4,), quantiles=3).eval()
    past = torch.rand(1, 4, 2, 6, 6)
    everything = rollout_outputs(network, past, 3)
    assert everything.shape == (1, 3, 6, 6, 6)
    medians = rollout(network, past, 3)
    torch.testing.assert_close(medians, everything[:, :, 2:4])
    frame, state = network.begin(past)
    second, _ = network.step(frame[:, 2:4], state)  # type: ignore[arg-type]
    torch.testing.assert_close(second, everything[:, 1])


def test_quantiles_need_their_loss_and_a_middle() -> None:
    with pytest.raises(ConfigError, match="go together"):
        RunConfig().replace({"quantiles": 5})
    with pytest.raises(ConfigError, match="go together"):
        RunConfig().replace({"loss": "quantile"})
    with pytest.raises(ConfigError, match="odd"):
        RunConfig().replace({"quantiles": 4, "loss": "quantile"})
    with pytest.raises(ConfigError, match="odd"):
        StackedConvLSTM(quantiles=2)


def test_the_quantile_loss_is_smallest_at_the_quantiles() -> None:
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(4000, 1, 1, 1, generator=draw)

    def loss(values: list[float]) -> float:
        forecast = torch.tensor(values).view(1, 3, 1, 1).expand(4000, 3, 1, 1)
        return float(quantile_loss(forecast, truth).mean())

    best = loss([1 / 4, 2 / 4, 3 / 4])
    for other in ([0.15, 0.5, 3 / 4], [1 / 4, 0.6, 3 / 4], [1 / 4, 0.5, 0.85]):
        assert loss(other) > best


def test_the_quantile_loss_of_many_quantiles_is_the_crps() -> None:
    draw = np.random.default_rng(0)
    truth = torch.tensor(draw.normal(size=(1, 1, 4, 4)))
    levels = np.arange(1, 202) / 202
    members = np.quantile(draw.normal(size=100_000), levels)
    forecast = torch.tensor(members).view(1, 201, 1, 1).expand(1, 201, 4, 4)
    pairs = np.abs(members[:, None] - members).mean() / 2
    crps = np.abs(members[:, None, None] - truth.numpy()[0, 0]).mean(0) - pairs
    np.testing.assert_allclose(quantile_loss(forecast, truth)[0, 0], crps, atol=4e-3)


def test_the_similarity_loss_is_that_of_torchmetrics() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 1, 40, 40, generator=draw)
    truth[0, 0, 0, 0, :2] = torch.tensor([0.0, 1.0])  # the range that the constants stand on
    forecast = (truth + 0.2 * torch.rand(truth.shape, generator=draw)).clamp(0, 1)
    valid = torch.ones_like(truth, dtype=torch.bool)
    loss = similarity_loss(forecast, truth, valid)
    similarity = 1 - 2 * (loss - 0.16 * (forecast - truth).abs()) / 0.84
    expected = structural_similarity_index_measure(
        forecast.flatten(0, 1), truth.flatten(0, 1), data_range=1.0, return_full_image=True
    )
    assert isinstance(expected, tuple)
    inner = np.s_[..., 6:-6, 6:-6]  # torchmetrics mirrors at the edges
    torch.testing.assert_close(similarity.flatten(0, 1)[inner], expected[1][inner], atol=2e-5, rtol=1e-4)


def test_missing_values_take_no_part_in_the_similarity() -> None:
    draw = torch.Generator().manual_seed(1)
    truth, forecast = torch.rand(2, 1, 1, 1, 30, 30, generator=draw)
    valid = torch.rand(truth.shape, generator=draw) > 0.3
    one = similarity_loss(torch.where(valid, forecast, 7.0), torch.where(valid, truth, 0.0), valid)
    two = similarity_loss(torch.where(valid, forecast, -3.0), torch.where(valid, truth, 5.0), valid)
    torch.testing.assert_close(one[valid], two[valid])
    logits = forecast.clone().requires_grad_()
    elementwise_loss(logits, truth, "ssim-mae", "linear", valid)[valid].mean().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[~valid].any()


def test_an_ensemble_without_all_its_members_is_refused(ensemble: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ensemble, copy)
    shutil.rmtree(copy / "member-2")
    with pytest.raises(CheckpointError, match="lacks members"):
        nextframe.load_run(copy)


def test_what_is_asked_beyond_calibration_is_said(tmp_path: Path) -> None:
    single = nextframe.fit(SQUARES, out=tmp_path / "run", **SMALL)
    assert single.calibration is not None
    past = nextframe.open_source(SQUARES).sequences[0].read(0, 3)
    assert single.forecast(past, 3).probability(0.5).shape == (3, 1, 16, 16)
    with pytest.raises(ConfigError, match="calibrated for 3 lead times and 5 were asked for"):
        single.forecast(past, 5).probability(0.5)
    with pytest.raises(ConfigError, match="no further than an interval of 90%"):
        single.forecast(past, 3).interval(0.99)


def test_a_damaged_calibration_is_written_again(ensemble: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ensemble, copy)
    (copy / "calibration.json").write_text("{")
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        nextframe.load_run(copy)
    assert main(["calibrate", str(copy)]) == 0
    assert nextframe.load_run(copy).calibration is not None
