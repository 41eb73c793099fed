"""Reader: a process of its own that reads files which strangers have sent.

What a damaged or hostile file does to a library, it does to this process, whose memory and time are bounded: it is
ended and replaced, and the service goes on. Frames come back as a NumPy file, which cannot run anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np

from nextframe.config import Reading
from nextframe.errors import NextframeError
from nextframe.files import FULL, write_array
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.told import sequence_from, told_of
from nextframe.service.json_frames import frames_in_json
from nextframe.service.limits import NO_ROOM, Limits, Refused, said


@dataclass
class Reader:
    """The process, begun when it is first needed and again after each that was ended.

    Args:
        limits: of its memory and time, and of the frames that it hands out.
    """

    limits: Limits

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: Queue[str] = Queue()
        self._lock = threading.Lock()

    def read(self, files: Sequence[Path], reading: dict[str, Any]) -> FrameSequence:
        """The first sequence of a file, or the one that several make.

        Args:
            files: the files, in order, whose folders are of our making.
            reading: options of `Reading`.

        Raises:
            Refused: a full disk, files that cannot be read, that take too long or too much memory, or hold too much.
        """
        bounds = {name: getattr(self.limits, name) for name in ("frames", "pixels", "values")}
        asked = {"files": [str(path) for path in files], "reading": reading, **bounds}
        with self._lock:
            answer = self._asked(json.dumps(asked))
        if answer is None:
            self.close()
            raise Refused(
                422, "the file takes too long or too much memory to be read, or ends the library that reads it"
            )
        told = json.loads(answer)
        if "full" in told:
            raise Refused(507, NO_ROOM, retry_after=60)
        if "error" in told:
            raise Refused(422, told["error"])
        return sequence_of(files[0], told)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):  # what was not taken any more
                    self._process.stdin.close()
            self._process = None

    def _asked(self, line: str) -> str | None:
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "NEXTFRAME_READER_BYTES": str(self.limits.reading_bytes),
            }
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "nextframe.service.reader"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
                start_new_session=True,
            )
            self._answers = Queue()
            threading.Thread(target=_pass_on, args=(process, self._answers), daemon=True).start()
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return self._answers.get(timeout=self.limits.reading_seconds) or None
        except (OSError, Empty):
            return None


def _pass_on(process: subprocess.Popen[str], answers: Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            answers.put(line)
    answers.put("")  # it has ended


def sequence_of(path: Path, told: dict[str, Any]) -> FrameSequence:
    """Frames that were put beside a path as a NumPy file, which is removed.

    Args:
        path: the path that the suffix .npy is added to.
        told: what `told_of` says of them.
    """
    stored = path.with_suffix(path.suffix + ".npy")
    values = np.load(stored, allow_pickle=False)
    stored.unlink(missing_ok=True)
    return sequence_from(values, told)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    files = [Path(name) for name in asked["files"]]
    sequence = _opened(files, asked["reading"])
    time, channels, height, width = sequence.shape
    if time > asked["frames"]:
        sequence = sequence[time - asked["frames"] :]
    pixels = channels * height * width
    if pixels > asked["pixels"]:
        return {"error": f"the file's frames have {pixels} values, more than {asked['pixels']}"}
    if len(sequence) * pixels > asked["values"]:
        return {"error": f"the file's last frames have {len(sequence) * pixels} values, more than {asked['values']}"}
    values = replace(sequence, missing="mask").read(0, len(sequence))
    with files[0].with_suffix(files[0].suffix + ".npy").open("wb") as file:
        write_array(file, values)
    return told_of(sequence)


def _opened(files: Sequence[Path], reading: dict[str, Any]) -> FrameSequence:
    """The first sequence of a file, or the one that several make."""
    from nextframe.frames.source import open_source, open_together

    if len(files) > 1:
        return open_together(files, Reading().but(reading), name="the files")
    if files[0].suffix == ".json":
        return frames_in_json(files[0].read_bytes(), reading.get("axes", ""))
    return open_source(files[0], Reading(), **reading).sequences[0]


def main() -> None:
    """Answer one question a line, until there are no more."""
    bound = int(os.environ.get("NEXTFRAME_READER_BYTES", 0))
    if bound:
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        try:
            told = _answer(json.loads(line))
        except NextframeError as error:
            told = {"error": said(error)}
        except MemoryError:
            told = {"error": "the file takes too much memory to be read"}
        except OSError as error:
            if error.errno not in FULL:
                raise
            told = {"full": True}
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
