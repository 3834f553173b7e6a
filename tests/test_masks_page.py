"""The whole loop of docs/masks.md runs as it stands, with fewer steps; its figures are what the benchmark prints."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "masks.md"
TEXT = PAGE.read_text(encoding="utf-8")
(LOOP,) = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.S) if "STEPS" in block]


def test_inpainting(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-photos").symlink_to(small_photos)
    torch.manual_seed(0)
    fewer = LOOP.replace("SIZE, BATCH, STEPS = 64, 8, 300", "SIZE, BATCH, STEPS = 32, 8, 24")
    assert fewer != LOOP
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(fewer, str(PAGE), "exec"), names)
    history = names["history"]
    assert isinstance(history, list)
    assert len(history) == 24
    assert sum(history[-5:]) > sum(history[:5]) + 5  # dB in the holes, of five steps


def test_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    masks = importlib.import_module("masks")
    target, output, mask = masks.scene()
    for masking in ("area", "exact"):
        counted, outside, change = masks.leak(target, output, mask, "relu2_2", masking)
        assert f'| `"{masking}"` | relu2_2 | {counted:.0%} | {outside:.1%} | {change:.1%} |' in TEXT
        assert (outside == change == 0) == (masking == "exact")
