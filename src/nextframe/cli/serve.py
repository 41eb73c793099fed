"""`nextframe serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.watch import FOLLOWING


def serve(
    *runs: str,
    port: int = 8080,
    host: str = "127.0.0.1",
    token_file: Path | None = None,
    watch: Annotated[str | None, Parameter(show_default=False)] = None,
    streams: Path | None = None,
    upload: int = 64,
    **options: Any,
) -> None:
    """Serve forecasts over HTTP: a page to look at, requests, and streams of frames.

    Args:
        runs: Run folders of models, or names of shipped ones; by default all shipped ones. The first is the default.
        port: Port to listen at.
        host: Address to listen at; the default can be reached from this machine alone.
        token_file: File with a token that every request has to bear (Authorization: Bearer TOKEN), and that the page
            asks for.
        watch: Follow these files, too, with the first model, as `nextframe watch` does and by its options; their
            forecasts are the stream `watch`.
        streams: Folder for streams that have no room in memory, which then outlive the service.
        upload: Largest body of a request in MiB.
        options: How to follow the files of --watch.
    """
    from nextframe.service.start import start

    start(
        runs,
        port=port,
        host=host,
        token_file=token_file,
        watch=watch,
        following=options,
        streams=streams,
        upload=upload,
        tell=lambda sentence: print(sentence, flush=True),
    )


serve.__annotations__["options"] = Unpack[FOLLOWING]
