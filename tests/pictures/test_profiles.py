"""What a file says of its colours: ICC profiles, codes, gamma, EXIF. Expected values are by formula."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import open_picture
from perceptualloss.pictures.profiles import is_srgb

Floats = NDArray[np.float64]
RGB = np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (9, 8, 3)).astype(np.uint16)
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])


def to_xyz(points: tuple[tuple[float, float], ...]) -> Floats:
    """Return the matrix from light in these primaries, white D65, to X, Y, Z."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in points]).T
    white = np.array([0.3127 / 0.3290, 1.0, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


def light_of_srgb(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def shown(light: Floats, points: tuple[tuple[float, float], ...] = SRGB) -> Floats:
    """Return light in some primaries as sRGB, 0 to 255, clipped."""
    linear = np.clip(light @ np.linalg.solve(to_xyz(SRGB), to_xyz(points)).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def profile(points: tuple[tuple[float, float], ...] | None, gamma: float | None, name: str = "any") -> bytes:
    """Return an ICC profile (version 2) of RGB, or of grey; with a power as its curve or, for None, sRGB's."""
    if gamma is None:
        steps = np.round(65535 * light_of_srgb(np.linspace(0, 1, 4096))).astype(">u2")
        curve = b"curv\0\0\0\0" + struct.pack(">I", 4096) + steps.tobytes()
    else:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma))
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode() + bytes(79)}
    tags |= {b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(D50)}
    if points is None:
        return icc(b"GRAY", b"XYZ ", tags | {b"kTRC": curve})
    white = to_xyz(points).sum(axis=1)
    cones = BRADFORD @ D50 / (BRADFORD @ white)
    adapted = np.linalg.solve(BRADFORD, np.diag(cones) @ BRADFORD) @ to_xyz(points)
    for letter, column in zip("rgb", adapted.T, strict=True):
        tags |= {f"{letter}XYZ".encode(): xyz(column), f"{letter}TRC".encode(): curve}
    return icc(b"RGB ", b"XYZ ", tags)


def cmyk_profile() -> bytes:
    """Return an ICC profile of CMYK whose table gives L* = 100 (1 - K) and a* by cyan against magenta."""
    table = np.zeros((2, 2, 2, 2, 3), np.uint8)
    cyan, magenta, _, black = np.meshgrid(*4 * [np.array([0, 1])], indexing="ij")
    table[..., 0] = 255 * (1 - black)
    table[..., 1] = 128 + 40 * (magenta - cyan)
    table[..., 2] = 128
    steps = bytes(range(256))
    unit = np.round(65536 * np.eye(3)).astype(">i4").tobytes()
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + 4 * steps + table.tobytes() + 3 * steps
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 4) + b"ink\0" + bytes(79), b"cprt": b"text\0\0\0\0none\0"}
    return icc(b"CMYK", b"Lab ", tags | {b"wtpt": xyz(D50), b"A2B0": lut}, b"prtr")


def xyz(values: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(65536 * value)) for value in values)


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">II4s4s4s4s", 0, 0, b"\x02\x40\0\0", kind, space, connection) + bytes(12) + b"acsp" + bytes(28)
    data = head + struct.pack(">iii", 63190, 65536, 54061) + bytes(48) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(data)) + data[4:]


def png(samples: NDArray[np.unsignedinteger], *extra: tuple[bytes, bytes]) -> bytes:
    height, width, channels = samples.shape
    bits = 8 * samples.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(f">u{bits // 8}").tobytes() for line in samples)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), *extra, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def iccp(data: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"profile\0\0" + zlib.compress(data)


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(100000 * value))


def cicp(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, 1])


def chrm(points: tuple[tuple[float, float], ...]) -> tuple[bytes, bytes]:
    flat = [0.3127, 0.3290, *(value for point in points for value in point)]
    return b"cHRM", b"".join(struct.pack(">I", round(100000 * value)) for value in flat)


def read(data: bytes) -> Floats:
    return 255 * open_picture(data).colours[0].permute(1, 2, 0).double().numpy()


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ICC profiles


