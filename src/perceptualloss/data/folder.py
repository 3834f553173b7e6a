"""A list of picture files as 8-bit tensors, decoded once and kept in memory."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, overload

from torch import Tensor

from perceptualloss.data.masks import Masks, with_mask
from perceptualloss.errors import InputError, check_choice
from perceptualloss.pictures import images
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import to_8_bits

log = logging.getLogger(__name__)

Size = tuple[int, int]


class Photos(Sequence[Tensor]):
    """Pictures of a list of files: ``photos[i]`` is uint8, (3, H, W), or (4, H, W) with a mask.

    What fits into ``memory_limit`` is decoded once, by several threads; the rest at each access. A file that
    does not decode, or is smaller than ``min_size`` on a side, is skipped with a warning in the log. Should a
    file turn unreadable later, the next one takes its place, so a long training goes on.

    Args:
        files: Picture files, such as :func:`perceptualloss.pictures.listing.picture_files` gives.
        min_size: Pixels that each side must have: the crop, for training.
        memory_limit: Bytes to keep decoded pictures in.
        shorter_side: Pixels to which the shorter side of larger pictures is shrunk (bicubic); None leaves them.
        masks: Masks that become a fourth channel; a picture whose mask cannot be used is skipped.

    Attributes:
        files: The files in use, in the order given.

    Raises:
        InputError: No file decodes, all that do are smaller than ``min_size``, or a shorter side below that.
    """

    def __init__(
        self,
        files: Iterable[str | os.PathLike[str]],
        min_size: int = 1,
        memory_limit: int = 2 * 2**30,
        shorter_side: int | None = None,
        masks: Masks | None = None,
    ) -> None:
        if shorter_side is not None and shorter_side < min_size:
            raise InputError(f"a shorter side from {min_size} pixels, the crop", str(shorter_side))
        self._decode = partial(decode, shorter_side=shorter_side, masks=masks)
        paths = [Path(file) for file in files]
        full_sizes = {path: size for path in paths if (size := picture_size(path)) is not None}
        sizes = {path: _shrunk(size, shorter_side) for path, size in full_sizes.items()}
        fitting = [path for path, size in sizes.items() if min(size) >= min_size]
        if sizes and not fitting:
            largest = max(min(size) for size in sizes.values())
            remedy = "Choose a smaller crop or larger pictures."
            raise InputError(f"a crop of at most {largest} pixels for these pictures", f"{min_size}", remedy)
        for path, (height, width) in sizes.items():
            if min(height, width) < min_size:
                log.warning("skipped %s: %d x %d is smaller than %d pixels", path, width, height, min_size)
        self._kept = self._decode_all(_within(fitting, sizes, memory_limit))  # None for what does not decode
        self.files = [path for path in fitting if path not in self._kept or self._kept[path] is not None]
        if not self.files:
            raise InputError("at least one picture that decodes", f"none in {len(paths)} files")

    def __len__(self) -> int:
        """Return the number of pictures in use."""
        return len(self.files)

    def _decode_all(self, paths: list[Path]) -> dict[Path, Tensor | None]:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
            return dict(zip(paths, threads.map(self._decode, paths), strict=True))

    def only(self, files: Iterable[Path]) -> Photos:
        """Return those of the pictures that are in ``files``, without decoding them again."""
        chosen = set(files)
        part = copy.copy(self)
        part.files = [file for file in self.files if file in chosen]
        return part

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        """Return one picture, uint8 (3, H, W), or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        first = range(len(self))[index]
        for path in self.files[first:] + self.files[:first]:
            picture = self._kept[path] if path in self._kept else self._decode(path)
            if picture is not None:
                return picture
            self._kept[path] = None  # warn once
        raise InputError("at least one picture that decodes", f"none in {len(self)} files any more")


