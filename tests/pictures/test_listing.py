"""What is found in a folder, and that what is not found is named."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from perceptualloss.errors import InputError
from perceptualloss.pictures.listing import counted, list_folder, picture_files

ENDINGS = (".png", ".tif", ".webp", ".jpg")


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(files: list[Path], folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def test_pictures_are_sorted_and_found_in_folders_within(tmp_path: Path) -> None:
    made(tmp_path, "b.png", "a.JPG", "sub/c.webp", "notes.txt", "._b.png", ".cache/d.png", "folder.png/e.tif")
    assert names(picture_files(tmp_path), tmp_path) == ["a.JPG", "b.png", "folder.png/e.tif", "sub/c.webp"]


def test_a_folder_without_pictures_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"pictures in .*\.jpeg, .*\.png, .*but 1 \.txt"):
        picture_files(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        picture_files(tmp_path / "missing")
    with pytest.raises(InputError, match="a file"):
        picture_files(tmp_path / "notes.txt")


def test_what_is_left_out_is_counted_by_ending_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, "a.png", "a.txt", "deep/b.TXT", "c.mov", "Makefile", ".hidden")
    assert list_folder(tmp_path, ENDINGS).left_out == {".txt": 2, ".mov": 1, "without an ending": 1}
    for _ in range(2):
        picture_files(tmp_path)
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"left out in {tmp_path}: 2 .txt, 1 .mov, 1 without an ending"]


def test_many_kinds_are_counted_together() -> None:
    kinds = Counter({f".{letter}": 1 for letter in "abcdefghij"}) + Counter({".txt": 5})
    assert counted(kinds) == "5 .txt, 1 .a, 1 .b, 1 .c, 1 .d, 1 .e, 1 .f, 1 .g, 3 of other kinds"


def test_links_to_folders_are_followed_once_and_loops_are_not(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "real/a.png", "b.png")
    made(tmp_path / "elsewhere", "c.png", "deep/d.png")
    (photos / "again").symlink_to("real")  # comes first by name, but the real one has the file
    (photos / "other").symlink_to(tmp_path / "elsewhere")
    (photos / "other-too").symlink_to(tmp_path / "elsewhere" / "deep")
    (photos / "real" / "up").symlink_to("..")
    (tmp_path / "elsewhere" / "back").symlink_to(photos)
    (photos / "file.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    found = list_folder(photos, ENDINGS)
    assert names(found.files, photos) == ["b.png", "file.png", "other/c.png", "other/deep/d.png", "real/a.png"]
    assert found.left_out == {"link to a folder that is read already": 3, "link to a folder that it is in": 1}
    assert not found.faulty


def test_what_cannot_be_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "self.png").symlink_to("self.png")
    os.mkfifo(tmp_path / "pipe.png")
    faulty = {path.name: why for path, why in list_folder(tmp_path, ENDINGS).faulty.items()}
    assert faulty == {
        "gone.png": "a link to nothing that can be read",
        "self.png": "a link to nothing that can be read",
        "pipe.png": "no regular file",
    }
    assert names(picture_files(tmp_path), tmp_path) == ["a.png"]
    assert "left out" in caplog.text
    assert "pipe.png: no regular file" in caplog.text


def test_a_folder_that_nobody_may_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.png", "secret/b.png")
    scan = os.scandir

    def refuse(place: Path) -> object:  # modes do not stop root, who runs tests
        if Path(place).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list_folder(tmp_path, ENDINGS)
    assert names(found.files, tmp_path) == ["a.png"]
    assert found.faulty == {tmp_path / "secret": "a folder that cannot be read (Permission denied)"}


def test_a_folder_is_passed_by(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "out/a.png", "out/notes.txt")
    found = list_folder(tmp_path, ENDINGS, without=tmp_path / "out")
    assert names(found.files, tmp_path) == ["a.png"]
    assert not found.left_out
