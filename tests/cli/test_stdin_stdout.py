"""``-`` for the standard input and output."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from perceptualloss import cli
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork


@pytest.fixture
def network(tmp_path: Path) -> Path:
    save_network(StyleTransferNetwork(4, blocks=1), tmp_path / "style.safetensors")
    return save_network(ResidualUpscaler(2, width=4, blocks=1), tmp_path / "net.safetensors")


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((255 * torch.rand(6, 8, 3)).byte().numpy()).save(buffer, kind)
    return buffer.getvalue()


def piped(monkeypatch: pytest.MonkeyPatch, given: bytes, *words: object) -> tuple[int, bytes]:
    """Return the exit code of a command with something at its standard input, and what it wrote to the output."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    monkeypatch.setattr(sys, "stdout", out)
    code = cli.main([*map(str, words), "--device", "cpu"])
    out.flush()
    return code, out.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "words", "kind"),
    [("PNG", [], "PNG"), ("JPEG", [], "JPEG"), ("BMP", [], "PNG"), ("JPEG", ["--format", "webp"], "WEBP")],
)
def test_a_picture_from_pipe_to_pipe(
    given: str, words: list[str], kind: str, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out = piped(monkeypatch, encoded(given), "upscale", "-", "-o", "-", "--network", network, *words)
    assert code == 0
    with Image.open(io.BytesIO(out)) as image:  # nothing but the picture
        assert (image.format, image.size) == (kind, (16, 12))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_is_painted_from_pipe_to_file_and_from_file_to_pipe(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--style", tmp_path / "style.safetensors"]
    code, out = piped(monkeypatch, encoded("PNG"), "stylize", "-", "-o", tmp_path / "a.webp", *words)
    assert (code, Path(out.decode().partition(",")[0].split()[-1])) == (0, tmp_path / "a.webp")
    code, out = piped(monkeypatch, b"", "stylize", tmp_path / "a.webp", "-o", "-", *words)
    assert code == 0
    with Image.open(io.BytesIO(out)) as image:
        assert (image.format, image.size) == ("WEBP", (8, 6))


def test_pictures_on_the_way_have_no_place_in_a_pipe(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    words = ["--method", "optimize", "--style", tmp_path / "a.png", "--steps", 2, "--every", 1, "--scales", 1]
    assert piped(monkeypatch, encoded("PNG"), "stylize", "-", "-o", "-", *words) == (2, b"")
    assert "no --every with --out -" in capsys.readouterr().err
    code, out = piped(monkeypatch, encoded("PNG"), "stylize", "-", "-o", "-", *words[:6], "--scales", 1, "--size", 16)
    assert code == 0
    with Image.open(io.BytesIO(out)) as image:
        assert image.size == (16, 12)


class Terminal(io.TextIOWrapper):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is."""
        return True


@pytest.mark.parametrize(
    ("given", "words", "said"),
    [
        (b"no picture", ["-", "-o", "-"], "to be a picture"),
        (b"", ["-", "-o", "-"], "a picture at the standard input, got nothing"),
        (b"PNG", ["{a}", "{a}", "-o", "-"], "one picture for -"),
        (b"PNG", ["{folder}", "-o", "-"], "one picture for -"),
        (b"PNG", ["-", "-o", "{a}"], "a new file"),
        (b"PNG", ["-", "-o", "-", "--format", "heif"], "--format to be one of"),
        (b"PNG", ["-", "-o", "{folder}/b.png", "--format", "webp"], "--format png, which --out says, got webp"),
    ],
)
def test_what_cannot_be_piped_is_one_line(
    given: bytes,
    words: list[str],
    said: str,
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    named = [word.format(a=tmp_path / "a.png", folder=tmp_path) for word in words]
    content = encoded("PNG") if given == b"PNG" else given
    code, out = piped(monkeypatch, content, "upscale", *named, "--network", network)
    assert code in (1, 2)
    assert out == b""
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(("stream", "words"), [("stdout", ["a.png", "-o", "-"]), ("stdin", ["-", "-o", "b.png"])])
def test_a_terminal_is_no_place_for_pictures(
    stream: str,
    words: list[str],
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(sys, stream, Terminal(io.BytesIO(encoded("PNG"))))
    assert cli.main(["upscale", *words, "--network", os.fspath(network)]) == 1
    assert "got a terminal" in capsys.readouterr().err
