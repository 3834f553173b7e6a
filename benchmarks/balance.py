"""What part of the gradient comes from each part of a loss, with fixed weights and with weights that follow gradients.

    python benchmarks/balance.py [--steps 300] [--photos FOLDER] [--out runs/balance.png]

Trains a small x2 upscaler with an L1 loss, a perceptual loss and a critic, in a loop of its own: with fixed weights,
with the shares 1 : 1 : 0.5, and with these and an average over the steps. Prints the norm of each part's weighted
gradient with respect to the output, beside that of the L1 loss, and draws it into OUT. Then it prints what a step costs
beside one with fixed weights, measured in turn: with respect to the output, and to the last layer's weight.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import DataLoader

from loss_network_photos import PHOTOS
from perceptualloss import FeatureReconstructionLoss, GANLoss, GradientBalance, L1Loss, PatchCritic, ResidualUpscaler
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.drawing.plots import LIGHT, dress
from perceptualloss.losses.gradient_norms import gradient_norms
from timing import print_ratios, side_by_side

FIXED = {"l1": 1.0, "perceptual": 1.0, "adversarial": 0.01}
SHARES = {"l1": 1.0, "perceptual": 1.0, "adversarial": 0.5}
Balance = Callable[[dict[str, Tensor], Tensor], dict[str, Tensor]]


def fixed(terms: dict[str, Tensor], _: Tensor) -> dict[str, Tensor]:
    """Weigh terms as a sum with fixed weights does."""
    return {name: FIXED[name] * value for name, value in terms.items()}


class Training:
    """An upscaler, its critic and their optimisers."""

    def __init__(self, balance: Balance, wrt: str = "output", width: int = 32) -> None:
        torch.manual_seed(0)
        self.network, self.critic = ResidualUpscaler(2, width=width, blocks=3), PatchCritic(width=16)
        self.balance, self.wrt, self.game = balance, wrt, GANLoss("hinge")
        self.losses = {
            "l1": L1Loss(),
            "perceptual": FeatureReconstructionLoss("compact", dict.fromkeys(("relu1_2", "relu2_2"), 1.0), "unit"),
        }
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=2e-4, betas=(0.5, 0.9))

    def step(self, low: Tensor, target: Tensor, norms: list[list[float]] | None = None) -> None:
        """Update the critic, then the upscaler; keep the norms of the parts' gradients, if they are wanted."""
        output = self.network(low)
        critic_loss = self.game.critic_loss(self.critic(target), self.critic(output.detach()))
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        terms = {name: loss(output, target) for name, loss in self.losses.items()}
        terms["adversarial"] = self.game.generator_loss(self.critic(output))
        wrt = output if self.wrt == "output" else self.network.last.weight
        weighted = self.balance(terms, wrt)
        if norms is not None:
            norms.append(gradient_norms(weighted, output).tolist())
        self.optimizer.zero_grad()
        torch.stack(list(weighted.values())).sum().backward()
        self.optimizer.step()


def balances() -> dict[str, Balance]:
    """Return what is compared."""
    return {
        "fixed weights": fixed,
        "shares": GradientBalance(SHARES).terms,
        "shares, average 0.99": GradientBalance(SHARES, average=0.99).terms,
    }


def relative(norms: list[list[float]]) -> dict[str, list[float]]:
    """Return every part's norm beside the first one's."""
    return {name: [step[n] / step[0] for step in norms] for n, name in enumerate(SHARES) if n}


def draw(curves: dict[str, dict[str, list[float]]], file: Path) -> None:
    """Draw every part's share over the steps, a panel for each way to weigh."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (title, each) in zip(figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True):
        dress(axes, LIGHT)
        for (name, values), colour in zip(each.items(), LIGHT.colours, strict=False):
            axes.plot(values, label=name, color=colour, linewidth=1.2)
            if title != "fixed weights":
                axes.axhline(SHARES[name], color=colour, linewidth=0.8, linestyle=":")
        axes.set(title=title, xlabel="step", yscale="log")
    figure.axes[0].set_ylabel("norm of the gradient, of that of L1")
    figure.axes[0].legend(frameon=False)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Train and draw; then measure the cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--out", type=Path, default=Path("runs/balance.png"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    crops = PhotoData(Downscale(2), options.photos, validation=2, crop=64, batch_size=4).crops
    curves = {}
    for title, balance in balances().items():
        training, norms = Training(balance), list[list[float]]()
        for low, target in DataLoader(crops, 4, sampler=range(4 * options.steps)):
            training.step(low, target, norms)
        curves[title] = relative(norms)
    draw(curves, options.out)
    tenth = max(1, options.steps // 10)
    print("| weights | part | first tenth | last tenth | smallest | largest |\n|---|---|---:|---:|---:|---:|")
    for title, each in curves.items():
        for name, values in each.items():
            ends = (median(values[:tenth]), median(values[-tenth:]), min(values), max(values))
            print(f"| {title} | {name} | " + " | ".join(f"{value:.3g}" for value in ends) + " |")
    low, target = next(iter(DataLoader(crops, 4)))
    steps = {
        "fixed weights": Training(fixed).step,
        "with respect to the output": Training(GradientBalance(SHARES).terms).step,
        "with respect to the last layer": Training(GradientBalance(SHARES).terms, "last layer").step,
    }
    functions: dict[str, Callable[[], object]] = {name: partial(step, low, target) for name, step in steps.items()}
    print_ratios(side_by_side(functions, options.rounds), "fixed weights")


if __name__ == "__main__":
    main()
