"""The style reconstruction loss: compare which features go together, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from perceptualloss.errors import check_choice
from perceptualloss.features.network import InputRange, LossNetwork
from perceptualloss.losses.gram import gram_matrix
from perceptualloss.losses.network_loss import Augment, Features
from perceptualloss.losses.style_loss import StyleLoss

StyleDistance = Literal["frobenius", "mse", "l1"]
STYLE_DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "frobenius": lambda difference: difference.square().sum(dim=(1, 2)),
    "mse": lambda difference: difference.square().mean(dim=(1, 2)),
    "l1": lambda difference: difference.abs().mean(dim=(1, 2)),
}


def style_reconstruction(
    output: Features, target_grams: Features, layers: Mapping[str, float], distance: str = "frobenius"
) -> dict[str, Tensor]:
    r"""Return :math:`\lambda_j \|G_j(\hat y) - G_j(y)\|_F^2` for every layer j, each (N,).

    Args:
        output: features by layer, (N, C, H, W), of the transformed pictures.
        target_grams: Gram matrices by layer, (N, C, C) or (1, C, C), of the style (:func:`gram_matrix`).
        layers: the weight :math:`\lambda_j` of every layer.
        distance: "frobenius" as above, "mse" for that divided by :math:`C^2`, or "l1" for the mean absolute
            difference of the entries.

    Source: Johnson et al. 2016, equation 4.
    """
    measure = STYLE_DISTANCES[check_choice("distance", distance, STYLE_DISTANCES)]
    return {
        layer: weight * measure(gram_matrix(output[layer]) - target_grams[layer]) for layer, weight in layers.items()
    }


class StyleReconstructionLoss(StyleLoss):
    r"""The distance between Gram matrices, :math:`\sum_j \lambda_j \|G_j(\hat y) - G_j(y)\|_F^2`.

    Gram matrices have the same shape whatever the size of the picture: output and target may differ in height
    and width, and one target may serve a whole batch. Lies in [0, ∞); 0 for equal pictures, lower is nearer.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: the weight of every layer, by default 1 at relu1_2, relu2_2, relu3_3 and relu4_3.
        distance: "frobenius", squared; "mse", that divided by :math:`C_j^2`; or "l1", mean absolute difference.
        style: a fixed style, for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a
            file. Its Gram matrices are computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the images, (0, 1) by contract (see :class:`LossNetwork`); a network that you
            built has its own.
        weights: "default", a weights file, or None for random weights (see :func:`loss_network`).
        augment: "geometric" for random changes before the network (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network: its filters then see strokes
            2, 4, ... times as large. :class:`PerceptualLoss` sums several sizes (``style_scales``).

    Raises:
        InputError: for an unknown network, layer or distance, weights that cannot be had, unusable halvings, or a
            style that is no single picture.

    Source: Johnson et al. 2016, equations 3 and 4; Gatys et al. 2016; smaller sizes: Snelgrove, "High-Resolution
    Multi-Scale Neural Texture Synthesis", 2017.

    >>> import torch
    >>> loss = StyleReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0}, style=torch.rand(3, 40, 40))
    >>> output = torch.rand(2, 3, 32, 24, requires_grad=True)
    >>> loss(output).backward()
    """

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        distance: StyleDistance = "frobenius",
        style: Tensor | str | Path | None = None,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        halvings: int = 0,
    ) -> None:
        check_choice("distance", distance, STYLE_DISTANCES)
        super().__init__(network, layers, style, input_range, weights, augment, halvings)
        self.distance = distance

    def summary(self, features: Tensor) -> Tensor:
        """Return the Gram matrices, (N, C, C)."""
        return gram_matrix(features)

    def from_features(self, output: Features, target: Features) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        return style_reconstruction(output, self.styles(target), self.layers, self.distance)
