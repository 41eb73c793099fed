"""Leak check of covariates: which of them a forecast reads beyond the last frame seen, found out by trying.

The values of a covariate after that frame are replaced by noise, and the forecasts that change read it there. That is
right for one that is known for the future, and for an observed one a leak.

Axes: B batch, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from nextframe.data.door import Door
from nextframe.data.windows import Window
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.words import joined


@dataclass(frozen=True)
class Foresight:
    """Result of `check_covariates`."""

    known: tuple[str, ...]
    """Covariates that are known for the future."""
    read: tuple[str, ...]
    """Covariates whose values after the last frame seen change the forecast."""
    observed: tuple[str, ...]
    """Covariates that are observed."""

    @property
    def leaks(self) -> tuple[str, ...]:
        """Observed covariates whose future the forecast depends on; none in a sound model."""
        return tuple(name for name in self.read if name in self.observed)

    @property
    def sentence(self) -> str:
        """Sentence that says what it means for the user."""
        if self.leaks:
            return (
                f"The forecast depends on the future of {joined(list(self.leaks))}, which is not known when it is "
                "made: its scores are not those of a forecast."
            )
        told = []
        if self.observed:
            told.append(f"on no value of {joined(list(self.observed))} after the last frame seen")
        if self.read:
            told.append(f"on {joined(list(self.read))} at the lead times, known for the future")
        unread = [name for name in self.known if name not in self.read]
        if unread:
            told.append(f"not on {joined(unread)}, where it was tried")
        return f"The forecast depends {', '.join(told)} (found by perturbation)."


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
