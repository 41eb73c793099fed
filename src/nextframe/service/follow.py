"""`Follower`: a folder that frames come to, and a product for each of them.

A product is a function of the last frames up to its initial time, so that late, doubled, missing or truncated files, or
a process that is killed at any moment, change nothing in the end: whatever is missing, or was made from other frames
than those that are there now, is made again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.config import Reading, frames_asked_for
from nextframe.errors import ConfigError, NextframeError
from nextframe.files import remove_leftovers, write_text
from nextframe.forecasting.adapt import Prepared, adapt
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.session import Arrival, is_gap
from nextframe.forecasting.trained import TrainedForecaster, with_given
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import Source, open_source, open_together
from nextframe.frames.steps import nominal_step
from nextframe.outputs.asked import Asked
from nextframe.outputs.writers import save_forecast, writer_for
from nextframe.service.incoming import Arrived, Incoming
from nextframe.service.issue import Issued, issue_always
from nextframe.service.judge import DRIFT, Judge
from nextframe.service.limits import said
from nextframe.words import seconds

STATE = ".nextframe"
"""Folder within that of the products for what a restart goes on from."""
INTERVAL = 0.25
"""Seconds between two looks, where nothing tells of changes."""
_REMEMBERED = 5000
"""Products whose frames have gone of which it is remembered what they were made from."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """A forecast that was written."""

    init_time: np.datetime64
    """Time of the last frame that it starts from."""
    files: tuple[Path, ...]
    """Where it is."""
    frames: int
    """Number of frames that it starts from."""
    why: str
    """Why it is not the model's; empty where it is."""
    seconds: float
    """Time that it took, reading and writing included."""
    past: FrameSequence | None
    """The frames that it starts from; None where they are there no more."""
    forecast: Forecast
    """The forecast itself."""
    arrival: Arrival | None = None
    """What became of its last frame, as a session says it; None where that had come before, and the product is made
    again because of another frame, or of a file that has gone."""
    again: bool = False
    """Whether its files were there already, and it was made or read again to be shown."""


Make = Callable[[], Product | None]
"""Work that makes a product, where one can be made."""


def at_once(make: Make) -> Product | None:
    """Do some work without waiting for a turn."""
    return make()


