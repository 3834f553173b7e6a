"""Labelled crops for training a loss network: pictures in class folders, or photos that are classes themselves."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from perceptualloss.data.folder import Photos, split_files
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import READ_SUFFIXES, read_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import to_8_bits

HELD_OUT_EVERY = 20  # without train/ and val/ folders, every 20th picture of a class checks the training
LARGEST_MEMBER = 2**28  # bytes of a picture in a zip file, which may say that it unpacks to any size


class Labelled(Protocol):
    """Where labelled crops come from; item i is a picture, or one of the visits to a photo."""

    @property
    def classes(self) -> int:
        """How many classes there are."""

    def __len__(self) -> int:
        """Return how many items make an epoch."""

    def cut(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return a crop of each item as it is, uint8 (n, 3, crop, crop), and the labels (n,)."""

    def batch(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return a crop of each item with changed colours, [0, 1], (n, 3, crop, crop), and the labels (n,)."""


@dataclass
class ClassPictures:
    """Pictures of one size with the number of each one's class.

    ``pictures``: uint8, (N, 3, size, size). ``labels``: int64, (N,). ``classes``: how many there are.
    """

    pictures: Tensor
    labels: Tensor
    classes: int

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)

    def cut(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return a random crop of each picture and the labels."""
        room = self.pictures.shape[-1] - crop
        corners = torch.randint(0, room + 1, (len(items), 2), generator=generator).tolist()
        pieces = [
            self.pictures[item, :, top : top + crop, left : left + crop]
            for item, (top, left) in zip(items.tolist(), corners, strict=True)
        ]
        return torch.stack(pieces), self.labels[items]

    def batch(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return a random crop of each picture, mirrored and recoloured at random, and the labels."""
        crops, labels = self.cut(items, crop, generator)
        return recolour(crops, generator), labels


@dataclass
class PhotoCrops:
    """Photos whose crops are to be told apart: the class of a crop is the photo that it comes from.

    ``levels``: for each photo its uint8 copies (3, H, W) at full, half, quarter, ... size.
    ``per_photo``: how many crops of each photo make an epoch.
    """

    levels: list[list[Tensor]]
    per_photo: int

    @property
    def classes(self) -> int:
        """How many photos there are."""
        return len(self.levels)

    def __len__(self) -> int:
        """Return the number of crops in an epoch."""
        return self.classes * self.per_photo

    def cut(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return a crop at a random place and scale of each item's photo, and the photos' numbers."""
        labels = items % self.classes
        draws = torch.rand(len(items), 3, generator=generator).tolist()
        pieces = []
        for label, (level, top, left) in zip(labels.tolist(), draws, strict=True):
            photo = self.levels[label][int(level * len(self.levels[label]))]
            y, x = int(top * (photo.shape[1] - crop + 1)), int(left * (photo.shape[2] - crop + 1))
            pieces.append(photo[:, y : y + crop, x : x + crop])
        return torch.stack(pieces), labels

    def batch(self, items: Tensor, crop: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return such crops, mirrored and recoloured strongly, and the photos' numbers."""
        crops, labels = self.cut(items, crop, generator)
        return tint(recolour(crops, generator), generator), labels


class CropBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batches of labelled crops without end; the n-th is a function of (seed, n) alone, so a resumed run sees the same.

    Args:
        source: where crops come from; every item is visited once an epoch, in an order of its own.
        batch_size: crops a batch; less than half a batch at the end of an epoch is left out.
        crop: height and width of the crops in pixels.
        seed: whole number from 0.
    """

    def __init__(self, source: Labelled, batch_size: int, crop: int, seed: int = 0) -> None:
        if batch_size < 2 or seed < 0:
            raise InputError("a batch_size from 2 and a seed from 0", f"{batch_size} and {seed}")
        self.source, self.batch_size, self.crop, self.seed = source, batch_size, crop, seed
        self.per_epoch = max(1, round(len(source) / batch_size))
        self._order = (-1, torch.empty(0, dtype=torch.int64))  # of the epoch last asked for

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        """Return batch ``n``: crops (batch_size, 3, crop, crop) in [0, 1] and labels (batch_size,)."""
        epoch, position = divmod(n, self.per_epoch)
        first = (self.seed * 1_000_003 + epoch) * 1_000_003
        if self._order[0] != epoch:
            self._order = epoch, torch.randperm(len(self.source), generator=Generator().manual_seed(first))
        items = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        return self.source.batch(items, self.crop, Generator().manual_seed(first + 1 + position))


def read_classes(source: Path, size: int = 64) -> tuple[ClassPictures, ClassPictures]:
    """Read a folder (or zip file) with a folder per class; return the pictures to train on and to check on.

    With ``train/`` and ``val/`` folders on top these are the two parts; without them every 20th picture of a
    class is held out. Pictures are brought to ``size`` x ``size`` (shorter side resized, middle cut out) and
    decoded once into memory, 12 KB a picture at 64 x 64.

    Raises:
        InputError: no such source, fewer than two classes, or a picture that does not decode.
    """
    paths, read = _listing(source)
    by_part = _by_part_and_class(paths)
    names = sorted(by_part["train"])
    if len(names) < 2:
        remedy = "Name a folder (or zip file) with a folder of pictures per class, such as birds/ and boats/."
        raise InputError(f"at least two folders with pictures in {source}", str(len(names)), remedy)
    parts = []
    for part in ("train", "val"):
        chosen = [(path, label) for label, name in enumerate(names) for path in by_part[part].get(name, [])]
        pictures = torch.empty(len(chosen), 3, size, size, dtype=torch.uint8)
        for row, (path, _) in enumerate(chosen):
            pictures[row] = _square(read_image(read(path)), size)
        labels = torch.tensor([label for _, label in chosen], dtype=torch.int64)
        parts.append(ClassPictures(pictures, labels, len(names)))
    return parts[0], parts[1]


def read_photos(folder: Path, crop: int, per_photo: int, validation: float = 0.1) -> PhotoCrops:
    """Read the photos of ``folder`` into memory, each also at half, quarter, ... size while a crop fits.

    Args:
        folder: photos of any size from ``crop`` pixels.
        crop: height and width of the crops in pixels.
        per_photo: how many crops of each photo make an epoch.
        validation: how many of the photos, the last by name, stay out; below 1, what share.

    Raises:
        InputError: no usable photos in the folder, or a crop larger than all of them.
    """
    files, _ = split_files(picture_files(folder), validation)
    levels = []
    for photo in Photos(files, min_size=crop, memory_limit=0):  # they are kept here
        copies = [photo]
        while min(copies[-1].shape[1:]) // 2 >= crop:
            copies.append(F.avg_pool2d(copies[-1].float(), 2).round().to(torch.uint8))
        levels.append(copies)
    if len(levels) < 2:
        raise InputError(f"at least two usable photos in {folder}", str(len(levels)))
    return PhotoCrops(levels, per_photo)


def recolour(crops: Tensor, generator: Generator) -> Tensor:
    """Return uint8 ``crops`` (N, 3, H, W) as [0, 1] floats, half of them mirrored, each with colours of its own.

    Contrast times 0.7 to 1.3, brightness plus -0.1 to 0.1, saturation times 0.5 to 1.5.
    """
    draws = torch.rand(4, len(crops), 1, 1, 1, generator=generator)
    images = crops.float().div_(255)
    images = torch.where(draws[0] < 0.5, images.flip(3), images)
    images = torch.lerp(images.mean(1, keepdim=True), images, 0.5 + draws[1])
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * (0.7 + 0.6 * draws[2]) + mean + 0.2 * draws[3] - 0.1).clamp_(0, 1)


def tint(images: Tensor, generator: Generator) -> Tensor:
    """Return [0, 1] ``images`` with each colour channel times 0.7 to 1.3, a tenth of them grey.

    Otherwise the colours alone would give away which photo a crop is from, and nothing else would be learned.
    """
    gains = 0.7 + 0.6 * torch.rand(len(images), 3, 1, 1, generator=generator)
    grey = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.1
    images = torch.where(grey, images.mean(1, keepdim=True), images * gains)
    return images.clamp(0, 1)


def _listing(source: Path) -> tuple[list[str], Callable[[str], bytes]]:
    """Return the picture paths inside a folder or zip file, and how to read one."""
    if source.is_dir():
        files = [path.relative_to(source).as_posix() for path in picture_files(source)]
        return files, lambda path: (source / path).read_bytes()
    if source.is_file() and zipfile.is_zipfile(source):
        archive = zipfile.ZipFile(source)
        members = [info for info in archive.infolist() if PurePosixPath(info.filename).suffix.lower() in READ_SUFFIXES]
        for info in members:
            if info.file_size > LARGEST_MEMBER:
                got = f"{info.file_size:,} for {info.filename} in {source}"
                raise InputError(f"pictures of at most {LARGEST_MEMBER:,} bytes", got)
        return sorted(info.filename for info in members), archive.read
    raise InputError(f"a folder or a zip file at {source}", "a file of another kind" if source.exists() else "nothing")


def _by_part_and_class(paths: list[str]) -> dict[str, dict[str, list[str]]]:
    """Sort picture paths into train and val, and there by the name of their class folder."""
    parts: dict[str, dict[str, list[str]]] = {"train": defaultdict(list), "val": defaultdict(list)}
    split = {PurePosixPath(path).parts[0] for path in paths if path.count("/") > 1} >= {"train", "val"}
    for path in paths:
        folders = PurePosixPath(path).parts
        if split and folders[0] in parts and len(folders) > 2:
            parts[folders[0]][folders[1]].append(path)
        elif not split and len(folders) > 1:
            members = parts["train"][folders[0]], parts["val"][folders[0]]
            held_out = (len(members[0]) + len(members[1]) + 1) % HELD_OUT_EVERY == 0
            members[held_out].append(path)
    return parts


def _square(picture: Tensor, size: int) -> Tensor:
    """Return the middle of a picture (1, 3, H, W) at ``size`` x ``size``, uint8."""
    height, width = picture.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = picture[..., top : top + side, left : left + side]
    if side != size:
        picture = resize(picture, size=(size, size))
    return to_8_bits(picture[0])
