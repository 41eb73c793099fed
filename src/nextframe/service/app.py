"""The application of a service: its routes, how it refuses, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from nextframe.errors import NextframeError
from nextframe.service.forecast_routes import add_forecasts
from nextframe.service.gate import Gate
from nextframe.service.interface import interface_page
from nextframe.service.limits import Refused
from nextframe.service.service import Service
from nextframe.service.stream_routes import add_streams
from nextframe.service.token import Token, add_token
from nextframe.service.training_routes import add_trainings

PAGE = Path(__file__).parent / "page"
PLAYER = Path(str(files("nextframe.report"))) / "page"


def make_app(service: Service) -> FastAPI:
    """The application of a service, for any ASGI server."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.begin()
        yield
        await service.close()

    app = FastAPI(
        title="nextframe",
        version=version("nextframe"),
        description="Forecasts of the next frames of image sequences.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own loads its scripts from elsewhere
        redoc_url=None,
    )
    token = None if service.token is None else Token(service.token)
    app.add_middleware(
        Gate,
        room=service.room,
        monitor=service.monitor,
        requests=service.limits.requests,
        token=token,
    )
    _add_refusals(app)
    _add_pages(app, service)
    if token is not None:
        add_token(app, token, service.limits.patience)
    add_forecasts(app, service)
    add_streams(app, service)
    add_trainings(app, service)
    return app


def _add_refusals(app: FastAPI) -> None:
    """Every answer that is none is a problem by RFC 9457."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return JSONResponse(error.problem, error.status, headers=error.headers)

    @app.exception_handler(NextframeError)
    async def mistaken(request: Request, error: NextframeError) -> Response:
        return await refused(request, Refused.because(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return await refused(request, Refused(422, f"{first['loc'][-1]}: {first['msg'].lower()}"))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        answer = await refused(request, Refused(error.status_code, str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)  # whose traceback goes to the log
    async def failed(request: Request, error: Exception) -> Response:
        return await refused(request, Refused(500, "the service has a defect: its log says which"))


def _add_pages(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def part_of_page(name: str) -> Response:
        there = {path.name: path for folder in (PAGE, PLAYER) for path in folder.iterdir()}
        if name not in there:
            raise Refused(404, f"the page has no {name[:40]!r}")
        return FileResponse(there[name])

    @app.get("/docs", include_in_schema=False)
    async def interface() -> Response:
        return HTMLResponse(interface_page(app.openapi()))

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
        """Answers 200 as long as the process does, and its folder is followed where one is to be."""
        if not service.follows:
            raise Refused(503, "the folder is not followed any more: the log says why", retry_after=60)
        return {"status": "ok"}

    @app.get("/readyz")
    async def ready() -> dict[str, Any]:
        """Answers 200 while there is room in the waiting line."""
        if service.desk.full:
            raise Refused(503, "the waiting line is full", retry_after=2)
        return {"status": "ready", "waiting": service.desk.line}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Metrics as Prometheus reads them."""
        service.monitor.waiting.set(service.desk.line)
        service.monitor.streams.set(len(service.streams))
        return Response(service.monitor.text(), media_type="text/plain; version=0.0.4")
