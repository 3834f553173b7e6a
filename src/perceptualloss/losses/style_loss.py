"""Losses that compare styles: what they have in common, whichever summary of the features is the style."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.features.network import InputRange, LossNetwork, range_bounds, range_normalisation
from perceptualloss.losses.network_loss import Augment, Features, NetworkLoss, layer_weights, open_network
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.ranges import check_values

JOHNSON_LAYERS = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0, "relu4_3": 1.0}


class StyleLoss(NetworkLoss):
    """A loss between the styles of two pictures as a network sees them, or between one picture and a fixed style.

    A subclass says what a layer's style is (:meth:`summary`), and compares with :meth:`styles`. Styles have no places:
    output and target may differ in height and width, and one target may serve a whole batch.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: the weight of every layer, by default 1 at relu1_2, relu2_2, relu3_3 and relu4_3.
        style: a fixed style, for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a
            file. Its summary is computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the images, (0, 1) by contract (see :class:`LossNetwork`); a network that you
            built has its own.
        weights: "default", a weights file, or None for random weights (see :func:`loss_network`).
        augment: "geometric" for random changes before the network (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network (see :class:`NetworkLoss`).

    Raises:
        InputError: for an unknown network or layer, weights that cannot be had, unusable halvings, or a style that is
            no single picture.
    """

    same_size = False

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        style: Tensor | str | Path | None = None,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        halvings: int = 0,
    ) -> None:
        weighted = layer_weights(JOHNSON_LAYERS if layers is None else layers)
        found = open_network(network, weighted, weights, input_range)
        super().__init__(found, weighted, None if style is None else (), augment=augment, halvings=halvings)
        self.layers = weighted
        self.needs_target = style is None
        if style is not None:
            picture = _style_batch(style, self.input_range).to(found.mean)
            with torch.no_grad():
                for layer, features in found(self.view.show(picture, None), weighted).items():
                    self.register_buffer(f"style_{layer}", self.summary(features), persistent=False)

    def summary(self, features: Tensor) -> Tensor:
        """Return what is the style in a layer's features (N, C, H, W)."""
        raise TypeError(f"{type(self).__name__} must define summary(features)")

    def styles(self, target: Features) -> dict[str, Tensor]:
        """Return every layer's style: the fixed one, or else the target's."""
        with torch.no_grad():
            return {
                layer: self.summary(target[layer]) if self.needs_target else self.get_buffer(f"style_{layer}")
                for layer in self.layers
            }


def _style_batch(style: Tensor | str | Path, input_range: InputRange) -> Tensor:
    """Return the style as a batch of one in ``input_range``."""
    if not isinstance(style, Tensor):
        (mean, std), (own_mean, own_std) = range_normalisation((0.0, 1.0)), range_normalisation(input_range)
        return (read_image(style) - mean) / std * own_std + own_mean
    picture = style.detach().unsqueeze(0) if style.ndim == 3 else style.detach()
    check_image_batch("style", picture)
    if len(picture) != 1:
        raise InputError("one style picture, (3, H, W) or (1, 3, H, W)", str(tuple(style.shape)))
    check_values("style", picture, *range_bounds(input_range))
    return picture
