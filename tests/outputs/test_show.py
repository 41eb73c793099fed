"""Frames, forecasts, scores and models as people look at them: in a line, as arrays, in a notebook."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nextframe
from nextframe.errors import ShapeError


@pytest.fixture(scope="module")
def model() -> Any:
    return nextframe.load_run("squares-stacked")


@pytest.fixture(scope="module")
def source() -> nextframe.FrameSource:
    return nextframe.open_source("squares:movies=2,seed=7")


@pytest.fixture(scope="module")
def forecast(model: Any, source: nextframe.FrameSource) -> nextframe.Forecast:
    forecast: nextframe.Forecast = model.forecast(source.sequences[0][:7], 3)
    return forecast


class Page(HTMLParser):
    """Tags of a piece of HTML, which are to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.feed(text)
        assert not self.open, text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_everything_says_in_a_line_what_it_is(
    model: Any, source: nextframe.FrameSource, forecast: nextframe.Forecast
) -> None:
    assert repr(source.sequences[0]) == "<FrameSequence squares[0]: 15 frames of 1 x 40 x 40 (brightness)>"
    assert repr(source) == "<FrameSource squares:movies=2,seed=7: 2 sequences, 30 frames of 1 x 40 x 40 (brightness)>"
    assert "3 frames of 1 x 40 x 40" in repr(forecast)
    assert "19 members" in repr(forecast)
    assert "stacked 40-40-40, 291,241 parameters, 8 frames from 7" in repr(model)
    for shown in (source, source.sequences[0], forecast, model):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 300


def test_times_are_said_where_they_are_known() -> None:
    times = np.array(["2019-03-01T06:00", "2019-03-01T06:05", "2019-03-01T06:10"], "datetime64[ns]")
    rain = nextframe.FrameSequence(
        values=np.zeros((3, 1, 4, 4)), name="rain.nc", times=times, variables=("rain",), units=("mm/h",)
    )
    assert repr(rain) == (
        "<FrameSequence rain.nc: 3 frames of 1 x 4 x 4 (rain (mm/h)), 2019-03-01 06:00 to 2019-03-01 06:10, "
        "every 5 min>"
    )
    assert "valid 2019-03-01 06:15 to 2019-03-01 06:20" in repr(nextframe.Persistence().forecast(rain, 2))


def test_an_inspection_is_said_in_a_line() -> None:
    assert repr(nextframe.inspect("squares:movies=2,seed=7")) == (
        "<Inspection of squares:movies=2,seed=7: 30 frames of 1 x 40 x 40 (brightness), 1 problem>"
    )


@pytest.mark.slow
def test_a_figure_without_truth_says_when_a_forecast_is_valid() -> None:
    times = np.array(["2019-03-01T06:00", "2019-03-01T06:05"], "datetime64[ns]")
    rain = nextframe.FrameSequence(
        values=np.zeros((2, 1, 8, 8)), name="rain.nc", times=times, variables=("rain",), units=("mm/h",)
    )
    forecast = nextframe.Persistence().forecast(rain, 2)
    for figure in (forecast.plot(), forecast.plot(past=rain)):
        assert {"+5 min\n06:10 UTC", "+10 min\n06:15 UTC"} <= {panel.get_title() for panel in figure.axes}


def test_a_sequence_is_indexed_and_read_as_an_array(source: nextframe.FrameSource) -> None:
    sequence = source.sequences[0]
    whole = sequence.read(0, 15)
    np.testing.assert_array_equal(sequence[5], whole[5])
    np.testing.assert_array_equal(sequence[-1], whole[14])
    np.testing.assert_array_equal(sequence[np.int64(3)], whole[3])
    np.testing.assert_array_equal(np.asarray(sequence), whole)
    np.testing.assert_array_equal(np.asarray(sequence[2:4], np.float64), whole[2:4])
    assert len(list(sequence)) == 15
    with pytest.raises(IndexError, match="frame 15 of a sequence of 15"):
        sequence[15]


def test_a_forecast_becomes_a_dataset(forecast: nextframe.Forecast) -> None:
    dataset = forecast.to_xarray(exceed=[0.5], coverage=0.8, members=True)
    np.testing.assert_array_equal(dataset.brightness, forecast.values[:, 0])
    assert dataset.brightness.dims == ("lead_time", "y", "x")
    assert {"brightness_probability", "brightness_lower", "brightness_member"} <= set(dataset)


