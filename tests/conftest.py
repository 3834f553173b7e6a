"""What several tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from perceptualloss.data.folder import builtin_photos
from perceptualloss.pictures.images import read_image, write_image


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


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four small photos, pieces of those that scikit-image ships."""
    folder = tmp_path_factory.mktemp("photos")
    for i, file in enumerate(builtin_photos()[:4]):
        piece = read_image(file)[:, :, 100:148, 100 : 152 + 4 * i]
        write_image(piece, folder / f"{i}-{file.stem}.png")
    return folder
