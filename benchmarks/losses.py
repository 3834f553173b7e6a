"""Content + style + LPIPS on one pass of VGG-16, against piq's and lpips's losses side by side.

    python benchmarks/losses.py [--batch 4] [--size 256] [--rounds 5] [--threads 1]

Forward and backward in fp32: content at relu3_3, style at relu1_2, relu2_2, relu3_3 and relu4_3, LPIPS-VGG, all on
the same random weights (speed and memory do not depend on them); no download. Then LPIPS alone, beside the packages
lpips, torchmetrics and piq, whose content loss on normalised channels compares the same five layers. Peak memory is
the growth of the resident set during one step in a process of its own. Needs an idle machine, piq and lpips.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import vgg16

import memory
from memory import random_vgg
from perceptualloss.losses.perceptual import PerceptualLoss
from processor import clock_of
from timing import Row, compared, in_turn, print_rows

STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STYLE_SIZES = {"relu1_2": (64, 1), "relu2_2": (128, 2), "relu3_3": (256, 4), "relu4_3": (512, 8)}

Terms = Callable[[Tensor, Tensor], dict[str, Tensor]]


SEPARATE, TOGETHER = "`piq` + `lpips`, three passes", "ours, one pass"


def ours(file: Path) -> Terms:
    loss = PerceptualLoss("vgg16", {"relu3_3": 1.0}, style_layers=STYLE, lpips=1.0, weights=file)
    return loss.terms


def theirs(file: Path) -> Terms:
    """Three losses, each with a network of its own, as the packages give them; the layers by torchvision's indices."""
    warnings.simplefilter("ignore")
    import lpips  # type: ignore[import-untyped]  # noqa: PLC0415 (its own process must not hold the other's libraries)
    import piq  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    state = load_file(file)

    def features() -> torch.nn.Module:
        network: torch.nn.Module = vgg16(weights=None).features.eval()
        network.load_state_dict(state)
        return network

    content = piq.ContentLoss(features(), layers=["15"])
    style = piq.StyleLoss(features(), layers=["3", "8", "15", "22"], weights=[1.0] * 4)
    perceptual = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    for part in (getattr(perceptual.net, f"slice{i}") for i in range(1, 6)):
        part.load_state_dict({k: v for k, v in state.items() if k.split(".")[0] in dict(part.named_children())})

    def terms(output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {
            "content": content(output, target),
            "style": style(output, target),
            "lpips": perceptual(output, target, normalize=True).mean(),
        }

    return terms


def pictures(batch: int, size: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    target = torch.rand(batch, 3, size, size)
    return (target + 0.1 * torch.randn_like(target)).clamp(0, 1), target


def step(terms: Terms, output: Tensor, target: Tensor) -> Tensor:
    output = output.clone().requires_grad_()
    total: Tensor = torch.stack(list(terms(output, target).values())).sum()
    total.backward()
    assert output.grad is not None
    return output.grad


def peak(name: str, file: Path, batch: int, size: int) -> float:
    """Return the mebibytes that one step adds to a fresh process."""
    command = [sys.executable, __file__, "--batch", str(batch), "--size", str(size), "--peak-of", name, str(file)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(name: str, file: Path, batch: int, size: int) -> None:
    terms = {"ours": ours, "theirs": theirs}[name](file)
    output, target = pictures(batch, size)
    step(terms, output[:1, :, :64, :64], target[:1, :, :64, :64])  # libraries and the values' check
    peak_so_far()
    before = peak_so_far()
    step(terms, output, target)
    print(peak_so_far() - before)


def peak_so_far() -> float:
    """Return the process's largest resident set in MiB; on Linux, since the last call."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    status = Path("/proc/self/status").read_text()
    clear.write_text("5")  # the kernel forgets the peak
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def rows(
    file: Path, batch: int = 4, size: int = 256, rounds: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[Row]:
    """Return the time of all three losses, their memory, and the time of LPIPS alone."""
    fast, slow = ours(file), theirs(file)
    output, target = pictures(batch, size)
    steps: dict[str, Callable[[], object]] = {
        SEPARATE: lambda: step(slow, output, target),
        TOGETHER: lambda: step(fast, output, target),
    }
    what = f"content + style + LPIPS, {batch} x 3 x {size} x {size}, fp32"
    found = compared(what, in_turn(steps, rounds, clock), TOGETHER)
    own, other = (peak(name, file, batch, size) for name in ("ours", "theirs"))
    found.append(Row(f"memory of a step: {what}", own, other, SEPARATE, other / own, "MiB"))
    alone = {name: partial(step, terms, output, target) for name, terms in lpips_alone(file).items()}
    return found + compared(
        f"LPIPS (VGG-16), {batch} x 3 x {size} x {size}, fp32", in_turn(alone, rounds, clock), "ours"
    )


def lpips_alone(file: Path) -> dict[str, Terms]:
    """Return LPIPS of this package and of three others."""
    calls = {"ours": memory.ours("lpips", file, {})}
    calls |= {f"`{name}`": memory.theirs("lpips", name, file) for name in ("lpips", "torchmetrics", "piq")}
    return {name: partial(_as_terms, call) for name, call in calls.items()}


def _as_terms(call: Callable[[Tensor, Tensor], Tensor], output: Tensor, target: Tensor) -> dict[str, Tensor]:
    return {"lpips": call(output, target)}


def print_agreement(file: Path, batch: int, size: int) -> None:
    """Print by how much the values differ."""
    output, target = pictures(batch, size)
    with torch.no_grad():
        found, expected = ours(file)(output, target), theirs(file)(output, target)
    style = sum(
        found[f"style/{layer}"] * (size // step) ** 4 for layer, (_, step) in STYLE_SIZES.items()
    )  # piq: Gram matrices without 1 / (C H W), mean over C x C instead of the sum; content summed over channels
    values = {"content": found["feature"] * 256, "style": style, "lpips": found["lpips"]}
    for name, value in values.items():
        print(f"{name:8s} relative difference {abs(float(value / expected[name]) - 1):.1e}")


def main() -> None:
    """Print values, times, ratios and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        name, file = options.peak_of
        print_peak(name, Path(file), options.batch, options.size)
        return
    with random_vgg() as file:
        print_agreement(file, options.batch, options.size)
        print_rows(rows(file, options.batch, options.size, options.rounds, clock_of(options.threads)))


if __name__ == "__main__":
    main()
