"""Measures by name with parameters, such as ``psnr``, ``psnr:channel=y`` or ``lpips-alex:weights=FILE``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice
from perceptualloss.features.network import why_no_imagenet
from perceptualloss.losses.distance import squared
from perceptualloss.losses.lpips import LPIPS, NETS
from perceptualloss.losses.ssim import MS_SSIM_WEIGHTS, multi_scale_structural_similarity, structural_similarity
from perceptualloss.metrics import ssimulacra2, st_lpips
from perceptualloss.metrics.embedded import distance_to, structure_texture
from perceptualloss.metrics.metric import Metric
from perceptualloss.metrics.protocol import Convention
from perceptualloss.pictures.ranges import check_pair

Values = Callable[[Tensor, Tensor], Tensor]
Against = Callable[[Tensor], Callable[[Tensor], Tensor]]
"""Takes the target, which is looked at once, and gives the value of each output, (N,)."""
Build = Callable[..., tuple[str, Against]]
"""Takes a measure's parameters; gives what a label says of them, and the function."""
CHANNELS = ("convention", "rgb", "y")
OUTSIDE = ("st_lpips_alex", "st_lpips_vgg", "ssimulacra2")
"""Measures that were made outside this package, and come with the extra ``metrics``."""


@dataclass(frozen=True)
class Named:
    """A measure that was chosen by name: a function of target and output that gives one value per image.

    ``by_pixels`` says whether it sees the convention's pixels (perhaps luminance) or, as networks do, RGB;
    ``bytes_per_pixel`` about how much memory it takes.
    """

    metric: Metric
    against: Against
    by_pixels: bool
    y_channel: bool | None = None
    bytes_per_pixel: int = 0

    def seen(self, images: Tensor, convention: Convention, grey: bool = False) -> Tensor:
        """Return what of the pictures (N, 3, H, W) in [0, 1] this measure sees."""
        if not self.by_pixels:
            return convention.picture(images)
        return convention.pixels(images, grey, self.y_channel)

    def __call__(self, output: Tensor, target: Tensor, convention: Convention, grey: bool = False) -> Tensor:
        """Return the value of each picture, (N,).

        Raises:
            InputError: Pictures too small for this measure, or of another range.
        """
        check_pair(output, target)
        with torch.inference_mode():
            return self.against(self.seen(target, convention, grey))(self.seen(output, convention, grey))


@dataclass(frozen=True)
class _Entry:
    label: str
    unit: str
    higher_is_better: bool
    note: str
    build: Build
    by_pixels: bool = True
    digits: int | None = None
    bytes_per_pixel: int = 0


def metric(name: str) -> Metric:
    """Return what a measure of ``NAMES`` is called and which way it points."""
    entry = _ENTRIES[check_choice("metric", name, NAMES)]
    return Metric(name, entry.label, entry.unit, entry.higher_is_better, entry.note, entry.digits)


def named(spec: str) -> Named:
    """Return the measure of a name with parameters: ``NAME[:PARAMETER=VALUE,...]``.

    Names: mse, psnr, ssim, ms_ssim, lpips-alex, lpips-vgg, lpips-squeeze, st_lpips_alex, st_lpips_vgg, ssimulacra2,
    perceptual_distance and structure_texture. Parameters: ``channel`` (rgb or y, of mse, psnr, ssim and ms_ssim,
    against the convention), ``max`` (of psnr), ``scales`` (of ms_ssim, 1 to 5) and ``weights`` (of lpips: a file
    with the backbone's weights).

    Raises:
        InputError: An unknown name or parameter, a value of another kind, or weights or a package that cannot be had.

    >>> white, grey = torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.9)
    >>> named("psnr")(grey, white, Convention(eight_bits=False))
    tensor([20.0000], dtype=torch.float64)
    """
    name, _, rest = spec.partition(":")
    facts, entry = metric(name), _ENTRIES[name]
    given = _parameters(name, rest, entry)
    channel = given.pop("channel", "convention")
    check_choice(f"channel of {name}", channel, CHANNELS)
    says, against = entry.build(**given)
    details = [text for text in (says, {"rgb": "RGB", "y": "Y"}.get(channel, "")) if text]
    label = f"{facts.label} {', '.join(details)}" if details else facts.label
    found = replace(facts, key=spec, label=label)
    y_channel = None if channel == "convention" else channel == "y"
    return Named(found, against, entry.by_pixels, y_channel, entry.bytes_per_pixel)


def usual(protocol: str) -> tuple[list[str], dict[str, str]]:
    """Return the measures that a protocol is reported with, and why some of them cannot be had, by their names.

    The embedded judge, which was made with this package, comes last.
    """
    names = ["mse", "psnr"] if protocol == "course" else ["psnr", "ssim"]
    names += ["lpips-vgg" if protocol == "course" else "lpips-alex", *OUTSIDE, "perceptual_distance"]
    missing = {name: why for name in names if (why := why_missing(name))}
    return [name for name in names if name not in missing], missing


def why_missing(name: str) -> str:
    """Return why a measure cannot be had on this machine, and how it can; nothing where it can be had."""
    if name.startswith("lpips-") and (why := why_no_imagenet(NETS[name.removeprefix("lpips-")])):
        return f"{metric(name).label} needs ImageNet weights of its backbone, and {why}"
    if name.startswith("st_lpips_") and st_lpips.weights_file(name.removeprefix("st_lpips_")) is None:
        return st_lpips.HOW_TO_GET
    if name == "ssimulacra2" and not ssimulacra2.available():
        return ssimulacra2.HOW_TO_GET
    return ""


