"""Formats that a trained model is exported to, a row each; the suffix of the path chooses."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nextframe.errors import ConfigError
from nextframe.plugins import Late
from nextframe.runs.exported import COMPILED, KERAS, ONNX, OPENVINO, PROGRAM
from nextframe.words import joined


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format of exported models."""

    suffix: str
    """End of the path that chooses it; empty for a folder."""
    title: str
    """What it is, in a few words."""
    needs: tuple[str, ...]
    """Modules of other packages that it needs."""
    extra: str
    """Extra that brings them."""
    write: Late | None = None
    """Writer of one graph: (graph, description, path) to the files that it has written."""
    open: Late | None = None
    """Reader of what was written: (path) to a `Part` that runs it."""
    whole_beside: Late | None = None
    """Writer of what belongs beside the graphs: (graphs, description, path) to the files that it has written."""
    whole: Late | None = None
    """Writer of the whole model, for formats that hold no graph: (model, path) to the files that it has written, and
    the largest difference from the model, or None."""


FORMATS = (
    ExportFormat(
        suffix=ONNX,
        title="ONNX, opset 18",
        needs=("onnx", "onnxruntime"),
        extra="export",
        write=Late("nextframe.exports.onnx_files:write"),
        open=Late("nextframe.exports.onnx_files:OnnxPart"),
    ),
    ExportFormat(
        suffix=OPENVINO,
        title="OpenVINO, with its states inside",
        needs=("onnx", "openvino"),
        extra="openvino,export",
        write=Late("nextframe.exports.openvino_files:write"),
        open=Late("nextframe.exports.openvino_files:OpenVinoPart"),
    ),
    ExportFormat(
        suffix=PROGRAM,
        title="torch.export, the step and the whole rollout",
        needs=("torch",),
        extra="export",
        write=Late("nextframe.exports.pt2_files:write"),
        whole_beside=Late("nextframe.exports.pt2_files:write_rollout"),
        open=Late("nextframe.exports.pt2_files:Pt2Part"),
    ),
    ExportFormat(
        suffix=COMPILED,
        title="AOTInductor, machine code for this processor",
        needs=("torch",),
        extra="export",
        write=Late("nextframe.exports.aoti_files:write"),
        open=Late("nextframe.exports.aoti_files:AotiPart"),
    ),
    ExportFormat(
        suffix=KERAS,
        title="Keras 3",
        needs=("keras",),
        extra="keras",
        whole=Late("nextframe.exports.keras_writer:write"),
    ),
    ExportFormat(
        suffix="",
        title="a folder for the Hugging Face Hub",
        needs=(),
        extra="hub",
        whole=Late("nextframe.exports.hub:write"),
    ),
)


def suffixes() -> tuple[str, ...]:
    """Suffixes of all formats that are files."""
    return tuple(row.suffix for row in FORMATS if row.suffix)


def describe_formats() -> str:
    """All formats in a line.

    >>> describe_formats()[:22]
    '.onnx (ONNX, opset 18)'
    """
    return ", ".join(f"{row.suffix or 'a folder'} ({row.title})" for row in FORMATS)


def format_of(path: str | Path) -> ExportFormat:
    """The format that a path chooses.

    Raises:
        ConfigError: an unknown suffix, or nothing before it.

    >>> format_of("model.onnx").title
    'ONNX, opset 18'
    """
    path = Path(path)
    if path.name.lower() in suffixes() and not path.is_dir():  # `$NAME.onnx` of a name that is empty
        raise ConfigError("is a suffix without a name", where="out", received=path, hint=f"say model{path.name}")
    suffix = "" if path.is_dir() else path.suffix.lower()
    for row in FORMATS:
        if row.suffix == suffix:
            return row
    raise ConfigError(
        "is no format that models are exported to",
        where="out",
        expected=joined([*suffixes(), "a folder"], "or"),
        received=path,
        hint="a new folder's name has no point in it",
    )


def require(row: ExportFormat) -> None:
    """Hold the libraries of a format to be there.

    Raises:
        ConfigError: a library that is missing; its extra is named.
    """
    for module in row.needs:
        if find_spec(module) is None:
            raise ConfigError(
                f"needs {module}, which is not installed",
                where=row.title,
                hint=f"pip install 'nextframe[{row.extra}]'",
            )
