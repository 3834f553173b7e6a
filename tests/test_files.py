from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from perceptualloss.files import whole_file, write_whole
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import write_image


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(b"old", file)
    with suppress(ZeroDivisionError), whole_file(file) as opened:
        opened.write(b"ne")
        raise ZeroDivisionError
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_file_and_folder_are_synchronised_around_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synchronise(number: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(Path, "replace", rename)
    write_whole(b"new", tmp_path / "file")
    assert done == ["file", "rename", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="modes")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_modes_follow_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        network = save_network(ResidualUpscaler(2, width=4, blocks=1), tmp_path / "network.safetensors")
        picture = tmp_path / "picture.png"
        write_image(torch.rand(1, 3, 4, 4), picture)
    finally:
        os.umask(before)
    assert stat.S_IMODE(network.stat().st_mode) == stat.S_IMODE(picture.stat().st_mode) == mode


def test_what_is_there_is_not_overwritten_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        write_whole(b"ours", file, overwrite=False)
    writing = whole_file(tmp_path / "late", overwrite=False)
    writing.__enter__().write(b"ours")
    (tmp_path / "late").write_bytes(b"theirs")  # comes while ours is written
    with pytest.raises(FileExistsError):
        writing.__exit__(None, None, None)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links on this disk")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(FileExistsError):
        write_whole(b"ours", file, overwrite=False)
    write_whole(b"ours", tmp_path / "new", overwrite=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "file": b"theirs",
        "late": b"theirs",
        "new": b"ours",
    }


def test_of_processes_that_write_one_name_one_does(tmp_path: Path) -> None:
    file, start = tmp_path / "file", threading.Barrier(8)

    def write(number: int) -> bool:
        start.wait()
        try:
            write_whole(bytes([number]) * 10_000, file, overwrite=False)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        wrote = list(pool.map(write, range(8)))
    assert sum(wrote) == 1
    assert file.read_bytes() == bytes([wrote.index(True)]) * 10_000
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["n" * 255, "\u00e9" * 125 + ".png", "a\udcff" * 100])
def test_long_names_are_written(name: str, tmp_path: Path) -> None:
    write_whole(b"all", tmp_path / name, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
