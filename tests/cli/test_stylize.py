"""``perceptualloss stylize`` as a user meets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from perceptualloss import cli
from perceptualloss.cli import stylize
from perceptualloss.losses.style_objective import objective_note
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import read_image, write_image


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a style that ships, and a network for two styles beside it."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    save_network(StyleTransferNetwork(4, blocks=1), tmp_path / "trained" / "style-wave.safetensors")
    notes = objective_note("johnson_style", ["wave", "udnie"], None, 1.0)
    several = StyleTransferNetwork(4, blocks=1, styles=2)
    with torch.no_grad():
        several.enlarge[1].norm.scale[1] *= -3
    save_network(several, tmp_path / "two.safetensors", **notes)
    return tmp_path / "two.safetensors"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    write_image(torch.rand(3, 24, 30), folder / "a.jpg")
    write_image(torch.rand(3, 16, 16), folder / "deep" / "b.png", alpha=torch.rand(1, 16, 16))
    return folder


def run(*words: object) -> int:
    return cli.main(["stylize", *map(str, words), "--device", "cpu"])


def test_a_folder_with_a_style_that_ships(trained: Path, photos: Path, tmp_path: Path) -> None:
    assert run(photos, "-o", tmp_path / "out", "--style", "wave", "--size", 20, "--keep-colors") == 0
    found = {}
    for file in (tmp_path / "out").rglob("*.*"):
        with Image.open(file) as image:
            found[str(file.relative_to(tmp_path / "out"))] = image.mode, image.size
    assert found == {"a.jpg": ("RGB", (20, 16)), "deep/b.png": ("RGBA", (20, 20))}


def test_one_of_several_styles_by_name_and_blended(trained: Path, photos: Path, tmp_path: Path) -> None:
    found = {}
    for name in ("wave", "udnie", "wave:0.5,udnie:0.5"):
        words = ["--network", trained, "--style", name, "--overwrite"]
        assert run(photos / "a.jpg", "-o", tmp_path / "x.png", *words) == 0
        found[name] = read_image(tmp_path / "x.png")
    first, second, both = found.values()
    assert not torch.equal(first, second)
    assert not torch.equal(first, both)


def test_a_video_beside_a_picture(
    trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    av = pytest.importorskip("av")
    (photos / "broken.mp4").write_bytes(b"no clip")
    (photos / "notes.txt").write_bytes(b"no clip")
    with av.open(str(photos / "clip.avi"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for _ in range(3):
            samples = (255 * torch.rand(16, 32, 3)).byte().numpy()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        file.mux(stream.encode())
    assert run(photos, "-o", tmp_path / "out", "--style", "wave", "--smooth", 0.5) == 1
    shown = capsys.readouterr()
    speed = r", \S+ megapixels a second and \S+ frames a second"
    out = re.escape(str(tmp_path / "out"))
    assert re.search(rf"Wrote 3 files into {out}{speed}; 1 failed; left out 1 .txt\n", shown.out)
    assert re.search(r"^not painted: .*broken.mp4", shown.err, re.MULTILINE)
    assert re.search(r"^clip.avi \(\d/4\): \d+.\d s, \S+ frames/s$", shown.err, re.MULTILINE)
    assert "Traceback" not in shown.err
    with av.open(str(tmp_path / "out" / "clip.mp4")) as file:
        frames = list(file.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(32, 16)] * 3
    assert (tmp_path / "out" / "a.jpg").is_file()
    assert run(photos / "clip.avi", "-o", tmp_path / "one.mp4", "--style", "wave", "--method", "optimize") == 1


def test_optimisation_with_pictures_on_the_way(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(torch.rand(3, 40, 40), tmp_path / "style.png")
    words = ["--method", "optimize", "--style", tmp_path / "style.png", "--steps", 4, "--every", 2]
    assert run(photos / "deep" / "b.png", "-o", tmp_path / "out" / "b.png", *words, "--size", 32, "--scales", 1) == 0
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["b-scale1-step0002.png", "b-scale1-step0004.png", "b.png"]
    with Image.open(tmp_path / "out" / "b.png") as image:
        assert (image.mode, image.size) == ("RGBA", (32, 32))
    whole = read_image(tmp_path / "out" / "b-scale1-step0004.png")
    assert whole.std() > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{photos}"], "a --style or a --network"),
        (["{photos}", "--style", "wavy"], "Did you mean 'wave'"),
        (["{photos}", "--style", "{photos}/a.jpg"], "--method optimize"),
        (["{photos}", "--style", "wave", "--smooth", 2], "smooth from 0 to 1"),
        (["{photos}", "--style", "wave", "--strength", 2], "strength from 0 to 1"),
        (["{photos}/a.jpg", "--style", "wave", "-o", "{photos}/a.mp4"], ".jpeg, .jpg, .jxl, .png"),
        (["{photos}", "--method", "optimize"], "a picture as --style"),
        (["{photos}", "--network", "{two}", "--style", "udni"], "Did you mean 'udnie'"),
    ],
)
def test_bad_input_is_told_in_a_line(
    words: list[object], message: str, trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(word).format(photos=photos, two=trained) for word in words]
    assert run(*given, *([] if "-o" in given else ["-o", tmp_path / "out"])) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_every_option_has_help() -> None:
    text = stylize.build_parser().format_help()
    assert all(
        f"--{name}" in text for name in ("style", "network", "size", "strength", "keep-colors", "smooth", "every")
    )
