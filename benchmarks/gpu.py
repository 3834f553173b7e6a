"""What the GPU is used for: the loss step as a share of its rate of matrix products, and styles in frames a second.

    python benchmarks/gpu.py [--type bf16] [--batch 32] [--size 256] [--frames 8] [--style-size 512] [--seconds 3]
    python benchmarks/gpu.py --device cpu --batch 1 --size 64 --frames 1 --style-size 64 --product 512

Three figures, beside the goals for a GPU:

- the rate: floating-point operations a second of a product of two square matrices, the best of a few sizes;
- the loss step: forward and backward of VGG16PerceptualLoss (to relu3_3, without its resizing) on --batch pictures of
  --size pixels; its operations, which PyTorch counts, over its time, as a share of that rate;
- the style: a network that ships on --frames pictures of --style-size pixels at a time, already on the device.

The last two are done in several --ways: plainly (eager), by torch.compile (compile), as a CUDA graph, which replays all
kernels at once (graph), and as a CUDA graph of what torch.compile made (compiled graph). On a CPU there are no graphs,
and eager alone is measured unless more is asked for. Weights are random for the loss, since speed does not depend on
them; nothing is fetched. Of each way the values are compared with the eager ones, so that none is fast and wrong.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from inference import threads
from perceptualloss.doctor.machine import processor_name
from perceptualloss.losses.feature import VGG16PerceptualLoss
from perceptualloss.networks.named import load_network, shipped_styles

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WAYS = ("eager", "compile", "graph", "compiled graph")
SHARE, FRAMES = 0.5, 1000.0
"""Goals on a GPU: the loss step's share of the rate of matrix products in bf16, and frames a second of 512 x 512."""

Work = Callable[[], Tensor]


@dataclass(frozen=True)
class Setting:
    """Where and in which type the arithmetic is done, and for how many seconds each thing is measured."""

    device: torch.device
    dtype: torch.dtype
    seconds: float

    def autocast(self) -> torch.autocast:
        """Return the context of mixed precision; what it casts is kept by no cache, which graphs do not go with."""
        on = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if on else None, enabled=on, cache_enabled=False)

    def wait(self) -> None:
        """Wait until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def seconds_of(work: Work, setting: Setting) -> float:
    """Return the seconds that one call takes, the least over blocks of ten (on a CPU, of one)."""
    calls = 10 if setting.device.type == "cuda" else 1
    for _ in range(3 if calls > 1 else 1):
        work()
    setting.wait()
    times: list[float] = []
    end = time.perf_counter() + setting.seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        setting.wait()
        times.append((time.perf_counter() - start) / calls)
    return min(times)


def operations(work: Work) -> int:
    """Return how many additions and multiplications a call's products and convolutions take."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def product_rate(sides: list[int], setting: Setting) -> tuple[float, int]:
    """Return the operations a second of a matrix product, and the side for which they are the most."""
    rates = {}
    for side in sides:
        a, b = (torch.randn(side, side, device=setting.device, dtype=setting.dtype) for _ in range(2))

        def work(a: Tensor = a, b: Tensor = b) -> Tensor:
            return a @ b

        rates[side] = 2 * side**3 / seconds_of(work, setting)
    best = max(rates, key=lambda side: rates[side])
    return rates[best], best


def loss_step(batch: int, size: int, setting: Setting) -> tuple[nn.Module, Callable[[nn.Module], Work]]:
    """Return the loss, and what makes a step of it, or of what it was compiled to: the gradient at the output."""
    loss = VGG16PerceptualLoss(None, None).to(setting.device)
    target = torch.rand(batch, 3, size, size, device=setting.device)
    output = (target + 0.1 * torch.randn_like(target)).clamp(0, 1).requires_grad_()

    def step_of(loss: nn.Module) -> Work:
        def step() -> Tensor:
            output.grad = None
            with setting.autocast():
                value = loss(output, target)
            value.backward()
            gradient = output.grad
            assert gradient is not None
            return gradient

        return step

    return loss, step_of