def test_a_linear_profile_called_srgb_is_linear() -> None:
    data = png(np.full((4, 4, 3), (200, 60, 60), np.uint8), iccp(profile(SRGB, 1.0, "GIMP built-in Linear sRGB")))
    np.testing.assert_allclose(read(data)[0, 0], [229, 133, 133], atol=0.6)
    assert not is_srgb(profile(SRGB, 1.0, "sRGB"))
    assert is_srgb(profile(SRGB, None, "whatever"))
    assert not is_srgb(profile(P3, None, "sRGB"))
    assert not is_srgb(profile(SRGB, 2.2, "sRGB"))


@pytest.mark.parametrize(("points", "gamma"), [(P3, None), (ADOBE, 563 / 256), (BT2020, 2.2), (SRGB, 1.0)])
def test_foreign_rgb_profiles(points: tuple[tuple[float, float], ...], gamma: float | None) -> None:
    own = profile(points, gamma, "sRGB")

    def expected(values: Floats) -> Floats:
        return shown(light_of_srgb(values) if gamma is None else values ** (round(256 * gamma) / 256), points)

    np.testing.assert_allclose(read(png(RGB, iccp(own))), expected(RGB / 255), atol=1.2)
    deep = open_picture(png(DEEP, iccp(own)))
    assert deep.bits == 16
    np.testing.assert_allclose(read(png(DEEP, iccp(own))), expected(DEEP / 65535), atol=0.15)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, (DEEP / 65535).astype(np.float32), photometric="rgb", iccprofile=own)
    np.testing.assert_allclose(read(buffer.getvalue()), expected(DEEP / 65535), atol=0.15)


@pytest.mark.parametrize("points", [None, SRGB])
def test_the_profile_of_grey_of_8_and_16_bits(points: tuple[tuple[float, float], ...] | None) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16, 1)
    expected = np.repeat(shown(np.repeat(grey / 255, 3, axis=2))[..., :1], 3, axis=2)
    assert abs(expected.ravel()[3 * 128] - 188) < 0.5
    for samples in (grey.astype(np.uint8), grey * 257):
        data = png(samples, iccp(profile(points, 1.0)))
        np.testing.assert_allclose(read(data), expected, atol=0.15)
        assert open_picture(data).grey
        assert (np.ptp(read(data), axis=2) == 0).all()


def test_opacity_is_no_colour() -> None:
    both = np.dstack([DEEP, DEEP[..., 0]])
    picture = open_picture(png(both, iccp(profile(P3, None))))
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha[0, 0].numpy() * 65535, DEEP[..., 0], atol=0.01)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_a_profile_of_inks_as_littlecms_through_pillow(kind: str) -> None:
    inks = Image.fromarray(np.random.default_rng(3).integers(0, 256, (8, 8, 4), dtype=np.uint8), "CMYK").resize(
        (32, 32)
    )
    data = encoded(inks, kind, icc_profile=cmyk_profile())
    with Image.open(io.BytesIO(data)) as stored:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile()))
        exact = ImageCms.Flags.NOOPTIMIZE
        expected = ImageCms.profileToProfile(
            stored, opened, ImageCms.createProfile("sRGB"), outputMode="RGB", flags=exact
        )
    assert expected is not None
    np.testing.assert_allclose(read(data), np.asarray(expected), atol=1.6)
    white = encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "TIFF", icc_profile=cmyk_profile())
    np.testing.assert_allclose(read(white), 255, atol=0.5)


def test_profiles_that_cannot_be_used_are_ignored_and_named(caplog: pytest.LogCaptureFixture) -> None:
    np.testing.assert_allclose(read(png(RGB, iccp(b"nonsense" * 40))), RGB, atol=1e-3)
    assert "colour profile was ignored: it cannot be read" in caplog.text
    np.testing.assert_allclose(read(png(RGB, iccp(cmyk_profile()))), RGB, atol=1e-3)
    assert "one of cmyk colours, and the picture has rgb" in caplog.text


