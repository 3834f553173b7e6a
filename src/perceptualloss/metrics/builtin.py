"""The metrics of this package, each entered once: name, unit, direction, function, parameters, what it needs."""

from __future__ import annotations

from functools import partial
from typing import Any

from perceptualloss.losses.distance import squared
from perceptualloss.losses.mask import each
from perceptualloss.losses.ssim import structural_similarity
from perceptualloss.metrics import embedded, ssimulacra2, st_lpips
from perceptualloss.metrics.lpips import Net, lpips_to, why_no_lpips
from perceptualloss.metrics.metric import Build, Entry, Metric, Report, plain
from perceptualloss.metrics.psnr import build_psnr
from perceptualloss.metrics.ssim import build_ms_ssim

_EVERYWHERE: tuple[Report, ...] = ("sr", "course", "rgb", "comparison")
_FITTED = "How different the pictures look to {}, fitted to people's judgement."
_SHIFTED = "How different the pictures look to an {} that small shifts do not mislead, fitted to people's judgement."


def _by_network(key: str, label: str, note: str, rank: int, build: Build, bytes_per_pixel: int, **rest: Any) -> Entry:
    """Enter a network's distance; the memory is what a megapixel on a CPU took, target and output together."""
    metric = Metric(key, label, "", False, note, rank=rank)
    return Entry(metric, build, by_pixels=False, bytes_per_pixel=bytes_per_pixel, masks=True, **rest)


def _lpips(net: Net, name: str, bytes_per_pixel: int, **rest: Any) -> Entry:
    label = f"LPIPS ({name})"
    return _by_network(
        f"lpips-{net}",
        label,
        _FITTED.format(name),
        3,
        partial(lpips_to, net),
        bytes_per_pixel,
        parameters={"weights": "imagenet"},
        missing=partial(why_no_lpips, net, label),
        **rest,
    )


def _st_lpips(net: st_lpips.Net, short: str, name: str, rank: int, bytes_per_pixel: int) -> Entry:
    return _by_network(
        f"st_lpips_{net}",
        f"ST-LPIPS {short}",
        _SHIFTED.format(name),
        rank,
        lambda: lambda target: st_lpips.distance_to(target, net),
        bytes_per_pixel,
        missing=partial(st_lpips.why_missing, net),
        reports=(*_EVERYWHERE, "yardsticks"),
    )


ENTRIES = (
    Entry(
        Metric("mse", "mean squared error", "", False, "The mean squared difference of the values, white being 1."),
        lambda: plain(lambda output, target, mask=None: squared(output, target, each(mask))),
        masks=True,
        reports=("course",),
        curve="MSE",
    ),
    Entry(
        Metric("psnr", "PSNR", "dB", True, "How close the pixels are to the original's, on a logarithmic scale."),
        build_psnr,
        masks=True,
        parameters={"max": 1.0},
        parameter_words={"max": "with MAX {:g}"},
        reports=_EVERYWHERE,
        curve="PSNR",
    ),
    Entry(
        Metric("ssim", "SSIM", "", True, "How alike local brightness, contrast and structure are; 1 is identical."),
        lambda: plain(structural_similarity),
        masks=True,
        reports=("sr", "rgb", "comparison"),
        curve="SSIM",
    ),
    Entry(
        Metric("ms_ssim", "MS-SSIM", "", True, "SSIM at several scales; 1 is identical."),
        build_ms_ssim,
        masks=True,
        parameters={"scales": 5},
        parameter_words={"scales": "at {} scales"},
    ),
    _lpips("alex", "AlexNet", 120, reports=("sr", "rgb")),
    _lpips("vgg", "VGG-16", 1500, reports=("course", "comparison"), curve="LPIPS"),
    _lpips("squeeze", "SqueezeNet", 490),
    _st_lpips("alex", "Alex", "AlexNet", 4, 880),
    _st_lpips("vgg", "VGG", "VGG-16", 5, 1500),
    Entry(
        Metric(
            "ssimulacra2",
            "SSIMULACRA 2",
            "",
            True,
            "How near compressed pictures look, fitted to people's judgement; 100 is identical, 90 looks so.",
            digits=1,
        ),
        lambda: plain(ssimulacra2.ssimulacra2),
        by_pixels=False,
        bytes_per_pixel=460,
        one_by_one=True,
        missing=ssimulacra2.why_missing,
        reports=(*_EVERYWHERE, "yardsticks"),
    ),
    _by_network(
        "perceptual_distance",
        "embedded judge",
        "How different the pictures look to a small network of this package that took no part in the training.",
        2,
        lambda: embedded.distance_to,
        540,
        reports=_EVERYWHERE,  # last: what this package made itself
        curve="embedded judge",
    ),
    _by_network(
        "structure_texture",
        "structure and texture (embedded judge)",
        "How different structure and texture are to the embedded judge; texture may lie elsewhere.",
        1,
        lambda: plain(embedded.structure_and_texture),
        540,
    ),
)
