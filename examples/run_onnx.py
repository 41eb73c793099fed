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
from onnxruntime.capi import onnxruntime_pybind11_state as ort
from PIL import Image


def forecast(model: Path, past: np.ndarray, lead_times: int) -> list[np.ndarray]:
    """The past (T, C, H, W) and the frames (C, H, W) that follow it, by the graphs that a description names."""
    about = json.loads(model.read_text())
    graphs = [onnxruntime.InferenceSession(model.with_name(file)) for file in about["files"].values()]
    shape = ["T", *about["inputs"][0]["shape"][1:]]
    fits = past.ndim == 4 and all(side in (n, "T", "H", "W") for n, side in zip(past.shape, shape, strict=True))
    if not fits or not past.size or lead_times < 1:
        raise ValueError(f"it must hold frames ({', '.join(map(str, shape))}), not {past.shape}; lead times 1 or more")
    print(*about["around"], sep="\n", end="\n" * bool(about["around"]))  # what a graph cannot hold

    states = {}  # zeros before the first frame
    for state in list(about["states"].values())[-1]:
        height, width = (-(-side // state["pixels"]) for side in past.shape[2:])
        states[state["name"]] = np.zeros((1, state["channels"], height, width), np.float32)
    movie = list(past.astype(np.float32))
    for n in range(len(past) - 1 + lead_times):  # an encoder reads the past but its last frame; forecasts are fed back
        graph = graphs[0 if n < len(past) - 1 else -1]
        names = [one.name for one in graph.get_inputs()[1:]]
        outputs = graph.run(None, {"frame": movie[n][None], **{name: states[name] for name in names}})
        states.update(zip(names, outputs[-len(names) :], strict=True))
        movie += [outputs[0][0]] * (n >= len(past) - 1)
    return movie


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("model", type=Path, help="the description, model.json")
options.add_argument("past", type=Path)
options.add_argument("out", type=Path)
options.add_argument("--lead-times", type=int, default=8)
given = options.parse_args()
runtime = (ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NoSuchFile, ort.NotImplemented)
try:
    past = np.asarray(np.load(given.past))
    movie = forecast(given.model, past, given.lead_times)
except (OSError, ValueError, KeyError, TypeError, AttributeError, *runtime) as error:
    options.error(f"cannot read {given.past}, or forecast with {given.model}: {error}")

low, high = np.nanmin(past), np.nanmax(past)
grey = [np.uint8(255 * np.clip((np.nan_to_num(frame[0], nan=low) - low) / (high - low or 1), 0, 1)) for frame in movie]
pictures = [Image.fromarray(frame).resize(8 * np.array(frame.shape[::-1]), Image.Resampling.NEAREST) for frame in grey]
pictures[0].save(given.out, save_all=True, append_images=pictures[1:], duration=300, loop=0)
np.save(given.out.with_suffix(".npy"), np.stack(movie[len(past) :]))
