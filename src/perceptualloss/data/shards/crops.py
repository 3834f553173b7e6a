"""Training samples and validation pictures out of shards."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from perceptualloss.data.crops import flip, numbers_of, whole
from perceptualloss.data.decoding import shrunk
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.inputs import Clean, CropSource, Inputs, Sample
from perceptualloss.data.shards.index import Index
from perceptualloss.data.shards.order import Group, Numbers, Order
from perceptualloss.data.shards.store import Store
from perceptualloss.errors import InputError
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.decode import stored_picture
from perceptualloss.pictures.listing import counted
from perceptualloss.pictures.reading.decoded import Request
from perceptualloss.pictures.refusals import refusing
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import to_8_bits
from perceptualloss.pictures.stored import Stored

log = logging.getLogger(__name__)

GROUP = 2**31  # bytes of the shards whose pictures are shuffled together
_KEPT = 2**28  # bytes of validation pieces that stay in memory
Choice = Callable[[int, int], Box]
"""Given a picture's height and width in pixels, returns which part of it to take."""


class ShardPictures:
    """The pictures of shards that are large enough, found by the number of the shard and a number in it.

    Args:
        store: gives the bytes of the shards.
        shards: their paths or addresses.
        min_size: pixels that each side must have, after shrinking.
        shorter_side: pixels to which the shorter side of larger pictures is shrunk (bicubic); None leaves them.

    Attributes:
        indexes: the index of each shard.
        usable: for each shard, which pictures of its index are large enough.

    Raises:
        InputError: for shards that are missing or broken, no picture that is large enough, or a shorter side below
            ``min_size``.
    """

    def __init__(self, store: Store, shards: Sequence[str], min_size: int = 1, shorter_side: int | None = None) -> None:
        if shorter_side is not None and shorter_side < min_size:
            raise InputError(f"a shorter side from {min_size} pixels, the crop", str(shorter_side))
        self.store, self.shards, self.min_size, self.shorter_side = store, list(shards), min_size, shorter_side
        self.indexes = store.indexes(self.shards)
        self.usable = [_large_enough(index, min_size) for index in self.indexes]
        self._bad: set[tuple[int, int]] = set()
        left_out = sum((Counter(index.left_out) for index in self.indexes), Counter[str]())
        if left_out:
            log.warning("left out in the shards: %s", counted(left_out))
        count = sum(map(len, self.indexes))
        if not count:
            raise InputError("pictures in the shards", f"none in {len(self.shards)}, such as {self.shards[0]}")
        if not len(self):
            most = max(int(np.minimum(index.heights, index.widths).max()) for index in self.indexes if len(index))
            remedy = "Choose a smaller crop or larger pictures."
            raise InputError(f"a crop of at most {most} pixels for these pictures", f"{min_size}", remedy)
        if count > len(self):
            log.warning("left out %d of %d pictures: smaller than %d pixels", count - len(self), count, min_size)

    def __len__(self) -> int:
        """Return how many pictures are large enough."""
        return sum(map(len, self.usable))

    def piece(self, shard: int, number: int, choose: Choice) -> Tensor | None:
        """Return a part of a picture, uint8 (3, H, W); None if the picture does not decode, with one warning.

        Args:
            shard: the number of the shard, from 0.
            number: which of its usable pictures, from 0.
            choose: returns the part, given height and width of the picture.
        """
        place = int(self.usable[shard][number])
        if (shard, place) in self._bad:
            return None
        index = self.indexes[shard]
        data = self.store.read(self.shards[shard], index, place)
        name = self.shards[shard]
        try:
            with refusing(name):
                return self._piece(data, _Member(name, file=True, index=index, number=place), choose)
        except InputError as error:
            self._bad.add((shard, place))
            log.warning("skipped %s: %s", f"{index.name(place)} in {name}", error.got)
            return None

    def _piece(self, data: bytes, request: Request, choose: Choice) -> Tensor:
        stored = stored_picture(data, request)
        height, width = shrunk((stored.height, stored.width), self.shorter_side)
        if min(height, width) < self.min_size:
            raise InputError(f"sides of {self.min_size} pixels", f"{width} x {height}, other than its index says")
        if (height, width) == (stored.height, stored.width):
            return to_8_bits(_colours(stored, choose(height, width))[0])
        full = _colours(stored, Box(0, stored.height, 0, stored.width))
        return choose(height, width).cut(to_8_bits(resize(full, size=(height, width))[0]))


@dataclass(frozen=True)
class _Member(Request):
    """A picture of a shard. Its own name is looked up only if something is said of it."""

    index: Index | None = None
    number: int = 0

    def say(self, remark: str) -> None:
        """Log a remark, with the picture's name."""
        own = "" if self.index is None else f"{self.index.name(self.number)} in "
        Request(f"{own}{self.name}", file=self.file).say(remark)


def _colours(stored: Stored, box: Box) -> Tensor:
    return stored.cut(box).over_white()


