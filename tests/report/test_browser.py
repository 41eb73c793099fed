"""The report in a real browser: its slider, its keyboard, its animation, and that it loads nothing."""

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nextframe.forecasting.forecast import Forecast
from nextframe.report.html import write_report
from nextframe.verification.example import Example
from nextframe.verification.result import Verification

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # without which root cannot start it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    # It looks for nothing on the network of its own accord.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 30  # seconds; a cold start on a busy machine takes several
PAST, LEADS, HEIGHT, WIDTH = 3, 2, 6, 8
BEFORE = ("2 before the last frame seen", "1 before the last frame seen", "last frame seen")
COMMAND = "nextframe verify runs/radar --thresholds 0.5,2 --baselines persistence,extrapolation --out 'two  spaces'"
ALL = "[...document.querySelectorAll('#player .panels figure')]"
WHEN, PLAY, SLIDER, EXAMPLE = (
    f"document.querySelector('#player .{name}')" for name in ("when", "play", "frame", "example")
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the report with")


def example(seed: int) -> Example:
    draw = np.random.default_rng(seed)
    past, truth = (draw.random((n, 1, HEIGHT, WIDTH), dtype=np.float32) for n in (PAST, LEADS))
    values = {"model": (truth + past[-1]) / 2, "persistence": past[-1:].repeat(LEADS, axis=0)}
    forecasts = [Forecast(values=found, forecaster=name, source=f"movie {seed}") for name, found in values.items()]
    return Example(past=past, truth=truth, forecasts=forecasts)


EXAMPLES = [example(0), example(1)]


class Browser:
    """A page in headless Chromium, driven by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol)
    over a pipe: JSON messages, each ended by a zero byte, that Chromium reads from file descriptor 3 and writes to 4.
    """

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        moved = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >&2'
        command = ["sh", "-c", moved, CHROMIUM, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self.received = b""
        self.number = 0
        self.session: dict[str, str] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            found = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self.session = {"sessionId": found["sessionId"]}
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let it end by itself, so that no part of it still writes into its profile."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.session = {}
            self.call("Browser.close")
            self.process.wait(PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            pass  # it ended before it could answer, or does not answer any more
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **self.session}
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.number:
            self.events.append((answer["method"], answer["params"]))
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while b"\0" not in self.received:
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                raise TimeoutError(f"no word from {CHROMIUM} for {PATIENCE} s")
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise ConnectionError(f"{CHROMIUM} ended with {self.process.wait(PATIENCE)}")
            self.received += part
        message, _, self.received = self.received.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, path: Path) -> None:
        self.ask("window.left = true")  # the page before, which may be the same one
        self.call("Page.navigate", url=path.as_uri())
        self.wait("window.left === undefined && document.readyState === 'complete'")
        self.wait("document.querySelector('canvas') !== null")

    def ask(self, expression: str) -> Any:
        """What a piece of JavaScript gives; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(0.02)

    def hear(self, event: str, word: str) -> None:
        """Wait for an event that has a word in it."""
        end = time.monotonic() + PATIENCE
        while not any(name == event and word in str(found) for name, found in self.events):
            assert time.monotonic() < end, f"never heard: {event} with {word}"
            self.ask("0")

    def press(self, key: str) -> None:
        code = {"ArrowRight": 39, "ArrowDown": 40, "Home": 36, "Tab": 9, " ": 32}[key]
        text = {"text": " "} if key == " " else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def box(self, selector: str, n: int = 0) -> tuple[float, float, float, float]:
        """Left, top, width and height on the screen of an element, after it was scrolled there."""
        element = f"document.querySelectorAll({json.dumps(selector)})[{n}]"
        self.ask(f"{element}.scrollIntoView({{block: 'center'}})")
        left, top, width, height = self.ask(f"(b => [b.x, b.y, b.width, b.height])({element}.getBoundingClientRect())")
        return left, top, width, height

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button="left", buttons=1, clickCount=1)

    def pixels(self, selector: str, n: int) -> NDArray[np.int64]:
        """What the screen shows of an element, (height, width, 3)."""
        # Two frames after they were drawn all pictures are on the screen.
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        left, top, width, height = self.box(selector, n)
        shot = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        with Image.open(io.BytesIO(shot)) as image:
            part = image.convert("RGB").crop((round(left), round(top), round(left + width), round(top + height)))
        return np.asarray(part).astype(int)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    scores = {name: {"csi_0.5": [0.9, 0.8], "mse": [0.1, 0.2]} for name in ("model", "persistence")}
    found = Verification(scores=scores, lead_time=[1.0, 2.0], count=2, command=COMMAND, data="movies", machine="one")
    write_report(path, found, examples=EXAMPLES)
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser, report: Path) -> Browser:
    """The report, freshly opened."""
    chromium.call("Emulation.clearDeviceMetricsOverride")
    chromium.events.clear()
    chromium.open(report)
    return chromium


def show(browser: Browser, step: int) -> str:
    """Move the slider to a step by the keyboard alone; the label that it then has."""
    browser.ask(f"{SLIDER}.focus()")
    browser.press("Home")
    for _ in range(step):
        browser.press("ArrowRight")
    label: str = browser.ask(f"{WHEN}.textContent")
    return label


def shown(browser: Browser, name: str) -> NDArray[np.int64]:
    """A picture as the screen shows it, one colour for each of the frame's pixels, (height, width, 3)."""
    number = browser.ask(f"{ALL}.findIndex(figure => figure.textContent.trim() === '{name}')")
    picture = browser.pixels("#player .screen canvas", number)
    rows, columns = (
        np.round((np.arange(size) + 0.5) * side / size - 0.5).astype(int)
        for size, side in zip((HEIGHT, WIDTH), picture.shape[:2], strict=True)
    )
    return picture[np.ix_(rows, columns)]


def sources(browser: Browser) -> dict[str, str]:
    source = "[figure.textContent.trim(), figure.querySelector('canvas').toDataURL()]"
    found: dict[str, str] = browser.ask(f"Object.fromEntries({ALL}.map(figure => {source}))")
    return found


def visible(browser: Browser) -> set[str]:
    """Names of the pictures that are to be seen."""
    seen = f"{ALL}.filter(figure => getComputedStyle(figure).visibility === 'visible')"
    return set(browser.ask(f"{seen}.map(figure => figure.textContent.trim())"))


def shown_by_now(before: dict[str, str]) -> str:
    """A condition: the truth is drawn, and not the one from before."""
    return f"{ALL}[0].querySelector('canvas').toDataURL() !== '{before['truth']}'"


def grey(frame: NDArray[np.float32]) -> NDArray[np.int64]:
    """A frame (1, height, width) of values in 0 to 1 as (height, width, 3) bytes."""
    return np.round(255 * frame[0, ..., None].repeat(3, -1)).astype(int)


@pytest.mark.slow
def test_the_slider_shows_what_was_forecast_for_each_lead_time(browser: Browser) -> None:
    example = EXAMPLES[0]
    for step in range(PAST):
        assert show(browser, step) == BEFORE[step]
        assert np.abs(shown(browser, "truth") - grey(example.past[step])).max() <= 2
        assert visible(browser) == {"truth", "model", "persistence"}, "of what is seen there is no error"
    seen = []
    for lead in range(LEADS):
        assert show(browser, PAST + lead) == f"forecast, lead time {lead + 1}"
        assert browser.ask(f"{SLIDER}.getAttribute('aria-valuetext')") == f"forecast, lead time {lead + 1}"
        truth = example.truth[lead]
        assert np.abs(shown(browser, "truth") - grey(truth)).max() <= 2
        for forecast in example.forecasts:
            assert np.abs(shown(browser, forecast.forecaster) - grey(forecast.values[lead])).max() <= 2
            red, _, blue = np.moveaxis(shown(browser, f"error of {forecast.forecaster}"), -1, 0)
            error = (forecast.values[lead] - truth)[0]
            assert (red > blue)[error > 0.05].all()
            assert (blue > red)[error < -0.05].all()
        seen.append(sources(browser))
    assert visible(browser) == seen[0].keys()
    assert seen[0].keys() == {"truth", "model", "persistence", "error of model", "error of persistence"}
    changed = {name for name in seen[0] if seen[0][name] != seen[1][name]}
    assert changed == seen[0].keys() - {"persistence"}, "persistence forecasts the same frame for every lead time"


@pytest.mark.slow
def test_another_example_has_other_pictures(browser: Browser) -> None:
    show(browser, PAST)
    before = sources(browser)
    browser.ask(f"{EXAMPLE}.focus()")
    browser.press("ArrowDown")
    browser.wait(f"{EXAMPLE}.selectedOptions[0].text === 'movie 1' && {shown_by_now(before)}")
    after = sources(browser)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)
    assert browser.ask(f"{WHEN}.textContent") == "forecast, lead time 1"
    assert np.abs(shown(browser, "truth") - grey(EXAMPLES[1].truth[0])).max() <= 2


