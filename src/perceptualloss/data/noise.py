"""Noise that is a function of (key, place) alone: counted, not drawn in turn, so a batch's is made on its device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_STEP, _FIRST, _SECOND = (n - 2**64 for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # as int64


def bits(keys: Sequence[int], count: int, device: torch.device) -> Tensor:
    """Return the first ``count`` numbers of SplitMix64 for each key, int64, (keys, count): all 64 bits are random.

    The same bits on every device.

    Args:
        keys: 0 to below 2**63.
        count: numbers for each of them.
        device: where they are made.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, which passes BigCrush;
    number i depends on key + (i + 1) * 0x9E3779B97F4A7C15 alone.

    >>> bits([1234567], 2, torch.device("cpu")).tolist()
    [[6457827717110365317, 3203168211198807973]]
    """
    places = torch.arange(1, count + 1, device=device).mul_(_STEP)
    mixed = torch.tensor(list(keys), dtype=torch.int64).to(device)[:, None] + places
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        mixed = mixed.bitwise_xor_(_shifted(mixed, shift)).mul_(factor)  # wraps at 64 bits
    return mixed.bitwise_xor_(_shifted(mixed, 31))


def normal(keys: Sequence[int], shape: Sequence[int], device: torch.device) -> Tensor:
    """Return values of a normal distribution, of mean 0 and variance 1, float32, of (keys, C, H, W) or any shape.

    By Box and Muller from two numbers of 32 bits for each two values, so none is beyond 6.8. Other devices give the
    same values but for the rounding of logarithm, root, sine and cosine.

    Args:
        keys: one for each picture, 0 to below 2**63.
        shape: of each picture.
        device: where they are made.
    """
    count = math.prod(shape)
    drawn = bits(keys, -(-count // 2), device)
    first, second = _shifted(drawn, 32), drawn.bitwise_and_(2**32 - 1)
    radius = first.float().add_(0.5).mul_(2**-32).log_().mul_(-2).sqrt_()
    angle = second.float().mul_(2 * math.pi * 2**-32)
    values = torch.stack([angle.cos().mul_(radius), angle.sin_().mul_(radius)], dim=-1)
    return values.flatten(1)[:, :count].reshape(-1, *shape)


def _shifted(numbers: Tensor, places: int) -> Tensor:
    """Return the bits moved to the right, zeros from the left: torch's own shift repeats the sign."""
    return (numbers >> places).bitwise_and_(2 ** (64 - places) - 1)
