"""Trained models by the name of their run, whatever a run is: a folder, a shipped model, exported files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from nextframe.errors import CheckpointError, ConfigError
from nextframe.forecasting import baselines
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.plugins import Late
from nextframe.runs.exported import HUB_CONFIG, HUB_SCHEME, KERAS, STEPS
from nextframe.runs.folder import member_folders
from nextframe.runs.manifest import MANIFEST
from nextframe.runs.shipped import find_run, shipped_name


@dataclass(frozen=True, kw_only=True)
class RunKind:
    """Something that a trained model is loaded from, other than a run folder and the models of the package."""

    title: str
    """What it is, in a few words."""
    knows: Callable[[str], bool]
    """Judge of a name: True where it names something of this kind."""
    load: Late
    """Loader: (name) to a `TrainedForecaster`. It stands above this room, and is imported when it is called."""


def _is_hub_folder(run: str) -> bool:
    return (Path(run) / HUB_CONFIG).is_file() and not (Path(run) / MANIFEST).exists()


def _is_on_hub(run: str) -> bool:
    return run.startswith(HUB_SCHEME)


def _is_exported(run: str) -> bool:
    return Path(run).suffix.lower() in STEPS and not Path(run).is_dir()


KINDS = (
    RunKind(
        title=f"an exported model ({', '.join(STEPS)})",
        knows=_is_exported,
        load=Late("nextframe.exports.forecaster:open_exported"),
    ),
    RunKind(title="a folder of the Hub", knows=_is_hub_folder, load=Late("nextframe.exports.hub:open_folder")),
    RunKind(
        title="an address on the Hub (hf://owner/name@revision)",
        knows=_is_on_hub,
        load=Late("nextframe.exports.hub:open_address"),
    ),
)
"""Kinds of runs that other rooms bring."""


def load_run(run: str | Path, module: nn.Module | None = None) -> TrainedForecaster:
    """A trained model, or an ensemble, from its run folder, one of those that come with the package, or an exported
    file.

    Args:
        run: a run folder; or the name of a shipped model, where the working directory holds no folder of that name; or
            what one of `KINDS` knows.
        module: of a run of a network of one's own, an instance of its class, which is left as it is; by default the
            class is imported, and built by the arguments that the run has kept.

    Raises:
        ConfigError: a module for a run that takes none.
        CheckpointError: no such folder or model, no weights in it, damaged files, or files of another version.

    >>> load_run("squares-stacked").config.data.past
    7
    """
    kind = kind_of(run)
    if kind is not None and module is not None:
        raise ConfigError("holds its network itself", where=run, hint="leave {module} out")
    if kind is not None:
        model = kind.load(run)
        assert isinstance(model, TrainedForecaster)
        return model
    if str(run) in baselines.names() and not Path(run).is_dir():
        raise CheckpointError(
            "is a baseline, of which nothing is loaded",
            where=run,
            hint=f"forecast by its name: nextframe.forecast({str(run)!r}, source)",
        )
    folder = find_run(run)
    if folder.is_file():
        raise CheckpointError(
            "is a file that no model is loaded from",
            where=run,
            expected=", ".join(["a run folder", *(kind.title for kind in KINDS)]),
            hint="make a run of it with `nextframe import`" if folder.suffix.lower() == KERAS else None,
        )
    kinds = EnsembleForecaster if member_folders(folder) else ModelForecaster
    return kinds.load(folder, module=module)


def kind_of(run: str | Path) -> RunKind | None:
    """The kind of run that a name is of; None for a run folder or a shipped model."""
    return next((kind for kind in KINDS if kind.knows(str(run))), None)


def results_folder(run: str | Path, out: str | Path | None = None) -> Path | None:
    """The folder that scores of a run go to: `out`, or its own; None where it has none."""
    if out is not None:
        return Path(out)
    if shipped_name(run) is not None or kind_of(run) is not None or Path(run).is_file():
        return None
    return Path(run)
