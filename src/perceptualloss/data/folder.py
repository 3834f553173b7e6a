"""Photos of a list of files as 8-bit tensors, and their split into those for training and those for validation."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, overload

from torch import Tensor

from perceptualloss.data.decoding import Decoding, Size, shrunk
from perceptualloss.data.kept import Kept
from perceptualloss.data.masks import Masks
from perceptualloss.data.picture_cache import PictureCache
from perceptualloss.data.sizes import Skipped, picture_sizes
from perceptualloss.errors import InputError, check_choice

log = logging.getLogger(__name__)


class Photos(Sequence[Tensor]):
    """Pictures of a list of files: ``photos[i]`` is uint8, (3, H, W), or (4, H, W) with a mask.

    At the start their headers are read and nothing is decoded. A photo is decoded when it is first asked for, and then
    kept: in memory that processes share, as many as fit; of those after them, large ones as files of the cache
    (see :class:`perceptualloss.data.kept.Kept`). A file that is no picture, or is smaller than ``min_size`` on a side,
    is skipped with a warning in the log. For one that turns out not to decode, the next one takes its place.

    Args:
        files: Picture files, such as :func:`perceptualloss.pictures.listing.picture_files` gives.
        min_size: Pixels that each side must have: the crop, for training.
        memory_limit: Bytes to keep decoded pictures in.
        shorter_side: Pixels to which the shorter side of larger pictures is shrunk (bicubic); None leaves them.
        masks: Masks that become a fourth channel; a picture whose mask cannot be used is skipped.
        cache: Files for decoded pictures beyond the memory limit; None for none, as where each is read once.

    Attributes:
        files: The files in use, in the order given.
        kept: Where the decoded pictures are.

    Raises:
        InputError: No file is a picture, all that are, are smaller than ``min_size``, or a shorter side below that.
    """

    def __init__(
        self,
        files: Iterable[str | os.PathLike[str]],
        min_size: int = 1,
        memory_limit: int = 2 * 2**30,
        shorter_side: int | None = None,
        masks: Masks | None = None,
        cache: PictureCache | None = None,
    ) -> None:
        if shorter_side is not None and shorter_side < min_size:
            raise InputError(f"a shorter side from {min_size} pixels, the crop", str(shorter_side))
        paths = [file if isinstance(file, Path) else Path(file) for file in files]
        known = [(path, size) for path, size in zip(paths, picture_sizes(paths), strict=True) if size is not None]
        fitting, skipped = [], Skipped()
        for path, size in known:
            height, width = shrunk(size, shorter_side)
            if min(height, width) < min_size:
                skipped.add(path, f"{width} x {height} is smaller than {min_size} pixels")
            elif masks is None or (reason := masks.fault(path, size)) is None:
                fitting.append((path, size))
            else:
                skipped.add(path, reason)
        if known and not fitting:
            largest = max(min(shrunk(size, shorter_side)) for _, size in known)
            remedy = "Choose a smaller crop or larger pictures."
            raise InputError(f"a crop of at most {largest} pixels for these pictures", f"{min_size}", remedy)
        skipped.close()
        if not fitting:
            raise InputError("at least one picture that decodes", f"none in {len(paths)} files")
        self._keep(fitting, Decoding(shorter_side, masks), memory_limit, cache)

    def _keep(
        self, found: Sequence[tuple[Path, Size]], decoding: Decoding, memory_limit: int, cache: PictureCache | None
    ) -> None:
        self.files = [path for path, _ in found]
        self._full = [size for _, size in found]
        self._decoding = decoding
        self.kept = Kept(self.files, self._full, (decoding,), memory_limit, cache)

    def __len__(self) -> int:
        """Return the number of pictures in use."""
        return len(self.files)

    @property
    def sizes(self) -> list[Size]:
        """Return (height, width) of each picture, without decoding any."""
        return [self._decoding.shape(size)[1:] for size in self._full]

    def only(
        self,
        files: Iterable[Path],
        memory_limit: int = 0,
        cache: PictureCache | None = None,
        middle: int | None = None,
    ) -> Photos:
        """Return those of the pictures that are in ``files``, to be kept by themselves, without reading headers again.

        Args:
            files: some of the files in use.
            memory_limit: as of the class.
            cache: as of the class.
            middle: the largest height and width of the pieces, from the middle of the photos, that are kept in place of
                the photos; None keeps the photos.
        """
        chosen, part = set(files), object.__new__(Photos)
        found = [each for each in zip(self.files, self._full, strict=True) if each[0] in chosen]
        part._keep(found, replace(self._decoding, middle=middle), memory_limit, cache)
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
        for place in range(first, first + len(self)):
            picture = self.kept[place % len(self)]
            if picture is not None:
                return picture
        raise InputError("at least one picture that decodes", f"none in {len(self)} files any more")

    def found(self) -> Iterator[tuple[Path, Tensor]]:
        """Yield the file and the picture of those that decode."""
        for file, picture in zip(self.files, self.kept, strict=True):
            if picture is not None:
                yield file, picture


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
