"""``perceptualloss transform`` and ``restore`` as a user meets them, and clips through any network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from perceptualloss import cli
from perceptualloss.apply.restore import restore
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.pictures.images import read_image, write_image


def changing(scale: int = 1) -> SubPixelUpscaler:
    network = SubPixelUpscaler(scale, width=4, blocks=1)
    nn.init.normal_(network.last.weight, std=0.1)
    return network


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures; two networks that restore ship."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    for name in ("denoise", "dejpeg"):
        save_network(changing(), tmp_path / "trained" / f"restore-{name}.safetensors")
    (tmp_path / "photos").mkdir()
    write_image(torch.rand(3, 8, 10), tmp_path / "photos" / "a.png")
    write_image(torch.rand(3, 6, 7), tmp_path / "photos" / "b.png", grey=True)
    return tmp_path / "photos"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four frames of 18 x 10, with a brightness that rises."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 18, 10, "yuv444p"
        for number in range(4):
            samples = torch.full((10, 18, 3), 40 + 40 * number, dtype=torch.uint8).numpy()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        file.mux(stream.encode())
    return tmp_path / "clip.mp4"


def run(*words: object) -> int:
    return cli.main([*map(str, words), "--device", "cpu"])


def test_restoring_a_folder(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [photos, "-o", tmp_path / "out", "--of", "jpeg", "noise", "--strength", 0.5]
    assert run("restore", *words) == 0
    shown = capsys.readouterr().out
    assert "Wrote 2 pictures into" in shown
    a = read_image(photos / "a.png")
    wanted = restore(a, ["dejpeg", "denoise"], strength=0.5)
    assert (read_image(tmp_path / "out" / "a.png") - wanted).abs().max() < 0.6 / 255
    assert run("restore", *words, "--skip-existing") == 0
    assert "skipped 2 (a.png, b.png: whole already)" in capsys.readouterr().out


def test_any_network_by_file_and_by_name(photos: Path, tmp_path: Path) -> None:
    network = changing(3)
    file = save_network(network, tmp_path / "mine.safetensors")
    assert run("transform", photos / "a.png", "-o", tmp_path / "a.png", "--network", file) == 0
    wanted = network(read_image(photos / "a.png")).clamp(0, 1)
    assert (read_image(tmp_path / "a.png") - wanted).abs().max() < 0.6 / 255
    assert run("transform", photos / "b.png", "-o", tmp_path / "b.png", "--network", "denoise", "--color") == 0
    found = read_image(tmp_path / "b.png")
    assert (found[:, 0] - found[:, 2]).abs().max() > 0.01


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["restore", "{photos}"], 2, "--of for perceptualloss restore, got none"),
        (["restore", "{photos}", "--of", "nois"], 1, "Did you mean 'noise'"),
        (["restore", "{photos}", "--of", "blur"], 1, "got restore-dejpeg, restore-denoise"),
        (["restore", "{photos}", "--of", "noise", "--strength", "2"], 1, "strength from 0 to 1"),
        (["restore", "{photos}", "--of", "noise", "--smooth", "0.5"], 2, "no --smooth for pictures"),
        (["transform", "{photos}"], 2, "--network for perceptualloss transform, got none"),
        (["transform", "{photos}", "--network", "denois"], 1, "Did you mean 'denoise'"),
    ],
)
def test_bad_input_is_told_in_a_line(
    words: list[str], code: int, message: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*[word.format(photos=photos) for word in words], "-o", tmp_path / "out") == code
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def frames_of(file: Path) -> list[Tensor]:
    from perceptualloss.pictures.video.frames import as_picture  # noqa: PLC0415

    av = pytest.importorskip("av")
    with av.open(str(file)) as container:
        return [as_picture(frame) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("words", "size", "made"),
    [
        (["restore", "--of", "noise"], (10, 18), lambda network, frame: network(frame)),
        (["upscale", "--network", "{double}"], (20, 36), None),
        (["upscale", "--network", "{double}", "--width", "27"], (14, 26), None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_clip_through_a_network(
    words: list[str],
    size: tuple[int, int],
    made: Callable[..., Tensor] | None,
    photos: Path,
    clip: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    double = save_network(SubPixelUpscaler(2, width=4, blocks=1), tmp_path / "double.safetensors")  # untrained
    command, *rest = [word.format(double=double) for word in words]
    assert run(command, clip, "-o", tmp_path / "out.mp4", *rest) == 0
    before, found = frames_of(clip), frames_of(tmp_path / "out.mp4")
    assert [frame.shape[-2:] for frame in found] == [size] * 4
    network = shipped.load_network("denoise")
    for one, other in zip(before, found, strict=True):
        wanted = one.mean() if made is None else made(network, one).clamp(0, 1).mean()
        assert abs(other.mean() - wanted) < 3 / 255
    if "--width" in words:
        assert "27 x 15 pixels become 26 x 14: H.264 has even sides" in caplog.text


def test_a_preview_is_one_frame_before_and_after(
    photos: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double = save_network(SubPixelUpscaler(2, width=4, blocks=1), tmp_path / "double.safetensors")
    out, words = tmp_path / "large.mp4", ["--network", double, "--preview"]
    assert run("upscale", clip, "-o", out, *words, "0.25") == 0
    shown = capsys.readouterr().out
    assert f"Wrote {tmp_path / 'large-preview.png'}" in shown
    assert "clip.mp4, the frame at 0.20 s: before at the left" in shown
    assert "its 4 frames about" in shown
    assert not out.exists()
    both, frame = read_image(tmp_path / "large-preview.png"), frames_of(clip)[2]
    assert both.shape == (1, 3, 20, 36 + 8 + 36)
    assert (both[..., :36] - frame.mean()).abs().max() < 2 / 255
    assert (both[..., -36:] - frame.mean()).abs().max() < 2 / 255
    assert both[..., 36:44].min() == 1
    assert run("upscale", clip, "-o", out, *words, "middle") == 1
    assert "--overwrite replaces" in capsys.readouterr().err
    assert run("restore", photos, clip, "-o", tmp_path / "out", "--of", "noise", "--preview", "0:00") == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["clip-preview.png"]
    assert "left out 2 .png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["{clip}", "--preview", "soon"], 2, "--preview with seconds, minutes:seconds, or middle, got 'soon'"),
        (["{clip}", "--preview", "7"], 1, "a time from 0 to 0.40 s, which clip.mp4 lasts, got 7 s"),
        (["{photos}", "--preview", "1"], 2, "no --preview for pictures"),
        (["{clip}", "--preview", "0", "--smooth", "0.5"], 2, "no --smooth with --preview"),
        (["{clip}", "--preview", "0", "-o", "-"], 2, "no --preview with --out -"),
    ],
)
def test_previews_that_cannot_be(
    words: list[str], code: int, message: str, photos: Path, clip: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = [] if "-o" in words else ["-o", tmp_path / "out"]
    given = [word.format(photos=photos, clip=clip) for word in words]
    assert run("restore", *given, *out, "--of", "noise") == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
