"""``perceptualloss upscale`` as a user meets it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from perceptualloss import cli
from perceptualloss.apply.transformer import Transformer
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import open_picture, read_image, write_image


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two networks that ship, for x2."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    for kind in ("mse", "perceptual"):
        network = ResidualUpscaler(2, width=4, blocks=1)
        nn.init.normal_(network.last.weight, std=0.1)
        save_network(network, tmp_path / "trained" / f"subpixel2x-{kind}.safetensors")
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
    own = trained / "subpixel2x-perceptual.safetensors"
    for name, words in {
        "mse": ["--scale", 2],
        "perceptual": ["--scale", 2, "--kind", "perceptual"],
        "half": ["--scale", 2, "--perception", 0.5],
        "one": ["--scale", 2, "--perception", 1],
        "own": ["--network", own],
        "named": ["--network", "subpixel2x-perceptual"],
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
    assert "not enlarged: expected" in shown.err
    assert "b.png to be a picture" in shown.err
    assert "1 that were not enlarged" in shown.err
    assert "Traceback" not in shown.err


def test_going_on_passes_by_what_is_whole_and_of_the_right_size(
    trained: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out, words = tmp_path / "out", [photos, "-o", tmp_path / "out", "--scale", 2]
    assert run(*words) == 0
    first = (out / "a.jpg").read_bytes()
    (out / "c.png").write_bytes((out / "c.png").read_bytes()[:-40])  # cut
    write_image(torch.rand(3, 5, 5), out / "deep" / "b.png")  # somebody else's
    capsys.readouterr()
    assert run(*words) == 0
    assert "Wrote nothing; skipped 3" in capsys.readouterr().out
    assert run(*words, "--skip-existing") == 0
    shown = capsys.readouterr().out
    assert "Wrote 2 pictures into" in shown
    assert "skipped 1 (a.jpg: whole already)" in shown
    assert "c.png is not whole: it is made anew" in caplog.text
    assert "b.png is 5 x 5 and not 12 x 12 pixels large: it is made anew" in caplog.text
    assert (out / "a.jpg").read_bytes() == first
    assert read_image((out / "deep" / "b.png.before").read_bytes()).shape == (1, 3, 5, 5)
    assert modes(out)["deep/b.png"] == ("L", (12, 12))
    assert modes(out)["c.png"] == ("RGBA", (12, 12))


def test_a_result_that_is_older_than_its_source_is_made_anew(trained: Path, photos: Path, tmp_path: Path) -> None:
    words = [photos / "a.jpg", "-o", tmp_path / "b.png", "--scale", 2, "--skip-existing"]
    assert run(*words) == 0
    os.utime(tmp_path / "b.png", (1e9, 1e9))
    assert run(*words) == 0
    assert (tmp_path / "b.png").stat().st_mtime > 1e9
    assert (tmp_path / "b.png.before").stat().st_mtime == 1e9


def test_ctrl_c_says_what_goes_on(
    trained: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = Transformer.file

    def interrupted(tool: Transformer, source: Path, *rest: Any, **options: Any) -> None:
        if source.name == "c.png":
            raise KeyboardInterrupt
        whole(tool, source, *rest, **options)

    monkeypatch.setattr(Transformer, "file", interrupted)
    assert run(photos, "-o", tmp_path / "out", "--scale", 2) == 130
    told = capsys.readouterr().err
    assert "Interrupted. Wrote 1 picture into" in told
    (line,) = [line for line in told.splitlines() if line.startswith("Go on with: ")]
    monkeypatch.undo()
    monkeypatch.setattr(shipped, "FOLDER", trained)
    assert cli.main(shlex.split(line.removeprefix("Go on with: "))[1:]) == 0
    told = capsys.readouterr().out
    assert "Wrote 2 pictures" in told
    assert "skipped 1 (a.jpg: whole already)" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{photos}", "-o", "{photos}", "--scale", 2], "another place than that"),
        (["{photos}/none.png", "-o", "{out}"], "no such file"),
        (["{photos}", "-o", "{out}", "--scale", 5], "mse x2, perceptual x2"),
        (["{photos}", "-o", "{out}", "--scale", 1], "a scale above 1, got 1"),
        (["{photos}", "-o", "{out}", "--scale", 17], "at most 16 times as large, got 17 times"),
        (["{photos}/a.jpg", "-o", "{out}", "--width", 10], "more pixels than the picture's 10 x 8, got width 10"),
        (["{photos}", "-o", "{out}", "--width", 30, "--height", 20], "one of scale, width, height and megapixels"),
        (["{photos}", "-o", "{out}", "--megapixels", 0], "megapixels above 0"),
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


def test_what_is_not_pixels_is_kept_or_stripped(trained: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg", exif=exif)
    for name, words in {"kept": [], "stripped": ["--strip"]}.items():
        assert run(tmp_path / "a.jpg", "-o", tmp_path / f"{name}.jpg", "--scale", 2, *words) == 0
    found = []
    for name in ("kept", "stripped"):
        with Image.open(tmp_path / f"{name}.jpg") as image:
            found.append(image.getexif().get(0x010F))
    assert found == ["Camera", None]


def test_a_picture_of_too_many_pixels_is_refused_and_named(
    trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos, "-o", tmp_path / "out", "--scale", 2, "--max-pixels", 40) == 1
    assert sorted(modes(tmp_path / "out")) == ["c.png", "deep/b.png"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not enlarged")]
    assert "a.jpg to have at most 40 pixels, got 10 x 8 = 80 pixels" in line
    assert "--max-pixels" in line


def test_any_size_is_exact_for_every_kind_of_picture(
    trained: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(torch.rand(3, 7, 9), photos / "deep" / "bits.png", bits=16)
    words = [photos, "-o", tmp_path / "out", "--width", 24]
    assert run(*words) == 0
    assert modes(tmp_path / "out") == {
        "a.jpg": ("RGB", (24, 19)),  # 19.2 rows
        "c.png": ("RGBA", (24, 24)),
        "deep/b.png": ("L", (24, 24)),
        "deep/bits.png": ("RGB", (24, 19)),
    }
    assert open_picture(tmp_path / "out" / "deep" / "bits.png").bits == 16
    assert caplog.text.count("x4 is made in 2 passes: x2, then x2") == 1
    write_image(torch.rand(3, 19, 23), tmp_path / "out" / "a.jpg")
    capsys.readouterr()
    assert run(*words, "--skip-existing") == 0
    assert "a.jpg is 23 x 19 and not 24 x 19 pixels large: it is made anew" in caplog.text
    assert "skipped 3" in capsys.readouterr().out
    for words, size in {
        ("--scale", 1.5): (15, 12),
        ("--height", 9): (11, 9),
        ("--megapixels", 0.0002): (16, 13),
    }.items():
        assert run(photos / "a.jpg", "-o", tmp_path / "b.png", *words, "--overwrite") == 0
        assert read_image(tmp_path / "b.png").shape == (1, 3, size[1], size[0])


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
