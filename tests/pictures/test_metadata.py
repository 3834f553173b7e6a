"""Date, place, camera, resolution, texts and profiles: other readers find them in every kind that can hold them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from torch import nn

from perceptualloss.apply.upscale import upscale
from perceptualloss.pictures.change import Writing, change_file
from perceptualloss.pictures.exif import Exif, Value, parse
from perceptualloss.pictures.metadata import Metadata, read_metadata
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.boxes import boxes

WRITTEN = ["jpg", "png", "tif", "webp", "avif", "jxl"]
DESCRIPTION = "Grüße aus 東京".encode()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" exif:PixelXDimension="8">'
    b"<dc:title>Garten</dc:title><tiff:ImageWidth>8</tiff:ImageWidth></rdf:Description></x:xmpmeta>"
)


def block(order: str = ">", thumbnail: bytes = b"THUMBNAIL") -> bytes:
    """Return EXIF data as a camera writes them, byte by byte: a turned photo of 8 x 6 pixels, with a thumbnail."""

    def directory(start: int, entries: list[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
        head, body = struct.pack(f"{order}H", len(entries)), b""
        place = start + 2 + 12 * len(entries) + 4
        for tag, kind, count, value in entries:
            head += struct.pack(f"{order}HHI", tag, kind, count)
            if len(value) > 4:
                head += struct.pack(f"{order}I", place + len(body))
                body += value + bytes(len(value) % 2)
            else:
                head += value.ljust(4, b"\0")
        return head + struct.pack(f"{order}I", following) + body

    def short(number: int) -> bytes:
        return struct.pack(f"{order}H", number)

    def long(*numbers: int) -> bytes:
        return struct.pack(f"{order}{len(numbers)}I", *numbers)

    def main(exif: int, place: int, second: int) -> bytes:
        return directory(
            8,
            [
                (0x0100, 4, 1, long(8)),
                (0x010E, 2, len(DESCRIPTION) + 1, DESCRIPTION + b"\0"),
                (0x010F, 2, 8, b"Camera&\0"),
                (0x0112, 3, 1, short(6)),
                (0x011A, 5, 1, long(300, 1)),
                (0x011B, 5, 1, long(300, 1)),
                (0x0128, 3, 1, short(2)),
                (0x0132, 2, 20, b"2026:11:26 20:00:00\0"),
                (0x8769, 4, 1, long(exif)),
                (0x8825, 4, 1, long(place)),
            ],
            second,
        )

    def inner(start: int) -> bytes:
        return directory(
            start,
            [
                (0x9003, 2, 20, b"2026:11:26 19:00:00\0"),
                (0x9000, 7, 4, b"0232"),
                (0x9286, 7, 12, b"ASCII\0\0\0note"),
                (0xA001, 3, 1, short(0xFFFF)),
                (0xA002, 3, 1, short(8)),
                (0xA003, 3, 1, short(6)),
            ],
        )

    def position(start: int) -> bytes:
        return directory(start, [(1, 2, 2, b"N\0"), (2, 5, 3, long(48, 1, 8, 1, 25, 2))])

    exif = 8 + len(main(0, 0, 0))
    place = exif + len(inner(0))
    second = place + len(position(0))
    after = directory(second, [(0x0201, 4, 1, long(second + 30)), (0x0202, 4, 1, long(len(thumbnail)))])
    mark = b"MM\0*" if order == ">" else b"II*\0"
    return mark + long(8) + main(exif, place, second) + inner(exif) + position(place) + after + thumbnail


def profile() -> bytes:
    """Return a profile that is not sRGB's."""
    wide = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=(0.3127, 0.329), primaries=wide, gamma=1.8))


def picture(kind: str, **options: Any) -> bytes:
    y, x = np.mgrid[:6, :8]
    buffer = io.BytesIO()
    image = Image.fromarray(np.stack([30 * x, 40 * y, 20 * (x + y)], axis=-1).astype(np.uint8))
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def twice(shown: Picture, *_: int) -> Picture:
    return replace(shown, colours=shown.colours.repeat_interleave(2, -1).repeat_interleave(2, -2))


def change(source: Path, target: Path, **options: Any) -> None:
    change_file(twice, source, target, lambda height, width: (2 * height, 2 * width), Writing(**options))


