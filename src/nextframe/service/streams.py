"""Streams: named sequences of frames that come one by one, each with its session, forecasts and scores.

Memory is bounded: the least recently used streams go to disk as sessions, and come back when they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import NextframeError
from nextframe.forecasting.baselines import DEFAULT, make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.live_skill import WINDOWS, Skill
from nextframe.forecasting.session import Session
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence
from nextframe.service.limits import Limits, Refused
from nextframe.verification.additive import Settings
from nextframe.verification.rolling import Rolling

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(eq=False)
class Stream:
    """A stream as the service holds it."""

    name: str
    """What clients call it."""
    model: str
    """Name of the model that forecasts."""
    session: Session | None = None
    """Its past; None where its forecasts come from elsewhere, as those of a folder that is followed."""
    forecasts: OrderedDict[str, Forecast] = field(default_factory=OrderedDict)
    """Initial time -> forecast, the last ones."""
    past: FrameSequence | None = None
    """Frames that the last forecast starts from."""
    rolling: Rolling | None = None
    """Its scores."""
    count: int = 0
    """Frames that have come."""

    def skill(self) -> dict[str, Skill]:
        """Scores by window."""
        return {} if self.rolling is None else {window: self.rolling.skill(window) for window in WINDOWS}


class Streams:
    """All streams of a service.

    Args:
        models: what forecasts, by name.
        folder: where streams go that have no room in memory.
        limits: how many have.
    """

    def __init__(self, models: Mapping[str, TrainedForecaster], folder: Path, limits: Limits) -> None:
        self.models, self.folder, self.limits = models, folder, limits
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._listeners: list[asyncio.Queue[dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._streams)

    def names(self) -> list[str]:
        """Names of the streams in memory."""
        return list(self._streams)

    def models_in_use(self) -> set[str]:
        """Names of the models that forecast streams in memory."""
        return {stream.model for stream in self._streams.values()}

    def find(self, name: str) -> Stream:
        """A stream that is there.

        Raises:
            Refused: none of that name.
        """
        stream = self._streams.get(name) or self._from_disk(name)
        if stream is None:
            raise Refused(404, f"there is no stream {name!r}: send it a frame first")
        self._streams[name] = stream
        self._streams.move_to_end(name)
        self._make_room()
        return stream

    def find_or_begin(self, name: str, model: str) -> Stream:
        """A stream, begun where it is not there.

        Raises:
            Refused: no name for a stream, or another model than that of the stream.
        """
        if _NAME.fullmatch(name) is None:
            raise Refused(422, "a stream's name has letters, digits, '_', '-' and '.', 64 of them at most")
        try:
            stream = self.find(name)
        except Refused:
            stream = Stream(name, model, self.models[model].session(past=self.models[model].config.data.past))
            self._streams[name] = stream
            self._make_room()
        if stream.model != model:
            raise Refused(409, f"stream {name!r} is forecast by {stream.model}: take another name for another model")
        if stream.session is None:
            raise Refused(409, f"stream {name!r} follows a folder: put its frames there")
        return stream

    def add(self, stream: Stream, frame: FrameSequence, time: np.datetime64 | None, lead_times: int) -> dict[str, Any]:
        """Take in a frame, and forecast from it.

        Raises:
            Refused: a frame that the stream cannot take.
        """
        assert stream.session is not None
        try:
            arrival = stream.session.update(frame, time)
            stream.count += 1
            past = stream.session.sequence()
            forecast = replace(stream.session.forecast(lead_times), forecaster=stream.model)
        except NextframeError as error:
            raise Refused(422, str(error)) from error
        self.issued(stream, past, forecast)
        return {"arrival": arrival, "frames": len(past), "forecast": self.key(forecast, stream)}

    def issued(self, stream: Stream, past: FrameSequence, forecast: Forecast) -> None:
        """Keep a forecast of a stream, and hold earlier ones against the newest frame."""
        self.keep(stream, past, forecast)
        self._judge(stream, past, forecast)

    def keep(self, stream: Stream, past: FrameSequence, forecast: Forecast) -> None:
        """Keep a forecast of a stream, and forget those for which there is no more room."""
        key = self.key(forecast, stream)
        stream.forecasts[key] = forecast
        stream.forecasts.move_to_end(key)
        while len(stream.forecasts) > self.limits.kept:
            stream.forecasts.popitem(last=False)
        stream.past = past

    def adopt(self, stream: Stream) -> None:
        """Take in a stream whose frames come from elsewhere."""
        self._streams[stream.name] = stream

    @staticmethod
    def key(forecast: Forecast, stream: Stream) -> str:
        """What a forecast is called in an address: its initial time, else the number of its frame."""
        if forecast.init_time is None:
            return str(stream.count)
        return str(forecast.init_time.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z"

    def listen(self) -> asyncio.Queue[dict[str, Any]]:
        """A queue of events from now on; a listener that is slow loses the oldest."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=100)
        self._listeners.append(queue)
        return queue

    def leave(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        """Tell a queue nothing more."""
        self._listeners.remove(queue)

    def announce(self, event: dict[str, Any]) -> None:
        """Tell all listeners; to be called on the loop's own thread."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def close(self) -> None:
        """Write all sessions to disk."""
        for stream in self._streams.values():
            self._to_disk(stream)

    def _judge(self, stream: Stream, past: FrameSequence, forecast: Forecast) -> None:
        if past.times is None or past.time_step is None:
            return
        now = past.times[-1]
        if stream.rolling is None:
            threshold = float(self.models[stream.model].manifest.threshold)
            stream.rolling = Rolling(
                lead_times=forecast.lead_times,
                time_step=past.time_step,
                settings=Settings(thresholds=(threshold,), scales=(5,)),
            )
        rolling = stream.rolling
        if forecast.lead_times != rolling.lead_times:
            return
        rolling.observe(now, past.read(len(past) - 1, len(past))[0])
        recent = past.read(max(len(past) - 2, 0), len(past))[None]
        beside = {name: make_baseline(name).predict(recent, rolling.lead_times)[0] for name in DEFAULT}
        rolling.issue(now, {stream.model: forecast.values, **beside})

    def _make_room(self) -> None:
        for name in list(self._streams):
            if len(self._streams) <= self.limits.streams:
                return
            if self._streams[name].session is not None:
                self._to_disk(self._streams.pop(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.safetensors"

    def _to_disk(self, stream: Stream) -> None:
        if stream.session is not None and len(stream.session):
            stream.session.save(self._path(stream.name))
            self._path(stream.name).with_suffix(".model").write_text(stream.model, encoding="utf-8")

    def _from_disk(self, name: str) -> Stream | None:
        path = self._path(name)
        try:
            model = path.with_suffix(".model").read_text(encoding="utf-8")
            forecaster = self.models[model]
        except (OSError, KeyError):
            return None
        session = forecaster.session(past=forecaster.config.data.past)
        try:
            session.load(path)
        except NextframeError:
            return None
        return Stream(name, model, session, count=len(session.kept))
