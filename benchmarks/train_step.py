"""One training step of Upscale2x (16 crops of 64 pixels), against the course's plain loop.

    python benchmarks/train_step.py [--rounds 10]

The course's loop: 32 bits, PyTorch's default memory layout, MSE, Adam. Ours: the same step as
``perceptualloss train`` runs it, in the precision that the machine computes best in.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.course import Upscale2x
from perceptualloss.training.precision import best_precision
from timing import print_ratios, side_by_side


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    low, target = torch.rand(16, 3, 32, 32), torch.rand(16, 3, 64, 64)

    plain = Upscale2x()
    plain_optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)

    def course() -> None:
        loss = nn.functional.mse_loss(plain(low), target)
        plain_optimizer.zero_grad()
        loss.backward()
        plain_optimizer.step()

    network = Upscale2x().to(memory_format=torch.channels_last)
    optimizer, loss_function = torch.optim.Adam(network.parameters(), lr=1e-3), MSELoss()
    bf16 = best_precision("cpu") == "bf16"

    def ours() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss: Tensor = loss_function(network(low.to(memory_format=torch.channels_last)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    name = f"ours, {'bf16' if bf16 else 'fp32'}, channels_last"
    print_ratios(side_by_side({"course's loop": course, name: ours}, rounds), "course's loop")


if __name__ == "__main__":
    main()
