"""Pack a folder of pictures into shards: plain tar files, each with an index beside it."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from perceptualloss.data.decoding import shrunk
from perceptualloss.data.shards.index import ENDING, LARGEST_MEMBER, Index, make_index
from perceptualloss.data.shards.order import permutation
from perceptualloss.data.shards.training import HELD_OUT
from perceptualloss.errors import InputError
from perceptualloss.files import PART, whole_file, write_json, write_whole
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.decode import decode, picture_sides
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.decoded import Request
from perceptualloss.pictures.refusals import refusing
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.rows import on_all_cores
from perceptualloss.pictures.samples import to_8_bits

log = logging.getLogger(__name__)

RECORD = "pack.json"
SHARD = "photos-{:06d}.tar"
Member = tuple[str, bytes]


@dataclass(frozen=True)
class Packing:
    """How :func:`pack` packs pictures.

    Pictures that are neither shrunk nor cut are stored as their files are, byte for byte.

    Args:
        shard_size: the most bytes of a shard. A single larger picture gets a shard of its own.
        shorter_side: pixels to which the shorter side of larger pictures is shrunk (bicubic); None leaves them.
        tile: larger pictures are cut into pieces whose sides have from ``tile`` to less than twice as many pixels; None
            leaves them whole.
        quality: JPEG quality, 1 to 100, of pictures that were shrunk or cut. Their colours are not subsampled. None
            writes PNG, which loses nothing.
        seed: of the order in which pictures are packed, from 0.

    Raises:
        InputError: for a size below 1, a seed below 0, or a quality outside 1 to 100.
    """

    shard_size: int = 256 * 10**6
    shorter_side: int | None = None
    tile: int | None = None
    quality: int | None = 95
    seed: int = 0

    def __post_init__(self) -> None:
        """Check them."""
        for name, least in (("shard_size", 1), ("shorter_side", 1), ("tile", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"a {name} from {least}", str(value))
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InputError("a quality from 1 to 100", str(self.quality))


@dataclass
class Packed:
    """What :func:`pack` did, in numbers.

    Attributes:
        shards: how many shards there are.
        pictures: how many pictures are in them.
        bytes: the size of all shards.
        skipped: files that could not be packed, in this call.
        found: how many of the shards an earlier, interrupted call had packed.
    """

    shards: int = 0
    pictures: int = 0
    bytes: int = 0
    skipped: int = 0
    found: int = 0

    def count(self, index: Index) -> None:
        """Add a shard, given its index."""
        self.shards += 1
        self.pictures += len(index)
        self.bytes += index.size


def pack(
    folder: Path, out: Path, packing: Packing, tell: Callable[[int, int], None] = lambda done, total: None
) -> Packed:
    """Pack the pictures of a folder, and of folders in it, into ``out/photos-000000.tar`` and so on.

    - **Order**: pictures are shuffled, so that shards are alike. The last tenth by name, at most 256, stay last, in the
      last shards. A training keeps these for validation.
    - **Names** in a shard begin with the picture's number in this order.
    - **Files that cannot be used** are skipped with a warning.
    - **After an interruption**, the same call goes on where the first one stopped.

    Args:
        folder: where the pictures are.
        out: a new or empty folder, or the one of an interrupted call.
        packing: sizes, quality and seed.
        tell: is called with how many files are done, and how many there are.

    Raises:
        InputError: for a ``folder`` without pictures that can be used, or an ``out`` that holds something else.
    """
    listed = picture_files(folder)
    files, record = in_order(listed, packing.seed), {"packing": asdict(packing), "pictures": _digest(folder, listed)}
    packed, first = _begun(out, record)
    entries = _entries(files, first, packing, packed, tell)
    entry = next(entries, None)
    while entry is not None:
        file = out / SHARD.format(packed.shards)
        with whole_file(file) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            while entry is not None and (not tar.offset or tar.offset + _bytes(entry) <= packing.shard_size):
                for name, data in entry:
                    member = tarfile.TarInfo(name)  # without times and owners: the same pictures give the same shard
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
                entry = next(entries, None)
        packed.count(_index(file))
    if not packed.pictures:
        raise InputError(f"pictures in {folder}", f"none that can be used in {len(files)} files")
    write_json({**record, "finished": True}, out / RECORD)
    return packed


def in_order(files: Sequence[Path], seed: int) -> list[Path]:
    """Return files shuffled; the last tenth by name, at most 256, stay last in the order of their names."""
    named = sorted(files, key=lambda path: (path.name, path))
    last = len(named) - min(HELD_OUT, len(named) // 10)
    return [*(named[n] for n in permutation(last, seed, 3)), *named[last:]]


def _begun(out: Path, record: dict[str, Any]) -> tuple[Packed, int]:
    """Return what is packed already, and the number of the file to go on with; note what is being packed.

    Raises:
        InputError: for a folder that holds something else.
    """
    packed, first, noted = Packed(), 0, out / RECORD
    out.mkdir(parents=True, exist_ok=True)
    if not noted.is_file():
        if any(out.iterdir()):
            raise InputError(f"a new or empty folder {out}", "one that is there already", "Choose another one.")
        write_json({**record, "finished": False}, noted)
        return packed, first
    _check_same(record, noted)
    for part in out.glob(f".photos-*{PART}"):
        part.unlink()
    while (file := out / SHARD.format(packed.shards)).is_file() and Path(f"{file}{ENDING}").is_file():
        index = Index.from_json(Path(f"{file}{ENDING}").read_bytes(), f"{file}{ENDING}")
        packed.count(index)
        first = int(index.name(-1).partition("-")[0]) + 1
    packed.found = packed.shards
    return packed, first


def _check_same(record: dict[str, Any], noted: Path) -> None:
    """Raise InputError if the record of an earlier call says something else than is to be packed now."""
    try:
        before = json.loads(noted.read_text(encoding="utf-8"))
        how, pictures = dict(before["packing"]), before["pictures"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"the record of a packing in {noted}", "something else", "Choose another folder.") from error
    other = [f"{name} {how.get(name)}" for name, value in record["packing"].items() if how.get(name) != value]
    if other or pictures != record["pictures"]:
        got = f"a packing with {', '.join(other)}" if other else f"one of other pictures ({pictures})"
        raise InputError(f"these pictures, packed like this, in {noted.parent}", got, "Choose another folder.")


def _index(file: Path) -> Index:
    with file.open("rb") as stream:
        index = make_index(stream, file.stat().st_size, str(file))
    write_whole(index.to_json(), Path(f"{file}{ENDING}"))
    return index


def _digest(folder: Path, files: Sequence[Path]) -> str:
    told = hashlib.sha256()
    for file in files:
        told.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\n".encode(errors="surrogateescape"))
    return f"{len(files)} files, {told.hexdigest()[:16]}"


def _bytes(entry: list[Member]) -> int:
    return sum(2 * tarfile.BLOCKSIZE + len(data) for _, data in entry)


def _entries(
    files: list[Path], first: int, packing: Packing, packed: Packed, tell: Callable[[int, int], None]
) -> Iterator[list[Member]]:
    """Go through the files, and give the members that each becomes; these stay in one shard."""
    numbered = ((number, files[number]) for number in range(first, len(files)))
    for done, members in enumerate(on_all_cores(partial(_members, packing=packing), numbered), first + 1):
        tell(done, len(files))
        if members:
            yield members
        else:
            packed.skipped += 1


def _members(numbered: tuple[int, Path], packing: Packing) -> list[Member]:
    """Return the members that a file becomes; none, and a warning, for a file that cannot be used."""
    number, path = numbered
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")[:60]  # a dot would begin the ending, for WebDataset
    key = f"{number:09d}-{stem}".rstrip("-")
    try:
        with refusing(str(path)):
            if path.stat().st_size > LARGEST_MEMBER:
                raise InputError(f"{path} to have at most {LARGEST_MEMBER} bytes", str(path.stat().st_size))
            data, request = path.read_bytes(), Request(str(path), file=True)
            height, width = picture_sides(io.BytesIO(data), request)
            pieces = _pieces(shrunk((height, width), packing.shorter_side), packing.tile)
            if shrunk((height, width), packing.shorter_side) == (height, width) and len(pieces) == 1:
                return [(f"{key}{path.suffix.lower()}", data)]
            picture = decode(data, request)
    except InputError as error:
        log.warning("skipped %s: %s", path, error.got)
        return []
    return [
        (f"{key}-{n:03d}{'.png' if packing.quality is None else '.jpg'}", content)
        for n, content in enumerate(_encoded(picture, pieces, packing))
    ]


def _pieces(size: tuple[int, int], tile: int | None) -> list[Box]:
    """Cut a picture of (height, width) into equal parts whose sides have ``tile`` to less than twice as many pixels.

    None for ``tile`` gives one part, the whole.

    >>> _pieces((5, 2), 2)
    [Box(top=0, bottom=2, left=0, right=2), Box(top=2, bottom=5, left=0, right=2)]
    """
    ends = []
    for side in size:
        count = max(1, side // (tile or side))
        ends.append([side * n // count for n in range(count + 1)])
    rows, columns = (list(pairwise(one)) for one in ends)
    return [Box(*row, *column) for row in rows for column in columns]


def _encoded(picture: Picture, pieces: list[Box], packing: Packing) -> Iterator[bytes]:
    """Encode the pieces of a picture, after it was shrunk to their size."""
    colours, size = picture.over_white(), (pieces[-1].bottom, pieces[-1].right)
    if tuple(colours.shape[-2:]) != size:
        colours = resize(colours, size=size)
    samples = to_8_bits(colours[0]).permute(1, 2, 0).numpy()
    for piece in pieces:
        cut = samples[piece.top : piece.bottom, piece.left : piece.right]
        image, file = Image.fromarray(cut[..., 0] if picture.grey else cut), io.BytesIO()
        if packing.quality is None:
            image.save(file, "PNG")
        else:
            image.save(file, "JPEG", quality=packing.quality, subsampling=0)
        yield file.getvalue()
