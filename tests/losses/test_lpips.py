from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import lpips as reference
import pytest
import torch
import torchmetrics.functional.image.lpips as torchmetrics_lpips
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.features.network import loss_network
from perceptualloss.losses.lpips import LAYERS, LPIPS, NETS
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.sums import WeightedLoss

SIZE = 64


@pytest.fixture(scope="module", params=NETS)
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A backbone with random weights, drawn large enough that no epsilon counts."""
    torch.manual_seed(3)
    network = ARCHITECTURES[NETS[request.param]]()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    file = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(network.state_dict(), file)
    return request.param, file


def pictures(batch: int = 2) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, batch, 3, SIZE, SIZE + 6).unbind(0)
    return output, target


def the_authors(net: str, file: Path, spatial: bool = False) -> nn.Module:
    """The authors' package on the same backbone; its module names are torchvision's indices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = reference.LPIPS(net=net, pnet_rand=True, spatial=spatial, verbose=False)
    state = load_file(file)
    for name, part in network.net.named_children():
        if name.startswith("slice"):
            own = part.state_dict()
            part.load_state_dict({key: state[key] for key in own})
    return network


def test_equals_the_authors_package_on_the_same_backbone(backbone: tuple[str, Path]) -> None:
    output, target = pictures()
    distances = LPIPS(backbone[0], weights=backbone[1]).per_image(output, target)["lpips"]
    expected = the_authors(*backbone)(output, target, normalize=True).flatten()
    assert (expected > 0.05).all()
    torch.testing.assert_close(distances, expected, rtol=1e-5, atol=1e-6)


def test_maps_equal_the_authors(backbone: tuple[str, Path]) -> None:
    output, target = pictures()
    expected = the_authors(*backbone, spatial=True)(output, target, normalize=True)
    loss = LPIPS(backbone[0], spatial=True, weights=backbone[1])
    assert expected.shape == (2, 1, SIZE, SIZE + 6)
    torch.testing.assert_close(loss(output, target), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(loss.map(output, target), expected, rtol=1e-5, atol=1e-6)


def test_gradients_equal_the_authors(backbone: tuple[str, Path]) -> None:
    output, target = pictures()
    twin = output.clone().requires_grad_()
    LPIPS(backbone[0], weights=backbone[1])(output.requires_grad_(), target).backward()
    the_authors(*backbone)(twin, target, normalize=True).mean().backward()
    assert (output.grad - twin.grad).norm() <= 1e-3 * twin.grad.norm()


def test_equals_torchmetrics_on_the_same_backbone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = torchmetrics_lpips._LPIPS(pretrained=True, net="squeeze", pnet_rand=True).eval()
    slices = [getattr(network.net, f"slice{i}", None) or network.net.slices[i - 1] for i in range(1, 8)]
    state = {key: value for part in slices for key, value in part.state_dict().items()}
    save_file(state, tmp_path / "squeezenet.safetensors")
    output, target = pictures()
    distances = LPIPS("squeeze", weights=tmp_path / "squeezenet.safetensors").per_image(output, target)["lpips"]
    expected = network(output, target, normalize=True).flatten()
    torch.testing.assert_close(distances, expected, rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 2**31))
def test_images_average_in_any_order(seed: int) -> None:
    torch.manual_seed(seed)
    loss = LPIPS("squeeze", weights=None)
    output, target = pictures(3)
    value = loss(output, target)
    torch.testing.assert_close(loss(output.flip(0), target.flip(0)), value, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(loss.per_image(output, target)["lpips"].mean(), value)
    torch.testing.assert_close(loss(target, output), value, rtol=1e-4, atol=1e-7)


def test_gradcheck() -> None:
    loss = LPIPS("alex", weights=None).double()
    output, target = torch.rand(2, 1, 3, 31, 31, dtype=torch.float64).unbind(0)
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output, fast_mode=True)


def test_other_ranges_give_the_same_value() -> None:
    output, target = pictures()
    network = loss_network("squeezenet", LAYERS["squeezenet"], None)
    twin = loss_network("squeezenet", LAYERS["squeezenet"], None, (-1, 1))
    twin.body = network.body
    torch.testing.assert_close(LPIPS(twin)(2 * output - 1, 2 * target - 1), LPIPS(network)(output, target))


def test_errors_name_the_remedy() -> None:
    with pytest.raises(InputError, match="Did you mean 'alex'"):
        LPIPS("alexx", weights=None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="network of LPIPS to be one of vgg16"):
        LPIPS(loss_network("compact", ["relu1_1"]))
    with pytest.raises(InputError, match="at least 31 x 31"):
        LPIPS("alex", weights=None)(*torch.rand(2, 1, 3, 16, 16))
    with pytest.raises(InputError, match="no target"):
        LPIPS("squeeze", spatial=True, weights=None)(torch.rand(1, 3, SIZE, SIZE))


def test_a_map_is_no_part_of_a_sum() -> None:
    loss = LPIPS("squeeze", spatial=True, weights=None)
    for sum_of in (
        lambda: loss + L1Loss(),
        lambda: L1Loss() + loss,
        lambda: 2 * loss,
        lambda: WeightedLoss({"a": loss}),
    ):
        with pytest.raises(InputError, match=r"spatial=True.*loss\.map"):
            sum_of()


@pytest.mark.parametrize("call", [lambda loss, *pair: loss(*pair), lambda loss, *pair: loss.map(*pair)])
def test_a_map_is_checked_on_its_first_call(call: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    output, target = pictures()
    with pytest.raises(InputError, match="255"):
        call(LPIPS("squeeze", spatial=True, weights=None), 255 * output, 255 * target)
    loss = LPIPS("squeeze", spatial=True, weights=None)
    call(loss, output, target)
    read: list[str] = []
    monkeypatch.setattr(Tensor, "item", lambda self: read.append("item"))
    call(loss, output, target)
    assert not read


def test_there_is_no_map_of_changed_pictures() -> None:
    with pytest.raises(InputError, match="without augment for a map"):
        LPIPS("squeeze", spatial=True, weights=None, augment="geometric")
    loss = LPIPS("squeeze", weights=None, augment="geometric")
    with pytest.raises(InputError, match=r"LPIPS\(loss\.network\)"):
        loss.map(*pictures())
    assert LPIPS(loss.network).map(*pictures()).shape == (2, 1, SIZE, SIZE + 6)
