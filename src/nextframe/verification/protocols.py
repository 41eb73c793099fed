"""Published protocols as rulers: the thresholds, tables and frame scores that a publication's own code computes.

A number of a paper can be compared with another only where both were made in one way: the same thresholds, the same
pooling, one contingency table for all lead times or one for each, sums or means over pixels. Each row of the table says
how one publication's code does it, and names the file where it stands. Nothing is loaded to look at the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from nextframe.errors import ConfigError
from nextframe.plugins import Late

Tables = Literal["one", "by lead time"]
"""Contingency tables: "one" over all lead times, or one "by lead time" whose scores are averaged."""

_FRAMES = "nextframe.verification.protocol_frames"


@dataclass(frozen=True)
class Pool:
    """Blocks of pixels that become one before events are counted."""

    kind: Literal["max", "mean"] = "max"
    """Value of a block."""
    size: int = 1
    """Pixels along each side; 1 for frames as they are."""
    tables: Tables = "one"
    """Contingency tables of the blocks; of a lead time without any event the score is 0."""
    keeps_edges: bool = False
    """True where blocks that the lower or right edge cuts count, else they are dropped."""

    @property
    def name(self) -> str:
        """As keys of scores have it: "max4"; empty for frames as they are."""
        return "" if self.size == 1 else f"{self.kind}{self.size}"

    @property
    def title(self) -> str:
        """In words: "max pool 4"."""
        return "" if self.size == 1 else f"{self.kind} pool {self.size}"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set that a protocol is made for."""

    name: str
    """As the option has it: "sevir"."""
    title: str
    """In words, with its unit."""
    unit: str = "1"
    """Unit of its values and of the thresholds; "count" for the numbers that its files hold."""
    thresholds: tuple[float, ...] = ()
    """Thresholds of events, in its unit."""
    full: float
    """Value that 1 stands for in frames that were scaled to 0..1."""
    byte: float
    """Value that 255 stands for in frames of bytes."""
    past: int = 0
    """Frames that the published forecasts start from; 0 where that differs between data sets."""
    future: int = 0
    """Frames that they forecast."""
    stride: int = 0
    """Frames between the starts of two windows of one event; 0 where the publication has no windows of its own."""
    size: str = ""
    """Pixels of the published frames: "384 x 384"."""


@dataclass(frozen=True, kw_only=True)
class FrameScore:
    """A score of single frames, all of which weigh the same in its mean."""

    name: str
    label: str
    equation: str
    """By f, the forecast, and o, the observation."""
    better: Literal["lower", "higher"]
    of: Callable[..., Any]
    """Computes it for each frame from `protocol_frames.Frames`: (B, K)."""
    after: Literal["as it is", "root"] = "as it is"
    """What is done with the mean."""


@dataclass(frozen=True, kw_only=True)
class PublishedProtocol:
    """A protocol: how the code of a publication scores forecasts."""

    name: str
    title: str
    source: str
    """Publication, and the files of its code that say how."""
    sets: tuple[DataSet, ...]
    """Data sets; the first is meant where none is named."""
    event: Literal[">=", ">"] = ">="
    """Comparison of a value with a threshold that makes it an event."""
    pools: tuple[Pool, ...] = ()
    """Poolings, each with contingency tables of its own."""
    events: tuple[str, ...] = ()
    """Scores of events in frames as they are (`protocol_sums.EVENT_SCORES`); in pooled ones it is the CSI alone. The
    frequency bias stands beside every CSI, whether the publication has it or not."""
    epsilon: float = 0.0
    """Number that is added to denominators."""
    frames: tuple[FrameScore, ...] = ()
    """Scores of frames."""
    scaled: bool = True
    """True where scores of frames are of values scaled to 0..1, else in the data set's unit."""
    clipped: bool = False
    """True where values are brought into the data set's range before any score of frames."""
    notes: tuple[str, ...] = ()
    """What differs from the published code, and why."""


def _score(name: str, label: str, equation: str, better: Literal["lower", "higher"], function: str) -> FrameScore:
    return FrameScore(name=name, label=label, equation=equation, better=better, of=Late(f"{_FRAMES}:{function}"))


