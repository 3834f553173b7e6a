"""Names of files are shown as they are: neither Rich's markup nor what steers the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perceptualloss import cli
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image

NAMES = ("o[", "[red]x", "[]", "[bold", "x\x1b[31m")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_them(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    folders = [tmp_path / name / part for part in ("outputs", "targets")]
    for folder in folders:
        folder.mkdir(parents=True)
        for number in range(2):
            write_image(torch.rand(3, 24, 24), folder / f"{name}{number}.png")
    picture, other = (folder / f"{name}0.png" for folder in folders)
    large = save_network(ResidualUpscaler(2, width=4, blocks=1, detail=4), tmp_path / f"{name}.safetensors")
    style = save_network(StyleTransferNetwork(4, blocks=1), tmp_path / f"{name}-style.safetensors")
    for words in (
        ["upscale", picture, "--network", large, "-o", tmp_path / f"{name}-large.png"],
        ["upscale", folders[0], "--network", large, "-o", tmp_path / f"{name}-large"],
        ["stylize", picture, "--network", style, "-o", tmp_path / f"{name}-painted.png"],
        ["evaluate", *folders, "--metrics", "psnr"],
        ["evaluate", "--network", large, "--targets", folders[1], "--metrics", "psnr", "--html", tmp_path / "a.html"],
        ["loss-map", picture, other, "--layers", "relu1_1", "-o", tmp_path / f"{name}-map.png"],
        ["reconstruct", picture, "--layers", "relu1_1", "--steps", "1", "-o", tmp_path / f"{name}-found"],
    ):
        assert cli.main([str(word) for word in words]) == 0
        shown = capsys.readouterr().out
        assert name.replace("\x1b", "\ufffd")[:3] in shown.replace("\n", "")
        assert "\x1b[31m" not in shown
    assert cli.main(["upscale", str(tmp_path / name / "none.png")]) == 1
    assert name.replace("\x1b", "\ufffd") in capsys.readouterr().err
