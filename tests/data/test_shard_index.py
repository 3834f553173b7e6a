"""The index of a shard: tars of every writer, and of strangers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptualloss.data.shards import index as module
from perceptualloss.data.shards.index import Index, make_index
from perceptualloss.errors import InputError


def picture(width: int = 5, height: int = 4, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (width, height, 7)).save(file, kind, **options)
    return file.getvalue()


def tar_of(members: dict[str, bytes], form: int = tarfile.USTAR_FORMAT, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


def indexed(data: bytes) -> Index:
    return make_index(io.BytesIO(data), len(data), "x.tar")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_pictures_are_where_the_index_says(form: int) -> None:
    long = "folder/" * 30 + "ü.jpg" if form != tarfile.USTAR_FORMAT else "folder/u.jpg"
    members = {"a.png": picture(9, 3), "a.json": b"{}", long: picture(4, 6, "JPEG"), "b.webp": picture(2, 2, "WEBP")}
    data = tar_of(members, form)
    index = indexed(data)
    assert index.names.split("\n") == [name for name in members if name != "a.json"]
    assert (index.heights.tolist(), index.widths.tolist()) == ([3, 6, 2], [9, 4, 2])
    for n in range(3):
        offset, length = int(index.offsets[n]), int(index.lengths[n])
        assert data[offset : offset + length] == members[index.name(n)]
    assert index.left_out == {".json": 1}
    assert (index.size, len(index)) == (len(data), 3)


def test_an_upright_size_is_that_of_the_picture_as_it_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    index = indexed(tar_of({"turned.jpg": picture(9, 3, "JPEG", exif=exif)}))
    assert (index.heights.tolist(), index.widths.tolist()) == ([9], [3])


def test_a_head_that_is_far_into_the_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEAD", 1000)
    index = indexed(tar_of({"a.jpg": picture(9, 3, "JPEG", icc_profile=bytes(3000))}))
    assert (index.heights.tolist(), index.widths.tolist()) == ([3], [9])


def test_links_devices_and_what_is_no_picture_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("null.png", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        folder = tarfile.TarInfo("folder.png")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in (("../../up.png", picture()), ("bad.png", b"no picture"), ("empty.png", b""), ("x", b"1")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    index = indexed(file.getvalue())
    assert index.names == "../../up.png"  # a name is data: nothing is written by it
    assert index.left_out == {
        **{"link or device": 3, "folder": 1, "no picture": 1},
        **{"empty or too large": 1, "without an ending": 1},
    }
    assert "left out" in caplog.text
    assert "bad.png in x.tar" in caplog.text


def _renamed(data: bytes) -> bytes:
    """Let a tar's header claim a member of 8 GiB in place of a long name."""
    header = bytearray(data[:512])
    header[124:136] = b"77777777777\0"
    header[156:157] = b"L"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + data[512:]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda data: data[:1600], "ends at byte|unexpected end"),
        (lambda data: data[:2048], "the end, without the block"),
        (lambda data: data[:1024] + bytes(range(1, 129)) * 4 + data[1536:], "what is no header|invalid header"),
        (lambda data: b"no tar at all " * 100, "whole tar file"),
        (_renamed, "a header of"),
        (lambda data: b"", "whole tar file"),
    ],
    ids=["cut off", "cut off between", "garbage between", "no tar", "an endless name", "nothing"],
)
def test_a_broken_tar_is_refused(broken: Callable[[bytes], bytes], message: str) -> None:
    data = broken(tar_of({"a.png": picture(), "b.png": picture()}))
    with pytest.raises(InputError, match=message):
        indexed(data)


def test_a_compressed_tar_is_refused() -> None:
    with pytest.raises(InputError, match="not compressed"):
        indexed(tar_of({"a.png": picture()}, mode="w:gz"))


def test_an_index_is_the_same_after_it_was_stored() -> None:
    index = indexed(tar_of({"a.png": picture(9, 3), "b.txt": b"", "c.png": picture()}))
    again = Index.from_json(index.to_json(), "x")
    assert (again.size, again.names, again.left_out) == (index.size, index.names, index.left_out)
    for name in ("offsets", "lengths", "heights", "widths"):
        assert np.array_equal(getattr(again, name), getattr(index, name))
    assert again.digest() == index.digest()
    other = indexed(tar_of({"a.png": picture(9, 3), "b.txt": b"", "d.png": picture()}))
    assert other.digest() != index.digest()
    empty = indexed(tar_of({"b.txt": b""}))
    assert len(Index.from_json(empty.to_json(), "x")) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"offsets":[512]', b'"offsets":[-5]'),
        (b'"offsets":[512]', b'"offsets":[1000000]'),
        (b'"offsets":[512]', b'"offsets":[512,512]'),
        (b'"offsets":[512]', b'"offsets":["a"]'),
        (b'"offsets":[512]', b'"offsets":[1.5]'),
        (b'"offsets":[512]', b'"offsets":[1e30]'),
        (b'"offsets":[512]', b'"offsets":[999999999999999999999999]'),
        (b'"heights":[4]', b'"heights":[0]'),
        (b'"heights":[4]', b'"heights":[1000000000]'),
        (b'"heights":[4]', b'"heights":{}'),
        (b'"names":["a.png"]', b'"names":null'),
        (b'"left_out":{}', b'"left_out":[]'),
        (b"}", b""),
        (b"{", b"[" * 100_000),
    ],
)
def test_an_index_of_a_stranger_is_checked(old: bytes, new: bytes) -> None:
    data = indexed(tar_of({"a.png": picture()})).to_json()
    assert old in data
    with pytest.raises(InputError, match="index of a shard in x"):
        Index.from_json(data.replace(old, new), "x")


def test_a_shard_on_the_disk_reads_the_same(tmp_path: Path) -> None:
    data = tar_of({"a.png": picture(9, 3)})
    (tmp_path / "x.tar").write_bytes(data)
    with (tmp_path / "x.tar").open("rb") as file:
        assert make_index(file, len(data), "x.tar").digest() == indexed(data).digest()
