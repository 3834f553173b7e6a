from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from perceptualloss.data.crops import Crops, whole
from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.errors import InputError


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Load samples as a worker does: with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class RandomNoise(Degradation):
    """The degradation that uses randomness."""

    def __call__(self, target: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
        return (target + torch.from_numpy(random.standard_normal(target.shape, dtype=np.float32))).clamp(0, 1)


def numbered_photos() -> list[torch.Tensor]:
    """Return photos whose pixels tell the photo, the row and the column."""
    photos = []
    for number, (height, width) in enumerate([(40, 50), (33, 37), (64, 32)]):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        photos.append(torch.stack([torch.full_like(rows, number), rows, columns]).to(torch.uint8))
    return photos


def crops(scale: int = 2, crop: int = 16, samples: int = 200, **options: object) -> Crops:
    return Crops(numbered_photos(), Downscale(scale), crop, samples, **options)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 199), st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**40), st.booleans())
def test_a_sample_is_an_aligned_crop_and_its_degraded_input(n: int, scale: int, seed: int, flip: bool) -> None:
    side = 6 * scale
    inputs, target = crops(scale, side, seed=seed, flip=flip)[n]
    assert inputs.dtype == target.dtype == torch.float32
    assert inputs.shape == (3, 6, 6)
    assert target.shape == (3, side, side)
    assert inputs.equal(Downscale(scale)(target[None], np.random.default_rng(0))[0])
    number, rows, columns = (target * 255).round().to(torch.int64)
    photo = numbered_photos()[int(number[0, 0])]
    assert (number == number[0, 0]).all()
    top, left = int(rows.min()), int(columns.min())
    assert top % scale == 0
    assert left % scale == 0
    assert top + side <= photo.shape[1]
    assert left + side <= photo.shape[2]
    expected = photo[:, top : top + side, left : left + side]
    symmetries = [x.rot90(k, (1, 2)) for x in (expected, expected.mT) for k in range(4)] if flip else [expected]
    assert any(torch.equal((target * 255).round().to(torch.uint8), symmetry) for symmetry in symmetries)


def test_all_symmetries_photos_and_places_occur() -> None:
    targets = [(target * 255).round().to(torch.int64) for _, target in crops(8, 32, samples=600)]
    assert {int(target[0, 0, 0]) for target in targets} == {0, 1, 2}
    corners = set()
    for _, rows, columns in targets:
        along = rows[0, 0] == rows[0, -1]
        down = rows if along else columns
        right = columns if along else rows
        corners.add((bool(along), bool(down[0, 0] < down[-1, 0]), bool(right[0, 0] < right[0, -1])))
    assert len(corners) == 8
    assert {int(rows.min()) for number, rows, _ in targets if number[0, 0] == 2} == {0, 8, 16, 24, 32}


def test_photos_are_equally_likely_whatever_their_size() -> None:
    photos = [torch.full((3, side, side), side, dtype=torch.uint8) for side in (8, 100)]
    data = Crops(photos, Downscale(1), 8, 1000, seed=3)
    small = sum(int(target[0, 0, 0] * 255 < 50) for _, target in data)
    assert 430 < small < 570


def same(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...]) -> bool:
    return all(x.equal(y) for x, y in zip(one, other, strict=True))


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(12)), st.integers(0, 99))
def test_samples_depend_on_seed_and_number_alone(order: list[int], seed: int) -> None:
    data = Crops(numbered_photos(), RandomNoise(), 8, 12, seed=seed)
    expected = [data[n] for n in range(12)]
    torch.manual_seed(seed)
    np.random.seed(seed)  # the global generators must not matter
    again = Crops(numbered_photos(), RandomNoise(), 8, 5000, seed=seed)
    assert all(same(again[n], expected[n]) for n in order)
    other = Crops(numbered_photos(), RandomNoise(), 8, 12, seed=seed + 1)
    assert not all(same(other[n], expected[n]) for n in order)
    assert not same(expected[0], expected[1])


def _in_workers(_: int) -> None:
    data = Crops(numbered_photos(), RandomNoise(), 16, 24, seed=5)
    alone = [tuple(batch) for batch in DataLoader(data, batch_size=4)]
    several = [tuple(batch) for batch in DataLoader(data, batch_size=4, num_workers=2)]
    assert len(alone) == 6
    assert all(same(x, y) for x, y in zip(alone, several, strict=True))


def test_workers_give_the_same_samples(in_processes: Callable[..., None]) -> None:
    in_processes(_in_workers)


def test_samples_stay_the_same_from_version_to_version() -> None:
    _, target = crops(2, 16, seed=7)[123]
    number, rows, columns = (target * 255).round().to(torch.int64)
    assert (int(number[0, 0]), int(rows.min()), int(columns.min())) == (0, 18, 0)


def test_length_and_end() -> None:
    data = crops(samples=3)
    assert len(data) == 3
    assert len(list(data)) == 3  # type: ignore[call-overload]
    for index in (3, -1):
        with pytest.raises(IndexError):
            data[index]


def test_a_64_pixel_sample_takes_well_under_a_millisecond() -> None:
    photos = [torch.randint(256, (3, 512, 512), dtype=torch.uint8)]
    data = Crops(photos, Downscale(2), 64, 400)
    data[0]
    start = time.process_time()
    for n in range(200):
        data[n]
    spent = (time.process_time() - start) / 200
    assert spent < 2e-3  # 0.3 ms when measured; the limit leaves room for a slow machine


@pytest.mark.parametrize(
    ("crop", "samples", "seed", "message"),
    [
        (15, 10, 0, "multiple of the scale 4, got 15. Take 16"),
        (1, 10, 0, "Take 4"),
        (0, 10, 0, "multiple of the scale 4"),
        (16, 0, 0, "at least one sample"),
        (16, 10, -1, "seed from 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(crop: int, samples: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Crops(numbered_photos(), Downscale(4), crop, samples, seed=seed)


def test_no_photos_and_small_photos_are_refused() -> None:
    with pytest.raises(InputError, match="at least one photo"):
        Crops([], Downscale(2), 16, 10)
    with pytest.raises(InputError, match="crop of at most 33 pixels, got 34"):
        Crops(numbered_photos()[1:2], Downscale(2), 34, 10)[0]


# Whole photos


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_whole_crops_to_a_multiple_of_the_scale(scale: int) -> None:
    photo = numbered_photos()[1]
    inputs, target = whole(photo, Downscale(scale))
    height, width = 33 // scale * scale, 37 // scale * scale
    assert (target * 255).round().to(torch.uint8).equal(photo[:, :height, :width])
    assert inputs.shape == (3, height // scale, width // scale)
    from_floats = whole(photo.double() / 255, Downscale(scale))
    torch.testing.assert_close(from_floats[1], target)


def test_whole_is_seeded_and_refuses_tiny_photos() -> None:
    photo = numbered_photos()[0]
    assert same(whole(photo, RandomNoise(), seed=4), whole(photo, RandomNoise(), seed=4))
    assert not same(whole(photo, RandomNoise(), seed=4), whole(photo, RandomNoise(), seed=5))
    with pytest.raises(InputError, match="at least 4 x 4 pixels"):
        whole(photo[:, :3], Downscale(4))
