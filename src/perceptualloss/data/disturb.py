"""What pictures look like on the way of a training: enlarged, in blocks, in other light, under coloured noise."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perceptualloss.data.damage import Damage, Range, normal
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.distortions import down_up, pixelate
from perceptualloss.errors import InputError


class Enlarged(Damage):
    """What shrinking and enlarging leaves, both bicubic: what a network for super-resolution starts from.

    Args:
        factor: range of how many times smaller the picture was, 1 to 16.
    """

    def __init__(self, factor: Range = (1.3, 4.5)) -> None:
        super().__init__(factor, 1, 16, "factor")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture shrunk and enlarged ``strength`` times."""
        return down_up(picture, strength)


class Blocks(Damage):
    """Square pixels, several times as large.

    Args:
        factor: range of how many times, 1 to 16.
    """

    def __init__(self, factor: Range = (1.5, 4.0)) -> None:
        super().__init__(factor, 1, 16, "factor")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture in squares of ``strength`` pixels."""
        return pixelate(picture, strength)


class Light(Damage):
    """Another contrast about the middle grey, and another brightness.

    Args:
        strength: range of the largest change, 0 to 1: the contrast is multiplied with 1 - strength to 1 + strength,
            and up to half the strength is added or taken away.
    """

    def __init__(self, strength: Range = (0.1, 0.5)) -> None:
        super().__init__(strength, 0, 1, "strength")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture in another light."""
        factor, offset = 1 + strength * random.uniform(-1, 1), 0.5 * strength * random.uniform(-1, 1)
        return 0.5 + factor * (picture - 0.5) + offset


class Clouds(Damage):
    """Coloured noise of a random grain, from single pixels to an eighth of the picture, smooth or in squares.

    Args:
        sigma: range of the standard deviation (1: from black to white).
    """

    def __init__(self, sigma: Range = (0.05, 0.25)) -> None:
        super().__init__(sigma, 0, 1, "sigma")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture with such noise."""
        size = picture.shape[1:]
        grain = math.exp(random.uniform(0, math.log(max(1.0, min(size) / 8))))
        coarse = normal((1, 3, *(max(1, round(side / grain)) for side in size)), random)
        mode = "bicubic" if random.random() < 0.5 else "nearest"
        noise = F.interpolate(coarse, size, mode=mode).to(picture)[0]
        return picture + strength * noise


class OneOf(Degradation):
    """One of several degradations, each as likely, drawn for each picture.

    Args:
        parts: the degradations, all of one scale.

    Raises:
        InputError: for no parts, or parts of several scales.
    """

    def __init__(self, parts: list[Degradation]) -> None:
        scales = {part.scale for part in parts}
        if len(scales) != 1:
            raise InputError("at least one part, all of one scale", f"scales {sorted(scales)}")
        (self.scale,) = scales
        self.parts = parts

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the pictures, each after one of the parts."""
        chosen = [self.parts[int(random.integers(len(self.parts)))] for _ in target]
        return torch.cat([part(picture[None], random) for part, picture in zip(chosen, target, strict=True)])
