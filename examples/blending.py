"""A nowcast by a trained network, blended with a numerical forecast by pysteps.

    python examples/blending.py [SOURCE]

SOURCE is radar rain (by default that of the repository's neighbour `shared/data/radar-more`). The network's members go
into `pysteps.blending.steps.forecast` as `precip_nowcast`, with `nowcasting_method="external_nowcast"`. There is no
numerical forecast among these data; what stands for it is what came, displaced by some kilometres, smoothed and too
wet, as such forecasts are.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nextframe
from nextframe.data.motion import motion_field
from nextframe.frames.sequence import FrameSequence

DATA = Path(__file__).parents[2] / "shared" / "data" / "radar-more" / "fmi-2017-05-09.nc"
THRESHOLD = 0.1  # mm/h that count as rain


def metadata_of(sequence: FrameSequence) -> dict[str, Any]:
    """What pysteps says of fields, for rain rates on a grid of 1 km."""
    step = sequence.time_step
    minutes = 5 if step is None else step / np.timedelta64(1, "m")
    return {"unit": "mm/h", "transform": None, "accutime": float(minutes), "threshold": THRESHOLD, "zerovalue": 0.0}


def stand_in(truth: NDArray[Any], shift: int = 6) -> NDArray[Any]:
    """What stands for a numerical forecast: the truth (K + 1, H, W), displaced, smoothed and too wet."""
    from scipy.ndimage import gaussian_filter

    moved = np.roll(np.nan_to_num(truth), (shift, -shift), axis=(1, 2))
    return np.stack([1.2 * gaussian_filter(field, 2) for field in moved])


def flow(fields: NDArray[Any]) -> NDArray[Any]:
    """Motion of the last two fields (2, H, W), as pysteps has it."""
    motion = motion_field(fields[-2:, None].astype(np.float32))
    return np.zeros((2, *fields.shape[1:])) if motion is None else motion


def blend(
    sequence: FrameSequence, run: str, *, start: int, lead_times: int, members: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Blended members and those of the nowcast alone (M, K, H, W), and the numerical forecast (K + 1, H, W), in mm/h.

    Args:
        sequence: rain rates in mm/h.
        run: a run folder, or a shipped model.
        start: first frame to forecast.
        lead_times: K.
        members: M.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps import blending
        from pysteps.utils.transformation import dB_transform

    past = nextframe.load_run(run).config.data.past
    fields = np.nan_to_num(sequence.read(max(start - max(past, 3), 0), start)[:, 0]).astype(float)
    truth = sequence.read(start - 1, start + lead_times)[:, 0]
    about = metadata_of(sequence)
    in_db = {"threshold": THRESHOLD, "zerovalue": -15.0}
    observed, decibels = dB_transform(fields, about, **in_db)

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        velocity = flow(observed)
        # The network is called as pysteps' own methods are: fields, motion, lead times, members, metadata.
        method = nextframe.get_method(run)
        nowcast, _ = method(observed, velocity, lead_times, n_ens_members=members, metadata=decibels)
        first = np.repeat(observed[None, -1:], members, axis=0)  # blending counts lead times from 0
        whole = np.concatenate([first, np.nan_to_num(nowcast, nan=-15.0)], axis=1)
        model = stand_in(truth)
        numerical, _ = dB_transform(model, about, **in_db)
        blended = blending.get_method("steps")(
            precip=observed[-3:],
            precip_nowcast=whole,
            precip_models=numerical[None],
            velocity=velocity,
            velocity_models=np.stack([flow(numerical[: max(k, 1) + 1]) for k in range(len(numerical))])[None],
            timesteps=lead_times,
            timestep=about["accutime"],
            issuetime=sequence.times[start - 1].astype("datetime64[s]").astype(object),  # type: ignore[index]
            n_ens_members=members,
            nowcasting_method="external_nowcast",
            n_cascade_levels=5,
            precip_thr=decibels["threshold"],
            kmperpixel=1.0,
            noise_method=None,
            vel_pert_method=None,
            probmatching_method=None,
            resample_distribution=False,
            outdir_path_skill=tempfile.mkdtemp(),
            seed=0,
        )
    return _rates(blended), _rates(nowcast), model


def _rates(decibels: NDArray[Any]) -> NDArray[Any]:
    """Rain rates of decibels; what is below the threshold is dry."""
    low = 10 * np.log10(THRESHOLD)
    return np.where(decibels < low, 0.0, 10 ** (decibels / 10))


def main(source: str | None = None) -> None:
    path = Path(source or DATA)
    (sequence, *_) = nextframe.open_source(path, rain_unit="mm/h", crop=(200, 200, 256, 256)).sequences
    start, lead_times = len(sequence) - 12, 12
    blended, nowcast, model = blend(sequence, "radar-rain", start=start, lead_times=lead_times, members=4)
    truth = sequence.read(start, start + lead_times)[:, 0]
    print("mean absolute error in mm/h, by lead time (frames)")
    print("lead time       " + "".join(f"{k + 1:7d}" for k in range(lead_times)))
    for name, fields in (("nowcast", nowcast.mean(0)), ("numerical", model[1:]), ("blended", blended.mean(0))):
        print(f"{name:16}" + "".join(f"{error:7.3f}" for error in np.nanmean(np.abs(fields - truth), axis=(1, 2))))


if __name__ == "__main__":
    main(*sys.argv[1:2])
