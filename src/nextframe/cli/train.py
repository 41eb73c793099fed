"""`nextframe train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.architectures import names
from nextframe.cli.options import SECTIONS, merge, option_types, preset_defaults
from nextframe.errors import ConfigError
from nextframe.training.presets import Preset
from nextframe.words import joined

MODEL = Parameter(help=f"Architecture: {joined(names(), 'or')}. [default: stacked]", show_default=False)


def say(line: str) -> None:
    """Print a line at once, also where the output is a file that somebody follows."""
    print(line, flush=True)


def train(
    model: Annotated[str | None, MODEL] = None,
    /,
    *,
    preset: Annotated[Preset | None, Parameter(show_default=False)] = None,
    config: Path | None = None,
    out: Path | None = None,
    resume: Annotated[bool | None, Parameter(negative=())] = None,
    overwrite: Annotated[bool | None, Parameter(negative=())] = None,
    progress: Annotated[bool | None, Parameter(show_default=False)] = None,
    **options: Any,
) -> None:
    """Train a model on frames, into a run folder that `forecast` and `verify` take.

    Every option is also a key of a `--config` file; the run folder's config.yaml is one, and reruns the run. Options
    given here override the file, and the file overrides the preset.

    Args:
        model: Architecture.
        preset: Recipe to start from: our best one, the tutorial's to the letter, or that of the Keras example as it is
            since 2021 (stacked, on Moving MNIST). [default: default]
        config: YAML file of options.
        out: Run folder; by default a new one under runs/.
        resume: Go on with the interrupted run in --out; where there is none, begin one.
        overwrite: Replace the run that --out holds; it goes when the frames and the options have been found good, just
            before the training begins.
        progress: Show a progress bar and a line for each epoch. [default: yes]
        options: Every field of the configuration.
    """
    named = {
        "model": model,
        "preset": preset,
        "out": out,
        "resume": resume,
        "overwrite": overwrite,
        "progress": progress,
    }
    given = {**options, **{name: value for name, value in named.items() if value is not None}}
    if config is not None:
        from nextframe.runs.folder import read_yaml

        given = merge(read_yaml(config), given, where=config)
    call: dict[str, Any] = {"preset": "default", "progress": True, **given}
    if call.get("resume") and call.get("out") is None:
        raise ConfigError("needs to know the run", where="--resume", hint="name its folder with --out RUN")

    from nextframe.api import fit

    model_of_run = fit(**call, tell=say)
    run, verdict = model_of_run.run, model_of_run.verdict
    print(f"wrote {run}: try `nextframe verify {run}`, or `nextframe forecast {run} --input FILE`")
    if verdict:
        print(f"{run} is {verdict}")


train.__annotations__["options"] = Unpack[option_types(SECTIONS, preset_defaults(), leave_out=["model", "sources"])]
