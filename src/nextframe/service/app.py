"""The service: routes, and what surrounds each request. What they do is done in the modules beside this one."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from nextframe.errors import NextframeError
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.inspection.inspect import inspect_source
from nextframe.service import places
from nextframe.service.answers import MEDIA, content, described, format_of
from nextframe.service.compare import Asked, compared, halves, said_of
from nextframe.service.desk import Desk
from nextframe.service.judge import plain
from nextframe.service.limits import Limits, Refused
from nextframe.service.monitoring import Monitor
from nextframe.service.reader import Reader
from nextframe.service.streams import Stream, Streams
from nextframe.service.trainings import Trainings
from nextframe.service.uploads import body_of, frames_of

PAGE = Path(__file__).parent / "page"
PLAYER = Path(str(files("nextframe.report"))) / "page"
_OPEN = ("/healthz", "/readyz")
"""Routes that need no token."""


@dataclass(kw_only=True)
class Service:
    """Everything that the routes share."""

    models: Mapping[str, TrainedForecaster]
    """What forecasts, by name; the first one is the default."""
    limits: Limits = field(default_factory=Limits)
    """What clients may ask for."""
    token: str | None = None
    """Token that every request has to bear; None for none."""
    folder: Path | None = None
    """Where streams go that have no room in memory; by default a temporary folder."""

    def __post_init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="nextframe-streams-") if self.folder is None else None
        folder = Path(self._temporary.name) if self._temporary is not None else Path(self.folder or "")
        folder.mkdir(parents=True, exist_ok=True)
        self.desk = Desk(self.limits.waiting)
        self.reader = Reader(self.limits)
        self.monitor = Monitor()
        models = self.models = dict(self.models)  # trained ones come to it
        self.streams = Streams(self.models, folder, self.limits)
        self.trainings = Trainings(models, folder / "trainings", self.limits, self.streams.models_in_use)
        self.loop: asyncio.AbstractEventLoop | None = None

    def model_named(self, name: str | None) -> tuple[str, TrainedForecaster]:
        """A model by its name, the default one for None.

        Raises:
            Refused: no model of that name.
        """
        chosen = next(iter(self.models)) if name is None else name
        if chosen not in self.models:
            raise Refused(404, f"there is no model {chosen!r}: {', '.join(self.models)}")
        return chosen, self.models[chosen]

    def lead_times_of(self, model: TrainedForecaster, asked: str | None, pixels: int) -> int:
        """Number of lead times that is asked for.

        Raises:
            Refused: no number, or more than the limits allow.
        """
        try:
            number = model.config.data.future if asked is None else int(asked)
        except ValueError as error:
            raise Refused(422, f"lead_times is no number: {asked}") from error
        most = min(self.limits.lead_times, self.limits.values // max(pixels, 1))
        if not 1 <= number <= most:
            raise Refused(422, f"lead_times must be between 1 and {most}, received {number}")
        return number

    def close(self) -> None:
        """Finish what is under way and keep what has to be kept."""
        self.trainings.close()
        self.desk.close()
        self.reader.close()
        if self._temporary is None:
            self.streams.close()
        else:
            self._temporary.cleanup()


def make_app(service: Service) -> FastAPI:
    """The application of a service, for any ASGI server."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.loop = asyncio.get_running_loop()
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="nextframe",
        version=version("nextframe"),
        description="Forecasts of the next frames of image sequences.",
        lifespan=lifespan,
    )

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return JSONResponse(error.problem, error.status, headers=error.headers)

    @app.exception_handler(NextframeError)
    async def mistaken(request: Request, error: NextframeError) -> Response:
        return await refused(request, Refused(422, str(error)))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return await refused(request, Refused(error.status_code, str(error.detail)))

    @app.middleware("http")
    async def watched(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        if service.token is not None and request.url.path not in _OPEN and not _bears(request, service.token):
            problem = Refused(401, "the request bears no valid token: Authorization: Bearer ...")
            answer: Response = JSONResponse(problem.problem, 401, {**problem.headers, "www-authenticate": "Bearer"})
        else:
            answer = await call_next(request)
        route = getattr(request.scope.get("route"), "path", "other")
        service.monitor.latency.labels(route, str(answer.status_code)).observe(time.perf_counter() - started)
        return answer

    _add_pages(app, service)
    _add_forecasts(app, service)
    _add_streams(app, service)
    _add_trainings(app, service)
    return app


def _bears(request: Request, token: str) -> bool:
    said = request.headers.get("authorization", "")
    return secrets.compare_digest(said.encode(), f"Bearer {token}".encode())


def _add_pages(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def part_of_page(name: str) -> Response:
        there = {path.name: path for folder in (PAGE, PLAYER) for path in folder.iterdir()}
        if name not in there:
            raise Refused(404, f"the page has no {name!r}")
        return FileResponse(there[name])

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """Models that forecast here, and what they take."""
        return [
            {
                "name": name,
                "architecture": model.config.model.model,
                "variables": list(model.manifest.variables),
                "units": list(model.manifest.units),
                "past": model.config.data.past,
                "lead_times": model.config.data.future,
                "time_step_seconds": model.manifest.time_step,
                "threshold": float(model.manifest.threshold),
                "calibrated_lead_times": None if model.calibration is None else model.calibration.lead_times,
            }
            for name, model in list(service.models.items())
        ]

    @app.get("/healthz")
    async def alive() -> dict[str, str]:
        """Answers as long as the process does."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def ready() -> dict[str, Any]:
        """Answers 200 while there is room in the waiting line."""
        if service.desk.line > service.limits.waiting:
            raise Refused(503, "the waiting line is full", retry_after=2)
        return {"status": "ready", "waiting": service.desk.line}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Metrics as Prometheus reads them."""
        service.monitor.waiting.set(service.desk.line)
        service.monitor.streams.set(len(service.streams))
        return Response(service.monitor.text(), media_type="text/plain; version=0.0.4")


async def _uploaded(request: Request, service: Service) -> FrameSequence:
    """Frames of a request: of its form's field `file`, or of its body."""
    suffix = ""
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else None
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        if announced is not None and announced > service.limits.upload:
            raise Refused(413, f"the body is larger than {service.limits.upload // 2**20} MiB")
        body, suffix = await _field(request, service.limits)
    else:
        body = await body_of(request.stream(), service.limits, announced)
        suffix = request.query_params.get("suffix", "")
    reading = {}
    for option in ("axes", "variable"):
        if option in request.query_params:
            value = request.query_params[option]
            reading[option] = value if option == "axes" else tuple(value.split(","))
    return await asyncio.to_thread(frames_of, body, service.limits, service.reader, suffix=suffix, reading=reading)


async def _field(request: Request, limits: Limits) -> tuple[bytes, str]:
    """The content of the form's field `file`, and the suffix of its name."""
    taken = 0

    async def bounded() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        async for piece in request.stream():
            taken += len(piece)
            if taken > limits.upload:
                raise Refused(413, f"the body is larger than {limits.upload // 2**20} MiB")
            yield piece

    from starlette.formparsers import MultiPartException, MultiPartParser

    try:
        async with asyncio.timeout(limits.patience):
            form = await MultiPartParser(request.headers, bounded(), max_files=1, max_fields=20).parse()
    except TimeoutError as error:
        raise Refused(408, f"the body did not come within {limits.patience:g} s") from error
    except (MultiPartException, KeyError) as error:
        raise Refused(422, "the form cannot be read") from error
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Refused(422, "the form has no field 'file' with a file")
    body = await file.read()
    await form.close()
    return body, Path(file.filename or "").suffix


def _add_forecasts(app: FastAPI, service: Service) -> None:
    @app.post("/forecast")
    async def forecast(request: Request) -> Response:
        """Forecast the frames that follow those of the request.

        The body is a form with a field `file` (a file in any input format), an NPY array, or JSON with "frames". Query:
        `model`, `lead_times`, `format` (or the header Accept), `axes`, `variable`. Of JSON also `past=true` for the
        frames before it, `beside=persistence,extrapolation`, `threshold` for the probability of at least so much, and
        `check=true`, which holds the last frames back as the truth.
        """
        query = request.query_params
        name, model = service.model_named(query.get("model"))
        wanted = format_of(query.get("format"), request.headers.get("accept", ""))
        frames = await _uploaded(request, service)
        lead_times = service.lead_times_of(model, query.get("lead_times"), int(np.prod(frames.shape[1:])))
        asked = Asked.of(query)
        past, truth = halves(frames, model.config.data.past, lead_times, check=asked.check)

        def work() -> bytes:
            if wanted != "json":
                made = replace(model.forecast(past, lead_times, members=False), forecaster=name)
                return content(made, wanted, past=past.read(0, len(past)))
            made, more = compared(model, name, past, truth, lead_times, asked, service.limits)
            seen = past.read(0, len(past)) if query.get("past") == "true" else None
            return json.dumps({**described(made, seen), **more}).encode()

        answer = await service.desk.compute(work)
        headers = {"x-model": name, "content-disposition": f'inline; filename="forecast.{wanted}"'}
        return Response(answer, media_type=MEDIA[wanted], headers=headers)

    @app.post("/inspect")
    async def inspect(request: Request) -> dict[str, Any]:
        """What the doctor finds in a file before a model sees it: in words, its problems, and in full.

        The body is that of `/forecast`. Query: `model`, whose windows are cut.
        """
        _, model = service.model_named(request.query_params.get("model"))
        frames = await _uploaded(request, service)

        def work() -> dict[str, Any]:
            data = model.config.data
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is to be said stands in the answer
                found = inspect_source(
                    FrameSource(name="the file", sequences=(frames,)), past=data.past, future=data.future
                )
            return {"words": said_of(found), "problems": list(found.problems), "found": plain(found.to_dict())}

        return await service.desk.compute(work)


def _add_streams(app: FastAPI, service: Service) -> None:
    streams = service.streams

    @app.get("/streams")
    async def names() -> list[str]:
        """Streams that there are."""
        return streams.names()

    @app.post("/streams/{name}/frames")
    async def add(name: str, request: Request) -> dict[str, Any]:
        """Add a frame to a stream, which begins with its first one, and forecast from it.

        Query: `model` and `lead_times` as of `/forecast`; `time`, the frame's valid time in UTC where its file does not
        say it.
        """
        query = request.query_params
        model_name, model = service.model_named(query.get("model"))
        moment = _time(query.get("time"))
        frames = await _uploaded(request, service)
        if len(frames) != 1:
            raise Refused(422, f"there are {len(frames)} frames: send them one by one, each in a request")
        lead_times = service.lead_times_of(model, query.get("lead_times"), int(np.prod(frames.shape[1:])))
        stream = streams.find_or_begin(name, model_name)
        told = await service.desk.compute(streams.add, stream, frames, moment, lead_times)
        service.monitor.frames.labels(name, told["arrival"]).inc()
        service.monitor.forecasts.labels(name, "model").inc()
        for skill in stream.skill().values():
            service.monitor.judge(name, skill)
        streams.announce({"stream": name, **told})
        return {"stream": name, **told}

    def issued(name: str, when: str) -> tuple[Stream, Forecast]:
        stream = streams.find(name)
        if not stream.forecasts:
            raise Refused(404, f"stream {name!r} has no forecast yet")
        key = next(reversed(stream.forecasts)) if when == "latest" else when
        if key not in stream.forecasts:
            raise Refused(404, f"there is no forecast {when!r}: {', '.join(stream.forecasts)}")
        return stream, stream.forecasts[key]

    @app.get("/streams/{name}/forecasts")
    async def forecasts(name: str) -> list[str]:
        """Initial times of the forecasts that are kept."""
        return list(streams.find(name).forecasts)

    @app.get("/streams/{name}/forecasts/{when}.{kind}")
    async def product(name: str, when: str, kind: str, shown: Annotated[bool, Query(alias="past")] = False) -> Response:
        """A forecast of a stream: `latest`, or its initial time (20160711T210000Z)."""
        wanted = format_of(kind, "")
        stream, forecast = issued(name, when)
        past = stream.past if when == "latest" and (wanted != "json" or shown) else None
        seen = None if past is None else past.read(0, len(past))
        if wanted == "json":  # no work for the desk: a page asks for it whenever a forecast comes
            answer = await asyncio.to_thread(content, forecast, wanted, past=seen)
        else:
            answer = await service.desk.compute(lambda: content(forecast, wanted, past=seen))
        return Response(answer, media_type=MEDIA[wanted])

    @app.get("/streams/{name}/position")
    async def position(name: str, request: Request) -> Response:
        """The latest forecast at a place, as CoverageJSON: `lat` and `lon`, or `coords=POINT(4.9 52.4)`."""
        query = request.query_params
        if "coords" in query:
            latitude, longitude = places.point_of(query["coords"])
        else:
            try:
                latitude, longitude = float(query["lat"]), float(query["lon"])
            except (KeyError, ValueError) as error:
                raise Refused(422, "name the place: lat=52.4&lon=4.9") from error
        _, forecast = issued(name, "latest")
        return Response(places.position(forecast, latitude, longitude), media_type="application/prs.coverage+json")

    @app.get("/streams/{name}/area")
    async def area(name: str, coords: str) -> Response:
        """The latest forecast's mean over an area, as CoverageJSON: `coords=POLYGON((...))`."""
        _, forecast = issued(name, "latest")
        return Response(places.area(forecast, coords), media_type="application/prs.coverage+json")

    @app.get("/streams/{name}/skill")
    async def skill(name: str) -> dict[str, Any]:
        """Scores of the stream's forecasts whose truth has come, by window, beside persistence and extrapolation."""
        return {
            window: {"forecasts": list(each.count), "scores": plain(each.scores), "coverage": plain(each.coverage)}
            for window, each in streams.find(name).skill().items()
        }

    @app.get("/streams/{name}/events")
    async def events(name: str, request: Request) -> Response:
        """Server-sent events: a new forecast is there."""
        return _events(service, request, name)

    @app.get("/events")
    async def all_events(request: Request) -> Response:
        """Server-sent events of all streams."""
        return _events(service, request, None)


def _add_trainings(app: FastAPI, service: Service) -> None:
    trainings = service.trainings

    @app.get("/trainings")
    async def names() -> list[str]:
        """Trainings that are known."""
        return trainings.names()

    @app.post("/trainings", status_code=202)
    async def begin(request: Request) -> dict[str, Any]:
        """Begin to train a model on a file's frames; one training at a time.

        The body is that of `/forecast`. Query: `seconds`, at most those of the limits, which are also the usual ones.
        """
        try:
            seconds = float(request.query_params.get("seconds", service.limits.training_seconds))
        except ValueError as error:
            raise Refused(422, "seconds is no number") from error
        frames = await _uploaded(request, service)
        training = await asyncio.to_thread(trainings.begin, frames, seconds, {})
        return training.described()

    @app.get("/trainings/{name}")
    async def state(name: str) -> dict[str, Any]:
        """How far a training is: its state, and the scores of its epochs."""
        return trainings.find(name).described()

    @app.delete("/trainings/{name}")
    async def cancel(name: str) -> dict[str, Any]:
        """End a training, or remove the model of one that has ended."""
        return (await asyncio.to_thread(trainings.cancel, name)).described()

    @app.get("/trainings/{name}/events")
    async def events(name: str) -> Response:
        """Server-sent events: an epoch more, and the end."""
        training = trainings.find(name)

        async def told() -> AsyncIterator[str]:
            before, quiet = "", 0
            while True:
                now = json.dumps(training.described())
                if now != before:
                    yield f"event: training\ndata: {now}\n\n"
                    before, quiet = now, 0
                if training.state != "running":
                    return
                await asyncio.sleep(0.3)
                quiet += 1
                if quiet % 50 == 0:
                    yield ": still here\n\n"

        return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _events(service: Service, request: Request, name: str | None) -> Response:
    async def told() -> AsyncIterator[str]:
        queue = service.streams.listen()
        try:
            yield ": nextframe\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if name is None or event["stream"] == name:
                    yield f"event: forecast\ndata: {json.dumps(event)}\n\n"
        finally:
            service.streams.leave(queue)

    return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _time(text: str | None) -> np.datetime64 | None:
    if text is None:
        return None
    try:
        return np.datetime64(text.removesuffix("Z"), "ns")
    except ValueError as error:
        raise Refused(422, f"time is none: {text}; write 2016-07-11T21:00:00Z") from error
