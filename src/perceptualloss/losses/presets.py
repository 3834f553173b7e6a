"""Losses with the settings of a paper or its code, with their sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from perceptualloss.losses.base import Loss
from perceptualloss.losses.color import BlurredColorLoss
from perceptualloss.losses.feature import Distance, FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.sums import WeightedLoss, loss_name
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.pictures.ranges import InputRange, to_unit_range

Weights = str | Path | None
UNIT: InputRange = (0.0, 1.0)


@dataclass(frozen=True)
class Preset:
    """A named loss: what it is in a few words, how to build it, and where it comes from.

    Attributes:
        label: its name in tables.
        description: what it is made of.
        build: makes it; takes ``input_range`` and, where they mean something, ``network``, ``weights``, ``style``.
        source: the paper or code with these settings, and where this preset departs from it.
        adversarial: the kind of :class:`GANLoss` that belongs to it and its weight. It is not part of the loss
            that is built, because it needs a critic.
    """

    label: str
    description: str
    build: Callable[..., Loss]
    source: str = ""
    adversarial: tuple[str, float] | None = None

    def __call__(self, **options: Any) -> Loss:
        """Build it."""
        return self.build(**options)


class _InUnitRange(Loss):
    """A loss without a network, of pictures of another range as if they were in [0, 1]."""

    def __init__(self, loss: Loss, input_range: InputRange) -> None:
        super().__init__(input_range)
        self.loss, self.needs_target, self.same_size = loss, loss.needs_target, loss.same_size

    def __repr__(self) -> str:
        return f"in_unit_range({self.loss!r}, {self.input_range})"

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        output, target = to_unit_range(output, self.input_range), to_unit_range(target, self.input_range)
        return self.loss._values(output, target, weight)


def in_unit_range(loss: Loss, input_range: InputRange) -> Loss:
    """Return a loss without a network that gives for pictures of any range what ``loss`` gives for [0, 1].

    >>> import torch
    >>> from perceptualloss.losses.pixel import MSELoss
    >>> black = torch.zeros(1, 3, 4, 4)
    >>> float(MSELoss((0, 255))(black, black + 255)), float(in_unit_range(MSELoss(), (0, 255))(black, black + 255))
    (65025.0, 1.0)
    """
    if input_range == loss.input_range:
        return loss
    return WeightedLoss({loss_name(type(loss)): _InUnitRange(loss, input_range)})


def mse(input_range: InputRange = UNIT) -> Loss:
    """Return the mean squared error, of pictures in [0, 1]."""
    return in_unit_range(MSELoss(), input_range)


def l1(input_range: InputRange = UNIT) -> Loss:
    """Return the mean absolute error, of pictures in [0, 1]."""
    return in_unit_range(L1Loss(), input_range)


def course(weights: Weights = "default", input_range: InputRange = UNIT) -> Loss:
    """Return the course's loss."""
    return VGG16PerceptualLoss(weights=weights, input_range=input_range)


def perceptual(network: str = "compact", weights: Weights = "default", input_range: InputRange = UNIT) -> Loss:
    """Return the default perceptual loss: three layers with unit-normalised channels, plus L1.

    The layers keep edges (relu1_2), texture (relu2_2) and larger patterns (relu3_3); the pixel term keeps
    colours and flat areas in place.
    """
    layers = {"relu1_2": 4.0, "relu2_2": 4.0, "relu3_3": 4.0}
    features = FeatureReconstructionLoss(network, layers, "unit", input_range, weights)
    return features + in_unit_range(L1Loss(), input_range)


def johnson(network: str = "compact", weights: Weights = "default", input_range: InputRange = UNIT) -> Loss:
    """Return Johnson's feature loss for super-resolution, at relu2_2."""
    return FeatureReconstructionLoss(network, {"relu2_2": 1.0}, input_range=input_range, weights=weights)


def johnson_style(
    network: str = "compact",
    weights: Weights = "default",
    style: Tensor | str | Path | None = None,
    input_range: InputRange = UNIT,
) -> Loss:
    """Return Johnson's style transfer: content at relu2_2, style at four layers, total variation."""
    style_layers = dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 5.0)
    features = PerceptualLoss(
        network, ["relu2_2"], "mse", style_layers, "mse", style, input_range=input_range, weights=weights
    )
    # His total variation is half the sum over pixels in [0, 255].
    return features + 1e-6 * 255**2 / 2 * in_unit_range(TotalVariationLoss("power", 2.0, "sum"), input_range)


def gatys(
    weights: Weights = "default", style: Tensor | str | Path | None = None, input_range: InputRange = UNIT
) -> Loss:
    """Return Gatys' objective for one picture, with a content to style ratio of 1e-3."""
    # His style term is a quarter of the squared norm of the Gram matrices' difference, a fifth for each layer.
    style_layers = {f"conv{block}_1": 0.25 / 5 for block in range(1, 6)}
    content = {"conv4_2": 1e-3}
    return PerceptualLoss(
        "vgg19", content, "half_sum", style_layers, "frobenius", style, input_range=input_range, weights=weights
    )


