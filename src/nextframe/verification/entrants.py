"""Entrants of a verification: runs and baselines by name, each under a name of its own, on the same windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from nextframe.config import DataConfig, Reading
from nextframe.errors import CheckpointError, ConfigError
from nextframe.forecasting import baselines
from nextframe.forecasting.called import Called, Function
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.runs.shipped import shipped, shipped_name
from nextframe.words import did_you_mean

if TYPE_CHECKING:
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.source import Source

_ALIKE = ("variable", "grey", "crop", "rain_unit", "coarsen", "resolution")
"""Options of reading that change what a frame shows: runs are verified on the same frames."""
_PIXELS = ("coarsen", "resolution")
"""Those of them that say how large a pixel is."""
_NEAR = 0.1
"""Share by which pixels may differ."""


class Entrant(Forecaster):
    """A trained model under a name of its own, which sees as many frames of the past as it was trained with.

    Args:
        model: the model.
        name: what tables and reports call it.
    """

    def __init__(self, model: TrainedForecaster, name: str) -> None:
        self.model, self._name = model, name
        self.past = model.config.data.past

    @property
    def name(self) -> str:
        return self._name

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        return Entrant(self.model.knowing([past[-self.past :] for past in pasts]), self._name)

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The model's forecast (B, K, C, H, W), from the last frames of the past."""
        return self.model.predict(past[:, -self.past :], lead_times)

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The model's forecast and its members, from the last frames of the past."""
        return self.model.distribution(past[:, -self.past :], lead_times)


@dataclass(frozen=True, kw_only=True)
class Entrants:
    """Those who are verified together."""

    models: Mapping[str, TrainedForecaster]
    """Trained models by their own names, in the order in which they were named."""
    runs: Mapping[str, str | Path]
    """Run folders, or names of shipped models, by the same names."""
    baselines: tuple[str, ...] = ()
    """Names of baselines."""


def is_run(name: str | Path) -> bool:
    """True where a name leads to a run folder or is that of a shipped model; these go before baselines."""
    return Path(name).is_dir() or shipped_name(name) is not None


def load_entrants(names: Sequence[str | Path]) -> Entrants:
    """Runs, shipped models and baselines by their names.

    Raises:
        ConfigError: no run among them, or one named twice.
        CheckpointError: a name that is none of these, or a damaged run.
    """
    from nextframe.forecasting.load import kind_of, load_run  # whoever verifies runs needs torch

    runs = [name for name in names if is_run(name) or str(name) not in baselines.names()]
    others = [str(name) for name in names if name not in runs]
    if not runs:
        raise ConfigError(
            "names no run",
            where=", ".join(map(str, names)) or "verify",
            hint="name a run folder or a model that comes with the package; baselines are verified beside it",
        )
    for run in runs:
        if not is_run(run) and kind_of(run) is None and str(run) == Path(run).name:
            known = [*shipped(), *baselines.names()]
            raise CheckpointError(
                "is neither a run folder, nor a shipped model, nor a baseline",
                where=run,
                hint=did_you_mean(run, known) or f"known by name: {', '.join(known)}",
            )
    called = own_names(runs)
    return Entrants(
        models={name: load_run(run) for name, run in zip(called, runs, strict=True)},
        runs=dict(zip(called, runs, strict=True)),
        baselines=tuple(dict.fromkeys(others)),
    )


@dataclass(frozen=True, kw_only=True)
class Together:
    """Forecasters and names of baselines, as a call in Python gives them."""

    forecasters: Sequence[Forecaster]
    """Models, each under a name of its own where there are several, and other forecasters."""
    baselines: tuple[str, ...]
    """Names of baselines to verify beside them."""
    models: Mapping[str, TrainedForecaster]
    """Those of the forecasters that were trained, by name."""
    names: Sequence[str]
    """Names of all."""

    @property
    def past(self) -> int:
        """Frames that the one with the longest past sees; 7 where none was trained."""
        return max((model.config.data.past for model in self.models.values()), default=7)

    @property
    def lead_times(self) -> int:
        """Frames that all were trained for; 8 where none was trained."""
        return min((model.config.data.future for model in self.models.values()), default=8)


