"""One training step of four networks, against plain loops with the same networks, losses and batches.

    python benchmarks/train_step.py [--rounds 5] [--only NAME ...] [--threads 1]

The plain loops: 32 bits, PyTorch's default memory layout, losses written by hand through the same loss networks, Adam.
Ours: the same step as ``perceptualloss train`` runs it, in the precision that the machine computes best in.

- Upscale2x: 16 crops of 64 pixels, MSE, as the course trains it.
- residual x4: 8 crops of 96 pixels, unit distances at three layers of ``compact`` and L1.
- Johnson x4: 1 crop of 288 pixels, features of VGG-16 at relu2_2 (random weights: speed does not depend on them).
- style: 2 crops of 192 pixels through a network of half the paper's width, content, style and total variation.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg16

from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.parameters import adam
from processor import clock_of, is_fast
from timing import Row, compared, in_turn, print_rows

Criterion = Callable[[Tensor, Tensor], Tensor]
PLAIN = "a plain loop"
GOALS = {"fp32": 1.3, "bf16": 2.2}  # of the course's step
COMPACT = {"relu1_2": 4.0, "relu2_2": 4.0, "relu3_3": 4.0}
STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT, SMOOTHNESS = 0.2, 2.0


class PlainFeatures(nn.Module):
    """A loss network as scripts have it: modules in turn, in the default layout, some results kept."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: LossNetwork, layers: Sequence[str]) -> None:
        super().__init__()
        last = max(network.names.index(layer) for layer in layers) + 1
        modules = [copy.deepcopy(module) for module in network.modules_in_turn()[:last]]
        self.parts = nn.ModuleList(module.to(memory_format=torch.contiguous_format) for module in modules)
        self.names, self.layers = network.names[:last], layers
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features of pictures in [0, 1]."""
        x, found = (images - self.mean) / self.std, {}
        for name, part in zip(self.names, self.parts, strict=True):
            x = F.relu(x) if isinstance(part, nn.ReLU) else part(x)
            if name in self.layers:
                found[name] = x
        return found


@dataclass(frozen=True)
class Training:
    """What is trained: a network on pairs of pictures, by a loss of this package and by the same written by hand."""

    network: Callable[[], TransformationNetwork]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    ours: Callable[[], Loss]
    plain: Callable[[], Criterion]
    on_photo: bool = False  # the target is the input, as for styles
    layout: torch.memory_format = torch.channels_last


def unit_channels(x: Tensor) -> Tensor:
    """Return features as LPIPS normalises them."""
    return x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()


def plain_unit() -> Criterion:
    features = PlainFeatures(loss_network("compact", list(COMPACT)), list(COMPACT))

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = features(target)
        total = F.l1_loss(output, target)
        for layer, found in features(output).items():
            difference = unit_channels(found) - unit_channels(wanted[layer])
            total = total + COMPACT[layer] * difference.square().sum(dim=1).mean()
        return total

    return criterion


def our_unit() -> Loss:
    return FeatureReconstructionLoss("compact", COMPACT, "unit") + L1Loss()


@cache
def vgg(*layers: str) -> LossNetwork:
    """Return VGG-16 with random weights, the same for both."""
    torch.manual_seed(0)
    return LossNetwork(vgg16(weights=None).features, layers)


def plain_feature() -> Criterion:
    features = PlainFeatures(vgg("relu2_2"), ["relu2_2"])

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = features(target)
        return F.mse_loss(features(output)["relu2_2"], wanted["relu2_2"])

    return criterion


def our_feature() -> Loss:
    return FeatureReconstructionLoss(vgg("relu2_2"), ["relu2_2"])


@cache
def painting() -> Tensor:
    return torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))


def gram(features: Tensor) -> Tensor:
    count, channels, height, width = features.shape
    flat = features.view(count, channels, height * width)
    return flat.bmm(flat.transpose(1, 2)) / (channels * height * width)


def plain_style() -> Criterion:
    """As PyTorch's example for fast neural style has it, with total variation."""
    features = PlainFeatures(vgg(*STYLE), STYLE)
    with torch.no_grad():
        styles = {layer: gram(found) for layer, found in features(painting()).items()}

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        found = features(output)
        wanted = features(target)  # as far as for the styles: so does the example
        total = CONTENT * F.mse_loss(found["relu3_3"], wanted["relu3_3"])
        for layer in STYLE:
            total = total + F.mse_loss(gram(found[layer]), styles[layer].expand(len(output), -1, -1))
        down, across = output[..., 1:, :] - output[..., :-1, :], output[..., 1:] - output[..., :-1]
        return total + SMOOTHNESS * (down.square().mean() + across.square().mean())

    return criterion


