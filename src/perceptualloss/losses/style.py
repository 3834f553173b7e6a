"""The style reconstruction loss: compare which features go together, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_image_batch
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import Augment
from perceptualloss.losses.base import Reduction
from perceptualloss.losses.distance import over_power
from perceptualloss.losses.mask import Weights
from perceptualloss.losses.network_loss import Features, NetworkLoss, layer_weights, open_network
from perceptualloss.losses.places import Places
from perceptualloss.numerics import exact_product, wide
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.ranges import InputRange, check_values, range_bounds, range_normalisation


class StyleLoss(NetworkLoss):
    """A loss between the styles of two pictures as a network sees them, or between one picture and a fixed style.

    A subclass says what a layer's style is (:meth:`summary`), and compares with :meth:`styles`. Styles have no places:
    output and target may differ in height and width, and one target may serve a whole batch. A mask lies over output
    and target, which then have one size; of a fixed style all counts.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: the weight of every layer, by default 1 at relu1_2, relu2_2, relu3_3 and relu4_3.
        style: a fixed style, for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a
            file. Its summary is computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`). A network that
            you built has its own.
        weights: "default", the path of a weights file, or None for random weights (see :func:`loss_network`).
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network: 1 for half their size.
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown network or layer, weights that cannot be had, unusable halvings, or a style that is
            no single picture.
    """

    same_size = False

    @torch.inference_mode(False)
    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        style: Tensor | str | Path | None = None,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        halvings: int = 0,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        weighted = layer_weights(JOHNSON_LAYERS if layers is None else layers)
        opened = open_network(network, weighted, weights, input_range, Passes(checkpoint, chunk, tile))
        target_layers = None if style is None else ()
        super().__init__(opened, weighted, target_layers, augment=augment, halvings=halvings, reduction=reduction)
        self.layers = weighted
        self.needs_target = style is None
        if style is not None:
            picture = _style_batch(style, self.input_range).to(opened.mean)
            with torch.no_grad():
                for layer, features in opened(self.view.show(picture, None), weighted).items():
                    self.register_buffer(_buffer(layer), self.summary(features), persistent=False)

    def _option(self, name: str) -> Any:
        if name == "style":
            return None if self.needs_target else "fixed"
        return super()._option(name)

    def summary(self, features: Tensor, weights: Weights | None = None) -> Tensor:
        """Return what is the style in a layer's features (N, C, H, W), whose positions count as much as they weigh."""
        raise TypeError(f"{type(self).__name__} must define summary(features)")

    def styles(self, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return every layer's style: the fixed one, or else the target's, whose positions may have weights."""
        if not self.needs_target:
            return {layer: self.get_buffer(_buffer(layer)) for layer in self.layers}
        own, styles = weights or {}, {}
        with torch.no_grad():
            for layer in self.layers:
                kept = target.get(self._kept(layer))
                styles[layer] = self.summary(target[layer], own.get(layer)) if kept is None else kept
        return styles

    def of_target(self, features: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return the target's styles, under names of their own."""
        own = weights or {}
        return {self._kept(layer): self.summary(features[layer], own.get(layer)) for layer in self.target_layers}

    @property
    def summarises(self) -> bool:
        """Whether it needs the target's styles: unless there is a fixed one."""
        return self.needs_target

    def named(self, summaries: Features) -> dict[str, Tensor]:
        """Return styles by layer under the names that they are kept by."""
        return {self._kept(layer): style for layer, style in summaries.items()}

    def kept_names(self) -> Iterable[str]:
        """Return the names of the target's styles."""
        return [self._kept(layer) for layer in self.target_layers]

    def _kept(self, layer: str) -> str:
        """Return the name of a target's style: two classes may summarise one layer in two ways."""
        return f"{type(self).summary.__qualname__}/{layer}"


def _buffer(layer: str) -> str:
    """Return the name of the buffer with a layer's fixed style: without the dots that paths of modules have."""
    return f"style_{layer.replace('.', '/')}"


def gram_matrix(features: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return the Gram matrix of each picture's features, (N, C, C): how strong each two channels are together.

    .. math:: G_{cc'} = \frac{1}{CHW}\sum_{hw}\phi_{chw}\phi_{c'hw}

    With weights :math:`w_{hw}` of the positions it is :math:`\frac{1}{C \sum w}\sum_{hw} w_{hw}\phi_{chw}\phi_{c'hw}`.

    It is computed in 32 bits (64 for float64), not in TF32, whatever the autocast type and matmul precision. 16 bits
    would overflow on large pictures of strong contrast; 32 hold the sum of 10^28 squares of float16's largest number.

    Args:
        features: (N, C, H, W).
        weights: how much each position counts; None for equal weights.

    Source: Johnson et al. 2016, equation 3.

    >>> gram_matrix(torch.ones(1, 2, 8, 8))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    with torch.autocast(features.device.type, enabled=False):
        positions = wide(features).permute(0, 2, 3, 1).flatten(1, 2)
        if weights is not None:
            positions = positions * weights.positions.sqrt().flatten(1).unsqueeze(2)
        gram: Tensor = _Gram.apply(positions)
    gram = gram / features[0].numel()
    return gram if weights is None else gram * weights.scale().view(-1, 1, 1)


class _Gram(torch.autograd.Function):
    """P^T P for P of shape (N, H W, C).

    The derivative of a product with itself needs one product, not autograd's two, and comes out in
    channels_last, as the convolutions below want it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(positions: Tensor) -> Tensor:
        return exact_product(positions.mT, positions)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (positions,) = ctx.saved_tensors
        return exact_product(positions, gradient + gradient.mT)


StyleDistance = Literal["frobenius", "mse", "l1", "relative"]
STYLE_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "frobenius": lambda output, style: (output - style).square().sum(dim=(1, 2)),
    "mse": lambda output, style: (output - style).square().mean(dim=(1, 2)),
    "l1": lambda output, style: (output - style).abs().mean(dim=(1, 2)),
    "relative": lambda output, style: over_power((output - style).square().sum(dim=(1, 2)), style),
}


def style_reconstruction(
    output: Features,
    target_grams: Features,
    layers: Mapping[str, float],
    distance: str = "frobenius",
    weights: Places | None = None,
) -> dict[str, Tensor]:
    r"""Return :math:`\lambda_j \|G_j(\hat y) - G_j(y)\|_F^2` for every layer j, each (N,).

    Args:
        output: features by layer, (N, C, H, W), of the transformed pictures.
        target_grams: Gram matrices by layer, (N, C, C) or (1, C, C), of the style (:func:`gram_matrix`).
        layers: the weight :math:`\lambda_j` of every layer.
        distance: "frobenius" as above, "mse" for that divided by :math:`C^2`, "l1" for the mean absolute
            difference of the entries, or "relative" for :math:`\|G_j(\hat y) - G_j(y)\|_F^2 / \|G_j(y)\|_F^2`.
        weights: how much each position of the output's layers counts, by layer; None for equal weights.

    Source: Johnson et al. 2016, equation 4.
    """
    own = weights or {}
    grams = {layer: gram_matrix(output[layer], own.get(layer)) for layer in layers}
    return style_distances(grams, target_grams, layers, distance)


def style_distances(
    grams: Features, target_grams: Features, layers: Mapping[str, float], distance: str
) -> dict[str, Tensor]:
    """Return :func:`style_reconstruction` from the output's Gram matrices, (N, C, C)."""
    measure = STYLE_DISTANCES[check_choice("distance", distance, STYLE_DISTANCES)]
    return {layer: weight * measure(grams[layer], target_grams[layer]) for layer, weight in layers.items()}


class StyleReconstructionLoss(StyleLoss):
    r"""The distance between the Gram matrices of output and target, summed over layers.

    .. math:: \ell = \sum_j \lambda_j \|G_j(\hat y) - G_j(y)\|_F^2

    :math:`G_j` is the Gram matrix of layer j (see :func:`gram_matrix`): which channels are strong together, wherever
    that is in the picture. It has the same shape for every size of picture. So output and target may differ in height
    and width, and one target may serve a whole batch. The result is in [0, ∞); equal pictures give 0, lower is nearer.

    The distances:

    - "frobenius": the squared Frobenius norm above.
    - "mse": that divided by :math:`C_j^2`, with :math:`C_j` channels.
    - "l1": the mean absolute difference of the entries.
    - "relative": "frobenius" divided by :math:`\|G_j(y)\|_F^2`. Features that are all 0 give 1, so one weight means the
      same for every painting and layer.

    Args:
        network: the loss network, by name ("vgg16", "vgg19", "compact", ...) or one that you built.
        layers: layers with their weights; by default relu1_2, relu2_2, relu3_3 and relu4_3, each with weight 1.
        distance: one of the list above.
        style: a fixed style for the whole batch: a picture (3, H, W) or (1, 3, H, W) in ``input_range``, or a file. Its
            Gram matrices are computed once, and the loss is called as ``loss(output)``.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`). A network that
            you built has its own.
        weights: "default", the path of a weights file, or None for random weights (see :func:`loss_network`).
        augment: change both pictures alike and at random: "geometric", "shift" or None (see :class:`NetworkLoss`).
        halvings: how often both pictures are blurred and halved before the network. Its filters then see strokes that
            are 2, 4, ... times as large. :class:`PerceptualLoss` sums several sizes (``style_scales``).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown network, layer or distance, weights that cannot be had, unusable halvings, or a style
            that is no single picture.

    Source: Johnson et al. 2016, equations 3 and 4; Gatys et al. 2016; smaller sizes: Snelgrove, "High-Resolution
    Multi-Scale Neural Texture Synthesis", 2017.

    >>> import torch
    >>> loss = StyleReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0}, style=torch.rand(3, 40, 40))
    >>> output = torch.rand(2, 3, 32, 24, requires_grad=True)
    >>> loss(output).backward()
    """

    def __init__(
        self,
        network: str | LossNetwork = "vgg16",
        layers: Mapping[str, float] | Iterable[str] | None = None,
        distance: StyleDistance = "frobenius",
        style: Tensor | str | Path | None = None,
        input_range: InputRange = (0.0, 1.0),
        weights: str | Path | None = "default",
        augment: Augment | None = None,
        halvings: int = 0,
        reduction: Reduction = "mean",
        checkpoint: bool = False,
        chunk: int | None = None,
        tile: int | None = None,
    ) -> None:
        check_choice("distance", distance, STYLE_DISTANCES)
        super().__init__(
            network, layers, style, input_range, weights, augment, halvings, reduction, checkpoint, chunk, tile
        )
        self.distance = distance

    def summary(self, features: Tensor, weights: Weights | None = None) -> Tensor:
        """Return the Gram matrices, (N, C, C)."""
        return gram_matrix(features, weights)

    def from_features(self, output: Features, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        return style_reconstruction(output, self.styles(target, weights), self.layers, self.distance, weights)

    def at_places(self, layer: str, output: Tensor, target: Tensor | None, weights: Weights) -> Tensor:
        """Return what a part of a layer's positions adds to the Gram matrices, (N, C, C)."""
        return gram_matrix(output, weights)

    def from_places(self, sums: Features, target: Features) -> dict[str, Tensor]:
        """Return every layer's weighted distance, (N,)."""
        return style_distances(sums, self.styles(target), self.layers, self.distance)


JOHNSON_LAYERS = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0, "relu4_3": 1.0}


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
