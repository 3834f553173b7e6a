"""That every kind of picture comes back as what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perceptualloss.errors import InputError
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.images import write_image


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.uint8, torch.uint16])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_tensors(channels: int, dtype: torch.dtype, batch: tuple[int, ...]) -> None:
    shape = (*batch, channels, 4, 5)
    image = torch.rand(shape).to(dtype) if dtype.is_floating_point else torch.randint(0, 256, shape).to(dtype)
    picture, pack = unpack(image)
    assert picture.colours.shape == (*(batch or (1,)), 3, 4, 5)
    assert picture.colours.dtype == torch.float32
    assert picture.grey == (channels < 3)
    assert (picture.alpha is not None) == (channels in (2, 4))
    back = pack(picture)
    assert back.dtype == dtype
    torch.testing.assert_close(back.float(), image.float())
    assert back.shape == image.shape


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64", ">f4"])
def test_arrays(shape: tuple[int, ...], dtype: str) -> None:
    image = np.random.default_rng(0).random(shape)
    image = image.astype(dtype) if np.dtype(dtype).kind == "f" else (image * 255).astype(dtype)
    picture, pack = unpack(image)
    back = pack(picture)
    assert (back.shape, back.dtype) == (image.shape, image.dtype)
    np.testing.assert_allclose(back.astype("f8"), image.astype("f8"), atol=1e-6)
    assert back.flags["C_CONTIGUOUS"]


def test_arrays_that_are_turned_views_and_read_only_ones() -> None:
    image = np.random.default_rng(0).random((4, 5, 3))[::-1, :, ::-1]
    image.flags.writeable = False
    picture, pack = unpack(image)
    np.testing.assert_allclose(pack(picture), image, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "back"),
    [(mode, mode) for mode in ("RGB", "RGBA", "L", "LA", "F", "I;16", "I")]
    + [("1", "L"), ("P", "RGB"), ("CMYK", "RGB")],
)
def test_pillow_pictures(mode: str, back: str) -> None:
    numbers = np.random.default_rng(0)
    if mode in ("F", "I", "I;16"):
        kinds = {"F": np.float32, "I": np.int32, "I;16": np.uint16}
        image = Image.fromarray((numbers.random((4, 5)) * (1 if mode == "F" else 65535)).astype(kinds[mode]))
    else:
        samples = numbers.integers(0, 256, (4, 5, 4), dtype=np.uint8)
        image = Image.fromarray(samples).convert("RGB" if mode in ("CMYK", "P") else "RGBA").convert(mode)
    assert image.mode == mode
    picture, pack = unpack(image)
    found = pack(picture)
    assert (found.mode, found.size) == (back, image.size)
    if mode != "CMYK":
        np.testing.assert_allclose(np.asarray(found), np.asarray(image.convert(back)), atol=1e-6)


def test_a_path_becomes_a_pillow_picture(tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 4, 5)) / 255
    write_image(image, tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        picture, pack = unpack(path)
        np.testing.assert_array_equal(np.asarray(pack(picture)), (image * 255).round().permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(4, 5), r"tensor \(C, H, W\)"),
        (torch.rand(8, 5, 3), "Channels come first"),
        (torch.rand(1, 5, 4, 4), "1 to 4 channels"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (255 * torch.rand(3, 4, 4), "Divide 8-bit values"),
        (torch.full((3, 4, 4), float("nan")), "nan"),
        (np.zeros((2, 4, 5, 3), np.uint8), "Channels come last"),
        (np.zeros((4, 5, 3), np.int32), "int32"),
        (np.zeros((0, 5, 3), np.uint8), "array"),
        (7, "a tensor, an array, a Pillow picture or a path, got int"),
        ("none.png", "no such file"),
    ],
)
def test_what_is_no_picture_is_refused(image: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        unpack(image)
