"""Counted noise: SplitMix64's bits, a normal distribution, and the same values wherever they are made."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from perceptualloss.data.noise import bits, normal

CPU = torch.device("cpu")
MASK = 2**64 - 1


def split_mix(key: int, count: int) -> list[int]:
    """Return SplitMix64's numbers as its authors print it, in whole numbers of any size."""
    found, state = [], key
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(mixed ^ (mixed >> 31))
    return found


@given(st.integers(0, 2**63 - 1), st.integers(1, 40))
@settings(deadline=None, max_examples=50)
def test_bits_are_split_mix(key: int, count: int) -> None:
    assert [number & MASK for number in bits([key], count, CPU)[0].tolist()] == split_mix(key, count)


def test_values_are_box_and_mullers() -> None:
    found = normal([7], (6,), CPU)[0].tolist()
    for drawn, pair in zip(split_mix(7, 3), zip(found[::2], found[1::2], strict=True), strict=True):
        radius = math.sqrt(-2 * math.log(((drawn >> 32) + 0.5) / 2**32))
        angle = 2 * math.pi * (drawn & (2**32 - 1)) / 2**32
        assert pair == pytest.approx((radius * math.cos(angle), radius * math.sin(angle)), abs=2e-6)


def test_values_are_normal_and_independent() -> None:
    found = normal(range(20), (3, 50, 50), CPU)
    assert kstest(found.flatten().double().numpy(), "norm").pvalue > 0.01
    assert float(found.abs().max()) < 6.8
    rows = found.flatten(1)
    assert float(torch.corrcoef(rows).fill_diagonal_(0).abs().max()) < 0.05  # of other keys
    assert abs(float((rows[:, :-1] * rows[:, 1:]).mean())) < 0.01  # of neighbours


@given(st.integers(1, 5), st.tuples(st.integers(1, 3), st.integers(1, 19), st.integers(1, 19)), st.integers(0, 2**62))
@settings(deadline=None, max_examples=60)
def test_a_batch_has_the_bits_of_its_pictures_alone(count: int, shape: tuple[int, int, int], first: int) -> None:
    keys = [first + 5 * place for place in range(count)]
    batch = normal(keys, shape, CPU)
    assert batch.shape == (count, *shape)
    assert all(torch.equal(batch[place : place + 1], normal([key], shape, CPU)) for place, key in enumerate(keys))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_bits_and_nearly_the_same_values() -> None:
    gpu = torch.device("cuda")
    assert torch.equal(bits([1, 2], 1000, gpu).cpu(), bits([1, 2], 1000, CPU))
    torch.testing.assert_close(normal([3], (3, 64, 64), gpu).cpu(), normal([3], (3, 64, 64), CPU), rtol=0, atol=2e-6)
