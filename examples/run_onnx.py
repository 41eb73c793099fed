"""Forecast with an exported model by NumPy and ONNX Runtime alone: a GIF in, a GIF with what follows out.

    nextframe export squares-stacked --out model.onnx
    python examples/run_onnx.py model.json past.gif forecast.gif --lead-times 8

Beside it the forecast stands as numbers, `forecast.npy`. The past may be numbers, too: `past.npy` with an array
(T, C, H, W) in source units. Needs numpy, onnxruntime and pillow, and no nextframe.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageSequence


def forecast(model: Path, past: Path, out: Path, lead_times: int) -> None:
    about = json.loads(model.read_text())
    channels, apart, top = about["inputs"][0]["shape"][1], about["config"]["model"]["channelwise"], about["tops"][0]
    if past.suffix == ".npy":
        frames = np.load(past)
    elif top is None:
        raise ValueError(f"a picture holds no values in {about['units'][0]}; give an array")
    else:  # 255 is the largest value that the model knows
        with Image.open(past) as gif:
            shown = [image.convert("RGB" if apart or channels == 3 else "L") for image in ImageSequence.Iterator(gif)]
        frames = np.moveaxis(np.stack([np.atleast_3d(np.asarray(image)) for image in shown]), 3, 1) / 255 * top
    if frames.ndim != 4 or not frames.size or not (apart or frames.shape[1] == channels):
        raise ValueError(f"it must hold frames (T, {channels}, H, W), not {frames.shape}")
    frames = frames[-about["past"] :]  # as many as in the training
    count, _, height, width = frames.shape
    movie = list(frames.reshape(count, -1, channels, height, width).astype(np.float32))  # channels apart: N movies

    graphs = [onnxruntime.InferenceSession(model.with_name(file)) for file in about["files"].values()]
    states = {}  # zeros before the first frame
    for state in list(about["states"].values())[-1]:
        rows, columns = (-(-side // state["pixels"]) for side in (height, width))
        states[state["name"]] = np.zeros((len(movie[0]), state["channels"], rows, columns), np.float32)
    for n in range(count - 1 + lead_times):
        graph = graphs[0 if n < count - 1 else -1]  # an encoder reads the past but its last frame
        names = [one.name for one in graph.get_inputs()[1:]]
        outputs = graph.run(None, {"frame": movie[n], **{name: states[name] for name in names}})
        states.update(zip(names, outputs[-len(names) :], strict=True))
        movie += outputs[:1] * (n >= count - 1)  # a forecast is the next frame

    values = np.stack(movie).reshape(len(movie), -1, height, width)
    low, high = np.nanmin(values), np.nanmax(values)
    shades = (255 * (np.nan_to_num(values, nan=low) - low) / (high - low or 1)).astype(np.uint8)
    pictures = [Image.fromarray(shade.transpose(1, 2, 0) if len(shade) == 3 else shade[0]) for shade in shades]
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=300, loop=0)
    np.save(out.with_suffix(".npy"), values[count:])
    print(*about["around"], sep="\n", end="\n" * bool(about["around"]))  # what a graph cannot hold, and was not done


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("model", type=Path, help="the description, model.json")
options.add_argument("past", type=Path, help="past.gif or past.npy")
options.add_argument("out", type=Path, help="forecast.gif")
options.add_argument("--lead-times", type=int, default=8)
given = options.parse_args()
try:
    forecast(**vars(given))
except Exception as error:  # noqa: BLE001 - of many types: Pillow's, the runtime's, and those of a description that is none
    options.error(f"cannot read {given.past}, or forecast with {given.model}: {error}")
