"""Scores as pandas' table, CSV and LaTeX."""

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from nextframe.verification.result import Verification
from nextframe.verification.tabular import escaped


def scores() -> Verification:
    return Verification(
        scores={
            "run_a": {"csi_0.5": [0.9, 0.8], "fss_0.5_15px": [0.95, 0.9], "mse": [1.0, math.nan]},
            "persistence": {"csi_0.5": [0.7, 0.85], "fss_0.5_15px": [0.9, 0.8], "mse": [2.0, 3.0]},
        },
        lead_time=[5.0, 10.0],
        lead_time_unit="minutes",
        count=5,
        data="radar.nc, test part",
        units=("mm/h",),
        intervals={"run_a": {"csi_0.5": [[0.85, 0.95], [0.7, 0.9]]}},
    )


def test_a_row_for_each_forecaster_score_and_lead_time() -> None:
    frame = scores().to_dataframe()
    assert len(frame) == 2 * 3 * 2
    assert frame.attrs["lead_time_unit"] == "minutes"
    row = frame[(frame.forecaster == "run_a") & (frame.score == "fss_0.5_15px") & (frame.lead_time == 10)].iloc[0]
    assert (row.metric, row.threshold, row.scale_px, row.value) == ("fss", 0.5, 15.0, 0.9)
    assert math.isnan(row.low)
    first = frame[(frame.forecaster == "run_a") & (frame.metric == "csi")].iloc[0]
    assert (first.low, first.high) == (0.85, 0.95)
    wide = frame[frame.metric == "csi"].pivot_table(index="lead_time", columns="forecaster", values="value")
    assert wide.loc[5.0, "persistence"] == 0.7


def test_a_dataset_of_xarray_has_the_same_numbers(tmp_path: Path) -> None:
    dataset = scores().to_xarray()
    assert dict(dataset.sizes) == {"forecaster": 2, "lead_time": 2}
    frame = scores().to_dataframe().set_index(["score", "forecaster", "lead_time"])["value"]
    for (score, forecaster, lead), value in frame.items():
        found = float(dataset[score].sel(forecaster=forecaster, lead_time=lead))
        assert found == value or (math.isnan(found) and math.isnan(value))
    assert float(dataset["csi_0.5_high"].sel(forecaster="run_a", lead_time=5)) == 0.95
    assert math.isnan(dataset["csi_0.5_low"].sel(forecaster="persistence", lead_time=5))
    assert dataset["csi_0.5"].attrs["threshold"] == "0.5"
    dataset.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")


def test_csv_is_read_back(tmp_path: Path) -> None:
    scores().to_csv(tmp_path / "scores.csv")
    frame = pd.read_csv(tmp_path / "scores.csv")
    pd.testing.assert_series_equal(frame["value"], scores().to_dataframe()["value"])
    with (tmp_path / "scores.csv").open() as lines:
        assert "lead_time_minutes" in next(csv.reader(lines))


def test_latex_marks_the_best_and_escapes_names(tmp_path: Path) -> None:
    text = scores().to_latex(tmp_path / "scores.tex")
    assert (tmp_path / "scores.tex").read_text() == text
    assert r"run\_a & \textbf{0.850} & \textbf{1.000} \\" in text
    assert r"persistence & 0.775 & 2.500 \\" in text
    assert text.count(r"\begin{tabular}{lrr}") == text.count(r"\end{tabular}") == 1
    assert r"CSI at 0.5 mm/h $\uparrow$" in text
    by_lead = scores().to_latex(metrics=["csi_0.5"], by_lead_time=True)
    assert r"persistence & 0.700 & \textbf{0.850} & 0.775 \\" in by_lead


@pytest.mark.parametrize(
    ("text", "latex"), [("a_b & 5 %", r"a\_b \& 5 \%"), ("mm²", "mm$^2$"), ("\\x{}", r"\textbackslash{}x\{\}")]
)
def test_special_signs_are_shown(text: str, latex: str) -> None:
    assert escaped(text) == latex
