from __future__ import annotations

import errno
import io
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageOps
from skimage.color import rgb2ycbcr

from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import open_picture, read_image, write_image
from perceptualloss.pictures.samples import as_8_bits_show, to_8_bits

PIXELS = np.random.default_rng(0).integers(0, 256, (11, 17, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (11, 17, 3), dtype=np.uint16)
with Image.open(next(path for path in builtin_photos() if path.name == "rocket.jpg")) as rocket:
    ADOBE_RGB = rocket.info["icc_profile"]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes, most: int = 255) -> NDArray[np.float64]:
    """Return what read_image makes of a file's content, as (H, W, 3) in whole steps."""
    tensor = read_image(data)
    assert tensor.dtype == torch.float32
    assert tensor.shape[:2] == (1, 3)
    assert tensor.is_contiguous()
    return tensor[0].permute(1, 2, 0).double().numpy() * most


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16(samples: NDArray[np.uint16], *extra: bytes) -> bytes:
    """Return a PNG of 1 to 4 channels with unfiltered lines, and with extra chunks before the pixels."""
    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    end = chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + end


# Reading


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_rgb_is_read_exactly(kind: str) -> None:
    np.testing.assert_allclose(read(encoded(Image.fromarray(PIXELS), kind)), PIXELS, atol=1e-4)


def test_lossless_webp_is_read_exactly_and_lossy_jpeg_nearly() -> None:
    smooth = Image.fromarray(PIXELS).resize((60, 40), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(read(encoded(smooth, "WEBP", lossless=True)), np.asarray(smooth), atol=1e-4)
    jpeg = read(encoded(smooth, "JPEG", quality=98, subsampling=0))
    assert np.abs(jpeg - np.asarray(smooth)).mean() < 3


def test_a_path_a_string_bytes_and_a_pillow_picture_give_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.fromarray(PIXELS)))
    expected = read_image(file)
    with Image.open(file) as picture:
        for source in (str(file), file.read_bytes(), picture, Image.fromarray(PIXELS)):
            assert read_image(source).equal(expected)


def test_grey_bilevel_and_palette() -> None:
    grey = Image.fromarray(PIXELS[..., 0])
    np.testing.assert_allclose(read(encoded(grey)), np.repeat(PIXELS[..., :1], 3, axis=2), atol=1e-4)
    bilevel = grey.convert("1")
    np.testing.assert_allclose(read(encoded(bilevel)), np.asarray(bilevel.convert("RGB")), atol=1e-4)
    palette = Image.fromarray(PIXELS).quantize(16)
    np.testing.assert_allclose(read(encoded(palette)), np.asarray(palette.convert("RGB")), atol=1e-4)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_white(mode: str) -> None:
    channels = len(mode)
    samples = np.random.default_rng(2).integers(0, 256, (9, 8, channels), dtype=np.uint8)
    alpha = samples[..., -1:] / 255
    expected = np.broadcast_to(samples[..., :-1] * alpha + 255 * (1 - alpha), (9, 8, 3))
    np.testing.assert_allclose(read(encoded(Image.fromarray(samples))), expected, atol=1e-4)


