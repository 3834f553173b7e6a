"""LPIPS: a perceptual distance whose weights were fitted to people's judgements."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.checks import InputError
from perceptualloss.loss_networks.loss_network import InputRange, loss_network
from perceptualloss.losses.distance import unit_channels
from perceptualloss.losses.loss import Loss

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class LPIPS(Loss):
    r"""Learned perceptual image patch similarity on VGG-16, version 0.1.

    :math:`\sum_j \frac{1}{H_jW_j} \sum_{hw} \| w_j \odot (\hat f_{hw} - \hat g_{hw}) \|`, the squared
    differences of unit-normalised channels at relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3, weighted by the
    learned :math:`w_j \ge 0`. 0 for equal pictures, about 1 for very different ones.

    The learned weights are read from the installed torchmetrics package, which ships the authors'
    (BSD 2-clause); the backbone is ImageNet's VGG-16.

    Args:
        input_range: the range of the images (see :class:`LossNetwork`).
        weights: the backbone's weights: "imagenet", a weights file, or None for random weights.

    Raises:
        InputError: if the weights cannot be had.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """

    def __init__(self, input_range: InputRange = (0.0, 1.0), weights: str | Path | None = "imagenet") -> None:
        super().__init__(input_range)
        self.network = loss_network("vgg16", LAYERS, weights, self.input_range)
        for layer, head in zip(LAYERS, _learned_weights(), strict=True):
            self.register_buffer(f"head_{layer}", head, persistent=False)

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the distance of each image, (N,)."""
        with torch.no_grad():
            target_features = self.network(target)
        distances = []
        for layer, features in self.network(output).items():
            difference = unit_channels(features) - unit_channels(target_features[layer])
            weighted = difference.square() * self.get_buffer(f"head_{layer}")
            distances.append(weighted.sum(dim=1).mean(dim=(1, 2)))
        return {"lpips": torch.stack(distances).sum(dim=0)}


def _learned_weights() -> list[Tensor]:
    file = files("torchmetrics") / "functional" / "image" / "lpips_models" / "vgg.pth"
    if not file.is_file():
        raise InputError(
            f"the learned weights of LPIPS in {file}", "no such file", "Install torchmetrics 1.8 or later."
        )
    state = torch.load(str(file), map_location="cpu", weights_only=True)
    return [state[f"lin{i}.model.1.weight"] for i in range(len(LAYERS))]
