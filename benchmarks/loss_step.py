"""Forward and backward of VGG16PerceptualLoss on 2 x 3 x 256 x 256, against the course's definition.

    python benchmarks/loss_step.py [--rounds 15]

Both run on the same random weights (speed does not depend on them); no download. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg16

from perceptualloss.losses.feature import VGG16PerceptualLoss
from timing import print_ratios, side_by_side


class CourseLoss(nn.Module):
    """The course's definition."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.vgg = network.features[:16].eval()  # type: ignore[index,union-attr]
        for parameter in self.vgg.parameters():
            parameter.requires_grad = False
        self.l1_loss = nn.L1Loss()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute difference at relu3_3."""
        output = F.interpolate(output, size=(224, 224), mode="bilinear", align_corners=False)
        target = F.interpolate(target, size=(224, 224), mode="bilinear", align_corners=False)
        features = self.vgg(output)
        with torch.no_grad():
            wanted = self.vgg(target)
        loss: Tensor = self.l1_loss(features, wanted)
        return loss


def main() -> None:
    """Print values, the gradients' difference, times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=256)
    rounds, size = vars(parser.parse_args()).values()
    torch.manual_seed(0)
    network = vgg16(weights=None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vgg16.pth"
        torch.save({k: v for k, v in network.state_dict().items() if k.startswith("features.")}, file)
        ours = VGG16PerceptualLoss(weights=file, input_range="imagenet")
    course = CourseLoss(network)
    target = torch.randn(2, 3, size, size)
    picture = (target + 0.3 * torch.randn(2, 3, size, size)).clamp(-2.1, 2.6)
    target = target.clamp(-2.1, 2.6)

    def step(loss: nn.Module, bf16: bool = False) -> tuple[float, Tensor]:
        output = picture.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            value = loss(output, target)
        value.backward()
        assert output.grad is not None
        return value.item(), output.grad

    (expected, wanted), (value, gradient), (rounded, _) = step(course), step(ours), step(ours, bf16=True)
    print(f"value: course {expected:.7f}, ours {value:.7f}, ours in bf16 {rounded:.7f}")
    print(f"relative difference of the value {abs(value / expected - 1):.1e} (bf16 {abs(rounded / expected - 1):.1e})")
    difference = ((gradient - wanted).norm() / wanted.norm()).item()
    print(f"relative difference of the gradient {difference:.1e} (the L1's kinks; see docs/losses.md)")
    print_ratios(
        side_by_side(
            {
                "course, fp32": lambda: step(course),
                "ours, fp32": lambda: step(ours),
                "ours, bf16": lambda: step(ours, bf16=True),
            },
            rounds,
        ),
        "course, fp32",
    )


if __name__ == "__main__":
    main()