def press_the_thumb(browser: Browser) -> None:
    """Take hold of the slider where it stands, at its left end, without moving it."""
    left, top, _, height = browser.box("#player .frame")
    for kind in ("Pressed", "Released"):
        browser.mouse(kind, left + height / 2, top + height / 2)


COUNT_TIMERS = """(() => {
    const [set, clear] = [setInterval, clearInterval];
    window.timers = new Set();
    window.setInterval = (...given) => { const timer = set(...given); timers.add(timer); return timer; };
    window.clearInterval = timer => { clear(timer); timers.delete(timer); };
})()"""
"""Keeps the timers that run, which are what moves an animation, in `timers`."""


@pytest.mark.parametrize(
    "touch",
    [
        press_the_thumb,
        lambda browser: browser.press("Tab"),
        lambda browser: browser.ask(f"{SLIDER}.focus()"),
    ],
    ids=["mouse", "tab", "focus"],
)
@pytest.mark.slow
def test_the_animation_runs_until_the_slider_is_touched(browser: Browser, touch: Callable[[Browser], object]) -> None:
    label = f"{WHEN}.textContent"
    browser.ask(COUNT_TIMERS)
    show(browser, PAST + LEADS - 1)
    browser.ask(f"{PLAY}.focus()")
    browser.press(" ")
    assert browser.ask("timers.size") == 1
    assert browser.ask(f"{PLAY}.textContent") == "Pause"
    browser.wait(f"{label} === '{BEFORE[0]}'")
    touch(browser)
    assert browser.ask("document.activeElement.className") == "frame"
    assert browser.ask(f"{PLAY}.textContent") == "Play"
    assert browser.ask("timers.size") == 0


