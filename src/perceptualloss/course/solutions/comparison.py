"""Chapter 4: a fair comparison."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def split(photos: list[str], held_out: int) -> tuple[list[str], list[str]]:
    """Return the photos to train on, and as many others as held_out says to compare on; the same at every call."""
    ordered = sorted(photos)
    return ordered[held_out:], ordered[:held_out]


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Return 20 * log10(1 / sqrt(MSE)) in dB of pictures (N, 3, H, W) in [0, 1], the mean over the N pictures."""
    mse = (output - target).square().mean(dim=(1, 2, 3))
    return (20 * torch.log10(1 / mse.sqrt())).mean()


def validate(model: nn.Module, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Return {"mse": ..., "psnr": ...}, each the mean over all pictures of the batches (low, high) in pairs.

    The model is in eval mode meanwhile, records no gradients, and is in train mode again at the end.
    """
    model.eval()
    count, mse, decibels = 0, 0.0, 0.0
    with torch.no_grad():
        for low, high in pairs:
            output = model(low)
            count += len(low)
            mse += len(low) * (output - high).square().mean().item()
            decibels += len(low) * psnr(output, high).item()
    model.train()
    return {"mse": mse / count, "psnr": decibels / count}
