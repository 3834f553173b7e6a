"""Damages that a network learns to undo: noise, JPEG, blur, lost colour, age. They keep the picture's size."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from perceptualloss.data.batched import column, in_groups
from perceptualloss.data.degrade import BatchDegradation, Degradation
from perceptualloss.data.distortions import blurred, filtered
from perceptualloss.data.jpeg import jpeg
from perceptualloss.data.noise import normal
from perceptualloss.errors import InputError
from perceptualloss.pictures.color import luma

Range = tuple[float, float]
Randoms = Sequence[np.random.Generator]
NO_LINE = (0.0, 0.0, 0.0, 0.0, 0.0)


class Damage(BatchDegradation):
    """One damage of a strength that is drawn for each picture, evenly from a range (low, high).

    The range is kept under the name that the argument has in the subclass, such as ``sigma``.
    """

    def __init__(self, strength: Range, least: float, most: float, name: str) -> None:
        low, high = strength
        if not least <= low <= high <= most:
            got = f"({low}, {high})"
            raise InputError(f"{name} to be a range (low, high) within {least:g} to {most:g}", got)
        self._name = name
        setattr(self, name, (float(low), float(high)))

    def each(self, target: Tensor, randoms: Randoms) -> Tensor:
        """Return the damaged pictures, (N, 3, H, W) in [0, 1]."""
        strengths = [float(random.uniform(*getattr(self, self._name))) for random in randoms]
        return self.damage(target, strengths, randoms).clamp(0, 1)

    @abstractmethod
    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return pictures, (N, 3, H, W), each damaged by its strength; values may leave [0, 1]."""


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

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures with noise of these standard deviations."""
        return pictures + column(strengths, pictures) * normal(keys_of(randoms), pictures.shape[1:], pictures.device)


class Jpeg(Damage):
    """What saving as JPEG leaves.

    Args:
        quality: range of Pillow's quality, 1 to 100.
    """

    def __init__(self, quality: Range = (10, 60)) -> None:
        super().__init__(quality, 1, 100, "quality")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures saved at these qualities, rounded, and read again."""
        return jpeg(pictures, [round(quality) for quality in strengths])


class Blur(Damage):
    """A Gaussian blur, as of a lens out of focus.

    Args:
        sigma: range of the standard deviation in pixels, up to 20.
    """

    def __init__(self, sigma: Range = (0.5, 2.5)) -> None:
        super().__init__(sigma, 0, 20, "sigma")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures blurred with these standard deviations."""
        return blurred(pictures, strengths)


class MotionBlur(Damage):
    """The streaks of a camera that moved in a line, in any direction.

    Args:
        length: range of their length in pixels, 1 (none) to 64.
    """

    def __init__(self, length: Range = (1, 15)) -> None:
        super().__init__(length, 1, 64, "length")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures drawn out to streaks of so many pixels."""
        angles = [float(random.uniform(0, math.pi)) for random in randoms]
        kernels = [line(length, angle) for length, angle in zip(strengths, angles, strict=True)]

        def work(side: int, group: Tensor, places: list[int]) -> Tensor:
            return filtered(group, torch.stack([kernels[place] for place in places]).to(group))

        return in_groups(pictures, [len(kernel) if len(kernel) > 1 else None for kernel in kernels], work)


class Grey(BatchDegradation):
    """Takes the colours away: three times the luminance (BT.601, without a range of its own), for colourising."""

    def each(self, target: Tensor, randoms: Randoms) -> Tensor:
        """Return the pictures in grey, (N, 3, H, W); uses no randomness."""
        return luma(target).clamp(0, 1).expand(-1, 3, -1, -1).contiguous()


