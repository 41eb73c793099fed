"""Every choice that makes a run, as typed, frozen dataclasses that are checked when they are made.

`RunConfig` holds one section each for the data, the model and the training. Field names are unique across sections, so
that a flat option names one field of one section wherever it is given: on the command line, to `nextframe.fit`, in a
YAML file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import index
from typing import Any, Literal, SupportsIndex, get_args, get_origin, get_type_hints

from nextframe.architectures import architecture, check_options
from nextframe.errors import ConfigError
from nextframe.words import count, did_you_mean, joined

Norm = Literal["batch", "layer", "group", "none"]
TemporalPadding = Literal["causal", "same"]
CellActivation = Literal["tanh", "relu"]
GateActivation = Literal["sigmoid", "hard_sigmoid"]
OutputActivation = Literal["sigmoid", "linear"]
Loss = Literal[
    "bce", "mse", "mae", "balanced-mse", "balanced-mae", "ssim-mae", "huber", "relative-mse", "facl", "quantile"
]
Optimizer = Literal["adadelta", "rmsprop", "adam", "adamw", "muon"]
Schedule = Literal["constant", "one-cycle"]
Normalisation = Literal["auto", "identity", "range", "standard", "log"]
RainUnit = Literal["mm/h", "dBZ"]
Missing = Literal["error", "mask"]
Coordinates = Literal["eulerian", "lagrangian", "translated", "adaptive"]
Edges = Literal["missing", "last"]
Damaged = Literal["error", "skip"]
Augment = Literal["none", "turns", "turns-and-amounts"]
LossIn = Literal["moved", "source"]
Matched = Literal["last", "validation"]
"""Distribution of values that a forecast is given: that of the last frame seen, or that of the validation part."""
LARGEST_SEED = 2**63
LARGEST_SIZE = 2**16
"""Filters of a layer, pixels of a kernel's or a patch's side, quantiles of a value, at most: sizes that are products of
these can be counted."""
_SIZES = ("filters", "kernel_size", "quantiles", "patch")
CLOCKS = ("time-of-day", "time-of-year")
"""Covariates that the clock tells; all others are sources."""
COVARIATES = ("covariates", "future_covariates")
"""Fields that name sources beside those of the frames."""
SplitBy = Literal["auto", "time", "sequence", "event", "source", "published"]
Part = Literal["train", "validation", "test"]
"""Parts of a split that was published with a data set."""


def _at_least(section: object, minimum: float, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None and not item >= minimum:
                raise ConfigError("is too small", where=name, expected=f"at least {minimum:g}", received=item)


def _at_most(section: object, maximum: int, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item > maximum:
                raise ConfigError("is too large", where=name, expected=f"at most {maximum}", received=item)


def _positive(section: object, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        if value is not None and not value > 0:
            raise ConfigError("is not positive", where=name, expected="more than 0", received=value)


_LARGEST = 1e30  # some are multiplied with each other, in float32


def _finite(section: object) -> None:
    """Hold every number of a section to be one that computers count and compute with: neither NaN nor infinite."""
    for name in getattr(section, "__dataclass_fields__", ()):
        value = getattr(section, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, float) and not math.isfinite(item):
                raise ConfigError("is not finite", where=name, expected="a number", received=item)
            largest = LARGEST_SEED if isinstance(item, int) else _LARGEST
            if isinstance(item, int | float) and abs(item) > largest:
                raise ConfigError("is too large", where=name, expected=f"at most {largest:g}", received=item)


def choices(hint: Any) -> tuple[Any, ...]:
    """Values of a Literal; none for other types."""
    return get_args(hint) if get_origin(hint) is Literal else ()


_HINTS: dict[type, dict[str, Any]] = {}


def hints(section: type) -> dict[str, Any]:
    """The types of a section's fields."""
    if section not in _HINTS:  # telling them takes longer than all checks together
        _HINTS[section] = get_type_hints(section)
    return _HINTS[section]


