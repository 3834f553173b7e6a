"""Several networks one after the other, as one network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork


class Cascade(TransformationNetwork):
    """Networks that work one after the other: what one gives, cut to [0, 1], the next one takes.

    Its scale is the product of theirs. It is cut into tiles as they are, so that pictures between them are never whole
    in memory, unless one of them looks at the whole picture.

    Args:
        networks: the first one first; the same one may be there several times.

    Raises:
        InputError: no network.

    >>> Cascade([nn.Identity(), nn.Identity()]).scale
    1
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        if not networks:
            raise InputError("networks to work in turn", "none")
        self.networks = nn.ModuleList(networks)
        self.scale = math.prod(scale_of(network) for network in networks)
        # One that enlarges by the size of the whole is cut after that, which is not possible in the middle.
        self.whole = any(getattr(n, "whole", False) or isinstance(n, InterpolatingNetwork) for n in networks)
        formats = [getattr(network, "precisions", TransformationNetwork.precisions) for network in networks]
        self.precisions = tuple(name for name in formats[0] if all(name in others for others in formats))
        grids = [(int(getattr(network, "grid", 1)), before) for network, before in self._at()]
        self.grid = math.lcm(*(grid // math.gcd(grid, before) for grid, before in grids))

    def _at(self) -> Iterator[tuple[nn.Module, int]]:
        """Yield each network, and how many times larger than the input the picture is that it gets."""
        before = 1
        for network in self.networks:
            yield network, before
            before *= scale_of(network)

    @property
    def reach(self) -> int | None:
        """How many pixels of the input, to either side, an output pixel depends on; None if that of one is unknown."""
        pixels = 0
        for network, before in self._at():
            own = network.reach if isinstance(network, TransformationNetwork) else None
            if own is None:
                return None
            pixels += math.ceil(own / before)
        return pixels

    @property
    def bytes_per_pixel(self) -> int | None:
        """Of the network that needs most, for a pixel of the input; None if nobody said."""
        known = [(getattr(network, "bytes_per_pixel", None), before) for network, before in self._at()]
        return max((each * before**2 for each, before in known if each is not None), default=None)

    def forward(self, x: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), about [0, 1]."""
        for number, network in enumerate(self.networks):
            x = network(x.clamp(0, 1) if number else x)
        return x


def scale_of(network: nn.Module) -> int:
    """Return how many times larger a network makes pictures; 1 if it does not say.

    >>> scale_of(nn.Identity())
    1
    """
    return int(getattr(network, "scale", 1))
