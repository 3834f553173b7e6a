"""Parts of pictures as the browser shows them: exact where it zooms in, smaller where it does not."""

from __future__ import annotations

import io

from perceptualloss.files import write_whole
from perceptualloss.page.kept import part_of
from perceptualloss.page.refusals import PageError
from perceptualloss.page.store import Entry
from perceptualloss.pictures.box import Box

_MOST = 4_200_000  # pixels of what is sent at once
_LARGEST = 64  # times that a part can be made smaller


def part(entry: Entry, box: Box | None, reduce: int) -> bytes:
    """Return a part of what an entry shows as a PNG file, without loss where ``reduce`` is 1.

    Args:
        entry: an upload or a result.
        box: which part; None is all of it.
        reduce: how many pixels a side become one, their mean.

    Raises:
        PageError: a part that is not in the picture, or too much of it.
    """
    samples = entry.frame()
    whole = Box(0, samples.shape[0], 0, samples.shape[1])
    inner = whole if box is None else box
    inside = 0 <= inner.top < inner.bottom <= whole.bottom and 0 <= inner.left < inner.right <= whole.right
    if not inside or not 1 <= reduce <= _LARGEST or inner.height * inner.width > _MOST * reduce**2:
        raise PageError("request", detail="part")
    kept = entry.folder / f"whole-{reduce}.png"
    if inner == whole and kept.is_file():
        return kept.read_bytes()
    buffer = io.BytesIO()
    part_of(samples, inner, reduce).save(buffer, "PNG", compress_level=1)
    if inner == whole:
        write_whole(buffer.getvalue(), kept)
    return buffer.getvalue()
