"""Options by name, as type checkers and editors read them: `epoch=3` is an error there, before anything runs.

Written by `python -m lab pages` from the fields of `nextframe.config`, whose types and texts these are; any sequence is
taken where a field holds several values, and one value alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from nextframe.config import (
    Augment,
    CellActivation,
    Coordinates,
    Damaged,
    Edges,
    GateActivation,
    Loss,
    LossIn,
    Missing,
    Norm,
    Normalisation,
    Optimizer,
    OutputActivation,
    Part,
    RainUnit,
    Schedule,
    SplitBy,
    TemporalPadding,
)


class ReadingOptions(TypedDict, total=False):
    """Reading of frames: fields of `Reading`."""

    variable: str | Sequence[str]
    """Variables of a NetCDF, Zarr or GRIB file, or bands of a GeoTIFF, to read as channels, or the quantity of a radar
    composite; by default the only one there is.
    """
    axes: str
    """Axes of an array, a letter each: N movie, T time, H height, W width, C channel ("NTHWC"); by default told from
    its shape.
    """
    time_format: str
    """Times in the names of images, GeoTIFF and NetCDF files that have none inside: a pattern of their digits
    ("%Y%m%d%H%M").
    """
    palette: str
    """CSV file of colours and their values (#9900ff,0.5), by which pictures are turned back to a quantity."""
    frames: Sequence[int]
    """Use only frames START to STOP (exclusive) of each sequence."""
    grey: bool
    """Read colour frames as grey."""
    crop: Sequence[int]
    """Cut every frame to (top, left, height, width) pixels."""
    rain_unit: Literal["as-read", RainUnit]
    """Bring rain or reflectivity to this unit, by Marshall and Palmer's relation (Z = 200 R^1.6)."""
    coarsen: int
    """Average blocks of this many pixels along both axes."""
    resolution: str
    """Average pixels to about this size (2km, 500m), by the coordinates of each source; never made finer."""
    time_step: str
    """Bring frames to this step (10min): those at its multiples are picked, amounts are averaged; none is invented."""
    missing: Literal["auto", Missing]
    """Meaning of NaN: a gap to mask, or a fault of the file; by default masked where the file declares a fill value."""
    part: Literal["all", Part]
    """Part of a data set that is published with a split (SEVIR, MeteoNet, HKO-7, KTH, TaxiBJ) to read."""
    damaged: Damaged
    """Treatment of frames and files that cannot be read: stop with an error, or "skip" and count them."""


class DataOptions(ReadingOptions, total=False):
    """Frames: fields of `DataConfig`."""

    data: str
    """Source: "squares", "squares:movies=200,seed=3", "moving-mnist", or a path to a file or folder of frames."""
    sources: str | Sequence[str]
    """Several sources, each with options of its own after two colons (radar.nc::coarsen=2,weight=3), as a list in
    `data` names them.
    """
    past: int
    """Frames that a forecast starts from."""
    future: int
    """Frames to forecast; a training window holds past + future frames."""
    stride: int
    """Frames between the starts of two windows."""
    validation: float
    """Share held out to watch the training: of the sequences, or of the frames of a single sequence."""
    test: float
    """Share held out until verification, taken from the end."""
    gap: int
    """Frames dropped between training, validation and test part of one sequence."""
    split: SplitBy
    """Unit of division into parts: each sequence in "time", whole "sequence"s, or whole "event"s, stretches without a
    gap in time, or whole "source"s, the last of which are held out, or as the data set was "published"; by default as
    published where it was, else sequences where there are three or more, else time.
    """
    test_from: str | None
    """Hold out all frames from this time on as the test part (2016-07-01, 2016-07-01T12:00), in place of a share."""
    test_source: str | Sequence[str]
    """Hold out these of several sources as the test part, by a part of their names, in place of a share: a model of all
    radars but one, tested on that.
    """
    coordinates: Coordinates
    """Frames as they are ("eulerian"), or moved to where the motion of the last two frames seen takes them
    ("lagrangian"; Ritvanen et al. 2023), so that the network learns growth and decay alone; "translated" moves them as
    a whole, by one shift; "adaptive" moves each place, or leaves it, as would have forecast the last frames best.
    """
    edges: Edges
    """Gaps that a model reads, as moved frames have them where they come from beyond the edge: "missing", or filled
    with the "last" frame seen.
    """
    normalisation: Normalisation
    """Normalisation of values to the model's range; chosen from the training part by default."""
    mask: bool | None
    """Let the network read which values are missing, as further channels; by default where the training part has
    missing values.
    """
    static: str | Sequence[str]
    """Fields that never change, such as elevation, that the model reads beside every frame: FILE or FILE:VARIABLE
    (NetCDF, NPY), on the grid of the frames.
    """
    covariates: str | Sequence[Any]
    """Fields that change with time, that the model reads beside every frame up to the last one seen, and does not
    forecast: a SOURCE each, several times for several; or time-of-day, time-of-year, which are known for the future.
    """
    future_covariates: str | Sequence[Any]
    """Covariates that are known for the future, such as a numerical forecast, and are read at each lead time: a SOURCE
    each, several times for several.
    """


class _ModelOptions(TypedDict, total=False):
    """Network: fields of `ModelConfig`."""

    filters: int | Sequence[int]
    """Filters of each ConvLSTM layer; the number of values is the number of layers."""
    kernel_size: int | Sequence[int]
    """Height and width of the kernels, odd: one number for all layers, or one for each (5,3,1)."""
    norm: Norm
    """Normalisation after each ConvLSTM layer (between the layers, for the encoder-decoder)."""
    norm_last: bool
    """Stacked only: normalise after the last layer, too, and not between the layers alone."""
    temporal_padding: TemporalPadding
    """Stacked only: the 3-D convolution sees past frames ("causal"), or also the next one ("same", the tutorial's)."""
    gate_activation: GateActivation
    """Activation of the gates; "hard_sigmoid" is that of Keras before version 3."""
    cell_activation: CellActivation
    """Activation of what enters the cell and of what leaves it; "relu" is that of the present Keras example."""
    peepholes: bool
    """Let the gates see the cell state (Shi et al. 2015, equation 3)."""
    output: OutputActivation
    """Activation of the output: "sigmoid" for values in 0..1, "linear" for any."""
    residual: bool
    """Forecast the change against the last frame instead of the frame; takes a linear output."""
    quantiles: int
    """Quantiles of each value to forecast, an odd number, all equally likely; more than one takes loss "quantile"."""
    patch: int
    """Work on patches of so many pixels along both axes (space-to-depth): large grids at a fraction of the cost."""
    channelwise: bool
    """Forecast each channel by itself, by the same network: one model for grey and for colour."""


class _TrainingOptions(TypedDict, total=False):
    """Training: fields of `TrainingConfig`."""

    from_: str | None
    """Run folder, or name of a shipped model, to start from: its weights, and its recipe where nothing else is said;
    `from` on the command line and in a file.
    """
    minutes: float | None
    """Minutes of the whole run: looking at the frames, training, validation and calibration. In place of `epochs`."""
    epochs: int
    """Passes over the training part, where no minutes are given."""
    batch_size: int
    """Windows in one step, of all devices together."""
    optimizer: Optimizer
    """Optimiser; "muon" orthogonalises the updates of the kernels, gate by gate (Jordan et al. 2024)."""
    learning_rate: float
    """Learning rate; the peak of the schedule."""
    weight_decay: float
    """Weight decay (adamw only)."""
    schedule: Schedule
    """Course of the learning rate over the whole training."""
    gradient_clip: float | None
    """Largest norm of the gradient of one step; none to leave it alone."""
    loss: Loss
    """Loss to minimise; averaged over pixels, frames and movies, missing values left out. The balanced ones weigh a
    pixel by its true value (Shi et al. 2017), as the two options below say; "ssim-mae" mixes structural similarity and
    absolute error (Zhao et al. 2017); "huber" is quadratic for usual errors and linear for large ones (Huber 1964);
    "relative-mse" is the squared error as a share of persistence's in that frame, so that quiet and lively windows
    count alike; "facl" compares Fourier amplitudes and correlation, for sharp frames (Yan et al. 2024); "quantile" is
    for quantiles.
    """
    loss_in: LossIn
    """Coordinates in which losses of rollouts are measured, where frames are moved: of the "moved" frames that the
    network reads, or of the "source", in which forecasts are issued. Frames that are moved are smoother than the true
    ones, and a network that is held to them forecasts too smoothly.
    """
    loss_scale: float | Sequence[float]
    """Usual error at each lead time. The Huber loss measures errors in it, in the model's range, by default 1; beyond
    three of them it is linear. "relative-mse" takes a frame to change by a tenth of it at least, in source units.
    """
    loss_thresholds: float | Sequence[float]
    """Balanced losses only: where the weight changes, in source units, increasing; the default is for rain in mm/h."""
    loss_weights: float | Sequence[float]
    """Balanced losses only: weight below the first threshold, and from each threshold on."""
    min_seen: int
    """One-step models only: frames that must have been seen before an output counts towards the loss. The encoder-
    decoder and SimVP start from the whole past.
    """
    scheduled_sampling: float
    """Share of the inputs after the past that are the model's own outputs by the end; it grows linearly (Bengio et al.
    2015). The decoder's one after the other; those of the other models by a first pass over the movie.
    """
    rollout_training: float
    """Share of the steps, the last ones, that train on the free rollout instead of on one-step forecasts."""
    importance: float | None
    """Draw windows by how much is in them, the emptiest with this probability, and weigh their losses by the inverse
    (Ravuri et al. 2021); none to draw every window once in an epoch.
    """
    train_crop: int | None
    """Train on random square cuts of this many pixels (validation sees whole frames)."""
    augment: Augment
    """Change what is trained on at random: "turns" turns and mirrors windows; "turns-and-amounts" multiplies the
    amounts of each by a factor, too, most often between a half and 2, so that one event stands for many.
    """
    recompute: int | None
    """Time steps of a segment that the backward pass computes again, to save memory; none to keep all gates."""
    seed: int
    """Seed of weights, shuffling and cuts."""
    members: int
    """Models to train, each from a seed of its own, as an ensemble (Lakshminarayanan et al. 2017)."""
    patience: int | None
    """Stop after this many epochs without a better validation score; none to train all epochs."""
    accelerator: str
    """Device to compute on, as Lightning names it: "auto", "cpu", "cuda", "mps"."""
    devices: int
    """Number of devices, each with a process of its own and an even share of every batch."""
    precision: str
    """Arithmetic, as Lightning names it: "32-true", "bf16-mixed"."""
    workers: int
    """Processes that read data beside the training."""


class Options(DataOptions, _ModelOptions, _TrainingOptions, total=False):
    """All options of `fit`."""
