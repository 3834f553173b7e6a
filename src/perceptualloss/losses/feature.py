"""The feature reconstruction loss: compare what a frozen network sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.checks import InputError, check_choice
from perceptualloss.loss_networks.loss_network import InputRange, LossNetwork, loss_network
from perceptualloss.losses.distance import DISTANCES, absolute
from perceptualloss.losses.loss import Loss


def feature_reconstruction(
    output: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    layers: Mapping[str, float],
    distance: str = "mse",
) -> dict[str, Tensor]:
    r"""Return :math:`\lambda_j\, d(\phi_j(\hat y), \phi_j(y))` for every layer j, each (N,).

    Args:
        output: features by layer, (N, C, H, W), of the transformed pictures.
        target: the same of the pictures they should look like.
        layers: the weight :math:`\lambda_j` of every layer.
        distance: "mse", :math:`\frac{1}{CHW}\|\cdot\|_2^2` as in the paper; "l1",
            :math:`\frac{1}{CHW}\|\cdot\|_1`; or "unit", squared between unit-normalised channels as LPIPS.

    Source: Johnson et al. 2016, equation 2.
    """
    measure = DISTANCES[check_choice("distance", distance, DISTANCES)]
    return {layer: weight * measure(output[layer], target[layer]) for layer, weight in layers.items()}


class FeatureReconstructionLoss(Loss):
    r"""The weighted distance between features, :math:`\sum_j \lambda_j\, d(\phi_j(\hat y), \phi_j(y))`.

    Args:
        network: the loss network: "vgg16", "vgg19" or "compact" (embedded, needs no download).
        layers: the weight of every layer, such as ``{"relu2_2": 1.0}``.
        distance: "mse", :math:`\frac{1}{CHW}\|\cdot\|_2^2` as in the paper; "l1",
            :math:`\frac{1}{CHW}\|\cdot\|_1`; or "unit", squared between unit-normalised channels as LPIPS.
        input_range: the range of the images, (0, 1) by contract (see :class:`LossNetwork`).
        weights: "default", a weights file, or None for random weights (see :func:`loss_network`).

    Raises:
        InputError: for an unknown network, layer or distance, or weights that cannot be had.

    Source: Johnson et al. 2016, equation 2.

    >>> loss = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0})
    >>> output = torch.rand(2, 3, 32, 32, requires_grad=True)
    >>> loss(output, torch.rand(2, 3, 32, 32)).backward()
    """

    def __init__(
        self,
        network: str = "vgg16",
        layers: Mapping[str, float] | None = None,
        distance: Literal["mse", "l1", "unit"] = "mse",
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
    ) -> None:
        super().__init__(input_range)
        self.layers = dict({"relu2_2": 1.0} if layers is None else layers)
        self.distance = check_choice("distance", distance, DISTANCES)
        self.network: LossNetwork = loss_network(network, self.layers, weights, self.input_range)

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        with torch.no_grad():
            target_features = self.network(target)
        return feature_reconstruction(self.network(output), target_features, self.layers, self.distance)


class VGG16PerceptualLoss(Loss):
    r"""The course's perceptual loss: :math:`\frac{1}{CHW}\|\phi(\hat y) - \phi(y)\|_1` at VGG-16's relu3_3.

    Both pictures are resized to 224 x 224 (bilinear, ``align_corners=False``, not antialiased), run through
    torchvision's ``vgg16().features[:16]``, and compared by the mean absolute difference.

    The course feeds it images that are already normalised with ImageNet's statistics and normalises nothing
    itself; with ``input_range="imagenet"`` that is what this loss does. By default images are in (0, 1) and
    normalised inside, which gives the same value for the same pictures.

    Args:
        resize: the size (height, width) at which the pictures are compared; None leaves it alone.
        weights: "imagenet", a weights file, or None for random weights (see :func:`loss_network`).
        input_range: the range of the images (see :class:`LossNetwork`).

    Raises:
        InputError: if the weights cannot be had, or for an unusable size.

    Source: the course "Perceptual Loss", exercise 1; after Johnson et al. 2016.
    """

    def __init__(
        self,
        resize: tuple[int, int] | None = (224, 224),
        weights: str | Path | None = "imagenet",
        input_range: InputRange = (0.0, 1.0),
    ) -> None:
        super().__init__(input_range)
        if resize is not None and not (len(resize) == 2 and all(isinstance(n, int) and n > 0 for n in resize)):
            raise InputError("resize to be (height, width) in pixels, or None", repr(resize))
        self.resize = resize
        self.network = loss_network("vgg16", ["relu3_3"], weights, self.input_range)

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the mean absolute difference of the features of each image, (N,)."""
        with torch.no_grad():
            target_features = self.network(self._resized(target))["relu3_3"]
        return {"relu3_3": absolute(self.network(self._resized(output))["relu3_3"], target_features)}

    def _resized(self, images: Tensor) -> Tensor:
        if self.resize is None or tuple(images.shape[-2:]) == self.resize:
            return images
        return F.interpolate(images, size=self.resize, mode="bilinear", align_corners=False)
