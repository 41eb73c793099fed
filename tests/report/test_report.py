"""Tables in every form, the verdict in words, and the HTML page."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from rich.console import Console

from nextframe.api import print_table
from nextframe.forecasting.forecast import Forecast
from nextframe.report.figures import COLOURS, png, skill_curves
from nextframe.report.html import write_report
from nextframe.report.tables import to_markdown
from nextframe.report.verdicts import verdict
from nextframe.verification.example import Example
from nextframe.verification.result import Verification
from nextframe.verification.tabular import csv_text
from nextframe.verification.titles import number, title
from nextframe.words import lead_number


def scores(model: list[float], other: list[float]) -> Verification:
    return Verification(
        scores={
            "model": {"csi_0.5": model, "mse": [1 - m for m in model], "ssim": model},
            "persistence": {"csi_0.5": other, "mse": [1 - m for m in other], "ssim": [math.nan] * len(other)},
        },
        lead_time=[float(n + 1) for n in range(len(model))],
        count=5,
        command="nextframe verify <run>",
        data="squares",
    )


def test_the_table_on_the_terminal_has_every_value() -> None:
    console = Console(file=io.StringIO(), width=100)
    print_table(scores([0.9, 0.8, math.nan], [0.7, 0.85, 0.1]), console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "CSI at 0.5" in text
    for value in ("0.900", "0.850", "0.100", "5 forecasts of squares"):
        assert value in text
    assert re.search(r"^ *3 +- +0\.100", text, re.MULTILINE)


def test_markdown_and_csv() -> None:
    result = scores([0.9, 0.8], [0.7, 0.85])
    text = to_markdown(result, ["csi_0.5"])
    assert "| model | **0.900** | 0.800 | 0.850 |" in text
    assert "| persistence | 0.700 | **0.850** | 0.775 |" in text
    rows = list(csv.DictReader(io.StringIO(csv_text(result))))
    assert len(rows) == 2 * 3 * 2
    assert {row["value"] for row in rows if row["score"] == "ssim" and row["forecaster"] == "persistence"} == {""}


@pytest.mark.parametrize(
    ("model", "other", "words"),
    [
        ([0.9, 0.8], [0.1, 0.2], "beats persistence at every lead time"),
        ([0.1, 0.2], [0.9, 0.8], "loses to persistence at every lead time"),
        ([0.5, 0.5], [0.5, 0.5], "is level with persistence"),
        ([0.9, 0.2], [0.5, 0.8], "beats persistence at lead time 1 only and loses to it at lead time 2 only"),
        ([0.9, 0.8, 0.1], [0.5, 0.7, 0.2], "beats persistence up to lead time 2 and loses to it at lead time 3 only"),
        ([0.1, 0.8, 0.9], [0.5, 0.7, 0.2], "beats persistence from lead time 2 on and loses to it at lead time 1 only"),
        ([0.9, 0.1, 0.9, 0.1], [0.5] * 4, "at lead times 1 and 3 and loses to it at lead times 2 and 4"),
    ],
)
def test_the_verdict_is_honest(model: list[float], other: list[float], words: str) -> None:
    said = verdict(scores(model, other))
    assert words in said
    assert said.endswith("; too few independent forecasts to say whether that is real.")  # it has no interval


def test_titles_and_numbers_say_what_is_meant() -> None:
    assert title("mse", ["kg m-2"]) == "MSE in (kg m-2)² ↓"
    assert title("csi_2", ["mm"]) == "CSI at 2 mm ↑"
    assert title("mae", ["K", "hPa"]) == "MAE ↓"  # channels of different units have no common one
    shown = [number(value) for value in (0.03, 0.5, 451.2, 0.0, math.nan, math.inf, 3e-5)]
    assert shown == ["0.0300", "0.500", "451", "0.000", "-", "∞", "3.00e-05"]
    assert [lead_number(lead) for lead in (30.0, 0.066733, 1440.0, 7.5)] == ["30", "0.0667", "1440", "7.5"]


def test_a_forecaster_alone_has_a_verdict_too() -> None:
    both = scores([0.9, 0.8], [0.1, 0.2])
    alone = Verification(**{**both.__dict__, "scores": {"model": both.scores["model"]}})
    assert verdict(alone) == "By CSI at 0.5, model has 0.900 at the first lead time and 0.800 at the last."


def test_without_any_event_the_verdict_goes_by_the_error() -> None:
    result = scores([0.9, 0.8], [0.1, 0.2])
    empty = {name: {**metrics, "csi_0.5": [math.nan] * 2} for name, metrics in result.scores.items()}
    assert verdict(Verification(**{**result.__dict__, "scores": empty})).startswith("By MSE")


@pytest.mark.slow
def test_curves_are_drawn() -> None:
    picture = png(skill_curves(scores([0.9, 0.8], [0.7, 0.85]), ["csi_0.5", "mse"]))
    assert picture.startswith(b"\x89PNG")


def test_intervals_are_bands_in_the_colour_of_their_curve() -> None:
    bounds = [(0.85, 0.95), (0.7, 0.9), (0.5, 0.6)]
    figure = skill_curves(
        scores([0.9, 0.8, 0.55], [0.7, 0.6, 0.5]), ["csi_0.5", "mse"], intervals={"model": {"csi_0.5": bounds}}
    )
    panel, other = figure.axes
    (band,) = panel.collections
    assert not other.collections
    corners = np.unique(np.round(np.asarray(band.get_paths()[0].vertices), 6), axis=0)
    assert corners.tolist() == [[lead + 1.0, bound] for lead, pair in enumerate(bounds) for bound in pair]
    assert np.asarray(band.get_facecolor())[0] == pytest.approx(to_rgba(COLOURS[0], 0.15))
    assert panel.lines[0].get_color() == COLOURS[0]


@pytest.mark.slow
def test_intervals_without_bounds_draw_nothing() -> None:
    result = scores([0.9, 0.8], [0.7, 0.85])
    nothing = {"model": {"csi_0.5": [(math.nan, math.nan)] * 2}}
    assert png(skill_curves(result, ["csi_0.5"], intervals=nothing)) == png(skill_curves(result, ["csi_0.5"]))


def examples() -> list[Example]:
    draw = np.random.default_rng(0)
    truth = draw.random((2, 1, 12, 14)).astype(np.float32)
    return [
        Example(
            past=draw.random((3, 1, 12, 14)).astype(np.float32),
            truth=truth,
            forecasts=[
                Forecast(values=truth * factor, forecaster=name, source=f"<movie {n}>")
                for factor, name in ((0.9, "model"), (0.5, "persistence"))
            ],
        )
        for n in range(2)
    ]


class Links(HTMLParser):
    """Collects everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


