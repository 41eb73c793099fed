"""Metrics of the service for Prometheus: latency, frames, gaps, fallbacks, skill."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nextframe.forecasting.live_skill import Skill


class Monitor:
    """Counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency = Histogram(
            "nextframe_request_seconds",
            "Time until a request was answered",
            ["route", "status"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.frames = Counter(
            "nextframe_frames_total", "Frames of streams", ["stream", "arrival"], registry=self.registry
        )
        self.forecasts = Counter(
            "nextframe_forecasts_total", "Forecasts issued", ["stream", "by"], registry=self.registry
        )
        self.waiting = Gauge("nextframe_waiting", "Computations that wait or are under way", registry=self.registry)
        self.streams = Gauge("nextframe_streams", "Streams in memory", registry=self.registry)
        self.skill = Gauge(
            "nextframe_rolling_score",
            "Mean over lead times of a score of the forecasts verified within a window",
            ["stream", "window", "forecaster", "score"],
            registry=self.registry,
        )

        self._of_streams: dict[str, set[tuple[Counter | Gauge, tuple[str, ...]]]] = {}

    def came(self, stream: str, arrival: str | None, by: str, skill: Mapping[str, Skill]) -> None:
        """Count a frame of a stream and the forecast from it, and take in its scores.

        Args:
            stream: name of the stream.
            arrival: what became of the frame; None where none has come, and a forecast was made again.
            by: whether the model made the forecast, or another in its place.
            skill: scores by window.
        """
        if arrival is not None:
            self._counter(self.frames, stream, arrival).inc()
        self._counter(self.forecasts, stream, by).inc()
        for window, each in skill.items():
            for forecaster, scores in each.scores.items():
                for score in scores:
                    self._note(self.skill, (stream, window, forecaster, score))
                    self.skill.labels(stream, window, forecaster, score).set(each.mean(forecaster, score))

    def forget(self, stream: str) -> None:
        """Drop what is counted of a stream: of names that clients choose there may be any number."""
        for metric, labels in self._of_streams.pop(stream, set()):
            metric.remove(*labels)

    def _counter(self, metric: Counter, *labels: str) -> Counter:
        self._note(metric, labels)
        return metric.labels(*labels)

    def _note(self, metric: Counter | Gauge, labels: tuple[str, ...]) -> None:
        self._of_streams.setdefault(labels[0], set()).add((metric, labels))

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)
