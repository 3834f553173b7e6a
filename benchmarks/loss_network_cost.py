"""What a loss network costs: forward and backward per megapixel, against VGG-16."""

from __future__ import annotations

from functools import partial

import torch

from perceptualloss.features.network import loss_network
from processor import clock_of
from timing import print_ratios, side_by_side

REFERENCE = "VGG-16, relu3_3"
NETWORKS = {
    REFERENCE: ("vgg16", ["relu3_3"]),
    "VGG-16, relu1_2 + relu2_2 + relu3_3": ("vgg16", ["relu1_2", "relu2_2", "relu3_3"]),
    "compact, relu3_3": ("compact", ["relu3_3"]),
    "compact, relu1_2 + relu2_2 + relu3_3": ("compact", ["relu1_2", "relu2_2", "relu3_3"]),
    "compact, relu4_3": ("compact", ["relu4_3"]),
    "judge, relu3_2": ("judge", ["relu3_2"]),
}


def cost(rounds: int = 9, size: int = 512) -> None:
    """Print the seconds a megapixel, and how many times less they are than VGG-16's.

    Random weights, since speed does not depend on them; 32 bits; one picture of ``size`` x ``size``; gradients to
    the picture alone. The networks take turns; the median of ``rounds`` turns counts. One thread (OMP_NUM_THREADS=1)
    is timed by what it computes, so that other programs hardly matter; several need an idle machine.
    """
    picture = torch.rand(1, 3, size, size)
    networks = {name: loss_network(network, layers, weights=None) for name, (network, layers) in NETWORKS.items()}

    def step(name: str) -> None:
        output = picture.clone().requires_grad_()
        torch.stack([maps.square().mean() for maps in networks[name](output).values()]).sum().backward()

    seconds = side_by_side({name: partial(step, name) for name in networks}, rounds, clock=clock_of(None))
    megapixels, threads = size * size / 1e6, torch.get_num_threads()
    print(f"forward and backward of one megapixel, 32 bits, {threads} thread{'s' * (threads > 1)}")
    print_ratios({name: value / megapixels for name, value in seconds.items()}, REFERENCE)
