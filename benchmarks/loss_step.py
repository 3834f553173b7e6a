"""Forward and backward of VGG16PerceptualLoss on 2 x 3 x 256 x 256, against the course's definition.

    python benchmarks/loss_step.py [--rounds 15] [--size 256] [--threads 1]

Both run on the same random weights (speed does not depend on them); no download. The step's arithmetic is counted and
its speed set beside those of a product of two matrices of 1024 x 1024 and of a convolution 3 x 3 of 256 channels, in
32 bits (on AMD's processors MKL's products stay far behind oneDNN's convolutions). Types that the processor computes
slower than 32 bits, or only emulates, are left out. With --threads 1 the time is what the thread computed, so that
other programs hardly matter; else it is the clock's, for an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import vgg16

from perceptualloss.losses.feature import VGG16PerceptualLoss
from processor import clock_of, is_fast
from timing import Row, compared, in_turn, print_rows, ratio_of

COURSE, OURS, PRODUCT = "the course's code", "ours", "a large matrix product"
GOALS = {"fp32": 1.2, "bf16": 2.5, "rate": 0.95}


class CourseLoss(nn.Module):
    """The course's definition."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.vgg = network.features[:16].eval()  # type: ignore[index,union-attr]
        for parameter in self.vgg.parameters():
            parameter.requires_grad = False
        self.l1_loss, self.size = nn.L1Loss(), (224, 224)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute difference at relu3_3."""
        output = F.interpolate(output, size=self.size, mode="bilinear", align_corners=False)
        target = F.interpolate(target, size=self.size, mode="bilinear", align_corners=False)
        features = self.vgg(output)
        with torch.no_grad():
            wanted = self.vgg(target)
        loss: Tensor = self.l1_loss(features, wanted)
        return loss


class LossSteps:
    """Both losses with the same weights, on the same pictures."""

    def __init__(self, size: int = 256) -> None:
        torch.manual_seed(0)
        network = vgg16(weights=None)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "vgg16.pth"
            torch.save({k: v for k, v in network.state_dict().items() if k.startswith("features.")}, file)
            self.ours = VGG16PerceptualLoss(weights=file, input_range="imagenet")
        self.course = CourseLoss(network)
        target = torch.randn(2, 3, size, size)
        self.picture = (target + 0.3 * torch.randn(2, 3, size, size)).clamp(-2.1, 2.6)
        self.target = target.clamp(-2.1, 2.6)

    def step(self, loss: Callable[..., Tensor], bf16: bool = False) -> tuple[float, Tensor]:
        """Return value and gradient."""
        output = self.picture.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            value = loss(output, self.target)
        value.backward()
        assert output.grad is not None
        return value.item(), output.grad

    def operations(self) -> int:
        """Return how many additions and multiplications a step of ours takes."""
        with FlopCounterMode(display=False) as counter:
            self.step(self.ours)
        return int(counter.get_total_flops())


def rows(rounds: int = 15, size: int = 256, clock: Callable[[], float] = time.perf_counter) -> list[Row]:
    """Return the step in fp32, in bf16 where that is fast, and its share of the rate of matrix products."""
    steps = LossSteps(size)
    functions: dict[str, Callable[[], object]] = {
        COURSE: lambda: steps.step(steps.course),
        OURS: lambda: steps.step(steps.ours),
        **{name: call for name, (call, _) in large_kernels().items()},
    }
    bf16 = is_fast("bf16")
    if bf16:
        functions["bf16"] = lambda: steps.step(steps.ours, bf16=True)
    times = in_turn(functions, rounds, clock)
    what = f"loss step: `VGG16PerceptualLoss`, 2 x 3 x {size} x {size}"
    found = compared(f"{what}, fp32", {name: times[name] for name in (COURSE, OURS)}, OURS, GOALS["fp32"])
    if bf16:
        found += compared(f"{what}, bf16", {name: times[name] for name in (COURSE, "bf16")}, "bf16", GOALS["bf16"])
    return found + shares(times, steps.operations())


def shares(times: Mapping[str, Sequence[float]], work: int) -> list[Row]:
    """Return the rate of a step of ``work`` operations beside those of the large kernels."""
    found = []
    for name, (_, operations) in large_kernels().items():
        share = ratio_of(times[name], times[OURS]) * work / operations
        own, most = work / 1e9 / statistics.median(times[OURS]), operations / 1e9 / statistics.median(times[name])
        found.append(Row("its arithmetic, fp32", own, most, name, share, "GFLOP/s", GOALS["rate"]))
    return found


@cache
def large_kernels() -> dict[str, tuple[Callable[[], Tensor], int]]:
    """Return the two calls whose rates stand for the most that the machine gives, with their operations."""
    side, channels, size, layout = 1024, 256, 56, torch.channels_last
    a, b = torch.rand(side, side), torch.rand(side, side)
    x, kernel = torch.rand(2, channels, size, size), torch.rand(channels, channels, 3, 3)
    x, kernel = x.contiguous(memory_format=layout), kernel.contiguous(memory_format=layout)
    convolution = 2 * 2 * 9 * channels**2 * size**2
    return {
        PRODUCT: (lambda: a @ b, 2 * side**3),
        "a large convolution": (lambda: F.conv2d(x, kernel, padding=1), convolution),
    }


def print_agreement(steps: LossSteps) -> None:
    """Print how near values and gradients are."""
    (expected, wanted), (value, gradient) = steps.step(steps.course), steps.step(steps.ours)
    print(f"value: course {expected:.7f}, ours {value:.7f}, relative difference {abs(value / expected - 1):.1e}")
    if is_fast("bf16"):
        rounded, _ = steps.step(steps.ours, bf16=True)
        print(f"ours in bf16 {rounded:.7f}, relative difference {abs(rounded / expected - 1):.1e}")
    difference = ((gradient - wanted).norm() / wanted.norm()).item()
    print(f"relative difference of the gradient {difference:.1e} (the L1's kinks; docs/losses/VGG16PerceptualLoss.md)")


def main() -> None:
    """Print values, the gradients' difference, times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    clock = clock_of(options.threads)
    print_agreement(LossSteps(options.size))
    print_rows(rows(options.rounds, options.size, clock))


if __name__ == "__main__":
    main()
