"""Windows turned, mirrored and of other amounts."""

import numpy as np
import pytest
import torch

from nextframe.data.door import Door
from nextframe.data.normalise import Normaliser
from nextframe.training.augment import FACTORS, Turn, with_other_amounts


def _batch(height: int, width: int) -> dict[str, torch.Tensor]:
    frames = torch.arange(2 * 3 * height * width, dtype=torch.float32).view(2, 3, 1, height, width)
    valid = frames % 5 > 0
    return {"past": frames, "future": frames + 1, "past_valid": valid, "future_valid": valid, "weight": torch.ones(2)}


def test_turns_are_the_same_in_every_part_and_keep_every_value() -> None:
    seen = set()
    for seed in range(60):
        batch = _batch(4, 4)
        turn = Turn.drawn(np.random.default_rng(seed), 4, 4)
        made = turn.of(batch)
        assert torch.equal(turn.back(made["past"]), batch["past"])
        assert torch.equal(made["future"], made["past"] + 1)
        assert torch.equal(made["past_valid"], made["past"] % 5 > 0)
        assert made["weight"] is batch["weight"]
        seen.add(tuple(made["past"][0, 0, 0].flatten().tolist()))
    assert len(seen) == 8  # all the symmetries of a square


def test_frames_that_are_not_square_keep_their_shape() -> None:
    shapes = {Turn.drawn(np.random.default_rng(seed), 3, 5).of(_batch(3, 5))["past"].shape for seed in range(20)}
    assert shapes == {(2, 3, 1, 3, 5)}


@pytest.mark.parametrize("edges", ["missing", "last"])
def test_amounts_are_multiplied_window_by_window_in_source_units(edges: str) -> None:
    door = Door(Normaliser(method="log", offset=(0.3,), scale=(0.8,), bend=(0.5,)), edges=edges)  # type: ignore[arg-type]
    rain = torch.rand(3, 4, 1, 6, 6) * 20
    valid = torch.rand(3, 4, 1, 6, 6) > 0.2
    height = torch.full((3, 4, 1, 6, 6), 7.0)
    frames = torch.cat([door.normaliser.apply(rain), height], dim=2)
    batch = {"past": frames, "past_valid": valid, "future": frames, "future_valid": valid}
    changed_batch = with_other_amounts(batch, door, 1, np.random.default_rng(0))
    made, told = changed_batch["past"], changed_batch["factor"].flatten()
    assert torch.equal(made[:, :, 1:], height)  # a static field is none
    factors = door.normaliser.invert(made[:, :, :1]) / rain
    for window, known, factor in zip(factors, valid, told, strict=True):
        changed = window[known] if edges == "missing" else window
        torch.testing.assert_close(changed, factor.expand_as(changed), rtol=2e-3, atol=0)
        assert FACTORS[0] <= factor <= FACTORS[1]
        if edges == "missing":  # what stands for a gap stays
            torch.testing.assert_close(window[~known], torch.ones_like(window[~known]), rtol=1e-3, atol=0)
    assert len({round(float(window[known].mean()), 3) for window, known in zip(factors, valid, strict=True)}) == 3