def test_transparent_palette_entries_and_key_colours_are_white() -> None:
    palette = Image.new("P", (4, 2), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 0)
    out = read(encoded(palette, transparency=0))
    assert out[0, 0].tolist() == [255, 255, 255]
    assert out[1, 1].tolist() == [0, 0, 255]
    keyed = Image.new("RGB", (4, 2), (10, 20, 30))
    keyed.putpixel((0, 0), (1, 2, 3))
    out = read(encoded(keyed, transparency=(1, 2, 3)))
    assert out[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(out[1, 1], [10, 20, 30], atol=1e-4)


def test_cmyk() -> None:
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    np.testing.assert_allclose(read(encoded(cmyk, "TIFF")), PIXELS, atol=1.01)
    plain = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(read(encoded(plain, "JPEG", quality=100))[8, 8], [255, 0, 0], atol=3)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read(data)[4, 4].tolist() == [255, 0, 0]


# 16 bits


def test_16_bit_rgb_png_is_read_exactly() -> None:
    np.testing.assert_allclose(read(png_16(DEEP), 65535), DEEP, atol=0.01)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_16_bit_grey_and_alpha_png(channels: int) -> None:
    samples = np.random.default_rng(3).integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    alpha = samples[..., -1:] / 65535 if channels in (2, 4) else 1.0
    colours = samples[..., :-1] if channels in (2, 4) else samples
    expected = np.broadcast_to(colours * alpha + 65535 * (1 - alpha), (5, 7, 3))
    np.testing.assert_allclose(read(png_16(samples), 65535), expected, atol=0.02)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shape", [(11, 17, 3), (11, 17)])
def test_16_bit_tiff_is_read_exactly(byteorder: str, compression: str | None, shape: tuple[int, ...]) -> None:
    samples = DEEP[..., : shape[-1]] if len(shape) == 3 else DEEP[..., 0]
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, byteorder=byteorder, compression=compression, photometric=photometric)
    expected = samples if len(shape) == 3 else np.repeat(samples[..., None], 3, axis=2)
    np.testing.assert_allclose(read(buffer.getvalue(), 65535), expected, atol=0.01)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_16_bit_png_round_trip_is_exact(tmp_path: Path, samples: NDArray[np.uint16]) -> None:
    image = torch.from_numpy(samples.astype(np.float64) / 65535).permute(2, 0, 1)
    write_image(image, tmp_path / "a.png", bits=16)
    np.testing.assert_array_equal(read((tmp_path / "a.png").read_bytes(), 65535).round(), samples)
    assert read_image(tmp_path / "a.png").equal(read_image(png_16(samples)))


