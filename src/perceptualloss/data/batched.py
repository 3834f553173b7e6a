"""Work on a batch whose pictures differ in strength, kernel or kind: at once where they agree."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key", bound=Hashable)


def column(values: Sequence[float], like: Tensor) -> Tensor:
    """Return one value for each picture of a batch, (N, 1, 1, 1), of the batch's type and on its device."""
    return torch.tensor(list(values), dtype=like.dtype).to(like.device).view(-1, 1, 1, 1)


def in_groups(pictures: Tensor, keys: Sequence[Key | None], work: Callable[[Key, Tensor, list[int]], Tensor]) -> Tensor:
    """Return the pictures after some work that is done at once on all that have the same key, in their order.

    Args:
        pictures: (N, C, H, W).
        keys: one for each picture; one of None stays as it is.
        work: takes a key, its pictures and their places in the batch, and returns pictures, all groups' of one size.

    >>> in_groups(torch.ones(3, 1, 1, 1), ["a", None, "a"], lambda key, group, places: group + len(group)).flatten()
    tensor([3., 1., 3.])
    """
    groups: dict[Key | None, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    if len(groups) == 1:
        (key,) = groups
        return pictures if key is None else work(key, pictures, groups[key])
    found = [pictures[places] if key is None else work(key, pictures[places], places) for key, places in groups.items()]
    order = [place for places in groups.values() for place in places]
    return torch.cat(found)[torch.tensor(order).argsort().to(pictures.device)]
