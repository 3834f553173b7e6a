"""Sizes of many pictures against reading each one, and the index that spares the next start their headers."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptualloss.data import sizes
from perceptualloss.data.sizes import Skipped, picture_sizes
from perceptualloss.pictures.images import read_image


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("PERCEPTUALLOSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sizes, "MANY", 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, kind in enumerate(("jpg", "png", "tif", "webp", "jpg")):
        pixels = np.random.default_rng(number).integers(0, 256, (11 + number, 20, 3), dtype=np.uint8)
        turned = {"exif": exif} if number == 4 else {}
        Image.fromarray(pixels).save(photos / f"{number}.{kind}", **turned)
    return sorted(photos.iterdir())


def test_sizes_are_those_of_the_pictures(files: list[Path]) -> None:
    assert picture_sizes(files) == [tuple(read_image(file).shape[-2:]) for file in files]
    assert picture_sizes(files)[4] == (20, 15)


def test_the_next_start_opens_no_file(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = picture_sizes(files)
    monkeypatch.setattr(sizes, "plain_size", lambda _: pytest.fail("read again"))
    monkeypatch.setattr(sizes, "picture_size", lambda _: pytest.fail("read again"))
    assert picture_sizes(files) == found


def test_a_file_that_was_changed_is_looked_into_again(files: list[Path]) -> None:
    picture_sizes(files)
    Image.new("RGB", (8, 9)).save(files[1])
    assert picture_sizes(files)[1] == (9, 8)
    os.utime(files[0], ns=(0, 0))
    Image.new("RGB", (30, 40)).save(files[0])
    assert picture_sizes(files)[0] == (40, 30)


@pytest.mark.parametrize("content", [b"", b"words", b"PK\3\4 broken"])
def test_an_index_that_cannot_be_read_is_made_anew(files: list[Path], content: bytes) -> None:
    found = picture_sizes(files)
    (index,) = (files[0].parents[1] / "cache" / "sizes").iterdir()
    whole = index.stat().st_size
    index.write_bytes(content)
    assert picture_sizes(files) == found
    assert index.stat().st_size == whole


def test_without_a_place_for_the_index_sizes_are_found_all_the_same(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = picture_sizes(files)
    monkeypatch.setenv("PERCEPTUALLOSS_CACHE", str(files[0] / "below a file"))
    assert picture_sizes(files) == found


def test_what_is_no_picture_is_said_and_of_very_many_the_number(
    files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    (files[0].parent / "text.jpg").write_text("words")
    with caplog.at_level(logging.WARNING):
        found = picture_sizes([*files, files[0].parent / "text.jpg", files[0].parent / "none.jpg", files[0].parent])
    assert found[5:] == [None, None, None]
    assert [message.partition(": ")[0].rpartition("/")[2] for message in caplog.messages] == [
        "text.jpg",
        "none.jpg",
        "photos",
    ]
    caplog.clear()
    skipped = Skipped()
    for _ in range(25):
        skipped.add(files[0], "small")
    skipped.close()
    assert len(caplog.messages) == 21
    assert "skipped 5 more" in caplog.messages[-1]
