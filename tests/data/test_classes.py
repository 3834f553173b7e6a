"""Labelled crops: which files make which class, held-out ones, and batches that depend on (seed, n) alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perceptualloss.data import classes
from perceptualloss.data.classes import (
    ClassPictures,
    CropBatches,
    PhotoCrops,
    read_classes,
    read_photos,
    recolour,
    tint,
)
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import write_image


def grey(value: int, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.full((3, height, width), value / 255)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Two classes of 40 pictures each; the grey value numbers the picture."""
    folder = tmp_path / "flat"
    for offset, name in ((0, "a"), (100, "b")):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            write_image(grey(offset + i), folder / name / f"{i:02}.png")
    return folder


def numbers(pictures: ClassPictures) -> list[int]:
    return pictures.pictures[:, 0, 0, 0].tolist()


def test_every_twentieth_is_held_out(flat: Path) -> None:
    training, held_out = read_classes(flat)
    assert training.classes == held_out.classes == 2
    assert numbers(held_out) == [19, 39, 119, 139]
    assert held_out.labels.tolist() == [0, 0, 1, 1]
    assert sorted(numbers(training) + numbers(held_out)) == [*range(40), *range(100, 140)]


def test_train_and_val_folders_in_a_zip(tmp_path: Path, flat: Path) -> None:
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for name in "ab":
            out.write(flat / name / "00.png", f"train/{name}/images/0.PNG")
            out.write(flat / name / "01.png", f"train/{name}/1.png")
            out.write(flat / name / "02.png", f"val/{name}/2.png")
        out.writestr("train/notes.txt", "not a picture")
    training, held_out = read_classes(archive)
    assert sorted(zip(numbers(training), training.labels.tolist(), strict=True)) == [(0, 0), (1, 0), (100, 1), (101, 1)]
    assert list(zip(numbers(held_out), held_out.labels.tolist(), strict=True)) == [(2, 0), (102, 1)]


def test_other_sizes_are_cut_to_the_middle_and_resized(tmp_path: Path) -> None:
    wide = torch.cat([grey(0, 128, 64), grey(200, 128, 128), grey(0, 128, 64)], dim=2)
    for name in "ab":
        (tmp_path / name).mkdir()
        write_image(wide, tmp_path / name / "x.png")
    training, _ = read_classes(tmp_path)
    assert training.pictures.shape == (2, 3, 64, 64)
    assert (training.pictures.float() - 200).abs().max() <= 1


def test_refuses_what_has_no_classes(tmp_path: Path) -> None:
    write_image(grey(1), tmp_path / "alone.png")
    with pytest.raises(InputError, match="at least two folders"):
        read_classes(tmp_path)
    with pytest.raises(InputError, match="nothing"):
        read_classes(tmp_path / "missing")


def test_refuses_a_zip_file_that_unpacks_to_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "LARGEST_MEMBER", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a/x.png", bytes(1001))
    with pytest.raises(InputError, match="at most 1,000 bytes, got 1,001 for a"):
        read_classes(tmp_path / "bomb.zip")
    with pytest.raises(InputError, match="a file of another kind"):
        read_classes(Path("/dev/zero"))


def test_photos_are_classes_and_the_last_stay_out(tmp_path: Path) -> None:
    for i in range(4):
        write_image(grey(60 * i, 70, 40), tmp_path / f"{i}.png")
    source = read_photos(tmp_path, crop=16, per_photo=3, validation=1)
    assert (source.classes, len(source)) == (3, 9)
    assert [copy.shape[1:] for copy in source.levels[0]] == [(70, 40), (35, 20)]
    crops, labels = source.batch(torch.arange(9), 16, torch.Generator().manual_seed(0))
    assert crops.shape == (9, 3, 16, 16)
    assert labels.tolist() == [0, 1, 2] * 3


@given(seed=st.integers(0, 10**6), n=st.integers(0, 50))
def test_a_batch_depends_on_seed_and_number_alone(seed: int, n: int) -> None:
    pictures = ClassPictures(
        torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1).expand(12, 3, 8, 8), torch.arange(12), 12
    )
    one, other = CropBatches(pictures, 4, 6, seed), CropBatches(pictures, 4, 6, seed)
    other[n + 7], other[0]
    for ours, theirs in zip(one[n], other[n], strict=True):
        assert torch.equal(ours, theirs)


def test_an_epoch_visits_everything_once() -> None:
    pictures = ClassPictures(torch.zeros(12, 3, 8, 8, dtype=torch.uint8), torch.arange(12), 12)
    batches = CropBatches(pictures, 4, 8, seed=5)
    epochs = [[label for n in range(3) for label in batches[3 * epoch + n][1].tolist()] for epoch in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12))
    assert epochs[0] != epochs[1]


@given(seed=st.integers(0, 10**6))
def test_colours_stay_in_range(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    crops = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=generator)
    images = tint(recolour(crops, generator), generator)
    assert images.shape == crops.shape
    assert images.min() >= 0
    assert images.max() <= 1


def test_photo_crops_come_from_their_photo() -> None:
    photos = [[torch.full((3, 20, 20), value, dtype=torch.uint8)] for value in (0, 255)]
    crops, labels = PhotoCrops(photos, 8).batch(torch.arange(16), 8, torch.Generator().manual_seed(1))
    assert (crops[labels == 1].mean() - crops[labels == 0].mean()) > 0.3
