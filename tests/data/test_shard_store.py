"""Shards from afar: fetched once, whole, into a folder of bounded size."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.shards import store as module
from perceptualloss.data.shards.index import ENDING, Index
from perceptualloss.data.shards.pack import Packing, pack
from perceptualloss.data.shards.store import Store
from perceptualloss.data.shards.training import ShardData
from perceptualloss.errors import InputError

MEMORY = fsspec.filesystem("memory")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.001, 0))


@pytest.fixture
def packed(small_photos: Path, tmp_path: Path) -> Path:
    """Four shards with a picture each."""
    pack(small_photos, tmp_path / "packed", Packing(shard_size=1))
    return tmp_path / "packed"


@pytest.fixture
def remote(packed: Path) -> Iterator[list[str]]:
    """The same at addresses."""
    for file in packed.glob("*.tar*"):
        MEMORY.pipe(f"/shards/{file.name}", file.read_bytes())
    yield [f"memory://shards/photos-{number:06}.tar" for number in range(4)]
    MEMORY.rm("/shards", recursive=True)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is fetched, in turn."""
    shards: list[str] = []
    download = module._download

    def counting(shard: str, part: Path, size: int) -> None:
        shards.append(shard)
        download(shard, part, size)

    monkeypatch.setattr(module, "_download", counting)
    return shards


