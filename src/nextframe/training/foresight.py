"""Leak check of covariates: which of them a forecast reads beyond the last frame seen, found out by trying.

The values of a covariate after that frame are replaced by noise, and the forecasts that change read it there. That is
right for one that is known for the future, and for an observed one a leak.

Axes: B batch, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import copy

import torch

from nextframe.data.door import Door
from nextframe.data.foresight import Foresight
from nextframe.data.windows import Window
from nextframe.models.network import Network
from nextframe.models.rollout import rollout


def check_covariates(network: Network, door: Door, window: Window) -> Foresight:
    """Find out which covariates a forecast of a window reads beyond its last frame seen.

    Args:
        network: the network; one whose readout is still zero is tried with noise in its place.
        door: the way in, with covariates to read.
        window: frames to try it on.
    """
    covariates = door.covariates
    assert covariates is not None
    tried = copy.deepcopy(network).eval().cpu()
    generator = torch.Generator().manual_seed(0)
    for parameter in tried.parameters():
        if not parameter.any():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    past, _ = window.read()

    def forecast(noise: str = "") -> torch.Tensor:
        beside = covariates.read(window.seen, window.future, noise=noise)
        frames, _ = door.enter(past[None], beside=beside[None, : window.past])
        with torch.inference_mode():
            return rollout(tried, frames, window.future, door.ahead(past[None], beside[None, window.past :]))

    reference = forecast()
    return Foresight(
        known=tuple(row.name for row in covariates.rows if row.known),
        read=tuple(row.name for row in covariates.rows if not torch.equal(reference, forecast(row.name))),
        observed=tuple(row.name for row in covariates.rows if not row.known),
    )