def together(
    items: Sequence[Forecaster | Function | str | Path],
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
) -> Together:
    """Forecasters, functions and names as those who are verified together.

    Args:
        items: who they are.
        covariates: sources of the observed covariates, for the models that read such.
        future_covariates: sources of those that are known for the future, likewise.

    Raises:
        ConfigError: one run twice; covariates that no model reads, or another number of them than one was trained with.
        CheckpointError: a name that is none of a run, a shipped model or a baseline.
    """
    named = [item if isinstance(item, (Forecaster, str, Path)) else Called(item) for item in items]
    names = [item for item in named if not isinstance(item, Forecaster)]
    runs = [name for name in names if is_run(name) or str(name) not in baselines.names()]
    found = load_entrants(runs).models if runs else {}
    loaded = dict(zip(map(str, runs), found.values(), strict=True))
    everyone = [item if isinstance(item, Forecaster) else loaded.get(str(item)) for item in named]
    forecasters = [forecaster for forecaster in everyone if forecaster is not None]
    if covariates is not None or future_covariates is not None:
        from nextframe.forecasting.trained import all_with_given  # whoever has a model has loaded torch

        readers = {str(n): each for n, each in enumerate(forecasters) if _is_trained(each)}
        given = all_with_given(readers, covariates, future_covariates, own=False)
        forecasters = [given.get(str(n), each) for n, each in enumerate(forecasters)]
    trained = [forecaster for forecaster in forecasters if _is_trained(forecaster)]
    folders = [model.run for model in trained if model.run is not None]
    several = len(trained) > 1 and len(folders) == len(trained)
    models = dict(zip(own_names(folders) if several else [model.name for model in trained], trained, strict=True))
    entrants = {id(model): Entrant(model, name) for name, model in models.items()} if several else {}
    chosen = [entrants.get(id(forecaster), forecaster) for forecaster in forecasters]
    rest = tuple(dict.fromkeys(str(name) for name in names if str(name) not in loaded))
    return Together(forecasters=chosen, baselines=rest, models=models, names=[*(one.name for one in chosen), *rest])


def _is_trained(forecaster: Forecaster) -> TypeGuard[TrainedForecaster]:
    """True for a trained model, told without the library that it is made with."""
    return hasattr(forecaster, "manifest") and hasattr(forecaster, "config")


def own_names(runs: Sequence[str | Path]) -> list[str]:
    """Names by which runs are told apart: the last part of each path, and as many before it as that takes.

    Raises:
        ConfigError: one run twice.

    >>> own_names(["runs/a", "runs/b", "squares-stacked"])
    ['a', 'b', 'squares-stacked']
    >>> own_names(["first/model", "second/model"])
    ['first/model', 'second/model']
    """
    paths = [Path(run) if shipped_name(run) is not None else Path(run).resolve() for run in runs]
    for n, path in enumerate(paths):
        if path in paths[:n]:
            raise ConfigError("is named twice", where=runs[n], hint="name each run once")
    longest = max((len(path.parts) for path in paths), default=0)
    for parts in range(1, longest + 1):
        named = ["/".join(path.parts[-parts:]) for path in paths]
        if len({*named, *baselines.names()}) == len(named) + len(baselines.names()):
            return named
    return [str(path) for path in paths]


def common_data(entrants: Entrants, reading: Mapping[str, Any]) -> DataConfig:
    """The configuration by which frames are read for all of them: the first one's, where the others read alike.

    Raises:
        ConfigError: runs that read frames in different ways, and nobody said how they are to be read now.
    """
    (first, model), *others = entrants.models.items()
    config = model.config.data
    said = {*reading, *(_PIXELS if {*_PIXELS} & reading.keys() else ())}
    for option in (field.name for field in fields(Reading) if field.name in _ALIKE and field.name not in said):
        for name, other in others:
            own, theirs = _result(model, other, option)
            if not _alike(own, theirs):
                raise ConfigError(
                    "is not the same for all runs, which can only be compared on the same frames",
                    where=option,
                    received=f"{_in_words(own)} ({first}), {_in_words(theirs)} ({name})",
                    hint=f"name frames, and say how they are to be read, with {{data=SOURCE}} and {{{option}}}",
                )
    return config


def _result(one: TrainedForecaster, other: TrainedForecaster, option: str) -> tuple[Any, Any]:
    """Result of an option in the frames of two runs, where both know it: the unit, metres of a pixel; else the option
    itself.
    """
    both = (one, other)
    own, theirs = (getattr(run.config.data, option) for run in both)
    if option == "rain_unit" and own != theirs:
        return one.manifest.units, other.manifest.units
    if option in _PIXELS:
        known = [run.manifest.footprint.pixel for run in both if run.manifest.footprint is not None]
        pixels = [pixel for pixel in known if pixel is not None]
        if len(pixels) == len(both):
            return pixels[0], pixels[1]
    return own, theirs


def _alike(own: Any, theirs: Any) -> bool:
    if isinstance(own, float) and isinstance(theirs, float):
        return abs(own / theirs - 1) <= _NEAR
    return bool(own == theirs)


def _in_words(value: Any) -> str:
    if isinstance(value, float):
        return f"pixels of {value / 1000:.3g} km"
    return ", ".join(value) if isinstance(value, tuple) and value else str(value or "none")