def test_a_picture_is_the_same_from_here_and_from_afar(packed: Path, remote: list[str], tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", 10**9)
    here = [str(packed / Path(shard).name) for shard in remote]
    for near, far in zip(here, remote, strict=True):
        index = store.index(far)
        assert index.digest() == store.index(near).digest()
        data = store.read(far, index, 0)
        assert data == store.read(near, index, 0)
        assert len(data) == index.lengths[0]
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 4


def test_the_folder_stays_below_its_limit_and_the_oldest_goes(
    remote: list[str], tmp_path: Path, fetched: list[str]
) -> None:
    sizes = [MEMORY.size(shard.removeprefix("memory:/")) for shard in remote]
    store = Store(tmp_path, 2 * max(sizes))
    indexes = store.indexes(remote)
    for shard in (0, 1, 2, 2, 1, 0):
        store.read(remote[shard], indexes[shard], 0)
        assert sum(file.stat().st_size for file in tmp_path.glob("*.tar")) <= store.limit
    assert [remote.index(shard) for shard in fetched] == [0, 1, 2, 0]


def test_several_threads_fetch_a_shard_once(remote: list[str], tmp_path: Path, fetched: list[str]) -> None:
    store = Store(tmp_path, 10**9)
    indexes = store.indexes(remote)
    threads = [threading.Thread(target=store.read, args=(remote[0], indexes[0], 0)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == remote[:1]


def test_shards_come_ahead_of_their_use(remote: list[str], tmp_path: Path, fetched: list[str]) -> None:
    store = Store(tmp_path, 10**9)
    indexes = store.indexes(remote)
    before = set(threading.enumerate())
    store.ahead((shard, index.size) for shard, index in zip(remote, indexes, strict=True))
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert sorted(fetched) == remote
    for shard, index in zip(remote, indexes, strict=True):
        store.read(shard, index, 0)
    assert len(fetched) == 4


def test_a_network_that_fails_for_a_moment_is_asked_again(
    remote: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, tries, find = Store(tmp_path, 10**9).index(remote[0]), [0], module.file_system

    def failing(shard: str) -> tuple[Any, str]:
        tries[0] += 1
        if tries[0] == 1:
            raise TimeoutError("no answer")
        return find(shard)

    monkeypatch.setattr(module, "file_system", failing)
    assert Store(tmp_path, 10**9).read(remote[0], index, 0)
    tries[0] = -99
    monkeypatch.setattr(module, "_PAUSES", (0,))
    tries[0] = 0
    with pytest.raises(InputError, match=r"to read memory://shards/photos-000000.tar, got TimeoutError: no answer"):
        Store(tmp_path / "other", 10**9).read(remote[0], index, 0)
    assert not list((tmp_path / "other").glob(".*.part"))


def test_a_shard_of_another_length_than_its_index_says_is_refused(remote: list[str], tmp_path: Path) -> None:
    store = Store(tmp_path, 10**9)
    index = store.index(remote[0])
    for data in (b"short", MEMORY.cat("/shards/photos-000000.tar") + b"longer"):
        MEMORY.pipe("/shards/photos-000000.tar", data)
        with pytest.raises(InputError, match="its index says"):
            store.read(remote[0], index, 0)
    assert not list(tmp_path.glob("*.tar"))


def test_missing_shards_are_named(remote: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a shard memory://shards/photos-000009.tar, got no such file"):
        Store(tmp_path, 10**9).indexes([*remote, "memory://shards/photos-000009.tar"])


def test_an_index_that_is_missing_is_made_and_kept(packed: Path, remote: list[str], tmp_path: Path) -> None:
    near = str(packed / "photos-000000.tar")
    expected = Index.from_json(Path(near + ENDING).read_bytes(), "x")
    Path(near + ENDING).unlink()
    MEMORY.rm(f"/shards/photos-000000.tar{ENDING}")
    for shard in (near, remote[0]):
        folder = tmp_path / shard.partition(":")[0].replace("/", "-")
        assert Store(folder, 10**9).index(shard).digest() == expected.digest()
        (kept,) = folder.glob(f"*{ENDING}")
        kept.write_bytes(expected.to_json().replace(b'"left_out":{}', b'"left_out":{"kept":1}'))
        assert Store(folder, 10**9).index(shard).left_out == {"kept": 1}
    assert sorted(file.name for file in packed.glob("photos-000000*")) == ["photos-000000.tar"]  # not written beside it


def test_an_index_of_another_file_is_refused(packed: Path, tmp_path: Path) -> None:
    shard = packed / "photos-000000.tar"
    shard.write_bytes(shard.read_bytes() + bytes(512))
    with pytest.raises(InputError, match=r"Delete photos-000000.tar.index.json"):
        Store(tmp_path, 10**9).index(str(shard))


def test_a_full_disk_is_told(remote: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, 10**9)
    index = store.index(remote[0])

    class Full(fsspec.AbstractFileSystem):  # type: ignore[misc]
        def get_file(self, *_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "file_system", lambda shard: (Full(), shard))
    with pytest.raises(InputError, match=r"space in .*PERCEPTUALLOSS_CACHE"):
        store.read(remote[0], index, 0)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _over_http(_: int, packed: str, cache: str) -> None:
    from torch.utils.data import DataLoader  # noqa: PLC0415

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=packed))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    options: dict[str, Any] = {"validation": 1, "crop": 16, "folder": Path(cache)}
    far = ShardData(Downscale(2), [f"{address}/photos-{n:06}.tar" for n in range(4)], **options)
    near = ShardData(Downscale(2), [f"{packed}/photos-{n:06}.tar" for n in range(4)], **options)
    forked: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "fork"}  # as a training's workers are
    samples = list(DataLoader(far.crops, batch_size=4, sampler=range(12), **forked))
    for batch, expected in zip(samples, DataLoader(near.crops, batch_size=4, sampler=range(12)), strict=True):
        assert batch[0].equal(expected[0])
        assert batch[1].equal(expected[1])
    server.shutdown()


def test_workers_read_over_http(packed: Path, tmp_path: Path, in_processes: Callable[..., None]) -> None:
    pytest.importorskip("aiohttp")
    in_processes(_over_http, str(packed), str(tmp_path / "cache"))


def test_what_a_kill_left_goes_and_what_is_being_fetched_counts(remote: list[str], tmp_path: Path) -> None:
    size = max(MEMORY.size(shard.removeprefix("memory:/")) for shard in remote)
    store = Store(tmp_path, 2 * size)
    indexes = store.indexes(remote)
    old, new = tmp_path / ".a.tar.0.part", tmp_path / ".b.tar.0.part"
    for part in (old, new):
        part.write_bytes(b"begun")
    os.utime(old, (0, 0))
    for shard, index in zip(remote, indexes, strict=True):
        store.read(shard, index, 0)
    assert not old.exists()
    assert new.exists()
    assert len(list(tmp_path.glob("*.tar"))) == 1  # beside the one that another process fetches


def test_a_training_fetches_its_group_of_shards_and_the_next(
    remote: list[str], tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perceptualloss.data.shards.crops.GROUP", 1)  # a shard a group
    own = ShardData(Downscale(2), remote, validation=1, crop=16, folder=tmp_path)
    assert fetched == remote[-1:]  # for validation
    before = set(threading.enumerate())
    own.crops.clean(0)
    for thread in set(threading.enumerate()) - before:
        thread.join()
    groups = [remote[int(own.crops.order.group(0, number).shards[0])] for number in range(3)]
    assert sorted(groups) == remote[:-1]
    assert sorted(fetched) == sorted([remote[-1], *groups[:2]])
    own.crops.clean(0)
    assert len(fetched) == len({*fetched})


def test_a_cache_that_holds_no_three_groups_is_refused(remote: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"room for .* GiB of shards, got a cache of 1e-06 GiB"):
        ShardData(Downscale(2), remote, validation=1, crop=16, cache_gib=1e-6, folder=tmp_path)
