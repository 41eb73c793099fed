"""What direct convolution reaches on this machine: the measure of all contenders.

Shapes: B batch, F filters, H height, W width.
"""

from __future__ import annotations

import time

import torch
from torch.nn import functional

from lab.speed.work import Accelerator, Work


def convolution_peak(
    work: Work, repeats: int = 5, *, threads: int | None = None, accelerator: Accelerator = "cpu"
) -> float:
    """Operations a second of torch's direct convolution at the size of the work's recurrent one; the best of some.

    Args:
        work: gives filters, kernel and frames: (B, F, H, W) to (B, 4F, H, W).
        repeats: convolutions measured, after one that is not.
        threads: threads of torch, for this call; by default as they are.
        accelerator: where to convolve; on a GPU in TF32.
    """
    filters, batch, kernel = work.filters[-1], work.batch if work.size > 64 else max(work.batch, 8), work.kernel
    frames = torch.rand(batch, filters, work.size, work.size, device=accelerator)
    weight = torch.rand(4 * filters, filters, kernel, kernel, device=accelerator)
    frames, weight = (part.contiguous(memory_format=torch.channels_last) for part in (frames, weight))
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(before[0] if threads is None else threads)
    torch.backends.cudnn.allow_tf32 = True
    best = float("inf")
    try:
        with torch.inference_mode():
            for _ in range(repeats + 1):
                started = time.perf_counter()
                functional.conv2d(frames, weight, padding=kernel // 2)
                if accelerator == "cuda":
                    torch.cuda.synchronize()
                best = min(best, time.perf_counter() - started)
    finally:
        torch.set_num_threads(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    return 2 * kernel**2 * filters * 4 * filters * work.size**2 * batch / best
