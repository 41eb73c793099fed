"""`nextframe calibrate`."""

from __future__ import annotations

from pathlib import Path


def calibrate(run: Path, /) -> None:
    """Measure a run's errors on its validation part, so that its forecasts have intervals and probabilities.

    Training does this at its end; here it is done again, for runs of earlier versions.

    Args:
        run: Run folder of a model or an ensemble; not a shipped model, which is calibrated already.
    """
    from nextframe.api import calibrate_run

    found = calibrate_run(run)
    print(f"wrote {run}/calibration.json: {found.windows} forecasts, {found.lead_times} lead times")
