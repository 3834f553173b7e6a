"""The order of training samples: which picture sample n shows, by arithmetic alone.

In each epoch every picture comes once. The shards are permuted, and several in a row make a group. The pictures of a
group are permuted together. So only one group of shards is read from at a time, and a sample's place is found without
the samples before it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perceptualloss.errors import InputError

Numbers = NDArray[np.int64]
_KEPT = 4  # groups whose order is kept: batches of several workers straddle two


@dataclass(frozen=True)
class Group:
    """Shards whose pictures are shuffled together.

    Attributes:
        epoch: the epoch, from 0.
        number: the group's number in its epoch, from 0.
        shards: the numbers of its shards.
        ends: for each shard, how many pictures it and the shards before it in the group have.
        first: the place in the epoch of the group's first picture.
        order: the numbers of the group's pictures, permuted.
    """

    epoch: int
    number: int
    shards: Numbers
    ends: Numbers
    first: int
    order: Numbers

    def pictures(self, place: int) -> Iterator[tuple[int, int]]:
        """Go through all pictures of the group as (shard, picture), beginning at a place of the epoch."""
        for later in range(len(self.order)):
            chosen = int(self.order[(place - self.first + later) % len(self.order)])
            which = int(np.searchsorted(self.ends, chosen, side="right"))
            yield int(self.shards[which]), chosen - (int(self.ends[which - 1]) if which else 0)


class Order:
    """Which picture each training sample shows.

    This is a pure function of the seed, of the sample's number, and of how many pictures each shard has.

    Args:
        counts: how many pictures each shard has.
        shards_in_group: how many shards are shuffled together, from 1.
        seed: a whole number from 0.

    Raises:
        InputError: for no pictures at all, or no shard in a group.
    """

    def __init__(self, counts: Sequence[int], shards_in_group: int, seed: int) -> None:
        self.counts, self.seed = np.array(counts, np.int64), seed
        self.shards_in_group = shards_in_group
        self.pictures = int(self.counts.sum())
        if self.pictures < 1 or shards_in_group < 1:
            raise InputError("at least one picture and one shard in a group", f"{self.pictures} and {shards_in_group}")
        self._shards = np.flatnonzero(self.counts)  # others are not read, for nothing
        self.groups = -(-len(self._shards) // shards_in_group)
        self._epoch = (-1, self.counts, self.counts)  # number, order of the shards, ends of the groups
        self._groups: OrderedDict[tuple[int, int], Group] = OrderedDict()

    def find(self, sample: int) -> tuple[Group, int]:
        """Return the group of a sample, and the sample's place in its epoch; samples are counted from 0.

        >>> group, place = Order([2, 3], 1, seed=0).find(6)
        >>> group.epoch, place, len(list(group.pictures(place))) in (2, 3)
        (1, 1, True)
        """
        epoch, place = divmod(sample, self.pictures)
        _, ends = self._of_epoch(epoch)
        return self.group(epoch, int(np.searchsorted(ends, place, side="right"))), place

    def group(self, epoch: int, number: int) -> Group:
        """Return a group of an epoch; the one after the last is the first of the next epoch."""
        epoch, number = epoch + number // self.groups, number % self.groups
        if (known := self._groups.get((epoch, number))) is not None:
            return known
        shards, ends = self._of_epoch(epoch)
        own = shards[number * self.shards_in_group : (number + 1) * self.shards_in_group]
        inner = np.cumsum(self.counts[own])
        order = permutation(int(inner[-1]), self.seed, 2, epoch, number)
        group = Group(epoch, number, own, inner, int(ends[number - 1]) if number else 0, order)
        self._groups[epoch, number] = group
        if len(self._groups) > _KEPT:
            self._groups.popitem(last=False)
        return group

    def _of_epoch(self, epoch: int) -> tuple[Numbers, Numbers]:
        if self._epoch[0] != epoch:
            shards = self._shards[permutation(len(self._shards), self.seed, 1, epoch)]
            starts = np.arange(0, len(shards), self.shards_in_group)
            self._epoch = epoch, shards, np.cumsum(np.add.reduceat(self.counts[shards], starts))
        return self._epoch[1:]


def permutation(length: int, seed: int, *where: int) -> Numbers:
    """Return a permutation of 0 to ``length`` - 1, by sorting raw draws, which are the same in every version of NumPy.

    Args:
        length: how many numbers.
        seed: of the draws.
        where: numbers that tell this permutation from others of the same seed.
    """
    draws = np.random.Philox(np.random.SeedSequence(seed, spawn_key=where)).random_raw(length)
    return np.argsort(draws, kind="stable")
