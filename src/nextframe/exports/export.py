"""`export`: a trained model into a file that runs without nextframe, compared with the model before it is let go."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nextframe.data.covariates import hold_without
from nextframe.errors import ConfigError, NextframeError, first_line
from nextframe.exports.description import KIND, describe
from nextframe.exports.forecaster import ExportedForecaster, open_exported
from nextframe.exports.formats import ExportFormat, format_of, require
from nextframe.exports.graph import graphs
from nextframe.exports.parity import compare
from nextframe.exports.parts import part_path
from nextframe.files import cannot_be_written, check_writable
from nextframe.forecasting.trained import TrainedForecaster


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Files of an exported model, and how they compare with it."""

    files: tuple[Path, ...]
    """Files that were written."""
    difference: float | None
    """Largest difference from the model, as a share of the range of values: over `nextframe.exports.parity.ROLLOUT`
    frames fed back, of two batches and sizes, or of one frame where `seconds` is None; None where nothing was run."""
    early_difference: float | None = None
    """The same over the first `nextframe.exports.parity.EARLY` frames alone, before rounding has grown; None where
    nothing was fed back."""
    own_rounding: float | None = None
    """The same of the model from its network in float64, over the same rollouts: what rounding makes of it without any
    export; None where nothing was fed back, or where a network of the user's knows no float64."""
    rounding: float | None = None
    """The same of the network by PyTorch's operations in float32."""
    seconds: float | None = None
    """Seconds of one further frame, of the size that the model was trained on, one movie."""
    own_seconds: float | None = None
    """The same of the model itself."""
    remarks: tuple[str, ...] = ()
    """What has to be known of it, a sentence each."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


def export(model: TrainedForecaster, path: str | Path) -> Exported:
    """Write a trained model as a file that runs without nextframe.

    Args:
        model: what `fit` or `load_run` has returned.
        path: where to write; its suffix chooses the format (`nextframe.exports.formats`). The description goes to a
            JSON file beside it. An encoder-decoder makes two files, `model.encoder.onnx` and `model.decoder.onnx`.

    Raises:
        ConfigError: an unknown suffix, a library that is missing, a model that this format cannot hold, or a place that
            cannot be written to.
        NextframeError: files whose forecasts are not those of the model.
    """
    path = Path(path)
    row = format_of(path)
    require(row)
    if isinstance(model, ExportedForecaster):
        raise ConfigError("is exported already", where=model.path, hint="export the run that it came from")
    hold_without(model.manifest.covariates, model.run or model.name, "an exported file")
    if row.whole is not None:
        files, difference = row.whole(model, path)
        return Exported(files=tuple(files), difference=difference)
    return _export_graphs(model, path, row)


def _export_graphs(model: TrainedForecaster, path: Path, row: ExportFormat) -> Exported:
    beside = path.with_suffix(".json")
    earlier = _earlier(beside)
    with _told_of_own(model):
        parts = graphs(model)
    names = {part: part_path(path, part) for part in parts}
    if path not in names.values() and path.is_file() and path.name not in earlier:
        raise ConfigError(
            "is in the way: it would be loaded in place of the two files of this model",
            where=path,
            expected=" and ".join(name.name for name in names.values()),
            hint="choose another name or folder",
        )
    for place in (*names.values(), beside):
        check_writable(place)
    description = describe(model, parts, {part: name.name for part, name in names.items()})
    assert row.write is not None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            written: list[Path] = []
            with _told_of_own(model):
                for part, name in names.items():
                    written += row.write(parts[part], description, Path(folder) / name.name)
                if row.whole_beside is not None:
                    written += row.whole_beside(parts, description, Path(folder) / path.name)
                compared = compare(model, open_exported(Path(folder) / path.name))
            described = Path(folder) / beside.name
            described.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
            files = [path.with_name(file.name) for file in (*written, described)]
            for file, place in zip((*written, described), files, strict=True):
                file.replace(place)
            for left in map(path.with_name, earlier):  # else the model before would be loaded in place of this one
                if left not in files and left.suffix == path.suffix and left in _places(path):
                    left.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return Exported(
        files=tuple(files),
        difference=compared.difference,
        early_difference=compared.early_difference,
        own_rounding=compared.own_rounding,
        rounding=compared.rounding,
        seconds=compared.seconds,
        own_seconds=compared.own_seconds,
        remarks=tuple(description["around"]),
    )


@contextmanager
def _told_of_own(model: TrainedForecaster) -> Iterator[None]:
    """Faults of tracing a network of the user's, and of running it on frames of other sizes, in a sentence."""
    try:
        yield
    except (NextframeError, OSError):
        raise
    except Exception as error:  # of many types, those of the network's own code among them
        if model.manifest.own is None:
            raise
        raise ConfigError(
            "cannot be exported: it is not traced, or does not take frames of any size",
            where=model.manifest.config.model.model,
            received=first_line(error),
            hint="use operations on tensors alone, and a `stride` where sizes are to be multiples of it",
        ) from error


def _places(path: Path) -> list[Path]:
    """All files that a model which was exported to a path is loaded from."""
    return [part_path(path, part) for part in ("step", "encoder", "decoder")]


def _earlier(beside: Path) -> tuple[str, ...]:
    """Names of the files of an earlier export whose description is in this one's place: a run's own `model.json` is in
    the way.
    """
    if not beside.exists():
        return ()
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ConfigError(
            "is in the way: the description of the exported model would be written over it",
            where=beside,
            hint="choose another name or folder",
        )
    files = content.get("files")
    return tuple(map(str, files.values())) if isinstance(files, dict) else ()
