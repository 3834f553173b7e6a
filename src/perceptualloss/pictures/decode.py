"""From the bytes of a picture file to upright sRGB pixels: one picture, or one after the other of an animation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.profiles import to_srgb
from perceptualloss.pictures.reading.decoded import Decoded, Request, Source
from perceptualloss.pictures.reading.heif import heif_source
from perceptualloss.pictures.reading.jpeg_2000 import BOX, CODESTREAM, jpeg_2000_source
from perceptualloss.pictures.reading.jpeg_xl import jpeg_xl_source
from perceptualloss.pictures.reading.netpbm import netpbm_source
from perceptualloss.pictures.reading.pillow import pillow_picture, pillow_sides, pillow_source
from perceptualloss.pictures.reading.png import SIGNATURE, png_source
from perceptualloss.pictures.reading.tiff import SIGNATURES, tiff_sides, tiff_source
from perceptualloss.pictures.refusals import refusing

_PILLOWS = (SIGNATURE, b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
_TURN = {  # EXIF orientation: how often to turn by 90 degrees anticlockwise, then whether to mirror
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


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
        if not 0 <= index < self.count:
            raise IndexError(index)
        with refusing(self.request.name):
            return finished(self.source.decode(index), self.request)

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
    picture = frames(stream.read(), request)[0]
    return picture.colours.shape[-2], picture.colours.shape[-1]


def decode(data: bytes, request: Request) -> Picture:
    """Return the picture upright; the first one of several, which is said."""
    opened = frames(data, request)
    if opened.count > 1:
        request.say(f"the first of its {opened.count} {'frames' if opened.source.animated else 'pages'} is read")
    return opened[0]


def upright_picture(image: Image.Image, request: Request) -> Picture:
    """Return a Pillow picture upright."""
    return finished(pillow_picture(image, request), request)


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


def finished(picture: Decoded, request: Request) -> Picture:
    """Return a decoded picture in sRGB and upright."""
    alpha = None if picture.alpha is None else _batch(picture.alpha)
    grey = picture.space == "grey"
    return _upright(Picture(_batch(to_srgb(picture, request)), alpha, grey, bits=picture.bits), picture.orientation)


def _batch(pixels: NDArray[np.float32]) -> Tensor:
    """Return pixels (H, W, C) as a batch of one, (1, C, H, W)."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()[None]


def _upright(picture: Picture, orientation: int) -> Picture:
    """Turn and mirror a picture as an EXIF orientation says."""
    quarters, mirrored = _TURN.get(orientation, (0, False))

    def turn(pixels: Tensor) -> Tensor:
        turned = torch.rot90(pixels, quarters, dims=(-2, -1))
        return (turned.flip(-1) if mirrored else turned).contiguous()

    alpha = None if picture.alpha is None else turn(picture.alpha)
    return replace(picture, colours=turn(picture.colours), alpha=alpha)
