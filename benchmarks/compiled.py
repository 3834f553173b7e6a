"""Whether torch.compile pays on this machine's CPU: time of a step with and without it, and what the compiling costs.

    python benchmarks/compiled.py [--rounds 5] [--only NAME ...] [--threads 1]

A row each: milliseconds of a step as it is and compiled, the seconds that compiling took, by the clock, after how
many steps they are won back, and by how much the loss differs. It needs a C++ compiler. Loss and training steps are
those of ``loss_step.py`` and ``train_step.py``; of a training the network is compiled. One that torch.compile does
not take says why.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from loss_step import LossSteps
from perceptualloss.doctor.machine import processor_name
from perceptualloss.losses.lpips import LPIPS
from processor import clock_of, is_fast
from timing import in_turn
from train_step import TRAININGS, Training, steps

Step = Callable[[], float]


def loss_steps() -> Iterator[tuple[str, Step, Callable[[], Step]]]:
    """Yield names, steps as they are, and what gives them compiled."""
    found = LossSteps()
    for bf16 in (False, True) if is_fast("bf16") else (False,):
        name = f"VGG16PerceptualLoss, 2 x 3 x 256 x 256, {'bf16' if bf16 else 'fp32'}"
        value = partial(_value, found, bf16)
        yield name, partial(value, found.ours), partial(_compiled, value, found.ours)
    loss = LPIPS("vgg", weights=None)
    output, target = torch.rand(2, 1, 3, 192, 192)
    yield (
        "LPIPS (VGG-16), 1 x 3 x 192 x 192, fp32",
        partial(_step, output, target, loss),
        partial(_compiled, partial(_step, output, target), loss),
    )


def _compiled(step: Callable[[Any], float], module: nn.Module) -> Step:
    return partial(step, torch.compile(module))


def _value(found: LossSteps, bf16: bool, loss: Callable[..., Tensor]) -> float:
    return found.step(loss, bf16)[0]


def _step(output: Tensor, target: Tensor, loss: Callable[..., Tensor]) -> float:
    value = loss(output.clone().requires_grad_(), target)
    value.backward()
    return value.item()


def training_steps() -> Iterator[tuple[str, Step, Callable[[], Step]]]:
    """Yield the same of trainings, whose network is compiled."""
    bf16 = is_fast("bf16")
    for name, training in TRAININGS.items():
        yield (
            f"{name}, {'bf16' if bf16 else 'fp32'}",
            steps(training, bf16)["ours"],
            partial(_training_step, training, bf16),
        )


def _training_step(training: Training, bf16: bool) -> Step:
    return steps(training, bf16, torch.compile)["ours"]


def measured(plain: Step, compile_it: Callable[[], Step], rounds: int, clock: Callable[[], float]) -> str:
    """Return a row's figures in words."""
    torch.compiler.reset()
    start = time.perf_counter()
    step = compile_it()
    first, expected = step(), plain()
    warm_up = time.perf_counter() - start
    times = in_turn({"plain": plain, "compiled": step}, rounds, clock)
    own, other = (statistics.median(times[name]) for name in ("plain", "compiled"))
    pays = f"won back after {warm_up / (own - other):,.0f} steps" if other < own else "never won back"
    both = f"{1000 * own:.0f} ms, compiled {1000 * other:.0f} ms ({own / other:.2f} x)"
    return f"{both}; {warm_up:.0f} s, {pays}; {abs(first / expected - 1):.0e}"


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="words of the names of what is measured")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    clock = clock_of(options.threads)
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}", flush=True)
    for all_steps in (loss_steps, training_steps):
        for name, plain, compile_it in all_steps():
            if not any(word in name for word in options.only):
                continue
            try:
                print(f"{name}: {measured(plain, compile_it, options.rounds, clock)}", flush=True)
            except Exception as error:  # torch.compile has many
                print(f"{name}: not compiled: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)


if __name__ == "__main__":
    main()