@pytest.mark.parametrize("width", [400, 1100])
def test_nothing_sticks_out_of_the_page(browser: Browser, width: int) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
    assert browser.ask(f"{WHEN}.getBoundingClientRect().right <= innerWidth")


def test_the_command_can_be_copied_as_it_was_written(browser: Browser) -> None:
    left, top, _, _ = browser.box("code")
    browser.mouse("Pressed", left + 5, top + 5)
    browser.mouse("Released", left + 5, top + 5)
    assert browser.ask("String(getSelection())") == COMMAND


@pytest.mark.slow
def test_the_page_loads_nothing_and_has_nothing_to_complain_about(browser: Browser, report: Path) -> None:
    for step in range(PAST + LEADS):
        show(browser, step)
    browser.ask(f"{EXAMPLE}.focus()")
    browser.press("ArrowDown")
    browser.ask(f"{PLAY}.click()")
    browser.wait(f"{WHEN}.textContent === '{BEFORE[0]}'")
    requests = [found["request"]["url"] for event, found in browser.events if event == "Network.requestWillBeSent"]
    assert {url for url in requests if not url.startswith("data:")} == {report.as_uri()}
    kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    assert [found for event, found in browser.events if event in kinds] == []
    # All of these would have been heard.
    browser.ask("console.error('heard'); setTimeout(() => missing(), 0); fetch('http://127.0.0.1:9/').catch(() => 0)")
    for event, word in zip((*kinds, "Network.requestWillBeSent"), ("heard", "missing", "", "127.0.0.1"), strict=True):
        browser.hear(event, word)
