"""Architectures: the networks that a run can train, a row each.

A new architecture is a module with a `nextframe.models.network.Network` and a row here; one of another package is an
entry point of the group `nextframe.architectures` that names such a row. Configuration, recipes, command line, errors
and documentation read this table, and nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from nextframe.errors import ConfigError
from nextframe.plugins import row_of, table

OPTIONS: Mapping[str, str] = {
    "temporal_padding": "models whose readout can see the next frame",
    "gate_activation": "models whose gates can be those of old Keras",
    "cell_activation": "models whose cells can be those of the present Keras example",
    "norm_last": "models whose readout can read the last layer as it is",
    "peepholes": "models whose gates can see a cell state",
    "recompute": "models of ConvLSTM layers",
    "min_seen": "models that forecast one step at each frame",
    "scheduled_sampling": "models that read frames after the past",
    "rollout_training": "models that train on one step at a time and can be continued",
    "past": "models made for a number of frames to start from",
    "future": "models made for a number of frames to forecast",
}
"""Options that not every architecture takes, and which do. `past` and `future` belong to every run; a network is told
them where it takes them."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A kind of network, by name.

    Raises:
        ConfigError: an option that is none of `OPTIONS`.
    """

    name: str
    """Name on the command line and in `fit`."""
    home: str
    """"module:class" of the `Network`. It is called with `in_channels`, `filters`, `kernel_size`, `norm`, `output`,
    `residual`, `quantiles`, `static_channels`, and with those of `takes` that are fields of the model's section or of
    the data's."""
    title: str
    """One line that says what it is, with its source."""
    filters: tuple[int, ...]
    """Filters of each layer where nobody says."""
    takes: frozenset[str] = frozenset()
    """Names among `OPTIONS`."""
    kernels_by_layer: bool = False
    """True where `kernel_size` may be a number for each layer; it is called with one number otherwise."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Options of the default preset that differ from those of `nextframe.training.presets.RECIPE`."""
    own: bool = False
    """True for a module of the user's, named by its class."""

    def __post_init__(self) -> None:
        unknown = sorted(self.takes - set(OPTIONS))
        if unknown:
            raise ConfigError(
                "takes options that there are not",
                where=f"architecture {self.name!r}",
                expected=f"of {', '.join(OPTIONS)}",
                received=", ".join(unknown),
            )


OF_THE_PACKAGE = ("filters", "kernel_size", "norm", "patch", "channelwise")
"""Options that every network takes but those of the user, which have sizes of their own."""

_GATES = frozenset({"gate_activation", "cell_activation", "peepholes", "recompute"})
_STEPWISE = frozenset({"min_seen", "scheduled_sampling", "rollout_training"})

_OWN = (
    Architecture(
        name="stacked",
        home="nextframe.models.stacked:StackedConvLSTM",
        title="ConvLSTM layers and a 3-D convolution (the tutorial's first model)",
        filters=(40, 40, 40),
        takes=_GATES | _STEPWISE | {"temporal_padding", "norm_last"},
        kernels_by_layer=True,
    ),
    Architecture(
        name="encoder-decoder",
        home="nextframe.models.encoder_decoder:EncoderDecoder",
        title="ConvLSTM layers that read the past, and others that write the future (Shi et al. 2015)",
        filters=(128,),
        takes=_GATES | {"scheduled_sampling", "rollout_training"},
        kernels_by_layer=True,
        recipe={"data": "squares:movies=2000,frames=20", "past": 10, "future": 10, "batch_size": 8},
    ),
    Architecture(
        name="convgru",
        home="nextframe.models.convgru:StackedConvGRU",
        title="convolutional gated recurrent units (Shi et al. 2017)",
        filters=(46, 46, 46),
        takes=_STEPWISE,
    ),
    Architecture(
        name="trajgru",
        home="nextframe.models.trajgru:StackedTrajGRU",
        title="gated recurrent units that look along learnt trajectories (Shi et al. 2017)",
        filters=(35, 35, 35),
        takes=_STEPWISE,
    ),
    Architecture(
        name="predrnn",
        home="nextframe.models.predrnn:PredRNN",
        title="ConvLSTM cells with a second memory that climbs the layers (Wang et al. 2017)",
        filters=(27, 27, 27),
        takes=_STEPWISE,
    ),
    Architecture(
        name="multiscale",
        home="nextframe.models.multiscale:MultiscaleConvLSTM",
        title="ConvLSTM layers on coarser and coarser grids and back (a U-Net of them)",
        filters=(20, 27, 33),
        takes=_STEPWISE | {"recompute"},
    ),
    Architecture(
        name="simvp",
        home="nextframe.models.simvp:SimVP",
        title="convolutions alone, a block of frames from a block of frames (Gao et al. 2022)",
        filters=(16, 16),
        takes=frozenset({"past", "future"}),
    ),
)


@cache
def architectures() -> tuple[Architecture, ...]:
    """All rows: the package's own, then those of other packages."""
    return table("nextframe.architectures", _OWN)


def names() -> tuple[str, ...]:
    """Names of all architectures.

    >>> names()[:2]
    ('stacked', 'encoder-decoder')
    """
    return tuple(row.name for row in architectures())


def architecture(name: str) -> Architecture:
    """An architecture by its name, or a class of the user's by where it is imported from ("package.file:Class").

    Raises:
        ConfigError: no architecture of this name.

    >>> architecture("encoder-decoder").filters
    (128,)
    """
    return _own(name) if ":" in str(name) else row_of(architectures(), name, kind="model", where="model")


@cache
def _own(home: str) -> Architecture:
    """The row of a class of the user's."""
    return Architecture(
        name=home,
        home=home,
        title="a network of your own",
        filters=(),
        takes=frozenset({"past", "future", "rollout_training"}),
        recipe={"train_crop": None},
        own=True,
    )


def check_options(model: str, section: Any) -> None:
    """Hold a section of a configuration to the options that an architecture takes; one at its default is not given.

    Args:
        model: name of the architecture.
        section: a dataclass whose fields have defaults.

    Raises:
        ConfigError: an option that this architecture does not take, or no such architecture.
    """
    row = architecture(model)
    for option in fields(section):
        value = getattr(section, option.name)
        if row.own and option.name in OF_THE_PACKAGE and value not in (option.default, ()):
            raise ConfigError(
                "is for networks of the package",
                where=option.name,
                received=f"model={model!r}",
                hint="leave it out: your own network has its own sizes",
            )
        if option.name not in OPTIONS or option.name in row.takes or value == option.default:
            continue
        able = ", ".join(other.name for other in architectures() if option.name in other.takes)
        raise ConfigError(
            f"is for {OPTIONS[option.name]}",
            where=option.name,
            expected=able,
            received=f"model={model!r}",
            hint="leave it out, or take one of these models",
        )
