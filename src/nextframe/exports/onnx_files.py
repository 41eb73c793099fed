"""ONNX: a graph of the standard operators, run by ONNX Runtime."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import torch

from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports.description import Description, in_words, metadata
from nextframe.exports.graph import OUTPUTS, Graph
from nextframe.exports.parts import Arrays
from nextframe.exports.runtime_errors import said

OPSET = 18
"""Version of ONNX's operators: the first that has all that is needed, so that old readers read it, too."""
_TOO_NEW = {
    "opset": re.compile(r"Opset (\d+) is under development.* opset (\d+)"),
    "IR version": re.compile(r"IR version: (\d+), max supported IR version: (\d+)"),
}
"""Errors of ONNX Runtime that name the version of a file, and the last one that it reads."""


def write(graph: Graph, description: Description, path: Path) -> list[Path]:
    """Write a graph as an ONNX file: weights as constants; N, H and W of any size but where static fields fix the
    grid.
    """
    import onnx
    from torch.onnx import register_custom_op_symbolic, unregister_custom_op_symbolic  # type: ignore[attr-defined]

    height, width = description["static"][1:] if description["static"] else (24, 40)
    example = graph.example(2, height, width)
    axes = {0: "N"} if description["static"] else {0: "N", 2: "H", 3: "W"}
    changing = {name: {a: n for a, n in axes.items() if a == 0 or name == "frame"} for name in graph.inputs}
    for n, state in enumerate(graph.states):
        if len(axes) > 1:
            p = state.pixels
            coarse = {2: "H", 3: "W"} if p == 1 else {2: f"ceil(H/{p})", 3: f"ceil(W/{p})"}
            changing[f"state_{n}"].update(coarse)
        changing[f"next_state_{n}"] = changing[f"state_{n}"]
    for name in graph.outputs:
        changing[name] = axes if name == "next_frame" else {a + (a > 0): n for a, n in axes.items()}
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of loops over the one frame of a step and of sizes that it has not seen change; forecasts of
        # other sizes and batches are compared before a file is let go. It takes a tenth of the time of its successor.
        warnings.simplefilter("ignore")
        register_custom_op_symbolic("aten::expm1", _expm1, OPSET)
        try:
            torch.onnx.export(
                graph,
                example,
                path,
                opset_version=OPSET,
                input_names=graph.inputs,
                output_names=graph.results,
                dynamic_axes=changing,
                dynamo=False,
            )
        finally:
            unregister_custom_op_symbolic("aten::expm1", OPSET)
    model = onnx.load(path)
    model.producer_name, model.doc_string = "nextframe", in_words(description)
    model.producer_version = description["nextframe"]
    onnx.helper.set_model_props(model, metadata(description))
    fixed = {"next_frame": [graph.channels]} | {
        name: [getattr(graph, "members", 1), graph.channels] for name in OUTPUTS[1:]
    }
    fixed |= {f"next_state_{n}": [state.channels] for n, state in enumerate(graph.states)}
    for output in model.graph.output:  # the tracer does not write down all that it knows
        for axis, size in enumerate(fixed[output.name], start=1):
            output.type.tensor_type.shape.dim[axis].dim_value = size
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return [path]


def _expm1(graph: Any, x: Any) -> Any:
    """The inverse of the logarithmic normalisation; as exact as its values, though not where they are next to 0."""
    return graph.op("Sub", graph.op("Exp", x), graph.op("Constant", value_t=torch.tensor(1.0)))


class OnnxPart:
    """An ONNX file in ONNX Runtime.

    Args:
        path: the file.

    Raises:
        CheckpointError: a file that cannot be read as ONNX, is damaged, or uses operators that ONNX Runtime lacks.
        ConfigError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(
                "needs ONNX Runtime, which is not installed", where=path, hint="pip install 'nextframe[export]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        self.path = path
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of many types, none of which it makes public
            raise _unreadable(path, error) from error
        self.names = [output.name for output in self.session.get_outputs()]

    @property
    def text(self) -> str | None:
        """The description that it carries."""
        entries: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        return entries.get("description")

    def __call__(self, inputs: Arrays) -> Arrays:
        """Inputs by name to outputs by name."""
        try:
            outputs = self.session.run(self.names, inputs)
        except Exception as error:  # of many types, as above
            raise CheckpointError("cannot be run on these frames", where=self.path, received=said(error)) from error
        return dict(zip(self.names, outputs, strict=True))


def _unreadable(path: Path, error: BaseException) -> CheckpointError:
    for what, pattern in _TOO_NEW.items():
        versions = pattern.search(str(error))
        if versions is not None:
            return CheckpointError(
                f"is of a newer {what} than ONNX Runtime reads",
                where=path,
                expected=f"{versions[2]} or earlier",
                received=versions[1],
                hint="install a newer onnxruntime, or export it again from its run",
            )
    return CheckpointError(
        "cannot be read as an ONNX model", where=path, received=said(error), hint="export it again from its run"
    )
