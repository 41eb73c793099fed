"""The usual ConvLSTM in PyTorch, as most repositories write it: join frame and state, convolve, split, step by step.

It is here to be measured against. Shapes: B batch, T time, C channels, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lab.speed.passes import training_pass
from lab.speed.work import PASSES, Step, Task, Work
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config

State = tuple[Tensor, Tensor]


class UsualConvLSTM(nn.Module):
    """A ConvLSTM layer over (B, T, C, H, W)."""

    def __init__(self, channels: int, filters: int, kernel: int = 3) -> None:
        super().__init__()
        self.filters = filters
        self.convolution = nn.Conv2d(channels + filters, 4 * filters, kernel, padding=kernel // 2)

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states (B, T, F, H, W), and the last state."""
        if state is None:
            zeros = frames.new_zeros(frames.shape[0], self.filters, *frames.shape[3:])
            state = (zeros, zeros)
        hidden, cell = state
        outputs = []
        for frame in frames.unbind(1):
            i, f, o, g = self.convolution(torch.cat([frame, hidden], dim=1)).chunk(4, dim=1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden, cell)


class UsualStack(nn.Module):
    """The tutorial's stack: ConvLSTM and batch norm, three times, and a 3-D convolution."""

    def __init__(self, filters: tuple[int, ...], kernel: int = 3) -> None:
        super().__init__()
        inputs = (1, *filters[:-1])
        self.layers = nn.ModuleList(UsualConvLSTM(c, f, kernel) for c, f in zip(inputs, filters, strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm3d(f) for f in filters)
        self.readout = nn.Conv3d(filters[-1], 1, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (B, T, 1, H, W)."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            frames = norm(layer(frames)[0].transpose(1, 2)).transpose(1, 2)
        logits: Tensor = self.readout(frames.transpose(1, 2)).transpose(1, 2)
        return logits


class UsualEncoderDecoder(nn.Module):
    """The tutorial's encoder-decoder, with one layer in each."""

    def __init__(self, filters: tuple[int, ...], kernel: int = 3) -> None:
        super().__init__()
        self.encoder, self.decoder = (UsualConvLSTM(1, filters[0], kernel) for _ in range(2))
        self.readout = nn.Conv2d(filters[0], 1, 1)

    def decode(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, K, 1, H, W) for the decoder's inputs, and its state."""
        hidden, state = self.decoder(frames, state)
        return self.readout(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]), state

    def forward(self, movie: Tensor, past: int) -> Tensor:
        """Logits of the frames after the past, the truth being fed back."""
        _, state = self.encoder(movie[:, : past - 1])
        return self.decode(movie[:, past - 1 : -1], state)[0]


def usual_step(work: Work, task: Task, movie: Tensor, *, compiled: bool = False, channels_last: bool = False) -> Step:
    """One step of the work.

    Args:
        work: the work.
        task: what is done of it.
        movie: (B, T + K, 1, H, W).
        compiled: whether `torch.compile` compiles the modules; it is to fail rather than to leave a part uncompiled.
        channels_last: whether the 2-D convolutions are laid out with channels last.
    """
    stacked = work.model == "stacked"
    model = (UsualStack if stacked else UsualEncoderDecoder)(work.filters, work.kernel).to(movie.device)
    if channels_last:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    if task in PASSES:
        if compiled:
            model.compile(fullgraph=True, dynamic=False)

        def loss() -> Tensor:
            logits = model(movie[:, :-1]) if stacked else model(movie, work.past)
            target = movie[:, 1:] if stacked else movie[:, work.past :]
            return functional.binary_cross_entropy_with_logits(logits, target)

        training = preset_config(work.model, "tutorial").training
        return training_pass(task, loss, make_optimizer(model, training))
    model.eval()
    forecast = _streaming if task == "streaming" else _rereading if stacked else _decoding
    return Step(torch.inference_mode()(forecast(model, work, movie, compiled)))


def _rereading(model: nn.Module, work: Work, movie: Tensor, compiled: bool) -> Callable[[], Tensor]:
    """The stack's forecast as the tutorial does it: K times, the whole movie so far is read for one more frame."""
    if compiled:  # once for each length of the movie
        model.compile(fullgraph=True, dynamic=False)

    def forecast() -> Tensor:
        seen = movie[:, : work.past]
        for _ in range(work.future):
            seen = torch.cat([seen, model(seen)[:, -1:].sigmoid()], dim=1)
        return seen[:, work.past :]

    return forecast


def _decoding(model: nn.Module, work: Work, movie: Tensor, compiled: bool) -> Callable[[], Tensor]:
    """The encoder-decoder's forecast, each frame fed back."""
    assert isinstance(model, UsualEncoderDecoder)
    if compiled:
        for layer in (model.encoder, model.decoder):
            layer.compile(fullgraph=True, dynamic=False)

    def forecast() -> Tensor:
        _, state = model.encoder(movie[:, : work.past - 1])
        frame, frames = movie[:, work.past - 1 : work.past], []
        for _ in range(work.future):
            logits, state = model.decode(frame, state)
            frame = logits.sigmoid()
            frames.append(frame)
        return torch.cat(frames, dim=1)

    return forecast


def _streaming(model: nn.Module, work: Work, movie: Tensor, compiled: bool) -> Callable[[], Tensor]:
    """One more frame from the states that the past left, as one would write it by hand."""
    assert isinstance(model, UsualStack | UsualEncoderDecoder)
    layers = list(model.layers) if isinstance(model, UsualStack) else [model.decoder]
    states: list[State | None] = []
    with torch.inference_mode():
        features = movie[:, : work.past]
        for layer in layers:
            features, state = layer(features)
            states.append(state)
    if compiled:
        for layer in layers:
            layer.compile(fullgraph=True, dynamic=False)

    def step() -> Tensor:
        features = movie[:, work.past, None]
        for n, layer in enumerate(layers):
            features, states[n] = layer(features, states[n])
            if isinstance(model, UsualStack):
                features = model.norms[n](features.transpose(1, 2)).transpose(1, 2)
        if isinstance(model, UsualStack):
            return model.readout(features.transpose(1, 2)).sigmoid()  # type: ignore[no-any-return]
        return model.readout(features[:, 0]).sigmoid()  # type: ignore[no-any-return]

    return step
