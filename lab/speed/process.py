"""A contender's process, seen from the benchmark: started, told to do a step, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from lab.place import environment
from lab.speed.contenders import Contender
from lab.speed.work import Accelerator, Task, Work
from nextframe.errors import ConfigError


class Process:
    """A contender in a process of its own, ready to be measured; use it as a context manager.

    Args:
        contender: who.
        work: the work of which it does steps.
        task: what is done of the work.
        threads: threads to compute with.
        accelerator: where it computes.
        keras_python: the interpreter of a Keras contender, where that is another one.

    Raises:
        ConfigError: it cannot be started, or fails in its first step, which is not measured.
    """

    def __init__(
        self,
        contender: Contender,
        work: Work,
        task: Task,
        *,
        threads: int,
        accelerator: Accelerator = "cpu",
        keras_python: str | Path | None = None,
    ) -> None:
        self.contender = contender
        order = {
            "contender": asdict(contender),
            "work": asdict(work),
            "task": task,
            "threads": threads,
            "accelerator": accelerator,
        }
        own = contender.kind == "keras" and keras_python is not None
        variables = environment(bare=own) | _thread_limits(contender, threads)
        variables["NEXTFRAME_ENGINE"] = "on" if contender.engine else "off"
        python = sys.executable
        if contender.kind == "keras":
            variables |= {"KERAS_BACKEND": contender.backend or "", "TF_CPP_MIN_LOG_LEVEL": "3"}
            if keras_python is not None:
                python = str(keras_python)
        command = [python, "-m", "lab.speed.worker", json.dumps(order)]
        with ExitStack() as opened:
            # Not a pipe: a pipe that nobody empties would stop a talkative library.
            self._errors = opened.enter_context(tempfile.TemporaryFile("w+"))
            pipe = subprocess.PIPE
            try:
                started = subprocess.Popen(
                    command, env=variables, stdin=pipe, stdout=pipe, stderr=self._errors, text=True
                )
            except OSError as error:
                raise ConfigError("cannot be started", where=python, received=error) from error
            self._process = opened.enter_context(started)
            while self._answer() != "ready":  # libraries print their greetings before
                pass
            self._opened = opened.pop_all()

    def step(self) -> float:
        """Do one step; returns its seconds."""
        return float(self._ask("step"))

    def peak_memory(self) -> int:
        """The most memory it has used, in bytes: of the process, or allocated on the GPU."""
        return int(self._ask("memory"))

    def idle_memory(self) -> int:
        """The most memory it had used before its first step, in bytes."""
        return int(self._ask("idle memory"))

    def versions(self) -> dict[str, str]:
        """Versions of Python and of the libraries that it computes with."""
        found: dict[str, str] = json.loads(self._ask("versions"))
        return found

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()  # its input ends, and so does it

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            lines = [text.strip() for text in self._errors if text.strip()]
            raise ConfigError("failed", where=f"benchmark of {self.contender.name}", received=gist(lines))
        return line.strip()


def gist(lines: list[str]) -> str:
    """The line of a traceback that names the error; the last line where none does."""
    named = [line for line in lines if "Error" in line.split(":")[0].split(" ")[0]]
    return (named or lines or ["no message"])[-1]


def _thread_limits(contender: Contender, threads: int) -> dict[str, Any]:
    """What has to stand in the environment before a library is loaded, so that it takes no more threads than others.

    TensorFlow's two pools are limited by variables of their own. XLA's pool on the CPU takes NPROC for the number of
    processors, and runs single operations in parallel unless told not to.
    """
    limits = {"OMP_NUM_THREADS": str(threads)}
    if contender.kind == "keras":
        limits |= {name: str(threads) for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")}
        if threads == 1:
            limits["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return limits
