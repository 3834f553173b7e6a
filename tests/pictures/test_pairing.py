from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.errors import InputError
from perceptualloss.pictures.pairing import bare_name, match_names, pair_files, target_files


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
        (["a_b_net.png"], ["a.png", "a_b.png"], {"a_b_net.png": "a_b.png"}),
        (["ab_net.png"], ["a.png"], {}),
        (["a_x2.png", "a_x4.png"], ["a.png"], {}),
        (["a.png", "a_x4.png"], ["a.png"], {"a.png": "a.png"}),
        (["one/a.png", "two/a.png"], ["one/a.png", "two/a.png"], {"one/a.png": "one/a.png", "two/a.png": "two/a.png"}),
    ],
)  # fmt: skip
def test_matches(outputs: list[str], targets: list[str], pairs: dict[str, str]) -> None:
    assert match_names(outputs, targets) == pairs


SUFFIXES = ["", "_SR", "_x4", "x4", "-bicubic", "_x2_SR", "_out"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.from_regex(r"[a-w]{1,4}[0-9]{0,2}", fullmatch=True), unique=True, min_size=1, max_size=6),
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
