"""Where two pictures differ for a layer: the feature loss before its mean over the places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import check_choice, check_same_shape
from perceptualloss.features.network import LossNetwork
from perceptualloss.losses.distance import unit_map
from perceptualloss.numerics import wide

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

    Raises:
        InputError: for pictures of different shape, an unknown layer or distance.

    Source: Johnson et al. 2016, equation 2, without its mean over height and width; maps as in Zhang et al. 2018.

    >>> from perceptualloss.features.network import loss_network
    >>> output, target = torch.rand(2, 1, 3, 32, 32)
    >>> loss_maps(output, target, loss_network("compact", ["relu2_2"]))["relu2_2"].shape
    torch.Size([1, 16, 16])
    """
    measure = MAP_DISTANCES[check_choice("distance", distance, MAP_DISTANCES)]
    check_same_shape("output", output, "target", target)
    with torch.no_grad():
        wanted = network(target, layers)
    return {layer: measure(features, wanted[layer]) for layer, features in network(output, tuple(wanted)).items()}


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps (N, H_j, W_j) at the size of the picture, (N, H, W), bilinearly as LPIPS does."""
    return F.interpolate(maps.unsqueeze(1), size=size, mode="bilinear", align_corners=False).squeeze(1)
