"""Pictures of 8 bits without floats, and sizes from a file's first bytes, against reading the whole picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from perceptualloss.errors import InputError
from perceptualloss.pictures.heads import HEAD, plain_size
from perceptualloss.pictures.images import picture_size, read_8_bits, read_image, write_image
from perceptualloss.pictures.samples import to_8_bits

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 23, 4), dtype=np.uint8)
MODES = ("L", "RGB", "RGBA", "LA", "P", "CMYK", "1", "I;16")


def encoded(mode: str, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    if mode == "I;16":
        picture = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256 + PIXELS[..., 1])
    elif mode == "CMYK":
        picture = Image.fromarray(PIXELS, "CMYK")
    else:
        picture = Image.fromarray(PIXELS).convert(mode)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


FILES = {
    **{f"PNG {mode}": encoded(mode, "PNG") for mode in MODES if mode != "CMYK"},
    **{f"JPEG {mode}": encoded(mode, "JPEG") for mode in ("L", "RGB", "CMYK")},
    **{f"JPEG turned {turn}": encoded("RGB", "JPEG", exif=turned(turn)) for turn in range(1, 9)},
    **{f"PNG turned {turn}": encoded("RGBA", "PNG", exif=turned(turn)) for turn in (1, 6)},
    "JPEG progressive": encoded("RGB", "JPEG", progressive=True, comment=b"words"),
    "JPEG sRGB": encoded("RGB", "JPEG", icc_profile=profile("sRGB")),
    "TIFF": encoded("RGB", "TIFF"),
    "WEBP": encoded("RGBA", "WEBP"),
    "GIF": encoded("P", "GIF"),
    "BMP": encoded("RGB", "BMP"),
    "PPM": encoded("RGB", "PPM"),
}


@pytest.mark.parametrize("name", FILES)
def test_8_bits_are_the_rounded_picture(name: str) -> None:
    expected = to_8_bits(read_image(FILES[name]))[0]
    read = read_8_bits(FILES[name])
    assert read.dtype == torch.uint8
    assert read.equal(expected)


def test_colours_of_a_wide_profile_are_converted(tmp_path: Path) -> None:
    from perceptualloss.pictures.reading.coded import ADOBE_GAMMA, ADOBE_RGB, made_profile  # noqa: PLC0415

    data = encoded("RGB", "PNG", icc_profile=made_profile(ADOBE_RGB, ADOBE_GAMMA))
    read = read_8_bits(data)
    assert read.equal(to_8_bits(read_image(data))[0])
    assert not read.equal(read_8_bits(encoded("RGB", "PNG")))


def test_strips_of_a_high_picture_make_the_whole(tmp_path: Path) -> None:
    write_image(torch.rand(3, 1100, 5), tmp_path / "a.png", bits=16, alpha=torch.rand(1, 1100, 5))
    assert read_8_bits(tmp_path / "a.png").equal(to_8_bits(read_image(tmp_path / "a.png"))[0])


@pytest.mark.parametrize("name", FILES)
def test_the_first_bytes_say_the_size_of_plain_files_and_are_never_wrong(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(FILES[name])
    found = plain_size(FILES[name][:HEAD])
    assert found in (None, picture_size(tmp_path / "a"))
    plain = name in ("PNG L", "PNG RGB", "PNG RGBA", "PNG P", "JPEG L", "JPEG RGB", "JPEG progressive", "JPEG sRGB")
    assert (found is not None) == (plain or name in ("PNG LA", "PNG 1", "PNG I;16"))


@given(st.sampled_from(["JPEG RGB", "JPEG progressive", "PNG RGB"]), st.integers(0, 700), st.data())
def test_what_is_cut_off_or_altered_in_front_is_left_to_the_decoder_or_right(
    name: str, length: int, data: st.DataObject
) -> None:
    content = bytearray(FILES[name][:length])
    for _ in range(data.draw(st.integers(0, 2)) if content else 0):
        content[data.draw(st.integers(0, min(len(content), 64) - 1))] = data.draw(st.integers(0, 255))
    found = plain_size(bytes(content))
    if found is None:
        return
    stream = io.BytesIO(content + FILES[name][length:])
    try:
        with Image.open(stream) as image:
            assert found == (image.height, image.width)
    except OSError:  # what does not decode shows when it is decoded
        assert found[0] > 0


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown kind"):
        read_8_bits(b"words")
    with pytest.raises(InputError, match="no such file"):
        read_8_bits(tmp_path / "none.png")
    assert plain_size(b"words") is None
