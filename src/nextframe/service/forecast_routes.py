"""Routes of forecasts and of the doctor."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response

from nextframe.frames.sequence import FrameSource
from nextframe.inspection.inspect import inspect_source
from nextframe.service.answers import MEDIA, as_json, content, format_of
from nextframe.service.compare import Asked, compared, halves, said_of
from nextframe.service.gate import held_by
from nextframe.service.judge import plain
from nextframe.service.service import Service
from nextframe.service.starting import adapted_to, forecast_from, start_from
from nextframe.service.uploads import uploaded


def add_forecasts(app: FastAPI, service: Service) -> None:
    """Add the routes of a service's forecasts."""

    @app.post("/forecast")
    async def forecast(request: Request) -> Response:
        """Forecast the frames that follow those of the request.

        The body is a form with a field `file` (a file in any input format; several make one sequence), an NPY array, or
        JSON with "frames". Query: `model`, `lead_times`, `format` (or the header Accept, which is answered by 406 where
        it names nothing that there is); how to read: `axes`, `variable`, `time_format`, `grey=true`, and `name` of a
        file that is the body itself. Of JSON also `past=true` for the frames before it,
        `beside=persistence,extrapolation`, `threshold` for the probability of at least so much, `check=true`, which
        holds the last frames back as the truth, and `packed=true` for frames as the player takes them.
        """
        query = request.query_params
        name, model = service.model_named(query.get("model"))
        wanted = format_of(query.get("format"), request.headers.get("accept", ""))
        asked = Asked.of(query)
        frames = await uploaded(request, service)
        pixels = int(np.prod(frames.shape[1:]))
        lead_times = service.lead_times_of(model, query.get("lead_times"), pixels)
        if wanted == "json":
            values = pixels * (lead_times * asked.fields + min(len(frames), model.config.data.past) * asked.past)
            service.hold_told(values, packed=asked.packed)

        def work() -> bytes:
            adapted = adapted_to(model, frames)
            sequence, truth = halves(adapted.sequences[0], lead_times, check=asked.check)
            prepared = start_from(model, adapted, sequence, lead_times)
            past = prepared.start.past.read(0, len(prepared.start.past))
            if wanted != "json":
                return content(forecast_from(model, name, prepared, lead_times), wanted, past=past)
            told = compared(model, name, prepared, truth, lead_times, asked, service.limits)
            return as_json(told, pack=asked.packed)

        answer = await service.desk.compute(work)
        held_by(request.scope).take(len(answer))
        headers = {"x-model": name, "content-disposition": f'inline; filename="forecast.{wanted}"'}
        return Response(answer, media_type=MEDIA[wanted], headers=headers)

    @app.post("/inspect")
    async def inspect(request: Request) -> dict[str, Any]:
        """Findings of the doctor in a file, before a model sees it: in words, its problems, and in full.

        The body is that of `/forecast`. Query: `model`, whose windows are cut.
        """
        _, model = service.model_named(request.query_params.get("model"))
        frames = await uploaded(request, service)

        def work() -> dict[str, Any]:
            data = model.config.data
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is to be said stands in the answer
                found = inspect_source(
                    FrameSource(name="the file", sequences=(frames,)), past=data.past, future=data.future
                )
            return {"words": said_of(found), "problems": list(found.problems), "found": plain(found.to_dict())}

        return await service.desk.compute(work)
