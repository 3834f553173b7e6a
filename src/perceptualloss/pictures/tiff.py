"""TIFF files: pages one after the other, with the EXIF data of the first."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import tifffile
from numpy.typing import NDArray

from perceptualloss.pictures.exif import IPTC, XMP, Exif, read_directory
from perceptualloss.pictures.metadata import Metadata

_LAYOUTS: dict[int, dict[str, Any]] = {  # by the number of channels
    1: {"photometric": "minisblack"},
    2: {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    3: {"photometric": "rgb", "planarconfig": "contig"},
    4: {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
}


def write_pages(file: BinaryIO, pages: Iterator[NDArray[Any]], metadata: Metadata, profile: bytes) -> None:
    """Write pages into an open file that can be read, too; compressed without loss, opacity unassociated.

    Args:
        file: empty, on a disk.
        pages: samples of 8 or 16 bits, (H, W, channels), each taken when the one before is written.
        metadata: of the first page.
        profile: a colour profile, or nothing.
    """
    exif = metadata.exif
    options: dict[str, Any] = {"compression": "zlib", "predictor": True, "metadata": None, "software": False}
    if metadata.dpi is not None:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    if profile:
        options["iccprofile"] = profile
    beside = ((XMP, 1, metadata.xmp), (IPTC, 7, metadata.iptc))
    options["extratags"] = [(tag, kind, len(data), data, True) for tag, kind, data in beside if data]  # of one page
    with tifffile.TiffWriter(file, byteorder="<" if exif is None else exif.order) as writer:
        for samples in pages:
            writer.write(samples[..., 0] if samples.shape[2] == 1 else samples, **options, **_LAYOUTS[samples.shape[2]])
    if exif is not None:
        file.flush()
        _add_exif(file, exif)


def _add_exif(file: BinaryIO, exif: Exif) -> None:
    """Put EXIF data into a file whose bytes are in their order: a new first directory at its end has both."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        (start,) = struct.unpack_from(f"{exif.order}I", data, 4)
        (count,) = struct.unpack_from(f"{exif.order}H", data, start)
        (following,) = struct.unpack_from(f"{exif.order}I", data, start + 2 + 12 * count)
        own, _ = read_directory(data, start, exif.order)
        length = len(data)
    end = length + length % 2
    file.seek(end)
    file.write(exif.directories(end, exif.main | own, following))
    file.seek(4)
    file.write(struct.pack(f"{exif.order}I", end))
    file.seek(0, 2)
