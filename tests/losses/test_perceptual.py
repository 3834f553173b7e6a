from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.loss_networks.loss_network import loss_network
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.style import StyleReconstructionLoss


def pair(size: int = 40) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, size, size).unbind(0)
    return output, target


def test_is_the_sum_of_its_parts() -> None:
    network = loss_network("squeezenet", ["fire9"], weights=None)
    content, style = {"fire3": 2.0, "conv1_1": 0.5}, {"relu1_1": 3.0, "fire5": 1.0}
    loss = PerceptualLoss(network, content, "charbonnier", style, "l1", lpips=0.7)
    output, target = pair()
    terms = loss.terms(output, target)
    expected = {
        "feature": FeatureReconstructionLoss(network, content, "charbonnier")(output, target),
        "style": StyleReconstructionLoss(network, style, "l1")(output, target),
        "lpips": 0.7 * LPIPS(network)(output, target),
    }
    for name, value in expected.items():
        torch.testing.assert_close(sum(v for k, v in terms.items() if k.split("/")[0] == name), value)


def test_two_lines_are_enough() -> None:
    loss = PerceptualLoss("compact", {"relu2_2": 1.0})
    output, target = pair()
    torch.testing.assert_close(loss(output, target), FeatureReconstructionLoss("compact")(output, target))
    assert list((loss + 0.5 * L1Loss()).terms(output, target)) == ["feature", "l1"]


def test_a_fixed_style_beside_a_content_target() -> None:
    style = torch.rand(3, 30, 50)
    loss = PerceptualLoss("compact", ["relu2_2"], style_layers=["relu1_2"], style=style)
    output, target = pair()
    terms = loss.terms(output, target)
    expected = StyleReconstructionLoss("compact", ["relu1_2"], style=style)(output)
    torch.testing.assert_close(terms["style"], expected)
    alone = PerceptualLoss("compact", None, style_layers=["relu1_2"], style=style)
    torch.testing.assert_close(alone(output), expected)  # no content, no target
