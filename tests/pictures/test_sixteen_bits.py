"""Pictures of more than 8 bits: PNG, TIFF of every kind of sample, Netpbm, JPEG 2000."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import open_picture
from perceptualloss.pictures.picture import Picture

Whole = NDArray[np.uint16]
DEEP = np.random.default_rng(0).integers(0, 65536, (11, 17, 3)).astype(np.uint16)
GREY = DEEP[..., 0]
ALPHA = DEEP[..., ::-1][..., :1]


def png(samples: Whole, *extra: bytes, interlaced: bool = False) -> bytes:
    """Return a PNG of 16 bits with unfiltered lines, in one pass or in the seven of Adam7."""
    height, width, channels = samples.shape
    steps = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    passes = [samples[a::b, c::d] for a, b, c, d in steps] if interlaced else [samples]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for part in passes if part.size for line in part)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, int(interlaced))
    chunks = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(samples: NDArray[np.generic], **options: object) -> bytes:
    buffer = io.BytesIO()
    kind = "rgb" if samples.ndim == 3 else "minisblack"
    tifffile.imwrite(buffer, samples, **({"photometric": kind} | options))  # type: ignore[arg-type]
    return buffer.getvalue()


def colours(data: bytes, most: float = 65535) -> NDArray[np.float64]:
    return shown(open_picture(data)) * most


def shown(picture: Picture) -> NDArray[np.float64]:
    return picture.colours[0].permute(1, 2, 0).double().numpy()


def opacity(data: bytes) -> NDArray[np.float64]:
    alpha = open_picture(data).alpha
    assert alpha is not None
    return alpha[0].permute(1, 2, 0).double().numpy()


def grey(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.repeat(values[..., None].astype(np.float64), 3, axis=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_a_png_is_opacity(channels: int) -> None:
    samples = DEEP[..., :channels].copy()
    samples[3, 4] = samples[0, 0]
    samples[5, 5] = samples[0, 0] ^ 1  # the low byte counts
    data = png(samples, chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes()))
    clear = (samples == samples[0, 0]).all(axis=2, keepdims=True)
    np.testing.assert_array_equal(opacity(data), 1 - clear)
    assert clear.sum() == 2
    np.testing.assert_allclose(colours(data), np.broadcast_to(samples, DEEP.shape), atol=0.01)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_interlaced_png(channels: int) -> None:
    samples = np.dstack([DEEP, ALPHA])[..., [0, 3] if channels == 2 else range(channels)]
    data = png(samples, interlaced=True)
    expected = np.repeat(samples[..., :1], 3, axis=2) if channels < 3 else samples[..., :3]
    np.testing.assert_allclose(colours(data), expected, atol=0.01)
    if channels in (2, 4):
        np.testing.assert_allclose(opacity(data) * 65535, samples[..., -1:], atol=0.01)
    assert open_picture(data).bits == 16
    assert open_picture(data).grey == (channels < 3)


@settings(deadline=None, max_examples=20)
@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(2, 16))
def test_grey_tiff_of_any_bits(samples: Whole, bits: int) -> None:
    samples = samples >> (16 - bits)
    if bits <= 8:
        samples = samples.astype(np.uint8)
    most = 2**bits - 1
    packed = tiff(samples, **({} if bits in (8, 16) else {"bitspersample": bits}))
    np.testing.assert_allclose(colours(packed, most), grey(samples), atol=0.01)
    white = tiff(samples, photometric="miniswhite", **({} if bits in (8, 16) else {"bitspersample": bits}))
    np.testing.assert_allclose(colours(white, most), most - grey(samples), atol=0.01)


def test_min_is_white_value_of_the_issue() -> None:
    data = tiff(np.full((4, 4), 10000, np.uint16), photometric="miniswhite")
    np.testing.assert_allclose(colours(data, 255), 255 - 10000 / 257, atol=1e-3)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.uint32])
@pytest.mark.parametrize("rgb", [False, True])
def test_other_types_of_samples(kind: type[np.generic], rgb: bool) -> None:
    values = (DEEP if rgb else GREY) / 65535
    samples = (values * (2**32 - 1)).astype(kind) if kind == np.uint32 else values.astype(kind)
    expected = values if rgb else grey(values)
    np.testing.assert_allclose(colours(tiff(samples), 1), expected, atol=1e-3 if kind == np.float16 else 1e-6)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (GREY.astype(np.int16), "sign"),
        (GREY.astype(np.int32), "sign"),
        (GREY.astype(np.complex64), "complex"),
        (GREY.astype(np.float32), r"beyond \[0, 1\]"),
        (-GREY.astype(np.float32) / 65535, r"beyond \[0, 1\]"),
        (np.full((4, 4), np.nan, np.float32), "NaN"),
        (np.full((4, 4), np.inf, np.float32), "infinity"),
    ],
)
def test_samples_that_mean_nothing_known_are_refused(samples: NDArray[np.generic], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_picture(tiff(samples))


def test_what_is_slightly_beyond_is_clipped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    data = tiff(np.array([[-0.002, 0.5, 1.003]], np.float32))
    np.testing.assert_allclose(colours(data, 1)[0, :, 0], [0, 0.5, 1])
    assert "were clipped to [0, 1]" in caplog.text


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("rgb", [False, True])
def test_opacity_beside_the_colours_and_multiplied_in(kind: str, rgb: bool) -> None:
    own = DEEP if rgb else GREY[..., None]
    part = ALPHA / 65535
    stored = np.round(own * part).astype(np.uint16) if kind == "assocalpha" else own
    photometric = "rgb" if rgb else "minisblack"
    data = tiff(np.dstack([stored, ALPHA]), photometric=photometric, extrasamples=[kind], planarconfig="contig")
    np.testing.assert_allclose(opacity(data) * 65535, ALPHA, atol=0.01)
    over = colours(data) * part
    np.testing.assert_allclose(over, np.broadcast_to(own * part, DEEP.shape), atol=0.51)


def test_channels_that_are_neither_colour_nor_opacity(caplog: pytest.LogCaptureFixture) -> None:
    data = tiff(np.dstack([DEEP, ALPHA]), extrasamples=["unspecified"])
    np.testing.assert_allclose(colours(data), DEEP, atol=0.01)
    assert open_picture(data).alpha is None
    assert "1 channel(s) that are neither colour nor opacity" in caplog.text
    many = np.dstack([DEEP, DEEP])
    with pytest.raises(InputError, match="6 channels"):
        open_picture(tiff(many, photometric="minisblack", planarconfig="contig"))


@pytest.mark.parametrize("options", [
    {"planarconfig": "separate"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}, {"rowsperstrip": 3},
    {"compression": "lzw"}, {"compression": "zlib", "predictor": 2}, {"compression": "zstd"}, {"compression": "lzma"},
    {"compression": "packbits"}, {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    {"compression": "jpeg2000", "compressionargs": {"reversible": True, "level": 0}},
], ids=str)  # fmt: skip
def test_layouts_and_compressions_of_tiff(options: dict[str, object]) -> None:
    large = np.tile(DEEP, (4, 3, 1))
    data = tiff(np.moveaxis(large, 2, 0) if "planarconfig" in options else large, **options)
    np.testing.assert_allclose(colours(data), large, atol=0.01)


@pytest.mark.parametrize("fill", ["all", "high", "low"])
def test_palette_of_16_bits_and_those_that_fill_8_of_them(fill: str) -> None:
    table = np.random.default_rng(2).integers(0, 65536, (3, 256))
    eight = table >> 8
    stored = {"all": table, "high": eight << 8, "low": eight}[fill].astype(np.uint16)
    places = np.random.default_rng(3).integers(0, 256, (6, 8)).astype(np.uint8)
    data = tiff(places, photometric="palette", colormap=stored)
    expected = table.T[places] / 257 if fill == "all" else eight.T[places]
    np.testing.assert_allclose(colours(data, 255), expected, atol=1e-3)
    assert open_picture(data).bits == (16 if fill == "all" else 8)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_tiff_without_a_profile(bits: int) -> None:
    most = 2**bits - 1
    inks = np.random.default_rng(4).integers(0, most + 1, (6, 8, 4))
    data = tiff(inks.astype(np.uint16 if bits == 16 else np.uint8), photometric="separated")
    expected = (1 - inks[..., :3] / most) * (1 - inks[..., 3:] / most)
    np.testing.assert_allclose(colours(data, 1), expected, atol=1e-6)


def test_pillow_pictures_of_grey_are_what_their_files_are() -> None:
    white = tiff(GREY, photometric="miniswhite")
    twelve = tiff(GREY >> 4, bitspersample=12)
    keyed = png(GREY[..., None], chunk(b"tRNS", GREY[:1, :1].astype(">u2").tobytes()))
    for data in (white, twelve, keyed):
        with Image.open(io.BytesIO(data)) as image:
            picture = open_picture(image)
        expected = open_picture(data)
        np.testing.assert_allclose(shown(picture), shown(expected), atol=1e-6)
        assert (picture.alpha is None) == (expected.alpha is None)
        assert picture.alpha is None or picture.alpha.equal(expected.alpha)


@pytest.mark.parametrize("most", [1023, 4095, 65535])
@pytest.mark.parametrize("letters", ["P2", "P3", "P5", "P6"])
def test_netpbm(letters: str, most: int) -> None:
    samples = DEEP & most if letters in ("P3", "P6") else (GREY & most)[..., None]
    head = f"{letters}\n# words\n17 11\n{most}\n".encode()
    numbers = " ".join(map(str, samples.ravel())).encode()
    data = head + (samples.astype(">u2").tobytes() if letters in ("P5", "P6") else numbers)
    np.testing.assert_allclose(colours(data, most), np.broadcast_to(samples, DEEP.shape), atol=0.01)
    assert open_picture(data).bits == 16
    with pytest.raises(InputError):
        open_picture(data[: len(data) // 2])


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("container", ["jp2", "j2k"])
def test_jpeg_2000(bits: int, container: str) -> None:
    samples = np.tile(DEEP >> (16 - bits), (4, 4, 1))
    data = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, codecformat=container, bitspersample=bits)
    np.testing.assert_allclose(colours(data, 2**bits - 1), samples, atol=0.01)
