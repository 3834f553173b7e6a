"""The measures that validation and comparisons report, those that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from perceptualloss.features.network import why_no_imagenet
from perceptualloss.losses.distance import squared
from perceptualloss.metrics.embedded import distance_to
from perceptualloss.metrics.named import OUTSIDE, Against, named, why_missing
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim


def measures(outside: bool = False) -> dict[str, Against]:
    """Return the measures by name: of a target in [0, 1], a function of the output that gives one value per image.

    "mse", "psnr" (dB, RGB), "ssim" (RGB), "lpips" where ImageNet's VGG-16 is at hand (nothing is
    downloaded for it, and a damaged file is warned of once), with ``outside`` those of the extra ``metrics`` that are
    installed ("st_lpips_alex", "st_lpips_vgg" and "ssimulacra2"), and "perceptual_distance".
    """
    found: dict[str, Against] = {"mse": _plain(squared), "psnr": _plain(psnr), "ssim": _plain(ssim)}
    if not why_no_imagenet("vgg16"):
        found["lpips"] = named("lpips-vgg").against
    if outside:
        found |= {name: named(name).against for name in OUTSIDE if not why_missing(name)}
    return found | {"perceptual_distance": distance_to}


def missing_measures() -> dict[str, str]:
    """Return why a measure cannot be had, and how it can, by its name."""
    why = why_no_imagenet("vgg16")
    missing = {"lpips": f"LPIPS needs ImageNet's VGG-16 weights, and {why}"} if why else {}
    return missing | {name: why for name in OUTSIDE if (why := why_missing(name))}


@torch.no_grad()
def measure(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return what every validation measures, each (N,); ``output`` is clamped to [0, 1] as a saved picture would be.

    Without the measures from outside: these three would take ten times as long as everything else together.
    """
    return {name: against(target)(output.float().clamp(0, 1)) for name, against in measures().items()}


@torch.no_grad()
def measure_all(outputs: Mapping[str, Tensor], target: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return every measure of several outputs for one target, by output and name, each (N,); outputs are clamped."""
    found: dict[str, dict[str, Tensor]] = {output: {} for output in outputs}
    for name, against in measures(outside=True).items():
        distance = against(target)
        for output, pictures in outputs.items():
            found[output][name] = distance(pictures.float().clamp(0, 1))
    return found


def _plain(function: Callable[[Tensor, Tensor], Tensor]) -> Against:
    return lambda target: lambda output: function(output, target)