@pytest.mark.parametrize("kind", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_tiff_of_greys(kind: str, bits: int) -> None:
    light = np.linspace(0, 100, 12).reshape(3, 4)
    steps, middle = (255, 128) if bits == 8 else (65535, 32768)
    if kind == "icclab" and bits == 16:
        steps = 0xFF00
    opposed = np.full((3, 4), 0 if kind == "cielab" else middle)
    samples = np.stack([np.round(light * steps / 100), opposed, opposed], axis=-1)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples.astype(np.uint8 if bits == 8 else np.uint16), photometric=kind)
    stored = samples[..., 0] * 100 / steps
    linear = np.where(stored > 8, ((stored + 16) / 116) ** 3, stored / 903.3)
    np.testing.assert_allclose(read(buffer.getvalue()), shown(np.repeat(linear[..., None], 3, axis=2)), atol=0.2)


# PNG's chunks


def test_gamma_and_primaries_of_a_png() -> None:
    unit = RGB / 255
    np.testing.assert_allclose(read(png(RGB, gama(1.0))), shown(unit), atol=1.2)
    np.testing.assert_allclose(read(png(DEEP, gama(0.5))), shown((DEEP / 65535) ** 2), atol=0.2)
    np.testing.assert_allclose(read(png(RGB, gama(1.0), chrm(P3))), shown(unit, P3), atol=1.2)
    np.testing.assert_allclose(read(png(RGB, gama(0.45455), chrm(P3))), shown(light_of_srgb(unit), P3), atol=1.2)
    np.testing.assert_allclose(read(png(RGB, gama(0.45455))), RGB, atol=1e-3)
    np.testing.assert_allclose(read(png(RGB, gama(0.45455), chrm(SRGB))), RGB, atol=1e-3)


def test_the_first_of_cicp_iccp_srgb_and_gama_counts() -> None:
    code, own, plain, linear = cicp(12, 13), iccp(profile(SRGB, 1.0)), (b"sRGB", b"\0"), gama(1.0)
    unit = RGB / 255
    np.testing.assert_allclose(read(png(RGB, linear, plain)), RGB, atol=1e-3)
    np.testing.assert_allclose(read(png(RGB, gama(0.5), own)), shown(unit), atol=1.2)
    np.testing.assert_allclose(read(png(RGB, linear, own, code)), shown(light_of_srgb(unit), P3), atol=1.2)
    np.testing.assert_allclose(read(png(RGB, own, cicp(1, 13))), RGB, atol=1e-3)
    with Image.open(io.BytesIO(png(RGB, linear))) as image:  # a Pillow picture, too
        pillow = open_picture(image)
    np.testing.assert_allclose(255 * pillow.colours[0].permute(1, 2, 0).numpy(), shown(unit), atol=1.2)


@pytest.mark.parametrize(
    ("codes", "points", "gamma"),
    [((12, 13), P3, None), ((9, 13), BT2020, None), ((9, 1), BT2020, None), ((1, 8), SRGB, 1.0), ((12, 4), P3, 2.2)],
)
def test_codes_of_colours(codes: tuple[int, int], points: tuple[tuple[float, float], ...], gamma: float | None) -> None:
    unit = DEEP / 65535
    expected = shown(light_of_srgb(unit) if gamma is None else unit**gamma, points)
    np.testing.assert_allclose(read(png(DEEP, cicp(*codes))), expected, atol=0.2)


