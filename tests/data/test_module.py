from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from perceptualloss.data.crops import Numbers
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData, middle
from perceptualloss.errors import InputError
from perceptualloss.pictures.resize import resize


def test_the_split_is_by_name_and_training_never_sees_validation(small_photos: Path) -> None:
    data = PhotoData(Downscale(2), small_photos, validation=0.25, crop=16)
    assert len(data.training_photos) == 3
    assert len(data.validation_photos) == 1
    assert data.validation_photos.files[0].name > max(file.name for file in data.training_photos.files)


def test_batches_are_pairs(small_photos: Path) -> None:
    data = PhotoData(Downscale(2), small_photos, validation=1, crop=16, batch_size=3, seed=4)
    low, high = next(iter(data.train_dataloader()))
    assert low.shape == (3, 3, 8, 8)
    assert high.shape == (3, 3, 16, 16)
    torch.testing.assert_close(low, resize(high, 0.5).clamp(0, 1))


def test_validation_pairs_are_whole_photos(small_photos: Path) -> None:
    data = PhotoData(Downscale(4), small_photos, validation=2, crop=16)
    for (name, low, high), file in zip(data.validation_pairs(), data.validation_photos.files, strict=True):
        assert name == file.stem
        assert high.shape[-2] == 48
        assert tuple(4 * side for side in low.shape[-2:]) == tuple(high.shape[-2:])


def test_ranks_share_the_samples_and_resuming_goes_on_with_the_next() -> None:
    def numbers(rank: int, step: int, batches: int) -> list[int]:
        trainer = SimpleNamespace(
            world_size=2, global_rank=rank, global_step=step, accumulate_grad_batches=1, max_epochs=2, max_steps=-1
        )
        return list(Numbers(cast(Any, trainer), 2, batches))

    ranks = [numbers(rank, 0, 3) for rank in (0, 1)]
    assert ranks == [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]
    assert numbers(1, 1, 2) == ranks[1][2:]


def test_the_middle_of_a_photo() -> None:
    photo = torch.arange(5 * 7).view(1, 5, 7)
    assert torch.equal(middle(photo, 3), photo[:, 1:4, 2:5])
    assert torch.equal(middle(photo, 9), photo)


def test_bad_settings_say_what_to_do(small_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="crop of at most 48"):
        PhotoData(Downscale(2), small_photos, validation=1, crop=64)
    with pytest.raises(InputError, match="batch_size from 1"):
        PhotoData(Downscale(2), small_photos, batch_size=0)
    with pytest.raises(InputError, match=str(tmp_path)):
        PhotoData(Downscale(2), tmp_path)


def test_a_bad_picture_among_good_ones_is_skipped_before_the_split(small_photos: Path, tmp_path: Path) -> None:
    for file in small_photos.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "zz-broken.jpg").write_bytes(b"no picture")
    data = PhotoData(Downscale(2), tmp_path, validation=1, crop=16)
    assert len(data.training_photos) == 3
    assert data.validation_photos.files[0].name.startswith("3-")