@pytest.mark.slow
def test_a_forecast_is_drawn_and_played(
    forecast: nextframe.Forecast, source: nextframe.FrameSource, tmp_path: Path
) -> None:
    movie = source.sequences[0]
    figure = forecast.plot(past=movie[:7], truth=movie.read(7, 10))
    assert len(figure.axes) == 4 * 3 + 1  # past, truth, forecast, error; and the bar of the errors
    animation = forecast.animate(past=movie[:7], truth=movie[7:10])
    animation.save(tmp_path / "next.gif")
    with Image.open(tmp_path / "next.gif") as gif:
        assert gif.n_frames == 7 + 3  # type: ignore[attr-defined]
    with pytest.raises(ShapeError, match="truth: does not fit the forecast"):
        forecast.plot(truth=movie[7:12])
    with pytest.raises(ShapeError, match="past: does not fit the forecast"):
        forecast.animate(past=np.zeros((7, 20, 20)))


@pytest.mark.slow
@pytest.mark.long
def test_notebooks_show_pictures_and_tables(
    model: Any, source: nextframe.FrameSource, forecast: nextframe.Forecast
) -> None:
    skill = nextframe.verify(
        model, source, past=7, lead_times=2, baselines=["persistence"], limit=2, progress=False, thresholds=[0.5]
    )
    assert len(repr(skill)) < 300
    for shown, pictures in ((forecast, 1), (source, 1), (source.sequences[0], 1), (forecast.animate(), 1), (skill, 0),
                            (model, 0)):  # fmt: skip
        page = Page(shown._repr_html_())
        assert len(page.pictures) == pictures
    assert "<table>" in skill._repr_html_()
    picture: Any = forecast.plot()
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_frames_that_cannot_be_read_are_told_in_a_notebook() -> None:
    values = np.full((3, 1, 8, 8), np.nan)
    broken = nextframe.FrameSequence(values=values, name="<broken>.npy")
    text = broken._repr_html_()
    Page(text)
    assert "holds NaN" in text
    assert "&lt;broken&gt;" in text


def test_a_run_has_its_history(tmp_path: Path, model: Any) -> None:
    assert model.history.empty  # shipped models keep none
    trained = nextframe.fit(
        "squares:movies=8,frames=6,size=16", out=tmp_path / "run", progress=False, past=3, future=3, filters=(2,),
        epochs=2, batch_size=4, train_crop=None, validation=0.25,
    )  # fmt: skip
    history = trained.history
    assert list(history.epoch) == [1, 2]
    assert {"train_loss", "val_loss", "val_rollout_mse"} <= set(history.columns)
    assert "val_rollout_mse" in trained._repr_html_()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
def test_a_notebook_shows_progress_without_widgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    cells = [
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import warnings; warnings.simplefilter('error', UserWarning)\n"
        "import nextframe\n"
        "model = nextframe.fit('squares:movies=8,frames=6,size=16', out='run', past=3, future=3, filters=(2,),\n"
        "    epochs=2, batch_size=4, train_crop=None, validation=0.25)",
        "nextframe.verify(model, 'squares:movies=2,frames=6,size=16,seed=7', baselines=['persistence'])",
        "model.forecast('squares:movies=1,frames=6,size=16', 3)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    # A kernel of this very environment, whatever others are installed.
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "own"}
    (tmp_path / "kernels" / "own").mkdir(parents=True)
    (tmp_path / "kernels" / "own" / "kernel.json").write_text(json.dumps({**spec, "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="own", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [[str(part.get("data", part.get("text", ""))) for part in cell["outputs"]] for cell in notebook["cells"]]
    done = [part for part in outputs[0] if 'value="2" max="2"' in part]
    assert done, outputs[0]
    assert "epoch 2/2, done" in done[0]
    assert any("epoch 1/2" in part for part in outputs[0])
    assert any("<progress" in part for part in outputs[1])
    assert any("<table>" in part for part in outputs[1])
    assert any("data:image/png" in part and "&lt;Forecast by model" in part for part in outputs[2])
    assert not any("ipywidgets" in part for cell in outputs for part in cell)
