"""Netpbm (PGM, PPM) with more than 8 bits, which Pillow rounds to 8 in colour."""

from __future__ import annotations

import re

import numpy as np

from perceptualloss.pictures.reading.decoded import Request, Source, apart

_HEAD = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3 + rb"(?:\s*#[^\n]*\n)*\s")


def netpbm_source(data: bytes, request: Request) -> Source | None:
    """Open a file with more than 8 bits a sample; None for others.

    Raises:
        ValueError: for samples that are missing or larger than the file says.
    """
    head = _HEAD.match(data)
    if head is None or int(head[4]) <= 255:
        return None
    kind, width, height, most = (int(part) for part in head.groups())
    if most > 65535:
        raise ValueError(f"samples up to {most}; Netpbm ends at 65535")
    request.check_size(width, height)
    channels = 3 if kind in (3, 6) else 1
    count = width * height * channels
    if kind > 3:
        samples = np.frombuffer(data, ">u2", count, head.end())
    else:
        samples = np.array(data[head.end() :].split()[:count], np.uint32)
    if len(samples) < count or samples.max() > most:
        raise ValueError(f"samples that are missing, or larger than {most}")
    values = samples.reshape(height, width, channels).astype(np.float32) / np.float32(most)
    return Source(lambda index: apart(values, bits=16))
