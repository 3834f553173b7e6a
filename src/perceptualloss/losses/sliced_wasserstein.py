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
from perceptualloss.losses.mask import Weights, weighted_mean
from perceptualloss.losses.network_loss import Features
from perceptualloss.losses.places import Places
from perceptualloss.losses.style import StyleLoss
from perceptualloss.numerics import exact_product, wide
from perceptualloss.pictures.ranges import InputRange

_Set = tuple[Tensor, Tensor | None]  # vectors (N, C, P), and how much each counts, (N, P) or (1, P)
SEED = 0  # of the draws in evaluation
ENOUGH = 16384  # positions of a fixed style that evaluation sorts


def sliced_wasserstein(
    output: Tensor,
    style: Tensor,
    directions: Tensor,
    weights: Tensor | None = None,
    style_weights: Tensor | None = None,
) -> Tensor:
    r"""Return :math:`\frac{1}{KP}\sum_{k,p} (\hat s_{kp} - s_{kp})^2 / \overline{\phi(y)^2}` of each picture, (N,).

    :math:`\hat s_k` are the projections of the output's P feature vectors on the direction k, in ascending order,
    and :math:`s_k` those of the style, interpolated to as many. The mean square of the style's features makes it
    a share: layers with large features weigh no more than others. With weights as masses,
    :math:`\hat s_k` are P evenly spaced quantiles of the weighted distribution; the mean square is weighted, too.

    Args:
        output: feature vectors, (N, C, P).
        style: those of the style, (N, C, Q) or (1, C, Q).
        directions: (K, C), of unit length.
        weights: how much each of the output's vectors counts, (N, P) or (1, P); None for equal weights.
        style_weights: the same of the style, (N, Q) or (1, Q).

    Source: Heitz et al. 2021, equations 3 and 4.

    >>> features = torch.rand(1, 4, 100)
    >>> shuffled = features[..., torch.randperm(100)]
    >>> round(float(sliced_wasserstein(features, shuffled, torch.eye(4))), 6)
    0.0
    """
    with torch.no_grad():
        quantiles = _quantiles(exact_product(directions, style), style_weights)
        if quantiles.shape[2] != output.shape[2]:
            quantiles = torch.nn.functional.interpolate(
                quantiles, size=output.shape[2], mode="linear", align_corners=False
            )
        scale = weighted_mean(style.square().unsqueeze(2), _row(style_weights))
    projected = _quantiles(exact_product(directions, output), weights)
    return (projected - quantiles).square().mean(dim=(1, 2)) / scale.clamp_min(torch.finfo(scale.dtype).tiny)