def _parameters(name: str, text: str, entry: _Entry) -> dict[str, Any]:
    """Read ``a=1,b=2`` by the types of the builder's parameters."""
    kinds: dict[str, Callable[[str], Any]] = {"max": float, "scales": int}
    known = [*inspect.signature(entry.build).parameters, *(["channel"] if entry.by_pixels else [])]
    found = {}
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not equals or not known:
            raise InputError(f"{name}:PARAMETER=VALUE" if known else f"{name} without parameters", repr(part))
        check_choice(f"parameter of {name}", key, known)
        try:
            found[key] = kinds.get(key, str)(value)
        except ValueError as error:
            raise InputError(f"{key} of {name} to be a number", repr(value)) from error
    return found


def _plain(function: Values) -> Against:
    return lambda target: lambda output: function(output, target)


def _mse() -> tuple[str, Against]:
    return "", _plain(squared)


def _psnr(max: float = 1.0) -> tuple[str, Against]:
    """20 log10(max / sqrt(MSE)), the mean squared error being that of values in [0, 1]."""
    if not 0 < max < float("inf"):
        raise InputError("max of psnr to be a positive number", f"{max:g}", "It is 1 for white at 1.")
    says = "" if max == 1 else f"with MAX {max:g}"
    return says, _plain(lambda output, target: 20 * torch.log10(max / squared(output, target).sqrt()))


def _ssim() -> tuple[str, Against]:
    return "", _plain(structural_similarity)


def _ms_ssim(scales: int = 5) -> tuple[str, Against]:
    if not 1 <= scales <= len(MS_SSIM_WEIGHTS):
        raise InputError(f"scales of ms_ssim from 1 to {len(MS_SSIM_WEIGHTS)}", f"{scales}")
    weights = MS_SSIM_WEIGHTS[:scales]
    says = "" if scales == len(MS_SSIM_WEIGHTS) else f"at {scales} scales"
    return says, _plain(lambda x, y: multi_scale_structural_similarity(x, y, weights))


def _lpips(net: str) -> Build:
    def build(weights: str = "imagenet") -> tuple[str, Against]:
        return "", _lpips_against(net, weights)

    return build


@cache
def _lpips_against(net: str, weights: str) -> Against:
    loss = LPIPS(net, weights=weights)  # type: ignore[arg-type]

    def features(images: Tensor) -> dict[str, Tensor]:
        with torch.autocast(images.device.type, enabled=False):
            found: dict[str, Tensor] = loss.to(images.device).network(images.float(), loss.output_layers)
        return found

    def against(target: Tensor) -> Callable[[Tensor], Tensor]:
        wanted = features(target)
        return lambda output: loss.from_features(features(output), wanted)["lpips"]

    return against


def _st_lpips(net: str) -> Build:
    return lambda: ("", lambda target: st_lpips.distance_to(target, net))


def _seen(label: str, note: str, build: Build, bytes_per_pixel: int) -> _Entry:
    """Return a network's distance; the memory is what a megapixel on a CPU took, target and output together."""
    return _Entry(label, "", False, note, build, by_pixels=False, bytes_per_pixel=bytes_per_pixel)


_FITTED = "How different the pictures look to {}, fitted to people's judgement."
_SHIFTED = "How different the pictures look to an {} that small shifts do not mislead, fitted to people's judgement."
_ENTRIES = {
    "mse": _Entry("mean squared error", "", False, "The mean squared difference of the values, white being 1.", _mse),
    "psnr": _Entry("PSNR", "dB", True, "How close the pixels are to the original's, on a logarithmic scale.", _psnr),
    "ssim": _Entry("SSIM", "", True, "How alike local brightness, contrast and structure are; 1 is identical.", _ssim),
    "ms_ssim": _Entry("MS-SSIM", "", True, "SSIM at several scales; 1 is identical.", _ms_ssim),
    "lpips-alex": _seen("LPIPS (AlexNet)", _FITTED.format("AlexNet"), _lpips("alex"), 120),
    "lpips-vgg": _seen("LPIPS (VGG-16)", _FITTED.format("VGG-16"), _lpips("vgg"), 1500),
    "lpips-squeeze": _seen("LPIPS (SqueezeNet)", _FITTED.format("SqueezeNet"), _lpips("squeeze"), 490),
    "st_lpips_alex": _seen("ST-LPIPS Alex", _SHIFTED.format("AlexNet"), _st_lpips("alex"), 880),
    "st_lpips_vgg": _seen("ST-LPIPS VGG", _SHIFTED.format("VGG-16"), _st_lpips("vgg"), 1500),
    "ssimulacra2": _Entry(
        "SSIMULACRA 2",
        "",
        True,
        "How near compressed pictures look, fitted to people's judgement; 100 is identical, 90 looks so.",
        lambda: ("", _plain(ssimulacra2.ssimulacra2)),
        by_pixels=False,
        digits=1,
        bytes_per_pixel=460,
    ),
    "perceptual_distance": _seen(
        "embedded judge",
        "How different the pictures look to a small network of this package that took no part in the training.",
        lambda: ("", distance_to),
        540,
    ),
    "structure_texture": _seen(
        "structure and texture (embedded judge)",
        "How different structure and texture are to the embedded judge; texture may lie elsewhere.",
        lambda: ("", _plain(structure_texture)),
        540,
    ),
}
NAMES = tuple(_ENTRIES)
