"""Shards: how fast they are read beside what a training needs, what a kill costs, and whether memory stays flat.

    python benchmarks/shards.py --photos FOLDER [FOLDER ...] [--folder /tmp/shards] [--pictures 100000] [--minutes 10]

Cuts so many crops of 128 pixels out of the photos, as JPEG files, and packs them; a folder that has them is used again.
Then, one thing after another:

- the pictures a second that are read, decoded, cropped, flipped and degraded, with 0, 1 and 2 workers, beside those
  that a training of the recipe denoise takes in its steps;
- tiny trainings that are killed with SIGKILL in mid-epoch and resumed. Every sample's number and content is written
  down: the first after a resume must be the checkpoint's next, contents the same as in a run that nobody killed, and so
  must the networks;
- reading for some minutes, and the resident memory meanwhile.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from kills import newest_step, same
from perceptualloss.data.damage import Noise
from perceptualloss.data.inputs import Clean
from perceptualloss.data.module import TrainingData
from perceptualloss.data.shards.crops import ShardCrops
from perceptualloss.data.shards.names import shards_in
from perceptualloss.data.shards.pack import Packing, pack
from perceptualloss.data.shards.training import ShardData
from perceptualloss.doctor.machine import processor_name
from perceptualloss.losses.base import Loss
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.samples import to_8_bits
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.shipped_recipes import find_recipe
from perceptualloss.training.supervised import Supervised

SIDE, CROP, BATCH = 128, 96, 16
LOG = "SHARDS_BENCHMARK_LOG"


def make_pictures(photos: list[Path], folder: Path, count: int) -> None:
    """Cut so many crops out of the photos, a thousand in each folder."""
    start, random_numbers, done = time.monotonic(), np.random.default_rng(0), 0
    files = [file for place in photos for file in picture_files(place)]
    for n, file in enumerate(files):
        photo = to_8_bits(read_image(file)[0]).permute(1, 2, 0).numpy()
        for _ in range(count * (n + 1) // len(files) - done):
            top, left = (int(random_numbers.integers(side - SIDE + 1)) for side in photo.shape[:2])
            place = folder / f"{done // 1000:03}"
            place.mkdir(parents=True, exist_ok=True)
            cut = photo[top : top + SIDE, left : left + SIDE]
            Image.fromarray(cut).save(place / f"{done:06}.jpg", quality=90)
            done += 1
    print(f"made {done:,} pictures in {time.monotonic() - start:.0f} s", flush=True)


def shard_data(folder: Path, workers: int = 0, crop: int = CROP) -> ShardData:
    shards = shards_in(folder / "shards")
    assert shards is not None
    return ShardData(Noise((0.0, 0.2)), shards, crop=crop, batch_size=BATCH, workers=workers, validation=16)


def batches(data: ShardData, first: int = 0) -> Iterator[list[Tensor]]:
    return iter(DataLoader(data.crops, BATCH, sampler=range(first, 2**40), num_workers=data.workers))


def read_rate(folder: Path, workers: int, seconds: float) -> str:
    """Return how many pictures come out of the loader once it runs; with no workers also what one costs."""
    found = batches(shard_data(folder, workers))
    for _ in range(10):
        next(found)
    start, used, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - start < seconds:
        next(found)
        count += BATCH
    rate = f"{count / (time.monotonic() - start):.0f} pictures a second"
    return rate if workers else f"{rate}, {1000 * (time.process_time() - used) / count:.2f} ms of one core each"


def needed_rate(steps: int) -> str:
    """Return how many pictures a training of the recipe denoise takes, its data at hand, and what one costs."""
    settings = read_recipe(find_recipe("denoise"))
    recipe = build_recipe(
        {name: value for name, value in settings.items() if name not in ("name", "out", "start_from")}
    )
    task = Supervised(recipe.network, _loss(recipe))
    optimiser = torch.optim.Adam(task.network.parameters())
    target = torch.rand(recipe.batch_size, 3, recipe.crop, recipe.crop)

    def step() -> None:
        optimiser.zero_grad()
        task.loss(task.network(target), target).backward()
        optimiser.step()

    step()
    start, used, count = time.monotonic(), time.process_time(), recipe.batch_size * steps
    for _ in range(steps):
        step()
    rate = f"{count / (time.monotonic() - start):.0f} pictures a second"
    return f"{rate}, {1000 * (time.process_time() - used) / count:.1f} ms of one core each"


def _loss(recipe: Recipe) -> Loss:
    from perceptualloss.losses.settings import loss_from_settings  # noqa: PLC0415

    return loss_from_settings(recipe.loss)


class Recorded(ShardCrops):
    """Writes down every sample that is taken, and what it is."""

    def clean(self, index: int) -> Clean:
        """Return a crop, and write it down."""
        taken = super().clean(index)
        content = hashlib.sha256(taken.photos.numpy().tobytes()).hexdigest()[:16]
        with Path(os.environ[LOG]).open("a") as log:
            log.write(f"{index} {content}\n")
        return taken


def train_recorded(folder: Path, run: Path, steps: int, workers: int) -> None:
    """Train a tiny network, or go on with it; what a process of its own does."""
    from perceptualloss.losses.pixel import L1Loss  # noqa: PLC0415
    from perceptualloss.networks.residual import ResidualUpscaler  # noqa: PLC0415
    from perceptualloss.training.checkpoints import newest_checkpoint  # noqa: PLC0415

    torch.manual_seed(0)
    data: TrainingData = shard_data(folder, workers, crop=32)
    data.crops.__class__ = Recorded
    budget = Budget(steps, validate_every=steps, checkpoint_every=20, precision="fp32", device="cpu")
    task = Supervised(ResidualUpscaler(1, width=4, blocks=1), L1Loss())
    fit(task, data, run, budget, resume=newest_checkpoint(run), progress=False)


def start(folder: Path, run: Path, steps: int, workers: int, log: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, __file__, "--train", str(run), "--folder", str(folder), "--steps", str(steps)]
    environment = os.environ | {LOG: str(log), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*words, "--workers", str(workers)], env=environment, start_new_session=True)


def samples(log: Path) -> list[tuple[int, str]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [
        (int(line.split()[0]), line.split()[1]) for line in lines if len(line.split()) == 2 and line[-16:].isalnum()
    ]


def kills(folder: Path, count: int, steps: int, chance: random.Random) -> bool:
    """Kill a training at random moments and resume it with 0, 1 and 2 workers in turn; return whether all was right."""
    work = folder / f"kills-{int(time.time())}"
    work.mkdir()
    if start(folder, work / "whole", steps, 0, work / "whole.txt").wait(600):
        raise SystemExit("the training failed")
    whole = dict(samples(work / "whole.txt"))
    print(f"whole run: {len(whole):,} samples, of {BATCH * steps:,} that its steps take", flush=True)
    right, number = len(whole) >= BATCH * steps, 0
    while True:
        before, log = newest_step(work / "cut"), work / f"cut-{number}.txt"
        process = start(folder, work / "cut", steps, number % 3, log)
        if number < count:
            enough = chance.randint(1, 60 * BATCH)
            while process.poll() is None and len(samples(log)) < enough:
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait(600)
        taken = samples(log)
        first = min((sample for sample, _ in taken), default=-1)
        alike = all(whole.get(sample, content) == content for sample, content in taken)
        ok = alike and (not taken or first == before * BATCH)
        print(
            f"run {number}, {number % 3} workers: from the checkpoint of step {before}, first sample {first}, "
            f"wanted {before * BATCH}; "
            f"{len(taken)} samples, contents {'the same' if alike else 'OTHERS'}",
            flush=True,
        )
        right, number = right and ok, number + 1
        if number > count:
            break
    networks = same(work / "whole", work / "cut")
    print(f"networks, optimisers and curves of the killed run: {'the same bits' if networks else 'OTHERS'}", flush=True)
    return right and networks


def resident() -> float:
    """Return the resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def memory(folder: Path, minutes: float) -> None:
    """Read in this process for so long, and print its memory each tenth of the time."""
    found, begun, shown, count = batches(shard_data(folder)), time.monotonic(), 0, 0
    while (spent := time.monotonic() - begun) < 60 * minutes:
        if spent >= 6 * minutes * shown:
            print(f"after {spent / 60:5.1f} minutes and {count:8,} pictures: {resident():.1f} MB resident", flush=True)
            shown += 1
        next(found)
        count += BATCH
    print(f"after {minutes:5.1f} minutes and {count:8,} pictures: {resident():.1f} MB resident", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, nargs="+", help="where crops come from")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/perceptualloss-shards"), help="where to work")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of reading while memory is watched")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of speed")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--steps", type=int, default=200, help="of the trainings that are killed")
    parser.add_argument("--only", choices=("make", "speed", "kills", "memory"), nargs="+")
    parser.add_argument("--workers", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train is not None:
        train_recorded(options.folder, options.train, options.steps, options.workers)
        return
    print(f"{processor_name()}; PyTorch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    parts = options.only or ("make", "speed", "kills", "memory")
    folder: Path = options.folder
    if "make" in parts:
        if not (folder / "pictures").is_dir():
            make_pictures(options.photos, folder / "pictures", options.pictures)
        begun = time.monotonic()
        done = pack(folder / "pictures", folder / "shards", Packing(shard_size=64 * 10**6))
        print(f"{done.pictures:,} pictures, {done.shards} shards, {done.bytes / 1e6:.0f} MB, {done.found} found")
        print(f"packed in {time.monotonic() - begun:.1f} s", flush=True)
    begun = time.monotonic()
    found = shard_data(folder)
    print(f"{len(found.pictures):,} pictures are ready to train on after {time.monotonic() - begun:.2f} s", flush=True)
    if "speed" in parts:
        for workers in (0, 1, 2):
            print(f"{workers} workers: {read_rate(folder, workers, options.seconds)}", flush=True)
        print(f"a training of denoise: {needed_rate(5)}", flush=True)
    right = True
    if "kills" in parts:
        right = kills(folder, options.kills, options.steps, random.Random(0))
    if "memory" in parts:
        memory(folder, options.minutes)
    sys.exit(not right)


if __name__ == "__main__":
    main()