def styling(frames: int, size: int, setting: Setting) -> tuple[nn.Module, Callable[[nn.Module], Work]]:
    """Return the network, and what makes a pass of it."""
    network = load_network(next(iter(shipped_styles().values()))).eval().to(setting.device)
    pictures = torch.rand(frames, 3, size, size, device=setting.device)
    if setting.device.type != "cpu":  # on a CPU instance norm wants planes
        network.to(memory_format=torch.channels_last)
        pictures = pictures.to(memory_format=torch.channels_last)

    def pass_of(network: nn.Module) -> Work:
        def paint() -> Tensor:
            with torch.no_grad(), setting.autocast():
                found: Tensor = network(pictures)
            return found

        return paint

    return network, pass_of


def graphed(work: Work) -> Work:
    """Return what replays the work's kernels as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = work()

    def replay() -> Tensor:
        graph.replay()
        return found

    return replay


def in_ways(
    module: nn.Module, work_of: Callable[[nn.Module], Work], ways: list[str], setting: Setting
) -> Iterator[tuple[str, float, float]]:
    """Yield each way with its seconds a call, and how far its values are from the eager ones, over their norm."""
    wanted = work_of(module)().float().clone()
    compiled: Work | None = None
    if any("compile" in way for way in ways):
        compiled = work_of(cast(nn.Module, torch.compile(module)))
    for way in ways:
        work = work_of(module) if compiled is None or "compile" not in way else compiled
        run = graphed(work) if "graph" in way else work
        found = run().float()
        difference = float((found - wanted).norm() / wanted.norm())
        yield way, seconds_of(run, setting), difference


def rows(
    module: nn.Module,
    work_of: Callable[[nn.Module], Work],
    ways: list[str],
    setting: Setting,
    figure: Callable[[float], str],
) -> Iterator[tuple[str, list[str]]]:
    """Yield each way with its milliseconds, its figure, how much faster than the first it is, and its difference."""
    first = 0.0
    for way, seconds, difference in in_ways(module, work_of, ways, setting):
        first = first or seconds
        yield way, [f"{1000 * seconds:.2f}", figure(seconds), f"{first / seconds:.2f} x", f"{difference:.0e}"]


def parse() -> argparse.Namespace:
    """Return the options; end with a line where there is no such device, or a way that it has not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--type", choices=TYPES, default="bf16")
    parser.add_argument("--batch", type=int, default=32, help="pictures of a loss step")
    parser.add_argument("--size", type=int, default=256, help="their pixels")
    parser.add_argument("--frames", type=int, default=8, help="frames that a style network gets at a time")
    parser.add_argument("--style-size", type=int, default=512, help="their pixels")
    parser.add_argument("--product", type=int, nargs="+", default=[4096, 8192, 16384], help="sides of the matrices")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="all on a GPU, eager on a CPU")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "error: no GPU that PyTorch can use is here; --device cpu needs none\n")
    options.ways = options.ways or list(WAYS if options.device == "cuda" else WAYS[:1])
    if options.device == "cpu" and any("graph" in way for way in options.ways):
        parser.exit(1, "error: graphs are of CUDA; --device cpu has the ways eager and compile\n")
    return options


def main() -> None:
    """Print the figures and the goals."""
    options = parse()
    setting = Setting(torch.device(options.device), TYPES[options.type], options.seconds)
    on_gpu = options.device == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else f"{processor_name()}, {threads(torch.get_num_threads())}"
    rate, side = product_rate(options.product, setting)
    print(f"{name}, PyTorch {torch.__version__}")
    print(f"a product of {side} x {side} matrices in {options.type}: {rate / 1e12:.3g} TFLOP/s\n")
    print("| what | way | ms | figure | goal on a GPU | faster | difference |")
    print("|---|---|---:|---:|---:|---:|---:|")
    loss, step_of = loss_step(options.batch, options.size, setting)
    work = operations(step_of(loss))
    network, pass_of = styling(options.frames, options.style_size, setting)
    step = f"loss step, {options.batch} x {options.size} px"
    for way, cells in rows(loss, step_of, options.ways, setting, lambda s: f"{work / s / rate:.0%}"):
        print(f"| {step} | {way} | {cells[0]} | {cells[1]} | {SHARE:.0%} | {cells[2]} | {cells[3]} |", flush=True)
    style = f"style, {options.frames} x {options.style_size} px"
    for way, cells in rows(network, pass_of, options.ways, setting, lambda s: f"{options.frames / s:.1f} frames/s"):
        print(f"| {style} | {way} | {cells[0]} | {cells[1]} | {FRAMES:.0f} frames/s | {cells[2]} | {cells[3]} |")


if __name__ == "__main__":
    main()
