"""The usual ConvLSTM in PyTorch, as most repositories write it: join frame and state, convolve, split, step by step.

It is here to be measured against. Shapes: B batch, T time, C channels, F filters, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.benchmark.work import Step, Task, Work
from nextframe.config import TrainingConfig
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config

State = tuple[Tensor, Tensor]


class UsualConvLSTM(nn.Module):
    """A ConvLSTM layer over (B, T, C, H, W)."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.filters = filters
        self.convolution = nn.Conv2d(channels + filters, 4 * filters, 3, padding=1)

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

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (1, *filters[:-1])
        self.layers = nn.ModuleList(UsualConvLSTM(c, f) for c, f in zip(inputs, filters, strict=True))
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

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.decoder = UsualConvLSTM(1, filters[0]), UsualConvLSTM(1, filters[0])
        self.readout = nn.Conv2d(filters[0], 1, 1)

    def decode(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, K, 1, H, W) for the decoder's inputs, and its state."""
        hidden, state = self.decoder(frames, state)
        return self.readout(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]), state

    def forward(self, movie: Tensor, past: int) -> Tensor:
        """Logits of the frames after the past, the truth being fed back."""
        _, state = self.encoder(movie[:, : past - 1])
        return self.decode(movie[:, past - 1 : -1], state)[0]


def usual_step(work: Work, task: Task, movie: Tensor) -> Step:
    """One step of the work, on a movie (B, T + K, 1, H, W)."""
    stacked = work.model == "stacked"
    model = UsualStack(work.filters) if stacked else UsualEncoderDecoder(work.filters)
    if task == "training":
        training: TrainingConfig = preset_config(work.model, "tutorial").training
        optimizer = make_optimizer(model, training)

        def train() -> None:
            optimizer.zero_grad()
            logits = model(movie[:, :-1]) if stacked else model(movie, work.past)
            target = movie[:, 1:] if stacked else movie[:, work.past :]
            functional.binary_cross_entropy_with_logits(logits, target).backward()
            optimizer.step()

        return train
    model.eval()
    if task == "streaming":
        return _streaming(model, movie[:, : work.past], movie[:, work.past])

    def reread() -> Tensor:
        seen = movie[:, : work.past]
        for _ in range(work.future):
            seen = torch.cat([seen, model(seen)[:, -1:].sigmoid()], dim=1)
        return seen[:, work.past :]

    def decode() -> Tensor:
        assert isinstance(model, UsualEncoderDecoder)
        _, state = model.encoder(movie[:, : work.past - 1])
        frame, frames = movie[:, work.past - 1 : work.past], []
        for _ in range(work.future):
            logits, state = model.decode(frame, state)
            frame = logits.sigmoid()
            frames.append(frame)
        return torch.cat(frames, dim=1)

    return torch.inference_mode()(reread if stacked else decode)


def _streaming(model: UsualStack | UsualEncoderDecoder, past: Tensor, frame: Tensor) -> Step:
    """One more frame (B, 1, H, W) from the states that the past left, as one would write it by hand."""
    layers = list(model.layers) if isinstance(model, UsualStack) else [model.decoder]
    states: list[State | None] = []
    with torch.inference_mode():
        features = past
        for layer in layers:
            features, state = layer(features)
            states.append(state)

    def step() -> Tensor:
        features = frame[:, None]
        for n, layer in enumerate(layers):
            features, states[n] = layer(features, states[n])
            if isinstance(model, UsualStack):
                features = model.norms[n](features.transpose(1, 2)).transpose(1, 2)
        if isinstance(model, UsualStack):
            return model.readout(features.transpose(1, 2)).sigmoid()  # type: ignore[no-any-return]
        return model.readout(features[:, 0]).sigmoid()  # type: ignore[no-any-return]

    return torch.inference_mode()(step)