@pytest.mark.parametrize(("codes", "words"), [((9, 16), "PQ"), ((9, 18), "HLG"), ((10, 13), "10"), ((1, 99), "99")])
def test_hdr_and_unknown_codes_are_refused(codes: tuple[int, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_picture(png(RGB, cicp(*codes)))


# AVIF, JPEG, JPEG XL


def test_codes_of_avif() -> None:
    smooth = np.asarray(Image.fromarray(RGB).resize((64, 64), Image.Resampling.BICUBIC))
    plain = imagecodecs.avif_encode(smooth, level=100)
    place = plain.index(b"nclx") + 4
    wide = plain[:place] + struct.pack(">HH", 12, 13) + plain[place + 4 :]
    own = 255 * np.asarray(imagecodecs.avif_decode(plain), np.float64) / 255
    np.testing.assert_allclose(read(plain), own, atol=1e-3)
    np.testing.assert_allclose(read(wide), shown(light_of_srgb(own / 255), P3), atol=1.2)
    hdr = plain[:place] + struct.pack(">HH", 9, 16) + plain[place + 4 :]
    with pytest.raises(InputError, match="PQ"):
        open_picture(hdr)


@pytest.mark.parametrize("how", [2, "R03"])
def test_adobe_rgb_by_exif_alone_is_applied_and_said(how: object, caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 2 if how == 2 else 0xFFFF
    if how == "R03":
        exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    smooth = Image.fromarray(RGB).resize((64, 64), Image.Resampling.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        own = np.asarray(image) / 255
    np.testing.assert_allclose(read(data), shown(own ** (563 / 256), ADOBE), atol=1.2)
    assert "Adobe RGB" in caplog.text
    srgb = encoded(smooth, "JPEG", quality=95, exif=exif, icc_profile=profile(SRGB, None))
    np.testing.assert_allclose(read(srgb), own * 255, atol=1e-3)


def test_the_profile_in_a_bmp_of_version_5() -> None:
    own = profile(P3, None)
    head = struct.pack("<IiiHHIIiiII", 124, 8, 9, 1, 24, 0, 216, 0, 0, 0, 0) + bytes(16)
    head += struct.pack("<I48xIIII", 0x4D424544, 4, 124 + 216, len(own), 0)
    pixels = RGB[::-1, :, ::-1].tobytes()
    data = struct.pack("<2sIHHI", b"BM", 138 + 216 + len(own), 0, 0, 138) + head + pixels + own
    np.testing.assert_allclose(read(data), shown(light_of_srgb(RGB / 255), P3), atol=1.2)


class Bits:
    """Writes fields of bits, least significant first."""

    def __init__(self) -> None:
        self.value, self.count = 0, 0

    def put(self, number: int, bits: int) -> None:
        self.value |= number << self.count
        self.count += bits

    def enum(self, number: int) -> None:
        self.put(number, 2) if number < 2 else (self.put(2, 2), self.put(number - 2, 4))


def jpeg_xl(samples: NDArray[np.uint8], primaries: int, transfer: int) -> bytes:
    """Return a lossless JPEG XL with other colours in its head than imagecodecs writes, after ISO/IEC 18181-1."""
    plain = imagecodecs.jpegxl_encode(samples, lossless=True)
    head = Bits()
    height, width = samples.shape[:2]
    for number, bits in ((0, 1), (0, 2), (height - 1, 9), (0, 3), (0, 2), (width - 1, 9)):
        head.put(number, bits)  # sides as they are, without a ratio
    for number, bits in ((0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (0, 2), (0, 1)):
        head.put(number, bits)  # not as usual; no extra fields; whole numbers of 8 bits; none beside; no XYB
    head.put(0, 2)  # colours that are not as usual; no profile
    for code in (0, 1, primaries):  # RGB, D65
        head.enum(code)
    head.put(0, 1)  # no gamma
    head.enum(transfer)
    head.enum(1)  # relative colorimetric
    head.put(0, 2)  # no extensions
    head.put(1, 1)  # usual transforms
    start = b"\xff\x0a" + head.value.to_bytes(-(-head.count // 8), "little")
    for place in range(3, 20):  # where the frame begins behind imagecodecs' own head
        try:
            decoded = imagecodecs.jpegxl_decode(start + plain[place:])
        except RuntimeError:  # JpegxlError is one
            continue
        if np.array_equal(decoded, samples):
            return start + plain[place:]
    raise AssertionError("no frame was found")


def test_colours_in_the_head_of_jpeg_xl() -> None:
    linear = imagecodecs.jpegxl_encode(DEEP, lossless=True)  # imagecodecs says linear light of 16 bits
    np.testing.assert_allclose(read(linear), shown(DEEP / 65535), atol=0.2)
    np.testing.assert_allclose(read(imagecodecs.jpegxl_encode(RGB, lossless=True)), RGB, atol=1e-3)
    wide = jpeg_xl(RGB, 11, 13)
    np.testing.assert_allclose(read(wide), shown(light_of_srgb(RGB / 255), P3), atol=1.2)
    np.testing.assert_allclose(read(jpeg_xl(RGB, 9, 8)), shown(RGB / 255, BT2020), atol=1.2)
    with pytest.raises(InputError, match="PQ"):
        open_picture(jpeg_xl(RGB, 9, 16))
