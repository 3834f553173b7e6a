"""Packing: plain tars, byte for byte, that go on after an interruption."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import torch

from perceptualloss.data.shards import pack as module
from perceptualloss.data.shards.index import ENDING, Index
from perceptualloss.data.shards.pack import Packing, in_order, pack
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.resize import resize


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve small pictures of different sizes, a broken one, and what is none."""
    folder = tmp_path / "photos"
    (folder / "inner.old").mkdir(parents=True)
    for n in range(12):
        place = folder / ("inner.old" if n % 3 else ".") / f"photo {n:02}.ä.{'png' if n % 2 else 'jpg'}"
        write_image(torch.rand(1, 3, 20 + n, 30), place)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").touch()
    return folder


def members(shards: Path) -> dict[str, bytes]:
    """All that is in the shards, as Python's tarfile reads it, in their order."""
    found = {}
    for file in sorted(shards.glob("*.tar")):
        with tarfile.open(file) as tar:
            for member in tar:
                assert member.isreg()
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = content.read()
    return found


def test_shards_are_plain_tars_with_the_files_as_they_are(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = pack(folder, tmp_path / "out", Packing(shard_size=12_000))
    assert (done.pictures, done.skipped) == (12, 1)
    assert "broken.png" in caplog.text
    shards = sorted((tmp_path / "out").glob("*.tar"))
    assert done.shards == len(shards) > 2
    assert done.bytes == sum(file.stat().st_size for file in shards)
    assert all(file.stat().st_size < 12_000 + 10_240 for file in shards)
    written = members(tmp_path / "out")
    originals = {file.read_bytes() for file in folder.rglob("photo*")}
    assert {*written.values()} == originals
    assert len(written) == 12
    numbers = [int(name.partition("-")[0]) for name in written]
    assert numbers == sorted(numbers)
    assert all(name.count(".") == 1 and name.isascii() for name in written)  # WebDataset splits at the first dot


def test_an_index_says_where_each_picture_is(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "out", Packing(shard_size=12_000))
    written, seen = members(tmp_path / "out"), 0
    for file in (tmp_path / "out").glob("*.tar"):
        index, data = Index.from_json(Path(f"{file}{ENDING}").read_bytes(), "x"), file.read_bytes()
        for n in range(len(index)):
            content = data[int(index.offsets[n]) : int(index.offsets[n] + index.lengths[n])]
            assert content == written[index.name(n)]
            assert read_image(content).shape[-2:] == (index.heights[n], index.widths[n])
            seen += 1
    assert seen == 12


def test_the_same_pictures_give_the_same_shards_in_an_order_of_the_seed(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        pack(folder, tmp_path / name, Packing(shard_size=12_000, seed=seed))
    one, two, three = ([file.read_bytes() for file in sorted((tmp_path / name).glob("*.tar"))]
                       for name in ("one", "two", "three"))  # fmt: skip
    assert one == two != three


def test_the_last_by_name_stay_last() -> None:
    files = [Path(f"{n:05}.jpg") for n in range(5000)]
    order = in_order(files[::-1], 0)
    assert sorted(order) == files
    assert order[-256:] == files[-256:]
    assert order[:-256] != files[:-256]
    assert in_order(files[:50], 0)[-5:] == files[45:50]


def test_an_interrupted_packing_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packing = Packing(shard_size=12_000)
    whole = pack(folder, tmp_path / "whole", packing)
    made = module._index

    def stop(file: Path) -> Index:
        if file.name.endswith("000002.tar"):
            raise KeyboardInterrupt
        return made(file)

    monkeypatch.setattr(module, "_index", stop)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, tmp_path / "out", packing)
    monkeypatch.undo()
    (tmp_path / "out" / ".photos-000003.tar.00000000.part").touch()  # of a kill
    done = pack(folder, tmp_path / "out", packing)
    assert (done.shards, done.pictures, done.bytes, done.found) == (whole.shards, whole.pictures, whole.bytes, 2)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == {
        file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()
    }
    assert pack(folder, tmp_path / "out", packing).found == whole.shards


def test_another_packing_or_other_pictures_do_not_mix(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "out", Packing())
    with pytest.raises(InputError, match="a packing with seed 0"):
        pack(folder, tmp_path / "out", Packing(seed=1))
    write_image(torch.rand(1, 3, 9, 9), folder / "new.png")
    with pytest.raises(InputError, match="one of other pictures"):
        pack(folder, tmp_path / "out", Packing())
    with pytest.raises(InputError, match="a new or empty folder"):
        pack(folder, folder, Packing())


def test_larger_pictures_are_shrunk_and_others_stay(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "out", Packing(shorter_side=25, quality=None))
    by_name = {file.stem.replace(" ", "-").replace(".ä", ""): file for file in folder.rglob("photo*")}
    for name, data in members(tmp_path / "out").items():
        parts = name.partition(".")[0].split("-")
        original = by_name["-".join(parts[1:3])]
        picture = read_image(original)
        if min(picture.shape[-2:]) <= 25:
            assert data == original.read_bytes()
        else:
            assert data.startswith(b"\x89PNG")
            small = read_image(data)
            assert min(small.shape[-2:]) == 25
            expected = resize(picture, size=(small.shape[-2], small.shape[-1])).clamp(0, 1)
            assert (small - expected).abs().max() <= 0.51 / 255


def test_larger_pictures_are_cut_into_all_their_pieces(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    picture = (torch.rand(1, 3, 50, 33) * 255).round() / 255
    write_image(picture, tmp_path / "photos" / "a.png")
    pack(tmp_path / "photos", tmp_path / "out", Packing(tile=16, quality=None))
    pieces = [read_image(data) for data in members(tmp_path / "out").values()]
    assert [tuple(piece.shape[-2:]) for piece in pieces] == [(h, w) for h in (16, 17, 17) for w in (16, 17)]
    rows = [torch.cat(pieces[n : n + 2], dim=3) for n in (0, 2, 4)]
    assert torch.cat(rows, dim=2).equal(picture)


def test_jpeg_has_the_quality_that_was_asked_for(tmp_path: Path, small_photos: Path) -> None:
    sizes = {}
    for quality in (30, 95):
        pack(small_photos, tmp_path / str(quality), Packing(shorter_side=40, quality=quality))
        sizes[quality] = sum(map(len, members(tmp_path / str(quality)).values()))
    assert sizes[30] < 0.6 * sizes[95]


def test_what_cannot_be_packed_is_refused(tmp_path: Path, folder: Path) -> None:
    for options in ({"shard_size": 0}, {"tile": 0}, {"shorter_side": -1}, {"seed": -1}, {"quality": 0}):
        with pytest.raises(InputError):
            Packing(**options)  # type: ignore[arg-type]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none that can be used in 1 files"):
        pack(tmp_path / "bad", tmp_path / "out", Packing())
    assert json.loads((tmp_path / "out" / "pack.json").read_text())["finished"] is False


def test_a_shard_is_read_by_its_names_alone(folder: Path, tmp_path: Path) -> None:
    """Whoever reads WebDataset's format finds one sample for each picture: names differ before their first dot."""
    pack(folder, tmp_path / "out", Packing())
    names = list(members(tmp_path / "out"))
    assert len({name.partition(".")[0] for name in names}) == len(names)
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "out" / "photos-000000.tar").read_bytes())) as tar:
        assert all((member.mtime, member.uid, member.mode) == (0, 0, 0o644) for member in tar)


@pytest.mark.parametrize("record", ["no JSON", "[]", "{}", '{"packing": 1, "pictures": ""}', '{"packing": {}}'])
def test_a_record_that_is_none_is_refused(folder: Path, tmp_path: Path, record: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / module.RECORD).write_text(record)
    with pytest.raises(InputError, match="the record of a packing in"):
        pack(folder, tmp_path / "out", Packing())