def our_style() -> Loss:
    network = vgg(*STYLE)
    layers = dict.fromkeys(STYLE, 1.0)
    loss = PerceptualLoss(network, {"relu3_3": CONTENT}, style_layers=layers, style_distance="mse", style=painting())
    return loss + SMOOTHNESS * TotalVariationLoss(kind="squared")


TRAININGS: dict[str, Training] = {
    "Upscale2x, 16 crops of 64": Training(
        Upscale2x, ((16, 3, 32, 32), (16, 3, 64, 64)), MSELoss, lambda: nn.functional.mse_loss
    ),
    "residual x4, 8 crops of 96": Training(
        lambda: ResidualUpscaler(4), ((8, 3, 24, 24), (8, 3, 96, 96)), our_unit, plain_unit
    ),
    "Johnson x4, 1 crop of 288": Training(
        lambda: SuperResolutionNetwork(4), ((1, 3, 72, 72), (1, 3, 288, 288)), our_feature, plain_feature
    ),
    "style, 2 crops of 192": Training(
        lambda: StyleTransferNetwork(width=16, luminance_skip=True),
        ((2, 3, 192, 192), (2, 3, 192, 192)),
        our_style,
        plain_style,
        on_photo=True,
        layout=torch.contiguous_format,
    ),
}


def steps(
    training: Training, bf16: bool, change: Callable[[nn.Module], Callable[..., Tensor]] = lambda network: network
) -> dict[str, Callable[[], float]]:
    """Return a step of the plain loop and one of ours, each with a network of its own; they give the loss.

    Args:
        training: what is trained.
        bf16: whether ours computes so.
        change: what is done with the network first, such as ``torch.compile``.
    """
    generator = torch.Generator().manual_seed(0)
    low, target = (torch.rand(shape, generator=generator) for shape in training.shapes)
    if training.on_photo:
        target = low

    def of(layout: torch.memory_format, criterion: Criterion, short: bool) -> Callable[[], float]:
        torch.manual_seed(0)
        network = training.network().to(memory_format=layout)
        optimizer, function = adam(network, 1e-3, (0.9, 0.999)), change(network)

        def step() -> float:
            with torch.autocast("cpu", torch.bfloat16, enabled=short):
                loss = criterion(function(low.to(memory_format=layout)), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    return {
        PLAIN: of(torch.contiguous_format, training.plain(), False),
        "ours": of(training.layout, training.ours(), bf16),
    }


def rows(
    rounds: int = 5, names: Sequence[str] = tuple(TRAININGS), clock: Callable[[], float] = time.perf_counter
) -> list[Row]:
    """Return a row for each training."""
    bf16 = is_fast("bf16")
    kind = "bf16" if bf16 else "fp32"
    found: list[Row] = []
    for name in names:
        goal = GOALS[kind] if name.startswith("Upscale2x") else None
        times: Mapping[str, Sequence[float]] = in_turn(steps(TRAININGS[name], bf16), rounds, clock)
        found += compared(f"training step: {name}, {kind}", times, "ours", goal)
    return found


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(TRAININGS), default=list(TRAININGS))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    print_rows(rows(options.rounds, options.only, clock_of(options.threads)))


if __name__ == "__main__":
    main()
