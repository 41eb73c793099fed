"""Routes of streams: frames in, forecasts, values at places, scores and events out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from nextframe.service import places
from nextframe.service.answers import MEDIA, format_of
from nextframe.service.compare import beside_of
from nextframe.service.gate import held_by
from nextframe.service.judge import described
from nextframe.service.limits import Refused
from nextframe.service.service import Service, kept_of, latest_of
from nextframe.service.stream import Shown
from nextframe.service.uploads import uploaded

COVERAGE_JSON = "application/prs.coverage+json"
PULSE = 15.0
"""Seconds after which a client that listens is told that the service is there."""


def add_streams(app: FastAPI, service: Service) -> None:
    """Add the routes of a service's streams."""
    streams = service.streams

    @app.get("/streams")
    async def names() -> list[str]:
        """Streams that are there."""
        return await asyncio.to_thread(streams.names)

    @app.post("/streams/{name}/frames")
    async def add(name: str, request: Request) -> dict[str, Any]:
        """Add a frame to a stream, which begins with its first one, and forecast from it; where the model cannot yet,
        by extrapolation or persistence, and the answer says why.

        Query: `model` and `lead_times` as of `/forecast`; `time`, the frame's valid time in UTC where its file does not
        say it.
        """
        query = request.query_params
        model_name, model = service.model_named(query.get("model"))
        moment = _time(query.get("time"))
        frames = await uploaded(request, service)
        if len(frames) != 1:
            raise Refused(422, f"there are {len(frames)} frames: send them one by one, each in a request")
        lead_times = service.lead_times_of(model, query.get("lead_times"), int(np.prod(frames.shape[1:])))
        stream, told = await service.desk.compute(streams.add, name, model_name, frames, moment, lead_times)
        service.monitor.came(name, told["arrival"], "fallback" if told["why"] else "model", stream.skill)
        streams.announce({"stream": name, **told})
        return {"stream": name, **told}

    @app.delete("/streams/{name}")
    async def remove(name: str) -> dict[str, str]:
        """Forget a stream, its frames, forecasts and scores."""
        await service.desk.compute(streams.remove, name)
        return {"removed": name}

    @app.get("/streams/{name}/forecasts")
    async def forecasts(name: str) -> list[str]:
        """Initial times of the forecasts that are kept."""
        return list((await service.stream(name)).forecasts)

    @app.get("/streams/{name}/forecasts/{when}.{kind}")
    async def product(
        name: str,
        when: str,
        kind: str,
        request: Request,
        past: bool = False,
        beside: str = "",
        truth: bool = False,
        packed: bool = False,
    ) -> Response:
        """A forecast of a stream: `latest`, or its initial time (20160711T210000Z). As JSON also `past=true` for the
        frames before it, and with these `truth=true` for those that have come since, and
        `beside=persistence,extrapolation`; `packed=true`.

        Its ETag is another one whenever it has been made anew; with If-None-Match, what a client has already is
        answered by 304.
        """
        wanted = format_of(kind, "")
        stream = await service.stream(name)
        key, kept = kept_of(stream, when)
        latest, baselines = key == next(reversed(stream.forecasts)), beside_of(beside)
        if (baselines or truth) and not (past and wanted == "json"):
            raise Refused(422, "baselines and truth stand beside a forecast as JSON with past=true alone")
        shown = Shown(
            wanted,
            past=past if wanted == "json" else latest,
            beside=baselines,
            packed=packed,
            truth=stream.truth_of(kept.forecast)[1] if truth else 0,
        )
        said = [("past", shown.past), ("packed", packed), (f"truth{shown.truth}", truth)]
        about = "-".join([kept.version, *(word for word, there in said if there), *baselines])
        tag = f'"{about}.{wanted}"'
        headers = {"etag": tag, "cache-control": "no-cache", "content-location": f"{key}.{kind}"}
        if tag in (one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        answer = await service.answer(stream, kept, shown)
        held_by(request.scope).take(len(answer))
        return Response(answer, media_type=MEDIA[wanted], headers=headers)

    @app.get("/streams/{name}/position")
    async def position(name: str, request: Request) -> Response:
        """The latest forecast at a place, as CoverageJSON: `lat` and `lon`, or `coords=POINT(4.9 52.4)`."""
        query = request.query_params
        if "coords" in query:
            latitude, longitude = places.point_of(query["coords"])
        else:
            latitude, longitude = places.degrees_of(query.get("lat"), query.get("lon"))
        _, forecast = latest_of(await service.stream(name))
        answer = await service.writing.compute(places.position, forecast, latitude, longitude)
        return Response(answer, media_type=COVERAGE_JSON)

    @app.get("/streams/{name}/area")
    async def area(name: str, coords: str, request: Request, values: bool = False) -> Response:
        """The latest forecast's mean and largest value over an area, as CoverageJSON: `coords=POLYGON((...))`; the
        values of its pixels with `values=true`.
        """
        ring = places.ring_of(coords)
        _, forecast = latest_of(await service.stream(name))
        if values:
            answer = await service.writing.compute(places.area_values, forecast, ring, service.limits.told)
        else:
            answer = await service.writing.compute(places.area, forecast, ring)
        held_by(request.scope).take(len(answer))
        return Response(answer, media_type=COVERAGE_JSON)

    @app.get("/streams/{name}/skill")
    async def skill(name: str) -> dict[str, Any]:
        """Scores of the stream's forecasts whose truth has come, by window, beside persistence and extrapolation."""
        return {window: described(each) for window, each in (await service.stream(name)).skill.items()}

    @app.get("/streams/{name}/events")
    async def events(name: str) -> Response:
        """Server-sent events: a new forecast is there."""
        return _events(service, name)

    @app.get("/events")
    async def all_events() -> Response:
        """Server-sent events of all streams."""
        return _events(service, None)


def _events(service: Service, name: str | None) -> Response:
    service.streams.hold_listeners()

    async def told() -> AsyncIterator[str]:
        queue = service.streams.listen()
        try:
            yield ": nextframe\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), PULSE)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if event is None:
                    return
                if name is None or event["stream"] == name:
                    yield f"event: forecast\ndata: {json.dumps(event)}\n\n"
        finally:
            service.streams.leave(queue)

    return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _time(text: str | None) -> np.datetime64 | None:
    if text is None:
        return None
    try:
        moment = np.datetime64(text.removesuffix("Z"), "ns")
    except ValueError as error:
        raise Refused(422, f"time is none: {text[:40]}; write 2016-07-11T21:00:00Z") from error
    if np.isnat(moment):
        raise Refused(422, "time is none: write 2016-07-11T21:00:00Z")
    return moment
