"""What several tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with benchmark pictures and photos, which the repository does not carry."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("PERCEPTUALLOSS_SHARED", default))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the benchmark pictures in {folder}/data; PERCEPTUALLOSS_SHARED names another folder")
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
