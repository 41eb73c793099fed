"""`Service`: everything that the routes share."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.service.answers import content, values_told
from nextframe.service.compare import baselines_of
from nextframe.service.desk import Desk
from nextframe.service.follow import Follower
from nextframe.service.followed import Followed
from nextframe.service.limits import Limits, Refused
from nextframe.service.monitoring import Monitor
from nextframe.service.reader import Reader
from nextframe.service.room import Room
from nextframe.service.stream import Kept, Shown, Stream
from nextframe.service.streams import Streams
from nextframe.service.trainings import Trainings


@dataclass(kw_only=True)
class Service:
    """Everything that the routes share."""

    models: Mapping[str, TrainedForecaster]
    """What forecasts, by name; the first one is the default."""
    limits: Limits = field(default_factory=Limits)
    """What clients may ask for."""
    token: str | None = None
    """Token that every request has to bear; None for none."""
    folder: Path | None = None
    """Where streams go that have no room in memory; by default a temporary folder."""
    follower: Follower | None = None
    """What follows a folder with the default model, if anything is to."""

    def __post_init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="nextframe-streams-") if self.folder is None else None
        folder = Path(self._temporary.name) if self._temporary is not None else Path(self.folder or "")
        folder.mkdir(parents=True, exist_ok=True)
        self.room = Room(self.limits.held)
        self.desk = Desk(self.limits.waiting, "nextframe-models")
        self.reading = Desk(self.limits.waiting, "nextframe-files")
        self.writing = Desk(self.limits.requests, "nextframe-answers")
        self.reader = Reader(self.limits)
        self.monitor = Monitor()
        models = self.models = dict(self.models)  # trained ones come to it
        self.streams = Streams(self.models, folder, self.limits, self.monitor.forget)
        self.trainings = Trainings(models, folder / "trainings", self.limits, self.streams.models_in_use)
        self._followed: Followed | None = None

    def begin(self) -> None:
        """Begin what goes on beside requests; to be called on the loop that they are answered on."""
        if self.follower is not None:
            name = next(iter(self.models))
            self._followed = Followed(self.follower, name, desk=self.desk, streams=self.streams, monitor=self.monitor)

    @property
    def follows(self) -> bool:
        """True unless the folder that was to be followed is no longer."""
        return self._followed is None or self._followed.alive

    async def close(self) -> None:
        """Finish what is under way, and keep what has to be kept."""
        await asyncio.to_thread(self._close)

    def model_named(self, name: str | None) -> tuple[str, TrainedForecaster]:
        """A model by its name, the default one for None.

        Raises:
            Refused: no model of that name.
        """
        chosen = next(iter(self.models)) if name is None else name
        if chosen not in self.models:
            raise Refused(404, f"there is no model {chosen!r}: {', '.join(self.models)}")
        return chosen, self.models[chosen]

    def lead_times_of(self, model: TrainedForecaster, asked: str | None, pixels: int) -> int:
        """Number of lead times that is asked for.

        Raises:
            Refused: no number, or more than the limits allow.
        """
        try:
            number = model.config.data.future if asked is None else int(asked)
        except ValueError as error:
            raise Refused(422, f"lead_times is no number: {asked[:40] if asked else asked}") from error
        most = min(self.limits.lead_times, self.limits.values // max(pixels, 1))
        if not 1 <= number <= most:
            raise Refused(422, f"lead_times must be between 1 and {most}, received {number}")
        return number

    def hold_told(self, values: int, *, packed: bool) -> None:
        """Hold an answer as JSON to what there may be of it; packed frames take as many bytes as those of a file.

        Raises:
            Refused: too many values.
        """
        most = self.limits.values if packed else self.limits.told
        if values > most:
            raise Refused(
                422, f"{values} values are too many for JSON, of which there may be {most}: ask for nc or npy"
            )

    async def stream(self, name: str) -> Stream:
        """A stream that is there, in memory or on disk.

        Raises:
            Refused: none of that name.
        """
        stream = self.streams.in_memory(name)
        return await self.desk.compute(self.streams.find, name) if stream is None else stream

    async def answer(self, stream: Stream, kept: Kept, shown: Shown) -> bytes:
        """A forecast of a stream in a format; made once, however many ask for it.

        Args:
            stream: the stream.
            kept: one of its forecasts; the latest, where more than it is shown.
            shown: what is shown of it, the truth with the frames before it alone.

        Raises:
            Refused: more values than JSON may have, or baselines where the frames before it are there no more.
        """
        past = stream.past_of(kept.forecast) if shown.past else None
        truth = stream.truth_of(kept.forecast)[0] if shown.truth else None
        if shown.beside and past is None:
            raise Refused(409, "the frames before the forecast are there no more, and no baseline without them")
        if shown.format == "json":
            further = len(shown.beside) + (truth is not None)
            values = values_told(kept.forecast, past) + further * kept.forecast.values.size
            self.hold_told(values, packed=shown.packed)

        def make() -> bytes:
            if shown in kept.answers:  # made since for another who asked
                return kept.answers[shown]
            if past is None:
                return kept.keep(shown, content(kept.forecast, shown.format, pack=shown.packed))
            beside, notes = baselines_of(shown.beside, past, kept.forecast.lead_times)
            seen = past.read(0, len(past))
            form, pack = shown.format, shown.packed
            answer = content(kept.forecast, form, past=seen, beside=beside, notes=notes, truth=truth, pack=pack)
            return kept.keep(shown, answer)

        if shown in kept.answers:
            return kept.answers[shown]
        plain = shown.format == "json" and not shown.beside
        return await (self.writing if plain else self.desk).compute(make)

    def _close(self) -> None:
        if self._followed is not None:
            self._followed.close()
        self.trainings.close()
        for desk in (self.reading, self.writing, self.desk):
            desk.close()
        self.reader.close()
        if self._temporary is None:
            self.streams.close()
        else:
            self._temporary.cleanup()


def latest_of(stream: Stream) -> tuple[str, Forecast]:
    """The latest forecast of a stream, and what it is called.

    Raises:
        Refused: it has none.
    """
    key, kept = kept_of(stream, "latest")
    return key, kept.forecast


def kept_of(stream: Stream, when: str) -> tuple[str, Kept]:
    """A forecast of a stream, `latest` or that of an initial time, and what it is called.

    Raises:
        Refused: there is none.
    """
    forecasts = stream.forecasts  # of which there are others, when another has come
    if not forecasts:
        raise Refused(404, f"stream {stream.name!r} has no forecast yet")
    key = next(reversed(forecasts)) if when == "latest" else when
    if key not in forecasts:
        raise Refused(404, f"there is no forecast {when[:40]!r}: {', '.join(forecasts)}")
    return key, forecasts[key]
