"""What all losses without a loss network promise together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.lattice import LatticeLoss
from perceptualloss.losses.pixel import CharbonnierLoss
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.total_variation import TotalVariationLoss

LOSSES = {
    "charbonnier": CharbonnierLoss(),
    "total variation": TotalVariationLoss(),
    "total variation, power": TotalVariationLoss("power", 1.5),
    "edge": EdgeLoss(),
    "edge, hard": EdgeLoss(mask="hard"),
    "angle": AngularColorLoss(),
    "angle, imagenet": AngularColorLoss(input_range="imagenet"),
    "blurred": BlurredColorLoss(),
    "ssim": SSIMLoss(),
    "ms-ssim": MSSSIMLoss((0.4, 0.6)),
    "lattice": LatticeLoss(2.0, 16),
}


pytestmark = pytest.mark.filterwarnings("ignore:.* has all values in .0, 1. where .-2")  # one pair for all ranges


def pair(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, 26, 31, dtype=dtype)
    return 0.7 * target + 0.3 * output, target


@pytest.mark.parametrize("name", LOSSES)
def test_compiled_in_one_graph_it_gives_the_same_value(name: str) -> None:
    torch.compiler.reset()
    loss, (output, target) = LOSSES[name], pair()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)  # traced, without the minutes of a code generator
    torch.testing.assert_close(compiled(output, target), loss(output, target))


@pytest.mark.parametrize("name", LOSSES)
def test_after_the_first_call_no_value_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, (output, target) = LOSSES[name], pair()
    loss(output, target)
    read = []
    for method in ("item", "cpu", "tolist", "numpy", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(Tensor, method, lambda self, *args, method=method: read.append(method))
    loss(output.requires_grad_(), target).backward()
    assert not read


@pytest.mark.parametrize("name", LOSSES)
def test_memory_layout_does_not_matter_and_inputs_stay_as_they_are(name: str) -> None:
    loss, (output, target) = LOSSES[name], pair()
    before = output.clone(), target.clone()
    value = loss(output, target)
    last = [x.to(memory_format=torch.channels_last) for x in (output, target)]
    torch.testing.assert_close(loss(*last), value)
    assert torch.equal(output, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_computed_in_32_bits(name: str, dtype: torch.dtype) -> None:
    loss, (output, target) = LOSSES[name], pair()
    expected = loss(output, target)
    with torch.autocast("cpu", dtype):
        assert torch.equal(loss(output, target), expected)
        rounded = loss(output.to(dtype), target)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_the_target_gets_no_gradient(name: str) -> None:
    output, target = (x.requires_grad_() for x in pair())
    LOSSES[name](output.detach().requires_grad_(), target).backward()
    assert target.grad is None
    assert output.grad is None


def test_adversarial_losses_compile_in_one_graph() -> None:
    real, fake = torch.randn(2, 4, 1)
    for kind in ("vanilla", "least_squares", "hinge", "relativistic", "relativistic_hinge", "wasserstein"):
        loss = GANLoss(kind)
        compiled = torch.compile(loss.critic_loss, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(real, fake), loss.critic_loss(real, fake))