def exif_of(path: Path) -> Image.Exif:
    """Return what Pillow finds; of JPEG XL, which it does not read, in the box."""
    exif = Image.Exif()
    if path.suffix == ".jxl":
        found = dict(boxes(path.read_bytes())).get(b"Exif")
        if found:
            exif.load(found[4:])
        return exif
    with Image.open(path) as image:
        found = image.getexif()
        for directory in (0x8769, 0x8825):  # which are read out of the open file
            found.get_ifd(directory)
    return found


def container() -> bytes:
    """Return a JPEG XL file whose EXIF data are compressed by Brotli, as djxl can write them."""
    stream = bytes(imagecodecs.jpegxl_encode(np.full((6, 8, 3), 99, np.uint8), lossless=True))
    body = b"Exif" + bytes(imagecodecs.brotli_encode(bytes(4) + block()))
    packed = struct.pack(">I", 8 + len(body)) + b"brob" + body
    head = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
    return head + packed + struct.pack(">I", 8 + len(stream)) + b"jxlc" + stream


SOURCES: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: picture("JPEG", exif=b"Exif\0\0" + block(), xmp=XMP, quality=95),
    "png": lambda: picture("PNG", exif=block("<")),
    "webp": lambda: picture("WEBP", exif=block(), xmp=XMP, lossless=True),
    "jxl": container,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", WRITTEN)
