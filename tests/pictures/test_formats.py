"""Kinds of files, of whatever name: JPEG XL, HEIC, AVIF, icons, frames and pages; limits; files that end early."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import open_picture, open_pictures, picture_size, read_image

Floats = NDArray[np.float64]
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(RGB).resize((64, 48), Image.Resampling.BICUBIC))
FRAMES = [Image.fromarray(SMOOTH), Image.fromarray(SMOOTH[::-1].copy()), Image.fromarray(255 - SMOOTH)]


def encoded(image: object, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes, most: float = 255) -> Floats:
    return most * open_picture(data).colours[0].permute(1, 2, 0).double().numpy()


def decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", ["TGA", "PCX", "QOI", "DDS", "BMP", "PPM", "JPEG2000", "SGI"])
def test_lossless_kinds(kind: str) -> None:
    np.testing.assert_allclose(read(encoded(SMOOTH, kind)), SMOOTH, atol=1e-3)


@pytest.mark.parametrize("name", ["a.png", "a.jpe", "a.jfif", "a", "n" * 246 + ".jpg", "größe 🐦\n.jpg"])
def test_the_content_says_what_a_file_is(tmp_path: Path, name: str) -> None:
    data = encoded(SMOOTH, "JPEG", quality=95)
    (tmp_path / name).write_bytes(data)
    (tmp_path / "link.png").symlink_to(tmp_path / name)
    for file in (tmp_path / name, tmp_path / "link.png"):
        shown = 255 * read_image(file)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(shown, decoded(data), atol=1e-3)


def test_an_icon_gives_its_largest_size() -> None:
    image = Image.fromarray(SMOOTH).resize((64, 64))
    data = encoded(image, "ICO", sizes=[(16, 16), (64, 64), (32, 32)])
    np.testing.assert_allclose(read(data), np.asarray(image), atol=1e-3)


def test_bmp_of_5_and_6_bits() -> None:
    packed = ((RGB >> 3).astype(np.uint16) @ np.array([1024, 32, 1], np.uint16)).astype("<u2")
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 96, 0, 0, 54, 40, 8, 6, 1, 16, 0, 96, 0, 0, 0, 0)
    np.testing.assert_allclose(read(head + packed[::-1].tobytes(), 31), RGB >> 3, atol=1e-4)
    every = np.arange(64)
    values = np.stack([every // 2, every, every // 2], axis=-1)[None]
    packed = (values.astype(np.uint16) @ np.array([2048, 32, 1], np.uint16)).astype("<u2")
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 66 + 128, 0, 0, 66, 40, 64, 1, 1, 16, 3, 128, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    expected = values / np.array([31, 63, 31])
    np.testing.assert_allclose(read(head + masks + packed.tobytes(), 1), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_jpeg_xl(channels: int) -> None:
    samples = np.dstack([SMOOTH, SMOOTH[..., :1]])[..., [0, 3] if channels == 2 else range(channels)]
    picture = open_picture(imagecodecs.jpegxl_encode(samples.squeeze(), lossless=True))
    own = samples[..., :1] if channels < 3 else samples[..., :3]
    shown = 255 * picture.colours[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shown, np.broadcast_to(own, SMOOTH.shape), atol=1e-3)
    assert picture.grey == (channels < 3)
    assert (picture.alpha is not None) == (channels in (2, 4))
    assert picture.bits == 8


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_keeps_its_bits(bits: int) -> None:
    samples = (SMOOTH.astype(np.uint16) << (bits - 8)) if bits > 8 else SMOOTH
    data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits)
    own = imagecodecs.avif_decode(data)
    np.testing.assert_allclose(read(data, 2**bits - 1), own, atol=0.01)
    assert open_picture(data).bits == (8 if bits == 8 else 16)


def test_heic() -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_bytes("RGB", (64, 48), SMOOTH.tobytes()).save(buffer, quality=100, chroma=444)
    np.testing.assert_allclose(read(buffer.getvalue()), SMOOTH, atol=8)
    deep = SMOOTH.astype(np.uint16) * 257
    buffer = io.BytesIO()
    heif.from_bytes("RGB;16", (64, 48), deep.tobytes()).save(buffer, quality=100, chroma=444)
    picture = open_picture(buffer.getvalue())
    assert picture.bits == 16
    np.testing.assert_allclose(read(buffer.getvalue()), SMOOTH, atol=8)
    own = np.asarray(heif.open_heif(buffer.getvalue(), convert_hdr_to_8bit=False, hdr_to_16bit=False))
    np.testing.assert_allclose(read(buffer.getvalue(), 1023), own, atol=0.01)


def test_heic_is_turned_once() -> None:
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = heif.from_pillow(Image.fromarray(SMOOTH))
    buffer = io.BytesIO()
    file.save(buffer, quality=100, chroma=444, exif=exif.tobytes())
    np.testing.assert_allclose(read(buffer.getvalue()), np.rot90(SMOOTH, -1), atol=8)


def test_heic_codes_of_colours() -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_bytes("RGB", (64, 48), SMOOTH.tobytes()).save(
        buffer, quality=100, chroma=444, color_primaries=12, transfer_characteristics=13, full_range_flag=1
    )
    grey = np.full((48, 64, 3), 128, np.uint8)
    assert np.abs(read(buffer.getvalue()) - SMOOTH).max() > 10  # other primaries
    buffer = io.BytesIO()
    heif.from_bytes("RGB", (64, 48), grey.tobytes()).save(
        buffer, quality=100, chroma=444, color_primaries=1, transfer_characteristics=8, full_range_flag=1
    )
    np.testing.assert_allclose(read(buffer.getvalue()), 187.8, atol=1.5)  # linear light


def test_heic_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("perceptualloss.pictures.reading.heif.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'perceptualloss\[heic\]'"):
        open_picture(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(40))


# Several pictures in a file


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_of_an_animation(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {})
    plays = {} if kind == "AVIF" else {"loop": 3}
    data = encoded(
        FRAMES[0], kind, save_all=True, append_images=FRAMES[1:], duration=[100, 40, 250], **plays, **options
    )
    frames = open_pictures(data)
    assert (frames.count, len(list(frames))) == (3, 3)
    assert frames.durations == [100, 40, 250]
    assert frames.loop == {"GIF": 4, "AVIF": 0}.get(kind, 3)
    with Image.open(io.BytesIO(data)) as image:
        for place, frame in enumerate(frames):
            image.seek(place)
            shown = 255 * frame.colours[0].permute(1, 2, 0).numpy()
            np.testing.assert_allclose(shown, np.asarray(image.convert("RGB")), atol=1e-3)
    caplog.clear()
    np.testing.assert_allclose(read(data), decoded(data), atol=1e-3)
    assert "the first of its 3 frames is read" in caplog.text
    with pytest.raises(IndexError):
        frames[3]


def test_pages_of_a_tiff(caplog: pytest.LogCaptureFixture) -> None:
    buffer = io.BytesIO()
    deep = SMOOTH.astype(np.uint16) * 200
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(SMOOTH[::4, ::4], photometric="rgb", subfiletype=1)  # a thumbnail in front
        writer.write(deep, photometric="rgb")
        writer.write(SMOOTH[..., 0], photometric="minisblack")
    frames = open_pictures(buffer.getvalue())
    assert (frames.count, frames.durations, frames.loop) == (2, None, None)
    np.testing.assert_allclose(frames[0].colours[0].permute(1, 2, 0).numpy() * 65535, deep, atol=0.01)
    assert (frames[0].bits, frames[1].bits, frames[1].grey) == (16, 8, True)
    open_picture(buffer.getvalue())
    assert "the first of its 2 pages is read" in caplog.text


def test_previews_and_sizes_are_no_pages(caplog: pytest.LogCaptureFixture) -> None:
    phone = encoded(FRAMES[0], "MPO", save_all=True, append_images=[Image.new("RGB", (8, 6))])
    icon = encoded(FRAMES[0].resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64)])
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(SMOOTH, photometric="rgb", subifds=1)
        writer.write(SMOOTH[::2, ::2], photometric="rgb", subfiletype=1)
    for data in (phone, icon, buffer.getvalue(), encoded(FRAMES[0], "GIF")):
        frames = open_pictures(data)
        assert (frames.count, frames.durations) == (1, None)
        open_picture(data)
    assert caplog.text == ""


# Files that end early, and limits


def test_a_jpeg_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    large = np.tile(SMOOTH, (4, 4, 1))
    data = encoded(large, "JPEG", quality=95, subsampling=0)
    file = tmp_path / "card.jpg"
    file.write_bytes(data[: len(data) // 2])
    read_image(file)
    shown = 255 * read_image(file)[0].permute(1, 2, 0).numpy()  # what is said is said once
    assert shown.shape == large.shape
    np.testing.assert_allclose(shown[:64], decoded(data)[:64], atol=1e-3)
    assert np.abs(shown[-32:] - 128).max() < 2  # grey
    assert caplog.text.count("card.jpg: the file ends early") == 1
    np.testing.assert_allclose(read(data[:-2]), decoded(data), atol=1e-3)  # it lacks its last marker alone
    with pytest.raises(InputError):
        open_picture(data[:200])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "JPEG2000", "AVIF"])
def test_other_files_that_end_early_are_refused(kind: str) -> None:
    data = encoded(SMOOTH, kind)
    for part in (0.9, 0.5, 0.1):
        with pytest.raises(InputError):
            open_picture(data[: int(part * len(data))])


def _gigapixels() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_limit_on_pixels_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"40000000000 pixels.*--max-pixels"):
        read_image(_gigapixels())
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, SMOOTH, photometric="rgb")
    files = {kind: encoded(SMOOTH, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM")}
    files |= {"TIFF": buffer.getvalue(), "JXL": imagecodecs.jpegxl_encode(SMOOTH)}
    files["PPM16"] = b"P6 64 48 65535\n" + bytes(64 * 48 * 6)
    for data in files.values():
        read_image(data, max_pixels=64 * 48)
        with pytest.raises(InputError, match="at most 3071 pixels"):
            open_pictures(data, max_pixels=64 * 48 - 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own limit plays no part
    read_image(files["JPEG"])


BROKEN = [
    imagecodecs.jpegxl_encode(RGB, lossless=True), imagecodecs.jpeg2k_encode(RGB, level=0), encoded(RGB, "TIFF"),
    imagecodecs.avif_encode(SMOOTH, bitspersample=10), b"P5 8 6 1023\n" + bytes(96),
    encoded(RGB, "PNG"), encoded(SMOOTH, "JPEG"), encoded(RGB, "GIF"),
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(BROKEN), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5))
@example(imagecodecs.avif_encode(SMOOTH), [(0.0, 12)])  # a first box that would be far longer than the file
def test_broken_files_are_refused_or_read_and_nothing_else(data: bytes, changes: list[tuple[float, int]]) -> None:
    content = bytearray(data)
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        shown = read_image(bytes(content), max_pixels=10_000)
    except InputError:
        return
    assert shown.shape[:2] == (1, 3)
    assert ((shown >= 0) & (shown <= 1)).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "JXL", "JPEG2000"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_size_of_a_picture_without_decoding(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {} if kind in ("JXL", "JPEG2000") else {"exif": exif}
    data = imagecodecs.jpegxl_encode(SMOOTH) if kind == "JXL" else encoded(SMOOTH, kind, **turns)
    (tmp_path / "a").write_bytes(data)
    assert picture_size(tmp_path / "a") == tuple(read_image(data).shape[-2:])
    with pytest.raises(InputError, match="3071"):
        picture_size(tmp_path / "a", max_pixels=3071)
    (tmp_path / "a").write_text("words")
    with pytest.raises(InputError, match="unknown kind"):
        picture_size(tmp_path / "a")


def test_an_animated_jpeg_xl(caplog: pytest.LogCaptureFixture) -> None:
    stack = np.stack([np.asarray(frame) for frame in FRAMES])
    frames = open_pictures(imagecodecs.jpegxl_encode(stack, lossless=True))
    assert (frames.count, frames.durations) == (3, [100, 100, 100])
    assert "100 ms" in caplog.text
    for frame, own in zip(frames, stack, strict=True):
        np.testing.assert_allclose(255 * frame.colours[0].permute(1, 2, 0).numpy(), own, atol=1e-3)
