from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from perceptualloss.data.crops import Numbers
from perceptualloss.data.decoding import middle
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.folder import Photos
from perceptualloss.data.module import PhotoData, TrainingData
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


def test_another_number_of_processes_goes_on_with_the_first_sample_that_was_not_seen() -> None:
    seen: list[int] = []
    start, step = (0, 0), 0
    for processes, batch_size, steps in ((2, 3, 4), (1, 3, 5), (3, 2, 1), (2, 2, 2)):
        for rank in range(processes):
            trainer = SimpleNamespace(
                world_size=processes,
                global_rank=rank,
                global_step=step,
                accumulate_grad_batches=1,
                max_epochs=-1,
                max_steps=step + steps,
            )
            numbers = list(Numbers(cast(Any, trainer), batch_size, 1, start=start))
            seen += numbers[: steps * batch_size]
            data = SimpleNamespace(trainer=trainer, batch_size=batch_size, _start=start)
        step += steps
        data.trainer.global_step = step
        state = TrainingData.state_dict(cast(Any, data))
        start = state["batch"], state["samples"]
        assert sorted(seen) == list(range(start[1]))  # none is missing, none comes twice


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


def test_a_validation_photo_that_does_not_decode_is_left_out_under_its_own_name(
    small_photos: Path, tmp_path: Path
) -> None:
    for file in small_photos.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "2b-broken.png").write_bytes(next(small_photos.glob("3-*")).read_bytes()[:2000])
    data = PhotoData(Downscale(2), tmp_path, validation=3, crop=16)
    names = [name for name, _, _ in data.validation_pairs()]
    assert [name[0] for name in names] == ["2", "3"]
    assert "2b-broken" not in names
    assert len(list(data.val_dataloader())) == 2
    whole = Photos([small_photos / f"{names[1]}.png"])[0]
    assert torch.equal(list(data.val_dataloader())[1][1][0], whole / 255)


def test_validation_and_training_share_the_memory(small_photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = 3 * 48 * 52 / 2**30
    data = PhotoData(Downscale(2), small_photos, validation=1, crop=16, memory_gib=8 * one, validation_size=16)
    assert data.training_photos.kept.held == 3
    assert data.validation_photos.kept.in_memory == 0
    tight = PhotoData(Downscale(2), small_photos, validation=1, crop=16, memory_gib=2 * one, cache_gib=0)
    assert tight.training_photos.kept.held == 1
    assert "2 of 3 photos are decoded for each crop" in caplog.text
    assert all(torch.equal(data.crops[n][1], tight.crops[n][1]) for n in range(9))
    with pytest.raises(InputError, match="memory_gib and cache_gib from 0"):
        PhotoData(Downscale(2), small_photos, validation=1, crop=16, memory_gib=-1)
