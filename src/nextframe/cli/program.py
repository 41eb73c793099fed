"""The program: its commands, and how it ends.

Exit codes: 0 done; 2 a mistake that the user can mend, told in one sentence; 1 a training that went wrong on its way,
told likewise; 130 interrupted; 141 the output's reader has gone; 143 ended by SIGTERM. Any other exception is a defect
of the package and is shown whole.
"""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from inspect import cleandoc
from keyword import iskeyword
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from cyclopts import App, CycloptsError

from nextframe.cli.ending import TERMINATED
from nextframe.cli.face import on_command_line
from nextframe.cli.watchdog import watchdog
from nextframe.config import Matched
from nextframe.errors import NextframeError, NextframeWarning, TrainingError, first_line
from nextframe.frames.formats import what_can_be_read
from nextframe.frames.watch import watch
from nextframe.machine import takes_too_much

_SMALLER = "take smaller batches, or smaller or fewer frames"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

app = App(
    name="nextframe",
    help="Forecast the next frames of any image sequence, and say how good the forecast is.",
    help_epilogue=f"A SOURCE of frames is one of: {what_can_be_read()}; or a pattern of files.",
    version=lambda: version("nextframe"),
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
COMMANDS = {
    "train": "Train a model on frames, into a run folder that `forecast` and `verify` take.",
    "forecast": "Forecast the frames that follow, with a trained model or a baseline.",
    "watch": "Follow a folder: a forecast for each frame that comes, named by its time, and scores of earlier ones.",
    "verify": "Say how good forecasts are, by lead time, beside those of simple baselines.",
    "serve": "Serve forecasts over HTTP: a page to look at, requests, and streams of frames.",
    "inspect": "Look at frames before training, at a trained run, at the shipped models, or at this machine.",
    "calibrate": "Measure a run's errors on its validation part, so that its forecasts have intervals and "
    "probabilities.",
    "import": "Make a run folder of a model of Keras.",
    "export": "Write a trained model as files that run without nextframe.",
    "benchmark": "Old name of `python -m lab`, which measures speed and quality beside others; it is in the repository "
    "alone.",
}
"""Commands, each a function of that name in the module of that name (`import_` for `import`), imported when it is
called; and the line that the list of commands has for it, which is the first one of the function's docstring."""
for order, (command, line) in enumerate(COMMANDS.items()):
    place = f"{command}_" if iskeyword(command) else command
    app.command(f"nextframe.cli.{place}:{place}", name=command, help=line, sort_key=order)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: what follows the program's name; by default the process's own.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    _open_streams()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", NextframeWarning)
        before = watch.set(watchdog)
        try:
            with _ending_on_sigterm():
                return _run(tokens)
        finally:
            watch.reset(before)


def _open_streams() -> None:
    """Let output go nowhere where a stream is closed, and write what its encoding lacks as an escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Warnings of this package in a sentence, and those of libraries to each other as they are."""
    if isinstance(message, NextframeWarning):
        print(f"nextframe: {message.render(on_command_line)}", file=sys.stderr)
    else:
        _show_others(message, category, *place, **more)


_show_others = warnings.showwarning


def _run(tokens: list[str]) -> int:
    if tokens and tokens[0] in COMMANDS:
        _write_page(app[tokens[0]])
    try:
        app(with_choices(tokens), exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (CycloptsError, NextframeError) as error:
        text = error.render(on_command_line) if isinstance(error, NextframeError) else str(error)
        print(f"nextframe: {' '.join(text.split())}", file=sys.stderr)
        return 1 if isinstance(error, TrainingError) else 2
    except KeyboardInterrupt:  # of SIGTERM, too, where a library makes that of every signal, as watchfiles does
        return _terminated() if _told_to_end.is_set() else _interrupted()
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        _drop_output()
        return 141
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:  # files are written with their names in errors
            raise
        _drop_output()
        print(f"nextframe: the output cannot be written (received {error.strerror}); make room there", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not takes_too_much(error):
            raise
        print(f"nextframe: takes more memory than there is (received {first_line(error)}); {_SMALLER}", file=sys.stderr)
        return 2
    except SystemExit as stop:
        if stop.code == TERMINATED:
            return _terminated()
        raise
    return 0


def with_choices(tokens: list[str]) -> list[str]:
    """The tokens, with its choice at an option that stands alone, as it could before it had any: what follows it is
    something else.
    """
    following = [*tokens[1:], ""]
    alone = {n for n, token in enumerate(tokens) if token == "--matched" and following[n] not in get_args(Matched)}
    return [f"{token}=last" if n in alone else token for n, token in enumerate(tokens)]


def _drop_output() -> None:
    """Let the interpreter, which flushes the output once more at its end, not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the work as an exception does, so that temporary files are removed on the way."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    _told_to_end.clear()
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_told_to_end = threading.Event()


def _end(number: int, frame: FrameType | None) -> None:
    _told_to_end.set()
    raise SystemExit(TERMINATED)


def _write_page(command: App) -> None:
    """A command's page: its function's docstring, whose lines are broken anew at the width of the terminal."""
    command.help = None
    function: Any = command.default_command
    text = cleandoc(function.__doc__)
    function.__doc__ = re.sub(r"(?<=\S)\n(?=\S)|\n {8}(?=\S)", " ", text)


def _terminated() -> int:
    print("nextframe: terminated", file=sys.stderr)
    return TERMINATED


def _interrupted() -> int:
    print("nextframe: interrupted", file=sys.stderr)
    return 130
