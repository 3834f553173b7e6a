"""The package's own perceptual distance, by an embedded network that trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from perceptualloss.errors import check_same_shape
from perceptualloss.features.network import LossNetwork, loss_network
from perceptualloss.losses.distance import over_layers, unit
from perceptualloss.pictures.ranges import check_pair

LAYERS = ("relu1_1", "relu2_1", "relu3_2", "relu4_2")


@torch.no_grad()
def perceptual_distance(output: Tensor, target: Tensor) -> Tensor:
    r"""Return the distance that the embedded judge sees, (N,): 0 for equal pictures, larger is worse.

    The geometric mean over four layers of :math:`d_j = \frac{1}{H_jW_j}\sum_{hw}\|\hat f_{hw} - \hat g_{hw}\|_2^2`
    with unit-normalised channels, so it lies in [0, 2]. The judge has another architecture and was trained on other
    pictures with other signals than the loss network ``compact``: what trains never judges itself. A measure,
    not a loss: it gives no gradient.

    Args:
        output: pictures (N, 3, H, W) in [0, 1].
        target: the pictures they should look like, of the same shape.

    Raises:
        InputError: for other shapes, types or ranges.

    Source: the distance in a layer is LPIPS's without learned weights (Zhang et al. 2018).
    """
    check_same_shape("output", output, "target", target)
    check_pair(output, target)
    return distance_to(target)(output)


@torch.no_grad()
def distance_to(target: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the perceptual distance to ``target`` as a function of the output; the target is looked at once."""
    wanted = _features(target)

    @torch.no_grad()
    def distance(output: Tensor) -> Tensor:
        features = _features(output)
        return over_layers([unit(features[layer], wanted[layer]) for layer in LAYERS])

    return distance


@cache
def judge() -> LossNetwork:
    """Return the embedded network that measures, with ``LAYERS``."""
    return loss_network("judge", LAYERS)


def _features(images: Tensor) -> dict[str, Tensor]:
    with torch.autocast(images.device.type, enabled=False):
        found: dict[str, Tensor] = judge().to(images.device)(images.float())
    return found
