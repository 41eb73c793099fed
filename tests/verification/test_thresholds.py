"""Events by channel, and videos, no value of which is an event."""

from pathlib import Path

import numpy as np
import pytest

import nextframe
from nextframe.data.split import Span, whole_spans
from nextframe.errors import ConfigError
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.report.html import write_report
from nextframe.verification.additive import Settings, Threshold
from nextframe.verification.metrics import measure, scores_of
from nextframe.verification.naming import score_named
from nextframe.verification.thresholds import chosen_thresholds, shows_pictures
from nextframe.verification.titles import default_metrics, title


def weather(frames: int = 30) -> FrameSequence:
    draw = np.random.default_rng(0)
    rain = draw.gamma(0.3, 4.0, (frames, 1, 12, 12))
    temperature = draw.normal(280, 5, (frames, 1, 12, 12))
    values = np.concatenate([rain, temperature], axis=1).astype(np.float32)
    return FrameSequence(values=values, name="weather", variables=("rain", "t2m"), units=("mm/h", "K"))


def clip(values: np.ndarray) -> FrameSequence:
    return FrameSequence(values=values, name="clip")


def test_events_are_counted_channel_by_channel() -> None:
    draw = np.random.default_rng(1)
    truth = draw.normal(0, 1, (2, 3, 2, 8, 8)).astype(np.float32)
    forecast = truth + draw.normal(0, 0.5, truth.shape).astype(np.float32)
    settings = Settings(thresholds=(Threshold(0.5, 0, "rain"), Threshold(0.1, 1, "t_2m")), scales=(3,))
    found = scores_of([part.total() for part in measure(forecast, truth, settings, members=forecast[:, None])])
    for c, key, value in ((0, "rain_0.5", 0.5), (1, "t_2m_0.1", 0.1)):
        alone = Settings(thresholds=(value,), scales=(3,))
        one, other = forecast[:, :, c : c + 1], truth[:, :, c : c + 1]
        expected = scores_of([part.total() for part in measure(one, other, alone, members=one[:, None])])
        for metric in ("csi", "pod", "brier"):
            np.testing.assert_array_equal(found[f"{metric}_{key}"], expected[f"{metric}_{value:g}"])
        np.testing.assert_array_equal(found[f"fss_{key}_3px"], expected[f"fss_{value:g}_3px"])
    named = score_named("fss_t_2m_0.1_3px")
    assert (named.channel, named.threshold, named.scale) == ("t_2m", "0.1", "3")
    assert title("csi_t_2m_0.1", ["mm", "K"]) == "CSI of t_2m at 0.1 ↑"


@pytest.mark.slow
def test_every_variable_has_a_threshold_of_its_own(tmp_path: Path) -> None:
    source = FrameSource(name="weather", sequences=(weather(),))
    found = nextframe.verify(Persistence(), source, past=2, lead_times=2, baselines=("translation",), progress=False)
    names = [name for name in found.scores["persistence"] if name.startswith("csi")]
    assert [score_named(name).channel for name in names] == ["rain", "t2m"]
    assert 270 < found.thresholds[1] < 295  # in K, where one threshold for both would be one of rain
    write_report(tmp_path / "report.html", found)
    assert "(t2m)" in (tmp_path / "report.html").read_text()
    spans = whole_spans(source)
    asked = chosen_thresholds({"t2m": [280, 290]}, spans, pictures=False)
    assert [(float(one), one.variable) for one in asked if isinstance(one, Threshold)] == [(280, "t2m"), (290, "t2m")]
    with pytest.raises(ConfigError, match=r"names no variable.*expected rain, t2m.*received snow"):
        chosen_thresholds({"snow": [1]}, spans, pictures=False)


@pytest.mark.slow
def test_of_a_video_psnr_and_ssim_lead_and_no_brightness_is_an_event() -> None:
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (40, 3, 12, 12)).astype(np.uint8)
    found = nextframe.verify(Persistence(), frames, past=2, lead_times=2, baselines=("translation",), progress=False)
    assert (found.video, found.thresholds) == (True, ())
    assert default_metrics(found) == ["psnr", "ssim", "mse"]
    assert not any(name.startswith(("csi", "fss", "pod")) for name in found.scores["persistence"])
    assert [verdict.metric for verdict in found.verdicts] == ["mse"]
    asked = nextframe.verify(
        Persistence(), frames, past=2, lead_times=2, baselines=(), thresholds=[128], progress=False
    )
    assert default_metrics(asked) == ["psnr", "ssim", "csi_128", "mse"]


@pytest.mark.parametrize(
    ("sequence", "pictures"),
    [
        (clip(np.random.default_rng(0).random((8, 1, 6, 6))), True),
        (clip(np.random.default_rng(0).integers(0, 2, (8, 1, 6, 6)) * 1.0), False),  # a mask
        (clip(np.random.default_rng(0).integers(0, 2, (8, 1, 6, 6)).astype(np.uint8) * np.uint8(255)), False),
        (clip(np.random.default_rng(0).random((8, 1, 6, 6)) * 300), False),  # an amount without its unit
        (weather(8), False),
    ],
)
def test_pictures_are_told_from_masks_and_amounts(sequence: FrameSequence, pictures: bool) -> None:
    assert shows_pictures([Span(sequence, 0, 8)]) is pictures