def _check_choices(section: object) -> None:
    """Hold every Literal field to its choices, so that a typing slip in a YAML file is caught by name."""
    for name, hint in hints(type(section)).items():
        choices_of = choices(hint)
        if choices_of and getattr(section, name) not in choices_of:
            listed = ", ".join(map(str, choices_of))
            raise ConfigError(
                "unknown choice", where=name, expected=f"one of {listed}", received=getattr(section, name)
            )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Reading of frames from a source: what `open_source` takes beside its name."""

    variable: tuple[str, ...] = ()
    """Variables of a NetCDF, Zarr or GRIB file, or bands of a GeoTIFF, to read as channels, or the quantity of a radar
    composite; by default the only one there is."""
    axes: str = ""
    """Axes of an array, a letter each: N movie, T time, H height, W width, C channel ("NTHWC"); by default
    told from its shape."""
    time_format: str = ""
    """Times in the names of images, GeoTIFF and NetCDF files that have none inside: a pattern of their digits
    ("%Y%m%d%H%M")."""
    palette: str = ""
    """CSV file of colours and their values (#9900ff,0.5), by which pictures are turned back to a quantity."""
    frames: tuple[int, ...] = ()
    """Use only frames START to STOP (exclusive) of each sequence."""
    grey: bool = False
    """Read colour frames as grey."""
    crop: tuple[int, ...] = ()
    """Cut every frame to (top, left, height, width) pixels."""
    rain_unit: Literal["as-read", RainUnit] = "as-read"
    """Bring rain or reflectivity to this unit, by Marshall and Palmer's relation (Z = 200 R^1.6)."""
    coarsen: int = 1
    """Average blocks of this many pixels along both axes."""
    resolution: str = ""
    """Average pixels to about this size (2km, 500m), by the coordinates of each source; never made finer."""
    time_step: str = ""
    """Bring frames to this step (10min): those at its multiples are picked, amounts are averaged; none is invented."""
    missing: Literal["auto", Missing] = "auto"
    """Meaning of NaN: a gap to mask, or a fault of the file; by default masked where the file declares a fill value."""
    part: Literal["all", Part] = "all"
    """Part of a data set that is published with a split (SEVIR, MeteoNet, HKO-7, KTH, TaxiBJ) to read."""
    damaged: Damaged = "error"
    """Treatment of frames and files that cannot be read: stop with an error, or "skip" and count them."""

    def __post_init__(self) -> None:
        _check_choices(self)
        _at_least(self, 1, "coarsen")
        if self.frames and (len(self.frames) != 2 or not 0 <= self.frames[0] < self.frames[1]):
            raise ConfigError("is not a range", where="frames", expected="start stop", received=self.frames)
        if self.crop and (len(self.crop) != 4 or min(self.crop) < 0 or min(self.crop[2:]) < 1):
            raise ConfigError("is not a box", where="crop", expected="top left height width", received=self.crop)
        if self.axes and (
            set(self.axes) - set("NTHWC") or len(set(self.axes)) < len(self.axes) or not set("THW") <= set(self.axes)
        ):
            raise ConfigError(
                "names no axes",
                where="axes",
                expected="T, H and W, with N and C where there are such, each once",
                received=self.axes,
            )

    @property
    def reading(self) -> Reading:
        """These options by themselves."""
        return Reading(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Reading)})

    def but(self, options: Mapping[str, Any]) -> Reading:
        """These options with some changed.

        Raises:
            ConfigError: an unknown option, or a value of the wrong type or outside its range.
        """
        known = hints(Reading)
        for option in options:
            if option not in known:
                raise unknown_option(option, known)
        return dataclasses.replace(self.reading, **{k: _coerce(k, v, known[k]) for k, v in options.items()})