def _quantiles(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return as many evenly spaced quantiles of values (N, K, P) as there are values, with weights (N, P) as masses."""
    ordered, order = torch.sort(values, dim=2)
    if weights is None:
        return ordered
    batch = max(len(values), len(weights))
    ordered, order = ordered.expand(batch, -1, -1), order.expand(batch, -1, -1)
    masses = weights.unsqueeze(1).expand_as(order).gather(2, order).cumsum(dim=2)
    total, count = masses[..., -1:], values.shape[2]
    middles = (torch.arange(count, device=values.device, dtype=values.dtype) + 0.5) * (total / count)
    found = torch.searchsorted(masses, middles).clamp(max=count - 1)  # never one without a mass
    return torch.where(total > 0, ordered.gather(2, found), 0)


def _row(weights: Tensor | None) -> Weights | None:
    """Return the weights (N, P) of vectors as those of a picture of one row."""
    return None if weights is None else Weights.of(weights[:, None, None])


class SlicedWassersteinLoss(StyleLoss):
    r"""How far the features of output and target are from having the same distribution, wherever they are.

    .. math:: \ell = \sum_j \lambda_j W_j

    :math:`W_j` is the :func:`sliced_wasserstein` distance of layer j. Gram matrices agree once the means of products
    do, which a few pixels of extreme colour can supply. This loss asks for the same values equally often. Networks
    trained with it on a small loss network take the palette without such patches.

    - **Training**: each call looks at random directions and positions.
    - **Evaluation** (``loss.eval()``): it looks at all positions and as many directions as channels, the same ones
      every time, as L-BFGS and reports need. That is slower, and nothing an optimiser could get round.
    - **Sizes**: output and target may differ in height and width, and one target may serve a whole batch.
    - **Range**: [0, ∞), lower is nearer; equal pictures give 0.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: layers with their weights; by default relu1_2, relu2_2, relu3_3 and relu4_3, each with weight 1.
        style: a fixed style for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a file. Its
            features are computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`). A network that
            you built has its own.
        weights: "default", the path of a weights file, or None for random weights (see :func:`loss_network`).
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network: 1 for half their size.
        directions: in training, at most so many in each layer, orthogonal to each other.
        positions: in training, at most so many of each picture, drawn without repetition.
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

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
        tile: int | None = None,
    ) -> None:
        if directions < 1 or positions < 1:
            raise InputError("directions and positions from 1", f"{directions} and {positions}")
        super().__init__(
            network, layers, style, input_range, weights, augment, halvings, reduction, checkpoint, chunk, tile
        )
        self.directions, self.positions = directions, positions

    @property
    def draws(self) -> bool:
        """Whether it draws from torch's generators: in training."""
        return self.training

    def why_whole(self) -> str:
        """Return why it must see whole maps."""
        return "one that sorts all positions of a layer"

    def summary(self, features: Tensor, weights: Weights | None = None) -> Tensor:
        """Return the feature vectors, (N, C, H W), whose weights go beside them."""
        return wide(features).flatten(2)

    def from_features(self, output: Features, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        styles, distances = self.styles(target), {}
        for layer, weight in self.layers.items():
            own = None if weights is None else weights[layer].positions.flatten(1)
            found, style = (self.summary(output[layer]), own), (styles[layer], own if self.needs_target else None)
            with torch.autocast(found[0].device.type, enabled=False):
                if self.training:
                    directions = _directions(found[0], self.directions)
                    found, style = _some([found, style], self.positions)
                else:
                    total = 0 if self.needs_target else style[0].shape[2]
                    directions, chosen = _fixed(found[0].shape[1], total, found[0].device, found[0].dtype)
                    style = (style[0][..., chosen], None) if len(chosen) else style
                value = sliced_wasserstein(found[0], style[0], directions, found[1], style[1])
                distances[layer] = weight * value
        return distances


def _directions(features: Tensor, count: int) -> Tensor:
    """Return (at most ``count``, C) orthogonal directions of unit length, drawn evenly over the sphere."""
    channels = features.shape[1]
    return _orthogonal(torch.randn(channels, min(count, channels), device=features.device), features.dtype)


def _orthogonal(normal: Tensor, dtype: torch.dtype) -> Tensor:
    """Return directions from what was drawn in 32 bits: torch draws other numbers in 64."""
    basis: Tensor = torch.linalg.qr(normal.to(dtype)).Q
    return basis.mT


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # no graph may make a generator
@torch.inference_mode(False)
def _fixed(channels: int, positions: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the same directions every time, as many as channels, and ENOUGH of more positions (none: all)."""
    generator = torch.Generator(device).manual_seed(SEED)
    normal = torch.randn(channels, channels, generator=generator, device=device)
    chosen = torch.randperm(positions, generator=generator, device=device)[:ENOUGH] if positions > ENOUGH else ()
    return _orthogonal(normal, dtype), torch.as_tensor(chosen, dtype=torch.int64, device=device)


def _some(sets: Sequence[_Set], count: int) -> list[_Set]:
    """Return at most ``count`` of the vectors in each set, the same ones of sets of the same size."""
    drawn: dict[int, Tensor] = {}
    for vectors, _ in sets:
        total = vectors.shape[2]
        if total > count and total not in drawn:
            drawn[total] = torch.randperm(total, device=vectors.device)
    return [_picked(*one, drawn[one[0].shape[2]], count) if one[0].shape[2] in drawn else one for one in sets]


def _picked(vectors: Tensor, weights: Tensor | None, order: Tensor, count: int) -> _Set:
    """Return the first ``count`` vectors in an order; those that weigh something come before the others."""
    if weights is None:
        return vectors[..., order[:count]], None
    idle = (weights[:, order] <= 0).to(torch.uint8)
    chosen = order[torch.argsort(idle, dim=1, stable=True)[:, :count]]
    batch = max(len(vectors), len(chosen))
    places = chosen.unsqueeze(1).expand(batch, vectors.shape[1], -1)
    return vectors.expand(batch, -1, -1).gather(2, places), weights.gather(1, chosen)
