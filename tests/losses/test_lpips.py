from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as reference
from safetensors.torch import save_file
from torchvision.models import vgg16

from perceptualloss.losses.lpips import LPIPS


def _reference_lpips(features: dict[str, torch.Tensor], output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    network = reference._LPIPS(pretrained=True, net="vgg", use_dropout=True, pnet_rand=True)
    slices = [network.net.slice1, network.net.slice2, network.net.slice3, network.net.slice4, network.net.slice5]
    for part in slices:
        for name, module in part.named_children():
            if f"{name}.weight" in features:
                module.weight.data.copy_(features[f"{name}.weight"])
                module.bias.data.copy_(features[f"{name}.bias"])
    return network.eval()(output, target, normalize=True).flatten()


def test_equals_torchmetrics_on_the_same_backbone(tmp_path: Path) -> None:
    features = vgg16(weights=None).features.state_dict()  # drawn large enough that no epsilon counts
    save_file(features, tmp_path / "vgg16.safetensors")
    output, target = torch.rand(2, 2, 3, 64, 64).unbind(0)
    ours = LPIPS(weights=tmp_path / "vgg16.safetensors").per_image(output, target)["lpips"]
    torch.testing.assert_close(ours, _reference_lpips(features, output, target), rtol=1e-4, atol=1e-5)


def test_equal_pictures_give_zero_and_a_finite_gradient() -> None:
    loss = LPIPS(weights=None)
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    value = loss(images, images)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert torch.isfinite(images.grad).all()
    assert not loss.state_dict()
