"""Routes of trainings on uploaded frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from nextframe.service.limits import Refused
from nextframe.service.service import Service
from nextframe.service.uploads import uploaded

_LOOK = 0.3
"""Seconds between two looks at a training."""
_PULSE = 50
"""Looks at nothing new after which a client that listens is told that the service is there."""


def add_trainings(app: FastAPI, service: Service) -> None:
    """Add the routes of a service's trainings."""
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
        frames = await uploaded(request, service)
        training = await asyncio.to_thread(trainings.begin, frames, seconds, {})
        return training.described()

    @app.get("/trainings/{name}")
    async def state(name: str) -> dict[str, Any]:
        """Progress of a training: its state, and the scores of its epochs."""
        return trainings.find(name).described()

    @app.delete("/trainings/{name}")
    async def cancel(name: str) -> dict[str, Any]:
        """End a training, or remove the model of one that has ended."""
        return (await asyncio.to_thread(trainings.cancel, name)).described()

    @app.get("/trainings/{name}/events")
    async def events(name: str) -> Response:
        """Server-sent events: an epoch more, and the end."""
        training = trainings.find(name)

        async def lines() -> AsyncIterator[str]:
            before, quiet = "", 0
            while not service.streams.ended:
                told = training.described()
                now = json.dumps(told)
                if now != before:
                    yield f"event: training\ndata: {now}\n\n"
                    before, quiet = now, 0
                if told["state"] != "running":  # as it was told: it may have ended since
                    return
                await asyncio.sleep(_LOOK)
                quiet += 1
                if quiet % _PULSE == 0:
                    yield ": still here\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream", headers={"cache-control": "no-cache"})
