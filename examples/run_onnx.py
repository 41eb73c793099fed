"""Forecast with an exported model by NumPy and ONNX Runtime alone, and write the past and what follows as a GIF.

    nextframe export squares-stacked --out model.onnx
    python examples/run_onnx.py model.json past.npy forecast.gif --lead-times 8

`past.npy` holds frames (T, C, H, W) in source units; the page "Taking a model elsewhere" shows how to make it. Needs
numpy, onnxruntime and pillow, and no nextframe.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf, NoSuchFile
from PIL import Image

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("model", type=Path, help="the description, model.json")
options.add_argument("past", type=Path)
options.add_argument("out", type=Path)
options.add_argument("--lead-times", type=int, default=8)
given = options.parse_args()

try:
    model, past = json.loads(given.model.read_text()), np.load(given.past)
    graphs = {part: onnxruntime.InferenceSession(given.model.with_name(file)) for part, file in model["files"].items()}
except (OSError, ValueError, KeyError, TypeError, InvalidProtobuf, NoSuchFile) as error:
    options.error(f"cannot read {given.model}, what it names, or {given.past}: {error}")
shape, size = model["inputs"][0]["shape"][1:], getattr(past, "shape", "several arrays")
if (
    len(size) != 4
    or not size[0]
    or any(isinstance(side, int) and side != size[n] for n, side in enumerate(shape, start=1))
):
    options.error(f"{given.past} must hold frames (T, {', '.join(map(str, shape))}), not {size}")
print(*model["around"], sep="\n", end="\n" * bool(model["around"]))  # what a graph cannot hold
past = past.astype(np.float32)
height, width = past.shape[2:]


def step(part: str, frame: np.ndarray, states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One step of a graph: the next frame (1, C, H, W), where it makes one, and the states to go on with."""
    for state in model["states"][part][len(states) :]:  # zeros before the first frame
        size = [-(-side // state["pixels"]) for side in (height, width)]
        states = [*states, np.zeros((1, state["channels"], *size), np.float32)]
    names = [state["next"] for state in model["states"][part]]
    wanted = ["next_frame"] * (part != "encoder") + names
    found = graphs[part].run(wanted, {"frame": frame, **{f"state_{n}": state for n, state in enumerate(states)}})
    return found[0], found[len(wanted) - len(names) :]


*first, last = graphs  # ("step",), or ("encoder", "decoder")
states: list[np.ndarray] = []
for n, frame in enumerate(past, start=1):  # an encoder reads all frames but the last, with which the decoder begins
    part = last if n == len(past) or not first else first[0]
    next_frame, states = step(part, frame[None], states)
movie = [*past, next_frame[0]]
for _ in range(given.lead_times - 1):
    next_frame, states = step(last, next_frame, states)
    movie.append(next_frame[0])

low, high = np.nanmin(past), np.nanmax(past)
grey = [np.uint8(255 * np.clip((np.nan_to_num(frame[0], nan=low) - low) / (high - low or 1), 0, 1)) for frame in movie]
pictures = [Image.fromarray(frame).resize((8 * width, 8 * height), Image.Resampling.NEAREST) for frame in grey]
pictures[0].save(given.out, save_all=True, append_images=pictures[1:], duration=300, loop=0)
np.save(given.out.with_suffix(".npy"), np.stack(movie[len(past) :]))
