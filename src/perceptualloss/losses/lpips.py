"""LPIPS: a perceptual distance whose weights were fitted to people's judgements."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import Augment
from perceptualloss.losses.base import Reduction
from perceptualloss.losses.distance import learned_over_layers, unit_map
from perceptualloss.losses.feature import enlarged
from perceptualloss.losses.mask import Masking, Weights, weighted, weighted_mean
from perceptualloss.losses.network_loss import Features, NetworkLoss, open_network
from perceptualloss.losses.places import Places, places
from perceptualloss.pictures.ranges import InputRange

LAYERS = {
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "alexnet": ("relu1_1", "relu2_1", "relu3_1", "relu3_2", "relu3_3"),
    "squeezenet": ("relu1_1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
}
NETS = {"vgg": "vgg16", "alex": "alexnet", "squeeze": "squeezenet"}


def layers_of(network: str) -> tuple[str, ...]:
    """Return the layers that LPIPS compares in a network.

    Raises:
        InputError: for a network that has no learned weights.
    """
    return LAYERS[check_choice("network of LPIPS", network, LAYERS)]


class LPIPS(NetworkLoss):
    r"""Learned perceptual image patch similarity (LPIPS) 0.1, as a loss and as a metric.

    .. math:: \ell = \sum_j \frac{1}{H_jW_j} \sum_{hw} \| \sqrt{w_j} \odot (\hat f_{hw} - \hat g_{hw}) \|_2^2

    :math:`\hat f` and :math:`\hat g` are the features of output and target at layer j, each position divided by its
    length over channels. :math:`w_j \ge 0` are learned weights of the channels. Equal pictures give 0, very different
    ones about 1; lower is nearer. ``loss.per_image(output, target)`` gives one value per picture.

    The learned weights are the authors' (BSD 2-clause), read from the installed torchmetrics package. The backbone has
    ImageNet's weights. Pictures are normalised as the authors do.

    Args:
        net: the backbone. "vgg" (VGG-16) is smoothest as a loss, "alex" (AlexNet) is what papers report, "squeeze" is
            SqueezeNet 1.1. Or a loss network of one of these kinds that you built.
        spatial: whether a call returns the map (N, 1, H, W) in place of its mean, as the ``lpips`` package does. Such a
            loss cannot be part of a sum. ``loss.map(output, target)`` gives the map in any case.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        weights: weights of the backbone: "imagenet", the path of a weights file, or None for random weights.
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`). Not
            for a map, which would show places of the changed pictures.
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`). Not
            with ``spatial``.
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown backbone, weights that cannot be had, or a map of augmented pictures.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.

    >>> loss = LPIPS("squeeze", weights=None)
    >>> output, target = torch.rand(2, 1, 3, 64, 64)
    >>> loss(output, target).shape, loss.map(output, target).shape
    (torch.Size([]), torch.Size([1, 1, 64, 64]))
    """

    @torch.inference_mode(False)
    def __init__(
        self,
        net: Literal["vgg", "alex", "squeeze"] | LossNetwork = "vgg",
        spatial: bool = False,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "imagenet",
        augment: Augment | None = None,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        name = net.name if isinstance(net, LossNetwork) else NETS[check_choice("net", net, NETS)]
        layers = layers_of(name)
        passes = Passes(checkpoint, chunk, tile)
        network = open_network(net if isinstance(net, LossNetwork) else name, layers, weights, input_range, passes)
        super().__init__(network, layers, augment=augment, reduction=reduction)
        if spatial:
            self._check_places()
            given = {"reduction": reduction, "checkpoint": checkpoint, "chunk": chunk, "tile": tile}
            check_idle(given, {"reduction": "mean", **asdict(Passes())}, "with spatial=True")
        self.net, self.spatial = net if isinstance(net, str) else name, spatial
        for layer, head in zip(layers, _learned_weights(name, len(layers)), strict=True):
            self.register_buffer(f"head_{layer}", head.to(network.mean), persistent=False)

    def from_features(self, output: Features, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return the distance of each image, (N,)."""
        of_layers = None if weights is None else [weights[layer] for layer in self.output_layers]
        features, target_features = ([each[layer] for layer in self.output_layers] for each in (output, target))
        return {"lpips": learned_over_layers(features, target_features, self._heads(), of_layers)}

    def at_places(self, layer: str, output: Tensor, target: Tensor | None, weights: Weights) -> Tensor:
        """Return what a part of a layer's positions adds, (N,)."""
        return weighted_mean(unit_map(output, cast(Tensor, target), self.get_buffer(f"head_{layer}")), weights)

    def from_places(self, sums: Features, target: Features) -> dict[str, Tensor]:
        """Return the distance of each image, (N,), from the layers'."""
        return {"lpips": torch.stack([sums[layer] for layer in self.output_layers]).sum(dim=0)}

    def map(self, output: Tensor, target: Tensor, weight: Tensor | None = None, *, masking: Masking = "area") -> Tensor:
        """Return where output and target differ, (N, 1, H, W): the layers' maps, enlarged bilinearly and added.

        A mask multiplies each layer's map by the weights of its positions before it is enlarged.

        Args:
            output: (N, 3, H, W) in ``input_range``.
            target: as ``output``.
            weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]; None for none.
            masking: "area" or "exact" (see :class:`Loss`).

        Raises:
            InputError: for pictures of other shapes or another range, or a loss that augments them.
        """
        self._check_places()
        self.check_shapes(output, target)
        mask = self._mask(output, target, weight, masking)
        if mask is not None:
            output, target = mask.shown(output, self.input_range), mask.shown(target, self.input_range)
        self.check_call(output, target)
        with torch.no_grad():
            target_features = self.network(target, self.target_layers)
        features = self.network(output, self.output_layers)
        weights = {} if mask is None else places(mask, self.network, features)
        layers = zip(self.output_layers, self._heads(), strict=True)
        maps = [
            weighted(unit_map(features[layer], target_features[layer], head), weights.get(layer))
            for layer, head in layers
        ]
        height, width = output.shape[-2:]
        return torch.stack([enlarged(positions, (height, width)) for positions in maps]).sum(dim=0).unsqueeze(1)

    def forward(
        self, output: Tensor, target: Tensor | None = None, weight: Tensor | None = None, *, masking: Masking = "area"
    ) -> Tensor:
        """Return the mean distance of the batch, a scalar; with ``spatial=True`` the map (N, 1, H, W)."""
        if self.spatial and target is not None:
            return self.map(output, target, weight, masking=masking)
        return super().forward(output, target, weight, masking=masking)

    def _check_part(self, name: str) -> None:
        if self.spatial:
            remedy = "Leave spatial=True away here; loss.map(output, target) gives the map."
            raise InputError(f"{name} to give one number in a sum", "LPIPS(spatial=True), which gives a map", remedy)

    def _check_places(self) -> None:
        if self.view.augment:
            remedy = "LPIPS(loss.network) looks through the same network without changes."
            raise InputError("LPIPS without augment for a map", f"augment={self.view.augment!r}", remedy)

    def _heads(self) -> list[Tensor]:
        return [self.get_buffer(f"head_{layer}") for layer in self.output_layers]


def _learned_weights(network: str, count: int) -> list[Tensor]:
    net = {name: net for net, name in NETS.items()}[network]
    file = files("torchmetrics") / "functional" / "image" / "lpips_models" / f"{net}.pth"
    if not file.is_file():
        raise InputError(
            f"the learned weights of LPIPS in {file}", "no such file", "Install torchmetrics 1.8 or later."
        )
    state = torch.load(str(file), map_location="cpu", weights_only=True)
    return [state[f"lin{i}.model.1.weight"].flatten() for i in range(count)]
