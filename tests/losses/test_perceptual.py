from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.network import loss_network
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


def halved(images: Tensor) -> Tensor:
    """Blur with [1, 3, 3, 1] / 8 both ways, the border repeated, and take every second value."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=3)


def test_style_at_several_sizes_is_the_mean_over_halved_pictures() -> None:
    style, (output, target) = torch.rand(1, 3, 48, 32), pair()
    loss = PerceptualLoss(
        "compact", ["relu2_2"], style_layers={"relu1_1": 3.0, "relu2_1": 1.0}, style=style, style_scales=3
    )
    terms = loss.terms(output, target)
    alone = {"relu1_1": 3.0, "relu2_1": 1.0}
    for name in ("style", "style_2", "style_4"):
        expected = StyleReconstructionLoss("compact", alone)(output, style.expand(2, -1, -1, -1)) / 3
        torch.testing.assert_close(sum(v for k, v in terms.items() if k.split("/")[0] == name), expected)
        output, style = halved(output), halved(style)
    with pytest.raises(InputError, match="style_scales"):
        PerceptualLoss("compact", None, style_layers=["relu1_1"], style_scales=0)
    with pytest.raises(InputError, match=r"style_distance.*l1, relative, wasserstein"):
        PerceptualLoss("compact", None, style_layers=["relu1_1"], style_distance="sliced")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="halvings"):
        StyleReconstructionLoss("compact", ["relu1_1"], halvings=-1)
