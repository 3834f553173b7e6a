"""The head of a JPEG XL codestream, as far as size and colours are in it, because imagecodecs gives samples alone.

Source: ISO/IEC 18181-1, annex D (image header): fields of bits, least significant first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from perceptualloss.pictures.reading import coded
from perceptualloss.pictures.reading.boxes import boxes

CODESTREAM, BOX = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_GREY, _XYB, _UNKNOWN = 1, 2, 3
_ALPHA, _SPOT, _BLACK, _CFA = 0, 2, 4, 5
_SIZES = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_WHITES = {1: coded.D65, 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
_PRIMARIES = {
    1: coded.SRGB_PRIMARIES,
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}


@dataclass(frozen=True)
class Head:
    """Size and meaning of a picture.

    Attributes:
        chromaticities: of white, red, green and blue; of grey only white counts.
        transfer: H.273's code of the curve, or None where ``gamma`` (from values to light) is said.
        has_profile: whether there is an ICC profile in the place of these.
    """

    width: int
    height: int
    animated: bool = False
    associated: bool = False
    inks: bool = False
    grey: bool = False
    has_profile: bool = False
    chromaticities: tuple[float, ...] = (*coded.D65, *coded.SRGB_PRIMARIES)
    transfer: int | None = 13
    gamma: float | None = None


def codestream(data: bytes) -> bytes:
    """Return the codestream of a file, alone or in boxes."""
    if data.startswith(CODESTREAM):
        return data
    parts = [body if name == b"jxlc" else body[4:] for name, body in boxes(data) if name in (b"jxlc", b"jxlp")]
    return b"".join(parts)


class _Bits:
    """Reads fields of bits."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the head of a JPEG XL file ends early")
        part = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return part

    def flag(self) -> bool:
        return bool(self.take(1))

    def number(self, *choices: tuple[int, int]) -> int:
        """Take one of four kinds of number: a least value, and the bits that are added to it."""
        least, bits = choices[self.take(2)]
        return least + self.take(bits)

    def enum(self) -> int:
        return self.number(*_ENUM)

    def coordinate(self) -> float:
        packed = self.number((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
        return (packed >> 1 if packed % 2 == 0 else -(packed >> 1) - 1) / 1e6


def read_head(stream: bytes) -> Head:
    """Return what the head of a codestream says.

    Raises:
        ValueError: for no codestream, or curves and primaries that are not known.
    """
    if not stream.startswith(CODESTREAM):
        raise ValueError("no JPEG XL codestream")
    bits = _Bits(stream[2:1026])
    width, height = _size(bits)
    if bits.flag():  # all as usual
        return Head(width, height)
    animated = bits.flag() and _extra_fields(bits)
    _depth(bits)
    bits.flag()  # how large the decoder's numbers are
    extra = [_extra_channel(bits) for _ in range(bits.number((0, 0), (1, 0), (2, 4), (1, 12)))]
    bits.flag()  # whether it is coded as XYB; the decoder gives what follows all the same
    inks = any(kind == _BLACK for kind, _ in extra)
    return _with_colours(Head(width, height, animated, any(associated for _, associated in extra), inks), bits)


def _size(bits: _Bits) -> tuple[int, int]:
    eighths = bits.flag()

    def side() -> int:
        return 8 * (1 + bits.take(5)) if eighths else bits.number(*_SIZES)

    height = side()
    ratio = bits.take(3)
    return (height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else side()), height


def _extra_fields(bits: _Bits) -> bool:
    """Skip orientation (the decoder turns), another size and a preview; return whether frames follow in time."""
    bits.take(3)
    if bits.flag():
        _size(bits)
    if bits.flag():
        _preview(bits)
    animated = bits.flag()
    if animated:
        bits.number((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.number((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.number((0, 0), (0, 3), (0, 16), (0, 32))
        bits.flag()
    return animated


def _preview(bits: _Bits) -> None:
    eighths = bits.flag()
    kinds = ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.number(*kinds)
    if not bits.take(3):
        bits.number(*kinds)


def _depth(bits: _Bits) -> None:
    if bits.flag():
        bits.number((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    else:
        bits.number((8, 0), (10, 0), (12, 0), (1, 6))


def _extra_channel(bits: _Bits) -> tuple[int, bool]:
    """Return what a channel beside the colours is, and whether the colours were multiplied by it."""
    if bits.flag():
        return _ALPHA, False
    kind = bits.enum()
    _depth(bits)
    bits.number((0, 0), (3, 0), (4, 0), (1, 3))
    for _ in range(bits.number((0, 0), (0, 4), (16, 5), (48, 10))):
        bits.take(8)
    if kind == _SPOT:
        bits.take(64)
    if kind == _CFA:
        bits.number((1, 0), (0, 2), (3, 4), (19, 8))
    return kind, kind == _ALPHA and bits.flag()


def _with_colours(head: Head, bits: _Bits) -> Head:
    if bits.flag():
        return head
    has_profile, space = bits.flag(), bits.enum()
    grey = space == _GREY
    if has_profile:
        return replace(head, has_profile=True, grey=grey)
    if space in (_XYB, _UNKNOWN):
        raise ValueError("JPEG XL in colours that it does not name")
    white = bits.enum()
    points = tuple(bits.coordinate() for _ in range(2)) if white == 2 else _WHITES[white]
    if not grey:
        primaries = bits.enum()
        points += tuple(bits.coordinate() for _ in range(6)) if primaries == 2 else _PRIMARIES[primaries]
    else:
        points += coded.SRGB_PRIMARIES
    if bits.flag():
        return replace(head, grey=grey, chromaticities=points, transfer=None, gamma=1e7 / max(bits.take(24), 1))
    return replace(head, grey=grey, chromaticities=points, transfer=bits.enum())
