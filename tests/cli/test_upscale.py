"""``perceptualloss upscale`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from perceptualloss import cli
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import read_image, write_image


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two networks that ship, for x2."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    for kind in ("mse", "perceptual"):
        network = ResidualUpscaler(2, width=4, blocks=1)
        nn.init.normal_(network.last.weight, std=0.1)
        save_network(network, tmp_path / "trained" / f"residual2x-{kind}.safetensors")
    return tmp_path / "trained"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a colour picture, a grey one within, and one with transparency."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    write_image(torch.rand(3, 8, 10), folder / "a.jpg")
    write_image(torch.rand(3, 6, 6), folder / "deep" / "b.png", grey=True)
    write_image(torch.rand(3, 6, 6), folder / "c.png", alpha=torch.rand(1, 6, 6))
    return folder


def run(*words: object) -> int:
    return cli.main(["upscale", *map(str, words), "--device", "cpu"])


def modes(folder: Path) -> dict[str, tuple[str, tuple[int, int]]]:
    found = {}
    for file in folder.rglob("*.*"):
        with Image.open(file) as image:
            found[str(file.relative_to(folder))] = image.mode, image.size
    return found


def test_a_folder(trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos, "-o", tmp_path / "out", "--scale", 2) == 0
    assert modes(tmp_path / "out") == {
        "a.jpg": ("RGB", (20, 16)),
        "c.png": ("RGBA", (12, 12)),
        "deep/b.png": ("L", (12, 12)),
    }
    assert "3 pictures into" in capsys.readouterr().out


def test_one_file_with_kind_perception_and_a_network_of_ones_own(trained: Path, photos: Path, tmp_path: Path) -> None:
    source, found = photos / "a.jpg", {}
    own = trained / "residual2x-perceptual.safetensors"
    for name, words in {
        "mse": ["--scale", 2],
        "perceptual": ["--scale", 2, "--kind", "perceptual"],
        "half": ["--scale", 2, "--perception", 0.5],
        "one": ["--scale", 2, "--perception", 1],
        "own": ["--network", own],
        "named": ["--network", "residual2x-perceptual"],
    }.items():
        assert run(source, "--out", tmp_path / f"{name}.png", *words) == 0
        found[name] = read_image(tmp_path / f"{name}.png")
    assert torch.equal(found["perceptual"], found["own"])
    assert torch.equal(found["perceptual"], found["named"])
    assert (found["perceptual"] - found["one"]).abs().max() < 0.005
    assert len({tuple(f.flatten().tolist()) for n, f in found.items() if n in ("mse", "perceptual", "half")}) == 3


def test_one_bad_file_does_not_end_it(
    trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "b.png").write_bytes(b"no picture")
    assert run(photos, "-o", tmp_path / "out", "--scale", 2) == 1
    assert len(modes(tmp_path / "out")) == 3
    shown = capsys.readouterr()
    assert "3 pictures into" in shown.out
    assert "b.png: expected" in shown.err
    assert "1 that were not enlarged" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{photos}", "-o", "{photos}", "--scale", 2], "another place than that"),
        (["{photos}/none.png", "-o", "{out}"], "no such file"),
        (["{photos}", "-o", "{out}", "--scale", 4], "mse x2, perceptual x2"),
        (["{photos}", "-o", "{out}", "--scale", 2, "--kind", "adversarial"], "adversarial x2"),
        (["{photos}", "-o", "{out}", "--scale", 2, "--perception", 2], "from 0 to 1"),
        (["{photos}", "-o", "{out}", "--network", "{photos}/a.jpg"], "a safetensors file"),
        (["{photos}/c.png", "-o", "{out}/c.jpg", "--scale", 2], "keeps transparency"),
    ],
)
def test_bad_input_is_told_in_a_line(
    words: list[object], message: str, trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in photos.rglob("*.*")}
    assert run(*[str(word).format(photos=photos, out=tmp_path / "out") for word in words]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert before == {file: file.read_bytes() for file in photos.rglob("*.*")}


def test_histogram_and_tiles_from_the_command_line(trained: Path, tmp_path: Path) -> None:
    write_image(0.5 + 0.1 * torch.rand(3, 30, 30), tmp_path / "dull.png")
    words = [tmp_path / "dull.png", "--scale", 2, "-o"]
    assert run(*words, tmp_path / "whole.png") == 0
    assert run(*words, tmp_path / "tiled.png", "--tile", 8) == 0
    assert run(*words, tmp_path / "matched.png", "--match-histogram") == 0
    whole, tiled, matched = (read_image(tmp_path / f"{name}.png") for name in ("whole", "tiled", "matched"))
    assert (whole - tiled).abs().max() < 0.005
    assert matched.min() >= 0.49
    assert matched.max() <= 0.61
    assert whole.max() - whole.min() > matched.max() - matched.min()