class Follower:
    """Products of a folder that grows.

    Args:
        model: what forecasts.
        pattern: files of frames that come: a folder, or a pattern such as "incoming/*.h5".
        out: folder of the products, each named by its initial time in UTC: `20160711T210000Z.nc`.
        formats: suffixes of the products' formats ("nc", "tif"); one that appends has one file, `forecasts.zarr`.
        lead_times: number of frames to forecast; by default as many as the model was trained for.
        reading: options of how to read the frames; by default as `nextframe forecast` does, which brings them to what
            the training's were.
        covariates: sources of the model's observed covariates, in the order of the training's: folders or patterns that
            grow as well, opened anew for each product. A product is made of what is there when its frame comes, and not
            made again for a covariate that comes later, which a forecast of that time did not know.
        future_covariates: sources of those that are known for the future, likewise.
        asked: what is to be written beside the forecast.
        thresholds: of events in source units, by which forecasts are judged.
        keep: age from which products are removed; by default they all stay.
        drift: time for which the model may be behind extrapolation before it is said.
        tell: takes the sentences that are to be said.

    Raises:
        ConfigError: a format that there is not, a place that cannot be written to, or another number of covariates than
            the model was trained with.
        DataError: covariates that cannot be read.
    """

    def __init__(
        self,
        model: TrainedForecaster,
        pattern: str,
        out: Path,
        *,
        formats: Sequence[str] = ("nc",),
        lead_times: int | None = None,
        reading: Mapping[str, Any] | None = None,
        covariates: Sequence[Source] | None = None,
        future_covariates: Sequence[Source] | None = None,
        asked: Asked | None = None,
        thresholds: tuple[float, ...] = (),
        keep: np.timedelta64 | None = None,
        drift: np.timedelta64 = DRIFT,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._beside = (covariates, future_covariates)
        self._knowing(model)  # whether they fit shows now
        self.model, self.out, self.tell, self.keep = model, Path(out), tell, keep
        self.formats = tuple(suffix if suffix.startswith(".") else f".{suffix}" for suffix in formats)
        if not self.formats:
            raise ConfigError("names no format", where="format", hint="nc, tif, ...")
        for suffix in self.formats:
            writer_for(f"product{suffix}")
        self.lead_times = model.config.data.future if lead_times is None else frames_asked_for(lead_times)
        self.reading = dict(reading or {})
        own = {
            name: value
            for name, value in self.reading.items()
            if name not in ("frames", "crop", "coarsen", "rain_unit")
        }
        # As they are: cuts, pixels and units are brought to the training's afterwards (`adapt`).
        self._plain = replace(model.config.data, crop=(), coarsen=1, rain_unit="as-read", frames=(), **own)
        self.asked = asked or Asked()
        self._thresholds, self._drift = thresholds, drift
        self._state = self.out / STATE
        self._state.mkdir(parents=True, exist_ok=True)
        for folder in (self.out, self._state):
            remove_leftovers(folder)
        files, self._made = _remembered(self._state / "state.json")
        self.incoming = Incoming(pattern, self._plain, known=files)
        self.turn: Callable[[Make], Product | None] = at_once
        """Does the work of a product when its turn has come, where others compute, too."""
        self._judge: Judge | None = None
        self._step: np.timedelta64 | None = None

    def run(self, *, once: bool = False, stop: threading.Event | None = None, again: bool = False) -> Iterator[Product]:
        """Make the products that are due, and go on with those of the frames that come.

        Args:
            once: take all files as they are, make what is due, and end.
            stop: ends it, when it is set, after the product that is being made.
            again: begin with the newest one that is there already, which is made again to be shown, or read from its
                NetCDF file where the frames that it was made from are there no more.
        """
        stop = stop or threading.Event()
        self.incoming.look(self.tell, all_whole=once)
        newest = self._newest() if again else None
        if newest is not None:
            yield newest
        changes = iter(()) if once else _changes(self.incoming, stop)
        while not stop.is_set():
            for product in self.due():
                yield product
                if stop.is_set():
                    return
            if once:
                return
            while not self.incoming.look(self.tell):
                if next(changes, None) is None:
                    return

    def due(self) -> Iterator[Product]:
        """Make every product that is missing, or was made from other frames than are there now."""
        places = self.incoming.by_time()
        times = list(places)
        if not times:
            return
        step = self._time_step(times)
        for n, moment in enumerate(times):
            files, basis = self._basis(places, times[max(0, n - self.model.config.data.past) : n + 1], step)
            before = self._made.get(str(moment), [])
            # Frames that are removed from the folder when they are old take nothing from what was made of them.
            same = bool(before) and all(part in before for part in basis)
            if same and all(path.exists() for path in self.names(moment)):
                continue
            if self._too_old(moment, times[-1]):
                continue
            before_it = times[n - 1] if n else None
            arrival = self._arrival(moment, before_it, step, replaced=bool(before) and basis[-1] not in before)
            product = self.turn(partial(self._make, moment, files, step))
            self._made[str(moment)] = basis
            self._remember()
            if product is not None:
                yield replace(product, arrival=arrival)
        self._remove_old(times[-1])

    def names(self, init_time: np.datetime64) -> list[Path]:
        """Files of the product of an initial time."""
        stem = str(init_time.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z"
        return [
            self.out / (f"forecasts{suffix}" if writer_for(f"x{suffix}").appends else f"{stem}{suffix}")
            for suffix in self.formats
        ]

    @property
    def judge(self) -> Judge | None:
        """Scores of what was issued; None before the first product."""
        return self._judge

    def _arrival(
        self, moment: np.datetime64, before_it: np.datetime64 | None, step: np.timedelta64, *, replaced: bool
    ) -> Arrival | None:
        """Fate of the frame of a product that is about to be made.

        Args:
            moment: its time.
            before_it: time of the frame before it in the folder.
            step: time between frames.
            replaced: whether its product was made of another file than is there now.
        """
        if str(moment) in self._made:
            return "replaced" if replaced else None
        others = [np.datetime64(text, "ns") for text in self._made]  # the files of some of them have gone
        if any(other > moment for other in others):
            return "late"
        earlier = max((*others, *(() if before_it is None else (before_it,))), default=None)
        if earlier is None:
            return "first"
        return "gap" if is_gap(earlier, moment, step) else "next"

    def _basis(
        self, places: Mapping[np.datetime64, Path], times: Sequence[np.datetime64], step: np.timedelta64
    ) -> tuple[list[Path], list[list[Any]]]:
        """Files that the product of the last of some times starts from, and what is remembered of them."""
        reach = (self.model.config.data.past - 1) * step * 1.05
        window = [time for time in times if times[-1] - time <= reach]
        files = list(dict.fromkeys(places[time] for time in window))
        return files, [[path.name, *self.incoming.files[path].stat] for path in files]

    def _newest(self) -> Product | None:
        """The newest product, made again from the frames that it was made from, which leaves its files as they are, or
        read where they are not all there any more; None where it cannot be.
        """
        if not self._made:
            return None
        places = self.incoming.by_time()
        times, moment = list(places), np.datetime64(max(self._made), "ns")
        if not all(path.exists() for path in self.names(moment)):
            return None
        step = self._time_step(times)
        if moment in places:
            newest = times.index(moment)
            files, basis = self._basis(places, times[max(0, newest - self.model.config.data.past) : newest + 1], step)
            if basis == self._made[str(moment)]:
                return self.turn(partial(self._make_again, moment, files, step))
        return self.turn(partial(self._read_again, moment, step))

    def _make_again(self, moment: np.datetime64, files: Sequence[Path], step: np.timedelta64) -> Product | None:
        started = time.perf_counter()
        try:
            frames, (forecast, why, _) = self._issue(moment, files, step)
        except NextframeError as error:
            self.tell(f"no product of {moment.astype('datetime64[s]')}Z: {error}")
            return None
        self._judged_before(step)
        return Product(
            init_time=moment,
            files=tuple(self.names(moment)),
            frames=len(frames),
            why=why,
            seconds=time.perf_counter() - started,
            past=frames,
            forecast=forecast,
            again=True,
        )

    def _read_again(self, moment: np.datetime64, step: np.timedelta64) -> Product | None:
        """A product as its NetCDF file has it; None where there is none."""
        started = time.perf_counter()
        path = next((path for path in self.names(moment) if path.suffix == ".nc"), None)
        if path is None:
            return None
        try:
            forecast = forecast_in(path, moment, step, self.model.manifest.variables)
        except NextframeError as error:
            self.tell(f"the product of {moment.astype('datetime64[s]')}Z is not shown: {error}")
            return None
        self._judged_before(step)
        return Product(
            init_time=moment,
            files=tuple(self.names(moment)),
            frames=0,
            why="",
            seconds=time.perf_counter() - started,
            past=None,
            forecast=forecast,
            again=True,
        )

    def _judged_before(self, step: np.timedelta64) -> None:
        """Take the scores of an earlier run, where there are some."""
        if self._judge is None and (self._state / "skill").is_dir():
            self._judge = self._new_judge(step)

    def _issue(
        self, moment: np.datetime64, files: Sequence[Path], step: np.timedelta64
    ) -> tuple[FrameSequence, Issued]:
        """Frames that a product starts from, and its forecast."""
        prepared, apart = self._frames(moment, files, step)
        issued = issue_always(
            self.model,
            prepared,
            ready=self._knowing,
            lead_times=self.lead_times,
            members=self.asked.uncertainty,
            graded=self._calibrated,
            because=apart,
        )
        return prepared.start.past, issued

    def _new_judge(self, step: np.timedelta64) -> Judge:
        """The judge of the products, who goes on from the scores on disk."""
        return Judge(
            self._state / "skill",
            self.model,
            lead_times=self.lead_times,
            time_step=step,
            thresholds=self._thresholds,
            drift=self._drift,
        )

    def _make(self, moment: np.datetime64, files: Sequence[Path], step: np.timedelta64) -> Product | None:
        started = time.perf_counter()
        try:
            frames, (forecast, why, graded) = self._issue(moment, files, step)
            asked = self.asked if forecast.members is not None else replace(self.asked, **_NO_MEMBERS)
            written = save_forecast(
                forecast,
                self.names(moment),
                past=frames.read(0, len(frames)),
                exceed=asked.exceed,
                quantiles=asked.quantiles,
                coverage=asked.coverage,
                members=asked.members,
                points=asked.points,
                areas=asked.areas,
            )
        except NextframeError as error:
            self.tell(f"no product of {moment.astype('datetime64[s]')}Z: {error}")
            return None
        taken = time.perf_counter() - started
        if why:
            self.tell(f"{moment.astype('datetime64[s]')}Z: {why}")
        if self._judge is None:
            self._judge = self._new_judge(step)
        self._judge.take(frames, graded(), by_model=not why, tell=self.tell)
        return Product(
            init_time=moment,
            files=tuple(written),
            frames=len(frames),
            why=why,
            seconds=taken,
            past=frames,
            forecast=forecast,
        )

    def _frames(self, moment: np.datetime64, files: Sequence[Path], step: np.timedelta64) -> tuple[Prepared, str]:
        """The frames of some files up to a time, as the model sees them; where they do not fit together, as when the
        grid has changed among them, those of the last files that do, and why.
        """
        name, why = self.incoming.pattern, ""
        for first in range(len(files)):
            try:
                frames = open_together(files[first:], self._plain, name=name)
                break
            except NextframeError as error:
                if first == len(files) - 1:
                    raise
                why = why or f"the frames before it do not fit it: {said(error)}"
        assert frames.times is not None
        last = int(np.searchsorted(frames.times.astype("datetime64[ns]"), moment, side="right"))
        frames = replace(frames[:last], time_step=step, missing="mask")
        given = {name: value for name, value in self.reading.items() if name not in ("variable", "axes", "frames")}
        adapted = adapt(self.model.manifest, frames, given)
        sequence = adapted.sequences[0]
        past = self.model.config.data.past
        return adapted.prepared(sequence, len(sequence), past=past, lead_times=self.lead_times), why

    def _knowing(self, model: TrainedForecaster) -> TrainedForecaster:
        """The model with the covariates that are there now."""
        return with_given(model, *self._beside, own=False)

    @property
    def _calibrated(self) -> bool:
        return self.model.calibration is not None

    def _time_step(self, times: Sequence[np.datetime64]) -> np.timedelta64:
        if self._step is None:
            trained = self.model.manifest.time_step
            if trained is not None:
                self._step = np.timedelta64(round(trained * 1e9), "ns")
            elif len(times) > 1:
                self._step = np.timedelta64(round(seconds(nominal_step(np.array(times))) * 1e9), "ns")
            else:
                return np.timedelta64(300 * 10**9, "ns")
        return self._step

    def _too_old(self, moment: np.datetime64, newest: np.datetime64) -> bool:
        return self.keep is not None and bool(newest - moment > self.keep)

    def _remove_old(self, newest: np.datetime64) -> None:
        """Remove products older than asked for; what others have put there stays."""
        if self.keep is None:
            return
        for text in list(self._made):
            moment = np.datetime64(text, "ns")
            if self._too_old(moment, newest):
                for path in self.names(moment):
                    if not writer_for(path).appends:
                        path.unlink(missing_ok=True)
                del self._made[text]
        self._remember()

    def _remember(self) -> None:
        there = {str(moment) for moment in self.incoming.by_time()}
        gone = sorted(self._made.keys() - there)
        for text in gone[:-_REMEMBERED]:
            del self._made[text]
        state = {
            "products": self._made,
            "files": [
                [str(file.path), *file.stat, [str(moment) for moment in file.times], file.trouble]
                for file in self.incoming.files.values()
            ],
        }
        write_text(self._state / "state.json", json.dumps(state))


def forecast_in(path: Path, moment: np.datetime64, step: np.timedelta64, variables: Sequence[str]) -> Forecast:
    """The forecast of a product in NetCDF.

    Args:
        path: the file.
        moment: its initial time.
        step: time between its lead times, where it has one alone.
        variables: names of its channels, where there are others beside them.

    Raises:
        DataError: a file that cannot be read.
        ConfigError: none of these variables.
    """
    reading = Reading(missing="mask")
    try:
        (frames,) = open_source(path, reading).sequences
    except NextframeError:
        (frames,) = open_source(path, reading, variable=tuple(variables)).sequences
    return Forecast(
        values=frames.read(0, len(frames)),
        forecaster=str(frames.attributes.get("forecaster", "")),
        init_time=moment,
        time_step=frames.time_step or step,
        variables=frames.variables,
        units=frames.units,
        variable_attributes=frames.variable_attributes,
        accumulation=frames.accumulation,
        grid=frames.grid,
        source=path.name,
        attributes=frames.attributes,
    )


_NO_MEMBERS: dict[str, Any] = {"exceed": (), "quantiles": (), "coverage": None, "members": False}


def _remembered(path: Path) -> tuple[list[Arrived], dict[str, Any]]:
    """Files that were looked at, and what products were made from; nothing where the file is not there or damaged,
    which only costs time.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        files = [
            Arrived(Path(name), (size, changed), tuple(np.datetime64(text, "ns") for text in times), trouble)
            for name, size, changed, times, trouble in known["files"]
        ]
        return files, dict(known["products"])
    except (OSError, ValueError, KeyError, TypeError):
        return [], {}


def _changes(incoming: Incoming, stop: threading.Event) -> Iterator[bool]:
    """Yields whenever there may be something new in the folder, until it is stopped."""
    try:
        from watchfiles import watch
    except ImportError:  # an extra; without it one looks every now and then
        while not stop.wait(INTERVAL):
            yield True
        return
    incoming.folder.mkdir(parents=True, exist_ok=True)
    pause = round(INTERVAL * 1000)
    often: dict[str, Any] = {"rust_timeout": 1000, "yield_on_timeout": True, "debounce": 50, "step": 20}
    told = watch(incoming.folder, stop_event=stop, recursive=False, **often)
    for _ in told:
        yield True
        while incoming.waiting and not stop.wait(pause / 1000):  # whole or not is seen at the next look
            yield True
