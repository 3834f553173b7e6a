"""What a user names as shards."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from perceptualloss.data.shards.names import expanded, file_system, reaching, shards_in
from perceptualloss.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"photos-{number:03}.tar").touch()
        (tmp_path / f"photos-{number:03}.tar.index.json").touch()
    return tmp_path


def test_a_folder_a_range_and_a_star_name_the_same(folder: Path) -> None:
    every = [str(folder / f"photos-{number:03}.tar") for number in range(3)]
    for photos in (folder, folder / "photos-{000..002}.tar", folder / "photos-*.tar", str(folder / "photos-00?.tar")):
        assert shards_in(photos) == every
    assert shards_in(folder / "photos-001.tar") == every[1:2]


def test_a_folder_of_pictures_is_none_of_shards(folder: Path, small_photos: Path, tmp_path: Path) -> None:
    assert shards_in(None) is None
    assert shards_in(small_photos) is None
    assert shards_in(tmp_path / "nowhere") is None
    (folder / "a.jpg").touch()
    assert shards_in(folder) is None


def test_folders_beside_shards_are_left_out_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.jpg").touch()
    assert len(shards_in(folder) or []) == 3
    assert f"left out in {folder}: 1 folder beside the shards" in caplog.text


@pytest.mark.parametrize("name", ["photos.tar.gz", "photos-{000..002}.tgz"])
def test_compressed_shards_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="not compressed"):
        shards_in(folder / name)


def test_a_server_that_is_not_there_is_not_a_missing_shard() -> None:
    with pytest.raises(InputError, match=r"to read http://x/a\.tar, got OSError: Cannot"), reaching("http://x/a.tar"):
        raise FileNotFoundError("http://x/a.tar") from OSError("Cannot connect")
    with pytest.raises(InputError, match="no such file"), reaching("http://x/a.tar"):
        raise FileNotFoundError("http://x/a.tar") from FileNotFoundError("404")


def test_ranges_are_written_out() -> None:
    assert expanded("a{8..11}b{0..1}.tar") == [f"a{n}b{m}.tar" for n in range(8, 12) for m in range(2)]
    assert expanded("a{098..101}") == ["a098", "a099", "a100", "a101"]
    assert expanded("plain.tar") == ["plain.tar"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("photos-{000..004}.tar", "photos-003.tar, got no such file .of 5, 2 missing"),
        ("photos-{005..006}.tar", "photos-005.tar, got no such file .of 2, 2 missing"),
        ("photos-{000-002}.tar", "a range in braces"),
        ("photos-{a..b}.tar", "a range in braces"),
        ("photos-{002..000}.tar", "a range that rises"),
        ("photos-{0..9999999}.tar", "at most 1,000,000 shards"),
        ("other-*.tar", "shards .*other-.*got none"),
        ("one.tar", "the shard .*one.tar"),
    ],
)
def test_a_pattern_that_names_nothing_says_so(folder: Path, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        shards_in(folder / pattern)


def test_addresses_are_looked_up_where_they_are() -> None:
    store = fsspec.filesystem("memory")
    for number in (0, 1):
        store.pipe(f"/names/x-{number}.tar", b"")
    every = ["memory://names/x-0.tar", "memory://names/x-1.tar"]
    assert shards_in("memory://names/x-{0..1}.tar") == every
    assert shards_in("memory://names/x-*.tar") == every
    assert shards_in("memory://names") == every
    with pytest.raises(InputError, match="memory://nothing"):
        shards_in("memory://nothing/")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://bucket/x.tar", "the package s3fs, which reads s3://, got none. pip install s3fs"),
        ("gs://bucket/x.tar", "pip install gcsfs"),
        ("ftp://host/x.tar", "kind of address"),
        ("simplecache::s3://bucket/x.tar", "kind of address"),
        ("reference://x.tar", "kind of address"),
    ],
)
def test_an_address_of_another_kind_or_without_its_package_is_refused(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perceptualloss.data.shards.names.find_spec", lambda name: None)
    with pytest.raises(InputError, match=message):
        file_system(address)
