"""What commands print while they work: lines where there is no terminal, nothing with ``--quiet``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from perceptualloss import bars, cli
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with two photos and networks; lines may follow each other at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bars, "EVERY", 0)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        write_image(torch.rand(3, 40, 48), tmp_path / "photos" / f"{name}.png")
    save_network(ResidualUpscaler(2, width=4, blocks=1), tmp_path / "net.safetensors")
    save_network(StyleTransferNetwork(4, blocks=1), tmp_path / "style.safetensors")
    return tmp_path


TRAIN = "--photos photos --validation 1 --device cpu --out runs --crop 16 --batch-size 2"
UPSCALE = "upscale photos -o out --network net.safetensors --device cpu"
COMMANDS = [
    (UPSCALE, r"a.png \(1/2\) 50%, 0:0\d taken"),
    (UPSCALE, r"^b.png \(2/2\): \d+.\d s, [\d.e-]+ megapixels/s$"),
    ("stylize photos -o out --style style.safetensors --device cpu", r"^a.png \(1/2\): \d+.\d s, .* megapixels/s$"),
    (
        "stylize photos/a.png -o b.png --style photos/b.png --method optimize --steps 2 --scales 1",
        r"a.png \(1/1\) 16 px|a.png \(1/1\): \d+.\d s, .* steps/s",
    ),
    ("reconstruct photos/a.png --layers relu1_1 --steps 2 --size 16", r"relu1_1 \S+ 100%, 0:0\d taken$"),
    ("loss-map photos/a.png photos/b.png --layers relu1_1", "^Looking through compact$"),
    ("evaluate --network net.safetensors --targets photos --metrics psnr", r"^Measuring .*, 0:0\d taken"),
    (f"train denoise --steps 2 --loss L1Loss {TRAIN}", r"^Training in \w+ 2/2, 0:0\d taken, .*Loss \S+"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), COMMANDS, ids=lambda text: text.split(" ")[0])
def test_lines_without_a_terminal(words: str, line: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 0
    shown = capsys.readouterr()
    assert re.search(line, shown.out + shown.err, re.MULTILINE), shown
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.parametrize(
    "words",
    [words for words, _ in COMMANDS[1:6] if words.split()[0] != "loss-map"],
    ids=lambda text: text.split(" ")[0],
)
def test_quiet_says_nothing(words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words.split(), "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "Wrote" not in shown.out
    assert not re.search(r"taken|/s$", shown.out, re.MULTILINE)


def test_quiet_still_says_what_failed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "photos" / "c.png").write_bytes(b"no picture")
    assert cli.main([*UPSCALE.split(), "--quiet"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split(":")[0] for line in shown.err.splitlines()] == ["not enlarged", "error"]


def test_a_quiet_training(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(f"train denoise --steps 1 --loss L1Loss {TRAIN} --quiet".split()) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
