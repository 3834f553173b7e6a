"""Masks that go with photos: from their alpha channel, or from a folder with files of the same names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import open_picture
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.pairing import match_names
from perceptualloss.pictures.samples import to_8_bits

MaskSource = Literal["alpha"] | Path
"""Where masks come from: "alpha", the photos' own transparency, or a folder."""


class Masks:
    """The masks that go with photos.

    They come from one of two sources:

    - "alpha": the photos' own transparency. What is opaque counts. A photo without transparency counts as a whole.
    - a folder of grey pictures. White counts, black does not, and grey counts in part. A mask has the size and the name
      of its photo: ``photo.jpg`` has the mask ``photo.png`` or ``photo_mask.png``
      (see :func:`perceptualloss.pictures.pairing.match_names`).

    Args:
        source: "alpha", or the path of the folder.
        photos: the files of the photos.

    Raises:
        InputError: for a folder that has no mask for any photo, or several that fit one photo equally well.
    """

    def __init__(self, source: MaskSource, photos: Sequence[Path]) -> None:
        self.source = source
        self._files: dict[Path, Path] = {}
        if isinstance(source, Path):
            masks, named = _named((picture_files(source), source), (list(dict.fromkeys(photos)), None))
            self._files = {named[photo]: masks[mask] for mask, photo in match_names([*masks], [*named]).items()}
            if not self._files:
                raise InputError(
                    f"masks of the photos' names in {source}",
                    "none",
                    "photo.jpg has the mask photo.png or photo_mask.png.",
                )

    def files(self, photo: Path) -> list[Path]:
        """Return the file of a photo's mask in a list; an empty list if it has none."""
        return [self._files[photo]] if photo in self._files else []

    def fault(self, photo: Path, size: tuple[int, int]) -> str | None:
        """Return why a photo's mask cannot be used, or None if it can.

        Only masks in a folder are looked at. "alpha" gives None: transparency is seen only when a photo is decoded.

        Args:
            photo: the file of the photo.
            size: its height and width in pixels.
        """
        if self.source == "alpha":
            return None
        try:
            self.of(photo, size)
        except InputError as error:
            return str(error)
        return None

    def of(self, photo: Path, size: tuple[int, int]) -> Tensor:
        """Return how much each pixel of a photo counts, (1, 1, H, W) in [0, 1].

        Args:
            photo: the file of the photo.
            size: its height and width in pixels.

        Raises:
            InputError: for a photo without a mask in the folder; or a mask of another size, with colours, or in which
                nothing counts.
        """
        if self.source == "alpha":
            alpha = open_picture(photo).alpha
            mask = torch.ones(1, 1, *size) if alpha is None else alpha
        elif photo not in self._files:
            raise InputError(f"a mask for {photo} in {self.source}", "none of its name")
        else:
            mask = _grey(self._files[photo])
        if tuple(mask.shape[-2:]) != size:
            got = f"{mask.shape[-2]} x {mask.shape[-1]}"
            raise InputError(f"a mask of {size[0]} x {size[1]} pixels for {photo}", got)
        if not mask.any():
            raise InputError(f"a mask of which something counts for {photo}", "an empty one")
        return mask


def _named(*several: tuple[Sequence[Path], Path | None]) -> list[dict[str, Path]]:
    """Return each list's files by their names; with the folders within, as many as it takes to tell files apart.

    Args:
        several: files and their folder, None for the one that all lie in.
    """
    within = []
    for files, root in several:
        start = root or Path(os.path.commonpath([file.parent for file in files] or [Path()]))
        within.append({file: file.relative_to(start) for file in files})
    count = 1
    while any(len({path.parts[-count:] for path in paths.values()}) < len(paths) for paths in within):
        count += 1
    return [{"/".join(path.parts[-count:]): file for file, path in paths.items()} for paths in within]


def _grey(file: Path) -> Tensor:
    """Return a file's grey values, (1, 1, H, W) in [0, 1]."""
    picture = open_picture(file)
    if not picture.grey:
        raise InputError(f"a grey picture as the mask {file}", "one with colours", "White counts, black does not.")
    return picture.colours[:, :1]


def with_mask(photo: Tensor, mask: Tensor) -> Tensor:
    """Return a photo and its mask as one picture of 8 bits with four channels, (4, H, W).

    Args:
        photo: of 8 bits, (3, H, W).
        mask: (1, 1, H', W') in [0, 1]. If its size is another, it is reduced to the photo's by means over areas.
    """
    if mask.shape[-2:] != photo.shape[-2:]:
        mask = F.interpolate(mask, size=photo.shape[-2:], mode="area")
    return torch.cat([photo, to_8_bits(mask[0])])


def parted(photo: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the two parts of a picture (3 or 4, H, W): the photo (3, H, W), and its mask (1, H, W) or None."""
    return photo[:3], photo[3:] if len(photo) > 3 else None
