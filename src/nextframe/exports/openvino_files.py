"""OpenVINO: a stateful model, `model.xml` and `model.bin`, whose states are variables inside.

It reads `frame` alone; its states begin at zeros of the frame's size and are forgotten by `reset_state()`.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch

from nextframe.errors import CheckpointError
from nextframe.exports import onnx_files
from nextframe.exports.cores import State
from nextframe.exports.description import Description, metadata
from nextframe.exports.graph import LARGEST, OUTPUTS, Graph
from nextframe.exports.parts import Arrays
from nextframe.exports.runtime_errors import said
from nextframe.runs.exported import OPENVINO

_HINT = "export it again from its run; model.bin belongs beside model.xml"
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would compute in bfloat16


def write(graph: Graph, description: Description, path: Path) -> list[Path]:
    """Write a graph as a stateful OpenVINO model."""
    import openvino
    from openvino._offline_transformations import apply_make_stateful_transformation

    with tempfile.TemporaryDirectory() as folder:
        onnx_files.write(graph, description, Path(folder) / "step.onnx")
        model = openvino.Core().read_model(Path(folder) / "step.onnx")
    pairs = {f"state_{n}": f"next_state_{n}" for n in range(len(graph.states))}
    apply_make_stateful_transformation(model, pairs)
    _begin_at_zeros(model, graph.states)
    for name, text in metadata(description).items():
        model.set_rt_info(text, ["nextframe", name])
    saved = path.with_suffix(OPENVINO)  # the only ending that it takes, in small letters
    openvino.save_model(model, saved, compress_to_fp16=False)
    saved.replace(path)
    return [path, path.with_suffix(".bin")]


def _begin_at_zeros(model: Any, states: tuple[State, ...]) -> None:
    """Let each variable begin at zeros in the shape that belongs to the frame."""
    from openvino import opset13 as ops

    frame = next(parameter for parameter in model.get_parameters() if "frame" in parameter.output(0).get_names())
    shape = ops.shape_of(frame, output_type="i64")

    def axis(n: int) -> Any:
        return ops.gather(shape, ops.constant([n], np.int64), ops.constant(0, np.int64))

    for node in model.get_ordered_ops():
        if node.get_type_name() != "ReadValue":
            continue
        state = states[int(_state_of(node.get_variable_id()).removeprefix("state_"))]
        p = ops.constant([state.pixels], np.int64)
        one = ops.constant([1], np.int64)
        coarse = [ops.divide(ops.subtract(ops.add(axis(n), p), one), p) for n in (2, 3)]
        extent = ops.concat([axis(0), ops.constant([state.channels], np.int64), *coarse], 0)
        node.set_arguments([ops.broadcast(ops.constant(0.0, np.float32), extent)])
        joins = [each for each in node.output(0).get_target_inputs() if each.get_node().get_type_name() == "Concat"]
        if joins:  # the CPU's compiler fails where a variable is joined as it is
            through = ops.maximum(node, ops.constant(-LARGEST, np.float32))
            for each in joins:
                each.replace_source_output(through.output(0))
    model.validate_nodes_and_infer_types()


def _state_of(variable: str) -> str:
    """The state that a variable is, which is named after it and its successor: `state_0next_state_0`."""
    return variable.partition("next_")[0]


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def _own_signal_stack() -> Iterator[None]:
    """The stack that signal handlers of this thread run on, kept as it is.

    Where AMX is asked for, OpenVINO gives the thread a stack of its own and takes it back with the model; of two models
    the second one's end hands the thread the first one's, which is gone. The next signal then ends the process.
    """
    if sys.platform != "linux":
        yield
        return
    change, before = ctypes.CDLL(None).sigaltstack, _SignalStack()
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)


def _hold_its_own(path: Path) -> None:
    """Hold a file to begin as OpenVINO's do: any other it offers to the readers of other formats, which write of it
    to the terminal.

    Raises:
        CheckpointError: another file.
    """
    try:
        _, root = next(iter(ElementTree.iterparse(path, events=("start",))))
        if root.tag != "net" or not root.get("version", "").isdecimal():
            raise ValueError("no <net> with a version stands at its beginning")
    except (OSError, ValueError, StopIteration, ElementTree.ParseError) as error:
        raise CheckpointError(
            "cannot be read as an OpenVINO model", where=path, received=said(error), hint=_HINT
        ) from error


class OpenVinoPart:
    """An OpenVINO model on the CPU.

    Args:
        path: the `.xml` file.

    Raises:
        CheckpointError: a file that cannot be read, or whose weights are not beside it.
    """

    def __init__(self, path: Path) -> None:
        import openvino

        self.path = path
        _hold_its_own(path)
        core = openvino.Core()
        try:
            model = core.read_model(path)
            settings = {**_SETTINGS, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            with _own_signal_stack():
                self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise CheckpointError(
                "cannot be read as an OpenVINO model",
                where=path,
                received=said(error),
                hint=_HINT,
            ) from error
        self._text = None
        if model.has_rt_info(["nextframe", "description"]):
            self._text = str(model.get_rt_info(["nextframe", "description"]).astype(str))
        self.states = {_state_of(state.name): state for state in self.request.query_state()}
        self.left: Arrays = {}
        named = [output.get_names() for output in self.request.model_outputs]
        self.names = [next((name for name in OUTPUTS if name in names), "") for names in named]

    @property
    def text(self) -> str | None:
        """The description that it carries."""
        return self._text

    def __call__(self, inputs: Arrays) -> Arrays:
        """Inputs by name to outputs by name; states go into the variables and come out of them."""
        import openvino

        try:
            for name, state in self.states.items():
                if inputs[name] is not self.left.get(name):  # else the variable holds it already
                    state.state = openvino.Tensor(np.ascontiguousarray(inputs[name]))
            results = self.request.infer({"frame": inputs["frame"]})
        except RuntimeError as error:
            raise CheckpointError("cannot be run on these frames", where=self.path, received=said(error)) from error
        outputs = {name: np.array(results[n]) for n, name in enumerate(self.names)}
        self.left = {name: np.array(state.state.data) for name, state in self.states.items()}
        return {**outputs, **{f"next_{name}": state for name, state in self.left.items()}}
