"""What each network costs, for docs/networks.md and the pages in docs/networks/: three minutes of one core.

    python benchmarks/network_costs.py [--rounds 2] [--print]

Weights and multiply-adds are counted, of convolutions and matrix products (``torch.utils.flop_counter``), on networks
without memory; a test compares them with the documents. Times are what one thread computed in 32 bits, as ``upscale``
and ``stylize`` run a network, all in turn; so other programs hardly matter. Each is a median, per megapixel of a result
of 512 x 512. Memory is the growth of the resident set's peak beyond the network's, in a process of its own.
Critics are timed by one step of them: their update on two real and two generated pictures of 128 x 128, and the
gradient that the generated ones get from it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import perceptualloss as p
from filling import ROOT, Tables, fill, markdown
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.doctor.machine import instructions, processor_name
from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.networks.base import TransformationNetwork
from resident import forget_peak, memory_now, memory_peak
from timing import in_turn, ratio_of

SIDE, CRITICS_SIDE = 512, 128
MEGAPIXELS = SIDE**2 / 1e6
FIRST, FIRST_CRITIC = "SubPixelUpscaler(4)", "Critic()"  # what the others' times are divided by
NETWORKS: dict[str, dict[str, Callable[[], TransformationNetwork]]] = {
    "SubPixelUpscaler": {
        FIRST: p.SubPixelUpscaler,
        "SubPixelUpscaler(2)": partial(p.SubPixelUpscaler, 2),
        "SubPixelUpscaler(1, reduce=2)": partial(p.SubPixelUpscaler, 1, reduce=2),
    },
    "ResidualUpscaler": {
        "ResidualUpscaler(4)": p.ResidualUpscaler,
        "ResidualUpscaler(2)": partial(p.ResidualUpscaler, 2),
        "ResidualUpscaler(1)": partial(p.ResidualUpscaler, 1),
    },
    "SuperResolutionNetwork": {
        "SuperResolutionNetwork(4)": p.SuperResolutionNetwork,
        "SuperResolutionNetwork(8)": partial(p.SuperResolutionNetwork, 8),
    },
    "Upscale2x": {"Upscale2x()": p.Upscale2x},
    "Upscale4x": {"Upscale4x()": p.Upscale4x},
    "Generator": {"Generator(4)": p.Generator},
    "StyleTransferNetwork": {
        "StyleTransferNetwork()": p.StyleTransferNetwork,
        "StyleTransferNetwork(16, luminance_skip=True)": partial(p.StyleTransferNetwork, 16, luminance_skip=True),
    },
    "Autoencoder": {'Autoencoder("kl")': p.Autoencoder, 'Autoencoder("fsq")': partial(p.Autoencoder, "fsq")},
}
CRITICS: dict[str, Callable[[], nn.Module]] = {  # at the papers' widths
    FIRST_CRITIC: p.Critic,
    "PatchCritic()": p.PatchCritic,
    "MultiScaleCritic()": p.MultiScaleCritic,
    "UNetCritic()": p.UNetCritic,
    "ProjectedCritic()": p.ProjectedCritic,
    'ProjectedCritic("vgg16")': partial(p.ProjectedCritic, "vgg16", weights=None),  # costs do not depend on weights
}
ALL = {code: build for page in NETWORKS.values() for code, build in page.items()}


def counted(network: nn.Module, picture: Tensor, pixels: int) -> tuple[str, str]:
    """Return how many weights a network learns, in thousands, and 10⁹ multiply-adds per megapixel."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(picture)
    weights = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    products = counter.get_total_flops() / 2 / pixels / 1e3
    return f"{weights / 1e3:,.0f}", f"{products:.{1 if products < 100 else 0}f}"


