from __future__ import annotations

from pathlib import Path

import pytest

from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import moved_aside, pair_up


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.png", "b.JPG", "deep/a.png", "deep/c.tif", "d.tiff", "d.png", "notes.txt", ".hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_folder_keeps_its_shape(photos: Path, tmp_path: Path) -> None:
    pairs = {
        str(s.relative_to(photos)): str(t.relative_to(tmp_path / "out"))
        for s, t in pair_up([photos], tmp_path / "out").pairs
    }
    assert pairs == {
        "a.png": "a.png",
        "b.JPG": "b.JPG",
        "d.png": "d.png",
        "d.tiff": "d.tiff",
        "deep/a.png": "deep/a.png",
        "deep/c.tif": "deep/c.tif",
    }


def test_one_file_goes_where_one_says_or_into_a_folder(photos: Path, tmp_path: Path) -> None:
    file = photos / "a.png"
    assert pair_up([file], tmp_path / "large.webp").pairs == [(file, tmp_path / "large.webp")]
    assert pair_up([file], tmp_path / "out").pairs == [(file, tmp_path / "out" / "a.png")]
    (tmp_path / "folder.png").mkdir()
    assert pair_up([file], tmp_path / "folder.png").pairs == [(file, tmp_path / "folder.png" / "a.png")]


@pytest.mark.parametrize("name", ["results.v2", "2026.11", "out.final-version", "out."])
def test_a_folder_may_have_a_dot(name: str, photos: Path, tmp_path: Path) -> None:
    file = photos / "a.png"
    assert pair_up([file], tmp_path / name).pairs == [(file, tmp_path / name / "a.png")]
    assert len(pair_up([photos], tmp_path / "out.svg").pairs) == 6
    assert pair_up([file], tmp_path / "x.png", is_folder=True).pairs == [(file, tmp_path / "x.png" / "a.png")]


def test_one_kind_for_all_pictures(photos: Path, tmp_path: Path) -> None:
    names = [target.name for _, target in pair_up([photos], tmp_path / "out", suffix=".webp").pairs]
    assert names == ["a.webp", "b.webp", "d.png.webp", "d.tiff.webp", "a.webp", "c.webp"]


def test_of_several_paths_those_that_are_not_there_are_faulty(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (photos / "gone.png").symlink_to("nowhere")
    paths = [photos / "a.png", tmp_path / "none.png", photos / "gone.png", tmp_path / "empty"]
    plan = pair_up(paths, tmp_path / "out")
    assert [source for source, _ in plan.pairs] == [photos / "a.png"]
    assert [*plan.faulty] == paths[1:]
    assert pair_up([photos], tmp_path / "out").left_out == {".txt": 1}
    with pytest.raises(InputError, match=r"nothing; .*none.png: .*no such file"):
        pair_up(paths[1:3], tmp_path / "out")


@pytest.mark.parametrize("name", ["a.png", "n" * 251 + ".png", "\u00e9" * 125 + ".png", "a\udcff.png"])
def test_a_file_is_moved_aside_whatever_its_name(name: str, tmp_path: Path) -> None:
    for count in (1, 2):
        (tmp_path / name).write_text(f"{count}")
        aside = moved_aside(tmp_path / name)
        assert aside is not None
        assert aside.read_text() == f"{count}"
        assert aside.suffix in (".before", ".before-2")
    (tmp_path / name).touch()
    assert moved_aside(tmp_path / name) is None
    assert len(list(tmp_path.iterdir())) == 2


def test_results_of_an_earlier_run_are_not_enlarged_again(photos: Path) -> None:
    before = pair_up([photos], photos / "large").pairs
    for _, target in before:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"")
    assert pair_up([photos], photos / "large").pairs == before


@pytest.mark.parametrize(
    ("sources", "out", "message"),
    [
        (["photos"], "photos", "another place than that of"),
        (["photos/a.png"], "photos/a.png", "another place than that of"),
        (["photos/a.png"], "photos/deep/../a.png", "another place than that of"),
        (["photos/a.png", "photos/d.png"], "photos", "another place than that of"),
        (["photos/a.png"], "a.bmp", "a file name that ends in"),
        (
            ["photos/a.png"],
            "a.svg",
            r"a file name that ends in .* got 'a.svg'. A folder of this name is written .*a.svg/",
        ),
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
