"""``perceptualloss reconstruct`` and ``perceptualloss loss-map``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from perceptualloss.cli import main
from perceptualloss.pictures.images import write_image


@pytest.fixture(name="photo")
def _photo(tmp_path: Path) -> Path:
    write_image(torch.rand(3, 30, 40), tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("kind", ["feature", "style"])
def test_reconstruct_writes_the_row_and_its_figures(photo: Path, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["reconstruct", str(photo), "--layers", "relu1_1", "relu2_1", "--kind", kind, "--steps", "2"]
    assert main([*words, "--size", "32", "-o", str(out)]) == 0
    figures = json.loads((out / "figures.json").read_text())
    assert figures["settings"]["kind"] == kind
    assert [one["layers"] for one in figures["layers"]] == ["relu1_1", "relu2_1"]
    with Image.open(out / "relu2_1.png") as picture:
        assert picture.size == (32, 24)
    assert (out / "panel.png").is_file()


def test_loss_map_writes_a_panel(photo: Path, tmp_path: Path) -> None:
    write_image(torch.rand(3, 30, 40), tmp_path / "other.png")
    out = tmp_path / "maps" / "map.png"
    assert main(["loss-map", str(tmp_path / "other.png"), str(photo), "--layers", "relu1_1", "-o", str(out)]) == 0
    assert out.is_file()


def test_what_is_there_is_overwritten_when_asked_for(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["loss-map", str(photo), str(photo), "--layers", "relu1_1", "--quiet"]
    Path("mine.png").write_text("mine")
    assert main([*words, "-o", "mine.png"]) == 1
    assert Path("mine.png").read_text() == "mine"
    assert "a new file mine.png" in capsys.readouterr().err
    assert main([*words, "-o", "mine.png", "--overwrite"]) == 0
    assert main(words) == main(words) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["loss-map-2.png", "loss-map.png"]

    words = ["reconstruct", str(photo), "--layers", "relu1_1", "--steps", "1", "--size", "16", "--quiet"]
    assert main([*words, "-o", "."]) == 1
    assert "a new or empty folder ." in capsys.readouterr().err
    assert main(words) == main(words) == 0
    assert Path("runs/reconstruct-2/panel.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reconstruct", "PHOTO", "--steps", "0"], "steps to be at least 1"),
        (["reconstruct", "PHOTO", "--layers", "relu22"], "layer to be one of"),
        (["reconstruct", "missing.png"], "no such file"),
        (["loss-map", "PHOTO", "PHOTO", "-o", "map.gif"], "ends in .png"),
    ],
)
def test_errors_of_use(
    words: list[str],
    message: str,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(photo) if word == "PHOTO" else word for word in words]) == 1
    assert message in capsys.readouterr().err
