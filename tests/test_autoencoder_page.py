"""The blocks of docs/autoencoders.md run as they stand, with fewer steps and the smallest networks."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch

from perceptualloss import load_network

PAGE = Path(__file__).resolve().parents[1] / "docs" / "autoencoders.md"
BLOCKS = re.findall(r"```python\n(import torch.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
FEW = {
    "range(100)": "range(2)",
    "steps, batch_size, device = 5000, 8": "steps, batch_size, device = 3, 2",
    "width=32": "width=4",
    '"adversarial": 1000': '"adversarial": 1',
}


def run(number: int) -> dict[str, object]:
    block = BLOCKS[number]
    for many, few in FEW.items():
        block = block.replace(many, few)
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(block, str(PAGE), "exec"), names)
    return names


def test_the_decoder_of_diffusers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diffusers = pytest.importorskip("diffusers")
    monkeypatch.chdir(tmp_path)
    types = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    before = diffusers.AutoencoderKL(block_out_channels=(4, 4), norm_num_groups=2, **types)
    before.save_pretrained("my-vae")
    run(0)
    after = diffusers.AutoencoderKL.from_pretrained("my-vae-tuned").state_dict()
    changed = {name.split(".")[0] for name, value in before.state_dict().items() if not torch.equal(after[name], value)}
    assert changed == {"decoder", "post_quant_conv"}


def test_codes_and_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    run(1)
    bits, same = capsys.readouterr().out.split()
    assert float(bits) == pytest.approx(math.log2(64_000) / 64)
    assert same == "True"


def test_the_whole_loop(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len([line for line in BLOCKS[2].splitlines() if line]) <= 45
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-photos").symlink_to(small_photos)
    names = run(2)
    assert load_network("mine.safetensors")(torch.rand(1, 3, 9, 9)).isfinite().all()
    balance = names["balance"]
    assert set(balance.weights) == {"l1 + feature_reconstruction", "adversarial"}  # type: ignore[attr-defined]
    assert float(balance.weights["adversarial"]) > 0  # type: ignore[attr-defined]
