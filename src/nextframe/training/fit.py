"""`train`: from a source of frames and a configuration to a run folder, through Lightning."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import distributed, nn

import nextframe.engine as engine
from nextframe.architectures import architecture
from nextframe.config import RunConfig, TrainingConfig
from nextframe.data.covariates import Covariates, named_in
from nextframe.data.coverage import coverage
from nextframe.data.door import Door
from nextframe.data.foresight import answers
from nextframe.data.limits import measured_limits
from nextframe.data.loading import WindowDataset, note_damage
from nextframe.data.normalise import choose_threshold, fit_normaliser
from nextframe.data.split import Split, split_as
from nextframe.data.static import read_static
from nextframe.data.statistics import FrameStatistics, measure_some
from nextframe.data.windows import cut_windows
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.frames.footprint import Footprint
from nextframe.frames.pictures import named_as_pictures
from nextframe.frames.sequence import FloatArray, FrameSource
from nextframe.frames.source import Source
from nextframe.frames.units import same_unit
from nextframe.malloc import keep_freed_memory
from nextframe.models.causality import check_causal
from nextframe.models.network import Network
from nextframe.models.own import arguments_of, built, facts_of
from nextframe.progress import in_notebook
from nextframe.runs.checksum import of_array
from nextframe.runs.folder import WEIGHTS, build_network, clear_run, load_config, save_config, save_model, save_static
from nextframe.runs.lock import claim
from nextframe.runs.manifest import MANIFEST, Manifest, read_manifest
from nextframe.runs.seen import SEEN, save_seen
from nextframe.training.batches import Loader, make_loaders
from nextframe.training.callbacks import (
    Checkpoints,
    EpochReport,
    FiniteLoss,
    NotebookProgress,
    Patience,
    ProgressBar,
    Tell,
    on_console,
)
from nextframe.training.checkpoints import BEST, FOLDER, ResumePoint, find_resume_point, read_checkpoint, resume_point
from nextframe.training.clock import Clock
from nextframe.training.devices import Place, first_place, helpers
from nextframe.training.foresight import check_covariates
from nextframe.training.memory import hold_batch, hold_network, hold_workers
from nextframe.training.module import ForecastTraining, make_optimizer
from nextframe.training.plan import Plan, batch_that_fits, make_plan
from nextframe.training.start import hold_start, load_start, read_start
from nextframe.training.timing import Timing
from nextframe.training.trainer import hearing_ctrl_c, make_trainer, quiet_lightning
from nextframe.words import nobody, seconds

_TAKEN = "use {resume=True} to go on with it, {overwrite=True} to replace it, or choose another {out}"


def train(
    source: FrameSource,
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    tell: Tell | None = None,
    clock: Clock | None = None,
    given: Collection[str] = (),
    statistics: FrameStatistics | None = None,
    notes: Sequence[str] = (),
    module: nn.Module | None = None,
    covariates: Mapping[str, Source] | None = None,
) -> None:
    """Train a model and leave everything about it in the run folder.

    The best weights are those with the smallest mean squared error of the free rollout on the validation part. SIGTERM
    saves a checkpoint and ends the process with code 143.

    Args:
        source: the frames; split as `config.data` says.
        config: the resolved configuration.
        run: the run folder; made if need be, and held against other processes.
        resume: go on from the folder's last whole checkpoint (the same configuration), or start if there is none.
        overwrite: replace the run that the folder holds, once the frames and the options have been found good.
        progress: show a progress bar, and say a line for each epoch.
        tell: takes the lines that are to be said; by default they stand above the progress bar, and without one
            nothing is said.
        clock: of a run with a budget in minutes, begun when the run was; by default now.
        given: options that are not to be changed for a budget's sake.
        statistics: of the training part, where they are known already.
        notes: sentences on what was chosen, told once the training is sure to begin.
        module: the network of the user's, from whose weights the training starts; a copy of it is trained.
        covariates: those that are in memory, by the names that the configuration has for them.

    Raises:
        ConfigError: the folder is in use, already holds a run and `resume` is not set, or holds one of another
            configuration.
        DataError: frames that cannot be trained on (too few, constant, damaged).
        ShapeError: a module whose outputs are not those of the contract (`nextframe.models.own`).
        CheckpointError: checkpoints none of which can be read.
        TrainingError: a loss that is not finite, or a run folder that is removed during the training.
    """
    tell = default_tell(tell, progress)
    with claim(run):
        chosen = (statistics, notes, module, covariates or {})
        _train(source, config, run, resume, overwrite, progress, tell, clock, given, *chosen)


def train_ensemble(
    source: FrameSource,
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    tell: Tell | None = None,
    clock: Clock | None = None,
    given: Collection[str] = (),
    statistics: FrameStatistics | None = None,
    notes: Sequence[str] = (),
    module: nn.Module | None = None,
    covariates: Mapping[str, Source] | None = None,
) -> None:
    """Train the members of an ensemble, one after the other, each from a seed of its own and into a run folder of its
    own inside `run`, in even shares of the budget; arguments and errors of `train`.
    """
    say = default_tell(tell, progress)
    arguments = None if module is None else arguments_of(module)
    if module is not None and arguments is None:
        raise ConfigError(
            "are drawn anew, for which the class of the network is built again",
            where="members",
            received=f"{config.model.model}, which cannot be",
            hint="put it into a file that can be imported, and its keyword arguments into its `config`",
        )
    with claim(run):
        _hold_to_run(run, config, resume, overwrite)
        hold_network(config, source.frame_shape[0], module=module)
        for n in range(config.training.members):
            if progress:
                say(f"member {n + 1} of {config.training.members}")
            member = config.replace({"seed": config.training.seed + n, "members": 1})
            if config.training.minutes is not None:
                member = member.replace({"minutes": config.training.minutes / config.training.members})
            folder = run / f"member-{n + 1}"
            if resume and (folder / "config.yaml").exists():
                member = load_config(folder / "config.yaml")  # with what its plan has changed
            own = Clock(member.training.minutes)
            train(
                source,
                member,
                folder,
                resume=resume,
                overwrite=overwrite,
                progress=progress,
                tell=say,
                clock=own,
                given=given,
                statistics=statistics,
                notes=notes if n == 0 else (),
                module=None if module is None else _drawn(member, arguments),
                covariates=covariates,
            )
            if clock is not None and own.calibration is not None:
                clock.calibration = own.calibration
            if overwrite and n == 0:
                clear_run(run, but=folder)
            save_config(run, config)  # not before the first member has shown that the data can be trained on


def default_tell(tell: Tell | None, progress: bool) -> Tell:
    """Taker of the lines that are to be said: by default whoever looks at the progress bar."""
    return tell or (on_console if progress else nobody)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A training, as each of the processes that share it is told of it."""

    config: RunConfig
    run: Path
    parts: Split
    static: FloatArray
    covariates: Covariates | None
    manifest: Manifest
    resumed: ResumePoint | None
    plan: Plan | None
    module: nn.Module | None


