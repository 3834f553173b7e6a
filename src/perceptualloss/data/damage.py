"""Damages that a network learns to undo: noise, JPEG, blur, lost colour, age. They keep the picture's size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from perceptualloss.data.degrade import Degradation
from perceptualloss.data.distortions import blur, jpeg
from perceptualloss.errors import InputError
from perceptualloss.pictures.color import luma

Range = tuple[float, float]


class Damage(Degradation):
    """One damage of a strength that is drawn for each picture, evenly from a range (low, high)."""

    def __init__(self, strength: Range, least: float, most: float, name: str) -> None:
        low, high = strength
        if not least <= low <= high <= most:
            got = f"({low}, {high})"
            raise InputError(f"{name} to be a range (low, high) within {least:g} to {most:g}", got)
        self.strength = (float(low), float(high))

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the damaged pictures, (N, 3, H, W) in [0, 1]."""
        pictures = [self.damage(picture, float(random.uniform(*self.strength)), random) for picture in target]
        return torch.stack(pictures).clamp(0, 1)

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return one picture, (3, H, W), damaged; values may leave [0, 1]."""
        raise TypeError(f"{type(self).__name__} must define damage(picture, strength, random)")


class Noise(Damage):
    """Gaussian noise, of its own in each channel.

    Args:
        sigma: range of the standard deviation (1: from black to white); 25 / 255 is usual.

    >>> noise = Noise((0.1, 0.1))(torch.full((1, 3, 64, 64), 0.5), np.random.default_rng(0))
    >>> round(noise.std().item(), 2)
    0.1
    """

    def __init__(self, sigma: Range = (0.0, 0.2)) -> None:
        super().__init__(sigma, 0, 1, "sigma")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture with noise of a standard deviation of ``strength``."""
        return picture + strength * normal(picture.shape, random)


class Jpeg(Damage):
    """What saving as JPEG leaves.

    Args:
        quality: range of Pillow's quality, 1 to 100.
    """

    def __init__(self, quality: Range = (10, 60)) -> None:
        super().__init__(quality, 1, 100, "quality")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture saved at the quality ``strength`` and read again."""
        return jpeg(picture.cpu(), 100 - strength).to(picture)


class Blur(Damage):
    """A Gaussian blur, as of a lens out of focus.

    Args:
        sigma: range of the standard deviation in pixels, up to 20.
    """

    def __init__(self, sigma: Range = (0.5, 2.5)) -> None:
        super().__init__(sigma, 0, 20, "sigma")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture blurred with a standard deviation of ``strength``."""
        return blur(picture, strength) if strength > 0 else picture


class MotionBlur(Damage):
    """The streaks of a camera that moved in a line, in any direction.

    Args:
        length: range of their length in pixels, 1 (none) to 64.
    """

    def __init__(self, length: Range = (1, 15)) -> None:
        super().__init__(length, 1, 64, "length")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture drawn out to streaks of ``strength`` pixels."""
        kernel = line(strength, float(random.uniform(0, math.pi))).to(picture)
        wide = F.pad(picture[None], (kernel.shape[-1] // 2,) * 4, mode="replicate")
        return F.conv2d(wide, kernel.expand(3, 1, -1, -1), groups=3)[0]


class Grey(Degradation):
    """Takes the colours away: three times the luminance (BT.601, without a range of its own), for colourising."""

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the pictures in grey, (N, 3, H, W); uses no randomness."""
        return luma(target).clamp(0, 1).expand(-1, 3, -1, -1).contiguous()


class Faded(Damage):
    """Contrast, colour and blacks that light took away, and the yellow of old paper.

    Args:
        strength: range of how much of them is lost, 0 to 1.
    """

    def __init__(self, strength: Range = (0.1, 0.6)) -> None:
        super().__init__(strength, 0, 1, "strength")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture faded by ``strength``."""
        grey = picture.mean(dim=0, keepdim=True)
        paper = picture.new_tensor([0.80, 0.72, 0.55]).view(3, 1, 1)
        return torch.lerp(torch.lerp(picture, grey, strength), paper, 0.5 * strength)


class Scratches(Damage):
    """Thin bright or dark lines across the picture, and specks.

    Args:
        count: range of how many lines there are on a picture, 0 to 100.
    """

    def __init__(self, count: Range = (0, 6)) -> None:
        super().__init__(count, 0, 100, "count")

    def damage(self, picture: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """Return the picture with ``strength`` lines, rounded, and ten times as many specks."""
        height, width = picture.shape[1:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        for _ in range(round(strength)):
            angle, across = random.uniform(-0.3, 0.3), random.uniform(0, width)
            away = (x - across + math.tan(angle) * (y - height / 2)).abs().to(picture)
            cover = (random.uniform(0.5, 1.5) - away + 0.5).clamp(0, 1) * random.uniform(0.3, 0.9)
            picture = torch.lerp(picture, picture.new_tensor(float(random.random() < 0.7)), cover)
        specks = 10 * round(strength)
        rows, columns = random.integers(height, size=specks), random.integers(width, size=specks)
        picture = picture.clone()
        picture[:, rows, columns] = torch.from_numpy(random.random(specks)).to(picture).round()
        return picture


class InTurn(Degradation):
    """Several degradations one after another, each or each at random.

    Args:
        parts: the degradations; their scales multiply.
        chance: with which each of them is applied, above 0 and at most 1.

    Raises:
        InputError: for no parts, another chance, or a part that changes the size and may be left out.
    """

    def __init__(self, parts: list[Degradation], chance: float = 1.0) -> None:
        if not parts or not 0 < chance <= 1:
            raise InputError("at least one part and a chance above 0 and at most 1", f"{len(parts)} and {chance}")
        self.scale = math.prod(part.scale for part in parts)
        if chance < 1 and self.scale != 1:
            raise InputError("parts that keep the size, to leave some out", f"a scale of {self.scale}")
        self.parts, self.chance = parts, chance

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        """Return the pictures after all parts that fell to them."""
        for part in self.parts:
            if self.chance == 1 or random.random() < self.chance:
                target = part(target, random)
        return target


class OldPhoto(InTurn):
    """What age does to a photo: blur, fading, lost colour, grain, scratches and a scan saved as JPEG, each at random.

    Args:
        chance: with which each of them is applied.
    """

    def __init__(self, chance: float = 0.6) -> None:
        parts = [Blur((0.5, 2.0)), Grey(), Faded(), Noise((0.01, 0.1)), Scratches(), Jpeg((30, 90))]
        super().__init__(parts, chance)


def line(length: float, angle: float) -> Tensor:
    """Return the kernel of a straight streak through its middle, (k, k) with k odd, that sums to 1.

    Args:
        length: in pixels, at least 1.
        angle: in radians, from the horizontal.

    >>> line(3.0, 0.0)
    tensor([[0.0000, 0.0000, 0.0000],
            [0.3333, 0.3333, 0.3333],
            [0.0000, 0.0000, 0.0000]])
    """
    reach = math.ceil((length - 1) / 2)
    kernel = torch.zeros(2 * reach + 1, 2 * reach + 1, dtype=torch.float64)
    samples = 16 * math.ceil(length)
    places = length * ((torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5)
    y, x = reach - places * math.sin(angle), reach + places * math.cos(angle)
    kernel.index_put_((y.round().long(), x.round().long()), torch.ones_like(places), accumulate=True)
    return (kernel / kernel.sum()).float()


def normal(shape: Sequence[int], random: np.random.Generator) -> Tensor:
    """Return values of a normal distribution, of mean 0 and variance 1."""
    return torch.from_numpy(random.standard_normal(tuple(shape), dtype=np.float32))
