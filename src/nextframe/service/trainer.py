"""Trainer: a process of its own that trains a model on uploaded frames; its end is its answer.

It reads one line of JSON, what it is to do, and ends when its standard input does: when the service has gone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from nextframe.errors import NextframeError
from nextframe.machine import takes_too_much
from nextframe.service.limits import said
from nextframe.words import nobody


def _train(asked: dict[str, Any]) -> dict[str, Any]:
    from nextframe.api import fit
    from nextframe.service.reader import sequence_of

    frames = sequence_of(Path(asked["frames"]), asked["told"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(frames, out=asked["out"], progress=False, tell=nobody, **asked["options"])
    return {}


def _end_with_the_service() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def main() -> None:
    """Train as the first line of the standard input says."""
    asked = json.loads(sys.stdin.readline())
    if asked["bytes"]:
        resource.setrlimit(resource.RLIMIT_AS, (asked["bytes"], asked["bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        told = _train(asked)
    except NextframeError as error:
        told = {"error": said(error)}
    except (MemoryError, RuntimeError) as error:
        if not takes_too_much(error):
            raise
        told = {"error": "the training takes too much memory"}
    answers.write(json.dumps(told) + "\n")
    answers.flush()
    os._exit(0)  # whatever threads a library has left


if __name__ == "__main__":
    main()