def split_files(files: Iterable[Path], validation: int | float) -> tuple[list[Path], list[Path]]:
    """Split files into those for training and those for validation: the last ones by name.

    Args:
        files: Picture files in any order.
        validation: How many, or, below 1, what share of them (at least one).

    Raises:
        InputError: Nothing would be left for training or for validation.

    >>> split_files([Path("c.png"), Path("a.png"), Path("b.png")], 1)
    ([PosixPath('a.png'), PosixPath('b.png')], [PosixPath('c.png')])
    """
    ordered = sorted(files, key=lambda path: (path.name, path))
    count = int(validation) if validation >= 1 else max(1, round(validation * len(ordered)))
    if not (validation > 0 and 0 < count < len(ordered)):
        raise InputError(
            "at least one picture each for training and validation",
            f"{len(ordered)} pictures of which {validation:g} are for validation",
            "Add pictures or keep fewer for validation.",
        )
    return ordered[:-count], ordered[-count:]


def picture_size(path: Path) -> Size | None:
    """Return (height, width) of a picture; of none, log why and return None."""
    try:
        return images.picture_size(path)
    except InputError as error:
        log.warning("skipped %s: %s", path, error)
        return None


def _within(paths: list[Path], sizes: dict[Path, Size], limit: int) -> list[Path]:
    """Return the first paths whose pictures together take at most ``limit`` bytes."""
    used, chosen = 0, []
    for path in paths:
        used += 3 * sizes[path][0] * sizes[path][1]
        if used > limit:
            break
        chosen.append(path)
    return chosen


def _shrunk(size: Size, shorter_side: int | None) -> Size:
    """Return (height, width) after the shorter one has been shrunk, if it is longer, to ``shorter_side``."""
    factor = min(1.0, (shorter_side or min(size)) / min(size))
    return round(size[0] * factor), round(size[1] * factor)


def decode(path: Path, shorter_side: int | None = None, masks: Masks | None = None) -> Tensor | None:
    """Return the picture, uint8 (3, H, W), shrunk to that shorter side; if it does not decode, log why: None.

    With masks it is (4, H, W).
    """
    try:
        picture = read_image(path)
        mask = None if masks is None else masks.of(path, (picture.shape[-2], picture.shape[-1]))
    except InputError as error:
        log.warning("skipped %s: %s", path, error)
        return None
    height, width = picture.shape[-2:]
    size = _shrunk((height, width), shorter_side)
    if size != (height, width):
        picture = resize(picture, size=size)
    photo = to_8_bits(picture[0])
    return photo if mask is None else with_mask(photo, mask)


TRAINING = (
    "astronaut.png",
    "camera.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)

VALIDATION = ("chelsea.png", "coffee.png")


def builtin_photos(split: Literal["training", "validation", "all"] = "all") -> list[Path]:
    """Return the built-in photos of one side of a fixed split, sorted.

    Training: an astronaut, a photographer, grass, gravel, galaxies, tissue, a motorcycle from two sides and a
    rocket (camera, grass and gravel are grey; they are there for their fine detail). Validation: a cat and a
    cup of coffee. The two views of the motorcycle are on the same side.

    Licences, as the documentation of ``skimage.data`` has them: public domain (astronaut, galaxies, rocket),
    CC0 (camera, cat, coffee, grass, gravel), no known restrictions (tissue); the motorcycle is from the
    Middlebury stereo data, whose authors ask to be cited (Scharstein et al., GCPR 2014).

    Raises:
        InputError: An unknown split, or a scikit-image without these files.

    >>> [path.name for path in builtin_photos("validation")]
    ['chelsea.png', 'coffee.png']
    """
    check_choice("split", split, ("training", "validation", "all"))
    names = {"training": TRAINING, "validation": VALIDATION, "all": TRAINING + VALIDATION}[split]
    spec = find_spec("skimage")  # finds the folder without importing the package
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path("skimage/data")
    files = [folder / name for name in sorted(names)]
    for file in files:
        if not file.is_file():
            raise InputError(
                f"scikit-image's photo {file}",
                "no such file",
                "Reinstall scikit-image (0.25 or later), or name a folder with your own photos.",
            )
    return files
