"""Streams: named sequences of frames that come one by one, each with its session, forecasts and scores.

Memory is bounded: the least recently used streams go to disk as sessions, and come back when they are asked for. What
changes a session, or takes it from memory, is done at the desk, one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import CheckpointError, NextframeError
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.session import Session
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence
from nextframe.service.issue import Issued, issue_always
from nextframe.service.judge import Judge
from nextframe.service.limits import Limits, Refused, said
from nextframe.service.starting import adapted_to, start_from
from nextframe.service.stream import Stream

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SESSION, _ABOUT = "session.safetensors", "stream.json"
_FORGOTTEN = 86400.0
"""Seconds after its last use from which a stream on disk may go where there is no room for another."""


class Streams:
    """All streams of a service.

    Args:
        models: what forecasts, by name.
        folder: where streams go that have no room in memory.
        limits: how many have.
        leaves: called with the name of a stream that goes to disk.
    """

    def __init__(
        self,
        models: Mapping[str, TrainedForecaster],
        folder: Path,
        limits: Limits,
        leaves: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.models, self.folder, self.limits, self._leaves = models, folder, limits, leaves
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._listeners: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._ended = False

    def __len__(self) -> int:
        return len(self._streams)

    def names(self) -> list[str]:
        """Names of the streams in memory, and of those on disk, which come back when they are asked for."""
        stored = (_named(path.parent, path.stat().st_mtime_ns) for path in self.folder.glob(f"*/{_ABOUT}"))
        return list(dict.fromkeys([*self._streams, *sorted(name for name, model in stored if model in self.models)]))

    def models_in_use(self) -> set[str]:
        """Names of the models that forecast streams in memory."""
        return {stream.model for stream in list(self._streams.values())}

    def in_memory(self, name: str) -> Stream | None:
        """A stream that is in memory."""
        stream = self._streams.get(name)
        if stream is not None:
            self._streams.move_to_end(name)
        return stream

    def find(self, name: str) -> Stream:
        """A stream that is there, in memory or on disk; at the desk.

        Raises:
            Refused: none of that name.
        """
        stream = self.in_memory(name) or self._from_disk(name)
        if stream is None:
            raise Refused(404, f"there is no stream {name!r}: send it a frame first")
        self._take_in(stream)
        return stream

    def add(
        self, name: str, model: str, frame: FrameSequence, time: np.datetime64 | None, lead_times: int
    ) -> tuple[Stream, dict[str, Any]]:
        """Take in a frame of a stream, which begins with its first one, and forecast from it; at the desk.

        Raises:
            Refused: no name for a stream, another model than that of the stream, or a frame that it cannot take.
        """
        stream = self._find_or_begin(name, model)
        session = stream.session
        if session is None:
            raise Refused(409, f"stream {name!r} follows a folder: put its frames there")
        try:
            forecaster = self.models[stream.model]
            stream.adapted = adapted_to(forecaster, frame)
            frame = stream.adapted.sequences[0]
            arrival = session.update(frame, time)
            notes, session.notes = session.notes, []
            stream.count += 1
            past, issued = self._forecast(stream, session, lead_times)
        except NextframeError as error:
            raise Refused.because(error) from error
        key = stream.keep(past, issued.forecast, self.limits.kept)
        self._grade(stream, past, issued, notes)
        moment = frame.times[0] if time is None and frame.times is not None else time
        if arrival == "late" and stream.judge is not None and moment is not None:
            stream.judge.kept.observe(moment, replace(frame, missing="mask").read(0, 1)[0])
        self._take_in(stream)
        return stream, {"arrival": arrival, "frames": len(past), "forecast": key, "why": issued.why, "notes": notes}

    def adopt(self, stream: Stream) -> None:
        """Take in a stream whose frames come from elsewhere."""
        self._streams[stream.name] = stream

    def remove(self, name: str) -> None:
        """Forget a stream; at the desk.

        Raises:
            Refused: none of that name, or one that follows a folder.
        """
        if self.find(name).session is None:
            raise Refused(409, f"stream {name!r} follows a folder")
        del self._streams[name]
        self._leaves(name)
        shutil.rmtree(self._folder_of(name), ignore_errors=True)

    def hold_listeners(self) -> None:
        """Hold the number of listeners to its limit.

        Raises:
            Refused: so many listen already, or they are to go.
        """
        if len(self._listeners) >= self.limits.listeners or self._ended:
            raise Refused(503, f"{self.limits.listeners} clients listen already: come again later", retry_after=30)

    def listen(self) -> asyncio.Queue[dict[str, Any] | None]:
        """A queue of events from now on, which ends with None; a listener that is slow loses the oldest."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(maxsize=100)
        self._listeners.append(queue)
        return queue

    def leave(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Tell a queue nothing more."""
        self._listeners.remove(queue)

    def announce(self, event: dict[str, Any] | None) -> None:
        """Tell all listeners; to be called on the loop's own thread."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def end(self) -> None:
        """Let all listeners go; to be called on the loop's own thread."""
        self._ended = True
        self.announce(None)

    @property
    def ended(self) -> bool:
        """True where listeners are to go."""
        return self._ended

    def close(self) -> None:
        """Write all sessions to disk."""
        for stream in self._streams.values():
            self._to_disk(stream)

    def _forecast(self, stream: Stream, session: Session, lead_times: int) -> tuple[FrameSequence, Issued]:
        """Frames that the next forecast starts from, and the forecast; where the model cannot, another one's."""
        forecaster = self.models[stream.model]
        prepared = start_from(forecaster, stream.adapted, session.sequence(), lead_times)
        graded = forecaster.calibration is not None
        issued = issue_always(forecaster, prepared, lead_times=lead_times, graded=graded)
        if not issued.why:
            issued = issued._replace(forecast=replace(issued.forecast, forecaster=stream.model))
        return prepared.start.past, issued

    def _find_or_begin(self, name: str, model: str) -> Stream:
        if _NAME.fullmatch(name) is None:
            raise Refused(422, "a stream's name has letters, digits, '_', '-' and '.', 64 of them at most")
        stream = self.in_memory(name) or self._from_disk(name)
        if stream is None:
            self._hold_number()
            forecaster = self.models[model]
            stream = Stream(name, model, forecaster.session(past=forecaster.config.data.past, graded=False))
        if stream.model != model:
            raise Refused(409, f"stream {name!r} is forecast by {stream.model}: take another name for another model")
        return stream

    def _hold_number(self) -> None:
        """Hold the number of streams to its limit: those on disk that nobody has used for long go.

        Raises:
            Refused: there are too many.
        """
        here = {self._folder_of(name).name for name in self._streams}
        stored = {path.parent.name: path.stat().st_mtime for path in self.folder.glob(f"*/{_ABOUT}")}
        over = len(here | stored.keys()) - self.limits.stored + 1
        for name in sorted(stored.keys() - here, key=stored.__getitem__)[: max(over, 0)]:
            if time.time() - stored[name] > _FORGOTTEN:
                shutil.rmtree(self.folder / name, ignore_errors=True)
                over -= 1
        if over > 0:
            raise Refused(
                429, f"there are {self.limits.stored} streams already: remove one (DELETE)", retry_after=int(_FORGOTTEN)
            )

    def _grade(self, stream: Stream, past: FrameSequence, issued: Issued, notes: list[str]) -> None:
        """Hold earlier forecasts against the newest frame, and keep this one for those that will come."""
        if past.times is None or past.time_step is None:
            return
        try:
            if stream.judge is None:
                stream.judge = self._judge(stream, past, issued.forecast)
            stream.judge.take(past, issued.graded(), by_model=not issued.why, tell=notes.append)
        except CheckpointError as error:
            stream.judge = None
            shutil.rmtree(self._scores_of(stream.name), ignore_errors=True)
            notes.append(f"scores begin anew: {said(error)}")

    def _judge(self, stream: Stream, past: FrameSequence, forecast: Forecast) -> Judge:
        """The judge of a stream, who goes on from the scores on disk.

        Raises:
            CheckpointError: scores that are damaged, or of other lead times.
        """
        assert past.time_step is not None
        return Judge(
            self._scores_of(stream.name),
            self.models[stream.model],
            name=stream.model,
            lead_times=_judged(forecast, self.limits),
            time_step=past.time_step,
        )

    def _take_in(self, stream: Stream) -> None:
        self._streams[stream.name] = stream
        self._streams.move_to_end(stream.name)
        self._make_room(stream)

    def _make_room(self, newest: Stream) -> None:
        """Let the least recently used streams go to disk, as many as there is no room for."""
        for name, stream in list(self._streams.items()):
            size = sum(each.nbytes for each in self._streams.values())
            if len(self._streams) <= self.limits.streams and size <= self.limits.stream_bytes:
                return
            if stream.session is not None and stream is not newest:
                self._to_disk(self._streams.pop(name))
                self._leaves(name)
        while len(newest.forecasts) > 1 and newest.nbytes > self.limits.stream_bytes:
            newest.forecasts.popitem(last=False)

    def _folder_of(self, name: str) -> Path:
        return self.folder / hashlib.sha256(name.encode()).hexdigest()[:32]

    def _scores_of(self, name: str) -> Path:
        return self._folder_of(name) / "skill"

    def _to_disk(self, stream: Stream) -> None:
        if stream.session is None or not len(stream.session):
            return
        folder = self._folder_of(stream.name)
        stream.session.save(folder / _SESSION)
        last = next(reversed(stream.forecasts.values())).forecast.lead_times if stream.forecasts else None
        about = {
            "name": stream.name,
            "model": stream.model,
            "count": stream.count,
            "lead_times": last,
        }
        write_text(folder / _ABOUT, json.dumps(about))

    def _from_disk(self, name: str) -> Stream | None:
        """A stream as it went to disk, and its last forecast, which is made again."""
        folder = self._folder_of(name)
        about = _about(folder)
        if about.get("model") not in self.models:
            return None
        forecaster = self.models[about["model"]]
        session = forecaster.session(past=forecaster.config.data.past, graded=False)
        try:
            session.load(folder / _SESSION)
            stream = Stream(name, about["model"], session, count=about["count"])
            if about["lead_times"] is not None:
                stream.adapted = adapted_to(forecaster, session.sequence())
                past, issued = self._forecast(stream, session, about["lead_times"])
                stream.keep(past, issued.forecast, self.limits.kept)
                if past.time_step is not None and self._scores_of(name).is_dir():
                    with suppress(CheckpointError):  # the next frame begins them anew, and says so
                        stream.judge = self._judge(stream, past, issued.forecast)
        except NextframeError:
            return None
        return stream


def _about(folder: Path) -> dict[str, Any]:
    """Record on disk of a stream; nothing where it cannot be read."""
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


@lru_cache(maxsize=4096)
def _named(folder: Path, changed: int) -> tuple[str, str | None]:
    """Name and model of a stream on disk, of which there may be a thousand, as of its last change."""
    about = _about(folder)
    return str(about.get("name", "")), about.get("model")


def _judged(forecast: Forecast, limits: Limits) -> int:
    """Number of lead times that are judged: of large frames not all, as each waits for its truth on disk."""
    pixels = int(np.prod(forecast.values.shape[1:]))
    return max(1, min(forecast.lead_times, int((limits.values / pixels) ** 0.5)))
