"""Distances between two batches of features or pictures: one value per image, in 32 bits or more.

``weights`` say how much each position counts: means become weighted ones, sums weighted sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from perceptualloss.losses.mask import Weights, weighted, weighted_mean
from perceptualloss.numerics import wide

EPSILON = 1e-10
INSTANCE_EPSILON = 1e-5


def squared(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|f - g\|_2^2` of each image, (N,), for features (N, C, H, W)."""
    difference = wide(output) - wide(target)
    return weighted_mean(difference.square(), weights)


def half_sum(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{1}{2}\|f - g\|_2^2` of each image, (N,): it grows with the size of the picture.

    Source: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016 (equation 1).
    """
    difference = wide(output) - wide(target)
    return weighted(difference.square(), weights).sum(dim=(1, 2, 3)) / 2


def absolute(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|f - g\|_1` of each image, (N,), for features (N, C, H, W)."""
    difference = wide(output) - wide(target)
    return weighted_mean(difference.abs(), weights)


def charbonnier(output: Tensor, target: Tensor, weights: Weights | None = None, epsilon: float = 1e-3) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\sum\sqrt{(f - g)^2 + \epsilon^2}` of each image, (N,).

    An L1 that is smooth at zero; equal features give :math:`\epsilon`, with a zero gradient.

    Source: Charbonnier et al. 1994; epsilon as in Zamir et al., "MPRNet", CVPR 2021.
    """
    difference = wide(output) - wide(target)
    return weighted_mean((difference.square() + epsilon**2).sqrt(), weights)


def unit(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{1}{HW}\sum_{hw}\|\hat f_{hw} - \hat g_{hw}\|_2^2` of each image, (N,).

    The channels of every position are divided by their Euclidean norm, as LPIPS does, so that the strength
    of the features does not count; the distance lies in [0, 4] ([0, 2] after a ReLU). Identical features give
    zero and a zero gradient.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018 (equation 1 without
    the learned weights).
    """
    return weighted_mean(unit_map(output, target), weights)


def unit_map(output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Return :math:`\sum_c w_c (\hat f_{chw} - \hat g_{chw})^2` of every position, (N, H, W).

    Args:
        output: features (N, C, H, W); the gradient flows to them alone.
        target: features of the same shape.
        weights: :math:`w_c \ge 0`, (C,); without them 1.
    """
    root = None if weights is None else weights.sqrt().view(-1, 1, 1)
    distances: Tensor = _UnitMap.apply(wide(output), wide(target), root)[0]
    return distances


def unit_channels(features: Tensor) -> Tensor:
    """Return features (N, C, H, W) with the channels of every position scaled to norm 1.

    The norm is that of LPIPS, with the epsilon under the root, so that all-zero features have a gradient.
    """
    features = wide(features)
    return features * _inverse_norm(features)


def _inverse_norm(features: Tensor) -> Tensor:
    return torch.rsqrt(torch.linalg.vector_norm(features, dim=1, keepdim=True).square() + EPSILON)


class _UnitMap(torch.autograd.Function):
    """The squared difference of unit-normalised channels, in as few passes over the features as it takes.

    With autograd's own derivative the large features of shallow layers are written a dozen times, partly in
    another memory format, which takes longer than a convolution.
    """

    @staticmethod
    def forward(output: Tensor, target: Tensor, root: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        inverse = _inverse_norm(output)
        difference = (output * inverse).sub_(target * _inverse_norm(target))  # not fused: 0 for equal features
        if root is not None:
            difference.mul_(root)
        return torch.linalg.vector_norm(difference, dim=1).square(), inverse, difference

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: tuple[Tensor, ...]) -> None:
        _, inverse, difference = output
        ctx.mark_non_differentiable(inverse, difference)
        ctx.save_for_backward(*inputs, inverse, difference)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        output, target, root, inverse, difference = ctx.saved_tensors
        factor = 2.0 if root is None else 2 * root
        if torch.is_grad_enabled():  # the derivative is to be derived again, so its parts must depend on the output
            inverse = _inverse_norm(output)
            difference = output * inverse - target * _inverse_norm(target)
            result = difference * (factor if root is None else factor * root)
            along = (result * output).sum(dim=1, keepdim=True) * inverse.square()
            return (result - output * along) * (gradient.unsqueeze(1) * inverse), None, None
        # d/df of f / |f| takes away what lies along f.
        result = difference * factor
        along = (result * output).sum(dim=1, keepdim=True) * inverse.square()
        result.addcmul_(output, along, value=-1).mul_(gradient.unsqueeze(1) * inverse)
        return result, None, None

    @staticmethod
    def vmap(
        info: Any, places: tuple[int | None, ...], output: Tensor, target: Tensor, root: Tensor | None
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Make one batch of both dimensions; the weights are never mapped."""
        joined = [
            (x.expand(info.batch_size, *x.shape) if place is None else x.movedim(place, 0)).flatten(0, 1)
            for x, place in zip((output, target), places[:2], strict=True)
        ]
        results = _UnitMap.apply(*joined, root)
        return tuple(x.unflatten(0, (info.batch_size, -1)) for x in results), (0, 0, 0)


def instance(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|\tilde f - \tilde g\|_2^2` of each image, (N,).

    Every channel of every picture is brought to mean 0 and variance 1 first, so that brightness and contrast
    of the whole picture count little: for enhancement without pairs of equal exposure. Lies in [0, 4]. With weights,
    mean and variance are those of the positions that count, as much as they count.

    Source: Ni et al., "Towards Unsupervised Deep Image Enhancement with GAN" (UEGAN), IEEE TIP 2020.
    """
    return squared(_instance_normalised(output, weights), _instance_normalised(target, weights), weights)


def _instance_normalised(features: Tensor, weights: Weights | None) -> Tensor:
    features = wide(features)
    variance, mean = torch.var_mean(features, dim=(2, 3), correction=0, keepdim=True)
    if weights is not None:
        scale = weights.scale().view(-1, 1, 1, 1)
        own_mean = weighted(features, weights).mean(dim=(2, 3), keepdim=True) * scale
        squares = weighted((features - own_mean).square(), weights)
        own_variance = squares.mean(dim=(2, 3), keepdim=True) * scale
        ones = (weights.positions == 1).all(dim=3, keepdim=True).all(dim=2, keepdim=True)
        mean = torch.where(ones, mean, own_mean)  # the same but for rounding
        variance = torch.where(ones, variance, own_variance)
    return (features - mean) * torch.rsqrt(variance + INSTANCE_EPSILON)


def relative(output: Tensor, target: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\|f - g\|_2^2 / \|g\|_2^2` of each image, (N,), for features (N, C, H, W).

    1 for features of zero, whatever the layer and the scale of its network, so that one weight fits them all. Where all
    of the target's are zero, it is divided by :math:`\epsilon` = 1e-10.
    """
    return ratio(*relative_sums(output, target, weights))


def relative_sums(output: Tensor, target: Tensor, weights: Weights | None = None) -> tuple[Tensor, Tensor]:
    """Return what :func:`relative` divides, and by what, (N,) each: sums over positions."""
    difference = wide(output) - wide(target)
    power = weighted(wide(target).detach().square(), weights)
    return weighted(difference.square(), weights).sum(dim=(1, 2, 3)), power.flatten(1).sum(dim=1)


def over_power(distance: Tensor, target: Tensor) -> Tensor:
    """Return squared distances (N,) over the sum of the target's squares, (1,) or (N,): no gradient flows to it."""
    return ratio(distance, target.detach().square().flatten(1).sum(dim=1))


def ratio(distance: Tensor, power: Tensor) -> Tensor:
    """Return distances (N,) over the sum of the target's squares, (1,) or (N,), where that is not 0."""
    return distance / power.clamp(min=EPSILON)


def over_layers(distances: Sequence[Tensor]) -> Tensor:
    r"""Return the geometric mean of several layers' distances, :math:`(\prod_j d_j)^{1/J}`, (N,).

    Halving the distance in any one layer counts the same, whatever the size of the distances there; 0 where one of
    them is 0. For measuring: its gradient has no bound near zero.
    """
    return torch.stack([*distances]).log().mean(dim=0).exp()


def unit_over_layers(
    output: Iterable[Tensor], target: Iterable[Tensor], places: Iterable[Weights] | None = None
) -> Tensor:
    """Return the unit distance through a network, (N,): the geometric mean over its layers of :func:`unit`.

    Args:
        output: the layers' features, (N, C, H, W) each.
        target: those of the pictures compared with, in the same order.
        places: the weights of each layer's positions, in the same order; None for equal ones.
    """
    layers = list(zip(output, target, strict=True))
    weights = [None] * len(layers) if places is None else places
    return over_layers([unit(f, g, w) for (f, g), w in zip(layers, weights, strict=True)])


def learned_over_layers(
    output: Iterable[Tensor],
    target: Iterable[Tensor],
    weights: Iterable[Tensor],
    places: Iterable[Weights] | None = None,
) -> Tensor:
    r"""Return LPIPS's distance of each image, (N,).

    :math:`\sum_j \frac{1}{H_jW_j} \sum_{hw} \sum_c w_{jc} (\hat f_{jchw} - \hat g_{jchw})^2`

    Args:
        output: the layers' features, (N, C, H, W) each.
        target: those of the pictures compared with, in the same order.
        weights: each layer's learned weights, (C,), at least 0.
        places: the weights of each layer's positions, in the same order; None for equal ones.

    Source: Zhang et al. 2018, equation 1.
    """
    maps = [unit_map(f, g, w) for f, g, w in zip(output, target, weights, strict=True)]
    of_places = [None] * len(maps) if places is None else places
    return torch.stack([weighted_mean(values, own) for values, own in zip(maps, of_places, strict=True)]).sum(dim=0)


DISTANCES: dict[str, Callable[[Tensor, Tensor, Weights | None], Tensor]] = {
    "mse": squared,
    "half_sum": half_sum,
    "l1": absolute,
    "charbonnier": charbonnier,
    "unit": unit,
    "instance": instance,
    "relative": relative,
}