@dataclass(frozen=True)
class _Ready:
    """A training that is ready to go."""

    trainer: lightning.Trainer
    module: ForecastTraining
    to_train: Loader
    to_validate: Loader


def _train(
    source: FrameSource,
    config: RunConfig,
    run: Path,
    resume: bool,
    overwrite: bool,
    progress: bool,
    tell: Tell,
    clock: Clock | None,
    given: Collection[str],
    statistics: FrameStatistics | None,
    notes: Sequence[str],
    module: nn.Module | None,
    held: Mapping[str, Source],
) -> None:
    clock = clock or Clock(config.training.minutes)
    _hold_to_run(run, config, resume, overwrite)
    resumed = None if overwrite else find_resume_point(run, tell)
    if resume and resumed is None and progress:
        tell(f"{run}: holds no run to resume, a new one begins")
    parts = split_as(source, config.data)
    counted, statistics = statistics, statistics or measure_some(parts.train)
    normaliser = fit_normaliser(
        parts.train,
        config.data.normalisation,
        output=config.model.output,
        statistics=statistics,
        shared=config.model.channelwise,
    )
    start = config.training.from_
    origin = None if start is None else read_start(start, config.training.seed)
    if start is not None and origin is not None:
        hold_start(start, origin, source, statistics)
        normaliser = origin.normaliser
    channels, height, width = source.frame_shape
    first = source.sequences[0]
    static, grid, step = read_static(config.data, first), first.grid, first.time_step
    covariates = named_in(config.data, held)
    absent = [] if covariates is None else covariates.absent([*parts.train, *parts.validation, *parts.test])
    if covariates is not None:
        covariates = covariates.normalised(parts.train)
    masks = _reads_mask(config, run, statistics, goes_on=not overwrite) if origin is None else origin.mask
    own = None
    if architecture(config.model.model).own:
        if covariates is not None:
            raise ConfigError(
                "are for networks of the package", where="covariates", hint="leave them out, or name an architecture"
            )
        kept = None if origin is None else origin.own
        module = module or _drawn(config, {} if kept is None else kept.arguments)
        own = facts_of(
            module,
            past=config.data.past,
            channels=channels,
            further=len(static) + (channels if masks else 0),
            quantiles=config.model.quantiles,
            size=(config.training.train_crop or height, config.training.train_crop or width),
        )
    _hold_weights_to_unit(config.training, first.units)
    if config.training.minutes is not None and "batch_size" not in given:
        config = config.replace({"batch_size": batch_that_fits(config, source.frame_shape)})
    manifest = Manifest(
        config=config,
        normaliser=normaliser,
        threshold=choose_threshold(parts.train, normaliser, statistics=counted),
        channels=channels,
        height=height,
        width=width,
        variables=first.variables,
        units=first.units,
        time_step=None if step is None or not source.of_one_step else seconds(step),
        limits=measured_limits(statistics, first.units, eight_bit=first.values.dtype == "uint8"),
        footprint=Footprint.of(*source.sequences),
        mask=masks,
        static_checksum=of_array(static),
        own=own,
        grid=(tuple(map(float, grid.y)), tuple(map(float, grid.x))) if len(static) and grid is not None else None,
        covariates=() if covariates is None else covariates.rows,
    )
    hold_network(config, channels, manifest.further_channels, module=module)
    hold_batch(config, parts.train)
    hold_workers(config.training.workers)
    read: dict[str, Any] = {"parts": parts, "static": static, "covariates": covariates}
    task = _Task(config=config, run=run, **read, manifest=manifest, resumed=resumed, plan=None, module=module)
    place = first_place(config.training.devices)
    if config.training.minutes is not None:
        task = _planned(task, clock, given)
        assert task.plan is not None
        clock.kept_back, clock.calibration = task.plan.after, task.plan.calibration
        config = task.config
    ready = _prepare(task, place, tell if progress else nobody, progress, clock, ended=tell)
    if resumed is not None:
        _hold_to_model(resumed, ready.module)
        _bring_back_weights(run, resumed, task, tell)
    if overwrite:
        clear_run(run)
    save_static(run, static)
    if not (run / SEEN).is_file():
        save_seen(run, parts, config.training.from_)
    save_config(run, config)  # from here on the folder is this run's; bad data and bad options have left none
    for note in notes:
        tell(f"{source.name}: {note}")
    if own is not None and own.arguments is None:
        tell(f"{run}: its network is loaded again by an instance of its class alone: load_run({str(run)!r}, module=…)")
    sets = [loader.dataset for loader in (ready.to_train, ready.to_validate)]
    if progress:
        counts = [len(part) for part in sets]  # type: ignore[arg-type]
        tell(f"{source.name}: {counts[0]} windows to train on, {counts[1]} to validate")
        for note in source.notes:
            tell(f"{source.name}: {note}")
        if own is None:  # one of the user's is given no later frame, and may not take frames of this size
            shape = (1, 6, channels + manifest.further_channels, 12, 12)
            tell(check_causal(ready.module.model, shape=shape).sentence)
        if covariates is not None:
            validation = cast(WindowDataset, ready.to_validate.dataset)
            tell(check_covariates(ready.module.model, validation.door, validation.windows[0]).sentence)
            for sentence in answers(covariates, validation.windows):
                tell(f"{source.name}: {sentence}")
        for sentence in absent:
            tell(f"{source.name}: {sentence}")
        if task.plan is not None:
            tell(f"{source.name}: {task.plan.note}")
    _say_losses(parts, config, statistics.empty_frames, tell)
    with helpers(place, _help, task):
        _fit(ready, task)
    if source.damage is not None:
        for part in sets:
            assert isinstance(part, WindowDataset)
            note_damage(part)
        if source.damage.sentence:
            tell(f"{source.name}: {source.damage.sentence}")


