"""How large a picture may be, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perceptualloss.cli import main
from perceptualloss.pictures.images import write_image


@pytest.mark.parametrize("command", ["loss-map", "reconstruct"])
def test_a_picture_beyond_the_limit_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(torch.zeros(3, 30, 40), tmp_path / "a.png")
    pictures = [str(tmp_path / "a.png")] * (2 if command == "loss-map" else 1)
    assert main([command, *pictures, "--max-pixels", "1199", "-o", str(tmp_path / "out.png")]) == 1
    assert "40 x 30 = 1200 pixels" in " ".join(capsys.readouterr().err.split())
