"""The sliced Wasserstein loss: compare which features occur, and how often, wherever they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.view import Augment
from perceptualloss.losses.base import Reduction
from perceptualloss.losses.network_loss import Features
from perceptualloss.losses.style import StyleLoss
from perceptualloss.numerics import exact_product, wide
from perceptualloss.pictures.ranges import InputRange

SEED = 0  # of the draws in evaluation
ENOUGH = 16384  # positions of a fixed style that evaluation sorts


def sliced_wasserstein(output: Tensor, style: Tensor, directions: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{KP}\sum_{k,p} (\hat s_{kp} - s_{kp})^2 / \overline{\phi(y)^2}` of each picture, (N,).

    :math:`\hat s_k` are the projections of the output's P feature vectors on the direction k, in ascending order,
    and :math:`s_k` those of the style, interpolated to as many. The mean square of the style's features makes it
    a share: layers with large features weigh no more than others.

    Args:
        output: feature vectors, (N, C, P).
        style: those of the style, (N, C, Q) or (1, C, Q).
        directions: (K, C), of unit length.

    Source: Heitz et al. 2021, equations 3 and 4.

    >>> features = torch.rand(1, 4, 100)
    >>> shuffled = features[..., torch.randperm(100)]
    >>> round(float(sliced_wasserstein(features, shuffled, torch.eye(4))), 6)
    0.0
    """
    with torch.no_grad():
        quantiles = torch.sort(exact_product(directions, style), dim=2).values
        if quantiles.shape[2] != output.shape[2]:
            quantiles = torch.nn.functional.interpolate(
                quantiles, size=output.shape[2], mode="linear", align_corners=False
            )
        scale = style.square().mean(dim=(1, 2))
    projected = torch.sort(exact_product(directions, output), dim=2).values
    return (projected - quantiles).square().mean(dim=(1, 2)) / scale.clamp_min(torch.finfo(scale.dtype).tiny)


class SlicedWassersteinLoss(StyleLoss):
    r"""How far the features of output and target are from having the same distribution, wherever they are.

    :math:`\sum_j \lambda_j W_j`, with the :func:`sliced_wasserstein` distance of layer j. Where Gram matrices
    agree on means of products, which a few pixels of extreme colour can supply, this asks for the same values
    equally often: networks trained with it on a small loss network take the palette without such patches.

    In training each call looks at random directions and positions. After ``loss.eval()`` it looks at all positions and
    as many directions as channels, the same ones every time, as L-BFGS and reports need: slower, and nothing that an
    optimiser could get round. Output and target may differ in height and width, and one target may serve a whole batch.
    Lies in [0, ∞), lower is nearer; 0 for equal pictures.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: the weight of every layer, by default 1 at relu1_2, relu2_2, relu3_3 and relu4_3.
        style: a fixed style, for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a
            file. Its features are computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the images, (0, 1) by contract (see :class:`LossNetwork`); a network that you
            built has its own.
        weights: "default", a weights file, or None for random weights (see :func:`loss_network`).
        augment: "geometric" or "shift" for random changes before the network (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network (see :class:`NetworkLoss`).
        directions: in training, at most so many in each layer, orthogonal to each other.
        positions: in training, at most so many of each picture, drawn without repetition.
        reduction: "mean" over the pictures of a batch, "sum", or "none" (see :class:`Loss`).
        checkpoint: whether features are computed again in the backward pass (see :class:`Passes`).
        chunk: how many pictures at most are looked at at a time (see :class:`Passes`).

    Raises:
        InputError: for an unknown network or layer, weights that cannot be had, unusable halvings, no direction or
            position, or a style that is no single picture.

    Source: Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021; with fewer directions
    than channels, some positions, and the division by the style's mean square.

    >>> loss = SlicedWassersteinLoss("compact", ["relu1_2", "relu2_2"], style=torch.rand(3, 40, 40))
    >>> output = torch.rand(2, 3, 32, 24, requires_grad=True)
    >>> loss(output).backward()
    """

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        style: Tensor | str | Path | None = None,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        halvings: int = 0,
        directions: int = 32,
        positions: int = 2048,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
    ) -> None:
        if directions < 1 or positions < 1:
            raise InputError("directions and positions from 1", f"{directions} and {positions}")
        super().__init__(network, layers, style, input_range, weights, augment, halvings, reduction, checkpoint, chunk)
        self.directions, self.positions = directions, positions

    @property
    def draws(self) -> bool:
        """Whether it draws from torch's generators: in training."""
        return self.training

    def summary(self, features: Tensor) -> Tensor:
        """Return the feature vectors, (N, C, H W)."""
        return wide(features).flatten(2)

    def from_features(self, output: Features, target: Features) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        styles, distances = self.styles(target), {}
        for layer, weight in self.layers.items():
            features, style = self.summary(output[layer]), styles[layer]
            with torch.autocast(features.device.type, enabled=False):
                if self.training:
                    directions = _directions(features, self.directions)
                    features, style = _some([features, style], self.positions)
                else:
                    generator = torch.Generator(features.device).manual_seed(SEED)
                    directions = _directions(features, features.shape[1], generator)
                    style = style if self.needs_target else _some([style], ENOUGH, generator)[0]
                distances[layer] = weight * sliced_wasserstein(features, style, directions)
        return distances


def _directions(features: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Return (at most ``count``, C) orthogonal directions of unit length, drawn evenly over the sphere."""
    channels = features.shape[1]
    normal = torch.randn(
        channels, min(count, channels), generator=generator, device=features.device, dtype=features.dtype
    )
    basis: Tensor = torch.linalg.qr(normal).Q
    return basis.mT


def _some(sets: Sequence[Tensor], count: int, generator: torch.Generator | None = None) -> list[Tensor]:
    """Return at most ``count`` of the vectors in each set (N, C, P), the same ones of sets of the same size."""
    drawn: dict[int, Tensor] = {}
    for vectors in sets:
        total = vectors.shape[2]
        if total > count and total not in drawn:
            drawn[total] = torch.randperm(total, generator=generator, device=vectors.device)[:count]
    return [vectors[..., drawn[vectors.shape[2]]] if vectors.shape[2] in drawn else vectors for vectors in sets]