def _prepare(task: _Task, place: Place, tell: Tell, progress: bool, clock: Clock, *, ended: Tell) -> _Ready:
    """Model, data and trainer of one of the processes that share a training."""
    config, manifest, training, plan = task.config, task.manifest, task.config.training, task.plan
    module = _module(task)
    module.by_clock = plan is not None
    to_train, to_validate = make_loaders(
        task.parts,
        config,
        manifest.normaliser,
        manifest.threshold,
        task.static,
        covariates=task.covariates,
        mask=manifest.mask,
        place=place,
        resumed=task.resumed,
        plan=plan,
    )
    report = EpochReport(task.run, manifest, tell)
    callbacks: list[Callback] = [FiniteLoss(task.run), report]
    if plan is not None:
        callbacks.append(Timing(clock, plan, schedule=training.schedule != "constant"))
    callbacks.append(Checkpoints(task.run, report, ended))
    if training.patience is not None:
        callbacks.append(Patience(training.patience))
    bar = progress and plan is None  # by the clock there is one for the whole run
    if bar:
        callbacks.append(NotebookProgress() if in_notebook() else ProgressBar())
    with quiet_lightning():
        trainer = make_trainer(training, task.run, place, callbacks, progress=bar)
    return _Ready(trainer, module, to_train, to_validate)