def frames_asked_for(lead_times: SupportsIndex) -> int:
    """Number of lead times, held to be one.

    Raises:
        ConfigError: no whole number, or fewer than one.

    >>> frames_asked_for(8)
    8
    """
    try:
        number = index(lead_times)
    except TypeError:
        raise ConfigError(
            "is no number of frames", where="lead_times", expected="1, 2, ...", received=repr(lead_times)
        ) from None
    if number < 1:
        raise ConfigError("asks for no frame", where="lead_times", expected="at least 1", received=number)
    return number


def unknown_option(name: str, options: Collection[str], *, where: object = None) -> ConfigError:
    """The error of an option that is none of those that there are."""
    return ConfigError(
        f"unknown option {name!r}",
        where=where,
        expected=f"one of {', '.join(sorted(options))}",
        hint=did_you_mean(name, options),
    )


@dataclass(frozen=True, kw_only=True)
class DataConfig(Reading):
    """Source of the frames, and what the model sees of them."""

    data: str = "squares"
    """Source: "squares", "squares:movies=200,seed=3", "moving-mnist", or a path to a file or folder of frames."""
    sources: tuple[str, ...] = ()
    """Several sources, each with options of its own after two colons (radar.nc::coarsen=2,weight=3), as a list in
    `data` names them."""
    past: int = 7
    """Frames that a forecast starts from."""
    future: int = 8
    """Frames to forecast; a training window holds past + future frames."""
    stride: int = 1
    """Frames between the starts of two windows."""
    validation: float = 0.1
    """Share held out to watch the training: of the sequences, or of the frames of a single sequence."""
    test: float = 0.1
    """Share held out until verification, taken from the end."""
    gap: int = 0
    """Frames dropped between training, validation and test part of one sequence."""
    split: SplitBy = "auto"
    """Unit of division into parts: each sequence in "time", whole "sequence"s, or whole "event"s, stretches without a
    gap in time, or whole "source"s, the last of which are held out, or as the data set was "published"; by default as
    published where it was, else sequences where there are three or more, else time."""
    test_from: str | None = None
    """Hold out all frames from this time on as the test part (2016-07-01, 2016-07-01T12:00), in place of a share."""
    test_source: tuple[str, ...] = ()
    """Hold out these of several sources as the test part, by a part of their names, in place of a share: a model of all
    radars but one, tested on that."""
    coordinates: Coordinates = "eulerian"
    """Frames as they are ("eulerian"), or moved to where the motion of the last two frames seen takes them
    ("lagrangian"; Ritvanen et al. 2023), so that the network learns growth and decay alone; "translated" moves them as
    a whole, by one shift; "adaptive" moves each place, or leaves it, as would have forecast the last frames best."""
    edges: Edges = "missing"
    """Gaps that a model reads, as moved frames have them where they come from beyond the edge: "missing", or filled
    with the "last" frame seen."""
    normalisation: Normalisation = "auto"
    """Normalisation of values to the model's range; chosen from the training part by default."""
    mask: bool | None = None
    """Let the network read which values are missing, as further channels; by default where the training part has
    missing values."""
    static: tuple[str, ...] = ()
    """Fields that never change, such as elevation, that the model reads beside every frame: FILE or FILE:VARIABLE
    (NetCDF, NPY), on the grid of the frames."""
    covariates: tuple[str, ...] = ()
    """Fields that change with time, that the model reads beside every frame up to the last one seen, and does not
    forecast: a SOURCE each, several times for several; or time-of-day, time-of-year, which are known for the future."""
    future_covariates: tuple[str, ...] = ()
    """Covariates that are known for the future, such as a numerical forecast, and are read at each lead time: a SOURCE
    each, several times for several."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _finite(self)
        _at_least(self, 1, "past", "future", "stride")
        _at_least(self, 0, "gap", "validation", "test")
        if self.validation + self.test >= 1:
            raise ConfigError(
                "validation and test leave nothing to train on",
                where="validation, test",
                expected="a sum below 1",
                received=self.validation + self.test,
            )
        if self.test_from is not None:
            try:
                sound = datetime.fromisoformat(self.test_from).tzinfo is None
            except ValueError:
                sound = False
            if not sound:
                expected = "a date (2016-07-01) or a time (2016-07-01T12:00), as the frames have it, without a zone"
                raise ConfigError("is no time", where="test_from", expected=expected, received=self.test_from)
        if self.test_source and self.test_from is not None:
            raise ConfigError("names the test part twice", where="test_source, test_from", hint="leave one of them out")
        if self.static and self.sources:
            raise ConfigError("are of one grid", where="static", hint="leave them out, or train on one source")
        if self.static and self.coordinates != "eulerian":
            raise ConfigError("do not move with the frames", where="static", hint="use {coordinates=eulerian}")
        named = (*self.covariates, *self.future_covariates)
        if len(set(named)) < len(named):
            raise ConfigError("are named twice", where="covariates", received=", ".join(named), hint="name each once")
        if named and self.coordinates != "eulerian":
            raise ConfigError("do not move with the frames", where="covariates", hint="use {coordinates=eulerian}")

    @property
    def stays(self) -> bool:
        """True where fields beside the frames hold these to their place."""
        return bool(self.static or self.covariates or self.future_covariates)

    @property
    def knows_ahead(self) -> bool:
        """True where covariates are known for the future."""
        return bool(self.future_covariates) or any(name in CLOCKS for name in self.covariates)

    @property
    def held_out_from(self) -> datetime | None:
        """Time from which on frames are the test part; None where a share is."""
        return None if self.test_from is None else datetime.fromisoformat(self.test_from)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Network and its sizes."""

    model: str = "stacked"
    """Architecture, by its name in `nextframe.architectures`; or a network of your own, by the place of its class
    ("package.file:Class")."""
    filters: tuple[int, ...] = (40, 40, 40)
    """Filters of each ConvLSTM layer; the number of values is the number of layers."""
    kernel_size: tuple[int, ...] = (3,)
    """Height and width of the kernels, odd: one number for all layers, or one for each (5,3,1)."""
    norm: Norm = "batch"
    """Normalisation after each ConvLSTM layer (between the layers, for the encoder-decoder)."""
    norm_last: bool = True
    """Stacked only: normalise after the last layer, too, and not between the layers alone."""
    temporal_padding: TemporalPadding = "causal"
    """Stacked only: the 3-D convolution sees past frames ("causal"), or also the next one ("same", the tutorial's)."""
    gate_activation: GateActivation = "sigmoid"
    """Activation of the gates; "hard_sigmoid" is that of Keras before version 3."""
    cell_activation: CellActivation = "tanh"
    """Activation of what enters the cell and of what leaves it; "relu" is that of the present Keras example."""
    peepholes: bool = False
    """Let the gates see the cell state (Shi et al. 2015, equation 3)."""
    output: OutputActivation = "sigmoid"
    """Activation of the output: "sigmoid" for values in 0..1, "linear" for any."""
    residual: bool = False
    """Forecast the change against the last frame instead of the frame; takes a linear output."""
    quantiles: int = 1
    """Quantiles of each value to forecast, an odd number, all equally likely; more than one takes loss "quantile"."""
    patch: int = 1
    """Work on patches of so many pixels along both axes (space-to-depth): large grids at a fraction of the cost."""
    channelwise: bool = False
    """Forecast each channel by itself, by the same network: one model for grey and for colour."""

    def __post_init__(self) -> None:
        if isinstance(self.kernel_size, int):  # as it was, one number
            object.__setattr__(self, "kernel_size", (self.kernel_size,))
        check_options(self.model, self)
        _check_choices(self)
        _at_least(self, 1, *_SIZES)
        _at_most(self, LARGEST_SIZE, *_SIZES)
        if self.quantiles % 2 == 0:
            raise ConfigError("is even", where="quantiles", expected="an odd number", received=self.quantiles)
        if not self.filters and not architecture(self.model).own:
            raise ConfigError("names no layer", where="filters", expected="one number for each layer")
        if any(size % 2 == 0 for size in self.kernel_size):
            raise ConfigError("is even", where="kernel_size", expected="odd numbers", received=self.kernel_size)
        sizes = {1, len(self.filters)} if architecture(self.model).kernels_by_layer else {1}
        if len(self.kernel_size) not in sizes:
            raise ConfigError(
                "does not fit the layers",
                where="kernel_size",
                expected=f"{joined(sorted(sizes), 'or')} for {self.model} of {count(len(self.filters), 'layer')}",
                received=self.kernel_size,
            )
        if self.residual and self.output != "linear":
            raise ConfigError("needs a linear output", where="residual", hint="use {output=linear}")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Training of the network."""

    from_: str | None = None
    """Run folder, or name of a shipped model, to start from: its weights, and its recipe where nothing else is said;
    `from` on the command line and in a file."""
    minutes: float | None = None
    """Minutes of the whole run: looking at the frames, training, validation and calibration. In place of `epochs`."""
    epochs: int = 5
    """Passes over the training part, where no minutes are given."""
    batch_size: int = 10
    """Windows in one step, of all devices together."""
    optimizer: Optimizer = "adamw"
    """Optimiser; "muon" orthogonalises the updates of the kernels, gate by gate (Jordan et al. 2024)."""
    learning_rate: float = 3e-3
    """Learning rate; the peak of the schedule."""
    weight_decay: float = 0.0
    """Weight decay (adamw only)."""
    schedule: Schedule = "one-cycle"
    """Course of the learning rate over the whole training."""
    gradient_clip: float | None = 1.0
    """Largest norm of the gradient of one step; none to leave it alone."""
    loss: Loss = "bce"
    """Loss to minimise; averaged over pixels, frames and movies, missing values left out. The balanced ones weigh a
    pixel by its true value (Shi et al. 2017), as the two options below say; "ssim-mae" mixes structural similarity and
    absolute error (Zhao et al. 2017); "huber" is quadratic for usual errors and linear for large ones (Huber 1964);
    "relative-mse" is the squared error as a share of persistence's in that frame, so that quiet and lively windows
    count alike; "facl" compares Fourier amplitudes and correlation, for sharp frames (Yan et al. 2024); "quantile" is
    for quantiles."""
    loss_in: LossIn = "moved"
    """Coordinates in which losses of rollouts are measured, where frames are moved: of the "moved" frames that the
    network reads, or of the "source", in which forecasts are issued. Frames that are moved are smoother than the true
    ones, and a network that is held to them forecasts too smoothly."""
    loss_scale: tuple[float, ...] = ()
    """Usual error at each lead time. The Huber loss measures errors in it, in the model's range, by default 1; beyond
    three of them it is linear. "relative-mse" takes a frame to change by a tenth of it at least, in source units."""
    loss_thresholds: tuple[float, ...] = (2.0, 5.0, 10.0, 30.0)
    """Balanced losses only: where the weight changes, in source units, increasing; the default is for rain in mm/h."""
    loss_weights: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0)
    """Balanced losses only: weight below the first threshold, and from each threshold on."""
    min_seen: int = 1
    """One-step models only: frames that must have been seen before an output counts towards the loss. The
    encoder-decoder and SimVP start from the whole past."""
    scheduled_sampling: float = 0.0
    """Share of the inputs after the past that are the model's own outputs by the end; it grows linearly (Bengio et al.
    2015). The decoder's one after the other; those of the other models by a first pass over the movie."""
    rollout_training: float = 0.0
    """Share of the steps, the last ones, that train on the free rollout instead of on one-step forecasts."""
    importance: float | None = None
    """Draw windows by how much is in them, the emptiest with this probability, and weigh their losses by the inverse
    (Ravuri et al. 2021); none to draw every window once in an epoch."""
    train_crop: int | None = None
    """Train on random square cuts of this many pixels (validation sees whole frames)."""
    augment: Augment = "none"
    """Change what is trained on at random: "turns" turns and mirrors windows; "turns-and-amounts" multiplies the
    amounts of each by a factor, too, most often between a half and 2, so that one event stands for many."""
    recompute: int | None = None
    """Time steps of a segment that the backward pass computes again, to save memory; none to keep all gates."""
    seed: int = 0
    """Seed of weights, shuffling and cuts."""
    members: int = 1
    """Models to train, each from a seed of its own, as an ensemble (Lakshminarayanan et al. 2017)."""
    patience: int | None = None
    """Stop after this many epochs without a better validation score; none to train all epochs."""
    accelerator: str = "auto"
    """Device to compute on, as Lightning names it: "auto", "cpu", "cuda", "mps"."""
    devices: int = 1
    """Number of devices, each with a process of its own and an even share of every batch."""
    precision: str = "32-true"
    """Arithmetic, as Lightning names it: "32-true", "bf16-mixed"."""
    workers: int = 0
    """Processes that read data beside the training."""

    def __post_init__(self) -> None:
        _check_choices(self)
        _finite(self)
        _at_least(
            self, 1, "epochs", "batch_size", "min_seen", "train_crop", "recompute", "patience", "devices", "members"
        )
        _at_least(self, 0, "weight_decay", "seed", "workers", "scheduled_sampling", "rollout_training")
        _positive(self, "learning_rate", "gradient_clip", "minutes")
        if self.loss_scale and min(self.loss_scale) <= 0:
            raise ConfigError("is not positive", where="loss_scale", expected="more than 0", received=self.loss_scale)
        if self.seed + self.members > LARGEST_SEED:
            raise ConfigError("is too large", where="seed", expected=f"below {LARGEST_SEED}", received=self.seed)
        if self.batch_size % self.devices:
            raise ConfigError(
                "cannot be shared evenly",
                where="batch_size",
                expected=f"a multiple of devices={self.devices}",
                received=self.batch_size,
                hint=f"use {{batch_size={self.batch_size + -self.batch_size % self.devices}}}",
            )
        if self.importance is not None and not 0 < self.importance <= 1:
            raise ConfigError("is no probability", where="importance", expected="0 < p <= 1", received=self.importance)
        thresholds, weights = self.loss_thresholds, self.loss_weights
        if len(weights) != len(thresholds) + 1 or min(weights) < 0 or list(thresholds) != sorted(set(thresholds)):
            raise ConfigError(
                "do not fit each other",
                where="loss_thresholds, loss_weights",
                expected="increasing thresholds, and one weight more than these, none negative",
                received=(thresholds, weights),
            )
        if self.weight_decay and self.optimizer != "adamw":
            raise ConfigError(
                "is for adamw", where="weight_decay", received=f"optimizer={self.optimizer!r}", hint="leave it out"
            )
        for name in ("scheduled_sampling", "rollout_training"):
            if getattr(self, name) > 1:
                raise ConfigError("is a share", where=name, expected="0 to 1", received=getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that makes a run; saved as `config.yaml` in the run folder, and reruns it."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.training.loss == "bce" and self.model.output != "sigmoid":
            raise ConfigError(
                "binary cross-entropy needs a sigmoid output",
                where="loss",
                hint="use {output=sigmoid}, or another loss",
            )
        if (self.training.loss == "quantile") != (self.model.quantiles > 1):
            raise ConfigError(
                "go together",
                where="loss='quantile' and quantiles",
                received=f"loss {self.training.loss}, quantiles {self.model.quantiles}",
                hint="for example loss='quantile' with quantiles=9",
            )
        if (self.data.covariates or self.data.future_covariates) and self.training.from_ is not None:
            raise ConfigError("starts from none that reads any", where="covariates", hint="leave {from_} out")
        if self.data.knows_ahead and "scheduled_sampling" not in architecture(self.model.model).takes:
            raise ConfigError(
                "are for models that read frames after the past",
                where="covariates that are known for the future",
                received=f"model={self.model.model!r}",
                hint="take another model, or observed {covariates} alone",
            )
        if self.training.loss_in == "source" and self.model.output != "linear":
            raise ConfigError("needs a linear output", where="loss_in='source'", hint="use {output=linear}")
        if self.training.loss_in == "source" and self.model.quantiles > 1:
            raise ConfigError("is for one forecast, not for quantiles", where="loss_in='source'", hint="leave it out")
        crop, patch = self.training.train_crop, self.model.patch
        if crop is not None and crop % patch:
            fitting = max(crop // patch, 1) * patch
            raise ConfigError(
                "cannot be cut into whole patches",
                where="train_crop",
                expected=f"a multiple of patch={patch}",
                received=crop,
                hint=f"use {{train_crop={fitting}}}, or none to train on whole frames",
            )
        check_options(self.model.model, self.training)
        for name in ("rollout_training", "scheduled_sampling"):
            if self.model.temporal_padding == "same" and getattr(self.training, name):
                raise ConfigError(
                    "needs a model that can be continued", where=name, hint="use {temporal_padding=causal}"
                )

    @property
    def losses_in_place(self) -> bool:
        """True where frames are moved and losses are those of forecasts that have been moved back."""
        return self.training.loss_in == "source" and self.data.coordinates != "eulerian"

    def replace(self, options: Mapping[str, Any]) -> RunConfig:
        """This configuration with some fields changed, each named flat (`epochs`, `filters`, ...).

        Epochs that are given without minutes take their place.

        Raises:
            ConfigError: a name that no section has, or a value of the wrong type or outside its range.
        """
        sections = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if "data" in options and "sources" not in options:  # another source takes the place of several
            options = {**options, "sources": ()}
        changes: dict[str, dict[str, Any]] = {name: {} for name in sections}
        if "epochs" in options and "minutes" not in options:
            changes["training"]["minutes"] = None
        for option, value in options.items():
            owner = next((s for s in sections if option in type(sections[s]).__dataclass_fields__), None)
            if owner is None:
                raise unknown_option(option, [n for s in sections.values() for n in type(s).__dataclass_fields__])
            changes[owner][option] = _coerce(option, value, hints(type(sections[owner]))[option])
        return RunConfig(**{s: dataclasses.replace(sections[s], **changes[s]) for s in sections})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries and lists, ready for YAML or JSON."""
        plain = dataclasses.asdict(self)
        return {s: {k: list(v) if isinstance(v, tuple) else v for k, v in plain[s].items()} for s in plain}

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any], base: RunConfig | None = None) -> RunConfig:
        """The inverse of `to_dict`; sections or fields left out keep their value in `base`. Flat keys are taken too."""
        names = {f.name for f in dataclasses.fields(cls)}
        flat: dict[str, Any] = {}
        for key, value in sections.items():
            flat.update(value if key in names and isinstance(value, Mapping) else {str(key): value})
        return (base or cls()).replace(flat)


def _coerce(name: str, value: Any, hint: Any) -> Any:
    """Bring a value from YAML or a keyword to a field's type, or say that it does not fit."""
    if choices(hint):
        return value  # the section checks its choices itself
    options = get_args(hint) if get_origin(hint) is not tuple else ()
    if value is None and type(None) in options:
        return None
    target = next((option for option in options if option is not type(None)), hint)
    if get_origin(target) is tuple:
        kind = get_args(target)[0]
        items = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(_coerce(name, item, kind) for item in items)
    if target is str and isinstance(value, date):
        return value.isoformat()  # YAML reads 2016-07-01 as a date
    if target is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads "1e-3" as a string
        except ValueError:
            pass
    elif isinstance(value, target) and not (target is int and isinstance(value, bool)):
        return value
    raise ConfigError(
        "has the wrong type", where=name, expected=getattr(target, "__name__", target), received=repr(value)
    )
