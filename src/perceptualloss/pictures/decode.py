"""From the bytes of a picture file to upright sRGB pixels: one picture, or one after the other of an animation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from PIL import Image

from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.decoded import Request, Source
from perceptualloss.pictures.reading.heif import heif_source
from perceptualloss.pictures.reading.jpeg_2000 import BOX, CODESTREAM, jpeg_2000_source
from perceptualloss.pictures.reading.jpeg_xl import jpeg_xl_source
from perceptualloss.pictures.reading.netpbm import netpbm_source
from perceptualloss.pictures.reading.pillow import pillow_picture, pillow_sides, pillow_source
from perceptualloss.pictures.reading.png import SIGNATURE, png_source
from perceptualloss.pictures.reading.tiff import SIGNATURES, tiff_sides, tiff_source
from perceptualloss.pictures.refusals import refusing
from perceptualloss.pictures.stored import Stored

_PILLOWS = (SIGNATURE, b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


@dataclass(frozen=True)
class Frames:
    """The pictures of one file: frames of an animation or pages; each is decoded when it is asked for.

    Attributes:
        data: the file's content.
        source: the file, opened.
        request: which file it is.
    """

    data: bytes
    source: Source
    request: Request

    @property
    def count(self) -> int:
        """How many pictures the file has; previews, smaller copies and masks are none."""
        return self.source.count

    @property
    def loop(self) -> int | None:
        """How often an animation plays, 0 for ever; None for pages."""
        return self.source.loop

    @cached_property
    def durations(self) -> list[float] | None:
        """How long each frame is shown, in milliseconds; None for pages. It decodes all frames."""
        if not self.source.animated:
            return None
        with refusing(self.request.name):
            return [self.source.decode(index).duration or 0.0 for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Picture:
        """Return one picture, upright and in sRGB; the frames of an animation are whole, laid over those before."""
        stored = self.stored(index)
        with refusing(self.request.name):
            return stored.whole()

    def stored(self, index: int) -> Stored:
        """Return one picture as it is stored."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        with refusing(self.request.name):
            return Stored.of(self.source.decode(index), self.request)

    def __iter__(self) -> Iterator[Picture]:
        """Go through the pictures."""
        return (self[index] for index in range(self.count))


def frames(data: bytes, request: Request) -> Frames:
    """Open the content of a file, whatever it is called."""
    return Frames(data, _source(data, request), request)


def picture_sides(stream: BinaryIO, request: Request) -> tuple[int, int]:
    """Return height and width of the first picture, upright; of the kinds that people have most, without decoding."""
    start = stream.read(16)
    stream.seek(0)
    if start.startswith(SIGNATURES):
        return tiff_sides(stream, request)
    if start.startswith(_PILLOWS):
        return pillow_sides(stream, request)
    stored = frames(stream.read(), request).stored(0)
    return stored.height, stored.width


def decode(data: bytes, request: Request) -> Picture:
    """Return the picture upright; the first one of several, which is said."""
    return stored_picture(data, request).whole()


def stored_picture(data: bytes, request: Request) -> Stored:
    """Return the picture as it is stored; the first one of several, which is said."""
    opened = frames(data, request)
    if opened.count > 1:
        request.say(f"the first of its {opened.count} {'frames' if opened.source.animated else 'pages'} is read")
    return opened.stored(0)


def upright_picture(image: Image.Image, request: Request) -> Picture:
    """Return a Pillow picture upright."""
    return Stored.of(pillow_picture(image, request), request).whole()


def _source(data: bytes, request: Request) -> Source:
    if data.startswith(SIGNATURE):
        return png_source(data, request)
    if data.startswith(SIGNATURES):
        return tiff_source(data, request)
    if data.startswith((BOX, CODESTREAM)):
        return jpeg_2000_source(data, request)
    for opened in (heif_source, jpeg_xl_source, netpbm_source):
        source = opened(data, request)
        if source is not None:
            return source
    return pillow_source(data, request)
