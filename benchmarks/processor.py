"""Which processor this is, and which number formats it computes fast: said once, for all figures of speed."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from perceptualloss.doctor.machine import has_instructions
from perceptualloss.training.precision import best_precision
from timing import in_turn, ratio_of

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def clock_of(threads: int | None, process: bool = False) -> Callable[[], float]:
    """Let PyTorch compute on so many threads, and return what to time it by: one thread by what it computes.

    Other programs on the machine then hardly matter. None leaves the threads alone; ``process`` counts what all of the
    process's own threads compute.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if torch.get_num_threads() > 1:
        return time.perf_counter
    return time.process_time if process else time.thread_time


def is_fast(kind: str) -> bool:
    """Return whether a training would take a format here (``best_precision``)."""
    return kind == "fp32" or best_precision("cpu") == kind


def of_fp32(kind: str, rounds: int = 7, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Return how many times as long as in fp32 a matrix product and a convolution of VGG's size take in a format."""
    dtype, layout = TYPES[kind], torch.channels_last
    a, kernel = torch.rand(1024, 1024), torch.rand(128, 128, 3, 3).contiguous(memory_format=layout)
    x = torch.rand(2, 128, 56, 56).contiguous(memory_format=layout)
    short = {name: value.to(dtype) for name, value in (("a", a), ("x", x), ("kernel", kernel))}
    with torch.inference_mode():
        times = in_turn(
            {
                "product": lambda: a @ a,
                "product short": lambda: short["a"] @ short["a"],
                "convolution": lambda: F.conv2d(x, kernel, padding=1),
                "convolution short": lambda: F.conv2d(short["x"], short["kernel"], padding=1),
            },
            rounds,
            clock,
        )
    return {name: ratio_of(times[f"{name} short"], times[name]) for name in ("product", "convolution")}


def types_in_words() -> str:
    """Say in a line which formats are measured, which are not, and why."""
    words = ["fp32"]
    for kind in TYPES:
        if not has_instructions(kind):
            words.append(f"{kind} is left out (emulated)")
            continue
        takes = of_fp32(kind)
        times = f"a product takes {takes['product']:.2f} of fp32's time, a convolution {takes['convolution']:.2f}"
        words.append(f"{kind} ({times})" if is_fast(kind) else f"{kind} is left out ({times})")
    return "; ".join(words)
