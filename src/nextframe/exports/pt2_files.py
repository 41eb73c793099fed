"""`.pt2`: programs of `torch.export`, for PyTorch without nextframe and for AOTInductor.

    step = torch.export.load("model.pt2").module()
    next_frame, *states = step(frame, *states)

`model.rollout.pt2` is the whole forecast, from a past (N, T, C, H, W) of the length and the size of the training to as
many frames (N, K, C, H, W) as it was trained for.
"""

from __future__ import annotations

import inspect
import json
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nextframe.errors import CheckpointError, first_line
from nextframe.exports.description import Description, foreign
from nextframe.exports.graph import Graph
from nextframe.exports.parts import Arrays, part_path
from nextframe.files import ARCHIVE_ERRORS
from nextframe.runs.exported import PROGRAM

_DESCRIPTION = "description.json"


def write(graph: Graph, description: Description, path: Path) -> list[Path]:
    """Write a graph as a program whose N, H and W change but where static fields fix the grid."""
    _save(exported_program(graph, description), description, path)
    return [path]


def exported_program(graph: Graph, description: Description) -> torch.export.ExportedProgram:
    """A graph as a program whose N, H and W change but where static fields fix the grid."""
    height, width = description["static"][1:] if description["static"] else (22, 42)
    example = graph.example(2, height, width)
    changing = dict.fromkeys((0,) if description["static"] else (0, 2, 3), torch.export.Dim.AUTO)
    return _traced(graph, example, (changing, tuple(changing for _ in example[1:])))


class Rollout(nn.Module):
    """The whole forecast: a past (N, T, C, H, W) in source units to the frames that follow it (N, K, C, H, W).

    Args:
        parts: the graphs.
        past: frames T of the past.
        lead_times: frames K.
    """

    def __init__(self, parts: Mapping[str, Graph], past: int, lead_times: int) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.past, self.lead_times = past, lead_times

    def forward(self, past: Tensor) -> Tensor:
        """See the class."""
        batch, height, width = past.shape[0], past.shape[3], past.shape[4]
        forecasting: Any = self.parts["step"] if "step" in self.parts else self.parts["decoder"]
        states = list(forecasting.example(1, height, width)[1:])
        states = [state.expand(batch, -1, -1, -1) for state in states]
        frames = list(past.unbind(1))
        if "encoder" in self.parts:
            encoder: Any = self.parts["encoder"]
            count, last = len(encoder.states), frames.pop()
            for frame in frames:
                states[:count] = encoder(frame, *states[:count])
            frames = [last]
        outputs = 0
        for frame in frames:
            outputs = len(forecasting.outputs)
            results = forecasting(frame, *states)
            states = list(results[outputs:])
        forecasts = [results[0]]
        for _ in range(self.lead_times - 1):
            results = forecasting(forecasts[-1], *states)
            states = list(results[outputs:])
            forecasts.append(results[0])
        return torch.stack(forecasts, dim=1)


def write_rollout(parts: Mapping[str, Graph], description: Description, path: Path) -> list[Path]:
    """Write the whole rollout, of the training's size and lengths, for one movie."""
    place = part_path(path, "rollout")
    manifest = description["manifest"]
    rollout = Rollout(parts, description["past"], description["lead_times"]).eval()
    past = torch.zeros(1, description["past"], manifest["channels"], manifest["height"], manifest["width"])
    _save(_traced(rollout, (past,), None), description, place)
    return [place]


def _traced(module: nn.Module, example: tuple[Tensor, ...], changing: Any) -> torch.export.ExportedProgram:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's remarks on itself
        return torch.export.export(module, example, dynamic_shapes=changing, strict=False)


def _save(program: torch.export.ExportedProgram, description: Description, path: Path) -> None:
    saved = path.with_suffix(PROGRAM)  # the ending that it expects, in small letters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, saved, extra_files={_DESCRIPTION: json.dumps(description)})
    saved.replace(path)


def called(module: Callable[..., Sequence[Tensor]], inputs: Arrays, text: str | None, where: Path) -> Arrays:
    """Results of a program by their names.

    Args:
        module: the program.
        inputs: frame and states by name.
        text: the description that it carries, as JSON.
        where: its file, for messages.

    Raises:
        CheckpointError: frames that it cannot be run on.
    """
    count = len(inputs) - 1
    names = ["frame", *(f"state_{n}" for n in range(count))]
    try:
        with torch.inference_mode():
            results = module(*(torch.from_numpy(inputs[name]) for name in names))
    except RuntimeError as error:
        raise CheckpointError("cannot be run on these frames", where=where, received=first_line(error)) from error
    outputs = [] if text is None else [entry["name"] for entry in json.loads(text)["outputs"]]
    given = [*outputs[: len(results) - count], *(f"next_state_{n}" for n in range(count))]
    return {name: result.numpy() for name, result in zip(given, results, strict=True)}


@contextmanager
def _quiet() -> Iterator[None]:
    """No remarks of PyTorch on a file: what is wrong with it, it raises, too."""
    logger = logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _takes(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Parameters of a function, of which earlier versions of PyTorch have fewer."""
    return inspect.signature(function).parameters


class Pt2Part:
    """A program of `torch.export`.

    Args:
        path: the file.

    Raises:
        CheckpointError: a file that is no such program, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        extra = {_DESCRIPTION: ""}
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except ARCHIVE_ERRORS as error:
            raise CheckpointError(
                "is no program of torch.export",
                where=path,
                received=first_line(error),
                hint="export it again from its run",
            ) from error
        if not any(name.endswith(f"/{_DESCRIPTION}") for name in names):
            raise foreign(path)
        try:
            with _quiet():
                program = torch.export.load(path, extra_files=extra)
        except Exception as error:  # of many types, as the damage is
            raise CheckpointError(
                "cannot be read as a program of torch.export",
                where=path,
                received=first_line(error),
                hint="export it again from its run",
            ) from error
        self._text = extra[_DESCRIPTION] or None
        # Its guards hold strides, too, of no matter to the results: a SimVP's are those of some sizes alone.
        self.module = program.module(**({"check_guards": False} if "check_guards" in _takes(program.module) else {}))

    @property
    def text(self) -> str | None:
        """The description that it carries."""
        return self._text

    def __call__(self, inputs: Arrays) -> Arrays:
        """Inputs by name to outputs by name."""
        return called(self.module, inputs, self._text, self.path)