def counts(code: str) -> tuple[str, str]:
    """Return the two counts of a network, by the code that builds it; per pixel of the result."""
    with torch.device("meta"):
        network = ALL[code]()
        return counted(network, torch.rand(1, 3, *[SIDE // network.scale] * 2), SIDE**2)


def critic_counts(code: str) -> tuple[str, str]:
    """Return the two counts of a critic; per pixel of what it scores."""
    return counted(CRITICS[code](), torch.rand(1, 3, 256, 256), 256**2)


def ready(code: str) -> Callable[[int], Tensor]:
    """Return what makes a result of so many pixels a side."""
    network = ALL[code]().eval()

    def run(side: int) -> Tensor:
        return transform_in_tiles(network, torch.rand(1, 3, *[side // network.scale] * 2), precision="fp32")

    return run


def network_rows(rounds: int) -> dict[str, list[str]]:
    """Return a row for each network, by its code."""
    times = in_turn({code: partial(ready(code), SIDE) for code in ALL}, rounds, time.thread_time)
    rows = {}
    for code, seconds in times.items():
        milliseconds = 1000 * statistics.median(seconds) / MEGAPIXELS
        ratio = ratio_of(seconds, times[FIRST])
        command = [sys.executable, __file__, "--memory-of", code]
        memory = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        cells = [f"{milliseconds:,.0f}", f"{ratio:.{1 if ratio < 10 else 0}f}", f"{memory / MEGAPIXELS:,.0f}"]
        rows[code] = [f"`{code}`", *counts(code), *cells]
    return rows


def memory_of(code: str) -> float:
    """Return by how many MiB the peak of this process grows for a result, after a small one."""
    run = ready(code)
    run(64)
    forget_peak()
    before = memory_now()
    run(SIDE)
    return memory_peak() - before


def one_step(critic: nn.Module, real: Tensor, fake: Tensor) -> None:
    """Do the work of a step: the critic's gradient, and the generated pictures'."""
    loss = GANLoss("hinge")
    loss.critic_loss(critic(real), critic(fake)).backward()
    critic.requires_grad_(False)
    loss.generator_loss(critic(fake.clone().requires_grad_())).backward()
    critic.requires_grad_(True)
    critic.zero_grad()


def critic_rows(rounds: int) -> list[list[str]]:
    """Return a row for each critic."""
    torch.manual_seed(0)
    real, fake = torch.rand(2, 2, 3, CRITICS_SIDE, CRITICS_SIDE)
    critics = {code: build().to(memory_format=torch.channels_last) for code, build in CRITICS.items()}
    steps = {code: partial(one_step, critic, real, fake) for code, critic in critics.items()}
    times = in_turn(steps, rounds, time.thread_time)
    return [
        [f"`{code}`", *critic_counts(code), f"{ratio_of(times[code], times[FIRST_CRITIC]):.2f}"] for code in CRITICS
    ]


def tables(rounds: int) -> Tables:
    """Measure all, and return the tables of all pages."""
    machine = f"{processor_name()} ({', '.join(instructions())}), one thread"
    heads = [machine, "weights (thousands)", "10⁹ multiply-adds", "ms", f"times `{FIRST}`", "memory (MiB)"]
    networks = network_rows(rounds)
    critics = critic_rows(5)
    pages = {name: [networks[code] for code in page] for name, page in NETWORKS.items()}
    critic_heads = [machine, "weights that learn (thousands)", "10⁹ multiply-adds", f"a step, times `{FIRST_CRITIC}`"]
    return {
        "networks": lambda: markdown(heads, list(networks.values())),
        **{f"network-{name}": partial(markdown, heads, rows) for name, rows in pages.items()},
        "critic-costs": lambda: markdown(critic_heads, critics),
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--print", action="store_true", help="print the two large tables, write nothing")
    parser.add_argument("--memory-of", metavar="CODE", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    if options.memory_of:
        print(memory_of(options.memory_of))
        return
    found = tables(options.rounds)
    if options.print:
        print(found["networks"](), found["critic-costs"](), sep="\n")
        return
    files = [ROOT / "docs" / "networks.md", *sorted((ROOT / "docs" / "networks").glob("*.md"))]
    for file in fill(files, found, check=False, leave=("network-effects",)):
        print(f"filled: {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
