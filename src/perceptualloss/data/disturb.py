"""What pictures look like on the way of a training: enlarged, in blocks, in other light, under coloured noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from perceptualloss.data.batched import column, in_groups
from perceptualloss.data.damage import Damage, Randoms, Range, keys_of, parts_of
from perceptualloss.data.degrade import BatchDegradation, Degradation
from perceptualloss.data.distortions import in_squares, smaller, through
from perceptualloss.data.noise import normal
from perceptualloss.errors import InputError


class Enlarged(Damage):
    """What shrinking and enlarging leaves, both bicubic: what a network for super-resolution starts from.

    Args:
        factor: range of how many times smaller the picture was, 1 to 16.
    """

    def __init__(self, factor: Range = (1.3, 4.5)) -> None:
        super().__init__(factor, 1, 16, "factor")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures shrunk and enlarged so many times."""
        sizes = [smaller(pictures.shape[2:], factor) for factor in strengths]
        return in_groups(pictures, sizes, lambda size, group, _: through(group, size))


class Blocks(Damage):
    """Square pixels, several times as large.

    Args:
        factor: range of how many times, 1 to 16.
    """

    def __init__(self, factor: Range = (1.5, 4.0)) -> None:
        super().__init__(factor, 1, 16, "factor")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures in squares of so many pixels."""
        sizes = [smaller(pictures.shape[2:], factor) for factor in strengths]
        return in_groups(pictures, sizes, lambda size, group, _: in_squares(group, size))


class Light(Damage):
    """Another contrast about the middle grey, and another brightness.

    Args:
        strength: range of the largest change, 0 to 1: the contrast is multiplied with 1 - strength to 1 + strength,
            and up to half the strength is added or taken away.
    """

    def __init__(self, strength: Range = (0.1, 0.5)) -> None:
        super().__init__(strength, 0, 1, "strength")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures in another light."""
        drawn = [
            (1 + strength * random.uniform(-1, 1), 0.5 * strength * random.uniform(-1, 1))
            for strength, random in zip(strengths, randoms, strict=True)
        ]
        factors, offsets = (column(values, pictures) for values in zip(*drawn, strict=True))
        return (pictures * factors).add_(0.5 * (1 - factors) + offsets)


class Clouds(Damage):
    """Coloured noise of a random grain, from single pixels to an eighth of the picture, smooth or in squares.

    Args:
        sigma: range of the standard deviation (1: from black to white).
    """

    def __init__(self, sigma: Range = (0.05, 0.25)) -> None:
        super().__init__(sigma, 0, 1, "sigma")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures with such noise."""
        size = pictures.shape[2:]
        most = math.log(max(1.0, min(size) / 8))
        sizes = [smaller(size, math.exp(random.uniform(0, most))) for random in randoms]
        keys = keys_of(randoms)
        smooth = [bool(random.random() < 0.5) for random in randoms]

        def work(kind: tuple[tuple[int, int], bool], group: Tensor, places: list[int]) -> Tensor:
            coarse = normal([keys[place] for place in places], (3, *kind[0]), group.device)
            noise = F.interpolate(coarse, size, mode="bicubic" if kind[1] else "nearest")
            return group + column([strengths[place] for place in places], group) * noise

        return in_groups(pictures, list(zip(sizes, smooth, strict=True)), work)


class OneOf(BatchDegradation):
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

    @property
    def batched(self) -> bool:
        """Whether all parts are."""
        return all(part.batched for part in self.parts)

    def each(self, target: Tensor, randoms: Randoms) -> Tensor:
        """Return the pictures, each after one of the parts."""
        return parts_of(self.parts, target, [int(random.integers(len(self.parts))) for random in randoms], randoms)
