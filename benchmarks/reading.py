"""What reading photos costs: the start of a training on very many small ones, and crops of large ones.

    python benchmarks/reading.py [--small 20000 192] [--large 12 4000 3000] [--tables start crops] [--folder DIR]
                                 [--beside SRC]

start: so many JPEG files of so many pixels a side, in folders of 1,000. A process of its own lists them, makes the
training data and takes the first batch: seconds on the clock and of the processor, the growth of its resident memory
until then, and after two crops for each photo, at most 40,000. Once without what an earlier start noted in the cache
folder, and once with it. ``--beside`` names the ``src`` of another checkout, whose start is measured then.

crops: so many JPEG files of so many pixels, none of which may stay in memory (``memory_limit=0``). Milliseconds of a
crop of 96 x 96, the median, decoded each time, at the first access with the cache (decoding and writing), and after;
with one process and with two that load. Milliseconds beside others' work are more than on an idle machine: compare
within one run. All files lie in a temporary folder (``--folder``), the cache, too.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch.utils.data import DataLoader

from perceptualloss.data.crops import Crops
from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.samples import to_8_bits
from resident import memory_now, memory_peak

CROP, BATCH, KINDS, MOST = 96, 16, 200, 40_000


def small_photos(folder: Path, count: int, side: int) -> Path:
    """Write so many files; the pictures are a few hundred."""
    photo, random = data.astronaut(), np.random.default_rng(0)  # type: ignore[no-untyped-call]
    contents = []
    for _ in range(KINDS):
        top, left = random.integers(0, 513 - side, 2)
        stream = io.BytesIO()
        Image.fromarray(photo[top : top + side, left : left + side]).save(stream, "JPEG", quality=90)
        contents.append(stream.getvalue())
    for number in range(count):
        place = folder / f"{number // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:07d}.jpg").write_bytes(contents[number % KINDS])
    return folder


def large_photos(folder: Path, count: int, width: int, height: int) -> Path:
    """Write so many JPEG files of a photo, mirrored and repeated, each with its own grain."""
    folder.mkdir()
    one = np.asarray(data.astronaut(), np.int16)  # type: ignore[no-untyped-call]
    field = np.concatenate([np.concatenate([one, one[:, ::-1]], 1), np.concatenate([one[::-1], one[::-1, ::-1]], 1)])
    whole = np.tile(field, (height // len(field) + 1, width // field.shape[1] + 1, 1))[:height, :width]
    random = np.random.default_rng(0)
    for number in range(count):
        grain = random.normal(0, 3, whole.shape[:2]).round().astype(np.int16)
        Image.fromarray((whole + grain[..., None]).clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:03d}.jpg", quality=92
        )
    return folder


def start(folder: Path) -> None:
    """Print clock and processor seconds to the first batch, and MiB that memory grew until then and in the end."""
    torch.set_num_threads(1)
    before, clock, used = memory_now(), time.perf_counter(), _processor()
    found = PhotoData(Unchanged(), folder, crop=CROP, batch_size=BATCH)
    crops = found.crops
    for number in range(BATCH):
        crops[number]
    print(time.perf_counter() - clock, _processor() - used, memory_peak() - before, end=" ")
    for number in range(min(2 * len(found.training_photos), MOST)):
        crops[number]
    print(memory_peak() - before)


def start_table(folder: Path, count: int, side: int, beside: Path | None) -> None:
    """Print how a training starts, without and with what an earlier start noted."""
    photos = small_photos(folder / "small", count, side)
    own = str(Path(__file__).resolve().parents[1] / "src")
    print(
        f"\n| {count:,} photos of {side} x {side} | s to the first batch | s of the processor | MiB | MiB after all |"
    )
    print("|---|---:|---:|---:|---:|")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    ways = {"first start": own, "next start": own, **({"beside": str(beside)} if beside else {})}
    for name, source in ways.items():
        environment = {**os.environ, "PYTHONPATH": source, "PERCEPTUALLOSS_CACHE": str(folder / "cache")}
        command = [sys.executable, __file__, "--start", str(photos)]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout.split()
        clock, used, memory, after = (float(figure) for figure in found[-4:])
        print(f"| {name} | {clock:.1f} | {used:.1f} | {memory:.0f} | {after:.0f} |", flush=True)


def crop_table(folder: Path, count: int, width: int, height: int) -> None:
    """Print what a crop of large photos costs, decoded each time and out of the cache."""
    from perceptualloss.data.folder import Photos  # noqa: PLC0415  (not where an older checkout starts)
    from perceptualloss.data.picture_cache import PictureCache  # noqa: PLC0415

    photos = large_photos(folder / "large", count, width, height)
    files = sorted(photos.iterdir())
    cache = PictureCache(folder / "cache" / "pictures", 2**40)
    torch.set_num_threads(1)

    def crops(used: PictureCache | None) -> Crops:
        return Crops(Photos(files, CROP, 0, cache=used), Unchanged(), CROP, 10**6)

    print(f"\n| {count} JPEG of {width} x {height}, crops of {CROP} | ms a crop |")
    print("|---|---:|")
    _row(
        "for comparison: decoding through floats", lambda number: to_8_bits(read_image(files[number % count])), range(6)
    )
    _row("decoded each time", crops(None).__getitem__, range(2 * count))
    kept = crops(cache)
    seen = _first_numbers(kept, count)
    _row("first access with the cache: decode and write", kept.__getitem__, seen)
    _row("out of the cache", kept.__getitem__, range(10**5, 10**5 + 200))
    again = crops(cache)
    _row("another run's first access: the checksum of the whole", again.__getitem__, _first_numbers(again, count))
    loader: Any = DataLoader(again, BATCH, sampler=range(320), num_workers=2)
    clock = time.perf_counter()
    samples = BATCH * sum(1 for _ in loader)
    each = 1000 * (time.perf_counter() - clock) / samples
    print(f"| out of the cache by two processes, with their start, the mean | {each:.2f} |")
    size = sum(file.stat().st_size for file in cache.folder.iterdir()) / 2**20
    print(f"\nThe cache has {size:.0f} MiB.")


def _first_numbers(crops: Crops, count: int) -> list[int]:
    """Return numbers of samples that are the first ones of their photos."""
    from perceptualloss.data.crops import numbers_of  # noqa: PLC0415

    found: dict[int, int] = {}
    for number in range(100 * count):
        found.setdefault(int(numbers_of(crops.seed, number).integers(count)), number)
    return sorted(found.values())


def _row(name: str, work: Callable[[int], object], numbers: Iterable[int]) -> None:
    seconds = []
    for number in numbers:
        clock = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - clock)
    print(f"| {name} | {1000 * statistics.median(seconds):.2f} |", flush=True)


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, nargs=2, default=(20_000, 192), metavar=("COUNT", "SIDE"))
    parser.add_argument("--large", type=int, nargs=3, default=(12, 4000, 3000), metavar=("COUNT", "WIDTH", "HEIGHT"))
    parser.add_argument("--tables", nargs="+", choices=("start", "crops"), default=("start", "crops"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start:
        start(options.start)
        return

    from perceptualloss.doctor.machine import processor_name  # noqa: PLC0415  (not where an older checkout starts)

    print(f"{processor_name()}, {os.cpu_count()} cores, torch {torch.__version__}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if "start" in options.tables:
            count, side = options.small
            start_table(Path(folder), count, side, options.beside)
        if "crops" in options.tables:
            crop_table(Path(folder), *options.large)


if __name__ == "__main__":
    main()
