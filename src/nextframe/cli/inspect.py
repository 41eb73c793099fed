"""`nextframe inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.face import on_command_line
from nextframe.cli.options import option_types, section_defaults
from nextframe.config import RunConfig
from nextframe.errors import ConfigError
from nextframe.frames.listed import is_list_file
from nextframe.words import spell

RUN_FILES = ("config.yaml", "model.json")


def inspect(
    what: str | None = None,
    /,
    *others: str,
    models: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    system: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    measure: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
    **options: Any,
) -> None:
    """Look at frames before training, at a trained run, at the shipped models, or at this machine.

    Of frames: what is in them, what is wrong with them, how they would be normalised and split, and the score of
    persistence, which is what there is to beat. Of a run: the model, its training, and whether it sees its answer. Of a
    shipped model: its card.

    Args:
        what: A SOURCE of frames, a run folder, or the name of a shipped model.
        others: Further sources, or one YAML file that lists all, to see them side by side: how large, wet and fast each
            is, and what does not fit.
        models: List the models that come with the package; of one of them, show the card.
        system: Show versions and processors, for a report of a fault.
        measure: With --system, also how fast a training step is here, with the engine and without it, in ten seconds;
            of frames, also which simple forecast is the best, which a training begins with.
        as_json: Print what was found in frames as JSON.
        options: How to read the frames.
    """
    from rich.console import Console

    console = Console()
    of_frames = what is not None and not (system or models or _names_model(what) or _is_run(what))
    if not of_frames and (as_json or options):
        given = ", ".join(["--json"] * as_json + [f"--{name.replace('_', '-')}" for name in options])
        raise ConfigError("is for frames", where=given, hint="leave it out")
    several = bool(others) or (of_frames and is_list_file(what))
    if (measure and not (system or of_frames)) or (measure and several):
        raise ConfigError(
            "is for frames or for this machine", where="--measure", hint="name one source, or add --system"
        )
    if several:
        _compare([str(what), *others], as_json, console, options)
    elif system:
        from nextframe.cli.system import describe_speed, describe_system

        console.print(describe_system())
        if measure:
            console.print(describe_speed())
    elif models and what is None:
        from nextframe.cli.show_card import print_models

        print_models(console)
    elif what is None:
        raise ConfigError(
            "needs to know what to look at", where="inspect", hint="name a file, a source or a run folder"
        )
    elif models or _names_model(what):
        from nextframe.cli.show_card import print_card

        print_card(what, console)
    elif _is_run(what):
        from nextframe.cli.show_run import describe_run

        console.print(describe_run(Path(what)))
    else:
        from nextframe.api import inspect_path
        from nextframe.inspection.text import render
        from nextframe.runs.shipped import shipped_name

        found = inspect_path(what, measure=measure, face=on_command_line, **options)
        if as_json:
            print(json.dumps(found.to_dict(), indent=2))
        else:
            console.print(render(found))
            if shipped_name(what) is not None:
                console.print(f"\n{what} is a shipped model, too: nextframe inspect --models {what}", highlight=False)


def _compare(sources: list[str], as_json: bool, console: Any, options: dict[str, Any]) -> None:
    from nextframe.api import compare_sources
    from nextframe.cli.show_sources import sources_tables

    comparison = compare_sources(sources, face=on_command_line, **options)
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2))
        return
    for table in sources_tables(comparison):
        console.print(table)
        console.print()
    for line in (*comparison.misfits, *comparison.notes):
        console.print(f"- {spell(line, on_command_line)}", highlight=False, markup=False)


def _is_run(what: str) -> bool:
    return any((Path(what) / name).is_file() for name in RUN_FILES)


def _names_model(what: str) -> bool:
    """True where this is meant to be a shipped model, rightly spelt or nearly so, and not a path or a source of frames:
    `moving-mnist` is both, and the frames go first, as they do elsewhere.
    """
    from nextframe.frames.generated import GENERATED
    from nextframe.runs.shipped import nearest

    return not Path(what).exists() and what.partition(":")[0] not in GENERATED and nearest(what) is not None


inspect.__annotations__["options"] = Unpack[
    option_types(["data"], section_defaults(RunConfig()), leave_out=["data", "sources"])
]
