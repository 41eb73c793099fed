"""`nextframe inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.options import option_types, section_defaults
from nextframe.config import RunConfig
from nextframe.errors import ConfigError

RUN_FILES = ("config.yaml", "model.json")


def inspect(
    what: str | None = None,
    /,
    *,
    system: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
    **options: Any,
) -> None:
    """Look at frames before training, at a trained run, or at this machine.

    Of frames: what is in them, what is wrong with them, how they would be normalised and split, and the score of
    persistence, which is what there is to beat. Of a run: the model, its training, and whether it sees its answer.

    Args:
        what: A SOURCE of frames, or a run folder.
        system: Show versions and processors, for a report of a fault.
        as_json: Print what was found in frames as JSON.
        options: How to read the frames.
    """
    from rich.console import Console

    console = Console()
    if system:
        from nextframe.cli.system import describe_system

        console.print(describe_system())
    elif what is None:
        raise ConfigError(
            "needs to know what to look at", where="inspect", hint="name a file, a source or a run folder"
        )
    elif any((Path(what) / name).is_file() for name in RUN_FILES):
        from nextframe.cli.show_run import describe_run

        console.print(describe_run(Path(what)))
    else:
        from nextframe.api import inspect_path
        from nextframe.report.inspection import render

        found = inspect_path(what, **options)
        if as_json:
            print(json.dumps(found.to_dict(), indent=2))
        else:
            console.print(render(found))


inspect.__annotations__["options"] = Unpack[option_types(["data"], section_defaults(RunConfig()), leave_out=["data"])]
