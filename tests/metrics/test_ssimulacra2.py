"""SSIMULACRA 2: its known landmarks, the package on files, and small pictures, which the package measures wrongly."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptualloss import ssimulacra2
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.metrics import ssimulacra2 as module
from perceptualloss.pictures.images import read_image, write_image


@pytest.fixture(name="photo", scope="module")
def _photo() -> Tensor:
    return read_image(builtin_photos("validation")[0])[..., :256, :300]


def jpeg(picture: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray((picture[0] * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None].float() / 255


def test_landmarks(photo: Tensor) -> None:
    scores = [ssimulacra2(output, photo).item() for output in (photo, *(jpeg(photo, q) for q in (97, 90, 50, 10)))]
    assert scores[0] == 100
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 85  # hardly seen
    assert 70 < scores[2] < 90
    assert scores[4] < 30
    assert ssimulacra2(1 - photo, photo) < 0


def test_equals_the_package_on_files(photo: Tensor, tmp_path: Path) -> None:
    from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415 (an extra)

    output = jpeg(photo, 40)
    files = [tmp_path / "target.png", tmp_path / "output.png"]
    for file, picture in zip(files, (photo, output), strict=True):
        write_image(picture, file)
    both = torch.cat([output, photo]), torch.cat([photo, photo])
    scores = ssimulacra2(*both)
    assert scores.dtype == torch.float32
    assert scores.tolist() == pytest.approx([compute_ssimulacra2(*files), 100])
    assert ssimulacra2(both[0].double(), both[1].double()).dtype == torch.float64


def test_small_pictures_are_measured_at_all_scales(photo: Tensor) -> None:
    output = jpeg(photo, 90)
    whole, less = (ssimulacra2(output[..., :n, :n], photo[..., :n, :n]).item() for n in (module.WHOLE, 224))
    assert less == pytest.approx(whole, abs=4)  # the package alone falls by tens
    for size in (64, 128, 192):
        pieces = [picture[..., 10 : 10 + size, 30 : 30 + size] for picture in (output, photo)]
        assert ssimulacra2(*pieces).item() == pytest.approx(whole, abs=12)
    tiny = [picture[..., :8, :9] for picture in (output, photo)]
    assert ssimulacra2(tiny[1], tiny[1]).item() == 100
    assert ssimulacra2(*tiny) < 100


def test_values_are_clamped_and_rounded_as_a_file_would(photo: Tensor) -> None:
    around = photo + torch.empty_like(photo).uniform_(-0.4, 0.4) / 255
    assert ssimulacra2(around.clamp(-0.2, 1.2), photo).item() == 100


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(1, 3, 7, 30), "at least 8 x 8"),
        (torch.full((1, 3, 32, 32), 255.0), "Divide 8-bit values by 255"),
        (torch.full((1, 3, 32, 32), torch.nan), "not finite"),
        (torch.zeros(1, 1, 32, 32), "repeat the channel"),
    ],
)
def test_errors(output: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ssimulacra2(output, torch.zeros_like(output))


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'perceptualloss\[metrics\]'"):
        ssimulacra2(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
