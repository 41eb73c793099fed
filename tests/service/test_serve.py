"""The service, over real connections: forecasts, streams, limits, and an end that loses nothing."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.cli import main
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.sequence import FrameSequence
from nextframe.service.follow import Follower
from nextframe.service.service import Service
from nextframe.service.stream import Stream
from tests.service.conftest import BEGIN, FRAMES, STEP
from tests.service.running import (
    Last,
    all_at_once,
    free_port,
    hold_problem,
    httpx,
    npy,
    running,
    service_of,
    until,
)

CODED = "squares-encoder-decoder"


@contextmanager
def served(*arguments: str, paths: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A service of a process of its own, with folders to import from."""
    port = free_port()
    places = os.pathsep.join(filter(None, [paths, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": places}
    command = [sys.executable, "-m", "nextframe", "serve", *arguments, "--port", str(port)]
    process = subprocess.Popen(command, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.TransportError:
                assert process.poll() is None, "the service has ended"
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Models as ONNX, which are served like runs: the stack, and an encoder-decoder, which is two files."""
    folder = tmp_path_factory.mktemp("exported")
    nextframe.export(run, folder / "rain.onnx")
    nextframe.export(CODED, folder / "coded.onnx")
    return [folder / "rain.onnx", folder / "coded.onnx"]


@pytest.fixture(scope="module")
def service(run: Path, exported: list[Path]) -> Iterator[str]:
    with served(str(run), "squares-stacked", *map(str, exported), "--upload", "1") as (address, _):
        yield address


@pytest.mark.slow
def test_an_exported_model_is_served_with_the_forecasts_of_its_run(
    service: str, model: ModelForecaster, exported: list[Path]
) -> None:
    squares = nextframe.open_source("squares:movies=1,frames=10,seed=9").sequences[0].read(0, 10)[:, 0]
    pairs = ((model, FRAMES[:4]), (nextframe.load_run(CODED), squares))
    for path, (own, past) in zip(exported, pairs, strict=True):
        post = f"{service}/forecast?model={path.name}&lead_times=3&format=npy"
        answer = httpx.post(post, content=npy(past), timeout=60)
        assert answer.status_code == 200, answer.text
        served_ = np.load(io.BytesIO(answer.content))
        np.testing.assert_allclose(served_, own.forecast(past, 3).values, rtol=0, atol=1e-4 * float(np.ptp(past)))


@pytest.mark.slow
def test_a_forecast_of_whatever_is_sent(service: str, model: ModelForecaster, arrives: Callable[..., Path]) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]
    expected = model.forecast(FRAMES[:4], 2).values
    post = f"{service}/forecast?model={name}&lead_times=2"
    as_npy = httpx.post(f"{post}&format=npy", content=npy(FRAMES[:4]), timeout=60)
    assert as_npy.status_code == 200, as_npy.text
    np.testing.assert_allclose(np.load(io.BytesIO(as_npy.content)), expected, atol=1e-5)
    as_json = httpx.post(post, json={"frames": FRAMES[:4].tolist()}, timeout=60).json()
    np.testing.assert_allclose(np.array(as_json["values"]), expected, rtol=1e-3, atol=1e-3)
    assert as_json["units"] == ["1"]
    whole = io.BytesIO()
    field = xr.Dataset(
        {"rain": (("time", "y", "x"), FRAMES[:4], {"units": "mm/h"})}, coords={"time": BEGIN + np.arange(4) * STEP}
    )
    field.to_netcdf(whole)
    form = {"file": ("../../etc/passwd.nc", whole.getvalue())}
    answer = httpx.post(post, files=form, headers={"accept": "application/x-netcdf"}, timeout=60)
    assert answer.headers["content-type"] == "application/x-netcdf", answer.text
    with xr.open_dataset(io.BytesIO(answer.content), engine="h5netcdf") as made:
        np.testing.assert_allclose(made.rain, expected[:, 0], atol=1e-5)
        assert made.valid_time.values[0] == BEGIN + 4 * STEP
    gif = httpx.post(f"{post}&format=gif", content=npy(FRAMES[:4]), timeout=60)
    assert gif.content.startswith(b"GIF8")


@pytest.mark.slow
def test_what_cannot_be_answered_is_a_problem(service: str, tmp_path: Path) -> None:
    def refused(status: int, said: str, **request: Any) -> None:
        answer = httpx.post(f"{service}/forecast", timeout=60, **request)
        assert said in hold_problem(answer, status)["detail"]

    refused(422, "no body")
    refused(404, "no model", params={"model": "x"}, content=npy(FRAMES[:4]))
    refused(413, "larger than 1 MiB", content=b"x" * (2 * 2**20))
    refused(413, "larger than 1 MiB", files={"file": ("a.nc", b"x" * (2 * 2**20))})
    refused(422, "format", params={"format": "docx"}, content=npy(FRAMES[:4]))
    refused(422, "lead_times", params={"lead_times": "100000"}, content=npy(FRAMES[:4]))
    refused(422, "no array of numbers", content=b'{"frames": [[1, "a"]]}')
    refused(422, "a.nc: cannot be read", files={"file": ("a.nc", b"CDF\x01 nonsense")})
    pickled = io.BytesIO()
    np.save(pickled, np.array([object()]), allow_pickle=True)
    refused(422, "no array of numbers", content=pickled.getvalue())
    assert httpx.get(f"{service}/nothing").json()["status"] == 404
    assert httpx.get(f"{service}/healthz").status_code == 200


@pytest.mark.slow
def test_a_stream(service: str, model: ModelForecaster) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]
    with httpx.Client(base_url=service, timeout=60) as client, client.stream("GET", "/streams/radar/events") as events:
        lines = events.iter_lines()
        assert next(lines) == ": nextframe"
        for n in range(6):
            time_ = f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z"
            query = {"model": name, "lead_times": "2", "time": time_}
            told = client.post("/streams/radar/frames", params=query, content=npy(FRAMES[n][None])).json()
            assert told["arrival"] == ("first" if n == 0 else "next"), told
            assert told["why"].partition(" ")[0] == ("persistence", "extrapolation", "extrapolation", "")[min(n, 3)]
        event = json.loads(next(line for line in lines if line.startswith("data:")).removeprefix("data:"))
        assert event["forecast"] == "20160711T210000Z"
    latest = httpx.get(f"{service}/streams/radar/forecasts/latest.json").json()
    assert latest["init_time"] == "2016-07-11T21:25:00Z"
    np.testing.assert_allclose(np.array(latest["values"]), model.forecast(FRAMES[2:6], 2).values, rtol=1e-3, atol=1e-3)
    earlier = httpx.get(f"{service}/streams/radar/forecasts/20160711T211500Z.png", timeout=60)
    assert earlier.content.startswith(b"\x89PNG")
    skill = httpx.get(f"{service}/streams/radar/skill").json()["6h"]
    assert skill["forecasts"] == [2, 1], "of those that the model made"
    assert len(skill["scores"]) == 3
    assert httpx.get(f"{service}/streams/none/skill").status_code == 404
    outside = httpx.get(f"{service}/streams/radar/position?lat=1&lon=2")
    assert outside.status_code == 422
    assert "where" in outside.json()["detail"]
    metrics = httpx.get(f"{service}/metrics").text
    assert 'nextframe_frames_total{arrival="next",stream="radar"} 5.0' in metrics
    assert 'nextframe_forecasts_total{by="fallback",stream="radar"} 3.0' in metrics
    assert "nextframe_rolling_score" in metrics
    assert httpx.post(f"{service}/streams/a%2Fb/frames", content=npy(FRAMES[:1])).status_code in (404, 422)


@pytest.mark.slow
def test_a_forecast_of_a_stream_in_every_format(model: ModelForecaster) -> None:
    from nextframe.service.answers import formats

    with running(service_of(Last(model))) as address, httpx.Client(base_url=address, timeout=120) as client:
        for n in range(6):
            query = {"lead_times": "2", "time": f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z"}
            assert client.post("/streams/radar/frames", params=query, content=npy(FRAMES[n][None])).is_success
        latest = "/streams/radar/forecasts/latest"
        for kind in (*formats(), *formats()):
            answer = client.get(f"{latest}.{kind}")
            assert answer.status_code == 200 or (answer.status_code == 422 and kind in ("h5", "grib2")), kind
        told = client.get(f"{latest}.json", params={"past": "true", "beside": "persistence,extrapolation"})
        packed = client.get(f"{latest}.json", params={"past": "true", "beside": "persistence", "packed": "true"})
        assert told.headers["etag"] != packed.headers["etag"] != client.get(f"{latest}.json").headers["etag"]
        shown = told.json()
        assert list(shown["beside"]) == ["persistence", "extrapolation"]
        np.testing.assert_allclose(np.array(shown["beside"]["persistence"])[1, 0], FRAMES[5], rtol=1e-3)
        np.testing.assert_allclose(np.array(shown["past"])[:, 0], FRAMES[2:6], rtol=1e-3)
        assert isinstance(packed.json()["values"], str)
        assert isinstance(packed.json()["beside"]["persistence"], str)
        hold_problem(client.get(f"{latest}.json?beside=persistence"), 422)
        hold_problem(client.get(f"{latest}.json?past=true&beside=nobody"), 422)
        earlier = "/streams/radar/forecasts/20160711T211500Z.json"
        hold_problem(client.get(f"{earlier}?truth=true"), 422)
        asked = {"past": "true", "truth": "true", "beside": "persistence"}
        answer = client.get(earlier, params=asked)
        shown = answer.json()
        for name, frames in {"past": FRAMES[0:4], "truth": FRAMES[4:6]}.items():
            np.testing.assert_allclose(np.array(shown[name])[:, 0], frames, rtol=1e-3)
        np.testing.assert_allclose(np.array(shown["beside"]["persistence"])[1, 0], FRAMES[3], rtol=1e-3)
        last = "/streams/radar/forecasts/20160711T212000Z.json"
        before = client.get(last, params=asked)
        truth = np.array(before.json()["truth"], np.float32)[:, 0]  # of which one frame has come
        np.testing.assert_allclose(truth[0], FRAMES[5], rtol=1e-3)
        assert np.isnan(truth[1]).all()
        assert "truth" not in client.get(f"{latest}.json", params=asked).json()
        query = {"lead_times": "2", "time": f"{(BEGIN + 6 * STEP).astype('datetime64[s]')}Z"}
        assert client.post("/streams/radar/frames", params=query, content=npy(FRAMES[6][None])).is_success
        after = client.get(last, params=asked)
        assert after.headers["etag"] != before.headers["etag"]
        np.testing.assert_allclose(np.array(after.json()["truth"])[:, 0], FRAMES[5:7], rtol=1e-3)


@pytest.mark.slow
def test_a_folder_has_its_newest_forecast_at_once_after_a_restart(
    run: Path, arrives: Callable[..., Path], tmp_path: Path
) -> None:
    for n in range(6):
        incoming = arrives(n).parent
    out = tmp_path / "products"
    folder = ("--watch", str(incoming / "*.nc"), "--out", str(out))
    newest = out / "20160711T212500Z.nc"
    query = {"past": "true", "beside": "persistence"}

    def seen(address: str) -> tuple[Any, ...]:
        with httpx.Client(base_url=f"{address}/streams/watch", timeout=60) as client:
            until(lambda: client.get("/forecasts/latest.json").status_code == 200)
            until(lambda: client.get("/forecasts").json()[-1] == newest.stem)
            shown = client.get("/forecasts/latest.json", params=query).json()
            return client.get("/forecasts/latest.json").json(), shown, client.get("/skill").json()

    with served(str(run), *folder) as (address, process):
        before = seen(address)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    written = newest.stat()
    with served(str(run), *folder) as (address, _):
        assert seen(address) == before, "and its scores with it"
        assert newest.stat() == written, "nothing is written anew"
        assert httpx.get(f"{address}/streams/watch/forecasts").json() == [newest.stem]
        assert 'nextframe_frames_total{arrival="next",stream="watch"}' not in httpx.get(f"{address}/metrics").text
    for path in incoming.iterdir():
        path.unlink()
    with served(str(run), *folder) as (address, _):
        with httpx.Client(base_url=f"{address}/streams/watch", timeout=60) as client:
            until(lambda: client.get("/forecasts/latest.json").status_code == 200)
            told = client.get("/forecasts/latest.json").json()
            for key in ("init_time", "variables", "units", "values"):
                assert told[key] == before[0][key], key
            assert client.get("/skill").json() == before[2]
            assert client.get("/forecasts/latest.png").status_code == 200
            hold_problem(client.get("/forecasts/latest.json", params=query), 409)
        now = newest.stat()
        assert (now.st_ino, now.st_mtime_ns) == (written.st_ino, written.st_mtime_ns), "nothing is written anew"
        arrives(6)
        until(lambda: httpx.get(f"{address}/streams/watch/forecasts").json()[-1] == "20160711T213000Z")


@pytest.mark.slow
def test_a_folder_is_followed_by_the_options_of_watch(
    run: Path, model: ModelForecaster, arrives: Callable[..., Path], tmp_path: Path
) -> None:
    for n in range(6):
        incoming = arrives(n).parent
    out = tmp_path / "products"
    options = ["--format", "npy,png", "--lead-times", "2", "--keep", "10min", "--thresholds", "2.5", "--crop", "none"]
    with served(str(run), "--watch", str(incoming), "--out", str(out), *options) as (address, _):
        newest = "20160711T212500Z"
        until(lambda: newest in httpx.get(f"{address}/streams/watch/forecasts").text)
        until(lambda: sorted(path.suffix for path in out.glob(f"{newest}.*")) == [".npy", ".png"])
        np.testing.assert_allclose(np.load(out / f"{newest}.npy"), model.forecast(FRAMES[2:6], 2).values, atol=1e-5)
        until(lambda: json.loads((out / ".nextframe" / "skill.json").read_text())["time"] == "2016-07-11T21:25:00Z")
        assert json.loads((out / ".nextframe" / "skill.json").read_text())["thresholds"] == [2.5]
        arrives(6)
        until(lambda: not (out / "20160711T211500Z.npy").exists())
        assert (out / "20160711T212000Z.npy").exists(), "ten minutes old, and not older"


def test_options_of_a_folder_need_one(
    run: Path, arrives: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (
        ["--format", "tif"],
        ["--lead-times", "3"],
        ["--keep", "7d"],
        ["--out", "x"],
        ["--rain-unit", "mm/h"],
    ):
        assert main(["serve", str(run), *option]) == 2
        name = option[0][2:].replace("-", "_")
        said = f"nextframe: {name}: is an option of a folder that is followed; give the files of --watch\n"
        assert capsys.readouterr().err == said
    products = str(tmp_path / "products")
    assert main(["serve", str(run), "--watch", "x", "--out", products, "--format", "docx"]) == 2
    assert "no format has this suffix" in capsys.readouterr().err
    assert main(["serve", str(run), "--watch", "x", "--out", products, "--drift", "soon"]) == 2
    assert "drift: is no length of time" in capsys.readouterr().err
    assert not Path(products).exists()


@pytest.mark.slow
def test_gaps_and_late_frames_of_a_folder_are_counted(
    model: ModelForecaster, arrives: Callable[..., Path], tmp_path: Path
) -> None:
    incoming = arrives(0).parent
    follower = Follower(model, str(incoming), tmp_path / "products", formats=("npy",), lead_times=2)
    service = Service(models={"rain": model}, follower=follower)
    with running(service) as address:

        def counted() -> dict[str, float]:
            lines = httpx.get(f"{address}/metrics").text.splitlines()
            counts = (
                re.fullmatch(r'nextframe_frames_total{arrival="(.*)",stream="watch"} (.*)', line) for line in lines
            )
            return {count[1]: float(count[2]) for count in counts if count}

        until(lambda: counted() == {"first": 1})
        for n, expected in (
            (1, {"first": 1, "next": 1}),
            (4, {"first": 1, "next": 1, "gap": 1}),
            (3, {"first": 1, "next": 1, "gap": 1, "late": 1}),
        ):
            arrives(n)
            until(lambda now=expected: counted() == now)  # type: ignore[misc]
        # The model's are those after the gap, of the late frame and, made again, of the one after it; more do not come.
        issued = 'nextframe_forecasts_total{by="model",stream="watch"} 3.0'
        until(lambda: issued in httpx.get(f"{address}/metrics").text)
        assert 'nextframe_forecasts_total{by="fallback",stream="watch"} 2.0' in httpx.get(f"{address}/metrics").text


def test_the_latest_forecast_is_that_of_the_newest_frame(model: ModelForecaster) -> None:
    """Also where that of a late frame comes after it."""
    stream = Stream("watch", "last")
    for n in (4, 5, 3, 0, 6):
        past = FrameSequence(values=FRAMES[:2, None], name="frames", times=BEGIN + (np.arange(2) + n - 1) * STEP)
        forecast = Last(model).forecast(past, 1)
        stream.keep(past, forecast, 4)
        assert stream.past is not None
        assert stream.past.times is not None
        assert stream.past.times[-1] == BEGIN + max(n, 5 if n < 4 else n) * STEP
    assert list(stream.forecasts) == [f"20160711T21{minute}00Z" for minute in ("15", "20", "25", "30")]


def test_what_a_client_accepts_is_answered(model: ModelForecaster) -> None:
    with running(service_of(Last(model))) as address, httpx.Client(base_url=address, timeout=60) as client:

        def answered(accept: str | None) -> Any:
            headers = {} if accept is None else {"accept": accept}
            return client.post("/forecast?lead_times=1", content=npy(FRAMES[:4]), headers=headers)

        for accept, kind in (
            (None, "application/json"),
            ("", "application/json"),
            ("*/*", "application/json"),
            ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
            ("application/x-npy", "application/x-npy"),
            ("application/json;q=0.2, Application/X-NPY; q=0.9", "application/x-npy"),
            ("image/gif;q=0, application/x-npy;q=0.1, text/plain", "application/x-npy"),
            ("application/x-npy, application/json", "application/x-npy"),
            ("application/json, application/x-npy", "application/json"),
            ("*/*, application/x-npy", "application/x-npy"),
            ("application/*", "application/json"),
            ("application/*, application/json;q=0.1, application/x-npy", "application/x-npy"),
            ("image/*", "image/gif"),
            ("image/*, image/gif;q=0.5", "image/png"),
        ):
            answer = answered(accept)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].partition(";")[0] == kind, accept
        for accept in (
            "text/html",
            "application/json;q=0",
            "*/*;q=0",
            "video/webm, image/bmp",
            "application/octet-stream",
        ):
            detail = hold_problem(answered(accept), 406)["detail"]
            assert "application/x-netcdf" in detail, "which there are"
        assert client.post(
            "/forecast?lead_times=1&format=npy", content=npy(FRAMES[:4]), headers={"accept": "text/html"}
        ).is_success, "a name is plainer than a header"


def test_no_other_site_may_read_it(model: ModelForecaster) -> None:
    with running(service_of(Last(model))) as address, httpx.Client(base_url=address, timeout=60) as client:
        origin = {"origin": "https://example.org"}
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        for answer in (
            client.get("/", headers=origin),
            client.get("/models", headers=origin),
            client.post("/forecast?lead_times=1", content=npy(FRAMES[:4]), headers=origin),
            client.get("/streams/none/skill", headers=origin),
            client.options("/forecast", headers={**origin, **asked}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert client.options("/forecast", headers={**origin, **asked}).status_code == 405


def test_it_listens_on_this_machine_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}
    monkeypatch.setattr("nextframe.service.start.start", lambda runs, **options: started.update(options))
    assert main(["serve", str(run)]) == 0
    assert started["host"] == "127.0.0.1"
    assert main(["serve", str(run), "--host", "0.0.0.0"]) == 0
    assert started["host"] == "0.0.0.0", "where that is asked for"


def test_the_interface_is_a_page_that_needs_no_network(model: ModelForecaster) -> None:
    with running(service_of(Last(model))) as address, httpx.Client(base_url=address, timeout=60) as client:
        answer = client.get("/docs")
        assert answer.headers["content-type"].startswith("text/html")
        assert "//" not in answer.text, "no address of another host"
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/forecast", "/streams/{name}/forecasts/{when}.{kind}", "/trainings"} <= paths.keys()
        for path, methods in paths.items():
            for method, about in methods.items():
                assert about["description"], f"{path} says what it does"
                assert answer.text.count(f"<code>{method.upper()} {path}</code>") == 2, "in the list, and by itself"
                for parameter in about.get("parameters", ()):
                    assert f"<dt><code>{parameter['name']}</code></dt>" in answer.text
        linked = re.findall(r'(?:href|src)="([^"#][^"]*)"', answer.text)
        assert "/page/style.css" in linked
        for link in linked:
            assert link == "data:," or client.get(link).status_code == 200, link
        assert len(set(re.findall(r' id="([^"]+)"', answer.text))) == answer.text.count(" id=")
        assert client.get("/redoc").status_code == 404


def test_packed_frames_may_be_more(model: ModelForecaster) -> None:
    with running(service_of(Last(model), told=500)) as address:
        query = {"lead_times": "2", "past": "true"}
        refused = httpx.post(f"{address}/forecast", params=query, content=npy(FRAMES[:6]), timeout=60)
        assert "720 values" in hold_problem(refused, 422)["detail"], "of the frames that it starts from"
        packed = httpx.post(
            f"{address}/forecast", params={**query, "packed": "true"}, content=npy(FRAMES[:6]), timeout=60
        )
        assert packed.status_code == 200, packed.text
        assert packed.json()["shape"] == [2, 1, 12, 10]


def resident(process: subprocess.Popen[bytes], what: str) -> int:
    """Memory of a process in MiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{what}:"))) // 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the memory of a process from")
@pytest.mark.long
def test_the_memory_of_many_clients_is_bounded(run: Path) -> None:
    """Each of 200 sends 1 MiB, which as frames and as work is some more."""
    body = npy(np.zeros((4, 256, 256), np.float32))
    with served(str(run)) as (address, process):
        assert httpx.post(f"{address}/forecast?lead_times=1&format=npy", content=body, timeout=60).status_code == 200
        before = resident(process, "VmRSS")
        answers = all_at_once(200, "POST", f"{address}/forecast?lead_times=1&format=npy", body)
        for answer in answers:
            if answer.status_code != 200:
                hold_problem(answer, 503)
        assert sum(answer.status_code == 200 for answer in answers) >= 30
        assert resident(process, "VmHWM") < before + 800
        assert httpx.get(f"{address}/readyz").status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_as_the_readme_has_it(service: str, tmp_path: Path) -> None:
    field = xr.Dataset(
        {"rain": (("time", "y", "x"), FRAMES[:4], {"units": "mm/h"})}, coords={"time": BEGIN + np.arange(4) * STEP}
    )
    field.to_netcdf(tmp_path / "radar.nc")
    command = ["curl", "-sS", "-D", "-", "-F", "file=@radar.nc", f"{service}/forecast?format=gif", "-o", "next.gif"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "image/gif" in done.stdout
    assert (tmp_path / "next.gif").read_bytes().startswith(b"GIF8")
    done = subprocess.run([*command[:-3], f"{service}/forecast?format=x"], cwd=tmp_path, capture_output=True, text=True)
    assert "application/problem+json" in done.stdout
    assert "none of json" in done.stdout


@pytest.mark.slow
def test_what_a_client_has_is_not_sent_again(service: str, model: ModelForecaster) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]
    with httpx.Client(base_url=f"{service}/streams/tagged", timeout=60) as client:

        def add(n: int, frame: int) -> str:
            query = {"model": name, "lead_times": "2", "time": f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z"}
            return str(client.post("/frames", params=query, content=npy(FRAMES[frame][None])).json()["arrival"])

        assert add(0, 0) == "first"
        first = client.get("/forecasts/latest.json")
        tag = first.headers["etag"]
        assert first.headers["content-location"] == "20160711T210000Z.json"
        again = client.get("/forecasts/latest.json", headers={"if-none-match": f'"x", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get("/forecasts/latest.npy", headers={"if-none-match": tag}).status_code == 200
        assert add(0, 5) == "replaced"
        other = client.get("/forecasts/latest.json", headers={"if-none-match": tag})
        assert other.status_code == 200, "it has been made anew"
        assert add(1, 1) == "next"
        assert client.get("/forecasts/latest.json", headers={"if-none-match": other.headers["etag"]}).status_code == 200
        assert client.get("/forecasts").json() == ["20160711T210000Z", "20160711T210500Z"]


def guarded(model: ModelForecaster) -> Service:
    """A service that asks for a token."""
    return Service(models={"last": Last(model)}, token="correct hörse")


HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
"""What a browser says when it opens a page."""


def test_a_form_asks_for_the_token_and_a_cookie_bears_it(model: ModelForecaster) -> None:
    with running(guarded(model)) as address, httpx.Client(base_url=address, timeout=60) as client:
        for path in ("/", "/models", "/page/service.js", "/events", "/metrics"):
            problem = hold_problem(client.get(path), 401)
            assert "no valid token" in problem["detail"]
        hold_problem(client.get("/models", headers=HTML), 401)
        asked = client.get("/", headers=HTML)
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"] == "Bearer"
        assert '<form method="post" action="/token"' in asked.text
        assert "//" not in re.sub(r"/\*.*?\*/", "", asked.text), "nothing of it is elsewhere"
        for wrong in ({"token": "correct horse"}, {"token": ""}, {}, {"other": "correct hörse"}):
            refused = client.post("/token", data=wrong)
            assert refused.status_code == 401
            assert "not the token of this service" in refused.text
            assert "set-cookie" not in refused.headers
        assert client.post("/token", content=b"token=%ff\xff").status_code == 401
        hold_problem(client.post("/token", data={"token": "x" * 5000}), 413)
        let_in = client.post("/token", data={"token": "correct hörse\n"})
        assert (let_in.status_code, let_in.headers["location"]) == (303, "/")
        (cookie,) = let_in.headers.get_list("set-cookie")
        said = [part.strip().lower() for part in cookie.split(";")]
        assert {"httponly", "samesite=strict", "path=/"} <= set(said)
        assert "correct" not in cookie
        assert client.get("/models").status_code == 200, "by the cookie"
        assert client.get("/", headers=HTML).text.startswith("<!doctype html>")
        assert 'id="ask"' in client.get("/", headers=HTML).text
    with running(guarded(model)) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/models", headers={"cookie": cookie.partition(";")[0]}).status_code == 200, "after a restart"
        for false in ("nextframe=", "nextframe=0", "other=1", "nextframe=ä", "=;;nextframe", "nextframe=correct"):
            hold_problem(client.get("/models", headers={"cookie": false.encode()}), 401)
        bearer = {"authorization": "Bearer correct hörse".encode()}
        assert client.get("/models", headers=bearer).status_code == 200


def test_the_cookie_counts_for_pages_of_this_service_alone(model: ModelForecaster) -> None:
    with running(guarded(model)) as address, httpx.Client(base_url=address, timeout=60) as client:
        client.post("/token", data={"token": "correct hörse"})
        for own in ({"origin": address}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}):
            assert client.get("/models", headers=own).status_code == 200, own
        others = (
            {"origin": "http://127.0.0.1:1"},
            {"origin": "null"},
            {"origin": "https://example.org"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "cross-site", "origin": address},
        )
        for other in others:
            hold_problem(client.get("/models", headers=other), 401)
            hold_problem(client.delete("/streams/x", headers=other), 401)
        bearer = {"authorization": "Bearer correct hörse".encode(), "origin": "https://example.org"}
        assert client.get("/models", headers=bearer).status_code == 200, "who bears the token is asked nothing more"


def test_a_service_without_a_token_has_no_form(model: ModelForecaster) -> None:
    with running(service_of(Last(model))) as address:
        hold_problem(httpx.post(f"{address}/token", data={"token": "x"}), 404, 405)
        assert 'id="ask"' in httpx.get(address, headers=HTML).text


@pytest.mark.slow
def test_a_token_and_an_end_that_finishes_what_it_began(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("correct horse\n")
    bearer = {"authorization": "Bearer correct horse"}
    with served(str(run), "--token-file", str(secret)) as (address, process):
        assert "www-authenticate" in httpx.get(f"{address}/models").headers
        hold_problem(httpx.get(f"{address}/models", headers={"authorization": "Bearer correct horses"}), 401)
        assert httpx.get(f"{address}/models", headers=bearer).status_code == 200
        assert httpx.get(f"{address}/", headers=bearer).text.startswith("<!doctype html>")
        frames = npy(np.random.default_rng(0).random((4, 256, 256), np.float32))
        with httpx.Client(base_url=address, headers=bearer, timeout=60) as client:
            with client.stream("GET", "/events") as events, ThreadPoolExecutor(1) as threads:
                lines = events.iter_lines()
                assert next(lines) == ": nextframe"
                asked = threads.submit(client.post, "/forecast?lead_times=60&format=npy", content=frames)
                while client.get("/readyz").json()["waiting"] == 0:
                    assert not asked.done()
                process.send_signal(signal.SIGTERM)
                answer = asked.result()
                assert list(lines) == [""], "who listens is let go"
            assert answer.status_code == 200, answer.text
            assert np.load(io.BytesIO(answer.content)).shape == (60, 1, 256, 256)
        assert process.wait(30) == 128 + signal.SIGTERM
