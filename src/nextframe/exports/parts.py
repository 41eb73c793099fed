"""Exported files, run: `Part` for one file, `Runner` for the one or two of a model.

Shapes: N batch, M members or quantiles, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray

Arrays = dict[str, NDArray[np.float32]]


class Part(Protocol):
    """One file of an exported model."""

    @property
    def text(self) -> str | None:
        """The description that it carries, as JSON; None where it carries none."""

    def __call__(self, inputs: Arrays) -> Arrays:
        """Inputs by name to outputs by name.

        Raises:
            CheckpointError: what the library says where it cannot run it.
        """


def part_path(path: Path, part: str) -> Path:
    """The file of a part: the path itself for the only step, `model.encoder.onnx` for a part of two.

    >>> part_path(Path("model.onnx"), "encoder").name
    'model.encoder.onnx'
    """
    return path if part == "step" else path.with_name(f"{path.stem}.{part}{path.suffix}")


class Runner:
    """A model's parts, run frame after frame with the states carried along.

    Args:
        parts: "step", or "encoder" and "decoder".
        states: of each part, as the description has them.

    Raises:
        KeyError, TypeError, ValueError: states that are no such description, or not those of the parts.
    """

    def __init__(self, parts: Mapping[str, Part], states: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.parts = parts
        self.states = {part: [(int(s["channels"]), int(s["pixels"])) for s in states[part]] for part in parts}
        if any(channels < 1 or pixels < 1 for shapes in self.states.values() for channels, pixels in shapes):
            raise ValueError("it has states without maps or pixels")
        self.forecasting = "step" if "step" in parts else "decoder"

    def continued(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Continue pasts (N, T, C, H, W), in source units, by (N, M, lead_times, C, H, W): members or quantiles, or the
        only forecast.
        """
        first = past[:, 0]
        carried: list[FloatArray] = []
        reading = self.forecasting
        if reading == "decoder" and past.shape[1] > 1:
            carried = self._zeros("encoder", first)
            for n in range(past.shape[1] - 1):
                carried = self._step("encoder", past[:, n], carried)[1]
            past = past[:, -1:]
        zeros = self._zeros(reading, first)
        carried = [*carried, *zeros[len(carried) :]]
        for n in range(past.shape[1]):
            outputs, carried = self._step(reading, past[:, n], carried)
        forecasts = [outputs]
        for _ in range(lead_times - 1):
            outputs, carried = self._step(reading, forecasts[-1][0], carried)
            forecasts.append(outputs)
        return np.stack([spread for _, spread in forecasts], axis=2)

    def _zeros(self, part: str, frame: FloatArray) -> list[FloatArray]:
        batch, _, height, width = frame.shape
        return [
            np.zeros((batch, channels, -(-height // pixels), -(-width // pixels)), np.float32)
            for channels, pixels in self.states[part]
        ]

    def _step(
        self, part: str, frame: FloatArray, states: Sequence[FloatArray]
    ) -> tuple[tuple[FloatArray, FloatArray], list[FloatArray]]:
        """The next frame (N, C, H, W) with its members (N, M, C, H, W), and the states."""
        inputs = {"frame": np.ascontiguousarray(frame, np.float32)}
        inputs.update({f"state_{n}": state for n, state in enumerate(states)})
        outputs = self.parts[part](inputs)
        after = [outputs[f"next_state_{n}"] for n in range(len(states))]
        if part == "encoder":
            return (frame, frame[:, None]), after
        next_frame = outputs["next_frame"]
        spread = next((outputs[name] for name in ("quantiles", "members") if name in outputs), next_frame[:, None])
        return (next_frame, spread), after
