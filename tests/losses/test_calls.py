"""What every loss does beside its value: the checked ``per_image``, and what it shows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.base import Loss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.registry import LOSSES, build_loss, options_of
from perceptualloss.losses.ssim import MSSSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.losses.total_variation import TotalVariationLoss


@pytest.mark.parametrize(
    ("output", "target", "remedy"),
    [
        (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4) * 2 - 1, r"input_range=\(-1, 1\)"),
        (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5), "same shape"),
        (torch.rand(1, 4, 4, 4), torch.rand(1, 4, 4, 4), "alpha"),
        (torch.rand(1, 3, 4, 4), None, "no target"),
    ],
)
def test_per_image_checks_as_the_loss_does(output: Tensor, target: Tensor | None, remedy: str) -> None:
    for loss in (MSELoss(), MSELoss() + L1Loss(), FeatureReconstructionLoss("compact", ["relu1_1"])):
        with pytest.raises(InputError, match=remedy):
            loss.per_image(output, target)


def test_per_image_needs_no_target_where_the_loss_needs_none_and_gives_the_target_no_gradient() -> None:
    output, target = (x.requires_grad_() for x in torch.rand(2, 2, 3, 8, 8).unbind(0))
    assert TotalVariationLoss().per_image(output)["total_variation"].shape == (2,)
    (2 * L1Loss()).per_image(output, target)["l1"].sum().backward()
    assert output.grad is not None
    assert target.grad is None


def test_a_loss_of_ones_own_defines_the_values_of_every_picture() -> None:
    class Averaged(Loss):
        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {"error": nn.functional.l1_loss(output, target)}

    with pytest.raises(InputError, match=r"to give error for every picture, \(2,\), got shape \(\)"):
        Averaged()(*torch.rand(2, 2, 3, 4, 4))
    with pytest.raises(TypeError, match="Old must define _per_image"):

        class Old(Loss):
            def per_image(self, output: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
                return {}


def test_it_shows_options_layers_and_weights(tmp_path: Path) -> None:
    features = FeatureReconstructionLoss("compact", {"relu1_1": 1.0, "relu2_1": 0.5}, "unit", augment="geometric")
    shown = "network='compact', layers={'relu1_1': 1.0, 'relu2_1': 0.5}, distance='unit', augment='geometric'"
    assert repr(features) == f"FeatureReconstructionLoss({shown})"
    assert repr(EdgeLoss(0.2, reduction="sum")) == (
        "EdgeLoss(threshold=0.2, mask='hard', distance='l1', reduction='sum')"
    )
    assert repr(MSELoss((0, 255))) == "MSELoss(input_range=(0.0, 255.0))"
    assert repr(MSSSIMLoss((0.4, 0.6))) == "MSSSIMLoss(weights=(0.4, 0.6))"
    assert repr(VGG16PerceptualLoss((32, 48), None)) == (
        "VGG16PerceptualLoss(resize=(32, 48), weights=None, layers=('relu3_3',))"
    )
    assert repr(LPIPS("squeeze", weights=None)).startswith("LPIPS(net='squeeze', spatial=False, weights=None, layers=(")
    style = StyleReconstructionLoss("compact", ["relu1_1"], style=torch.rand(3, 20, 20), halvings=1)
    assert repr(style).endswith("layers={'relu1_1': 1.0}, distance='frobenius', style='fixed', halvings=1)")
    file = tmp_path / "own.safetensors"
    save_file(ARCHITECTURES["compact"]().state_dict(), file)
    own = FeatureReconstructionLoss(loss_network("compact", ["relu1_1"], file), ["relu1_1"])
    assert f"weights='{file}'" in repr(own)
    custom = FeatureReconstructionLoss(LossNetwork(nn.Sequential(nn.Conv2d(3, 4, 3)), ["conv1_1"]), ["conv1_1"])
    assert "network='custom', layers={'conv1_1': 1.0}" in repr(custom)
    assert "weights" not in repr(custom)


def test_a_sum_shows_a_line_for_every_part() -> None:
    loss = 0.5 * L1Loss() - CharbonnierLoss() / 3
    parts = "  (l1): 0.5 * L1Loss()\n  (charbonnier): -0.333333 * CharbonnierLoss(epsilon=0.001)\n"
    assert repr(loss) == f"WeightedLoss(\n{parts})"
    named = WeightedLoss({"a": L1Loss((-1, 1))}, {"a": 2}, reduction="none")
    assert repr(named) == "WeightedLoss(\n  (a): 2 * L1Loss(input_range=(-1.0, 1.0))\n  reduction='none'\n)"
    both = repr(PerceptualLoss("compact", ["relu1_1"], style_layers=["relu1_2"], style_scales=2))
    assert [line.split(":")[0] for line in both.splitlines()] == [
        "PerceptualLoss(",
        "  (feature)",
        "  (style)",
        "  (style_2)",
        ")",
    ]


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"gatys", "dped"}))  # two of VGG-19 less
def test_every_registered_loss_shows_itself_in_a_line_for_each_part(name: str) -> None:
    taken = options_of(name)
    network = {"network": "compact"} if "network" in taken else {}
    weights = {"weights": None} if "weights" in taken and not network and name != "MSSSIMLoss" else {}
    lines = repr(build_loss(name, **network, **weights)).splitlines()  # type: ignore[arg-type]
    assert len(lines) == 1 or (lines[-1] == ")" and all(line.startswith("  (") for line in lines[1:-1]))
    assert "object at" not in " ".join(lines)
    assert all(len(line) < 400 for line in lines)