@pytest.mark.slow
def test_the_page_stands_alone_and_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, scores([0.9, 0.8], [0.7, 0.85]), examples=examples(), title="A <title>")
    text = path.read_text(encoding="utf-8")
    parser = Links()
    parser.feed(text)
    assert all(link.startswith(("#", "data:")) for link in parser.links)
    assert "A &lt;title&gt;" in text
    assert "nextframe verify &lt;run&gt;" in text
    assert "beats persistence at lead time 1 only and loses to it at lead time 2 only" in text
    for value in ("0.900", "0.850", "0.775"):
        assert value in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    found = json.loads(data.group(1))
    assert [example["shape"] for example in found] == [[2, 1, 12, 14]] * 2
    assert found[0]["forecaster"] == "model"
    assert [name for name, _ in found[0]["beside"]] == ["persistence"]
    assert all(found[0][part] for part in ("past", "truth", "values", "errors"))


@pytest.mark.slow
def test_a_metric_without_any_value_is_named_and_not_drawn(tmp_path: Path) -> None:
    result = scores([0.9, 0.8], [0.7, 0.85])
    for metrics in result.scores.values():
        metrics["ssim"] = [math.nan] * 2  # type: ignore[index]
    write_report(tmp_path / "report.html", result)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Without a value at any lead time: SSIM ↑." in text
    assert text.count("SSIM ↑") == 1
    assert re.findall(r'<h3 id="table-\d">(\S+)', text) == ["CSI", "MSE"]


@pytest.mark.slow
def test_the_facts_say_units_only_where_there_are_some(tmp_path: Path) -> None:
    plain = scores([0.9], [0.7])
    for result, words in ((plain, "<dd>0.5</dd>"), (replace(plain, units=["mm"]), "<dd>0.5 mm</dd>")):
        write_report(tmp_path / "report.html", result)
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert words in text
        assert "<dt>machine</dt>" not in text  # of which these scores know nothing


@pytest.mark.slow
def test_texts_of_files_are_shown_as_they_are(tmp_path: Path) -> None:
    result = replace(scores([0.9, 0.8], [0.7, 0.85]), units=["[mm/h] $\\degC$ [/]"], data="[bold]\x1b[31m.nc")
    named = {"[/]_$x$": result.scores["model"], "_hidden": result.scores["persistence"]}
    result = replace(result, scores=named, notes=["[red]a note[/red]"])
    console = Console(file=io.StringIO(), width=200)
    print_table(result, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("[mm/h] $\\degC$ [/]", "[/]_$x$", "[bold]", "[red]a note[/red]"):
        assert words in text
    assert "\x1b" not in text
    assert png(skill_curves(result, ["mse"])).startswith(b"\x89PNG")
    write_report(tmp_path / "report.html", result)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "[mm/h] $\\degC$ [/]" in page
    assert "\x1b" not in page


@pytest.mark.slow
def test_a_name_of_a_file_ends_no_script(tmp_path: Path) -> None:
    shown = examples()
    shown[0] = replace(shown[0], forecasts=[replace(made, source="<!--<script>") for made in shown[0].forecasts])
    write_report(tmp_path / "report.html", scores([0.9, 0.8], [0.7, 0.85]), examples=shown)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data.group(1)
    assert json.loads(data.group(1))[0]["example"] == "<!--<script>"


@pytest.mark.slow
@pytest.mark.parametrize("power", [0.0, math.nan])
def test_spectra_without_power_are_left_out(tmp_path: Path, power: float) -> None:
    curves = {name: [[power] * 3] * 2 for name in ("truth", "model", "persistence")}
    result = replace(scores([0.9, 0.8], [0.7, 0.85]), spectra={"wavelength": [[6.0, 3.0, 2.0]], **curves})
    write_report(tmp_path / "report.html", result)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Power spectra" not in page
    some = replace(result, spectra={**result.spectra, "model": [[power] * 3, [power, 1.0, 2.0]]})
    write_report(tmp_path / "report.html", some)
    assert "Power spectra" in (tmp_path / "report.html").read_text(encoding="utf-8")
