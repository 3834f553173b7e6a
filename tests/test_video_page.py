"""The whole loops of docs/video.md run as they stand, with fewer steps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import Tensor

PAGE = Path(__file__).resolve().parents[1] / "docs" / "video.md"
LOOPS = [
    block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S) if "STEPS" in block
]


def run(block: str, sizes: str, photos: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(folder)
    (folder / "my-photos").symlink_to(photos)
    names: dict[str, object] = {"__name__": "__main__"}
    fewer = re.sub(r"STEPS = \d+, \d+, 300\n", f"STEPS = {sizes}\n", block)
    assert fewer != block
    exec(compile(fewer, str(PAGE), "exec"), names)
    return names


def test_loops_are_short() -> None:
    assert len(LOOPS) == 2
    assert all(len(block.splitlines()) <= 45 for block in LOOPS)


def test_a_video_model(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = run(LOOPS[0], "16, 8, 24", small_photos, tmp_path, monkeypatch)["history"]
    assert isinstance(history, list)
    assert list(history[0]) == ["video/l1", "video/feature/relu1_2", "video/feature/relu2_2", "temporal"]
    assert history[-1]["temporal"] < history[0]["temporal"]


def test_patches_of_a_scene(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run(LOOPS[1], "48, 24, 12", small_photos, tmp_path, monkeypatch)
    before, after = names["before"], names["after"]
    assert isinstance(before, Tensor)
    assert isinstance(after, Tensor)
    assert after.item() > before.item() + 2
