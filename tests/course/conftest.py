from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptualloss.course import stand_in


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a learner's file; VGG-16 stands in with an eighth of its channels, which makes checks quick."""
    monkeypatch.setattr(stand_in, "WIDTH", 8)

    def write(text: str) -> Path:
        file = tmp_path / "answer.py"
        file.write_text(text, encoding="utf-8")
        return file

    return write
