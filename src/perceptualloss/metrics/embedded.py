"""The package's own distances, by an embedded network that trains nothing."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from perceptualloss.errors import check_same_shape
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.distance import unit_over_layers
from perceptualloss.losses.mask import Mask, Masking, Weights, each, weighted
from perceptualloss.losses.places import places
from perceptualloss.metrics.metric import Distance, plain
from perceptualloss.metrics.protocol import masked
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import check_pair

LAYERS = ("relu1_1", "relu2_1", "relu3_2", "relu4_2")


@torch.no_grad()
def perceptual_distance(
    output: Tensor, target: Tensor, *, weight: Tensor | None = None, masking: Masking = "area"
) -> Tensor:
    r"""Return the distance that the embedded judge sees, (N,), in [0, 2]: 0 for equal pictures, larger is worse.

    It is the geometric mean over four layers of :math:`d_j = \frac{1}{H_jW_j}\sum_{hw}\|\hat f_{hw} - \hat
    g_{hw}\|_2^2`. :math:`\hat f` and :math:`\hat g` are the features of output and target, each position divided by its
    length over channels.

    The judge is a small network that ships. It has another architecture than the loss network ``compact``, and was
    trained on other pictures with other signals: what trains never judges itself. This is a measure and no loss: it
    gives no gradient.

    Args:
        output: pictures (N, 3, H, W) in [0, 1].
        target: the pictures they should look like, of the same shape.
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: how much each pixel counts.
        masking: "area": a position counts as much as the pixels under it. "exact": only those count that see pixels of
            weight 1 alone.

    Raises:
        InputError: for other shapes, types or ranges.

    Source: the distance in a layer is LPIPS's without learned weights (Zhang et al. 2018).
    """
    check_same_shape("output", output, "target", target)
    check_pair(output, target)
    return masked(distance_to, output, target, weight, masking)


@torch.no_grad()
def distance_to(target: Tensor) -> Distance:
    """Return the perceptual distance to ``target`` as a function of the output; the target is looked at once."""
    of_target = _features(target)

    @torch.no_grad()
    def distance(output: Tensor, mask: Mask | None = None) -> Tensor:
        features = _features(output)
        weights = None if mask is None else places(mask, judge(), features).values()
        return unit_over_layers(features.values(), of_target.values(), weights)

    return distance


@cache
def judge() -> LossNetwork:
    """Return the embedded network that measures, with ``LAYERS``."""
    return loss_network("judge", LAYERS)


def _features(images: Tensor) -> dict[str, Tensor]:
    with torch.autocast(images.device.type, enabled=False):
        features: dict[str, Tensor] = judge().to(images.device)(images.float())
    return features


_C = 1e-6


@torch.no_grad()
def structure_texture(
    output: Tensor, target: Tensor, *, weight: Tensor | None = None, masking: Masking = "area"
) -> Tensor:
    r"""Return the structure and texture distance by the embedded judge, (N,): 0 for equal pictures, about 1 at most.

    For every channel of the picture itself and of four layers, over all places of the picture,
    :math:`l = \frac{2 \mu_x \mu_y + c}{\mu_x^2 + \mu_y^2 + c}` says how alike the texture is (how strong the
    feature is on average), and :math:`s = \frac{2 \sigma_{xy} + c}{\sigma_x^2 + \sigma_y^2 + c}` how alike the
    structure; the distance is :math:`1 - \frac{1}{2}(l + s)`, averaged over the channels, then over picture and
    layers. It has DISTS's form with equal weights in place of those fitted to people's judgement, and another
    network, so its values are not those of DISTS.

    Args:
        output: pictures (N, 3, H, W) in [0, 1].
        target: the pictures they should look like, of the same shape.
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: how much each pixel counts.
        masking: "area", a position counts as much as the pixels under it; or "exact", those positions count that see
            pixels of weight 1 alone.

    Raises:
        InputError: for other shapes, types or ranges.

    Source: the form is that of Ding et al., "Image Quality Assessment: Unifying Structure and Texture
    Similarity", 2020.
    """
    check_same_shape("output", output, "target", target)
    check_pair(output, target)
    return masked(plain(structure_and_texture), output, target, weight, masking)


@torch.no_grad()
def structure_and_texture(output: Tensor, target: Tensor, mask: Mask | None = None) -> Tensor:
    """Return :func:`structure_texture` of pictures that were checked."""
    features, of_target = _features(output), _features(target)
    stages = [(output, target), *((features[layer], of_target[layer]) for layer in LAYERS)]
    weights: list[Weights | None] = [None] * len(stages)
    if mask is not None:
        of_layers = places(mask, judge(), features)
        weights = [each(mask), *(of_layers[layer] for layer in LAYERS)]
    return torch.stack([_stage(x, y, own) for (x, y), own in zip(stages, weights, strict=True)]).mean(dim=0)


def _stage(x: Tensor, y: Tensor, weights: Weights | None) -> Tensor:
    """Return the distance in a layer; with weights, means and covariances are weighted ones."""

    def mean(values: Tensor) -> Tensor:
        means = weighted(values, weights).flatten(2).mean(dim=2)
        return (means if weights is None else means * weights.scale().unsqueeze(1))[..., None, None]

    x, y = wide(x), wide(y)
    mean_x, mean_y = mean(x), mean(y)
    x, y = x - mean_x, y - mean_y
    covariance, variances = mean(x * y)[..., 0, 0], mean(x.square() + y.square())[..., 0, 0]
    product, squares = (mean_x * mean_y)[..., 0, 0], (mean_x.square() + mean_y.square())[..., 0, 0]
    texture, structure = (2 * product + _C) / (squares + _C), (2 * covariance + _C) / (variances + _C)
    return 1 - (texture + structure).mean(dim=1) / 2