def test_our_16_bit_png_is_read_by_another_decoder(tmp_path: Path) -> None:
    torchvision_io = pytest.importorskip("torchvision.io")
    if not hasattr(torchvision_io, "decode_png"):
        pytest.skip("this torchvision decodes no PNG")
    write_image(torch.from_numpy(DEEP.astype(np.float64) / 65535).permute(2, 0, 1), tmp_path / "a.png", bits=16)
    data = torch.frombuffer(bytearray((tmp_path / "a.png").read_bytes()), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoded = torchvision_io.decode_png(data)
    np.testing.assert_array_equal(decoded.permute(1, 2, 0).numpy(), DEEP)


def test_float_and_32_bit_grey_pillow_pictures() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(read_image(Image.fromarray(values))[0, 0].numpy(), values)
    whole = np.array([[0, 65535], [256, 1]], np.int32)
    np.testing.assert_allclose(read_image(Image.fromarray(whole))[0, 2].numpy() * 65535, whole, atol=0.01)
    for beyond in (values * 255, -whole, whole + 1):
        with pytest.raises(InputError, match="beyond"):
            read_image(Image.fromarray(beyond))


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    picture = Image.fromarray(PIXELS).resize((34, 22), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    data = encoded(picture, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    out = read(data)
    assert out.shape[:2] == ((22, 34) if orientation < 5 else (34, 22))
    np.testing.assert_allclose(out, np.asarray(upright), atol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_16_bit_png(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = read(png_16(DEEP, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))), 65535)
    low = encoded(Image.fromarray((DEEP >> 8).astype(np.uint8)), exif=exif)
    np.testing.assert_array_equal(out.round() // 256, read(low).round())


def test_broken_exif_data_do_not_cost_the_picture() -> None:
    np.testing.assert_allclose(read(png_16(DEEP, chunk(b"eXIf", b"nonsense")), 65535), DEEP, atol=0.01)


# Colour profiles


def adobe_to_srgb(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert Adobe RGB (1998) to sRGB, both in [0, 255], by their published matrices (D65)."""
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    srgb_to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    linear = np.linalg.inv(srgb_to_xyz) @ to_xyz @ (value / 255) ** 2.19921875
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", [(150, 120, 100), (128, 128, 128), (90, 140, 120), (200, 190, 150)])
def test_an_adobe_rgb_picture_is_converted_to_srgb(colour: tuple[int, int, int]) -> None:
    data = encoded(Image.new("RGB", (4, 4), colour), icc_profile=ADOBE_RGB)
    np.testing.assert_allclose(read(data)[0, 0], adobe_to_srgb(np.array(colour)), atol=1.5)


def test_a_profile_is_also_converted_in_16_bit_grey_and_transparent_pictures() -> None:
    expected = adobe_to_srgb(np.array([150, 120, 100]))
    deep = np.full((4, 4, 3), (150 * 257, 120 * 257, 100 * 257), np.uint16)
    profile = chunk(b"iCCP", b"icc\0\0" + zlib.compress(ADOBE_RGB))
    np.testing.assert_allclose(read(png_16(deep, profile))[0, 0], expected, atol=1.5)
    clear = Image.new("RGBA", (4, 4), (150, 120, 100, 0))
    clear.putpixel((0, 0), (150, 120, 100, 255))
    out = read(encoded(clear, icc_profile=ADOBE_RGB))
    np.testing.assert_allclose(out[0, 0], expected, atol=1.5)
    assert out[1, 1].tolist() == [255, 255, 255]
    grey = read(encoded(Image.new("L", (4, 4), 128), "JPEG", quality=100, icc_profile=ADOBE_RGB))
    np.testing.assert_allclose(grey[0, 0], adobe_to_srgb(np.array([128, 128, 128])), atol=1.5)


def test_srgb_and_unreadable_profiles_leave_the_pixels_alone() -> None:
    cat = builtin_photos("validation")[0]
    with Image.open(cat) as picture:
        assert b"sRGB" in picture.info["icc_profile"]
        np.testing.assert_allclose(read(cat.read_bytes()), np.asarray(picture), atol=1e-4)
    broken = encoded(Image.fromarray(PIXELS), icc_profile=b"not a profile")
    np.testing.assert_allclose(read(broken), PIXELS, atol=1e-4)
    unfit = encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF", icc_profile=ADOBE_RGB)
    assert read_image(unfit).shape == (1, 3, 4, 4)


# What cannot be read


def test_missing_files_folders_and_unreadable_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"nothing\.png, got no such file"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(InputError, match="got a folder"):
        read_image(tmp_path)
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    with pytest.raises(InputError, match=r"text\.png to be a picture, got a file of unknown kind"):
        read_image(text)
    with pytest.raises(InputError, match="picture of 0 bytes"):
        read_image(b"")

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"text\.png to be readable, got permission denied"):
        read_image(text)


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(PIXELS)),
        encoded(Image.fromarray(PIXELS), "JPEG"),
        encoded(Image.fromarray(PIXELS), "WEBP"),
        encoded(Image.fromarray(PIXELS), "TIFF"),
        png_16(DEEP),
    ],
    ids=["png", "jpeg", "webp", "tiff", "png16"],
)
def test_truncated_files_are_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "half.png"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"half\.png to be a picture"):
        read_image(file)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_files_give_a_picture_or_one_clear_error(data: st.DataObject) -> None:
    kinds = [("PNG", {}), ("JPEG", {}), ("TIFF", {}), ("GIF", {}), ("WEBP", {}), ("BMP", {})]
    kind, options = data.draw(st.sampled_from(kinds))
    content = bytearray(encoded(Image.fromarray(PIXELS), kind, **options))
    if data.draw(st.booleans()):
        content = bytearray(png_16(DEEP))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read_image(bytes(content))
    except InputError:  # nothing else may come
        pass
    else:
        assert image.shape[:2] == (1, 3)
        assert ((image >= 0) & (image <= 1)).all()


# Writing


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))))
def test_png_round_trip_is_exact(tmp_path: Path, samples: NDArray[np.uint8]) -> None:
    image = torch.from_numpy(samples).permute(2, 0, 1).float() / 255
    write_image(image, tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].equal(image)


def test_values_are_clamped_and_rounded(tmp_path: Path) -> None:
    values = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5]).expand(1, 3, 1, 5)
    write_image(values, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP"), ("a.png", "PNG")]
)
def test_the_suffix_says_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    photo = read_image(builtin_photos("validation")[0])
    write_image(photo.bfloat16().requires_grad_(), tmp_path / name)
    with Image.open(tmp_path / name) as written:
        assert written.format == kind
    assert (read_image(tmp_path / name) - photo).abs().mean() < 0.01
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_image(torch.zeros(3, 2, 2), tmp_path / "a.png")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a.png")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: int) -> None:
        raise error

    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else InputError
    with pytest.raises(expected) as caught:
        write_image(torch.zeros(3, 2, 2), tmp_path / "a.png")
    if expected is InputError:
        assert "No space left on device" in str(caught.value)
        assert "Free some space" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"old"}


def test_a_read_only_or_missing_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_image(torch.zeros(3, 2, 2), tmp_path / "missing" / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"a\.png to be writable, got the error 'Permission denied'"):
        write_image(torch.zeros(3, 2, 2), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("image", "name", "bits", "message"),
    [
        (torch.zeros(2, 3, 4, 4), "a.png", 8, "one picture"),
        (torch.zeros(1, 4, 4), "a.png", 8, r"\(N, 3, H, W\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "a.png", 8, "floating point"),
        (torch.full((3, 4, 4), float("nan")), "a.png", 8, "finite"),
        (torch.zeros(3, 4, 4), "a.xyz", 8, "ends in"),
        (torch.zeros(3, 4, 4), "a.jpg", 16, r"16 bits a channel, \.jxl, \.png or \.tif"),
        (torch.zeros(3, 4, 4), "a.png", 12, "8 or 16"),
        (torch.zeros(3, 1, 17000), "a.webp", 8, "16,383 pixels a side in a WebP"),
    ],
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, image: torch.Tensor, name: str, bits: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_image(image, tmp_path / name, bits=bits)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


# Luminance


def test_luminance_is_that_of_scikit_image() -> None:
    images = torch.rand(2, 3, 5, 6, dtype=torch.float64)
    expected = rgb2ycbcr(images.permute(0, 2, 3, 1).numpy())[..., 0] / 255
    np.testing.assert_allclose(luminance(images)[:, 0].numpy(), expected, atol=1e-12)
    assert luminance(images.bfloat16()).dtype == torch.float32


# Transparency and grey


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_layers_come_back_as_they_were_written(bits: int, grey: bool, clear: bool, tmp_path: Path) -> None:
    most = 2**bits - 1
    samples = torch.randint(most + 1, (5, 11, 17)).float() / most
    image = samples[:1].expand(3, -1, -1) if grey else samples[:3]
    write_image(image, tmp_path / "a.png", bits=bits, alpha=samples[4:] if clear else None, grey=grey)
    layers = open_picture(tmp_path / "a.png")
    assert (layers.bits, layers.grey, layers.alpha is not None) == (bits, grey, clear)
    torch.testing.assert_close(layers.colours[0], image)
    if layers.alpha is not None:
        torch.testing.assert_close(layers.alpha[0], samples[4:])
        over_white = image * samples[4:] + 1 - samples[4:]
        torch.testing.assert_close(read_image(tmp_path / "a.png")[0], over_white)


def test_layers_are_turned_together(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 256, (5, 9, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    layers = open_picture(encoded(picture, exif=exif.tobytes()))
    upright = np.asarray(picture.transpose(Image.Transpose.ROTATE_270)) / 255
    assert layers.alpha is not None
    pixels = torch.cat([layers.colours, layers.alpha], dim=1)[0].permute(1, 2, 0)
    np.testing.assert_allclose(pixels, upright, atol=1e-6)


@pytest.mark.parametrize("grey", [False, True])
def test_webp_keeps_transparency_and_jpeg_refuses_it(grey: bool, tmp_path: Path) -> None:
    alpha = torch.linspace(0, 1, 16).expand(1, 12, 16)
    write_image(torch.full((3, 12, 16), 0.5), tmp_path / "a.webp", alpha=alpha, grey=grey)
    layers = open_picture(tmp_path / "a.webp")
    assert layers.alpha is not None
    torch.testing.assert_close(layers.alpha[0], alpha, atol=0.01, rtol=0)
    with pytest.raises(InputError, match="keeps transparency"):
        write_image(torch.rand(3, 12, 16), tmp_path / "a.jpg", alpha=alpha)
    with pytest.raises(InputError, match="alpha of shape"):
        write_image(torch.rand(3, 12, 16), tmp_path / "a.webp", alpha=alpha[:, 1:])
    write_image(torch.rand(3, 12, 16), tmp_path / "a.jpg", grey=True)
    with Image.open(tmp_path / "a.jpg") as jpeg:
        assert jpeg.mode == "L"


def test_one_rounding_to_8_bits_and_it_is_that_of_the_files(tmp_path: Path) -> None:
    values = (
        torch.arange(0, 256 * 16, dtype=torch.float32).sub(80).div(255 * 15.5).view(1, 1, 64, 64).expand(1, 3, -1, -1)
    )
    write_image(values, tmp_path / "x.png")
    stored = torch.from_numpy(np.asarray(Image.open(tmp_path / "x.png")).copy()).permute(2, 0, 1)[None]
    assert torch.equal(to_8_bits(values), stored)
    assert torch.equal(as_8_bits_show(values), read_image(tmp_path / "x.png"))
    assert torch.equal(stored[0, 0], torch.from_numpy(np.rint(np.clip(values[0, 0].numpy(), 0, 1) * 255)).byte())
