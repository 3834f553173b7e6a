"""A degraded batch is its pictures degraded one by one, each by its own random numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.data.batched import in_groups
from perceptualloss.data.damage import Blur, Grey, InTurn, Jpeg, MotionBlur, Noise, Scratches
from perceptualloss.data.degrade import BatchDegradation, Degradation, Downscale
from perceptualloss.data.disturb import OneOf
from perceptualloss.data.inputs import damage_numbers
from perceptualloss.data.registry import DEGRADATIONS

OTHERS: dict[str, Callable[[], Degradation]] = {
    "InTurn": lambda: InTurn([Blur(), Scratches((0, 3)), Noise(), Jpeg()], 0.6),
    "OneOf": lambda: OneOf([MotionBlur(), Grey(), InTurn([Noise()]), Jpeg()]),
}
KINDS = sorted(DEGRADATIONS)


class Tinted(Degradation):
    """One that takes a picture and a generator alone, as those of users do."""

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        return (target * torch.from_numpy(random.random((3, 1, 1), dtype=np.float32))).clamp(0, 1)


def built(name: str) -> Degradation:
    return OTHERS.get(name, DEGRADATIONS[name])()


def check(degradation: Degradation, pictures: Tensor, seed: int) -> Tensor:
    """Compare a batch with its pictures alone, and in another order, bit for bit."""
    before, numbers = pictures.clone(), range(10, 10 + len(pictures))
    together = degradation.each(pictures, [damage_numbers(seed, n) for n in numbers])
    for place, n in enumerate(numbers):
        alone = degradation(pictures[place : place + 1], damage_numbers(seed, n))
        assert torch.equal(together[place : place + 1], alone)
    back = degradation.each(pictures.flip(0), [damage_numbers(seed, n) for n in reversed(numbers)])
    assert torch.equal(together, back.flip(0))
    assert torch.equal(pictures, before)
    return together


@pytest.mark.parametrize("name", KINDS)
@given(count=st.integers(1, 6), size=st.tuples(st.integers(16, 35), st.integers(16, 35)), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=12)
def test_a_batch_is_its_pictures_one_by_one(name: str, count: int, size: tuple[int, int], seed: int) -> None:
    degradation = built(name)
    height, width = (side // degradation.scale * degradation.scale for side in size)
    pictures = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))
    assert degradation.batched
    found = check(degradation, pictures, seed)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_one_of_ones_own_does_so_alone_and_among_others() -> None:
    pictures = torch.rand(5, 3, 12, 9)
    for degradation in (Tinted(), InTurn([Noise(), Tinted()]), OneOf([Tinted(), Blur()])):
        assert not degradation.batched
        check(degradation, pictures, seed=3)


def test_every_picture_of_a_batch_draws_its_own_chance_and_part() -> None:
    pictures = torch.rand(40, 3, 8, 8)
    for degradation in (InTurn([Grey()], 0.5), OneOf([Grey(), Blur((0, 0))])):
        found = degradation(pictures, np.random.default_rng(0))
        kept = sum(torch.equal(one, other) for one, other in zip(found, pictures, strict=True))
        assert 8 < kept < 32


def test_a_new_one_for_batches_is_a_small_class() -> None:
    class Darker(BatchDegradation):
        def each(self, target: Tensor, randoms: object) -> Tensor:
            return target / 2

    assert torch.equal(Darker()(torch.ones(2, 3, 4, 4), np.random.default_rng(0)), torch.full((2, 3, 4, 4), 0.5))
    with pytest.raises(TypeError, match="each"):
        BatchDegradation()  # type: ignore[abstract]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=9))
@settings(deadline=None)
def test_groups_keep_the_order(keys: list[str | None]) -> None:
    pictures = torch.arange(float(len(keys))).view(-1, 1, 1, 1)
    seen: list[int] = []

    def work(key: str, group: Tensor, places: list[int]) -> Tensor:
        assert [keys[place] for place in places] == [key] * len(places)
        assert group.flatten().tolist() == places
        seen.extend(places)
        return group + 100

    found = in_groups(pictures, keys, work)
    assert found.flatten().tolist() == [n + (100 if key else 0) for n, key in enumerate(keys)]
    assert sorted(seen) == [n for n, key in enumerate(keys) if key]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", KINDS)
def test_a_gpu_gives_nearly_the_same(name: str) -> None:
    pictures = torch.rand(6, 3, 32, 48)
    here, there = (
        built(name).each(pictures.to(device), [damage_numbers(0, n) for n in range(6)]).cpu()
        for device in ("cpu", "cuda")
    )
    off = (here - there).abs()
    if name in ("InTurn", "OneOf", "OldPhoto"):  # a value that JPEG rounds the other way
        assert float((off > 1e-4).float().mean()) < 0.02
    else:
        assert float(off.max()) < 1e-4


def test_scaled_parts() -> None:
    check(InTurn([Blur(), Downscale(4), Noise()]), torch.rand(3, 3, 32, 48), seed=1)
