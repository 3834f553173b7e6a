"""Every registered degradation: milliseconds a batch, one by one in the loader against the batch on the device.

    python benchmarks/degradations.py [--device cuda] [--batch 16] [--crop 64] [--rounds 20] [--only Jpeg Noise]

Both begin with the same crops of 8 bits and end with input and target on the device. The loader's way degrades each on
the CPU and joins them (collate), as a loader without workers does; the other one moves the crops and degrades the
batch. They take turns in one run. Strengths, kernels and parts are drawn anew in each round, the same for both. The
last column is the largest difference of the inputs; on a CPU it is zero. --device cuda waits for the GPU after each
round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.data import default_collate

from inference import threads
from perceptualloss.data.damage import Blur, InTurn, Jpeg, Noise
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.disturb import OneOf
from perceptualloss.data.folder import Photos, builtin_photos
from perceptualloss.data.inputs import Clean, Inputs, Sample, joined
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.doctor.machine import processor_name
from timing import side_by_side

WITH_PARTS: dict[str, Callable[[], Degradation]] = {
    "InTurn": lambda: InTurn([Blur(), Noise(), Jpeg()]),
    "OneOf": lambda: OneOf([Blur(), Noise(), Jpeg()]),
}


def built(name: str) -> Degradation:
    """Return a registered degradation with its default settings."""
    return WITH_PARTS.get(name, DEGRADATIONS[name])()


def clean_crops(count: int, side: int) -> list[Clean]:
    """Return crops from the middle of the built-in photos."""
    photos = Photos(builtin_photos("training"), min_size=side)
    crops = []
    for number in range(count):
        photo = photos[number % len(photos)]
        top, left = ((length - side) // 2 for length in photo.shape[1:])
        crops.append(Clean(photo[None, :, top : top + side, left : left + side].contiguous(), (number,)))
    return crops


def one_by_one(inputs: Inputs, crops: Sequence[Clean], device: torch.device) -> Sample:
    """Return the batch as a loader without workers makes it, moved to the device."""
    samples = [tuple(part[0] for part in inputs(crop)) for crop in crops]
    return tuple(part.to(device) for part in default_collate(samples))


def at_once(inputs: Inputs, crops: Sequence[Clean], device: torch.device) -> Sample:
    """Return the batch as it is made on the device."""
    clean = joined(crops)
    return inputs(Clean(clean.photos.to(device), clean.numbers))


def row(name: str, crops: Sequence[Clean], device: torch.device, rounds: int, clock: Callable[[], float]) -> list[str]:
    """Measure one degradation; return its name, both times in milliseconds, their ratio, and the largest difference."""
    inputs = Inputs(built(name))
    here, there = one_by_one(inputs, crops, device)[0], at_once(inputs, crops, device)[0]
    turn = {"loader": 0, "device": 0}

    def timed(way: str, make: Callable[[Inputs, Sequence[Clean], torch.device], Sample]) -> Tensor:
        turn[way] += 1
        inputs.seed = turn[way]
        made = make(inputs, crops, device)[0]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return made

    ways: dict[str, Callable[[], object]] = {
        "loader": lambda: timed("loader", one_by_one),
        "device": lambda: timed("device", at_once),
    }
    seconds = side_by_side(ways, rounds, statistics.median, clock)
    first, second = (1000 * seconds[way] for way in ways)
    return [
        name,
        f"{first:.2f}",
        f"{second:.2f}",
        f"{first / second:.1f} x",
        f"{float((here - there).abs().max()):.0e}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=64, help="pixels")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=DEGRADATIONS, default=list(DEGRADATIONS))
    parser.add_argument(
        "--thread-time",
        action="store_true",
        help="count what this thread computed alone, where the machine has other work",
    )
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "error: no GPU that PyTorch can use is here; --device cpu needs none\n")
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else threads(torch.get_num_threads())
    print(f"{processor_name()}; {name}; batches of {options.batch} of {options.crop} x {options.crop} pixels\n")
    print("| degradation | loader, ms | device, ms | ratio | difference |\n|---|---:|---:|---:|---:|")
    crops = clean_crops(options.batch, options.crop)
    clock = time.thread_time if options.thread_time else time.perf_counter
    for kind in options.only:
        print(f"| {' | '.join(row(kind, crops, device, options.rounds, clock))} |", flush=True)


if __name__ == "__main__":
    main()
