"""TIFF files: pages one after the other, in strips, with the EXIF data of the first."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import imagecodecs
import numpy as np
import tifffile

from perceptualloss.pictures.exif import IPTC, NARROW, WIDE, XMP, Exif, read_directory
from perceptualloss.pictures.metadata import Metadata
from perceptualloss.pictures.rows import Rows, Samples, on_all_cores

_LAYOUTS: dict[int, dict[str, Any]] = {  # by the number of channels
    1: {"photometric": "minisblack"},
    2: {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    3: {"photometric": "rgb", "planarconfig": "contig"},
    4: {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
}


_STRIP = 1 << 18  # bytes, as tifffile's
_MOST = 2**32 - 2**25  # bytes of samples in a file whose places have 32 bits


def write_pages(file: BinaryIO, pages: Iterator[Rows], size: int, metadata: Metadata, profile: bytes) -> None:
    """Write pages into an open file that can be read, too; compressed without loss, opacity unassociated.

    Args:
        file: empty, on a disk.
        pages: each taken when the one before is written.
        size: bytes of the samples of all pages; for more than 4 GB it is a BigTIFF.
        metadata: of the first page.
        profile: a colour profile, or nothing.
    """
    exif = metadata.exif
    order: Literal["<", ">"] = "<" if exif is None else exif.order
    options: dict[str, Any] = {"compression": "zlib", "predictor": True, "metadata": None, "software": False}
    if metadata.dpi is not None:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    if profile:
        options["iccprofile"] = profile
    beside = ((XMP, 1, metadata.xmp), (IPTC, 7, metadata.iptc))
    options["extratags"] = [(tag, kind, len(data), data, True) for tag, kind, data in beside if data]  # of one page
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=size > _MOST) as writer:
        for page in pages:
            _write_page(writer, page, order, options)
    if exif is not None:
        file.flush()
        _add_exif(file, exif, size > _MOST)


def _write_page(writer: tifffile.TiffWriter, page: Rows, order: Literal["<", ">"], options: dict[str, Any]) -> None:
    """Write a page in strips that are compressed here, because tifffile takes whole pages or such strips."""

    def compressed(samples: Samples) -> bytes:
        steps = imagecodecs.delta_encode(np.ascontiguousarray(samples), axis=-2)
        return bytes(imagecodecs.deflate_encode(steps.astype(steps.dtype.newbyteorder(order), copy=False).tobytes()))

    rows = min(page.height, max(1, _STRIP // page.row_size))
    shape = (page.height, page.width) if page.channels == 1 else (page.height, page.width, page.channels)
    strips = on_all_cores(compressed, page.strips(rows))
    writer.write(
        strips,
        shape=shape,
        dtype=page.dtype,
        rowsperstrip=rows,
        **options,
        **_LAYOUTS[page.channels],
    )
    strips.close()  # or tifffile would keep the page until Python looks for cycles


def _add_exif(file: BinaryIO, exif: Exif, big: bool) -> None:
    """Put EXIF data into a file whose bytes are in their order: a new first directory at its end has both."""
    width = WIDE if big else NARROW
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        (start,) = struct.unpack_from(f"{exif.order}{width.place}", data, width.inline)
        (count,) = struct.unpack_from(f"{exif.order}{width.count}", data, start)
        after = start + width.head + width.entry * count
        (following,) = struct.unpack_from(f"{exif.order}{width.place}", data, after)
        own, _ = read_directory(data, start, exif.order, width)
        length = len(data)
    end = length + length % 2
    file.seek(end)
    file.write(exif.directories(end, exif.main | own, following, width))
    file.seek(width.inline)
    file.write(struct.pack(f"{exif.order}{width.place}", end))
    file.seek(0, 2)
