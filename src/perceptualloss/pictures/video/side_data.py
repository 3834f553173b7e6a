"""What lies beside a frame's pixels."""

from __future__ import annotations

import struct
from typing import Any

_UPRIGHT = (1, 0, 0, 1)
_USUAL_PEAK = 1000.0


def side_data(frame: Any, kind: str) -> bytes | None:
    """Return the bytes of one kind (FFmpeg's name without AV_FRAME_DATA), or None."""
    try:
        return next((bytes(data) for data in frame.side_data if data.type.name == kind), None)
    except ValueError:  # kinds that PyAV does not know
        return None


def turn_of(frame: Any) -> tuple[int, int, int, int]:
    """Return where a frame's axes point on the screen, as signs: x to x, x to y, y to x, y to y."""
    data = side_data(frame, "DISPLAYMATRIX")
    if data is None:
        return _UPRIGHT
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (1 if a >= 0 else -1, 0, 0, 1 if d >= 0 else -1)
    return (0, 1 if b >= 0 else -1, 1 if c >= 0 else -1, 0)


def light_peak(frame: Any) -> float:
    """Return the brightest light in cd/m² that is promised: the content's, else the display's, else 1000."""
    content, display = side_data(frame, "CONTENT_LIGHT_LEVEL"), side_data(frame, "MASTERING_DISPLAY_METADATA")
    if content is not None and (most := struct.unpack("=I", content[:4])[0]):
        return float(most)
    if (
        display is not None and len(display) >= 88
    ):  # ten fractions, the last the most light; then which of them are there
        above, below, _, has_light = struct.unpack("=4i", display[72:88])
        if has_light and below and above > 0:
            return float(above / below)
    return _USUAL_PEAK
