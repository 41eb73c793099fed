"""The player in a notebook: what its model holds, and the module mounted in a real browser with a stub of it."""

import base64
import sys
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.errors import ConfigError, ShapeError
from nextframe.outputs import widget as home
from nextframe.report.player import script

pytest.importorskip("anywidget", reason="the extra notebook is not installed")

MOVIE = nextframe.open_source("squares:movies=1,frames=12,size=16,seed=5").sequences[0].read(0, 12)
PAST, TRUTH = MOVIE[:7], MOVIE[7:]
SHAPE = TRUTH.shape


def forecast(members: bool = True) -> nextframe.Forecast:
    draw = np.random.default_rng(0)
    drawn = TRUTH + draw.normal(0, 0.2, (6, *SHAPE)).astype(np.float32)
    return nextframe.Forecast(values=drawn.mean(0), members=drawn if members else None, forecaster="mine")


def frames(held: object) -> Any:
    return np.frombuffer(held, "<f4").reshape(-1, *SHAPE[1:])  # type: ignore[call-overload]


def test_the_widget_holds_the_frames_as_bytes() -> None:
    made = forecast()
    other = nextframe.Forecast(values=TRUTH * 0.5, forecaster="other")
    widget = made.widget(past=PAST, truth=TRUTH, beside=["persistence", other], threshold=0.5)
    (shown,) = widget.forecasts
    np.testing.assert_array_equal(frames(shown["values"]), made.values)
    np.testing.assert_array_equal(frames(shown["past"]), PAST)
    np.testing.assert_array_equal(frames(shown["truth"]), TRUTH)
    np.testing.assert_array_equal(frames(shown["probability"]), made.probability(0.5))
    beside = dict(shown["beside"])
    np.testing.assert_array_equal(frames(beside["persistence"]), PAST[-1:].repeat(len(TRUTH), 0))
    np.testing.assert_array_equal(frames(beside["other"]), other.values)
    state = widget.get_state()
    assert state["_esm"] == script("widget")
    assert "class Player" in state["_esm"]
    assert ".player" in state["_css"]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="give past"):
        forecast().widget(beside=["persistence"])
    with pytest.raises(ShapeError, match="truth"):
        forecast().widget(truth=TRUTH[:2])
    with pytest.raises(ConfigError, match="persistense"):
        forecast().widget(past=PAST, beside=["persistense"])


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    home._kind.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ConfigError, match=r"needs anywidget.*nextframe\[notebook\]"):
        forecast().widget()


def test_scores_show_the_examples_that_they_keep() -> None:
    source = nextframe.open_source("squares:movies=3,frames=12,size=16,seed=5")
    skill = nextframe.verify(
        nextframe.Persistence(), source, past=4, lead_times=2, baselines=[], examples=2, progress=False
    )
    shown = skill.widget().forecasts
    assert [one["forecaster"] for one in shown] == ["persistence"] * 2
    for one, example in zip(shown, skill.examples, strict=True):
        np.testing.assert_array_equal(frames(one["truth"]), example.truth)
    assert shown[0]["threshold"] == skill.thresholds[0]
    bare = nextframe.verify(
        nextframe.Persistence(), source, past=4, lead_times=2, baselines=[], examples=0, progress=False
    )
    assert bare == skill, "examples are no part of the scores"
    with pytest.raises(ConfigError, match="examples=3"):
        bare.widget()


STUB = """async ([esm, css, forecasts]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const opened = (value) => Array.isArray(value) ? value.map(opened) : !value || typeof value !== "object" ? value
    : "held" in value ? new DataView(Uint8Array.from(atob(value.held), (letter) => letter.charCodeAt(0)).buffer)
    : Object.fromEntries(Object.entries(value).map(([name, part]) => [name, opened(part)]));
  const listeners = {};
  window.model = {
    state: { forecasts: opened(forecasts) },
    get(name) { return this.state[name]; },
    on(name, listener) { listeners[name] = listener; },
    off(name) { delete listeners[name]; },
    async set(name, value) { this.state[name] = value; await listeners[`change:${name}`]?.(); },
    listeners,
  };
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const el = document.body.appendChild(document.createElement("div"));
  el.id = "output";
  window.cleanup = await module.default.render({ model, el });
}"""


def as_json(value: Any) -> Any:
    """A state as it goes to the browser, its buffers in words."""
    if isinstance(value, memoryview):
        return {"held": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.slow
def test_the_module_is_mounted_and_reads_values() -> None:
    from tests.browser import CHROMIUM, at, launched, opened

    if CHROMIUM is None:
        pytest.skip("no chromium to look at the page with")
    made = forecast()
    state = made.widget(past=PAST, truth=TRUTH, beside=["persistence"]).get_state()
    with launched() as browser, opened(browser, "about:blank", viewport={"width": 900, "height": 1200}) as page:
        page.evaluate("document.body.style.cssText = 'color: #eee; background: #111'")  # a dark notebook
        page.evaluate(STUB, [state["_esm"], state["_css"], as_json(state["forecasts"])])
        assert page.evaluate("output.style.colorScheme") == "dark"
        assert page.locator("#output .example").is_hidden(), "there is but one to choose"
        for lead in (0, 4):
            page.locator(".player .frame").fill(str(len(PAST) + lead))
            for row, column in ((2, 3), (15, 15)):
                told = at(page, row, column, SHAPE[2:])
                value = float(told.partition(": ")[2].partition(";")[0])
                assert value == pytest.approx(made.values[lead, 0, row, column], rel=1e-3)
        captions = page.locator(".player .panels figcaption").all_text_contents()
        assert [text.strip() for text in captions] == [
            *("truth", "mine", "error of mine", "persistence", "error of persistence"),
        ]
        page.evaluate("model.set('forecasts', model.get('forecasts').map((one) => ({ ...one, forecaster: 'newer' })))")
        page.wait_for_selector(".player .name:has-text('newer')")
        page.click(".player .play")
        page.evaluate("cleanup()")
        assert page.evaluate("Object.keys(model.listeners)") == []
