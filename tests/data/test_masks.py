"""Which mask belongs to which photo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perceptualloss.data.masks import Masks
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import write_image


def write(folder: Path, **shares: float) -> list[Path]:
    """Write pictures whose first rows are white: names with __ for folders, and what share of eight rows."""
    paths = []
    for name, share in shares.items():
        picture = torch.zeros(3, 8, 8)
        picture[:, : int(8 * share)] = 1
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(picture, path, grey=True)
        paths.append(path)
    return paths


def share(masks: Masks, photo: Path) -> float:
    return masks.of(photo, (8, 8)).mean().item()


def test_photos_of_one_name_in_several_folders_have_their_own_masks(tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", x__a=1, y__a=1, b=1)
    write(tmp_path / "masks", x__a_mask=0.25, y__a=0.5, b=0.75)
    masks = Masks(tmp_path / "masks", photos)
    assert [share(masks, photo) for photo in photos] == [0.25, 0.5, 0.75]


def test_masks_may_lie_flat(tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", x__a=1, y__b=1)
    write(tmp_path / "masks", a=0.25, b_mask=0.5)
    masks = Masks(tmp_path / "masks", photos)
    assert [share(masks, photo) for photo in photos] == [0.25, 0.5]


def test_several_masks_for_a_photo_are_refused_and_a_number_is_another_photo(tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", a=1)
    write(tmp_path / "masks", a_mask=1, a_SR=1)
    with pytest.raises(InputError, match=r"a_SR.png and a_mask.png for a.png"):
        Masks(tmp_path / "masks", photos)
    write(tmp_path / "other", a_2=1)
    with pytest.raises(InputError, match="masks of the photos' names"):
        Masks(tmp_path / "other", photos)
