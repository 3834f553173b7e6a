"""Losses through networks of torchvision and timm, by name, wherever a loss network's name goes."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from perceptualloss.cli import main
from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.feature import FeatureReconstructionLoss, loss_maps
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.style import StyleReconstructionLoss, gram_matrix
from perceptualloss.studies.layers.reconstruct import reconstruct_layers

VIT = {"blocks.1": 1.0, "blocks.3": 0.5}


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("vit") / "vit.pth"
    torch.save(timm.create_model("test_vit").state_dict(), file)
    return file


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(8)
    file = tmp_path_factory.mktemp("resnet") / "resnet.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)
    return file


def test_a_sum_is_that_of_its_parts_and_one_pass(vit: Path) -> None:
    loss = PerceptualLoss("timm/test_vit", VIT, "unit", style_layers={"blocks.2": 5.0}, weights=vit)
    output, target = torch.rand(2, 2, 3, 32, 48)
    runs: list[int] = []
    feature = loss.losses["feature"]
    assert isinstance(feature, NetworkLoss)
    feature.network.body.modules[0].patch_embed.register_forward_hook(lambda *_: runs.append(1))
    terms = loss.terms(output, target)
    assert len(runs) == 2  # one of the output, one of the target
    network = loss_network("timm/test_vit", ["blocks.1", "blocks.2", "blocks.3"], vit)
    seen, goal = network(output), network(target)
    for layer, weight in VIT.items():
        a, b = (F.normalize(x[layer], dim=1) for x in (seen, goal))
        torch.testing.assert_close(terms[f"feature/{layer}"], weight * (a - b).square().sum(1).mean())
    grams = [gram_matrix(x["blocks.2"]) for x in (seen, goal)]
    torch.testing.assert_close(terms["style"], 5 * (grams[0] - grams[1]).square().sum((1, 2)).mean())


def test_losses_of_one_network_share_the_deeper_object(vit: Path) -> None:
    shallow = FeatureReconstructionLoss("timm/test_vit", ["blocks.0"], weights=vit)
    deep = StyleReconstructionLoss("timm/test_vit", ["blocks.3"], weights=vit)
    output, target = torch.rand(2, 1, 3, 32, 32)
    apart = shallow(output, target) + deep(output, target)
    both = shallow + deep
    first, second = both.losses.values()
    assert isinstance(first, NetworkLoss)
    assert isinstance(second, NetworkLoss)
    assert first.network is second.network
    assert first.network.names[-1] == "blocks.3"
    torch.testing.assert_close(both(output, target), apart)
    assert not first.network.sees_like(loss_network("timm/test_vit", ["blocks.0"], None))


@pytest.mark.parametrize("kind", [StyleReconstructionLoss, SlicedWassersteinLoss])
def test_a_fixed_style_is_kept_for_layers_whose_names_are_paths(kind: type[nn.Module], resnet: Path) -> None:
    style, output = torch.rand(2, 1, 3, 48, 48)
    layers = {"layer1.0": 1.0, "layer1.1.bn2": 1.0}
    fixed = kind("torchvision/resnet18", layers, style=style, weights=resnet).eval()
    free = kind("torchvision/resnet18", layers, weights=resnet).eval()
    torch.testing.assert_close(fixed(output), free(output, style))
    assert not fixed.state_dict()


def test_autocast_changes_no_more_than_its_rounding_and_gradients_reach_the_output_alone(resnet: Path) -> None:
    loss = PerceptualLoss("torchvision/resnet18", ["layer1", "layer2"], style_layers=["bn1"], weights=resnet)
    output, target = torch.rand(2, 2, 3, 48, 48)
    output.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = loss(output, target)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, loss(output, target), rtol=0.03, atol=0)
    rounded.backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()
    assert not list(loss.parameters())


def test_gradients_of_losses_through_batch_norms_and_tokens_are_right() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.BatchNorm2d(8), nn.GELU())
    model[1].running_var.uniform_(0.5, 2)
    loss = PerceptualLoss(LossNetwork(model, ["1", "2"]), ["2"], "unit", style_layers=["1", "2"]).double()
    target = torch.rand(1, 3, 8, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), torch.rand_like(target).requires_grad_())


def test_recipes_name_them(vit: Path) -> None:
    settings = {"network": "timm/test_vit", "layers": VIT, "weights": str(vit), "distance": "unit"}
    loss = loss_from_settings({"PerceptualLoss": {"weight": 0.5, **settings}, "L1Loss": 1.0})
    plain = 0.5 * PerceptualLoss("timm/test_vit", VIT, "unit", weights=vit)
    output, target = torch.rand(2, 1, 3, 32, 32)
    torch.testing.assert_close(loss(output, target), plain(output, target) + F.l1_loss(output, target))


def test_loss_maps_and_reconstructions_take_them(resnet: Path) -> None:
    output, target = torch.rand(2, 1, 3, 40, 40)
    network = loss_network("torchvision/resnet18", ["layer1"], resnet)
    assert loss_maps(output, target, network)["layer1"].shape == (1, 10, 10)
    (found,) = reconstruct_layers(target, ["maxpool+layer1.0"], "torchvision/resnet18", resnet, steps=3)
    assert found.losses[-1] < found.losses[0]


def test_the_command_line_takes_them(small_photos: Path, resnet: Path, tmp_path: Path) -> None:
    photo = str(sorted(small_photos.iterdir())[0])
    options = ["--loss-network", "torchvision/resnet18", "--weights", str(resnet)]
    assert main(["loss-map", photo, photo, *options, "--layers", "layer1", "-o", str(tmp_path / "map.png")]) == 0
    out = tmp_path / "kept"
    assert main(["reconstruct", photo, *options, "--layers", "layer1.0", "--steps", "1", "-o", str(out)]) == 0
    assert (out / "layer1.0.png").is_file()


def test_what_a_network_that_you_built_lacks_is_said() -> None:
    network = LossNetwork(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()), ["0"])
    with pytest.raises(InputError, match=r"a layer of custom, got '1' \(deeper"):
        FeatureReconstructionLoss(network, ["1"])


def test_the_calls_that_stand_for_other_packages_have_their_formulas(vit: Path) -> None:
    model = timm.create_model("test_vit", dynamic_img_size=True)
    model.load_state_dict(torch.load(vit))
    output, target = torch.rand(2, 2, 3, 32, 32)
    with torch.no_grad():
        options = {"intermediates_only": True, "output_fmt": "NLC"}
        pairs = list(
            zip(*(model.eval().forward_intermediates(2 * x - 1, **options) for x in (output, target)), strict=True)
        )
    layers, width = range(len(pairs)), pairs[0][0].shape[2]
    units = [[F.normalize(x, dim=2) for x in pair] for pair in pairs]

    def loss(weight: float, distance: str, **options: object) -> nn.Module:
        return PerceptualLoss(
            "timm/test_vit", {f"blocks.{i}": weight for i in layers}, distance, weights=vit, **options
        )

    mean = torch.stack([(a - b).square().mean() for a, b in units]).mean()  # dino-perceptual
    torch.testing.assert_close(
        loss(1 / (len(pairs) * width), "unit", input_range=(-1, 1))(2 * output - 1, 2 * target - 1), mean
    )
    together = [torch.cat(some, dim=1) for some in zip(*pairs, strict=True)]  # dino-loss
    torch.testing.assert_close(loss(1 / len(pairs), "l1")(output, target), F.l1_loss(*together))
    torch.testing.assert_close(loss(1 / len(pairs), "mse")(output, target), F.mse_loss(*together))
    cosine = 1 - F.cosine_similarity(*together, dim=2).mean()
    torch.testing.assert_close(loss(0.5 / len(pairs), "unit")(output, target), cosine)
