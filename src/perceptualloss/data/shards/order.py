"""The order of training samples: which picture sample n is of, by arithmetic alone.

In each epoch every picture comes once. The shards are permuted; so many in a row make a group, and the pictures of a
group are permuted together. So a group of shards is all that is read from at a time, and any sample's place is found
without those before it.
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
        epoch: in which they are.
        number: of the group in its epoch, from 0.
        shards: their numbers.
        ends: how many pictures the shards up to each have.
        first: the place of the group's first picture in its epoch.
        order: the pictures, permuted.
    """

    epoch: int
    number: int
    shards: Numbers
    ends: Numbers
    first: int
    order: Numbers

    def pictures(self, place: int) -> Iterator[tuple[int, int]]:
        """Go through the group's pictures, (shard, picture), from a place of its epoch on, and then from the start."""
        for later in range(len(self.order)):
            chosen = int(self.order[(place - self.first + later) % len(self.order)])
            which = int(np.searchsorted(self.ends, chosen, side="right"))
            yield int(self.shards[which]), chosen - (int(self.ends[which - 1]) if which else 0)


class Order:
    """Which picture each training sample is of: a pure function of (seed, n) and the number of pictures in the shards.

    Args:
        counts: how many pictures each shard has.
        shards_in_group: how many shards are shuffled together.
        seed: whole number from 0.

    Raises:
        InputError: for no pictures at all.
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
        """Return the group that sample ``sample`` is of, and its place in the epoch.

        >>> group, place = Order([2, 3], 1, seed=0).find(6)
        >>> group.epoch, place, len(list(group.pictures(place))) in (2, 3)
        (1, 1, True)
        """
        epoch, place = divmod(sample, self.pictures)
        _, ends = self._of_epoch(epoch)
        return self.group(epoch, int(np.searchsorted(ends, place, side="right"))), place

    def group(self, epoch: int, number: int) -> Group:
        """Return a group of an epoch; one behind the last is the next epoch's first."""
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
    """Return a permutation by sorting raw draws, which NumPy promises to be the same in every version."""
    draws = np.random.Philox(np.random.SeedSequence(seed, spawn_key=where)).random_raw(length)
    return np.argsort(draws, kind="stable")
