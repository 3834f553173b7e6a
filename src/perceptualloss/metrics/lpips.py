"""LPIPS as a metric: the loss of that name, one network for all that measure with it."""

from __future__ import annotations

from functools import cache
from typing import Literal, cast

import torch
from torch import Tensor

from perceptualloss.features.network import why_no_imagenet
from perceptualloss.losses import lpips
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.places import places
from perceptualloss.metrics.metric import Against, Distance

Net = Literal["alex", "vgg", "squeeze"]


@cache
def lpips_to(net: Net, weights: str) -> Against:
    """Return LPIPS (see :class:`perceptualloss.LPIPS`) as a function of the target, which is looked at once.

    Differentiable in the output. The network goes to the device of the pictures; it is built and moved outside any
    inference mode that it is called in, for tensors that are made there can never be differentiated through.

    Args:
        net: the backbone.
        weights: "imagenet", or a file with the backbone's weights.

    Raises:
        InputError: if the weights cannot be had.
    """
    with torch.inference_mode(False):
        loss = lpips.LPIPS(net, weights=weights)

    def features(images: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode(False):
            loss.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return cast(dict[str, Tensor], loss.network(images.float(), loss.output_layers))

    def against(target: Tensor) -> Distance:
        with torch.no_grad():
            target_features = features(target)

        def distance(output: Tensor, mask: Mask | None = None) -> Tensor:
            found = features(output)
            weights = None if mask is None else places(mask, loss.network, found)
            return loss.from_features(found, target_features, weights)["lpips"]

        return distance

    return against


def why_no_lpips(net: Net, label: str) -> str:
    """Return why LPIPS with ImageNet's weights cannot be had on this machine without a download, or ""."""
    why = why_no_imagenet(lpips.NETS[net])
    return f"{label} needs ImageNet weights of its backbone, and {why}" if why else ""
