"""Decoded pictures as files: what is read back, what is detected, what goes first."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perceptualloss.data.picture_cache import PictureCache, cache_folder

TRAILER = 24  # bytes of a file beside its samples


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "pictures", 2**20)


def picture(channels: int = 3, height: int = 7, width: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)


@given(st.sampled_from([3, 4]), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, channels: int, height: int, width: int, check: bool
) -> None:
    cache = PictureCache(tmp_path_factory.mktemp("cache"), 2**20)
    one = picture(channels, height, width)
    assert cache.read("a", (channels, height, width), check) is None
    cache.write("a", one)
    read = cache.read("a", (channels, height, width), check)
    assert read is not None
    assert read.equal(one)
    read += 1  # a copy of the pages, never the file
    again = cache.read("a", (channels, height, width), check=True)
    assert again is not None
    assert again.equal(one)


@pytest.mark.parametrize("damage", ["cut off", "altered", "longer", "of another shape", "empty"])
def test_damaged_files_are_detected_said_and_made_anew(
    cache: PictureCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write("a", picture())
    (file,) = cache.folder.iterdir()
    content = file.read_bytes()
    changed = {
        "cut off": content[:-40],
        "altered": bytes([content[0] ^ 1]) + content[1:],
        "longer": content + b"x",
        "of another shape": content,
        "empty": b"",
    }[damage]
    file.write_bytes(changed)
    shape = (3, 5, 7) if damage == "of another shape" else (3, 7, 5)
    assert cache.read("a", shape, check=True) is None
    assert "cut off or altered" in caplog.text
    assert not file.exists()
    cache.write("a", picture())
    assert cache.read("a", (3, 7, 5), check=True) is not None


def test_what_was_not_used_for_longest_goes_first_and_the_limit_holds(tmp_path: Path) -> None:
    one = picture(height=100, width=100)
    size = one.numel() + TRAILER
    cache = PictureCache(tmp_path, 4 * size)
    for number in range(4):
        cache.write(str(number), one)
        hours = 10 - number
        os.utime(tmp_path / f"{number}.pixels", times=(time.time() - 3600 * hours,) * 2)
    assert cache.read("0", (3, 100, 100), check=False) is not None  # which makes it the newest
    cache.write("4", one)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["0", "2", "3", "4"]
    PictureCache(tmp_path, 2 * size).write("5", one)
    assert sorted(file.stem for file in tmp_path.iterdir()) in (["0", "5"], ["4", "5"])


def test_parts_that_a_killed_process_left_are_removed_and_new_ones_stay(cache: PictureCache) -> None:
    cache.folder.mkdir()
    old, new = cache.folder / ".a.pixels.1.part", cache.folder / ".b.pixels.2.part"
    for part in (old, new):
        part.write_bytes(b"x")
    os.utime(old, times=(time.time() - 7200,) * 2)
    cache.write("a", picture())
    assert not old.exists()
    assert new.exists()


def test_a_full_disk_is_said_once_and_nothing_is_left(
    cache: PictureCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with caplog.at_level(logging.WARNING):
        cache.write("a", picture())
        cache.write("b", picture())
    assert list(cache.folder.iterdir()) == []
    assert len(caplog.messages) == 1
    assert "No space left" in caplog.text


def test_room_is_the_limit_or_half_of_what_is_free(cache: PictureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.room() == 2**20
    cache.write("a", picture())
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert cache.room() == 3 * 7 * 5 + TRAILER + 500


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERCEPTUALLOSS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "perceptualloss"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "perceptualloss"
    monkeypatch.setenv("PERCEPTUALLOSS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_folder_that_cannot_be_is_said_once_and_nothing_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = PictureCache(tmp_path / "file" / "pictures", 2**20)
    assert cache.room() > 0  # of the disk; whether files can be made shows when one is
    for _ in range(2):
        cache.write("a", picture())
    assert cache.read("a", (3, 7, 5), check=True) is None
    assert len(caplog.records) == 1
