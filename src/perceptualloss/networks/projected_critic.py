"""A critic that scores what a frozen network sees, after its features were mixed at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.features.network import LossNetwork, loss_network
from perceptualloss.networks.augment import differentiable_augmentation
from perceptualloss.networks.critic_heads import PatchHead, TokenHead
from perceptualloss.networks.critics import CriticNetwork, Scores

Mixing = Literal["scales", "channels", "none"]
Heads = Literal["patch", "tokens"]
SIDE = 64  # of the picture by which the layers' sizes are learned


class ProjectedCritic(CriticNetwork):
    r"""Scores what a frozen network sees in several of its layers.

    It takes pictures (N, 3, H, W) in [0, 1] and gives a list with a map of scores for each layer, high for real. The
    pictures must be as large as the network needs them for its deepest layer.

    1. The network, which knows natural pictures already, gives the features of the layers. It does not learn, and is in
       neither ``parameters()`` nor ``state_dict()``.
    2. The features are mixed at random. Unmixed, a head looks at a few strong channels only. The random weights are
       fixed; they are buffers, so ``state_dict()`` has them.
    3. One head for each layer scores the features. Only the heads learn.

    How features are mixed:

    - "channels": a random 1 x 1 convolution mixes a layer's channels into as many new ones.
    - "scales": the same, and then layers are joined, from the deepest upwards. A random 3 x 3 convolution brings the
      deeper features to the width of the layer before. They are enlarged and added to it.
    - "none": they stay as they are.

    The heads:

    - "patch": convolutions with spectral norm (:class:`PatchHead`). They halve the maps of earlier layers down to the
      size of the deepest, so all heads score patches of about one size.
    - "tokens": for networks whose maps all have one size, such as vision transformers (:class:`TokenHead`). The critic
      of StyleGAN-T looks at several blocks of a DINO: ``ProjectedCritic("timm/vit_small_patch16_224.dino",
      ["blocks.2", "blocks.5", "blocks.8", "blocks.11"], mixing="none", heads="tokens")``.

    Args:
        network: the frozen network: a name that :func:`loss_network` takes, or a :class:`LossNetwork` for pictures in
            [0, 1] that has the layers.
        layers: the layers that it looks at, from the first to the deepest.
        width: channels within a "patch" head. A "tokens" head has as many as its layer.
        mixing: "scales", "channels" or "none", as above.
        heads: "patch" or "tokens", as above.
        augment: change pictures at random in training, as the paper does (:func:`differentiable_augmentation`). Then
            features (``critic(images, features=True)``) cannot be had in training, because two calls see different
            changes.
        weights: "default", the path of a weights file, or None for random weights, always the same, for experiments.
            For a network by name.

    Raises:
        InputError: for what :func:`loss_network` refuses, layers that are not in order or come twice, or a width below
            1; when called, for pictures that are too small, or features in training with ``augment``.

    Source: Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021; Sauer et al., "StyleGAN-T", ICML 2023. The
    critic of Projected GANs looks through an EfficientNet, and the norms in its heads are over the batch. Here each
    picture has its own.

    >>> critic = ProjectedCritic(width=4)
    >>> print(*(tuple(scores.shape) for scores in critic(torch.rand(2, 3, 64, 64))))
    (2, 1, 8, 8) (2, 1, 8, 8) (2, 1, 8, 8) (2, 1, 8, 8)
    """

    def __init__(
        self,
        network: str | LossNetwork = "compact",
        layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        width: int = 64,
        mixing: Mixing = "scales",
        heads: Heads = "patch",
        augment: bool = True,
        weights: str | Path | None = "default",
    ) -> None:
        super().__init__()
        check_choice("mixing", mixing, get_args(Mixing))
        check_choice("heads", heads, get_args(Heads))
        if width < 1:
            raise InputError("width from 1", str(width))
        if len(set(layers)) < len(layers):
            raise InputError("every layer once", ", ".join(layers)[:80])
        self.frozen = _frozen(network, tuple(layers), weights)
        self.network, self.layers, self.width, self.mixing = self.frozen.name, tuple(layers), width, mixing
        self.heads, self.augment, self.weights = heads, augment, weights
        self.maps = len(self.layers)
        sizes, widths = _sizes(self.frozen, self.layers)
        if mixing != "none":
            self._draw_projections(widths)
        self.judges = nn.ModuleList(
            TokenHead(channels) if heads == "tokens" else PatchHead(channels, width, int(math.log2(size / sizes[-1])))
            for size, channels in zip(sizes, widths, strict=True)
        )

    def _draw_projections(self, widths: Sequence[int]) -> None:
        """Draw the fixed convolutions. They are buffers: neither an optimiser nor a thaw of the critic reaches them."""
        for n, channels in enumerate(widths):
            self.register_buffer(f"mix{n}", nn.init.kaiming_normal_(torch.empty(channels, channels, 1, 1)))
            if self.mixing == "scales" and n + 1 < len(widths):
                self.register_buffer(f"rise{n}", nn.init.kaiming_normal_(torch.empty(channels, widths[n + 1], 3, 3)))

    def forward(self, images: Tensor, *, features: bool = False) -> Scores | tuple[Scores, list[Tensor]]:
        """Score pictures (N, 3, H, W) in [0, 1]; with ``features`` return (scores, features)."""
        if features and self.augment and self.training:
            remedy = "Build it with augment=False."
            raise InputError("a critic that sees pictures as they are, for its features", "augment=True", remedy)
        return super().forward(images, features=features)

    def look(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return each layer's map of scores, and the features within the heads."""
        if self.augment and self.training:
            images = differentiable_augmentation(images)
        seen = self.frozen(images, self.layers)
        all_scores: list[Tensor] = []
        features: list[Tensor] = []
        for head, maps in zip(self.judges, self.project([seen[layer] for layer in self.layers]), strict=True):
            scores, within = head(maps)
            all_scores.append(scores)
            features += within
        return all_scores, features

    def project(self, seen: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of all layers, (N, C, h, w) each, after mixing; their shapes stay."""
        if self.mixing == "none":
            return list(seen)
        mixed = [F.conv2d(maps, self.get_buffer(f"mix{n}")) for n, maps in enumerate(seen)]
        if self.mixing == "scales":
            for n in reversed(range(len(mixed) - 1)):
                deeper = F.conv2d(mixed[n + 1], self.get_buffer(f"rise{n}"), padding=1)
                size = mixed[n].shape[-2:]
                mixed[n] = mixed[n] + F.interpolate(deeper, size=size, mode="bilinear", align_corners=False)
        return mixed


def _frozen(network: str | LossNetwork, layers: tuple[str, ...], weights: str | Path | None) -> LossNetwork:
    """Return the frozen network, built by its name unless it is given."""
    if isinstance(network, LossNetwork):
        network.check_layers(layers)
        if network.input_range != (0.0, 1.0):
            raise InputError("a loss network for pictures in [0, 1]", str(network.input_range))
        frozen = network
    else:
        device = torch.empty(0).device  # the default one; "meta" where a recipe's critic is outlined, which needs sizes
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            if weights is None:
                torch.default_generator.manual_seed(0)  # they are in no state, so every critic has the same ones
            frozen = loss_network(network, layers, weights)
        frozen = frozen if device.type == "meta" else frozen.to(device)
    frozen._values_checked = True  # the critic checks pictures before they are changed
    return frozen


def _sizes(frozen: LossNetwork, layers: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the height and the channels of each layer's map for a small picture."""
    step = getattr(frozen.body, "multiple", 1)
    side = getattr(frozen.body, "only_size", None) or step * max(1, round(SIDE / step))
    like = frozen.mean
    with torch.no_grad():
        seen = frozen(torch.full((1, 3, side, side), 0.5, dtype=like.dtype, device=like.device), layers)
    sizes = [seen[layer].shape[2] for layer in layers]
    if sizes != sorted(sizes, reverse=True):
        raise InputError("layers from the first to the deepest", ", ".join(layers))
    return sizes, [seen[layer].shape[1] for layer in layers]