_MSE = _score("mse", "MSE", "mean over pixels of (f - o)^2", "lower", "mean_squared")
_MAE = _score("mae", "MAE", "mean over pixels of |f - o|", "lower", "mean_absolute")
_SSIM = "structural similarity in {} (Wang et al. 2004, doi 10.1109/TIP.2003.819861)"
_GAUSSIAN = _score(
    "ssim",
    "SSIM",
    _SSIM.format("Gaussian windows of 11 pixels, sigma 1.5, within the frame"),
    "higher",
    "gaussian_ssim",
)
_CRPS = (
    "that of a normal distribution with the members' mean and standard deviation (Gneiting et al. 2005, doi "
    "10.1175/MWR2904.1); of a single forecast |f - o|"
)
_SEVIR = (16.0, 74.0, 133.0, 160.0, 181.0, 219.0)

PROTOCOLS = (
    PublishedProtocol(
        name="earthformer",
        title="Earthformer",
        source="Gao et al. 2022, arXiv 2207.05833; github.com/amazon-science/earth-forecasting-transformer: "
        "src/earthformer/metrics/sevir.py (mode 0) and skill_scores.py, "
        "scripts/cuboid_transformer/sevir/cfg_sevir.yaml and train_cuboid_sevir.py",
        sets=(
            DataSet(
                name="sevir",
                title="SEVIR, VIL as its files hold it (0 to 254)",
                unit="count",
                thresholds=_SEVIR,
                full=255,
                byte=255,
                past=13,
                future=12,
                stride=12,
                size="384 x 384",
            ),
        ),
        pools=(Pool(),),
        events=("csi", "pod", "sucr", "logbias"),
        epsilon=1e-4,
        frames=(_MSE, _MAE),
    ),
    PublishedProtocol(
        name="cascast",
        title="CasCast",
        source="Gong et al. 2024, arXiv 2402.04290; github.com/OpenEarthLab/CasCast: utils/metrics.py, "
        "evaluation.py (mode 0), models/non_ar_model.py, datasets/sevir_used.py",
        sets=(
            DataSet(
                name="sevir",
                title="SEVIR, VIL as its files hold it (0 to 254)",
                unit="count",
                thresholds=_SEVIR,
                full=255,
                byte=255,
                past=13,
                future=12,
                stride=12,
                size="384 x 384",
            ),
        ),
        pools=(Pool(), Pool("max", 4), Pool("max", 16), Pool("mean", 4), Pool("mean", 16)),
        events=("csi", "pod", "sucr", "hss", "logbias"),
        epsilon=1e-4,
        frames=(
            _MSE,
            _GAUSSIAN,
            _score("crps", "CRPS", _CRPS, "lower", "normal_crps"),
            *(
                _score(f"crps_{kind}{size}", f"CRPS, {kind} pool {size}", _CRPS, "lower", f"normal_crps_{kind}{size}")
                for kind in ("max", "mean")
                for size in (4, 16)
            ),
        ),
        notes=(
            "SSIM takes the data set's range; the published code that of the true values of each batch, which changes "
            "with its size",
        ),
    ),
    PublishedProtocol(
        name="diffcast",
        title="DiffCast",
        source="Yu et al. 2024, arXiv 2312.06734; github.com/DeminYu98/DiffCast: utils/metrics.py (Evaluator), "
        "datasets/dataset_sevir.py, dataset_meteonet.py, dataset_shanghai.py, dataset_cikm.py, get_datasets.py",
        sets=(
            DataSet(
                name="sevir",
                title="SEVIR, VIL as its files hold it (0 to 254)",
                unit="count",
                thresholds=_SEVIR,
                full=255,
                byte=255,
                past=5,
                future=20,
                stride=5,
                size="128 x 128",
            ),
            DataSet(
                name="meteonet",
                title="MeteoNet, reflectivity in dBZ",
                unit="dBZ",
                thresholds=(12.0, 18.0, 24.0, 32.0),
                full=90,
                byte=255,
                past=5,
                future=20,
                size="128 x 128",
            ),
            DataSet(
                name="shanghai",
                title="Shanghai radar, reflectivity in dBZ (bytes of its pictures are 0 to 90 dBZ)",
                unit="dBZ",
                thresholds=(20.0, 30.0, 35.0, 40.0),
                full=90,
                byte=90,
                past=5,
                future=20,
                size="128 x 128",
            ),
            DataSet(
                name="cikm",
                title="CIKM radar, reflectivity in dBZ (bytes of its pictures are 0 to 90 dBZ)",
                unit="dBZ",
                thresholds=(20.0, 30.0, 35.0, 40.0),
                full=90,
                byte=90,
                past=5,
                future=10,
                size="128 x 128",
            ),
        ),
        pools=(
            Pool(tables="by lead time"),
            Pool("max", 4, keeps_edges=True),
            Pool("max", 16, keeps_edges=True),
        ),
        events=("csi", "pod", "far", "hss"),
        frames=(
            _MSE,
            _MAE,
            _score("rmse", "RMSE", "mean over frames of sqrt(MSE)", "lower", "root_of_frame"),
            _score("psnr", "PSNR", "mean over frames of 20 log10(range / sqrt(MSE)), in dB", "higher", "psnr_of_frame"),
            _GAUSSIAN,
        ),
        scaled=False,
        clipped=True,
        notes=(
            "LPIPS, which takes a network trained on photographs, is left out, and so is the published CRPS, which "
            "takes the rows of one frame for members",
        ),
    ),
    PublishedProtocol(
        name="openstl",
        title="OpenSTL",
        source="Tan et al. 2023, arXiv 2306.11249; github.com/chengtan9907/OpenSTL: openstl/core/metrics.py, with "
        "scikit-image up to 0.19.3 (environment.yml)",
        sets=(DataSet(name="video", title="frames scaled to 0..1", full=1, byte=1),),
        frames=(
            _score("mse", "MSE", "sum over a frame's pixels of (f - o)^2", "lower", "sum_squared"),
            _score("mae", "MAE", "sum over a frame's pixels of |f - o|", "lower", "sum_absolute"),
            FrameScore(
                name="rmse",
                label="RMSE",
                equation="sqrt of the MSE above",
                better="lower",
                of=Late(f"{_FRAMES}:sum_squared"),
                after="root",
            ),
            _score(
                "ssim",
                "SSIM",
                _SSIM.format("uniform windows of 7 pixels with sample variances, f cut to 0..1, for a range of 2"),
                "higher",
                "uniform_ssim",
            ),
            _score("psnr", "PSNR", "mean over frames of 20 log10(1 / sqrt(MSE)), f cut to 0..1", "higher", "psnr_cut"),
        ),
        notes=(
            "SSIM takes a range of 2, which scikit-image up to 0.19.3 takes for real numbers where none is said: it is "
            "higher than that of a range of 1",
        ),
    ),
)
"""The table; see each row's `source`."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A protocol on one of its data sets, and what brings frames to that set's unit.

    >>> applied = named("diffcast:meteonet")
    >>> applied.name, applied.data.thresholds
    ('diffcast:meteonet', (12.0, 18.0, 24.0, 32.0))
    """

    protocol: PublishedProtocol
    data: DataSet
    factor: float = 1.0
    """Factor from the frames' values to the data set's unit."""

    @property
    def name(self) -> str:
        """The name that is printed with every number: "earthformer", or "diffcast:sevir" of several data sets."""
        return self.protocol.name if len(self.protocol.sets) == 1 else f"{self.protocol.name}:{self.data.name}"

    def differences(self, past: int, future: int, stride: int, size: tuple[int, int]) -> tuple[str, ...]:
        """Differences from the published windows and frames, and from the published code, a sentence each."""
        data, here = self.data, f"{size[0]} x {size[1]}"
        published = f"{data.past} + {data.future} frames" + (f" every {data.stride}" if data.stride else "")
        said = []
        same = (data.past, data.future, data.stride or stride) == (past, future, stride)
        if data.past and not same:
            said.append(f"published with windows of {published}; here of {past} + {future} every {stride}")
        if data.size and data.size != here:
            said.append(f"published with frames of {data.size} pixels; here of {here}")
        return (*said, *self.protocol.notes)


def protocol_names() -> list[str]:
    """Values that the option takes."""
    return [row.name for row in PROTOCOLS]


def named(name: str) -> Applied:
    """A protocol by its name, on the data set after a colon, or on its first.

    Raises:
        ConfigError: no such protocol or data set.
    """
    first, _, chosen = name.partition(":")
    row = next((row for row in PROTOCOLS if row.name == first), None)
    if row is None:
        raise ConfigError("unknown choice", where="protocol", expected=", ".join(protocol_names()), received=name)
    data = next((data for data in row.sets if data.name == chosen), None) if chosen else row.sets[0]
    if data is None:
        expected = ", ".join(f"{row.name}:{data.name}" for data in row.sets)
        raise ConfigError("has no such data set", where=f"protocol {row.name}", expected=expected, received=chosen)
    return Applied(protocol=row, data=data)