def _large_enough(index: Index, side: int) -> Numbers:
    """Return the numbers of an index's pictures whose sides have at least ``side`` pixels."""
    shorter = np.minimum(index.heights, index.widths)
    return np.flatnonzero(shorter >= side)  # none is shrunk below the crop


class ShardCrops(CropSource):
    """Random crops of the pictures of shards. Sample n is a pure function of (seed, n).

    In each epoch every picture comes once (see :class:`Order`). If a picture does not decode, it is skipped with a
    warning, and the next one of the order takes its place.

    A sample is (input, target): float32 in [0, 1], (3, crop / scale, crop / scale) and (3, crop, crop).

    Args:
        pictures: the pictures of the shards.
        counts: how many usable pictures of each shard are for training; they are its first ones.
        degradation: makes the input from the crop.
        crop: height and width of the target in pixels, a multiple of the degradation's scale.
        seed: a whole number from 0.

    Raises:
        InputError: for a crop that is no multiple of the scale.
    """

    def __init__(
        self, pictures: ShardPictures, counts: Sequence[int], degradation: Degradation, crop: int, seed: int = 0
    ) -> None:
        if crop < 1 or crop % degradation.scale:
            raise InputError(f"crop to be a multiple of the scale {degradation.scale}", f"{crop}")
        self.pictures, self.degradation, self.crop, self.seed = pictures, degradation, crop, seed
        self.inputs = Inputs(degradation, seed)
        self.order = Order(counts, shards_in_group(pictures.indexes), seed)
        self._furthest = (-1, -1)

    def __len__(self) -> int:
        """Return the number of samples. There is no end, so it is the largest that Python has."""
        return sys.maxsize

    def clean(self, index: int) -> Clean:
        """Return the crop of sample ``index`` before it is degraded."""
        group, place = self.order.find(index)
        self._look_ahead(group)

        def choose(height: int, width: int) -> Box:
            scale = self.degradation.scale
            top, left = (scale * int(random.integers((side - self.crop) // scale + 1)) for side in (height, width))
            return Box.at(top, left, self.crop, self.crop)

        for shard, number in group.pictures(place):
            random = numbers_of(self.seed, index)  # anew: whether a picture was known not to decode must not show
            piece = self.pictures.piece(shard, number, choose)
            if piece is not None:
                break
        else:
            raise InputError(
                "at least one picture that decodes", f"none of {len(group.order)} in {len(group.shards)} shards"
            )
        (cut,) = flip([piece], random)
        return Clean(cut[None].contiguous(), (index,))

    def _look_ahead(self, group: Group) -> None:
        """Begin to fetch the shards of a new group, and of the group after it."""
        if (group.epoch, group.number) > self._furthest:
            self._furthest = group.epoch, group.number
            pictures = self.pictures
            groups = group, self.order.group(group.epoch, group.number + 1)
            numbers = dict.fromkeys(int(shard) for one in groups for shard in one.shards)
            pictures.store.ahead((pictures.shards[shard], pictures.indexes[shard].size) for shard in numbers)


def shards_in_group(indexes: Sequence[Index]) -> int:
    """Return how many shards are shuffled together: as many as have about 2 GiB, at least one."""
    mean = sum(index.size for index in indexes) / len(indexes)
    return max(1, round(GROUP / mean))


class HeldOut(Dataset[Sample]):
    """The validation pictures of shards: the middles of pictures that are not trained on, and their inputs.

    A picture that does not decode is left out.

    Args:
        pictures: the pictures of the shards.
        chosen: (shard, number) of each validation picture.
        degradation: makes the input from the target.
        size: the largest height and width of a middle in pixels.
    """

    def __init__(
        self, pictures: ShardPictures, chosen: Sequence[tuple[int, int]], degradation: Degradation, size: int
    ) -> None:
        self.pictures, self.degradation, self.size = pictures, degradation, size
        self._room, self._kept = _KEPT, dict[tuple[int, int], Tensor]()
        self.chosen = [one for one in chosen if self._middle(one) is not None]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.chosen)

    def __getitem__(self, index: int) -> Sample:
        """Return (input, target) of one picture, float32 in [0, 1], (3, h, w) and (3, H, W)."""
        middle = self._middle(self.chosen[index])
        if middle is None:
            raise InputError("a validation picture that decodes as before", "none")
        return whole(middle, self.degradation, seed=index)

    def _middle(self, chosen: tuple[int, int]) -> Tensor | None:
        if chosen in self._kept:
            return self._kept[chosen]
        middle = self.pictures.piece(*chosen, self._choose)
        if middle is not None and middle.numel() <= self._room:
            self._kept[chosen] = middle
            self._room -= middle.numel()
        return middle

    def _choose(self, height: int, width: int) -> Box:
        top, left = (max(0, (side - self.size) // 2) for side in (height, width))
        return Box.at(top, left, min(height, self.size), min(width, self.size))
