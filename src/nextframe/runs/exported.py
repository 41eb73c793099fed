"""Names that tell an exported model from a run folder: the suffixes of its files, and the marks of the Hub's folders.

`nextframe.exports.formats` has a row for each suffix, and `nextframe.forecasting.load` tells by them what is named.
"""

from __future__ import annotations

ONNX, OPENVINO, PROGRAM, COMPILED, KERAS = ".onnx", ".xml", ".pt2", ".aoti", ".keras"
STEPS = (ONNX, OPENVINO, PROGRAM, COMPILED)
"""Suffixes of step graphs, which are loaded as runs are."""
HUB_CONFIG = "config.json"
"""File that a Hub folder has and a run folder has not."""
HUB_SCHEME = "hf:/"
"""Beginning of an address on the Hub; of a path's two slashes one is left."""
