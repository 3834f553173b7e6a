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
    r"""Content, style and LPIPS through one loss network, which runs once for all of them.

    Call it as ``loss(output, target)`` with pictures (N, 3, H, W) in [0, 1]. It gives a scalar in [0, ∞): 0 for equal
    pictures, lower is nearer. Without settings it compares the features of VGG-16 at relu2_2.

    .. math:: \ell = \sum_j \lambda_j\, d(\phi_j(\hat y), \phi_j(y))
              + \frac{1}{K} \sum_{k<K} \sum_j \mu_j \|G_j(\hat y_{/2^k}) - G_j(y_{/2^k})\|_F^2
              + \nu\, \text{LPIPS}(\hat y, y)

    Here :math:`\hat y` is the output and :math:`y` the target. :math:`\phi_j` are the features of layer j, and
    :math:`G_j` is their Gram matrix. :math:`y_{/2^k}` is the picture at :math:`1/2^k` of its height and width.

    - **Terms**: ``loss.terms(output, target)`` names them ``feature``, ``style`` and ``lpips``. Style at half the size
      is ``style_2``, at a quarter ``style_4``. A term of several layers is one for each: ``style/relu1_2``.
    - **Cost**: the network runs once on the output and once on the target. On the target it records no graph, and runs
      no further than needed. Each smaller size adds one more run of both.

    Args:
        network: "vgg16", "vgg19", "compact" (ships with the package, no download), any other name that
            :func:`loss_network` takes, or a :class:`LossNetwork` that you built.
        layers: content layers with their weights :math:`\lambda_j`, such as ``{"relu2_2": 1.0}``. Names alone weigh 1.
            None for no content term.
        distance: the distance d of features (see :class:`FeatureReconstructionLoss`).
        style_layers: style layers with their weights :math:`\mu_j`; None for no style term.
        style_distance: the distance of Gram matrices (see :class:`StyleReconstructionLoss`), or "wasserstein" to
            compare the distributions of features (see :class:`SlicedWassersteinLoss`).
        style: a fixed style, a picture or a file, in place of the target's style.
        lpips: the weight :math:`\nu` of LPIPS; 0 for none. The network must then be VGG-16, AlexNet or SqueezeNet.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        weights: "default", the path of a weights file, or None for random weights (see :func:`loss_network`).
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`).
        style_scales: the number of sizes K at which styles are compared, each half of the one before. They share
            :math:`\mu_j` equally. A small network such as "compact" sees fine strokes only: one size gives a photo the
            grain of a painting, three give it its colours and large strokes, too.
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown network, layer or distance, weights that cannot be had, style_scales below 1, no term
            at all, or an option of a term that is not there.

    Source: Johnson et al. 2016; LPIPS: Zhang et al. 2018; several sizes: Snelgrove 2017 (see
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