def _reads_mask(config: RunConfig, run: Path, statistics: FrameStatistics, *, goes_on: bool) -> bool:
    """True where the network is to read which values are missing; one that goes on, as it was begun."""
    if config.data.mask is not None:
        return config.data.mask
    return (
        read_manifest(run / MANIFEST).mask
        if goes_on and (run / MANIFEST).is_file()
        else (
            statistics.missing > 0
            and not config.model.channelwise
            and not architecture(config.model.model).own  # which was built for the channels of the frames
        )
    )


def _module(task: _Task) -> ForecastTraining:
    manifest, training = task.manifest, task.config.training
    if training.recompute is None:  # it leaves gaps, which matter where memory is to be bounded
        keep_freed_memory()
    thresholds = [manifest.normaliser.apply_scalar(value) for value in training.loss_thresholds]
    door = Door(
        manifest.normaliser,
        static=task.static if len(task.static) else None,
        coordinates=task.config.data.coordinates,
        edges=task.config.data.edges,
        limits=manifest.bounds,
        covariates=task.covariates,
        mask=manifest.mask,
    )
    return ForecastTraining(
        _build(manifest, task.module),
        task.config,
        manifest.threshold,
        thresholds,
        door,
        data_range=_picture_range(manifest),
    )


def _picture_range(manifest: Manifest) -> float | None:
    """Range of the values of pictures, whose PSNR is told; None for fields and masks."""
    if manifest.config.model.output != "linear" or not named_as_pictures(manifest.variables, manifest.units):
        return None
    top = manifest.normaliser.invert(np.ones((manifest.channels, 1, 1), np.float32))
    return 255.0 if float(top.max()) > 1 else 1.0


def _planned(task: _Task, clock: Clock, given: Collection[str]) -> _Task:
    """The task with its plan: the one that it was begun with, or one from steps that are measured now."""
    config = task.config
    if task.resumed is not None and task.resumed.plan is not None:
        plan = Plan(**task.resumed.plan)
    else:
        data = config.data
        to_train, to_validate = (
            cut_windows(part, past=data.past, future=data.future, stride=data.stride, part=name)
            for name, part in (("training", task.parts.train), ("validation", task.parts.validation))
        )
        clock.show("measuring a few steps")
        try:
            plan = make_plan(_module(task), to_train, to_validate, clock, given_batch="batch_size" in given)
        finally:
            engine.release_buffers()
    config = config.replace({"batch_size": plan.batch})
    return replace(task, plan=plan, config=config, manifest=replace(task.manifest, config=config))


