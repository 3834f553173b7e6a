"""What a picture's file says beside its pixels: date, place, camera, resolution, texts; made true of a result."""

from __future__ import annotations

import io
import math
import re
import struct
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import imagecodecs
from PIL import Image, UnidentifiedImageError

from perceptualloss.pictures.exif import (
    DESCRIPTION,
    IPTC,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
    Exif,
    parse,
)
from perceptualloss.pictures.kinds import JPEG, Kind
from perceptualloss.pictures.reading.boxes import boxes
from perceptualloss.pictures.reading.decoded import Request
from perceptualloss.pictures.reading.jpeg_xl_header import BOX, CODESTREAM
from perceptualloss.pictures.reading.pillow import open_pillow

COMMENT = "Comment"  # the text that kinds without other texts have, too

_PIXEL_TAGS = {  # of TIFF, about how the pixels are stored; from 50,700 on DNG's and ImageJ's
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291),
    *(292, 293, 297, 301, *range(317, 326), *range(330, 348), *range(512, 533), 559, XMP, 32997, 32998, 33421, 33422),
    *(33550, IPTC, 33922, 34264, 34377, 34675, 34735, 34736, 34737, 37724, 42112, 42113, *range(50700, 65000)),
}
_PROFILE_TAG = 34675
_LOST_TAGS = {34735: "GeoTIFF"}
_OF_ARRAYS = (b'{"shape":', b"ImageJ=", b"<?xml")  # descriptions by programs of how TIFF's pixels are arranged
_MARKER = 65_533  # bytes in a marker of JPEG
_MOST_DPI = 1_000_000
_XMP_VALUES = {  # what does not hold for a result, upright and in sRGB; an embedded film is left out
    "tiff:Orientation": "1",
    "tiff:ImageWidth": "{width}",
    "tiff:ImageLength": "{height}",
    "exif:PixelXDimension": "{width}",
    "exif:PixelYDimension": "{height}",
    "exif:ColorSpace": "1",
    "photoshop:ICCProfile": "sRGB IEC61966-2.1",
    "GCamera:MotionPhoto": "0",
    "GCamera:MicroVideo": "0",
}


@dataclass(frozen=True)
class Metadata:
    """What a file says beside pixels.

    Attributes:
        exif: its tags, or None.
        xmp: Adobe's XML, or nothing.
        iptc: captions and keywords of the press, or nothing.
        dpi: pixels per inch, across and down, or None.
        texts: by keyword, as PNG has them.
        profile: whether it has a colour profile; the result then has sRGB's.
        notes: what was not readable, or is nothing that is kept.
    """

    exif: Exif | None = None
    xmp: bytes = b""
    iptc: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    profile: bool = False
    notes: tuple[str, ...] = ()

    def of_picture(self, width: int, height: int) -> Metadata:
        """Return what is true of a picture of this size in sRGB that was made from the one in the file."""
        exif = None if self.exif is None else self.exif.of_picture(width, height, self.dpi)
        return replace(self, exif=exif, xmp=_xmp_of_picture(self.xmp, width, height))

    def within(self, kind: Kind) -> tuple[Metadata, list[str]]:
        """Return what files of a kind can hold, and names of the rest.

        A resolution becomes a tag of EXIF where the kind has no other place for it.
        """
        exif, lost = self.exif, list(self.notes)
        if self.dpi is not None and "dpi" not in kind.holds and "EXIF" in kind.holds and exif is None:
            exif = Exif("<", {}, {}).of_picture(0, 0, self.dpi)
        if exif is not None and ("EXIF" not in kind.holds or (kind is JPEG and len(exif.encoded()) > _MARKER - 6)):
            exif = None
            lost.append("EXIF data")
        xmp = self.xmp
        if xmp and ("XMP" not in kind.holds or (kind is JPEG and len(xmp) > _MARKER - 31)):
            xmp = b""
            lost.append("XMP")
        iptc = self.iptc
        if iptc and ("IPTC" not in kind.holds or (kind is JPEG and len(iptc) > _MARKER - 30)):
            iptc = b""
            lost.append("IPTC")
        dpi = self.dpi if "dpi" in kind.holds else None
        if self.dpi is not None and dpi is None and exif is None:
            lost.append("the resolution")
        texts = {name: text for name, text in self.texts.items() if _holds_text(kind, name, text)}
        if gone := [name for name in self.texts if name not in texts]:
            lost.append(f"the text {', '.join(map(repr, gone))}")
        return Metadata(exif, xmp, iptc, dpi, texts, self.profile and "profile" in kind.holds), lost


def _holds_text(kind: Kind, name: str, text: str) -> bool:
    if "texts" in kind.holds:
        return True
    return name == COMMENT and "comment" in kind.holds and len(text.encode()) <= _MARKER


def read_metadata(data: bytes, request: Request | None = None) -> Metadata:
    """Return what a file's bytes say beside pixels; what is broken is named in the notes, and never an error.

    Args:
        data: the content of the file.
        request: with which it was decoded, so that nothing is said twice.
    """
    try:
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _from_tiff(data)
        if data.startswith(BOX):
            return _from_boxes(data)
        if data.startswith(CODESTREAM):  # JPEG XL without a container has pixels alone
            return Metadata()
        return _from_pillow(data, request or Request("the picture", sys.maxsize))
    except Exception:  # decoders raise nearly anything, and the pixels are fine
        return Metadata(notes=("the metadata, which are broken",))


