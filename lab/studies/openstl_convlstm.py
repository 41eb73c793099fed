"""OpenSTL's ConvLSTM as a training of ours: its model and recipe, out of a checkout of its source.

Taken from there are the model (models/convlstm_model.py), its layer, the scheduled sampling and the configuration for
Moving MNIST. The training step, Adam and the one cycle do what its methods do (methods/predrnn.py, from which its
ConvLSTM inherits, and core/optim_scheduler.py), which themselves need packages that nothing here does.

Axes: B movies, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from nextframe.errors import ConfigError

SAMPLING_SHARE = 50_000 / (200 * 10_000 / 16)
"""Share of its training in which true frames are fed, ever fewer: 50,000 steps of 200 epochs of 10,000 movies, 16 in a
step.
"""


def _module(name: str, source: Path) -> ModuleType:
    path = source.joinpath(*name.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError("is no checkout of OpenSTL", where=f"--openstl {source.parent}", expected=f"a file {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OpenSTL(lightning.LightningModule):
    """Trains on batches of `past` and `future` in 0..1, and forecasts.

    Args:
        checkout: OpenSTL's source.
        frame: a frame's shape (C, H, W).
        past: frames to read.
        future: frames to forecast.
        steps: length of the training, to which the scheduled sampling is fitted, as the cycle is.
        seed: of the weights and the sampling.
        changes: of its configuration.

    Raises:
        ConfigError: a checkout that lacks a file.
    """

    def __init__(
        self,
        checkout: Path,
        frame: tuple[int, int, int],
        past: int,
        future: int,
        *,
        steps: int,
        seed: int,
        changes: dict[str, Any],
    ) -> None:
        super().__init__()
        source = checkout / "openstl"
        self.tools = _module("openstl.utils.predrnn_utils", source)
        values = runpy.run_path(str(checkout / "configs" / "mmnist" / "ConvLSTM.py"))
        stop = max(round(SAMPLING_SHARE * steps), 1)
        fitted = {"sampling_stop_iter": stop, "sampling_changing_rate": values["sampling_start_value"] / stop}
        shapes = {"in_shape": (past, *frame), "pre_seq_length": past, "aft_seq_length": future}
        self.settings = SimpleNamespace(**{**values, **fitted, **shapes, **changes, "device": "cpu"})
        # Its packages import every model, and what these need; only two of their modules are wanted.
        layers = sys.modules.setdefault("openstl.modules", ModuleType("openstl.modules"))
        layers.ConvLSTMCell = _module("openstl.modules.convlstm_modules", source).ConvLSTMCell  # type: ignore[attr-defined]
        sys.modules.setdefault("openstl", ModuleType("openstl"))
        hidden = [int(number) for number in self.settings.num_hidden.split(",")]
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - its scheduled sampling draws from there
        self.model: nn.Module = _module("openstl.models.convlstm_model", source).ConvLSTM_Model(
            len(hidden), hidden, self.settings
        )
        self.batch_size = int(self.settings.batch_size)
        self.eta = self.settings.sampling_start_value

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        frames = torch.cat([batch["past"], batch["future"]], dim=1).permute(0, 1, 3, 4, 2)
        patches = self.tools.reshape_patch(frames, self.settings.patch_size)
        self.eta, shown = self.tools.schedule_sampling(self.eta, self.global_step, len(frames), self.settings)
        loss: Tensor = self.model(patches, shown)[1]
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.settings.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, max_lr=self.settings.lr, total_steps=steps, final_div_factor=1e4)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def forecast(self, past: Tensor) -> Tensor:
        """The free rollout (B, K, C, H, W) from the past (B, T, C, H, W)."""
        future = self.settings.aft_seq_length
        blank = past.new_zeros(len(past), future, *past.shape[2:])
        frames = torch.cat([past, blank], dim=1).permute(0, 1, 3, 4, 2)
        patches = self.tools.reshape_patch(frames, self.settings.patch_size)
        output = self.model(patches, torch.zeros_like(patches[:, : future - 1]), return_loss=False)[0]
        forecast: Tensor = self.tools.reshape_patch_back(output, self.settings.patch_size)[:, -future:]
        return forecast.permute(0, 1, 4, 2, 3)