class Faded(Damage):
    """Contrast, colour and blacks that light took away, and the yellow of old paper.

    Args:
        strength: range of how much of them is lost, 0 to 1.
    """

    def __init__(self, strength: Range = (0.1, 0.6)) -> None:
        super().__init__(strength, 0, 1, "strength")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures faded by these shares."""
        grey = pictures.mean(dim=1, keepdim=True)
        paper = pictures.new_tensor([0.80, 0.72, 0.55]).view(3, 1, 1)
        lost = column(strengths, pictures)
        return torch.lerp(torch.lerp(pictures, grey, lost), paper, 0.5 * lost)


class Scratches(Damage):
    """Thin bright or dark lines across the picture, and specks.

    Args:
        count: range of how many lines there are on a picture, 0 to 100.
    """

    def __init__(self, count: Range = (0, 6)) -> None:
        super().__init__(count, 0, 100, "count")

    def damage(self, pictures: Tensor, strengths: Sequence[float], randoms: Randoms) -> Tensor:
        """Return the pictures with as many lines, rounded, and ten times as many specks."""
        height, width = pictures.shape[2:]
        counts = [round(strength) for strength in strengths]
        drawn = [_scratches(count, height, width, random) for count, random in zip(counts, randoms, strict=True)]
        y = torch.arange(height, device=pictures.device).view(-1, 1) - height / 2
        x = torch.arange(width, device=pictures.device)
        for number in range(max(counts)):
            lines = torch.tensor([lines[number] if number < len(lines) else NO_LINE for lines, _ in drawn])
            slope, across, half, cover, shade = lines.to(pictures).T[:, :, None, None, None]
            away = (x - across + slope * y).abs()
            pictures = torch.lerp(pictures, shade, (half - away).clamp(0, 1) * cover)
        specks = torch.stack([specks for _, specks in drawn]).to(pictures.device)
        return torch.where(specks < 0, pictures, specks.to(pictures))


def _scratches(
    count: int, height: int, width: int, random: np.random.Generator
) -> tuple[list[tuple[float, ...]], Tensor]:
    """Return lines (slope, place, half the width, share covered, shade), and specks (1, H, W): 0, 1, or -1 for none."""
    lines = list[tuple[float, ...]]()
    for _ in range(count):
        angle, across = random.uniform(-0.3, 0.3), random.uniform(0, width)
        half, cover = random.uniform(0.5, 1.5) + 0.5, random.uniform(0.3, 0.9)
        lines.append((math.tan(angle), across, half, cover, float(random.random() < 0.7)))
    specks = np.full((1, height, width), -1, dtype=np.int8)
    rows, columns = random.integers(height, size=10 * count), random.integers(width, size=10 * count)
    specks[0, rows, columns] = random.random(10 * count).round()
    return lines, torch.from_numpy(specks)


class InTurn(BatchDegradation):
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

    @property
    def batched(self) -> bool:
        """Whether all parts are."""
        return all(part.batched for part in self.parts)

    def each(self, target: Tensor, randoms: Randoms) -> Tensor:
        """Return the pictures after all parts that fell to them."""
        for part in self.parts:
            taken = [self.chance == 1 or random.random() < self.chance for random in randoms]
            target = parts_of([part], target, [0 if take else None for take in taken], randoms)
        return target


class OldPhoto(InTurn):
    """What age does to a photo: blur, fading, lost colour, grain, scratches and a scan saved as JPEG, each at random.

    Args:
        chance: with which each of them is applied.
    """

    def __init__(self, chance: float = 0.6) -> None:
        parts: list[Degradation] = [Blur((0.5, 2.0)), Grey(), Faded(), Noise((0.01, 0.1)), Scratches(), Jpeg((30, 90))]
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


def parts_of(parts: Sequence[Degradation], pictures: Tensor, chosen: Sequence[int | None], randoms: Randoms) -> Tensor:
    """Return the pictures, each after the degradation with its number, or as it is."""

    def work(number: int, group: Tensor, places: list[int]) -> Tensor:
        return parts[number].each(group, [randoms[place] for place in places])

    return in_groups(pictures, chosen, work)


def keys_of(randoms: Randoms) -> list[int]:
    """Return a key for the noise of each picture."""
    return [int(random.integers(2**63)) for random in randoms]
