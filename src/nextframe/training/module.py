"""The training step and the validation of a model, as a Lightning module.

Axes: B batch, T time, K lead time, C channel, H height, W width. All values are in the model's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from nextframe.config import RunConfig, TrainingConfig
from nextframe.data.door import Door
from nextframe.data.normalise import Normaliser
from nextframe.data.simple import held_against
from nextframe.models.convlstm import recompute_in_segments
from nextframe.models.layers import activate
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.training.augment import Turn, with_other_amounts
from nextframe.training.in_place import moved_back
from nextframe.training.losses import LEAST_SHARE, balanced_weights, change, elementwise_loss, fourier_loss, masked_mean
from nextframe.training.muon import Muon
from nextframe.training.skill import PerFrameLoss, RolloutSkill, Shrunk

Batch = dict[str, Tensor]

_COUNTED = {"one-step": "frames_seen", "teacher-forcing": "lead_time"}
"""Count that numbers the outputs of a training step, in the names of their losses."""


class ForecastTraining(lightning.LightningModule):
    """Trains on one-step forecasts with the truth as input; validates on these and on the free rollout.

    Randomness (cuts, scheduled sampling) is a function of the seed and the step alone, so that a resumed training
    draws what an uninterrupted one would have drawn.

    Args:
        model: the network.
        config: the run's configuration.
        threshold: what counts as an event in the validation's CSI, in source units.
        loss_thresholds: where a balanced loss changes its weight, in the model's range.
        door: passage between frames and the network, whose scores are in source units; by default frames are in the
            model's range.
        data_range: range of pictures' values, whose rollouts have a PSNR; None where the frames are none.
    """

    loss_thresholds: Tensor
    loss_weights: Tensor
    loss_scale: Tensor

    def __init__(
        self,
        model: Network,
        config: RunConfig,
        threshold: float,
        loss_thresholds: Sequence[float] = (),
        door: Door | None = None,
        data_range: float | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("loss_thresholds", torch.tensor(loss_thresholds), persistent=False)
        self.register_buffer("loss_weights", torch.tensor(config.training.loss_weights), persistent=False)
        scale = config.training.loss_scale or (1.0,)
        self.register_buffer("loss_scale", torch.tensor(scale).view(1, -1, 1, 1, 1), persistent=False)
        self.model, self.config, self.data_range = model, config, data_range
        ones = (1.0,) * model.in_channels
        self.door = door or Door(Normaliser(method="identity", offset=(0.0,) * model.in_channels, scale=ones))
        self.behind: float | None = None
        """Share of the training that lies behind, where a clock tells it."""
        self.by_clock = False
        """True where the learning rate is set from without, by a clock."""
        recompute_in_segments(model, config.training.recompute)
        outputs = model.trained_frames(config.data.past, config.data.future)
        self.first_counted = min(config.training.min_seen, outputs) - 1
        self.training_loss, self.validation_loss = (PerFrameLoss(outputs, self.first_counted) for _ in range(2))
        self.skill = RolloutSkill(config.data.future, threshold)
        self.persistence_skill = RolloutSkill(config.data.future, threshold)
        self.by_window = config.training.loss == "relative-mse" and self.door.normaliser.skewed
        self.shrunk = Shrunk(config.data.future, shrinks=self.door.moves, by_window=self.by_window)
        self.shrinkage: tuple[float, ...] = ()
        """Factors of what the network adds to the simple forecast that were best at the last validation."""
        self.start_score = float("inf")
        """Score on the validation part before the training, where that is measured."""
        self._begun: dict[str, Tensor] | None = None
        self._rolls = False
        self._turn = Turn()
        self._factor: Tensor | float = 1.0

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        batch = self._augmented(self._cut(batch))
        weight = batch["weight"].view(-1, 1, 1, 1, 1) if "weight" in batch else 1.0
        self._rolls = self._done() >= 1 - self.config.training.rollout_training
        if self._rolls:
            losses, valid = self.rollout_losses(batch)
            first = 0
        else:
            losses, valid = self.losses(batch, self._feedback(batch))
            first = self.first_counted
        losses = losses * weight
        self.training_loss.update(losses.detach(), valid)
        loss = self._mean(losses[:, first:], valid[:, first:])
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self._rolls, self._factor = False, 1.0
        if "future" in batch:
            self.validation_loss.update(*self.losses(batch, None))
        truth, last = batch["truth"], batch["last"]
        forecast, simple = self._in_source_units(
            rollout(self.model, batch["past"], truth.shape[1], batch.get("later")), batch
        )
        valid = torch.isfinite(truth) & torch.isfinite(last).unsqueeze(1)
        for skill, said in ((self.skill, forecast), (self.persistence_skill, simple)):
            skill.update(said.where(valid, 0), truth.where(valid, 0), valid)
        if self.model.residual:
            ours, theirs, true = (part.where(valid, 0) for part in (forecast, simple, truth))
            least = (LEAST_SHARE * self._usual(truth.shape[1]).flatten()).square()
            self.shrunk.update(ours, theirs, true, valid, least)

    def _in_source_units(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """A rollout (B, K, C, H, W) as the forecast that it makes, and the simple forecast that nothing changes."""
        forecasts, simple = [], []
        for said, last, motion in zip(self.door.leave(outputs), batch["last"], batch["motion"], strict=True):
            channels, seen = len(last), last.cpu().numpy()
            both = np.concatenate([said, np.broadcast_to(seen, said.shape)], axis=1)
            along = motion.cpu().numpy() if motion.any() else None
            arrived = self.door.move_on(both, np.concatenate([seen, seen]), along)
            if self.door.limits is not None:
                arrived[:, :channels] = self.door.limits.hold(arrived[:, :channels])
            moved = torch.from_numpy(arrived).to(last.device)
            forecasts.append(moved[:, :channels])
            simple.append(moved[:, channels:])
        return torch.stack(forecasts), torch.stack(simple)

    def on_train_epoch_start(self) -> None:
        self.training_loss.reset()

    def on_validation_epoch_start(self) -> None:
        if self.trainer.world_size > 1:  # each process has statistics of its own batches alone
            for buffer in self.model.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["shrinkage"] = list(self.shrinkage)
        # For an epoch that is left in its midst.
        sums = {"total": self.training_loss.total, "count": self.training_loss.count}
        if self.trainer.world_size > 1:
            sums = {n: self.trainer.strategy.reduce(each.clone(), reduce_op="sum") for n, each in sums.items()}
        checkpoint["training_loss"] = sums

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        sums = checkpoint.get("training_loss")  # version 0.1 kept none
        if sums is not None and self.trainer.is_global_zero:
            self._begun = sums

    def on_train_start(self) -> None:
        if self._begun is not None:  # only now do the sums lie where the training takes place
            for name, values in self._begun.items():
                getattr(self.training_loss, name).copy_(values)
            self._begun = None

    def on_validation_epoch_end(self) -> None:
        skill, persistence = self.skill.compute(), self.persistence_skill.compute()
        mse, simple = skill["mse"], persistence["mse"]
        score = mse.nanmean()
        if self.model.residual:  # which begins as the simple forecast, and is to beat it at every lead time
            # A metric of one value comes without its axis.
            best = {name: values.reshape(-1).cpu().numpy() for name, values in self.shrunk.compute().items()}
            score = torch.tensor(held_against(best["mse"], best["simple"], best["share"]))
            factors = [float(f"{factor:.4f}") for factor in best["factors"]]
            self.shrinkage = tuple(factors) if min(factors) < 1 else ()
            mse = torch.from_numpy(best["mse"])  # of the forecasts that are kept, with these factors
        if self.trainer.sanity_checking:
            self.start_score = float(score.float())  # as it is logged
            self._reset_skill()
            return
        # A lead time at which the validation part has no value, or no event, has no score.
        values: dict[str, Tensor] = {
            "train_loss": self.training_loss.compute()["mean"],
            "val_score": score,
            "val_rollout_mse": mse.nanmean(),
            "val_rollout_csi": skill["csi"].nanmean(),
            "val_persistence_mse": simple.nanmean(),
            "val_persistence_csi": persistence["csi"].nanmean(),
        }
        if self.data_range is not None:
            for name, errors in (("val_rollout_psnr", mse), ("val_persistence_psnr", simple)):
                values[name] = (10 * torch.log10(self.data_range**2 / errors)).nanmean()
        # A metric of one value comes without its axis.
        if self.validation_loss.update_count:
            loss, seen = self.validation_loss.compute(), _COUNTED[self.model.task]
            values["val_loss"] = loss["mean"]
            for n, value in enumerate(loss["by_frame"].reshape(-1), start=1):
                values[f"val_loss_{seen}_{n}"] = value
        if self.model.residual:
            for n, value in enumerate(mse.reshape(-1), start=1):
                values[f"val_mse_lead_time_{n}"] = value
        for n, value in enumerate(skill["csi"].reshape(-1), start=1):
            values[f"val_csi_lead_time_{n}"] = value
        self.log_dict({name: value.float() for name, value in values.items()})
        self._reset_skill()

    def _reset_skill(self) -> None:
        for metric in (self.validation_loss, self.skill, self.persistence_skill, self.shrunk):
            metric.reset()

    def configure_optimizers(self) -> Any:
        training = self.config.training
        optimizer = make_optimizer(self.model, training)
        if training.schedule == "constant" or self.by_clock:
            return optimizer
        # One more than there are, so that no step is spent at the end's rate of nothing: of a few, that would be many.
        steps = int(self.trainer.estimated_stepping_batches) + 1
        schedule = OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=min(0.3, 100 / steps),
            cycle_momentum=training.optimizer in ("adam", "adamw"),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def losses(self, batch: Batch, feedback: Tensor | None) -> tuple[Tensor, Tensor]:
        """Loss of every output value and whether it counts, (B, T or K, C, H, W)."""
        past, future = batch["past"], batch["future"]
        logits = self.model.training_logits(past, future, feedback)
        frames = logits.shape[1]
        movie = self._forecast_part(torch.cat([past, future], dim=1))
        valid = torch.cat([batch["past_valid"], batch["future_valid"]], dim=1)
        before = slice(-frames - 1, -1)
        losses = self._loss(logits, movie[:, -frames:], valid[:, -frames:], movie[:, before], valid[:, before])
        return losses, valid[:, -frames:]

    def _loss(self, logits: Tensor, target: Tensor, valid: Tensor, before: Tensor, before_valid: Tensor) -> Tensor:
        """Loss of outputs (B, T or K, C, H, W), in whose place persistence has the frames `before`, one or as many."""
        if self.by_window and self.config.model.output == "linear":
            # A mean of logarithms is no mean: errors are those of the amounts.
            logits, target, before = map(self.door.normaliser.invert, (logits, target, before))
        return self._graded(logits, target, valid, before, valid & before_valid)

    def _graded(self, logits: Tensor, target: Tensor, valid: Tensor, simple: Tensor, both: Tensor) -> Tensor:
        """Loss of outputs, in whose place the simple forecast has `simple`, known where `both` says so; all of these in
        the range in which errors are measured.
        """
        loss, scale = self.config.training.loss, self._scale(target)
        if loss == "relative-mse":  # of windows whose amounts are multiplied, the usual errors are, too
            usual = scale * self._factor if self.config.training.loss_scale else None
            scale = change(simple, target, both, usual)
        if loss == "facl":
            return fourier_loss(activate(logits, self.config.model.output), target, valid, self._done())
        losses = elementwise_loss(logits, target, loss, self.config.model.output, valid, scale)
        if not loss.startswith("balanced"):
            return losses
        return losses * balanced_weights(target, self.loss_thresholds, self.loss_weights)

    def _scale(self, target: Tensor) -> Tensor:
        """Usual errors of outputs (B, T or K, C, H, W): those of each lead time where they are a rollout of as many."""
        return self._usual(target.shape[1]) if self._rolls else self.loss_scale[:, :1]

    def _usual(self, lead_times: int) -> Tensor:
        """Usual errors (1, K, 1, 1, 1) of so many lead times: beyond those that are known, that of the last."""
        known = torch.arange(lead_times, device=self.loss_scale.device).clamp(max=self.loss_scale.shape[1] - 1)
        return self.loss_scale[:, known]

    def rollout_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of every value of the free rollout, (B, K, C, H, W); gradients flow back through the frames fed back."""
        logits = self.model.rollout_logits(batch["past"], batch["future"].shape[1], batch.get("later"))
        if "places" in batch:
            return self._losses_in_place(logits, batch)
        valid, future = batch["future_valid"], self._forecast_part(batch["future"])
        last, known = self._forecast_part(batch["past"][:, -1:]), batch["past_valid"][:, -1:]
        return self._loss(logits, future, valid, last, known), valid

    def _losses_in_place(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of every value of a rollout (B, K, C, H, W) that is moved back first, as a forecast is."""
        normaliser, truth, turn = self.door.normaliser, batch["truth"], self._turn
        last = self._forecast_part(batch["past"][:, -1:]).expand_as(outputs)
        known = turn.back(batch["past_valid"][:, -1]).all(dim=1, keepdim=True)
        both = turn.back(normaliser.invert(torch.stack([outputs, last], dim=2))).flatten(2, 3)
        arrived, sure = moved_back(both, known, batch["shares"], batch["places"])
        said, simple = arrived.chunk(2, dim=2)
        valid = torch.isfinite(truth) & sure
        truth = truth.where(valid, 0)
        said, simple = said.where(valid, 0), simple.where(valid, 0)
        if self.config.training.loss != "relative-mse":
            said, truth = normaliser.apply(said), normaliser.apply(truth)
        return self._graded(said, truth, valid, simple, valid), valid

    def _mean(self, losses: Tensor, valid: Tensor) -> Tensor:
        """Mean loss of the valid values, of all processes together: gradients are averaged over these."""
        processes = self.trainer.world_size
        if processes == 1:
            return masked_mean(losses, valid)
        number = self.trainer.strategy.reduce(valid.sum().float(), reduce_op="mean")
        assert isinstance(number, Tensor)
        return (losses * valid).sum() / number.clamp(min=1 / processes)

    def _forecast_part(self, frames: Tensor) -> Tensor:
        """The channels of (B, T, C + S, H, W) that are forecast; the static ones follow them."""
        return frames[:, :, : self.model.in_channels]

    def _done(self) -> float:
        """Share of the training that lies behind, 0..1."""
        if self.behind is not None:
            return self.behind
        if self._trainer is None:  # a batch is tried beforehand
            return 0.0
        return self.global_step / max(int(self.trainer.estimated_stepping_batches), 1)

    def _cut(self, batch: Batch) -> Batch:
        """The same random square of every movie of the batch, where the configuration asks for it."""
        size = self.config.training.train_crop
        height, width = batch["past"].shape[-2:]
        if size is None or (size >= height and size >= width):
            return batch
        draw = self._random()
        top = int(draw.integers(max(height - size, 0) + 1))
        left = int(draw.integers(max(width - size, 0) + 1))
        box = slice(top, top + size), slice(left, left + size)
        return {name: part[..., *box] if part.ndim == 5 else part for name, part in batch.items()}

    def _augmented(self, batch: Batch) -> Batch:
        """The batch turned and mirrored, its amounts multiplied, as far as the configuration asks for it."""
        augment = self.config.training.augment
        if augment == "none":
            return batch
        draw = np.random.default_rng((self.config.training.seed, self.global_step, self.trainer.global_rank, 1))
        if augment == "turns-and-amounts":
            batch = with_other_amounts(batch, self.door, self.model.in_channels, draw)
            self._factor = batch["factor"]
        self._turn = Turn.drawn(draw, *batch["past"].shape[-2:])
        return self._turn.of(batch)

    def _feedback(self, batch: Batch) -> Tensor | None:
        """Scheduled sampling: which inputs after the past are the model's own outputs at this step, (B, K)."""
        final = self.config.training.scheduled_sampling
        if final == 0:
            return None
        movies, lead_times = batch["future"].shape[:2]
        rank, processes = self.trainer.global_rank, self.trainer.world_size
        drawn = self._random().random((movies * processes, lead_times))[rank::processes] < final * self._done()
        return torch.from_numpy(drawn).to(batch["future"].device)

    def _random(self) -> np.random.Generator:
        return np.random.default_rng((self.config.training.seed, self.global_step))


def make_optimizer(model: nn.Module, training: TrainingConfig) -> Optimizer:
    """The optimiser that the configuration names, with the settings of Keras where the tutorial relies on them.

    Adadelta: rho 0.95, epsilon 1e-7 (Keras of the tutorial's time). RMSprop: rho 0.9, epsilon 1e-7.
    """
    parameters, rate = list(model.parameters()), training.learning_rate
    fused = "mixed" not in training.precision  # Lightning cannot clip gradients of a fused one in mixed precision
    if training.optimizer == "muon":
        return Muon(model, rate)
    if training.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=rate, rho=0.95, eps=1e-7, foreach=True)
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=0.9, eps=1e-7, foreach=True)
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, fused=fused)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=training.weight_decay, fused=fused)
