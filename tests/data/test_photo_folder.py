from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perceptualloss.data.folder import Photos, split_files
from perceptualloss.errors import InputError
from perceptualloss.pictures.resize import resize

SIZES = {"a.png": (30, 20), "b.png": (25, 40), "c.png": (16, 16)}  # height, width


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for seed, (name, size) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return [tmp_path / name for name in SIZES]


def pixels_of(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.mark.parametrize("memory_limit", [2**31, 3 * 30 * 20, 0])
def test_pictures_are_those_of_the_files_wherever_they_are_kept(files: list[Path], memory_limit: int) -> None:
    photos = Photos(files, memory_limit=memory_limit)
    assert len(photos) == 3
    assert photos.files == files
    for photo, file in zip(photos, files, strict=True):
        assert photo.dtype == torch.uint8
        assert photo.equal(pixels_of(file))
    assert photos[-1].equal(photos[2])
    assert [photo.shape for photo in photos[1:]] == [(3, 25, 40), (3, 16, 16)]
    with pytest.raises(IndexError):
        photos[3]


def test_kept_pictures_are_not_read_again_and_others_are(files: list[Path]) -> None:
    kept, read_each_time = Photos(files), Photos(files, memory_limit=0)
    before = kept[0]
    Image.new("RGB", (20, 30), "white").save(files[0])
    assert kept[0].equal(before)
    assert read_each_time[0].min() == 255


@pytest.mark.parametrize("memory_limit", [2**31, 0])
def test_bad_and_small_pictures_are_reported_and_skipped(
    files: list[Path], caplog: pytest.LogCaptureFixture, memory_limit: int
) -> None:
    text, missing = files[0].with_name("text.png"), files[0].with_name("missing.png")
    text.write_text("not a picture")
    with caplog.at_level(logging.WARNING):
        photos = Photos([text, *files, missing], min_size=18, memory_limit=memory_limit)
    assert photos.files == files[:2]
    assert len(caplog.messages) == 3
    for name, reason in (
        ("text.png", "unknown kind"),
        ("missing.png", "no such file"),
        ("c.png", "16 x 16 is smaller"),
    ):
        assert sum(name in message and reason in message for message in caplog.messages) == 1


def test_a_truncated_picture_is_reported_once_and_skipped(files: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    files[0].write_bytes(files[0].read_bytes()[:400])  # the header is whole
    for memory_limit in (2**31, 0):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            photos = Photos(files, memory_limit=memory_limit)
            assert photos.files == files
            assert photos[0].equal(photos[1])  # found out at the first access
            assert photos[0].equal(photos[1])
            assert [file for file, _ in photos.found()] == files[1:]
        assert len(caplog.messages) == 1
        assert "a.png" in caplog.messages[0]


def test_without_a_usable_picture_there_is_no_list(files: list[Path]) -> None:
    with pytest.raises(InputError, match="crop of at most 25 pixels for these pictures, got 64"):
        Photos(files, min_size=64)
    files[0].write_text("not a picture")
    with pytest.raises(InputError, match="at least one picture that decodes, got none in 1 files"):
        Photos(files[:1])
    with pytest.raises(InputError, match="none in 0 files"):
        Photos([])
    photos = Photos(files[1:2], memory_limit=0)
    files[1].unlink()
    with pytest.raises(InputError, match="any more"):
        photos[0]


def test_some_of_the_photos_and_their_middles(files: list[Path]) -> None:
    photos = Photos(files, memory_limit=0)
    some = photos.only([files[2], files[0]], memory_limit=10**6)
    assert some.files == [files[0], files[2]]
    assert some.sizes == [(30, 20), (16, 16)]
    assert some[1].equal(photos[2])
    middles = photos.only(files, memory_limit=10**6, middle=18)
    assert middles.sizes == [(18, 18), (18, 18), (16, 16)]
    assert middles.kept.in_memory == 3 * (2 * 18 * 18 + 16 * 16)
    for _ in range(2):
        assert middles[1].equal(photos[1][:, 3:21, 11:29])


def test_copies_for_other_processes_give_the_same(files: list[Path]) -> None:
    photos = Photos(files, memory_limit=3 * 30 * 20)
    copy = pickle.loads(pickle.dumps(photos))
    assert all(x.equal(y) for x, y in zip(photos, copy, strict=True))


@pytest.mark.parametrize("memory_limit", [2**31, 0])
def test_larger_photos_are_shrunk_to_a_shorter_side_and_small_ones_stay(files: list[Path], memory_limit: int) -> None:
    photos = Photos(files, min_size=16, memory_limit=memory_limit, shorter_side=16)
    assert [tuple(photo.shape) for photo in photos] == [(3, 24, 16), (3, 16, 26), (3, 16, 16)]
    wanted = resize(pixels_of(files[0])[None] / 255, size=(24, 16)).clamp(0, 1)
    assert (photos[0] / 255 - wanted[0]).abs().max() <= 0.5 / 255 + 1e-6
    assert photos[2].equal(pixels_of(files[2]))
    assert Photos(files, shorter_side=100)[0].equal(pixels_of(files[0]))
    with pytest.raises(InputError, match="a shorter side from 18 pixels, the crop, got 16"):
        Photos(files, min_size=18, shorter_side=16)


# The split


@given(st.lists(st.integers(0, 999), min_size=2, max_size=30, unique=True), st.data())
def test_the_last_by_name_are_for_validation_whatever_the_order(numbers: list[int], data: st.DataObject) -> None:
    files = [Path(f"folder{n % 3}/{n:03d}.png") for n in numbers]
    count = data.draw(st.integers(1, len(files) - 1))
    training, validation = split_files(files, count)
    assert [path.name for path in training + validation] == sorted(path.name for path in files)
    assert len(validation) == count
    assert split_files(data.draw(st.permutations(files)), count) == (training, validation)


def test_a_share_is_rounded_but_never_nothing() -> None:
    files = [Path(f"{n:02d}.png") for n in range(20)]
    assert len(split_files(files, 0.1)[1]) == 2
    assert len(split_files(files, 0.01)[1]) == 1


@pytest.mark.parametrize("validation", [0, 3, 4, -1, 0.9])
def test_a_split_that_leaves_nothing_is_refused(validation: float) -> None:
    with pytest.raises(InputError, match="at least one picture each"):
        split_files([Path("a.png"), Path("b.png"), Path("c.png")], validation)
