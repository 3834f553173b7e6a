"""How fast this package is beside others on this machine: one table from one command, ``make bench``.

    python benchmarks/speed.py [--quick] [--only PART ...] [--threads 1] [--write docs/performance.md]

Each part is a process of its own, so that none has another's memory, caches or threads. In a part all ways run in
turn, and the ratio is the median over the turns; memory is the growth of a process's peak. It needs an idle machine,
and the packages lpips, piq, torchmetrics, stlpips-pytorch and ssimulacra2 beside the ordinary ones; no download,
since speed does not depend on weights. About six minutes on two cores. --quick is a test run on small work, whose
figures mean little. With --threads 1 most parts count what the process computes itself, so that other programs matter
less. --write puts the table between ``<!-- table: speed -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

import evaluate
import inference
import loss_step
import losses
import memory
import startup
import train_step
from filling import PLACE, fill, markdown
from perceptualloss.doctor.machine import instructions, processor_name
from processor import clock_of, types_in_words
from timing import Row, cost

NETWORKS = ("subpixel2x-perceptual", "subpixel4x-perceptual", "style-wave")
HEADS = ("what", "this package", "beside it", "costs there", "ratio", "goal")


@dataclass(frozen=True)
class Part:
    """A part of the table: what measures it on so many threads, and about how many seconds it takes on two cores."""

    seconds: int
    rows: Callable[[bool, int | None], list[Row]]


def _loss_step(quick: bool, threads: int | None) -> list[Row]:
    return loss_step.rows(2 if quick else 15, clock=clock_of(threads))


def _training(quick: bool, threads: int | None) -> list[Row]:
    return train_step.rows(1 if quick else 6, clock=clock_of(threads))


def _losses(quick: bool, threads: int | None) -> list[Row]:
    with memory.random_vgg() as file:
        batch, size, rounds = (1, 64, 1) if quick else (2, 256, 4)
        return losses.rows(file, batch, size, rounds, clock_of(threads))


def _evaluation(quick: bool, threads: int | None) -> list[Row]:
    pictures, size, rounds = (2, 64, 1) if quick else (24, 256, 2)
    return evaluate.rows(pictures, size, rounds=rounds, clock=clock_of(threads, process=True))


def _evaluation_by_all(quick: bool, threads: int | None) -> list[Row]:
    pictures, size, rounds = (1, 64, 1) if quick else (4, 256, 2)
    return evaluate.rows(pictures, size, rounds=rounds, everything=True, clock=clock_of(threads, process=True))


def _inference(quick: bool, threads: int | None) -> list[Row]:
    side, rounds = (128, 1) if quick else (640, 4)
    return inference.beside_plain(NETWORKS, side, rounds, clock_of(threads))


def _startup(quick: bool, threads: int | None) -> list[Row]:
    return startup.rows(1 if quick else 3)


def _memory(quick: bool, threads: int | None) -> list[Row]:
    return memory.rows(128 if quick else 512)


PARTS: dict[str, Part] = {
    "loss-step": Part(20, _loss_step),
    "training": Part(30, _training),
    "losses": Part(60, _losses),
    "evaluation": Part(40, _evaluation),
    "evaluation-by-all": Part(70, _evaluation_by_all),
    "inference": Part(40, _inference),
    "start-up": Part(60, _startup),
    "memory": Part(60, _memory),
}


def of_a_process(name: str, quick: bool, threads: int | None) -> list[Row]:
    """Return the rows of a part, measured in a process of its own.

    Raises:
        RuntimeError: for one that fails, with its last line.
    """
    options = [*(["--quick"] if quick else []), *(["--threads", str(threads)] if threads else [])]
    command = [sys.executable, __file__, "--part", name, *options]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise RuntimeError((found.stderr.strip().splitlines() or [f"exit code {found.returncode}"])[-1])
    return [Row(**row) for row in json.loads(found.stdout.strip().splitlines()[-1])]


def measure(names: Sequence[str], quick: bool, threads: int | None) -> tuple[list[Row], dict[str, str]]:
    """Measure parts, one after another, and say how far it is; return the rows, and why a part has none."""
    rows: list[Row] = []
    failed: dict[str, str] = {}
    start, planned, done = time.perf_counter(), sum(PARTS[name].seconds for name in names), 0
    for number, name in enumerate(names, 1):
        passed = time.perf_counter() - start
        left = "" if quick or not done else f", about {(planned - done) * passed / done / 60:.1f} minutes left"
        print(f"[{number}/{len(names)}] {name}{left}", file=sys.stderr, flush=True)
        try:
            rows += of_a_process(name, quick, threads)
        except RuntimeError as error:
            failed[name] = str(error)
        done += PARTS[name].seconds
    return rows, failed


def cells(row: Row) -> list[str]:
    """Return a row as the table shows it."""
    goal = "" if row.goal is None else f"{row.goal:g}, {'met' if row.ratio >= row.goal else '**missed**'}"
    return [row.what, cost(row.ours, row.unit), row.peer, cost(row.other, row.unit), f"{row.ratio:.2f}", goal]


def head(threads: int | None) -> str:
    """Say in a paragraph what was measured on."""
    sets = ", ".join(instructions()) or "unknown instruction sets"
    count = inference.threads(threads or torch.get_num_threads())
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lpips", "piq", "torchmetrics"))
    return f"{processor_name()}, {os.cpu_count()} cores, {count}, {sets}. Types: {types_in_words()}. {packages}.\n"


def tables(intro: str, rows: Sequence[Row], failed: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    """Return the table under the name of its place."""
    left_out = "".join(f"\nLeft out: {name}: {why}\n" for name, why in failed.items())
    return {"speed": lambda: f"{intro}\n{markdown(HEADS, [cells(row) for row in rows])}{left_out}"}


def main() -> None:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a test run on small work")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--threads", type=int, help="by default as many as PyTorch takes")
    parser.add_argument("--write", nargs="+", type=Path, default=[], metavar="FILE", help="Markdown files to fill")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps([asdict(row) for row in PARTS[options.part].rows(options.quick, options.threads)]))
        return
    if options.write and (options.quick or options.only != list(PARTS)):
        parser.error("--write takes the whole table: without --quick and --only")
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of parts that start processes themselves
    intro = head(options.threads)
    print(intro, flush=True)
    rows, failed = measure(options.only, options.quick, options.threads)
    found = tables(intro, rows, failed)
    print(found["speed"]().removeprefix(intro))
    if failed:
        sys.exit(1)
    others = {place[2] for file in options.write for place in PLACE.finditer(file.read_text(encoding="utf-8"))}
    fill(options.write, found, check=False, leave=others - found.keys())


if __name__ == "__main__":
    main()
