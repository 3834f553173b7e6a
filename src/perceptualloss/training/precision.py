"""In which number format a training computes: what "auto" takes, and that a resumed run keeps it."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import lightning as L
import torch
from torch.nn import functional as F

from perceptualloss.vocabulary import Precision

LIGHTNING: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
_KEY = "perceptualloss precision"  # in a checkpoint
_CLEARLY = 0.8  # of the time of fp32: what is hardly faster is not worth the lost digits


def best_precision(device: str = "auto", processes: bool = False) -> Precision:
    """Return "bf16" where the hardware computes faster in it, else "fp32".

    On a GPU that is said by its kind (Ampere and later). On a CPU it is bf16 with AMX. AVX-512 has products in bf16,
    too, which are twice as fast as fp32 on some CPUs and slower on others: there a convolution is timed in both,
    once, in a tenth of a second, and bf16 is taken where it is clearly faster.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        processes: whether several processes train together; they must agree, so that nothing is timed.
    """
    if torch.cuda.is_available() and device != "cpu":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if torch.backends.mps.is_available() and device != "cpu":
        return "fp32"
    if _has("_is_amx_tile_supported"):
        return "bf16"
    return "bf16" if _has("_is_avx512_bf16_supported") and not processes and _bf16_is_faster() else "fp32"


def precision_of(checkpoint: Path) -> Precision | None:
    """Return in what the run of a checkpoint computes, or None where it does not say."""
    try:
        kept = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True).get(_KEY)
    except Exception:  # what is wrong with the file, the trainer says when it loads it
        return None
    return cast(Precision, kept) if kept in LIGHTNING else None


def precision_word(trainer: L.Trainer) -> str:
    """Return in this package's words in what a trainer computes."""
    return next((word for word, name in LIGHTNING.items() if name == trainer.precision), str(trainer.precision))


class KeepPrecision(L.Callback):
    """Writes into every checkpoint in what the run computes."""

    def on_save_checkpoint(self, trainer: L.Trainer, task: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write it."""
        checkpoint[_KEY] = precision_word(trainer)


def _has(probe: str) -> bool:
    return bool(getattr(torch.cpu, probe, lambda: False)())


@cache
def _bf16_is_faster() -> bool:
    """Whether a convolution of this machine's CPU is clearly faster in bf16; timed once in a process."""
    pictures, kernel = torch.rand(1, 64, 48, 48), torch.rand(64, 64, 3, 3)
    with torch.inference_mode():
        return _seconds(pictures.bfloat16(), kernel.bfloat16()) < _CLEARLY * _seconds(pictures, kernel)


def _seconds(pictures: torch.Tensor, kernel: torch.Tensor) -> float:
    """Return the least time of a few, which other programs on the machine lengthen least."""
    layout = torch.channels_last
    pictures, kernel = pictures.contiguous(memory_format=layout), kernel.contiguous(memory_format=layout)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        F.conv2d(pictures, kernel, padding=1)
        times.append(time.perf_counter() - start)
    return min(times)
