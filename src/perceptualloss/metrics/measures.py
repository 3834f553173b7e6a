"""The measures that validation and comparisons report, those that are at hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from perceptualloss.loss_networks.at_hand import why_no_imagenet
from perceptualloss.losses.distance import squared
from perceptualloss.metrics.named import named
from perceptualloss.metrics.perceptual_distance import perceptual_distance
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim

Measure = Callable[[Tensor, Tensor], Tensor]


def measures() -> dict[str, Measure]:
    """Return the measures by name: functions of output and target in [0, 1] that give one value per image.

    "mse", "psnr" (dB, RGB), "ssim" (RGB), "lpips" where ImageNet's VGG-16 is at hand (nothing is
    downloaded for it, and a damaged file is warned of once), and "perceptual_distance".
    """
    found: dict[str, Measure] = {"mse": squared, "psnr": psnr, "ssim": ssim}
    if not why_no_imagenet("vgg16"):
        against = named("lpips-vgg").against
        found["lpips"] = lambda output, target: against(target)(output)
    found["perceptual_distance"] = perceptual_distance
    return found


def missing_measures() -> dict[str, str]:
    """Return why a measure cannot be had, and how it can, by its name."""
    why = why_no_imagenet("vgg16")
    return {"lpips": f"LPIPS needs ImageNet's VGG-16 weights, and {why}"} if why else {}


@torch.no_grad()
def measure(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return all measures of a batch, each (N,); ``output`` is clamped to [0, 1] as a saved picture would be."""
    output = output.float().clamp(0, 1)
    return {name: function(output, target) for name, function in measures().items()}
