"""`.aoti`: a step compiled by AOTInductor to machine code, for PyTorch on processors of this kind, without nextframe.

    with open("model.aoti", "rb") as file:
        step = torch._inductor.aoti_load_package(file)
    next_frame, *states = step(frame, *[state.contiguous() for state in states])

It is compiled in a minute or some, by the C++ compiler of this machine, and runs on processors with the same
instructions.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch

from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.exports.description import Description, foreign
from nextframe.exports.graph import Graph
from nextframe.exports.parts import Arrays
from nextframe.exports.pt2_files import called, exported_program
from nextframe.files import ARCHIVE_ERRORS

COMPILERS = ("g++", "clang++", "c++")
_NAME = "/extra/description.json"  # within the one folder of the archive, where PyTorch looks for what others add


def write(graph: Graph, description: Description, path: Path) -> list[Path]:
    """Compile a graph whose N, H and W change but where static fields fix the grid.

    Raises:
        ConfigError: no C++ compiler.
    """
    if not any(map(shutil.which, COMPILERS)):
        raise ConfigError(
            "is compiled by a C++ compiler, and there is none",
            where=path.name,
            expected=f"one of {', '.join(COMPILERS)}",
            hint="install one, or export to .pt2 or .onnx",
        )
    program = exported_program(graph, description)
    package = path.with_name(f"{path.name}.pt2")  # the only ending that the compiler takes
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's remarks on itself
        torch._inductor.aoti_compile_and_package(program, package_path=str(package))
    with zipfile.ZipFile(package, "a") as file:
        file.writestr(file.namelist()[0].partition("/")[0] + _NAME, json.dumps(description))
    package.replace(path)
    return [path]


class AotiPart:
    """A compiled program.

    Args:
        path: the file.

    Raises:
        CheckpointError: a file that is no such program, is damaged, or is compiled for another processor.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as file:
                name = next((name for name in file.namelist() if name.endswith(_NAME)), None)
                self._text = "" if name is None else file.read(name).decode()
        except ARCHIVE_ERRORS as error:
            raise CheckpointError(
                "is no program of AOTInductor", where=path, received=first_line(error), hint="export it again"
            ) from error
        if not self._text:
            raise foreign(path)
        with tempfile.TemporaryDirectory(prefix="nextframe-") as folder:
            package = Path(folder) / "model.pt2"
            shutil.copyfile(path, package)
            try:
                self.module = torch._inductor.aoti_load_package(str(package))
            except Exception as error:  # of many types, as the damage is
                raise CheckpointError(
                    "cannot be read as a program of AOTInductor",
                    where=path,
                    received=first_line(error),
                    hint="export it again from its run, on this machine",
                ) from error

    @property
    def text(self) -> str | None:
        """The description that it carries."""
        return self._text

    def __call__(self, inputs: Arrays) -> Arrays:
        """Inputs by name to outputs by name."""
        # Compiled code takes a tensor's memory to be in order, and its own results are not always.
        ordered = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
        return called(self.module, ordered, self._text, self.path)
