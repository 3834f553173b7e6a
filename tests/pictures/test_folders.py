from __future__ import annotations

from pathlib import Path

import pytest

from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import pair_up


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.png", "b.JPG", "deep/a.png", "deep/c.tif", "d.tiff", "d.png", "notes.txt", ".hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_keeps_its_shape(photos: Path, tmp_path: Path) -> None:
    pairs = {
        str(s.relative_to(photos)): str(t.relative_to(tmp_path / "out")) for s, t in pair_up([photos], tmp_path / "out")
    }
    assert pairs == {
        "a.png": "a.png",
        "b.JPG": "b.JPG",
        "d.png": "d.png",
        "d.tiff": "d.tiff.png",
        "deep/a.png": "deep/a.png",
        "deep/c.tif": "deep/c.png",
    }


def test_one_file_goes_where_one_says_or_into_a_folder(photos: Path, tmp_path: Path) -> None:
    file = photos / "a.png"
    assert pair_up([file], tmp_path / "large.webp") == [(file, tmp_path / "large.webp")]
    assert pair_up([file], tmp_path / "out") == [(file, tmp_path / "out" / "a.png")]
    (tmp_path / "folder.png").mkdir()
    assert pair_up([file], tmp_path / "folder.png") == [(file, tmp_path / "folder.png" / "a.png")]


def test_results_of_an_earlier_run_are_not_enlarged_again(photos: Path) -> None:
    before = pair_up([photos], photos / "large")
    for _, target in before:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"")
    assert pair_up([photos], photos / "large") == before


@pytest.mark.parametrize(
    ("sources", "out", "message"),
    [
        (["photos"], "photos", "another place than that of"),
        (["photos/a.png"], "photos/a.png", "another place than that of"),
        (["photos/a.png"], "photos/deep/../a.png", "another place than that of"),
        (["photos/a.png", "photos/d.png"], "photos", "another place than that of"),
        (["photos/a.png"], "a.tif", "a file name that ends in"),
        (["photos"], "a.png", "a folder for several pictures"),
        (["photos/a.png", "photos/deep/a.png"], "out", "different names"),
        (["photos/none.png"], "out", "no such file"),
        ([], "out", "pictures or folders"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    sources: list[str], out: str, message: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        pair_up([tmp_path / source for source in sources], tmp_path / out)


def test_a_link_to_a_source_is_no_other_place(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(photos / "a.png")
    with pytest.raises(InputError, match="another place"):
        pair_up([photos / "a.png"], tmp_path / "out")