def test_exif_is_kept_from_every_kind_in_every_kind(source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{source}").write_bytes(SOURCES[source]())
    result = tmp_path / f"b.{target}"
    change(tmp_path / f"a.{source}", result)
    found = exif_of(result)
    assert (found[0x010F], found[0x0132]) == ("Camera&", "2026:11:26 20:00:00")
    assert found[0x010E].encode("latin-1") == DESCRIPTION  # Pillow takes letters for Latin-1
    assert found.get(0x0112, 1) == 1
    if target != "tif":
        assert 0x0100 not in found  # of TIFF alone, about its pixels
    inner, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
    assert (inner[0x9003], inner[0x9000], inner[0x9286]) == ("2026:11:26 19:00:00", b"0232", b"ASCII\0\0\0note")
    assert inner[0xA001] == 1
    turned = source != "jxl"  # of JPEG XL the codestream alone says it
    assert (inner[0xA002], inner[0xA003]) == ((12, 16) if turned else (16, 12))
    assert (place[1], tuple(map(float, place[2]))) == ("N", (48, 8, 12.5))
    assert (float(found[0x011A]), float(found[0x011B]), found[0x0128]) == (300, 300, 2)
    assert b"THUMBNAIL" not in result.read_bytes()
    if target in ("jpg", "png", "tif"):
        with Image.open(result) as image:
            assert [round(float(value), 2) for value in image.info["dpi"]] == [300, 300]


@pytest.mark.parametrize("source", SOURCES)
def test_exif_is_kept_out_of_a_tiff_that_another_library_wrote(source: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{source}").write_bytes(SOURCES[source]())
    change(tmp_path / f"a.{source}", tmp_path / "b.tif")
    change(tmp_path / "b.tif", tmp_path / "c.tif")  # from TIFF into TIFF
    with tifffile.TiffFile(tmp_path / "c.tif") as opened:
        page = opened.pages[0]
        assert page.tags["Make"].value == "Camera&"
        assert page.tags["ExifTag"].value["DateTimeOriginal"] == "2026:11:26 19:00:00"
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert page.tags["Orientation"].value == 1
        assert page.asarray().shape[2] == 3


def test_a_tiff_of_tifffile_keeps_what_describes_and_not_what_arranges(tmp_path: Path) -> None:
    tags = [("Artist", 2, 5, "Anna\0", True), (33550, 12, 3, (1.0, 1.0, 0.0), True), (0x0112, 3, 1, 3, True)]
    samples = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", samples, photometric="rgb", extratags=tags, resolution=(118.11, 118.11),
        resolutionunit="centimeter",
    )  # fmt: skip
    change(tmp_path / "a.tif", tmp_path / "b.tif")
    change(tmp_path / "a.tif", tmp_path / "b.jpg")
    with tifffile.TiffFile(tmp_path / "b.tif") as opened:
        tags_found = opened.pages[0].tags
        assert tags_found["Artist"].value == "Anna"
        assert "ImageDescription" not in tags_found  # tifffile's, of the shape before
        assert 33550 not in tags_found
        np.testing.assert_array_equal(opened.asarray()[::2, ::2], samples[::-1, ::-1])
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["dpi"] == (300, 300)
        assert image.getexif()[0x013B] == "Anna"


def test_xmp_is_kept_and_made_true(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SOURCES["jpg"]())
    for name in ("b.jpg", "b.png", "b.webp", "b.avif", "b.tif"):
        change(tmp_path / "a.jpg", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            image.load()
            found = image.info["xmp"]
        assert b'tiff:Orientation="1" exif:PixelXDimension="12"' in found
        assert b"<tiff:ImageWidth>12</tiff:ImageWidth>" in found
        assert b"<dc:title>Garten" in found
    change(tmp_path / "a.jpg", tmp_path / "b.jxl")
    assert b"Garten" in dict(boxes((tmp_path / "b.jxl").read_bytes()))[b"xml "]


def test_texts_and_comments(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    info = PngInfo()
    info.add_text("parameters", "a cat, steps: 20")
    info.add_itxt("Title", "Grüße 東京")
    info.add_text("Comment", "mine")
    (tmp_path / "a.png").write_bytes(picture("PNG", pnginfo=info, dpi=(72, 36)))
    change(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert dict(image.text) == {"parameters": "a cat, steps: 20", "Title": "Grüße 東京", "Comment": "mine"}
        np.testing.assert_allclose(image.info["dpi"], (72, 36), atol=0.02)
    assert not caplog.text
    change(tmp_path / "a.png", tmp_path / "b.jpg")
    assert caplog.messages == ["b.jpg: not kept in JPEG: the text 'parameters', 'Title'"]
    change(tmp_path / "b.jpg", tmp_path / "c.png")
    with Image.open(tmp_path / "b.jpg") as jpeg, Image.open(tmp_path / "c.png") as png:
        png.load()
        assert (jpeg.info["comment"], png.info["Comment"]) == (b"mine", "mine")
    caplog.clear()
    change(tmp_path / "a.png", tmp_path / "b.webp")
    assert caplog.messages == ["b.webp: not kept in WebP: the text 'parameters', 'Title', 'Comment'"]
    assert abs(float(exif_of(tmp_path / "b.webp")[0x011B]) - 36) < 0.02  # which has no other place for a resolution


def test_a_foreign_profile_becomes_that_of_srgb_and_none_stays_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG", icc_profile=profile()))
    (tmp_path / "plain.png").write_bytes(picture("PNG"))
    for name in ("b.png", "b.jpg", "b.webp", "b.avif", "b.tif"):
        change(tmp_path / "a.png", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            found = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            assert "sRGB" in str(found.profile.profile_description)
        change(tmp_path / "plain.png", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert not image.info.get("icc_profile")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "grey.png", icc_profile=imagecodecs.cms_profile("gray"))
    change(tmp_path / "grey.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        found = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert (image.mode, found.profile.xcolor_space.strip()) == ("L", "GRAY")


@pytest.mark.parametrize("target", WRITTEN)
def test_strip_keeps_nothing(target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    info = {"exif": b"Exif\0\0" + block(), "xmp": XMP, "dpi": (300, 300), "comment": b"mine", "icc_profile": profile()}
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", quality=95, **info))
    change(tmp_path / "a.jpg", tmp_path / f"b.{target}", strip=True)
    assert read_metadata((tmp_path / f"b.{target}").read_bytes()) == Metadata()
    data = (tmp_path / f"b.{target}").read_bytes()
    assert not any(word in data for word in (b"Camera", b"2026", b"Garten", b"mine"))
    assert not caplog.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Exif\0\0MM\0*\xff\xff\xff\xff", "EXIF data, which are broken"),
        (b"Exif\0\0nonsense and more", "EXIF data, which are broken"),
        (b"Exif\0\0" + block()[:120], "EXIF tags, which are broken"),
    ],
)
def test_broken_exif_is_said_and_dropped(
    data: bytes, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", exif=data))
    change(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert words in caplog.messages[-1]
    assert "\n" not in caplog.messages[-1]
    with Image.open(tmp_path / "b.jpg") as image:
        image.load()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_data_break_it_or_grow(data: st.DataObject) -> None:
    content = bytearray(block(data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(content))
    except ValueError:
        return
    again = found.of_picture(10, 20, (300.0, 72.5)).encoded()
    assert len(again) < 12 * len(content)
    parse(again)


@settings(deadline=None)
@given(
    order=st.sampled_from("<>"),
    main=st.dictionaries(st.integers(1, 65535).filter(lambda tag: tag not in (0x8769, 0x8825)), st.binary(min_size=1)),
    inner=st.dictionaries(st.integers(1, 65535).filter(lambda tag: tag != 0xA005), st.binary(min_size=1)),
    last=st.dictionaries(st.integers(1, 65535), st.binary(min_size=1)),
)
def test_what_is_encoded_is_parsed(
    order: Any, main: dict[int, bytes], inner: dict[int, bytes], last: dict[int, bytes]
) -> None:
    def tags(found: dict[int, bytes]) -> dict[int, Value]:
        return {tag: Value(7, data) for tag, data in found.items()}

    directories = {0x8769: tags(inner), 0x8825: tags(last), 0xA005: tags(last)}
    if not inner:
        del directories[0xA005]  # it hangs on the tags of the photo
    exif = Exif(order, tags(main), {tag: found for tag, found in directories.items() if found})
    assert parse(exif.encoded()) == exif


def test_the_comment_of_a_gif(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(picture("GIF", comment=b"hello"))
    change(tmp_path / "a.gif", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.info["Comment"] == "hello"


@pytest.mark.parametrize("opened", [False, True])
def test_a_picture_of_pillow_has_them_in_its_info(opened: bool, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SOURCES["jpg"]())
    network = nn.Upsample(scale_factor=2)
    network.scale = 2
    with Image.open(tmp_path / "a.jpg") as image:
        large = upscale(image if opened else tmp_path / "a.jpg", network=network)
    large.save(tmp_path / "b.jpg", exif=large.info["exif"], dpi=large.info["dpi"])
    found = exif_of(tmp_path / "b.jpg")
    assert (found[0x010F], found[0x0112], found.get_ifd(0x8769)[0xA002]) == ("Camera&", 1, 12)
    assert b"Garten" in large.info["xmp"]


def test_heic_of_a_phone(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([4 * x, 5 * y, 90 + 0 * x], axis=-1).astype(np.uint8)
    file = heif.from_bytes("RGB", (64, 48), pixels.tobytes())
    file.save(tmp_path / "a.heic", quality=90, exif=block(), xmp=XMP)
    change(tmp_path / "a.heic", tmp_path / "b.jpg")
    found = exif_of(tmp_path / "b.jpg")
    assert (found[0x010F], found.get(0x0112, 1), found.get_ifd(0x8825)[1]) == ("Camera&", 1, "N")


def test_captions_of_the_press(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caption = b"\x1c\x02\x78\x00\x06Garten"  # record 2, data set 120, six letters
    head = b"Photoshop 3.0\x008BIM\x04\x04\0\0"
    body = head + struct.pack(">I", len(caption)) + caption + bytes(len(caption) % 2)
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", extra=b"\xff\xed" + struct.pack(">H", len(body) + 2) + body))
    for source, target in (("a.jpg", "b.jpg"), ("a.jpg", "b.tif"), ("b.tif", "c.jpg")):
        change(tmp_path / source, tmp_path / target)
    with Image.open(tmp_path / "b.jpg") as one, Image.open(tmp_path / "c.jpg") as two:
        assert one.info["photoshop"][0x0404] == two.info["photoshop"][0x0404] == caption
    with tifffile.TiffFile(tmp_path / "b.tif") as opened:
        assert bytes(opened.pages[0].tags[33723].value) == caption
    assert not caplog.text
    change(tmp_path / "a.jpg", tmp_path / "b.png")
    assert caplog.messages == ["b.png: not kept in PNG: IPTC"]


def test_what_is_too_long_for_a_jpeg_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exif = parse(block())
    long = replace(exif, main=exif.main | {0x9C9C: Value(1, bytes(range(256)) * 300)})
    (tmp_path / "a.png").write_bytes(picture("PNG", exif=long.encoded()))
    change(tmp_path / "a.png", tmp_path / "b.jpg")
    assert caplog.messages == ["b.jpg: not kept in JPEG: EXIF data"]
    change(tmp_path / "a.png", tmp_path / "b.webp")
    assert exif_of(tmp_path / "b.webp")[0x010F] == "Camera&"
