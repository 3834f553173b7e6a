"""JPEG XL, by imagecodecs, with the colours that its head says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from perceptualloss.pictures.reading.coded import curved_profile
from perceptualloss.pictures.reading.decoded import Decoded, Request, Source, apart, divided, floating, unit
from perceptualloss.pictures.reading.jpeg_xl_header import BOX, CODESTREAM, Head, codestream, read_head
from perceptualloss.pictures.reading.pillow import pillow_source

_FRAME = 100.0  # milliseconds


def jpeg_xl_source(data: bytes, request: Request) -> Source | None:
    """Open a JPEG XL file; None for others."""
    if not data.startswith((CODESTREAM, BOX)):
        return None
    head = read_head(codestream(data))
    request.check_size(head.width, head.height)
    if head.inks:
        raise request.refuse("a JPEG XL file of inks (CMYK)", "Convert it to RGB first.")
    if head.has_profile:
        return _repacked(data, request)
    profile = curved_profile(head.chromaticities, head.transfer, head.gamma, request)
    if not head.animated:
        return Source(lambda index: _picture(imagecodecs.jpegxl_decode(data), head, profile, request))
    frames = imagecodecs.jpegxl_decode(data)
    frames = frames if frames.ndim == 4 else frames[None]
    if len(frames) > 1:
        request.say(
            f"imagecodecs does not tell how long the frames of a JPEG XL are shown; taken for {_FRAME:g} ms each"
        )
    return Source(
        lambda index: replace(_picture(frames[index], head, profile, request), duration=_FRAME),
        len(frames),
        len(frames) > 1,
        0,
    )


def _picture(samples: NDArray[Any], head: Head, profile: bytes | None, request: Request) -> Decoded:
    if samples.dtype.kind == "f":
        picture = apart(floating(samples, request), bits=16)
    else:  # whatever the bits of the file, libjxl scales to all of the type
        most = int(np.iinfo(samples.dtype).max)
        picture = apart(unit(samples, most), bits=8 if most == 255 else 16)
    if head.associated:
        picture = replace(picture, values=divided(picture))
    return replace(picture, profile=profile)


def _repacked(data: bytes, request: Request) -> Source:
    """Read a file with an ICC profile, which is coded in a way of its own, if it is a JPEG that was repacked."""
    try:
        jpeg = bytes(imagecodecs.jpegxl_decode_jpeg(data, 1))
    except imagecodecs.JpegxlError as error:
        remedy = "Convert it to PNG or TIFF first, with djxl or a viewer."
        raise request.refuse("a JPEG XL file with an ICC profile, which imagecodecs does not give", remedy) from error
    return pillow_source(jpeg, request)
