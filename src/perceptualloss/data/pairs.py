"""Inputs with their targets, decoded: what trainings from two folders crop."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from perceptualloss.data.decoding import Decoding, Size
from perceptualloss.data.kept import Kept
from perceptualloss.data.masks import Masks
from perceptualloss.data.picture_cache import PictureCache
from perceptualloss.data.sizes import Skipped, picture_sizes
from perceptualloss.errors import InputError

Pair = tuple[Tensor, Tensor]  # of 8 bits, the target perhaps with a mask as fourth channel
Found = Mapping[str, tuple[tuple[Path, Path], tuple[Size, Size]]]  # files and sizes of input and target


class Pairs:
    """Inputs with their targets: ``pairs[i]`` is (input, target), uint8, (3, H, W) and (3, scale H, scale W).

    Pairs whose sizes do not go together or are too small are skipped with a warning in the log. What is decoded is kept
    as :class:`perceptualloss.data.folder.Photos` keeps it. For a pair that turns out not to decode, the next one takes
    its place.

    Args:
        files: (input, target) by name.
        scale: target size / input size.
        crop: height and width that each target must have.
        memory_limit: bytes to keep decoded pictures in.
        masks: masks that become the targets' fourth channel; a pair whose mask cannot be used is skipped.
        cache: files for decoded pictures beyond the memory limit.

    Raises:
        InputError: if no pair is left.
    """

    def __init__(
        self,
        files: Mapping[str, tuple[Path, Path]],
        scale: int = 1,
        crop: int = 1,
        memory_limit: int = 2 * 2**30,
        masks: Masks | None = None,
        cache: PictureCache | None = None,
    ) -> None:
        sizes = picture_sizes([file for pair in files.values() for file in pair])
        found, skipped = {}, Skipped()
        for (name, pair), low, high in zip(files.items(), sizes[::2], sizes[1::2], strict=True):
            if low is None or high is None:
                continue
            if tuple(scale * side for side in low) != high or min(high) < crop:
                skipped.add(pair[1], f"{high} for an input of {low}, scale {scale} and crop {crop}")
            elif masks is not None and (reason := masks.fault(pair[1], high)) is not None:
                skipped.add(pair[1], reason)
            else:
                found[name] = pair, (low, high)
        skipped.close()
        if not found:
            expected = f"at least one pair of {crop} pixels or more whose target is {scale} times its input's size"
            raise InputError(expected, f"none in {len(files)}")
        self.scale = scale
        self._keep(found, (Decoding(), Decoding(masks=masks)), memory_limit, cache)

    def _keep(
        self, found: Found, decodings: tuple[Decoding, Decoding], memory_limit: int, cache: PictureCache | None
    ) -> None:
        self._found = found
        self.files = {name: pair for name, (pair, _) in found.items()}
        files = [file for pair in self.files.values() for file in pair]
        sizes = [size for _, both in found.values() for size in both]
        self.kept = Kept(files, sizes, decodings, memory_limit, cache)

    def only(
        self,
        names: Collection[str],
        memory_limit: int = 0,
        cache: PictureCache | None = None,
        middle: int | None = None,
    ) -> Pairs:
        """Return some of the pairs, to be kept by themselves, without reading headers again.

        Args:
            names: of these pairs.
            memory_limit: as of the class.
            cache: as of the class.
            middle: the largest height and width of the pieces, from the middle of the targets, that are kept, with the
                inputs' part there; None keeps the pictures.
        """
        part, scale = object.__new__(Pairs), self.scale
        low, high = self.kept.decodings
        if middle is not None:
            low, high = replace(low, middle=max(1, middle // scale)), replace(high, middle=middle, grid=scale)
        part.scale = scale
        part._keep(
            {name: each for name, each in self._found.items() if name in names}, (low, high), memory_limit, cache
        )
        return part

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.files)

    def __getitem__(self, index: int) -> Pair:
        """Return one pair."""
        first = range(len(self))[index]
        for number in range(first, first + len(self)):
            pair = self._pair(number % len(self))
            if pair is not None:
                return pair
        raise InputError("at least one pair that decodes", f"none in {len(self)} any more")

    def found(self) -> Iterator[Pair]:
        """Yield the pairs that decode."""
        for index in range(len(self)):
            pair = self._pair(index)
            if pair is not None:
                yield pair

    def _pair(self, index: int) -> Pair | None:
        if (low := self.kept[2 * index]) is None or (high := self.kept[2 * index + 1]) is None:
            return None
        return low, high