def vgg19(layers: dict[str, float], distance: Distance, pixel: float = 0.0, scale: float = 1.0) -> Callable[..., Loss]:
    """Return what builds features of VGG-19 times ``scale``, plus ``pixel`` times L1."""

    def build(weights: Weights = "default", input_range: InputRange = UNIT) -> Loss:
        features = FeatureReconstructionLoss("vgg19", layers, distance, input_range, weights)
        scaled = features if scale == 1 else scale * features
        return scaled + pixel * in_unit_range(L1Loss(), input_range) if pixel else scaled

    return build


def dped(weights: Weights = "default", input_range: InputRange = UNIT) -> Loss:
    """Return DPED's content, colour and total variation; its sums over patches of 100 x 100 as means."""
    content = FeatureReconstructionLoss("vgg19", {"relu5_4": 1.0}, input_range=input_range, weights=weights)
    color = in_unit_range(BlurredColorLoss(), input_range)
    smooth = in_unit_range(TotalVariationLoss("squared"), input_range)
    return 10 * content + 0.5 * (3 * 100**2 / 2) * color + 2000 * smooth


FIRST_RELUS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

PRESETS: dict[str, Preset] = {
    "mse": Preset(
        "MSE",
        "mean squared error of the pixels",
        mse,
    ),
    "l1": Preset(
        "L1",
        "mean absolute error of the pixels",
        l1,
    ),
    "perceptual": Preset(
        "perceptual loss",
        "4 x features at relu1_2, relu2_2 and relu3_3, unit-normalised, plus L1",
        perceptual,
        "this project's default; the distance is that of Zhang et al. 2018 without learned weights",
    ),
    "course": Preset(
        "the course's loss",
        "L1 of VGG-16's relu3_3 at 224 x 224",
        course,
        "the course's exercise 1, with pictures normalised for VGG-16, of which the course says nothing",
    ),
    "johnson": Preset(
        "Johnson's feature loss",
        "squared difference of relu2_2, as Johnson et al. train super-resolution",
        johnson,
        "Johnson et al., ECCV 2016",
    ),
    "johnson_style": Preset(
        "Johnson's style transfer",
        "content at relu2_2, 5 x style at relu1_2, relu2_2, relu3_3 and relu4_3, total variation",
        johnson_style,
        "Johnson et al., ECCV 2016; weights and mean over Gram entries of the released code, whose content layer "
        "is relu3_3 and whose Caffe VGG has features of another scale: tune the style weight",
    ),
    "gatys": Preset(
        "Gatys' style transfer",
        "content at VGG-19's conv4_2, style at conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1",
        gatys,
        "Gatys et al., CVPR 2016; there with average pooling and rescaled weights: tune the ratio",
    ),
    "srgan": Preset(
        "SRGAN's content loss",
        "0.006 x squared difference of VGG-19's relu5_4",
        vgg19({"relu5_4": 1.0}, "mse", scale=0.006),
        "Ledig et al., CVPR 2017 (features divided by 12.75)",
        ("vanilla", 1e-3),
    ),
    "esrgan": Preset(
        "ESRGAN's content loss",
        "L1 of VGG-19's conv5_4 before the ReLU, plus 0.01 x L1 of the pixels",
        vgg19({"conv5_4": 1.0}, "l1", pixel=0.01),
        "Wang et al., ECCV Workshops 2018",
        ("relativistic", 5e-3),
    ),
    "real_esrgan": Preset(
        "Real-ESRGAN's content loss",
        "L1 of VGG-19's conv1_2, conv2_2 (0.1 each), conv3_4, conv4_4 and conv5_4 (1 each), plus L1 of the pixels",
        vgg19({"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}, "l1", pixel=1.0),
        "Wang et al., ICCV Workshops 2021, released options",
        ("vanilla", 0.1),
    ),
    "uegan": Preset(
        "UEGAN's perceptual loss",
        "squared difference of VGG-19's relu1_1 to relu5_1, every channel normalised over the picture",
        vgg19(dict(zip(FIRST_RELUS, (1 / 64, 1 / 64, 1 / 32, 1 / 32, 1.0), strict=True)), "instance"),
        "Ni et al., IEEE TIP 2020, released code, which halves the adversarial loss; compares the output with the "
        "input",
        ("relativistic_hinge", 0.1),
    ),
    "old_films": Preset(
        "old films' perceptual loss",
        "L1 of VGG-19's relu1_1 to relu5_1, weighted 1/32, 1/16, 1/8, 1/4 and 1",
        vgg19(dict(zip(FIRST_RELUS, (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), strict=True)), "l1"),
        "Wan et al., Bringing Old Films Back to Life, CVPR 2022, released code",
    ),
    "old_films_equal": Preset(
        "old films' perceptual loss, equal weights",
        "L1 of VGG-19's relu1_1 to relu5_1, weighted 1 each",
        vgg19(dict.fromkeys(FIRST_RELUS, 1.0), "l1"),
        "the same with the weights that a later user changed it to, for 0.6 dB with ImageNet's normalisation",
    ),
    "dped": Preset(
        "DPED's loss",
        "10 x VGG-19's relu5_4, 0.5 x blurred colour, 2000 x total variation",
        dped,
        "Ignatov et al., ICCV 2017, released code; its critic sees grey pictures",
        ("vanilla", 1.0),
    ),
}
