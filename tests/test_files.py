from __future__ import annotations

import os
import stat
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
