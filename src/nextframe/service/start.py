"""Start of the service: models loaded, the server run, a folder followed beside it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nextframe.data.covariates import hold_without
from nextframe.errors import ConfigError, first_line
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.malloc import return_freed_memory
from nextframe.runs.shipped import shipped
from nextframe.service.follow import Follower
from nextframe.service.following import following as followed_by
from nextframe.service.limits import Limits

LIBRARIES = ("fastapi", "uvicorn", "multipart", "prometheus_client", "covjson_pydantic")
"""Modules that the service needs."""


def check_libraries() -> None:
    """Hold this installation to what the service needs.

    Raises:
        ConfigError: a library that is not installed.
    """
    for module in LIBRARIES:
        if find_spec(module) is None:
            raise ConfigError(
                f"needs {module}, which is not installed",
                where="the service",
                hint="pip install 'nextframe[serve]'",
            )


def models_of(runs: Sequence[str]) -> dict[str, TrainedForecaster]:
    """Models by name, the shipped ones for none: a run folder is called as its last part.

    Raises:
        CheckpointError: no such run.
        ConfigError: two of one name.
    """
    models: dict[str, TrainedForecaster] = {}
    for run in runs or shipped():
        name = Path(run).name
        if name in models:
            raise ConfigError("two runs have this name", where=name, hint="rename the folder of one of them")
        models[name] = load_run(run)
        hold_without(models[name].manifest.covariates, name, "the service")
    return models


def token_of(path: Path | None) -> str | None:
    """The token that a file holds; None without one.

    Raises:
        ConfigError: a file that cannot be read, or holds none.
    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot be read", where=path, received=first_line(error)) from error
    if len(token) < 8:
        raise ConfigError("holds no token", where=path, expected="at least 8 characters")
    return token


def start(
    runs: Sequence[str],
    *,
    port: int,
    host: str,
    token_file: Path | None,
    watch: str | None,
    following: Mapping[str, Any],
    streams: Path | None,
    upload: int,
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are under way are finished.

    Args:
        runs: run folders and names of shipped models.
        port: port to listen at.
        host: address to listen at.
        token_file: file with the token that requests have to bear.
        watch: pattern of files to follow, too.
        following: how to follow them, as `nextframe.service.following.following` takes it.
        streams: folder of streams that outlive the service.
        upload: largest body in MiB.
        tell: takes the sentences that are to be said.

    Raises:
        ConfigError: a library that is missing, options out of range or of a folder that is not followed, or an address
            that is taken.
    """
    check_libraries()
    if not 0 < port < 65536:
        raise ConfigError("is no port", where="port", expected="1 to 65535", received=port)
    if upload < 1:
        raise ConfigError("is too small", where="upload", expected="at least 1 MiB", received=upload)
    token = token_of(token_file)
    follow = _follow(watch, following)

    from nextframe.service.app import make_app
    from nextframe.service.server import Server
    from nextframe.service.service import Service

    return_freed_memory()
    models = models_of(runs)
    follower = None if follow is None else follow(next(iter(models.values())), tell=tell)
    limits = Limits(upload=upload * 2**20)
    service = Service(models=models, limits=limits, token=token, folder=streams, follower=follower)
    server = Server(make_app(service), end=service.streams.end, host=host, port=port, patience=limits.patience)
    try:
        sockets = [server.config.bind_socket()]
    except SystemExit as error:  # uvicorn's way to say that the address is taken
        raise ConfigError("cannot be listened at", where=f"{host}:{port}", hint="choose another {port}") from error
    tell(f"serving {', '.join(models)} at http://{host}:{port}/ (Ctrl-C ends it)")
    before = signal.getsignal(signal.SIGTERM)
    try:
        server.run(sockets)
    finally:
        signal.signal(signal.SIGTERM, before)


def _follow(watch: str | None, options: Mapping[str, Any]) -> Callable[..., Follower] | None:
    """Follower of a folder, where one is to be followed."""
    if watch is not None:
        return followed_by(watch, **options)
    if options:
        first = "format" if (name := next(iter(options))) == "formats" else name
        raise ConfigError("is an option of a folder that is followed", where=first, hint="give the files of {watch}")
    return None
