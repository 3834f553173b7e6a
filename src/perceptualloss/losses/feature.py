"""The feature reconstruction loss: compare what a frozen network sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import check_choice, check_same_shape
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import Augment
from perceptualloss.losses.base import Reduction
from perceptualloss.losses.distance import DISTANCES, ratio, relative_sums, unit_map
from perceptualloss.losses.mask import Masking, Weights, checked_mask, weighted
from perceptualloss.losses.network_loss import Features, NetworkLoss, layer_weights, open_network
from perceptualloss.losses.places import Places, places
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import InputRange

Distance = Literal["mse", "half_sum", "l1", "charbonnier", "unit", "instance", "relative"]


def feature_reconstruction(
    output: Features,
    target: Features,
    layers: Mapping[str, float],
    distance: str = "mse",
    weights: Places | None = None,
) -> dict[str, Tensor]:
    r"""Return :math:`\lambda_j\, d(\phi_j(\hat y), \phi_j(y))` for every layer j, each (N,).

    Args:
        output: features by layer, (N, C, H, W), of the transformed pictures.
        target: the same of the pictures they should look like.
        layers: the weight :math:`\lambda_j` of every layer.
        distance: see :class:`FeatureReconstructionLoss`.
        weights: how much each position of a layer counts, by layer; None for equal weights.

    Source: Johnson et al. 2016, equation 2.
    """
    measure = DISTANCES[check_choice("distance", distance, DISTANCES)]
    own = weights or {}
    return {layer: weight * measure(output[layer], target[layer], own.get(layer)) for layer, weight in layers.items()}


class FeatureReconstructionLoss(NetworkLoss):
    r"""The distance between what a frozen network sees in output and target, summed over layers.

    .. math:: \ell = \sum_j \lambda_j\, d(\phi_j(\hat y), \phi_j(y))

    :math:`\phi_j` are the features of layer j, (C, H, W) for each picture; :math:`\lambda_j` is its weight and d the
    distance. The result is in [0, ∞), or in [0, 4] times the weights for "unit" and "instance". Equal pictures give 0,
    or epsilon times the weights for "charbonnier". Lower is nearer.

    The distances:

    - "mse": :math:`\frac{1}{CHW}\|\phi(\hat y) - \phi(y)\|_2^2`, as in the paper.
    - "half_sum": :math:`\frac{1}{2}\|\phi(\hat y) - \phi(y)\|_2^2`, as in Gatys et al.
    - "l1": :math:`\frac{1}{CHW}\|\phi(\hat y) - \phi(y)\|_1`.
    - "charbonnier": "l1", but smooth at zero.
    - "unit": the squared distance after each position is divided by its length over channels, as in LPIPS.
    - "instance": the squared distance after each channel is normalised over the picture, as in UEGAN.
    - "relative": :math:`\|\phi(\hat y) - \phi(y)\|_2^2 / \|\phi(y)\|_2^2`.

    Args:
        network: "vgg16", "vgg19", "compact" (ships with the package, no download), any other name that
            :func:`loss_network` takes, or a :class:`LossNetwork` that you built.
        layers: layers with their weights, such as ``{"relu2_2": 1.0}``; None is this one. ``relu2_2`` is behind the
            ReLU, ``conv2_2`` before it.
        distance: one of the list above.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`). A network that
            you built has its own.
        weights: "default", the path of a weights file, or None for random weights (see :func:`loss_network`).
        resize: (height, width) in pixels to which both pictures are resized first; None keeps their size.
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown network, layer or distance, or weights that cannot be had.

    Source: Johnson et al. 2016, equation 2.

    >>> import torch
    >>> loss = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0})
    >>> output = torch.rand(2, 3, 32, 32, requires_grad=True)
    >>> loss(output, torch.rand(2, 3, 32, 32)).backward()
    """

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        distance: Distance = "mse",
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        resize: tuple[int, int] | None = None,
        augment: Augment | None = None,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        weighted = layer_weights({"relu2_2": 1.0} if layers is None else layers)
        check_choice("distance", distance, DISTANCES)
        opened = open_network(network, weighted, weights, input_range, Passes(checkpoint, chunk, tile))
        super().__init__(opened, weighted, resize=resize, augment=augment, reduction=reduction)
        self.layers, self.distance = weighted, distance

    def from_features(self, output: Features, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        return feature_reconstruction(output, target, self.layers, self.distance, weights)

    def why_whole(self) -> str:
        """Return why it must see whole maps."""
        normal = self.distance == "instance"
        return "mean and variance over the picture (distance='instance')" if normal else super().why_whole()

    def at_places(self, layer: str, output: Tensor, target: Tensor | None, weights: Weights) -> Tensor:
        """Return what a part of a layer's positions adds, (N,); of the distance "relative" both sums, (N, 2)."""
        goal = cast(Tensor, target)
        if self.distance == "relative":
            return torch.stack(relative_sums(output, goal, weights), dim=1)
        return DISTANCES[self.distance](output, goal, weights)

    def from_places(self, sums: Features, target: Features) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        if self.distance == "relative":
            sums = {layer: ratio(*found.unbind(1)) for layer, found in sums.items()}
        return {layer: weight * sums[layer] for layer, weight in self.layers.items()}


class VGG16PerceptualLoss(FeatureReconstructionLoss):
    r"""The course's perceptual loss: the mean absolute difference of features at VGG-16's relu3_3.

    .. math:: \ell = \frac{1}{CHW}\|\phi(\hat y) - \phi(y)\|_1

    1. Both pictures, (N, 3, H, W), are resized to 224 x 224 (bilinear, ``align_corners=False``, not antialiased).
    2. They run through torchvision's ``vgg16().features[:16]``, whose last layer is relu3_3.
    3. The features are compared by the mean absolute difference. It is in [0, ∞); equal pictures give 0.

    **Normalisation.** By default pictures are in [0, 1], and are normalised inside with ImageNet's statistics, as the
    weights were trained. The course's code does not normalise: it gives the pictures to VGG-16 as they are, and its
    text does not say that they are normalised. ``input_range="imagenet"`` does the same and gives the values of the
    course's code. For pictures in [0, 1] the two values differ.

    Args:
        resize: (height, width) in pixels to which both pictures are resized first; None keeps their size.
        weights: "imagenet", the path of a weights file, or None for random weights (see :func:`loss_network`).
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for weights that cannot be had, or an unusable size.

    Source: the course "Perceptual Loss", exercise 1; after Johnson et al. 2016.

    >>> loss = VGG16PerceptualLoss(resize=(32, 32), weights=None)
    >>> loss(*torch.rand(2, 1, 3, 48, 48)).shape
    torch.Size([])
    """

    def __init__(
        self,
        resize: tuple[int, int] | None = (224, 224),
        weights: str | Path | None = "imagenet",
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        super().__init__(
            "vgg16",
            {"relu3_3": 1.0},
            "l1",
            input_range,
            weights,
            resize,
            reduction=reduction,
            checkpoint=checkpoint,
            chunk=chunk,
            tile=tile,
        )


MAP_DISTANCES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda output, target: (wide(output) - wide(target)).square().mean(dim=1),
    "l1": lambda output, target: (wide(output) - wide(target)).abs().mean(dim=1),
    "unit": unit_map,
}


def loss_maps(
    output: Tensor,
    target: Tensor,
    network: LossNetwork,
    layers: Iterable[str] | None = None,
    distance: str = "mse",
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> dict[str, Tensor]:
    r"""Return :math:`m_j(h, w) = \frac{1}{C}\|\phi_j(\hat y)_{hw} - \phi_j(y)_{hw}\|_2^2` of every layer j.

    Each is (N, H_j, W_j), of the layer's own size (:func:`enlarged` brings it to the picture's), at least 0, and 0
    where the layer sees no difference. Its mean is the feature reconstruction loss of that layer with weight 1. The
    gradient flows to the output alone.

    Args:
        output: (N, 3, H, W) in the network's ``input_range``.
        target: the pictures they should look like, of the same shape.
        network: the loss network.
        layers: by default those that the network was built with.
        distance: "mse" as above, "l1" for :math:`\frac{1}{C}\|\cdot\|_1`, or "unit" for unit-normalised channels, as
            LPIPS has them before its learned weights.
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]. Each map is multiplied by the weights of its
            positions: it is 0 where nothing counts, and where all counts what it is without a mask. The loss under the
            mask is a map's sum over that of the weights.
        masking: "area" or "exact" (see :class:`Loss`).

    Raises:
        InputError: for pictures of different shape, an unknown layer or distance, or an unusable mask.

    Source: Johnson et al. 2016, equation 2, without its mean over height and width; maps as in Zhang et al. 2018.

    >>> from perceptualloss.features.network import loss_network
    >>> output, target = torch.rand(2, 1, 3, 32, 32)
    >>> loss_maps(output, target, loss_network("compact", ["relu2_2"]))["relu2_2"].shape
    torch.Size([1, 16, 16])
    """
    measure = MAP_DISTANCES[check_choice("distance", distance, MAP_DISTANCES)]
    check_same_shape("output", output, "target", target)
    mask = None if weight is None else checked_mask(weight, output, masking)
    if mask is not None:
        output, target = mask.shown(output, network.input_range), mask.shown(target, network.input_range)
    with torch.no_grad():
        target_features = network(target, layers)
    features = network(output, tuple(target_features))
    weights = {} if mask is None else places(mask, network, features)
    return {layer: weighted(measure(features[layer], target_features[layer]), weights.get(layer)) for layer in features}


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (N, H_j, W_j) at the size of the picture, (N, H, W), bilinearly as LPIPS does."""
    return F.interpolate(maps.unsqueeze(1), size=size, mode="bilinear", align_corners=False).squeeze(1)
