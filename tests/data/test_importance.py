"""Importance sampling: what is drawn, how often, and that the weights make up for it."""

import numpy as np
import pytest

from nextframe.data.importance import ImportanceSampler, draw_probabilities, draw_weights, window_content
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.frames.sequence import FrameSequence


def test_content_is_the_mean_over_the_frames_of_a_window() -> None:
    frames = np.zeros((40, 1, 4, 4), np.float32)
    frames[20:] = 3.0
    frames[5, 0, 0, 0] = np.nan
    frames[6] = -1.0
    sequence = FrameSequence(values=frames, name="rain", missing="mask")
    windows = cut_windows([Span(sequence, 0, 40)], past=2, future=3)
    content = window_content(windows, scale=1.5)
    full = 1 - np.exp(-2)
    assert content[0] == 0
    assert content[3] == 0  # over the missing value and the negative ones
    np.testing.assert_allclose(content[20], full)
    np.testing.assert_allclose(content[18], full * 3 / 5)


@pytest.mark.slow
def test_each_window_is_drawn_as_often_as_asked_for_and_none_twice() -> None:
    draw = np.random.default_rng(0)
    probabilities = draw_probabilities(draw.exponential(1, 200) ** 2, least=0.05)
    assert probabilities.min() == 0.05
    assert (probabilities == 1).sum() >= 20
    counts = np.zeros(200)
    sampler = ImportanceSampler(probabilities, seed=3)
    for epoch in range(2000):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == len(sampler) == len(set(drawn))
        counts[drawn] += 1
    expected = probabilities * len(sampler) / probabilities.sum()
    np.testing.assert_allclose(counts / 2000, expected, atol=0.05)


def test_weights_make_the_mean_of_what_is_drawn_that_of_all() -> None:
    draw = np.random.default_rng(1)
    content = draw.exponential(1, 500)
    losses = content**1.5 + draw.random(500)
    probabilities = draw_probabilities(content, least=0.1)
    weights = draw_weights(probabilities)
    sampler = ImportanceSampler(probabilities)
    means = []
    for epoch in range(500):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        means.append((weights[drawn] * losses[drawn]).mean())
    assert np.mean(means) == pytest.approx(losses.mean(), rel=0.02)


def test_epochs_differ_and_can_be_drawn_again() -> None:
    sampler = ImportanceSampler(np.full(50, 0.5), seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_where_nothing_is_in_any_window_all_are_drawn() -> None:
    assert (draw_probabilities(np.zeros(5), least=0.1) == 1).all()
    mostly_empty = draw_probabilities(np.array([0.0] * 20 + [2.0]), least=0.1)
    np.testing.assert_allclose(mostly_empty, [0.1] * 20 + [1])
