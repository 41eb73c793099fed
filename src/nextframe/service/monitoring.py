"""Metrics of the service for Prometheus: latency, frames, gaps, fallbacks, skill."""

from __future__ import annotations

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

    def judge(self, stream: str, skill: Skill) -> None:
        """Take in the scores of a stream."""
        for forecaster, scores in skill.scores.items():
            for score in scores:
                value = skill.mean(forecaster, score)
                self.skill.labels(stream, skill.window, forecaster, score).set(value)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)
