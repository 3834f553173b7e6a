"""The blocks of docs/own-loop.md run as they stand, with fewer steps."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own-loop.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_page_has_a_block_for_a_call_losses_laws_data_degraded_batches_and_tasks() -> None:
    assert len(BLOCKS) == 6


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs(number: int, small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-photos").symlink_to(small_photos)
    block = BLOCKS[number]
    for many, few in {
        "range(100)": "range(2)",
        "max_steps=1000": "max_steps=2",
        "interval=500": "interval=2",
        "== 100": "== 2",
    }.items():
        block = block.replace(many, few)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # no GPU is used, logs go nowhere
        exec(compile(block, str(PAGE), "exec"), {"__name__": "__main__"})
    assert (tmp_path / "mine.safetensors").is_file() == ("save_network" in block)
