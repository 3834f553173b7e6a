"""Kinds of picture files that are written: what they are called and what they hold, in one table."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.files import LONGEST_NAME


@dataclass(frozen=True)
class Kind:
    """A kind of picture file.

    Attributes:
        name: what it is called.
        suffixes: what names of its files end in.
        side: most pixels that a side can have.
        holds: what it can hold beside pixels of 8 bits: "16 bits", "transparency", "frames" (of an animation),
            "pages", "EXIF", "XMP", "IPTC", "dpi", "texts", "comment", "profile".
        whole: bytes a pixel that its encoder takes for all samples at once, about; 0 if it takes them in rows.
    """

    name: str
    suffixes: tuple[str, ...]
    side: int
    holds: frozenset[str]
    whole: int = 0

    def __str__(self) -> str:
        return self.name


def _kind(name: str, suffixes: str, side: int, holds: str, whole: int = 0) -> Kind:
    return Kind(name, tuple(suffixes.split()), side, frozenset(holds.split(", ")), whole)


AVIF = _kind("AVIF", ".avif", 32_768, "transparency, frames, EXIF, XMP, profile", 45)  # libavif reads no more pixels
GIF = _kind("GIF", ".gif", 65_535, "transparency, frames, comment", 10)
JPEG = _kind("JPEG", ".jpg .jpeg .jpe .jfif", 65_500, "EXIF, XMP, IPTC, dpi, comment, profile")  # libjpeg's limit
JPEG_XL = _kind(
    "JPEG XL", ".jxl", 2**30 - 1, "16 bits, transparency, EXIF, XMP", 75
)  # its pixels say that they are sRGB
PNG = _kind("PNG", ".png .apng", 2**31 - 1, "16 bits, transparency, frames, EXIF, XMP, dpi, texts, comment, profile")
TIFF = _kind("TIFF", ".tif .tiff", 2**31 - 1, "16 bits, transparency, pages, EXIF, XMP, IPTC, dpi, profile")
WEBP = _kind("WebP", ".webp", 16_383, "transparency, frames, EXIF, XMP, profile", 45)

KINDS = (AVIF, GIF, JPEG, JPEG_XL, PNG, TIFF, WEBP)
WRITE_SUFFIXES = tuple(sorted(suffix for kind in KINDS for suffix in kind.suffixes))


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Return the kind that the ending of a file's name says.

    Raises:
        InputError: an ending that is not written, or a name that is too long for a disk.

    >>> print(kind_of("a.JPG"))
    JPEG
    """
    path = Path(path)
    for kind in KINDS:
        if path.suffix.lower() in kind.suffixes:
            check_name(path)
            return kind
    raise InputError(f"a file name that ends in {', '.join(WRITE_SUFFIXES)}", repr(path.name))


def check_name(path: Path) -> None:
    """Raise unless a disk can have a file of this name.

    Raises:
        InputError: more than 255 bytes.
    """
    length = len(os.fsencode(path.name))
    if length > LONGEST_NAME:
        raise InputError(f"a file name of at most {LONGEST_NAME} bytes", f"one of {length}", "Choose a shorter one.")


def kinds_that_hold(*what: str) -> str:
    """Return the endings of the kinds that hold all of this, for sentences.

    >>> kinds_that_hold("16 bits")
    '.jxl, .png or .tif'
    """
    return _endings([kind for kind in KINDS if kind.holds.issuperset(what)])


def _endings(kinds: list[Kind]) -> str:
    *others, last = (kind.suffixes[0] for kind in kinds)
    return f"{', '.join(others)} or {last}" if others else last


def is_file_name(path: Path) -> bool:
    """Return whether a name ends like a file's: in a letter and one to four more letters or digits, but no version.

    >>> is_file_name(Path("a.heic")), is_file_name(Path("run.v2")), is_file_name(Path("photos"))
    (True, False, False)
    """
    return bool(re.fullmatch(r"\.(?!v\d+$)[a-z][a-z0-9]{1,4}", path.suffix.lower()))


def kept_suffix(name: Path) -> str:
    """Return what the name of a result in a folder ends in: as its source's, or in .png.

    PNG is for kinds that are not written, and for GIF, whose 256 colours would spoil the result.
    """
    suffix = name.suffix.lower()
    return name.suffix if suffix in WRITE_SUFFIXES and suffix not in GIF.suffixes else PNG.suffixes[0]


def check_target(path: str | os.PathLike[str], width: int, height: int, transparent: bool = False) -> Kind:
    """Return the kind of a file to be written, if it can hold the picture.

    Args:
        path: the file.
        width: of the picture in pixels.
        height: of the picture.
        transparent: whether it has transparency.

    Raises:
        InputError: an ending that is not written, too many pixels a side, or transparency that it cannot keep.
    """
    kind = kind_of(path)
    if max(width, height) > kind.side:
        larger = [other for other in KINDS if other.side >= max(width, height) and other is not GIF]
        raise InputError(
            f"at most {kind.side:,} pixels a side in a {kind} file",
            f"{width:,} x {height:,} for {Path(path).name}",
            f"Name a file that ends in {_endings(larger)}." if larger else "",
        )
    if transparent and "transparency" not in kind.holds:
        raise InputError(f"a file that keeps transparency, {kinds_that_hold('transparency')}", str(path))
    return kind
