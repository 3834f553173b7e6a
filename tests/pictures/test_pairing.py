from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.errors import InputError
from perceptualloss.pictures.pairing import bare_name, match_names, pair_files, picture_names, target_files


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("img_001_SRF_4_HR.png", "img_001"),
        ("img_001_SRF_4_LR.png", "img_001"),
        ("babyx4.png", "baby"),
        ("baby_x4_SR.png", "baby"),
        ("baby-bicubic.PNG", "baby"),
        ("0801x4.png", "0801"),
        ("0801_out.jpg", "0801"),
        ("photo.final.png", "photo.final"),
        ("IMG_2024.png", "IMG_2024"),
        ("SR.png", "SR"),
        ("linux.png", "linux"),
        ("sub/köln_2x.webp", "sub/köln"),
    ],
)
def test_bare_names(name: str, bare: str) -> None:
    assert bare_name(name) == bare


@pytest.mark.parametrize(
    ("outputs", "targets", "pairs"),
    [
        (["a.png", "b.png"], ["a.jpg", "b.webp"], {"a.png": "a.jpg", "b.png": "b.webp"}),
        (["i_1_SR.png", "i_10_SR.png"], ["i_1.png", "i_10.png"], {"i_1_SR.png": "i_1.png", "i_10_SR.png": "i_10.png"}),
        (["baby_ESRGAN_f64b16.png"], ["baby.png", "bird.png"], {"baby_ESRGAN_f64b16.png": "baby.png"}),
        (["Baby_X4.PNG"], ["baby_HR.png"], {"Baby_X4.PNG": "baby_HR.png"}),
        (["a_b_net.png", "a_net.png"], ["a.png", "a_b.png"], {"a_b_net.png": "a_b.png", "a_net.png": "a.png"}),
        (["ab_net.png"], ["a.png"], {}),
        (["a_b/net.png"], ["a.png"], {}),
        (["a.jpg", "a.png"], ["a.png"], {"a.png": "a.png"}),
        (["a.jpg", "a.png"], ["a.png", "a.jpg"], {"a.png": "a.png", "a.jpg": "a.jpg"}),
        (["A.png", "a.png"], ["a.png", "A.png"], {"a.png": "a.png", "A.png": "A.png"}),
        (["Baby_x4.png", "baby_x4.png"], ["baby.png", "Baby.png"],
         {"Baby_x4.png": "Baby.png", "baby_x4.png": "baby.png"}),
        (["ko\u0308ln.PNG"], ["k\u00f6ln.png"], {"ko\u0308ln.PNG": "k\u00f6ln.png"}),
        (["img_2.png", "img-02.png", "img 2.png", "img (2).png", "img.2.png"], ["img.png"], {}),
        (["img_2_SR.png", "img_2_net.png", "img_net_2.png", "img2.png", "img2_SR.png"], ["img.png"], {}),
        (["max2.png"], ["ma.png"], {}),
        (["matrix2.png", "photo.jpg"], ["matri.png", "photo.png"], {"photo.jpg": "photo.png"}),
        (["babyx4.png", "0801x4.png"], ["baby.png", "0801.png"], {"babyx4.png": "baby.png", "0801x4.png": "0801.png"}),
        (["ax4.png", "bx4.png"], ["a.png", "b.png"], {"ax4.png": "a.png", "bx4.png": "b.png"}),
        (["max2.png", "box4.png"], ["ma.png", "bo.png"], {}),
        (["frame_x2.png"], ["frame.png"], {"frame_x2.png": "frame.png"}),
        (["frame_x2.png"], ["frame.png", "frame_x2.png"], {"frame_x2.png": "frame_x2.png"}),
        (["a.png", "a_x4.png"], ["a.png"], {"a.png": "a.png"}),
        (["one/a.png", "two/a.png"], ["one/a.png", "two/a.png"], {"one/a.png": "one/a.png", "two/a.png": "two/a.png"}),
    ],
)  # fmt: skip
def test_matches(outputs: list[str], targets: list[str], pairs: dict[str, str]) -> None:
    assert match_names(outputs, targets) == pairs


@pytest.mark.parametrize(
    ("outputs", "targets", "named"),
    [
        (["a.webp"], ["a.jpg", "a.png"], ["a.webp", "a.jpg", "a.png"]),
        (["a.webp", "a.jpg"], ["a.png"], ["a.webp", "a.jpg", "a.png"]),
        (["a_x2.png", "a_x4.png"], ["a.png"], ["a_x2.png", "a_x4.png", "a.png"]),
        (["a_SR.png"], ["a_HR.png", "a_GT.png"], ["a_SR.png", "a_HR.png", "a_GT.png"]),
        (["a_net.png", "a_other.png"], ["a.png"], ["a_net.png", "a_other.png", "a.png"]),
        (["a_b_net.png"], ["a.png", "a_b.png"], ["a_b_net.png", "a.png", "a_b.png"]),
        (["a b c.png"], ["a.png", "a b.png"], ["a b c.png", "a.png", "a b.png"]),
        (["x/A.jpg"], ["x/a.png", "x/a.webp"], ["x/A.jpg", "x/a.png", "x/a.webp"]),
    ],
)
def test_what_fits_equally_well_is_refused_and_named(outputs: list[str], targets: list[str], named: list[str]) -> None:
    with pytest.raises(InputError, match="one file of a name for each picture") as told:
        match_names(outputs, targets)
    assert all(name in str(told.value) for name in named)


