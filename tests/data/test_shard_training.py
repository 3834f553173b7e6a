"""Training out of shards: sample n is the same whoever asks for it, and what is held out is never trained on."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.data.crops import Numbers
from perceptualloss.data.damage import Noise
from perceptualloss.data.degrade import Degradation, Downscale, Unchanged
from perceptualloss.data.shards.crops import shards_in_group
from perceptualloss.data.shards.pack import Packing, pack
from perceptualloss.data.shards.training import ShardData
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import write_image
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import to_8_bits
from perceptualloss.training.run_folder import changes

PICTURES = 20
HELD = [18, 19]  # the last tenth by name


def numbered(number: int, height: int = 20, width: int = 24) -> Tensor:
    """A picture whose pixels tell the picture, the row and the column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.full_like(rows, number), rows, columns])[None] / 255


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Seven shards with twenty pictures."""
    folder = tmp_path_factory.mktemp("numbered")
    (folder / "photos").mkdir()
    for number in range(PICTURES):
        write_image(numbered(number), folder / "photos" / f"{number:02}.png")
    pack(folder / "photos", folder / "packed", Packing(shard_size=3_800))
    found = sorted(map(str, (folder / "packed").glob("*.tar")))
    assert len(found) == 7
    return found


def data(shards: list[str], degradation: Degradation | None = None, **options: Any) -> ShardData:
    return ShardData(degradation or Unchanged(), shards, **{"crop": 16, **options})


def seen(target: Tensor) -> int:
    return round(float(target[0, 0, 0]) * 255)


def same(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(x.equal(y) for x, y in zip(one, other, strict=True))


def test_an_epoch_sees_every_training_picture_once_and_none_that_is_held_out(shards: list[str]) -> None:
    own = data(shards, seed=3)
    assert own.usual_samples == PICTURES - len(HELD)
    for epoch in range(3):
        first = epoch * own.usual_samples
        assert sorted(seen(own.crops[n][1]) for n in range(first, first + own.usual_samples)) == list(range(18))
    assert sorted(seen(high[0]) for _, high in own.val_dataloader()) == HELD


def test_a_sample_is_an_aligned_crop_and_its_degraded_input(shards: list[str]) -> None:
    own = data(shards, Downscale(2), seed=1)
    for n in range(30):
        low, high = own.crops[n]
        assert (low.shape, high.shape, high.dtype) == ((3, 8, 8), (3, 16, 16), torch.float32)
        assert low.equal(Downscale(2)(high[None], np.random.default_rng(0))[0])
        number, rows, columns = (high * 255).round().to(torch.int64)
        top, left = int(rows.min()), int(columns.min())
        assert (top % 2, left % 2) == (0, 0)
        expected = (numbered(int(number[0, 0])) * 255).round().to(torch.int64)[0, :, top : top + 16, left : left + 16]
        symmetries = [x.rot90(k, (1, 2)) for x in (expected, expected.mT) for k in range(4)]
        assert any(torch.stack([number, rows, columns]).equal(one) for one in symmetries)


@settings(deadline=None, max_examples=5)
@given(order=st.permutations(range(0, 40, 3)), seed=st.integers(0, 99))
def test_samples_depend_on_seed_and_number_alone(shards: list[str], order: list[int], seed: int) -> None:
    noise = Noise((0.1, 0.2))
    first, again, other = (data(shards, noise, seed=own).crops for own in (seed, seed, seed + 1))
    expected = {n: first[n] for n in sorted(order)}
    assert all(same(again[n], expected[n]) for n in order)
    assert not all(same(other[n], expected[n]) for n in order)


def test_a_pickled_copy_as_a_spawned_worker_has_it_gives_the_same(shards: list[str]) -> None:
    own = data(shards, Noise((0.1, 0.2)), seed=1).crops
    own[5]
    copy = pickle.loads(pickle.dumps(own))
    assert all(same(copy[n], own[n]) for n in (0, 17, 100))


def test_ranks_share_the_samples_and_a_resume_goes_on_in_mid_epoch(shards: list[str]) -> None:
    def run(ranks: int, batch: int, steps: range) -> list[int]:
        """The pictures that all processes see in these steps, in the order of the samples."""
        found: dict[int, int] = {}
        for rank in range(ranks):
            trainer = SimpleNamespace(
                world_size=ranks, global_rank=rank, global_step=steps.start, accumulate_grad_batches=1
            )
            trainer.max_epochs, trainer.max_steps = -1, steps.stop
            own = data(shards, seed=2)
            numbers = list(Numbers(cast(Any, trainer), batch, 1))[: len(steps) * batch]
            found |= {n: seen(own.crops[n][1]) for n in numbers}
        return [found[n] for n in sorted(found)]

    whole = run(1, 8, range(6))
    assert len(whole) == 48
    assert run(2, 4, range(6)) == whole
    assert run(4, 2, range(6)) == whole
    assert run(1, 8, range(2)) + run(2, 4, range(2, 6)) == whole  # step 2 is in mid-epoch: of 18 pictures, 16 were seen


def test_a_picture_that_does_not_decode_is_replaced_by_the_next_for_everyone(
    shards: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = data(shards, seed=4)
    first = seen(before.crops[0][1])
    broken = []
    for shard in shards:  # the first sample's picture keeps its head, and loses its pixels
        content = bytearray(Path(shard).read_bytes())
        with tarfile.open(shard) as tar:
            for member in tar:
                if f"-{first:02}." in member.name:
                    content[member.offset_data + 50 : member.offset_data + member.size] = bytes(member.size - 50)
        (tmp_path / Path(shard).name).write_bytes(content)
        broken.append(str(tmp_path / Path(shard).name))
    one, other = data(broken, seed=4), data(broken, seed=4)
    epoch = [seen(one.crops[n][1]) for n in range(18)]
    assert epoch == [seen(other.crops[n][1]) for n in reversed(range(18))][::-1]
    expected = [seen(before.crops[n][1]) for n in range(18)]
    assert epoch[0] in expected
    assert epoch[0] != first
    assert epoch[1:] == expected[1:]
    one.crops[0]
    assert caplog.text.count(f"-{first:02}.png in") == 2  # one line for each of the two readers
    assert len(one.held_out) == 2


def test_broken_pictures_do_not_make_up_the_validation(shards: list[str], tmp_path: Path) -> None:
    file = tmp_path / "all-broken.tar"
    with tarfile.open(shards[0]) as tar, tarfile.open(file, "w") as out:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            out.addfile(member, io.BytesIO(content.read(50) + bytes(member.size - 50)))
    own = data([*shards, str(file)], validation=3)
    with pytest.raises(InputError, match="validation pictures that decode"):
        own.val_dataloader()
    only = data([str(file)], validation=1)
    with pytest.raises(InputError, match="at least one picture that decodes"):
        only.crops[0]


def test_small_pictures_are_left_out_and_counted(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in small_photos.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    write_image(torch.rand(1, 3, 20, 60), tmp_path / "small.png")
    pack(tmp_path, tmp_path / "packed", Packing())
    shard = str(tmp_path / "packed" / "photos-000000.tar")
    own = data([shard], crop=32, validation=1)
    assert own.usual_samples == 3
    assert "left out 1 of 5 pictures: smaller than 32 pixels" in caplog.text
    with pytest.raises(InputError, match="a crop of at most 48 pixels"):
        data([shard], crop=64)


def test_larger_pictures_are_shrunk_before_they_are_cropped(shards: list[str]) -> None:
    own = data(shards, shorter_side=16, seed=1)
    for n in range(5):
        low, high = own.crops[n]
        assert low.equal(high)
        rows = (high[1] * 255).round()
        assert rows.max() - rows.min() > 15  # all 20 rows in 16
    expected = to_8_bits(resize(numbered(18), size=(16, 19))[0])
    _, middle = own.held_out[0]
    assert (middle * 255).round().to(torch.uint8).equal(expected)
    with pytest.raises(InputError, match="a shorter side from 16"):
        data(shards, shorter_side=8)


def test_the_record_of_a_run_tells_other_data(shards: list[str], tmp_path: Path) -> None:
    record = data(shards).record()
    assert record == data(shards).record()
    assert (record["files"], record["pictures"]) == (7, 20)
    assert record["folders"] == [str(Path(shards[0]).parent)]
    fewer = data(shards[:-1]).record()
    assert set(changes({"data": record}, {"data": fewer})) == {"files", "pictures", "names_and_sizes"}
    assert data(shards).files == [Path(shard) for shard in shards]


def test_shards_of_2_gib_are_shuffled_together(shards: list[str]) -> None:
    own = data(shards)
    assert shards_in_group(own.pictures.indexes) > len(shards)

    def group(size: int) -> int:
        return shards_in_group(cast(Any, [SimpleNamespace(size=size)] * 99))

    assert (group(256 * 10**6), group(2**30), group(2**33)) == (8, 2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 15}, "multiple of the scale 2"),
        ({"validation": 20}, "at least one picture each"),
        ({"batch_size": 0}, "batch_size from 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(shards: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        data(shards, Downscale(2), **options)
