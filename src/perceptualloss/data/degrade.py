"""Degradations: from a good picture to the input that a network learns to restore."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from perceptualloss.data.distortions import blurred
from perceptualloss.errors import InputError, check_choice
from perceptualloss.pictures.resize import Method, resize


class Degradation(ABC):
    """What happened to a good picture, as a function of the picture and a random generator.

    A network learns to undo it. Subclasses take their settings as typed arguments of ``__init__``, so that a recipe can
    name them, and define ``__call__``.

    Attributes:
        scale: target size / input size, for both axes.
    """

    scale: int = 1

    @abstractmethod
    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the degraded pictures.

        Args:
            target: float32, (N, 3, H, W), in [0, 1]; H and W are multiples of ``scale``.
            random: All randomness comes from here, so that equal generators give equal pictures.

        Returns:
            (N, 3, H / scale, W / scale), in [0, 1].
        """

    @property
    def batched(self) -> bool:
        """Whether :meth:`each` does a batch at once, on whatever device it is."""
        return False

    def each(self, target: Tensor, randoms: Sequence[np.random.Generator]) -> Tensor:
        """Return the degraded pictures, the randomness of each from a generator of its own; here one after another.

        Args:
            target: as above.
            randoms: a generator for each picture.
        """
        pairs = zip(target, randoms, strict=True)
        return torch.cat([self(picture[None], random) for picture, random in pairs])


class BatchDegradation(Degradation):
    """A degradation of a whole batch at once, on its device. Subclasses define :meth:`each` in place of ``__call__``.

    What a picture becomes may not depend on the others beside it, but for rounding. A generator is on the CPU: draw few
    numbers of it for each picture, and noise by :func:`perceptualloss.data.noise.normal`, keyed by one of them. The
    same generator may stand for several pictures.
    """

    @property
    def batched(self) -> bool:
        """Yes; of one that is made of others, whether they are."""
        return True

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the degraded pictures, all from one generator."""
        return self.each(target, [random] * len(target))

    @abstractmethod
    def each(self, target: Tensor, randoms: Sequence[np.random.Generator]) -> Tensor:
        """Return the degraded pictures, the randomness of each from a generator of its own."""


class Unchanged(BatchDegradation):
    """No degradation: the input is the target itself, as style transfer wants it."""

    def each(self, target: Tensor, randoms: Sequence[np.random.Generator]) -> Tensor:
        """Return the pictures."""
        return target


class Downscale(BatchDegradation):
    """Shrink by a whole number, antialiased, and clamp what overshoots.

    Args:
        scale: how many times smaller.
        method: "bicubic" as in super-resolution papers, or "bilinear".
        blur: standard deviation in pixels of a Gaussian blur before it, 0 for none; Johnson et al. 2016 take 1.0.

    Raises:
        InputError: for a scale that is no whole number from 1, a blur beyond 0 to 20 pixels, or another method; when
            called, for a height or width that is no multiple of the scale.

    >>> import torch
    >>> Downscale(2)(torch.rand(1, 3, 8, 6), np.random.default_rng(0)).shape
    torch.Size([1, 3, 4, 3])
    """

    def __init__(self, scale: int = 2, method: Method = "bicubic", blur: float = 0.0) -> None:
        if scale < 1 or int(scale) != scale:
            raise InputError("scale to be a whole number, 1 or more", f"{scale}")
        self.scale = int(scale)
        if not 0 <= blur <= 20:
            raise InputError("blur from 0 to 20 pixels", f"{blur}")
        self.method: Method = method
        self.blur = blur
        check_choice("method", method, ("bicubic", "bilinear"))

    def each(self, target: Tensor, randoms: Sequence[np.random.Generator]) -> Tensor:
        """Return the pictures at 1/scale of their size; uses no randomness."""
        height, width = target.shape[-2:]
        if height % self.scale or width % self.scale:
            got = f"{height} x {width}"
            raise InputError(f"height and width to be multiples of {self.scale}", got, "Crop the picture.")
        if self.blur:
            target = blurred(target, [self.blur] * len(target))
        low = resize(target, size=(height // self.scale, width), method=self.method)
        # both axes by a product of each picture alone: one of the whole batch would round otherwise than a small one
        low = resize(low.mT, size=(width // self.scale, height // self.scale), method=self.method).mT
        return low.clamp(0, 1).contiguous()