def test_what_the_user_calls_a_suffix_is_one() -> None:
    outputs = ["img.png", "img_mine_2.png", "img_other.png", "cat_mine_2.png"]
    assert match_names(outputs, ["img.jpg", "cat.jpg"], ["_mine_2"]) == {
        "img_mine_2.png": "img.jpg",
        "cat_mine_2.png": "cat.jpg",
    }
    assert match_names(["img_2.png"], ["img.png"], ["_2"]) == {"img_2.png": "img.png"}
    assert match_names(["_2.png"], ["_2.png"], ["_2"]) == {"_2.png": "_2.png"}


NAMES = st.from_regex(r"(x/)?[abAx]{1,3}([-_ .][ab2]{1,2})?(_SR|_x4|x4|_HR)?\.(png|jpg)", fullmatch=True)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(NAMES, unique=True, min_size=1, max_size=7),
    st.lists(NAMES, unique=True, min_size=1, max_size=7),
    st.data(),
)
def test_order_changes_nothing_and_no_file_is_used_twice(
    outputs: list[str], targets: list[str], data: st.DataObject
) -> None:
    def found(outputs: list[str], targets: list[str]) -> dict[str, str] | str:
        try:
            return match_names(outputs, targets)
        except InputError as error:
            return str(error)

    first = found(outputs, targets)
    assert found(data.draw(st.permutations(outputs)), data.draw(st.permutations(targets))) == first
    if isinstance(first, dict):
        assert len(set(first.values())) == len(first)
        assert all(first[name] == name for name in set(outputs) & set(targets))
    assert match_names(outputs, outputs) == {name: name for name in outputs}


@settings(deadline=None, max_examples=60)
@given(st.lists(NAMES, unique=True, min_size=1, max_size=7))
def test_short_names_of_pictures_are_all_different(names: list[str]) -> None:
    files = [Path("targets") / name for name in names]
    short = picture_names(files, Path("targets"))
    assert len(set(short.values())) == len(files) == len(short)


def test_many_names_take_a_moment() -> None:
    outputs = [f"image_{n:06d}_of_the_network.png" for n in range(5_000)]
    targets = [f"image_{n:06d}.jpg" for n in range(5_000)]
    assert len(match_names(outputs, targets)) == 5_000


SUFFIXES = ["", "_SR", "_x4", "x4", "-bicubic", "_x2_SR", "_out"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.from_regex(r"[a-w]{3,4}[0-9]{0,2}", fullmatch=True), unique=True, min_size=1, max_size=6),
    st.sampled_from(SUFFIXES),
    st.sampled_from(["", "_HR", "_GT"]),
    st.randoms(),
)
def test_every_common_suffix_finds_its_target(names: list[str], made: str, wanted: str, random: object) -> None:
    assert hasattr(random, "shuffle")
    outputs, targets = [f"{name}{made}.png" for name in names], [f"{name}{wanted}.webp" for name in names]
    expected = dict(zip(outputs, targets, strict=True))
    random.shuffle(outputs)
    random.shuffle(targets)
    assert match_names(outputs, targets) == expected


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_folders_pair_and_name_what_is_left(tmp_path: Path) -> None:
    outputs = touch(tmp_path / "out", "a_x4.png", "b_x4.png", "z_x4.png")
    targets = touch(tmp_path / "targets", "a_HR.png", "b_HR.png", "c_HR.png", "a_LR.png")
    found = pair_files(outputs, targets)
    assert found.pairs == {name: (outputs / f"{name}_x4.png", targets / f"{name}_HR.png") for name in "ab"}
    assert found.unmatched == [outputs / "z_x4.png", targets / "c_HR.png"]
    assert target_files(touch(tmp_path / "low", "a_LR.png")) == [tmp_path / "low" / "a_LR.png"]


def test_two_files_are_a_pair_whatever_they_are_called(tmp_path: Path) -> None:
    touch(tmp_path, "one.png", "two.jpg")
    assert pair_files(tmp_path / "one.png", tmp_path / "two.jpg").pairs == {
        "one": (tmp_path / "one.png", tmp_path / "two.jpg")
    }


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [("a", "b", "no pair"), ("a", "b/x.png", "two files or two folders"), ("none", "none", "nothing there")],
)
def test_what_does_not_pair_is_said(outputs: str, targets: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, "a/one.png", "b/x.png")
    with pytest.raises(InputError, match=message):
        pair_files(tmp_path / outputs, tmp_path / targets)
