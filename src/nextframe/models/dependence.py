"""Dependence of the outputs of a function on its input frames: by gradient, and by trying other frames.

Axes: B batch, T time, C channel, H height, W width, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nextframe.errors import ConfigError

Frames = Any  # Tensor or NDArray, (B, T, C, H, W)

# A change smaller than this share of the largest output is rounding, not a dependency.
_ROUNDING = 1e-5


def by_gradient(run: Callable[[Frames], Frames], movie: Tensor, seed: int) -> NDArray[np.bool_] | None:
    """Mask of outputs k that have a gradient by frame t, (K, T); None where there is no gradient.

    Each output is projected at random before it is differentiated, as the paths of a plain sum can cancel.
    """
    if not movie.is_floating_point():
        return None
    with torch.enable_grad():
        leaf = movie.clone().requires_grad_()
        rows = []
        try:
            outputs = run(leaf.clone())  # a copy, which a module may change in place
            if not (isinstance(outputs, Tensor) and outputs.requires_grad):
                return None
            generator = torch.Generator().manual_seed(seed)
            weights = torch.randn(outputs.shape, generator=generator).to(outputs.device, outputs.dtype)
            for t in range(outputs.shape[1]):
                projected = (outputs[:, t] * weights[:, t]).sum()
                (slope,) = torch.autograd.grad(projected, leaf, retain_graph=True, materialize_grads=True)
                if not slope.isfinite().all():
                    return None
                rows.append((slope != 0).movedim(1, 0).flatten(1).any(1).cpu().numpy())
        except RuntimeError:
            return None  # the same calls went well without autograd: some operation, or weight, has no gradient
    return np.stack(rows)


def by_perturbation(run: Callable[[Frames], Frames], movie: Frames, seed: int) -> NDArray[np.bool_]:
    """Mask of outputs k that change when frame t is replaced by noise, (K, T).

    Raises:
        ConfigError: outputs that differ from call to call for the same frames.
    """
    values = _numpy(movie)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    noise = np.random.default_rng([seed, 1]).random(values.shape)
    noise = low + noise * ((high - low) or 1.0)
    with torch.no_grad():

        def outputs(changed: int | None) -> NDArray[Any]:
            tried: Any = movie.clone() if isinstance(movie, Tensor) else movie.copy()
            if changed is not None:
                other = noise[:, changed].round() if values.dtype.kind in "iub" else noise[:, changed]
                tried[:, changed] = torch.from_numpy(other) if isinstance(movie, Tensor) else other
            return _numpy(run(tried))

        reference = outputs(None)
        if _changed(reference, outputs(None)).any():
            raise ConfigError(
                "gives other outputs for the same frames from call to call",
                where="model",
                hint="fix the seed of its random numbers, or reset its memory at each call",
            )
        columns = [_changed(reference, outputs(s)) for s in range(values.shape[1])]
    return np.stack(columns, axis=1)


def _numpy(values: Frames) -> NDArray[Any]:
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def _changed(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of outputs (B, K, ...) that differ, at any pixel of any movie, by more than rounding; NaN equals NaN."""
    a, b = before.astype(np.float64), after.astype(np.float64)
    scale = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    same = np.isclose(a, b, rtol=0, atol=_ROUNDING * scale, equal_nan=True)
    return np.asarray(~same.swapaxes(0, 1).reshape(a.shape[1], -1).all(axis=1), bool)
