"""Losses by name, as ``perceptualloss compare --losses`` takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perceptualloss.checks import check_choice
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.loss import Loss
from perceptualloss.losses.pixel import L1Loss, MSELoss


@dataclass(frozen=True)
class Preset:
    """A named loss: what it is in a few words, and how to build it on a loss network."""

    label: str
    description: str
    build: Callable[[str], Loss]


def perceptual(network: str = "compact") -> Loss:
    """Return the default perceptual loss: three layers with unit-normalised channels, plus L1.

    The layers keep edges (relu1_1), texture (relu2_1) and larger patterns (relu3_1); the pixel term keeps
    colours and flat areas in place. The first convolution after each pooling restored more detail than the
    last one before the next (docs/losses.md).
    """
    layers = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0}
    features = FeatureReconstructionLoss(network, layers, distance="unit")
    return features + L1Loss()


PRESETS: dict[str, Preset] = {
    "mse": Preset("MSE", "mean squared error of the pixels", lambda network: MSELoss()),
    "l1": Preset("L1", "mean absolute error of the pixels", lambda network: L1Loss()),
    "perceptual": Preset(
        "perceptual loss", "features at relu1_1, relu2_1 and relu3_1, unit-normalised, plus L1", perceptual
    ),
    "johnson": Preset(
        "Johnson's feature loss",
        "squared difference of relu2_2, as Johnson et al. train super-resolution",
        lambda network: FeatureReconstructionLoss(network, {"relu2_2": 1.0}),
    ),
    "course": Preset(
        "the course's loss",
        "L1 of VGG-16's relu3_3 at 224 x 224, as the course trains",
        lambda network: VGG16PerceptualLoss(),
    ),
}


def build_loss(name: str, network: str = "compact") -> Loss:
    """Build a loss by its preset's name; ``network`` is used by those that take a loss network.

    Raises:
        InputError: for an unknown name.
    """
    return PRESETS[check_choice("loss", name, PRESETS)].build(network)
