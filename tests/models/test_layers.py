"""Norms and output activations."""

from typing import Any

import pytest
import torch
from torch import nn

from nextframe.errors import ConfigError
from nextframe.models.layers import ChannelNorm, activate, check_output, make_norm

F64 = torch.float64


def test_batch_norm_is_keras(keras: Any) -> None:
    norm = make_norm("batch", 3).double()
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(3))
        norm.running_var.copy_(torch.rand(3) + 0.1)
    twin = keras.batch_norm(norm)
    x = 2 + 3 * torch.randn(4, 3, 5, 6, dtype=F64)
    channels_last = x.movedim(1, -1)[:, None]

    # Keras keeps its statistics in float32.
    norm.eval()
    torch.testing.assert_close(norm(x), twin(channels_last, training=False)[:, 0].movedim(-1, 1), rtol=1e-5, atol=1e-5)
    norm.train()
    torch.testing.assert_close(norm(x), twin(channels_last, training=True)[:, 0].movedim(-1, 1), rtol=1e-5, atol=1e-5)


def test_running_statistics_are_keras_without_their_initial_values(keras: Any) -> None:
    norm = make_norm("batch", 3).double()
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    twin = keras.batch_norm(norm)  # Keras 3, whose statistics start from mean 0 and variance 1
    steps, n = 4, 4 * 5 * 6
    for step in range(1, steps + 1):
        x = step + step * torch.randn(4, 3, 5, 6, dtype=F64)
        norm(x)
        twin(x.movedim(1, -1)[:, None], training=True)
        if step == 1:
            torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
            torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)))
    _, _, moving_mean, moving_variance = (w.value.double() for w in twin.weights)
    left = 0.99**steps
    torch.testing.assert_close((1 - left) * norm.running_mean, moving_mean, rtol=1e-5, atol=1e-5)
    # PyTorch keeps the variance of the population that a batch of n values is drawn from, Keras that of the batch.
    variance = (1 - left) * norm.running_var * (n - 1) / n + left
    torch.testing.assert_close(variance, moving_variance, rtol=1e-5, atol=1e-5)


def test_channel_norm_knows_a_pixel_alone() -> None:
    norm = ChannelNorm(4, eps=1e-3).double()
    with torch.no_grad():
        norm.weight.copy_(torch.randn(4))
        norm.bias.copy_(torch.randn(4))
    x = torch.randn(3, 4, 6, 7, dtype=F64)
    whole = norm(x)
    torch.testing.assert_close(norm(x[1:2, :, 2:5, 3:4]), whole[1:2, :, 2:5, 3:4], rtol=0, atol=1e-14)
    pixel = x[2, :, 5, 6]
    expected = (pixel - pixel.mean()) / (pixel.var(unbiased=False) + 1e-3).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(whole[2, :, 5, 6], expected)


def test_group_norm_knows_a_frame_alone() -> None:
    norm = make_norm("group", 4).double()
    x = 5 + torch.randn(3, 4, 6, 7, dtype=F64)
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]))
    expected = (x[1] - x[1].mean()) / (x[1].var(unbiased=False) + 1e-3).sqrt()
    torch.testing.assert_close(norm(x)[1], expected)
    assert torch.equal(make_norm("none", 4)(x), x)


def test_activations() -> None:
    logits = torch.tensor([-1.0, 0.0, 2.0])
    assert torch.equal(activate(logits, "linear"), logits)
    torch.testing.assert_close(activate(logits, "sigmoid"), 1 / (1 + (-logits).exp()))


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="unknown norm"):
        make_norm("instance", 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown activation"):
        check_output("relu", residual=False)
    with pytest.raises(ConfigError, match="linear output"):
        check_output("sigmoid", residual=True)