def _from_tiff(data: bytes) -> Metadata:
    exif = parse(data)
    xmp, profile = exif.main.get(XMP), _PROFILE_TAG in exif.main
    lost = tuple(name for tag, name in _LOST_TAGS.items() if tag in exif.main)
    iptc = exif.main.get(IPTC)
    found = _metadata(exif, xmp.data if xmp else b"", None, {}, profile, lost)
    return replace(found, iptc=iptc.data if iptc else b"")


def _from_pillow(data: bytes, request: Request) -> Metadata:
    try:
        image: Image.Image = open_pillow(io.BytesIO(data), request)
    except UnidentifiedImageError:
        image = _opened_heif(data)
    with image:
        if image.format == "PNG":
            image.load()  # texts may follow the pixels
        return metadata_of(image)


def metadata_of(image: Image.Image) -> Metadata:
    """Return what a Pillow picture says beside pixels; what is broken is named in the notes, and never an error."""
    info = image.info
    texts = dict(getattr(image, "text", {}))
    texts = {name: str(text) for name, text in texts.items() if not name.startswith(("XML:", "Raw profile"))}
    comment = info.get("comment")
    if comment and COMMENT not in texts:
        texts[COMMENT] = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
    exif, notes = None, list[str]()
    try:
        block = info.get("exif")
        if not block and "Raw profile type exif" in info:  # as ImageMagick writes it
            block = bytes.fromhex("".join(str(info["Raw profile type exif"]).split("\n")[3:]))
        exif = parse(block) if block else None
    except (ValueError, TypeError):
        notes.append("EXIF data, which are broken")
    xmp = info.get("xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    found = _metadata(exif, xmp, info.get("dpi"), texts, bool(info.get("icc_profile")), tuple(notes))
    return replace(found, iptc=_iptc(info))


def _from_boxes(data: bytes) -> Metadata:
    """Read JPEG XL's boxes."""
    found = dict[bytes, bytes]()
    for name, body in boxes(data):
        if name == b"brob":
            found[body[:4]] = bytes(imagecodecs.brotli_decode(body[4:]))
        elif name in (b"Exif", b"xml "):
            found[name] = body
    block = found.get(b"Exif")
    exif = parse(block[4 + struct.unpack_from(">I", block)[0] :]) if block else None
    return _metadata(exif, found.get(b"xml ", b""), None, {}, False, ())


def _opened_heif(data: bytes) -> Image.Image:
    """Return a picture of Pillow with what a HEIC file has beside its pixels."""
    import pillow_heif  # noqa: PLC0415 (an extra, which decoded the picture)

    file = pillow_heif.open_heif(data)
    opened = Image.new("1", (1, 1))
    opened.info.update(file[file.primary_index].info)
    return opened


def _iptc(info: dict[Any, Any]) -> bytes:
    """Return what a JPEG has among Photoshop's resources."""
    resources = info.get("photoshop")
    found = resources.get(0x0404) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) else b""


def _metadata(
    exif: Exif | None, xmp: bytes, dpi: object, texts: dict[str, str], profile: bool, notes: tuple[str, ...]
) -> Metadata:
    """Put together what was found, without what is about how pixels were stored."""
    found = _resolution(dpi)
    if exif is not None:
        found = found or _resolution_in(exif)
        if exif.damaged:
            notes = (*notes, f"{exif.damaged} EXIF tags, which are broken")
        main = {tag: value for tag, value in exif.main.items() if tag not in _PIXEL_TAGS}
        if main.get(DESCRIPTION) and main[DESCRIPTION].data.startswith(_OF_ARRAYS):
            del main[DESCRIPTION]
        exif = replace(exif, main=main)
        if not (exif.main.keys() - {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT} or any(exif.inner.values())):
            exif = None
    return Metadata(exif, xmp.rstrip(b"\0"), b"", found, texts, profile, notes)


def _resolution_in(exif: Exif) -> tuple[float, float] | None:
    across, down = exif.number(X_RESOLUTION), exif.number(Y_RESOLUTION)
    unit = exif.number(RESOLUTION_UNIT)
    factor = 2.54 if unit == 3 else 1.0 if unit in (None, 2) else math.nan
    return None if across is None else _resolution((across * factor, (across if down is None else down) * factor))


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Return pixels per inch if they are two numbers that can be meant."""
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    across, down = (float(value) for value in dpi)
    return (across, down) if 1 < across < _MOST_DPI and 1 < down < _MOST_DPI else None


def _xmp_of_picture(xmp: bytes, width: int, height: int) -> bytes:
    """Return XMP with what is true of a picture of this size."""
    for name, template in _XMP_VALUES.items():
        value = template.format(width=width, height=height).encode()
        key = name.encode()
        xmp = re.sub(rb"\b(" + key + rb"\s*=\s*)([\"'])[^\"']*\2", rb"\g<1>\g<2>" + value + rb"\g<2>", xmp)
        xmp = re.sub(rb"(<" + key + rb">)[^<]*(</)", rb"\g<1>" + value + rb"\g<2>", xmp)
    return re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", xmp, flags=re.DOTALL)