def _drawn(config: RunConfig, arguments: Mapping[str, Any] | None) -> nn.Module:
    """A network of the user's, with weights drawn by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        return built(config.model.model, arguments)


def _build(manifest: Manifest, module: nn.Module | None) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(manifest.config.training.seed)
        network = build_network(manifest, module)
    if manifest.config.training.from_ is not None:
        load_start(network, manifest.config.training.from_, manifest.config.training.seed)
    return network


def _help(task: _Task, place: Place) -> None:
    """The part of another process in a training."""
    _fit(_prepare(task, place, nobody, False, Clock(task.config.training.minutes), ended=nobody), task)


def _fit(ready: _Ready, task: _Task) -> None:
    path = None if task.resumed is None else task.resumed.path
    with quiet_lightning(), hearing_ctrl_c():
        try:
            with engine.subnormals_are_zero():
                ready.trainer.fit(ready.module, ready.to_train, ready.to_validate, ckpt_path=path)
        finally:
            engine.release_buffers()
    if distributed.is_initialized():
        for loader in (ready.to_train, ready.to_validate):
            assert isinstance(loader.dataset, WindowDataset)
            damaged = loader.dataset.damaged
            if len(damaged):
                anywhere = damaged.int().to(ready.trainer.strategy.root_device)
                distributed.all_reduce(anywhere, distributed.ReduceOp.MAX)
                damaged.copy_(anywhere.bool())


def _hold_to_run(run: Path, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Hold the folder to be free, to be overwritten, or to be this very run's."""
    if resume and overwrite:
        raise ConfigError(
            "exclude each other", where="resume, overwrite", hint="resume the run, or overwrite it with a new one"
        )
    saved = run / "config.yaml"
    if overwrite or not saved.exists():
        return
    if not resume:
        raise ConfigError("already holds a run", where=run, hint=_TAKEN)
    before = load_config(saved)
    if before != config:
        new, old = config.to_dict(), before.to_dict()
        changed = [key for section in new for key in new[section] if new[section][key] != old[section][key]]
        what = f"its run has another configuration ({', '.join(changed)} differ)"
        raise ConfigError(what, where=run, hint="resume with the options it was started with")


def _hold_to_model(resumed: ResumePoint, module: ForecastTraining) -> None:
    """Hold a checkpoint to be one of this model and this optimiser."""
    checkpoint = read_checkpoint(resumed.path)
    try:
        module.load_state_dict(checkpoint["state_dict"])
        make_optimizer(module.model, module.config.training).load_state_dict(checkpoint["optimizer_states"][0])
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CheckpointError(
            "is of another model",
            where=resumed.path,
            received=first_line(error),
            hint="train again, into another {out}",
        ) from error


def _bring_back_weights(run: Path, resumed: ResumePoint, task: _Task, tell: Tell) -> None:
    """Write the best weights again where somebody has removed them: those of the best checkpoint or, before there is
    one, those that the training began with. Else whichever comes next would be taken for the best.
    """
    config, best = task.config, run / FOLDER / BEST
    begun = config.model.residual or config.training.from_ is not None
    if ((run / WEIGHTS).is_file() and (run / MANIFEST).is_file()) or not (best.is_file() or begun):
        return
    module = _module(task)
    manifest = task.manifest
    if best.is_file():
        checkpoint = read_checkpoint(best)
        module.load_state_dict(checkpoint["state_dict"])
        manifest = replace(manifest, epoch=resume_point(best).epochs, shrinkage=tuple(checkpoint.get("shrinkage", ())))
    save_model(run, module.model, manifest)
    which = f"those of {best.name}, after epoch {manifest.epoch}," if manifest.epoch else "those that it began with"
    tell(f"{run}: its weights were gone, and {which} were written again")


def _hold_weights_to_unit(training: TrainingConfig, units: Sequence[str]) -> None:
    """Balanced losses have weights for rain in mm/h; in another unit they are to be chosen."""
    unchanged = training.loss_thresholds == TrainingConfig().loss_thresholds
    if training.loss.startswith("balanced") and unchanged and units[0] != "1" and not same_unit(units[0], "mm/h"):
        raise ConfigError(
            "has weights for rain in mm/h",
            where=f"loss={training.loss}",
            received=f"frames in {units[0]}",
            hint="choose {loss_thresholds} in that unit, or bring the frames to mm/h with {rain_unit=mm/h}",
        )


def _say_losses(parts: Split, config: RunConfig, empty_frames: int, tell: Tell) -> None:
    """Say what of the training and the validation part no window uses, a line each where there is such."""
    data = config.data
    for name, spans, empty in (("training", parts.train, empty_frames), ("validation", parts.validation, 0)):
        lost = coverage(spans, past=data.past, future=data.future, stride=data.stride, empty_frames=empty).sentence
        if lost:
            tell(f"{name} part: {lost}")
