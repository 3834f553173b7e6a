"""How large a result is: as a network makes it, or as somebody wants it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from perceptualloss.errors import InputError


@dataclass(frozen=True)
class ResultSize:
    """The wanted size of a result: at most one of these; with none of them it is the network's own.

    Attributes:
        scale: how many times as high and wide as the picture.
        width: in pixels; the height follows, rounded.
        height: in pixels; the width follows, rounded.
        megapixels: millions of pixels in all, as near as whole rows and columns come.

    Raises:
        InputError: several of them, one that is not above 0, or parts of a pixel.

    >>> ResultSize(width=3840).of(1000, 1500), ResultSize(scale=1.5).of(5, 7), ResultSize(megapixels=24).of(3000, 4000)
    ((2560, 3840), (8, 11), (4243, 5657))
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    megapixels: float | None = None

    def __post_init__(self) -> None:
        given = self._given()
        if len(given) > 1:
            raise InputError("one of scale, width, height and megapixels", " and ".join(given), "Leave out the others.")
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise InputError(f"{name} above 0", f"{value:g}")
            if name in ("width", "height") and value != int(value):
                raise InputError(f"{name} as a whole number of pixels", f"{value:g}")

    def _given(self) -> dict[str, float]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def wanted(self) -> bool:
        """Whether a size is wanted, other than the network's own."""
        return bool(self._given())

    def factor(self, height: int, width: int) -> float | None:
        """Return how many times larger a picture of this size is to become; None where nothing is wanted."""
        if self.scale is not None:
            return float(self.scale)
        if self.width is not None:
            return self.width / width
        if self.height is not None:
            return self.height / height
        return None if self.megapixels is None else math.sqrt(self.megapixels * 1e6 / (height * width))

    def of(self, height: int, width: int, own: int = 1) -> tuple[int, int]:
        """Return height and width of the result of a picture.

        Args:
            height: of the picture.
            width: likewise.
            own: scale of the network, which counts where no size is wanted.
        """
        factor = self.factor(height, width)
        if factor is None:
            return own * height, own * width
        sides = _rounded(factor * height), _rounded(factor * width)
        return self.height or sides[0], self.width or sides[1]

    def __str__(self) -> str:
        """Say it in words, such as "scale 3" or "width 3840"."""
        return next((f"{name} {value:g}" for name, value in self._given().items()), "the network's own size")


def _rounded(side: float) -> int:
    """Return the nearest number of pixels, half a pixel up; at least 1."""
    return max(1, math.floor(side + 0.5))
