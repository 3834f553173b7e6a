"""The perceptual loss: content, style and LPIPS through one network, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import Augment
from perceptualloss.losses import lpips as lpips_module
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.feature import Distance, FeatureReconstructionLoss
from perceptualloss.losses.network_loss import layer_weights, open_network
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.style import STYLE_DISTANCES, StyleDistance, StyleReconstructionLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.pictures.ranges import InputRange


class PerceptualLoss(WeightedLoss):
    r"""Features, style and LPIPS as one network sees them, in one pass.

    :math:`\sum_j \lambda_j d(\phi_j(\hat y), \phi_j(y))
    + \frac{1}{K} \sum_{k<K} \sum_j \mu_j \|G_j(\hat y_{/2^k}) - G_j(y_{/2^k})\|_F^2
    + \nu\, \text{LPIPS}(\hat y, y)`. The network runs once on the output and once, without a graph and no
    further than needed, on the target; once more for each smaller size. Terms are called ``feature``, ``style``
    (``style_2`` at half the size, ``style_4`` at a quarter) and ``lpips``, with ``/layer`` where there are several
    layers. Lies in [0, ∞); 0 for equal pictures, lower is nearer.

    Args:
        network: the loss network: "vgg16", "vgg19", "compact" (embedded, needs no download), or one that you
            built.
        layers: the weight :math:`\lambda_j` of every content layer; None for no content term.
        distance: the distance of features (see :class:`FeatureReconstructionLoss`).
        style_layers: the weight :math:`\mu_j` of every style layer; None for no style term.
        style_distance: the distance of Gram matrices (see :class:`StyleReconstructionLoss`), or "wasserstein" for
            that of distributions of features (:class:`SlicedWassersteinLoss`).
        style: a fixed style picture or file, instead of the target's style.
        lpips: the weight :math:`\nu` of LPIPS, 0 for none; the network must then be VGG-16, AlexNet or SqueezeNet.
        input_range: the range of the images, (0, 1) by contract (see :class:`LossNetwork`).
        weights: "default", a weights file, or None for random weights (see :func:`loss_network`).
        augment: "geometric" or "shift" for random changes before the network (see :class:`NetworkLoss`).
        style_scales: at how many sizes styles are compared, each half the one before, K; :math:`\mu_j` is
            shared equally. A small network such as "compact" sees fine strokes only: with one size it is content
            where a photo gets the painting's grain, with three it takes its colours and large strokes too.
        reduction: "mean" over the pictures of a batch, "sum", or "none" (see :class:`Loss`).
        checkpoint: whether features are computed again in the backward pass (see :class:`Passes`).
        chunk: how many pictures at most are looked at at a time (see :class:`Passes`).
        tile: how many positions a side at most are looked at at a time (see :class:`Passes`).

    Raises:
        InputError: for an unknown network, layer or distance, weights that cannot be had, unusable style_scales,
            or no term at all.

    Source: Johnson et al. 2016; LPIPS by Zhang et al. 2018; several sizes: Snelgrove 2017 (see
    :class:`StyleReconstructionLoss`).

    >>> import torch
    >>> loss = PerceptualLoss("compact", {"relu2_2": 1.0}, style_layers={"relu1_2": 5.0, "relu2_2": 5.0})
    >>> list(loss.terms(*torch.rand(2, 1, 3, 32, 32)))
    ['feature', 'style/relu1_2', 'style/relu2_2']
    """

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = ("relu2_2",),
        distance: Distance = "mse",
        style_layers: Mapping[str, float] | Iterable[str] | None = None,
        style_distance: StyleDistance | Literal["wasserstein"] = "frobenius",
        style: Tensor | str | Path | None = None,
        lpips: float = 0.0,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        style_scales: int = 1,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        content = layer_weights(layers) if layers else {}
        gram = layer_weights(style_layers) if style_layers else {}
        name = network.name if isinstance(network, LossNetwork) else network
        learned = lpips_module.layers_of(name) if lpips else ()
        all_layers = [*content, *gram, *learned]
        if not all_layers:
            raise InputError("layers, style_layers or lpips", "none of them")
        if not (isinstance(style_scales, int) and style_scales >= 1):
            raise InputError("style_scales, a whole number from 1", repr(style_scales))
        check_choice("style_distance", style_distance, [*STYLE_DISTANCES, "wasserstein"])
        if style is not None and not gram:
            raise InputError("style_layers for the style picture", "none", "Such as {'relu2_2': 5.0}.")
        if not gram:
            given = {"style_distance": style_distance, "style_scales": style_scales}
            check_idle(given, {"style_distance": "frobenius", "style_scales": 1}, "without style_layers")
        if not content:
            check_idle({"distance": distance}, {"distance": "mse"}, "without layers")
        shared = open_network(network, all_layers, weights, input_range, Passes(checkpoint, chunk, tile))
        parts: dict[str, Loss] = {}
        if content:
            parts["feature"] = FeatureReconstructionLoss(shared, content, distance, augment=augment)
        for halvings in range(style_scales if gram else 0):
            name = f"style_{2**halvings}" if halvings else "style"
            parts[name] = (
                SlicedWassersteinLoss(shared, gram, style, halvings=halvings, augment=augment)
                if style_distance == "wasserstein"
                else StyleReconstructionLoss(shared, gram, style_distance, style, halvings=halvings, augment=augment)
            )
        if lpips:
            parts["lpips"] = lpips_module.LPIPS(shared, augment=augment)
        shares = {name: 1 / style_scales for name in parts if name.startswith("style")}
        super().__init__(parts, shares | ({"lpips": lpips} if lpips else {}), reduction)
