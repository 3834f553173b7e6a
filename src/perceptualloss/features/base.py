"""A frozen network that turns pictures into named features: one contract for all kinds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.features.backbone import Backbone
from perceptualloss.features.chain import Chain
from perceptualloss.features.frozen import check_values_exist, keeping_values, trainable_through
from perceptualloss.features.passes import Passes
from perceptualloss.features.reach import fits_tiles
from perceptualloss.pictures.ranges import (
    FAR,
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    range_normalisation,
    values_can_be_read,
)


class Body(Protocol):
    """What a loss network looks through: :class:`Chain` or :class:`Backbone`.

    Attributes:
        modules: frozen, in the order in which they run.
        names: the layers that can be asked for, the deepest last.
    """

    modules: list[nn.Module]
    names: tuple[str, ...]

    def check(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return the layers, or raise InputError for one that is not known."""

    def fit(self, images: Tensor, layers: Sequence[str]) -> Tensor:
        """Return the images as the modules take them, or raise InputError for a size that they do not take."""

    def run(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the features of normalised images by layer."""

    def channels(self) -> dict[str, int]:
        """Return the number of channels of every layer."""

    def touched(self, marks: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return which positions of the layers see a marked pixel, or raise InputError where that cannot be told."""

    def reach(self, layer: str) -> int:
        """Return how many pixels a side a position of the layer sees."""


class LossNetwork(nn.Module):
    r"""A frozen network :math:`\phi` that gives the features of named layers: ``network(images)``.

    Images are (N, 3, H, W) in ``input_range``. The result is ``{layer: features}``, with the features :math:`\phi_j(x)`
    of layer j as :math:`(N, C_j, H_j, W_j)`. The network runs no further than the deepest layer asked for. Features are
    not overwritten by what comes after them.

    It is frozen for good. Its weights need no gradient and stay in evaluation mode. They are not registered as
    parameters, so no optimiser, checkpoint or DistributedDataParallel bucket holds them. They do follow ``.to(...)``.
    One that was built under ``torch.inference_mode`` can be trained through, too.

    :func:`loss_network` builds one by name. This class takes a module of your own.

    Args:
        features: convolutions, ReLUs and pooling in the order in which they run, whose layers are then named
            ``relu2_2``, ``conv5_4`` or ``pool3``; or any other network, whose layers are named by the paths of its
            modules.
        layers: names of layers.
        input_range: (0, 1), (-1, 1), (0, 255) or any other pair of numbers, or "imagenet" for pictures that are
            normalised with ImageNet's mean and standard deviation.
        mean: of the three channels of pictures in [0, 1], as the network was trained with; by default ImageNet's.
        std: the same, the standard deviation.

    Attributes:
        name: that of the network, "custom" for one that you built.
        weights: what its weights are, in words.
        passes: what losses keep in memory while they look through it (see :class:`Passes`); can be set.

    Raises:
        InputError: for an unknown layer, an empty list of layers, an unusable range, or under ``torch.device("meta")``.

    Source: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV
    2016; Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015.
    """

    mean: Tensor
    std: Tensor

    @torch.inference_mode(False)
    def __init__(
        self,
        features: nn.Module | Body,
        layers: Iterable[str],
        input_range: InputRange = (0.0, 1.0),
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        check_values_exist()
        self.layers = tuple(layers)
        if not self.layers:
            remedy = "Such as relu2_2 of vgg16, or layer2 of torchvision/resnet50."
            raise InputError("at least one layer", "none", remedy)
        # No nn.Module itself, which hides the modules: they are the loss's tools, not its parameters.
        self.body = _body(features, self.layers)
        self.input_range = check_input_range(input_range)
        self._values_checked = False
        self._passes = Passes()
        self._fingerprint: tuple[tuple[int, ...], str] | None = None
        self.name = "custom"
        self.weights = "as given"
        self.source: Hashable | None = None  # what the weights are, where that is known
        away, scale = range_normalisation(self.input_range, mean, std)
        self._as_it_is = not away.any() and bool((scale == 1).all())
        self.register_buffer("mean", away, persistent=False)
        self.register_buffer("std", scale, persistent=False)

    @property
    def passes(self) -> Passes:
        """What losses keep in memory while they look through it."""
        return self._passes

    @passes.setter
    def passes(self, passes: Passes) -> None:
        if passes.tile is not None and not isinstance(self.body, Chain):
            remedy = "chunk=1 looks at one picture at a time."
            raise InputError("a chain of convolutions and pools (VGG's kind) for tile", self.name, remedy)
        odd = [module for module in self.body.modules if passes.tile is not None and not fits_tiles(module)]
        if odd:
            expected = "modules that see as far in rows as in columns, and not around the edge, for tile"
            raise InputError(expected, repr(odd[0]), "chunk=1 looks at one picture at a time.")
        self._passes = passes

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that can be asked for, the deepest last."""
        return self.body.names

    def forward(self, images: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return ``{layer: features}`` for images (N, 3, H, W) in ``input_range``.

        Args:
            images: 32 bits or less, unless the network was converted with ``.double()``.
            layers: other layers than those that the network was built with, none deeper than its deepest.

        Raises:
            InputError: for images of another shape or type, too small for the deepest layer, or an unknown layer.
        """
        asked = self.layers if layers is None else self.check_layers(layers)
        features = self.body.run(self.normalised(images, asked), asked)
        return {layer: features[layer] for layer in asked}

    def check_layers(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return the layers, or raise InputError for one that is unknown or deeper than the network goes."""
        return self.body.check(layers)

    def normalised(self, images: Tensor, layers: tuple[str, ...]) -> Tensor:
        """Return images as the modules take them, to run as far as to the layers.

        Raises:
            InputError: as a call does.
        """
        check_image_batch("images", images)
        if images.dtype == torch.float64 != self.mean.dtype:
            raise InputError(
                "images in 32 bits or less", "float64", "Convert them with images.float(), or the loss with .double()."
            )
        if self.mean.is_meta and not images.is_meta:
            remedy = "Its values are lost: build it anew and move it with .to(...)."
            raise InputError(f"the loss network {self.name} on {images.device}", "the device 'meta'", remedy)
        if not self._values_checked and values_can_be_read():
            check_values("images", images, *range_bounds(self.input_range), slack=FAR)
            self._values_checked = True
        x = self.body.fit(images.to(self.mean.dtype), layers)
        return x if self._as_it_is else (x - self.mean) / self.std

    def sees_like(self, other: LossNetwork) -> bool:
        """Return whether both give the same features for the same pictures, as far as both go."""
        return self is other or (
            self.source is not None
            and (self.source, self.input_range, self.mean.dtype, self.mean.device)
            == (other.source, other.input_range, other.mean.dtype, other.mean.device)
        )

    def touched(self, marks: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return which positions of some layers see a marked pixel, (N, 1, h, w) each, 1 or 0.

        Args:
            marks: (N, 1, H, W), 1 at the marked pixels of pictures of that size, 0 elsewhere.
            layers: the layers.

        Raises:
            InputError: for an unknown layer, or a network of which it cannot be told.
        """
        return self.body.touched(marks, self.check_layers(layers))

    def reach(self, layer: str) -> int:
        """Return how many pixels a side a position of the layer sees.

        Raises:
            InputError: as :meth:`touched`.
        """
        return self.body.reach(*self.check_layers([layer]))

    def fingerprint(self) -> str:
        """Return a hash of its modules, weights and normalisation: equal for networks that see alike.

        It is computed anew only where weights were written to since.

        Raises:
            InputError: while torch.compile looks on, before it was computed once.
        """
        if torch.compiler.is_compiling():
            if self._fingerprint is None:
                remedy = "Call the loss with the prepared target once before, or prepare a target by it."
                raise InputError("a loss network whose weights were hashed before it is compiled", self.name, remedy)
            return self._fingerprint[1]
        tensors = [self.mean, self.std, *(x for module in self.body.modules for x in module.state_dict().values())]
        versions = tuple(-1 if x.is_inference() else x._version for x in tensors)
        if self._fingerprint is None or self._fingerprint[0] != versions:
            found = hashlib.sha256("\n".join(map(repr, self.body.modules)).encode())
            for x in tensors:
                found.update(f"{x.dtype} {tuple(x.shape)}".encode())
                found.update(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
            self._fingerprint = (versions, found.hexdigest()[:16])
        return self._fingerprint[1]

    def modules_in_turn(self) -> tuple[nn.Module, ...]:
        """Return the convolutions, ReLUs and pools in the order in which they run."""
        return tuple(self.body.modules)

    def channels(self) -> dict[str, int]:
        """Return the number of channels of each layer asked for."""
        widths = self.body.channels()
        return {layer: widths[layer] for layer in self.layers}

    @torch.inference_mode(False)
    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        fn = keeping_values(fn)
        self._fingerprint = None
        for module in self.body.modules:
            module._apply(fn)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return f"{self.name}, layers={self.layers}, input_range={self.input_range}, weights: {self.weights}"


def _body(features: nn.Module | Body, layers: tuple[str, ...]) -> Body:
    """Return what a loss network looks through."""
    if not isinstance(features, nn.Module):
        return features
    trainable_through(features)
    if isinstance(features, nn.Sequential) and Chain.takes(features):
        return Chain(features, layers)
    return Backbone(features, layers)
