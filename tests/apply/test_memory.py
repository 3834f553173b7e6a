from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perceptualloss import memory
from perceptualloss.apply.device import free_memory

CPU = torch.device("cpu")


def test_the_smaller_of_the_machines_and_the_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert free_memory(CPU) is None
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    assert free_memory(CPU) == 5000 * 1024
    for name, text in {"memory.max": "max", "memory.current": "1000", "memory.stat": "inactive_file 200\n"}.items():
        (tmp_path / name).write_text(text)
    assert free_memory(CPU) == 5000 * 1024
    (tmp_path / "memory.max").write_text("4000")
    assert free_memory(CPU) == 3200


def test_other_devices_do_not_say() -> None:
    assert free_memory(torch.device("mps")) is None
