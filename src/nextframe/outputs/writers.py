"""Output formats: their table, and a forecast written as its file's suffix says."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.errors import ConfigError, ShapeError
from nextframe.files import replacing
from nextframe.outputs.writer import Beside, Part, Writer
from nextframe.plugins import Late, table
from nextframe.words import joined

if TYPE_CHECKING:
    from nextframe.forecasting.forecast import Forecast
    from nextframe.frames.sequence import FloatArray

_HERE = "nextframe.outputs"
_SHOWN: frozenset[Part] = frozenset({"past", "truth", "probabilities"})
_OPTION: dict[Part, str] = {"probabilities": "exceed", "interval": "coverage", "members": "members"}
"""Options that ask for a part."""

_WRITERS = (
    Writer(
        name="GIF",
        suffix=".gif",
        write=Late(f"{_HERE}.pictures:write_gif"),
        holds=_SHOWN,
        about="an animation of past, truth, forecast and error side by side",
    ),
    Writer(
        name="MP4",
        suffix=".mp4",
        write=Late(f"{_HERE}.pictures:write_mp4"),
        check=Late(f"{_HERE}.pictures:check_encoder"),
        holds=_SHOWN,
        about="the same animation as a video",
    ),
    Writer(
        name="PNG",
        suffix=".png",
        write=Late(f"{_HERE}.pictures:write_png"),
        holds=_SHOWN,
        about="a strip with a row for each of these, a column for each lead time (20 of more)",
    ),
    Writer(
        name="NumPy array",
        suffix=".npy",
        write=Late(f"{_HERE}.arrays:write_npy"),
        about="the values (lead time, channel, height, width) in source units",
    ),
    Writer(
        name="NetCDF",
        suffix=".nc",
        write=Late(f"{_HERE}.netcdf:write_netcdf"),
        holds=frozenset({"probabilities", "interval", "members"}),
        about="a variable for each channel by the CF conventions, with times and coordinates",
    ),
)


@cache
def writers() -> tuple[Writer, ...]:
    """The table of output formats, with rows of other packages (entry points `nextframe.writers`).

    >>> [writer.suffix for writer in writers()][:5]
    ['.gif', '.mp4', '.png', '.npy', '.nc']
    """
    return table("nextframe.writers", _WRITERS)


def suffixes(part: Part | None = None) -> list[str]:
    """Suffixes of all formats, or of those that hold a part.

    >>> suffixes("members")[:1]
    ['.nc']
    """
    return [writer.suffix for writer in writers() if part is None or part in writer.holds]


def writer_for(path: str | Path) -> Writer:
    """The output format of a file's name.

    Raises:
        ConfigError: a suffix of none.
    """
    suffix = Path(path).suffix.lower()
    for writer in writers():
        if writer.suffix == suffix:
            return writer
    expected = ", ".join(suffixes())
    raise ConfigError("no format has this suffix", where=path, expected=expected, received=suffix or "none")


def check_output(
    path: str | Path, *, exceed: Sequence[float] = (), coverage: float | None = None, members: bool = False
) -> Writer:
    """Hold a file's name, and what is to be in it, to what its format can hold, before anything is computed.

    Args:
        path: the file.
        exceed: thresholds of the probabilities that are asked for.
        coverage: probability of the interval that is asked for.
        members: whether the members are asked for.

    Raises:
        ConfigError: an unknown suffix, something that the format has no place for, a library that is not there, or a
            coverage that is no share.
    """
    writer = writer_for(path)
    if coverage is not None and not 0 < coverage < 1:
        raise ConfigError("must be between 0 and 1", where="coverage", received=coverage)
    asked: dict[Part, bool] = {"probabilities": len(exceed) > 0, "interval": coverage is not None, "members": members}
    for part, wanted in asked.items():
        if wanted and part not in writer.holds:
            others = joined(suffixes(part), "or")
            hint = f"leave out {{{_OPTION[part]}}}, or write to a file that ends in {others}"
            raise ConfigError(f"{writer.name} has no place for {part}", where=path, hint=hint)
    if writer.check is not None:
        writer.check()
    return writer


def save_forecast(
    forecast: Forecast,
    path: str | Path,
    *,
    past: FloatArray | None = None,
    truth: FloatArray | None = None,
    exceed: Sequence[float] = (),
    coverage: float | None = None,
    members: bool = False,
) -> None:
    """Write a forecast to a file; its suffix says how.

    - `.gif`, `.mp4`: the past, then truth, forecast and error side by side (the forecast alone where no truth is
      given), and the probability of exceeding each threshold that is asked for
    - `.png`: a strip with a row for each of these, a column for each lead time (20 of more)
    - `.npy`: the values (K, C, H, W) in source units
    - `.nc`: NetCDF by the CF conventions, a variable for each channel over (lead_time, y, x), and what else is asked
      for beside it: `rain_probability` over (threshold, lead_time, y, x), `rain_lower` and `rain_upper`, `rain_member`

    Args:
        forecast: what to write.
        path: the file; replaced if it is there, whole or not at all.
        past: frames before the forecast (T, C, H, W), for pictures.
        truth: what came (K, C, H, W), for pictures.
        exceed: thresholds in source units, to give the probability of at least so much.
        coverage: probability of the central interval whose bounds to write (NetCDF only).
        members: whether to write the members, too (NetCDF only).

    Raises:
        ConfigError: another suffix, something that its format has no place for, probabilities of a forecast that knows
            none, or a place that cannot be written to.
        ShapeError: a past or a truth that does not fit the forecast.
    """
    path = Path(path)
    writer = check_output(path, exceed=exceed, coverage=coverage, members=members)
    for name, frames in (("past", past), ("truth", truth)):
        if frames is not None and frames.shape[1:] != forecast.values.shape[1:]:
            raise ShapeError(
                f"the {name} has other frames than the forecast",
                where=path,
                expected=forecast.values.shape[1:],
                received=frames.shape[1:],
            )
    if truth is not None and len(truth) != forecast.lead_times:
        raise ShapeError(
            "has another number of lead times", where="truth", expected=forecast.lead_times, received=len(truth)
        )
    beside = Beside(
        past=past,
        truth=truth,
        probabilities={threshold: forecast.probability(threshold) for threshold in exceed},
        coverage=coverage,
        members=members,
    )
    with replacing(path) as temporary:
        try:
            writer.write(forecast, temporary, beside)
        except (OSError, RuntimeError) as error:  # HDF5 says in words alone that a disk is full
            if "No space left" in str(error) or "Disk quota" in str(error):
                raise OSError(errno.ENOSPC, "No space left on device") from error
            raise
