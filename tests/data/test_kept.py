"""Where decoded pictures are kept never changes what they are, and is bounded in all processes together."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from perceptualloss.data import kept
from perceptualloss.data.crops import Crops
from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.folder import Photos
from perceptualloss.data.picture_cache import PictureCache
from perceptualloss.data.room import Room
from perceptualloss.errors import InputError

SIDE, COUNT = 40, 6
BYTES = 3 * SIDE * SIDE
MIB = 2**20


@pytest.fixture(autouse=True)
def _all_are_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "COSTLY", 1)


def written(folder: Path, count: int = COUNT, side: int = SIDE) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, compress_level=1)
    return files


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return written(tmp_path_factory.mktemp("photos"))


def samples(photos: Photos) -> torch.Tensor:
    crops = Crops(photos, Unchanged(), 16, 12, seed=3)
    return torch.stack([crops[n][1] for n in range(12)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7 * BYTES), st.integers(0, 7 * (BYTES + 24)), st.booleans())
def test_samples_are_the_same_wherever_photos_are_kept(
    tmp_path_factory: pytest.TempPathFactory, files: list[Path], memory_limit: int, limit: int, elsewhere: bool
) -> None:
    cache = PictureCache(tmp_path_factory.mktemp("cache"), limit)
    photos = Photos(files, 16, memory_limit, cache=cache)
    if elsewhere:  # as a process that is not forked has them
        photos = pickle.loads(pickle.dumps(photos))
    wanted = samples(Photos(files, 16, memory_limit=0))
    for _ in range(2):
        assert samples(photos).equal(wanted)
    assert photos.kept.in_memory == (0 if elsewhere else min(COUNT, memory_limit // BYTES) * BYTES)
    assert sum(file.stat().st_size for file in cache.folder.iterdir()) <= limit


def test_files_of_the_cache_are_used_and_belong_to_content_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, cache = written(tmp_path / "photos", 2), PictureCache(tmp_path / "cache", MIB)
    first = Photos(files, memory_limit=0, cache=cache)
    before = [picture.clone() for picture in first]
    assert len(list(cache.folder.iterdir())) == 2
    small = Photos(files, memory_limit=0, shorter_side=20, cache=cache)[0]
    assert small.shape == (3, 20, 20)
    Image.new("RGB", (SIDE, SIDE), "white").save(files[0])  # of the same size, later
    assert Photos(files, memory_limit=0, cache=cache)[0].min() == 255
    monkeypatch.setattr("perceptualloss.data.decoding.Decoding.__call__", lambda *_: pytest.fail("decoded again"))
    assert Photos(files, memory_limit=0, cache=cache)[1].equal(before[1])


def test_a_damaged_file_of_the_cache_changes_no_sample(files: list[Path], tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, MIB)
    wanted = samples(Photos(files, 16, memory_limit=0, cache=cache))
    for number, file in enumerate(tmp_path.iterdir()):
        content = file.read_bytes()
        file.write_bytes(content[:100] if number % 2 else content[:50] + b"other" + content[55:])
    assert samples(Photos(files, 16, memory_limit=0, cache=cache)).equal(wanted)


def test_masks_are_kept_as_well(tmp_path: Path) -> None:
    from perceptualloss.data.masks import Masks  # noqa: PLC0415

    files = written(tmp_path / "photos", 2)
    (tmp_path / "masks").mkdir()
    for file in files:
        Image.fromarray(np.eye(SIDE, dtype=np.uint8) * 255).save(tmp_path / "masks" / file.name)
    masks, cache = Masks(tmp_path / "masks", files), PictureCache(tmp_path / "cache", MIB)
    plain = Photos(files, memory_limit=0, masks=masks)
    for photos in (Photos(files, masks=masks), Photos(files, memory_limit=0, masks=masks, cache=cache)):
        for _ in range(2):
            assert all(one.equal(other) for one, other in zip(photos, plain, strict=True))
    Image.fromarray(np.full((SIDE, SIDE), 255, np.uint8)).save(tmp_path / "masks" / files[0].name)
    assert Photos(files, memory_limit=0, masks=masks, cache=cache)[0][3].min() == 255


class _Sums(Dataset[int]):
    def __init__(self, photos: Photos) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> int:
        return int(self.photos[index].sum())


def _workers_share(_: int, folder: Path) -> None:
    files = written(folder)
    photos = Photos(files)
    wanted = [int(photo.sum()) for photo in Photos(files)]
    assert torch.cat(list(DataLoader(_Sums(photos), num_workers=2, multiprocessing_context="fork"))).tolist() == wanted
    for file in files:
        file.unlink()
    assert [int(photo.sum()) for photo in photos] == wanted  # this process never decoded one


def _workers_and_caches(_: int, folder: Path) -> None:
    kept.COSTLY = 1
    files, batches = written(folder), []
    for limit, room, workers in ((0, 0, 0), (2 * BYTES, 2 * (BYTES + 24), 2), (0, MIB, 0)):
        photos = Photos(files, 16, limit, cache=PictureCache(folder / "cache", room))
        crops = Crops(photos, Unchanged(), 16, 24, seed=3)
        fork = "fork" if workers else None
        loader = DataLoader(crops, 6, num_workers=workers, multiprocessing_context=fork)
        batches.append(torch.cat([target for _, target in loader]))
    assert all(one.equal(batches[0]) for one in batches[1:])


def test_samples_are_the_same_with_any_cache_and_number_of_workers(
    in_processes: Callable[..., None], tmp_path: Path
) -> None:
    in_processes(_workers_and_caches, tmp_path / "photos")


def test_what_a_worker_decoded_all_processes_have(in_processes: Callable[..., None], tmp_path: Path) -> None:
    in_processes(_workers_share, tmp_path / "photos")


def _memory(entry: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{entry}:")[1].split()[0]) / 1024


def _bounded(_: int, folder: Path) -> None:
    limit, many = 8 * MIB, 150
    files = written(folder, many, 256)  # 28 MiB
    cache = PictureCache(folder / "cache", 64 * MIB)
    Photos(files[:1])[0].sum()
    for photos in (
        Photos(files, memory_limit=limit),
        Photos(files, memory_limit=limit, cache=cache),
        Photos(files, memory_limit=0).only(files, limit, middle=64),
    ):
        before = _memory("VmRSS")
        for _ in range(2):
            assert sum(int(photo[:, :64].float().sum() > 0) for photo in photos) == many
        assert _memory("VmRSS") - before < 8 + 6, (_memory("VmRSS"), before)
        assert _memory("VmHWM") - before < 8 + 12, (_memory("VmHWM"), before)


def test_resident_memory_stays_within_the_limit(in_processes: Callable[..., None], tmp_path: Path) -> None:
    in_processes(_bounded, tmp_path / "photos")


def test_what_is_kept_as_files_or_not_at_all_is_said(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PERCEPTUALLOSS_CACHE", str(tmp_path))
    room = Room(2.5 * BYTES / 2**30, 2.5 * BYTES / 2**30)
    with caplog.at_level(logging.WARNING):
        room.say(Photos(files, memory_limit=room.memory, cache=room.cache()).kept)
        room.say(Photos(files, memory_limit=6 * BYTES, cache=room.cache()).kept)
    assert len(caplog.messages) == 2
    assert "4 of 6 photos" in caplog.messages[0]
    assert str(tmp_path) in caplog.messages[0]
    assert "2 of 6 photos are decoded for each crop" in caplog.messages[1]
    with pytest.raises(InputError, match="memory_gib and cache_gib from 0, got -1 and 20"):
        Room(-1)
