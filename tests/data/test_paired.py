from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from perceptualloss.data.paired import PairedCrops, PairedData
from perceptualloss.data.pairs import Pairs
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.resize import resize


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Inputs of half the size and half the brightness of their targets, of which each pixel is 2 x 2 of one colour."""
    low, high = tmp_path / "low", tmp_path / "high"
    for folder in (low, high):
        folder.mkdir()
    for i in range(4):
        picture = torch.rand(1, 3, 12 + i, 14)
        write_image(picture, low / f"p{i}_LR.png")
        write_image(picture.repeat_interleave(2, -1).repeat_interleave(2, -2), high / f"p{i}.png")
    return low, high


def test_crops_and_flips_go_together(folders: tuple[Path, Path]) -> None:
    data = PairedData(*folders, 2, validation=1, crop=8, batch_size=3, seed=2)
    assert (len(data.training_pairs), len(data.validation_pairs)) == (3, 1)
    for n in range(12):
        low, high = data.crops[n]
        assert low.shape == (3, 4, 4)
        assert torch.equal(high, low.repeat_interleave(2, -1).repeat_interleave(2, -2))
    low, high = next(iter(data.train_dataloader()))
    assert (low.shape, high.shape) == ((3, 3, 4, 4), (3, 3, 8, 8))


def test_samples_are_a_function_of_seed_and_number(folders: tuple[Path, Path]) -> None:
    first, again, other = (PairedData(*folders, 2, validation=1, crop=8, seed=seed).crops for seed in (1, 1, 2))
    assert all(torch.equal(first[n][1], again[n][1]) for n in (5, 3, 5))
    assert any(not torch.equal(first[n][1], other[n][1]) for n in range(4))


def test_validation_is_the_last_by_name_and_its_middle(folders: tuple[Path, Path]) -> None:
    data = PairedData(*folders, 2, validation=1, crop=8, validation_size=6)
    ((low, high),) = data.val_dataloader()
    photo = read_image(folders[0] / "p3_LR.png")
    assert torch.equal(low, photo[..., 6:9, 5:8])
    assert torch.equal(high, low.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_pairs_that_do_not_go_together_are_skipped(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    low, high = folders
    write_image(resize(read_image(low / "p0_LR.png"), size=(5, 5)).clamp(0, 1), low / "p0_LR.png")
    (high / "p1.png").write_bytes(b"no picture")
    (low / "nobody.png").write_bytes((low / "p2_LR.png").read_bytes())
    with caplog.at_level(logging.WARNING):
        data = PairedData(low, high, 2, validation=1, crop=8)
    assert len(data.training_pairs) == 1
    assert all(name in caplog.text for name in ("p0.png", "p1.png", "nobody.png"))


def test_a_file_that_breaks_later_gives_its_place_to_the_next_pair(folders: tuple[Path, Path]) -> None:
    files = {str(i): (folders[0] / f"p{i}_LR.png", folders[1] / f"p{i}.png") for i in range(2)}
    pairs = Pairs(files, 2, memory_limit=0)
    (folders[1] / "p0.png").write_bytes(b"no picture")
    low, high = pairs[0]
    assert torch.equal(low, pairs[1][0])
    assert high.shape[1] == 2 * low.shape[1]


def test_pairs_are_the_same_wherever_they_are_kept(folders: tuple[Path, Path]) -> None:
    plain = PairedData(*folders, 2, validation=1, crop=8, memory_gib=0, cache_gib=0)
    kept = PairedData(*folders, 2, validation=1, crop=8)
    assert kept.training_pairs.kept.held == 6
    assert kept.validation_pairs.kept.held == 2
    for n in (*range(9), *range(9)):
        assert all(torch.equal(one, other) for one, other in zip(kept.crops[n], plain.crops[n], strict=True))
    for one, other in zip(kept.val_dataloader(), plain.val_dataloader(), strict=True):
        assert all(torch.equal(*both) for both in zip(one, other, strict=True))


def test_validation_without_a_pair_that_decodes_is_refused(folders: tuple[Path, Path]) -> None:
    data = PairedData(*folders, 2, validation=1, crop=8)
    (folders[1] / "p3.png").unlink()
    with pytest.raises(InputError, match="validation pairs that decode, got none of 1"):
        list(data.val_dataloader())


def test_what_cannot_be_used_is_said(folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="whose target is 3 times"):
        PairedData(*folders, 3, validation=1, crop=9)
    with pytest.raises(InputError, match="multiple of the scale"):
        PairedCrops(PairedData(*folders, 2, validation=1, crop=8).training_pairs, 2, 7)


def test_inputs_that_fit_equally_well_are_refused_and_named(folders: tuple[Path, Path]) -> None:
    low, high = folders
    (low / "p0_LQ.png").write_bytes((low / "p0_LR.png").read_bytes())
    with pytest.raises(InputError, match=r"p0_LQ.png and p0_LR.png for p0.png \(.*low against .*high\)"):
        PairedData(low, high, 2, validation=1, crop=8)
