"""The blocks of docs/coming-from-elsewhere.md run, and their losses give what the other libraries' do."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lpips
import piq
import pytest
import timm
import torch
import torchmetrics.functional.image.lpips as of_torchmetrics
from monai.losses import PerceptualLoss as OfMonai
from monai.losses import perceptual as monai_module
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.image import lpip
from torchvision import models
from torchvision.models import resnet50

from perceptualloss.errors import InputError
from perceptualloss.features import network as networks
from perceptualloss.features.architectures import alexnet_features, vgg16_features
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.weights import imagenet_weights
from perceptualloss.losses.base import Loss

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "coming-from-elsewhere.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n\n```python\n(.*?)```", PAGE, re.M | re.S))
SMALLER = {  # timm's networks for tests; the transformer has 6 blocks of 64 channels
    "64 // 4": "32 // 4",
    "3 * 64 * 64": "3 * 32 * 32",
    "(64, 64)": "(160, 160)",
    "timm/vgg19": "timm/test_resnet",
    "features.3": "layer1",
    "features.8": "layer2",
    "features.17": "layer3",
    "blocks, width = 12, 768": "blocks, width = 6, 64",
    "vit_base_patch16_dinov3": "test_vit",
    "vit_small_patch14_dinov2": "test_vit",
    '"blocks.4"': '"blocks.1"',
    '"blocks.7"': '"blocks.3"',
    '"blocks.10"': '"blocks.4"',
    "(504, 504)": "(160, 160)",
}
Network = Sequence[nn.Module]


def drawn(network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return random weights that keep the size of features, so that no epsilon counts."""
    return {
        name: torch.randn_like(value) * (2 / value[0].numel()) ** 0.5
        if value.ndim > 1
        else 0.1 * torch.rand_like(value)
        for name, value in state.items()
    }


@pytest.fixture(autouse=True)
def _random_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert networks.imagenet_weights is imagenet_weights
    monkeypatch.setattr(networks, "imagenet_weights", drawn)
    monkeypatch.setattr(networks, "find_weights", lambda *_: Path("none"))
    monkeypatch.setattr(networks, "load_weights", lambda *_: None)
    for name, features in (("vgg16", vgg16_features), ("alexnet", alexnet_features)):  # without their classifiers
        monkeypatch.setattr(models, name, lambda pretrained, features=features: SimpleNamespace(features=features()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The parameter 'pretrained'|Arguments other than a weight enum")
        yield


def built(section: str) -> dict[str, Any]:
    """Return what the block of a section makes."""
    block = SECTIONS[section]
    for large, small in SMALLER.items():
        block = block.replace(large, small)
    names: dict[str, Any] = {}
    exec(compile(block, section, "exec"), names)
    return names


def pictures(low: float = 0.0, high: float = 1.0, side: int = 32, batch: int = 2) -> tuple[Tensor, Tensor]:
    output, target = (low + (high - low) * torch.rand(2, batch, 3, side, side)).unbind(0)
    return output, target


def convolutions(modules: Network) -> list[nn.Conv2d]:
    return [part for module in modules for part in module.modules() if isinstance(part, nn.Conv2d)]


def with_weights_of(loss: Any, module: nn.Module) -> nn.Module:
    """Put the weights of a loss's network into the convolutions of another's, in order."""
    pairs = list(zip(convolutions([module]), convolutions(loss.network.modules_in_turn()), strict=False))
    assert len(pairs) > 4
    for other, own in pairs:
        assert other.weight.shape == own.weight.shape
        other.load_state_dict(own.state_dict())
    return module


def features(loss: Any, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """Return the layers of VGG's kind, called convK_I, reluK_I or poolK, plainly, of normalised images."""
    seen: dict[str, Tensor] = {}
    stage, step = 1, 0
    for module in loss.network.modules_in_turn():
        if isinstance(module, nn.Conv2d):
            step += 1
            images = F.conv2d(images, module.weight, module.bias, padding=1)
            seen[f"conv{stage}_{step}"] = images
        elif isinstance(module, nn.ReLU):
            images = images.clamp(min=0)
            seen[f"relu{stage}_{step}"] = images
        else:
            images = F.max_pool2d(images, 2)
            stage, step = stage + 1, 0
    return [seen[layer] for layer in layers]


def imagenet(images: Tensor) -> Tensor:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def close(found: Tensor, expected: Tensor, rtol: float = 1e-4) -> None:
    assert expected.abs().min() > 1e-5
    torch.testing.assert_close(found, expected, rtol=rtol, atol=0)


def authors(net: str, loss: Any, **options: Any) -> nn.Module:
    module = lpips.LPIPS(net=net, pnet_rand=True, verbose=False, **options)
    with_weights_of(loss, module.net)
    return module


def test_every_section_of_the_table_has_a_block() -> None:
    assert len(SECTIONS) == PAGE.count("```python") == 9


def test_lpips() -> None:
    made, (output, target) = built("lpips"), pictures(-1, 1)
    close(made["loss"](output, target), authors("vgg", made["loss"])(output, target).flatten())
    in_0_1 = authors("vgg", made["in_0_1"])((output + 1) / 2, (target + 1) / 2, normalize=True)
    close(made["in_0_1"]((output + 1) / 2, (target + 1) / 2), in_0_1.mean())
    close(made["spatial"](output, target), authors("alex", made["spatial"], spatial=True)(output, target))
    close(made["plain"](output, target), authors("vgg", made["plain"], lpips=False)(output, target).flatten())


def test_what_the_page_says_of_the_package_lpips() -> None:
    loss, (output, target) = built("lpips")["loss"], pictures(-1, 1)
    module = authors("vgg", loss)
    before = module(output, target)
    assert any(parameter.requires_grad for parameter in module.parameters())
    assert not torch.equal(module.train()(output, target), before)  # dropout
    output.requires_grad_()
    target.requires_grad_()
    module.eval()(output, target).sum().backward()
    assert target.grad is not None
    assert target.grad.any()


def test_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = built("torchmetrics")["loss"]
    monkeypatch.setattr(
        lpip, "_NoTrainLpips", lambda net: of_torchmetrics._NoTrainLpips(net=net, pnet_rand=True).requires_grad_(False)
    )
    metric = lpip.LearnedPerceptualImagePatchSimilarity(net_type="squeeze")
    with_weights_of(loss, metric.net.net)
    output, target = pictures(-1, 1)
    metric.update(output[:1], target[:1])
    metric.update(output[1:], target[1:].clone())
    close(loss(output, target), torch.stack([score.flatten() for score in metric.all_scores]).mean())


def test_piq() -> None:
    made, (output, target) = built("piq"), pictures()
    vgg = nn.Sequential(*made["content"].network.modules_in_turn())
    index = str(len(vgg) - 1)  # relu3_3, the last that runs
    close(made["content"](output, target), piq.ContentLoss(vgg, [index], [1.0])(output, target))
    for name, reference in (
        ("unit", piq.ContentLoss(vgg, [index], [1.0], normalize_features=True)),
        ("style", piq.StyleLoss(vgg, [index], [1.0])),
    ):
        made[name].network = made["content"].network
        close(made[name](output, target), reference(output, target))
    learned = made["learned"]
    deep = nn.Sequential(*learned.network.modules_in_turn())
    heads = [learned.get_buffer(f"head_{layer}").view(1, -1, 1, 1) for layer in learned.output_layers]
    places = [str(i) for i in (3, 8, 15, 22, 29)]
    close(learned(output, target), piq.ContentLoss(deep, places, heads, normalize_features=True)(output, target))


def test_piqs_layers_before_a_relu_are_those_after_it() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    (seen,) = piq.ContentLoss(plain, ["0"], [1.0]).get_features(torch.rand(1, 3, 8, 8))
    assert seen.min() == 0
    assert piq.ContentLoss(plain, ["0"], [1.0])(*(255 * torch.rand(2, 1, 3, 8, 8))) > 0  # [0, 255] is taken


def distance(loss: Any, output: Tensor, target: Tensor) -> Tensor:
    """LPIPS as pyiqa and taming-transformers write it out, of pictures in [-1, 1], (N,)."""
    shift, scale = (torch.tensor(v).view(3, 1, 1) for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
    layers = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    both = [features(loss, (images - shift) / scale, layers) for images in (output, target)]
    total = torch.zeros(len(output))
    for layer, *pair in zip(layers, *both, strict=True):
        f, g = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in pair)
        head = loss.get_buffer(f"head_{layer}").view(1, -1, 1, 1)
        total = total + ((f - g).square() * head).sum(1).mean((1, 2))
    return total


def test_pyiqa() -> None:
    made, (output, target) = built("pyiqa"), pictures()
    close(made["vgg"](output, target), distance(made["vgg"], 2 * output - 1, 2 * target - 1).mean())
    close(made["loss"](output, target), authors("alex", made["loss"])(2 * output - 1, 2 * target - 1).mean())


def test_taming_transformers() -> None:
    loss, (output, target) = built("taming-transformers")["loss"], pictures(-1, 1)
    pixels = (target - output).abs()
    expected = (pixels + 1.0 * distance(loss.losses["lpips"], target, output).view(-1, 1, 1, 1)).mean()
    close(loss(output, target), expected)
    in_0_1 = (output + 1) / 2, (target + 1) / 2
    close(2 * (in_0_1[0] - in_0_1[1]).abs().mean(), loss.terms(output, target)["l1"])


def test_diffusers() -> None:
    made, (output, target) = built("diffusers' scripts"), pictures(-1, 1)
    pixels = (output - target).square() + 0.5 * distance(made["kl"].losses["lpips"], output, target).view(-1, 1, 1, 1)
    close(made["kl"](output, target), pixels.sum() / len(output))
    output, target = pictures(side=160)
    (model,) = made["vq"].network.body.modules
    own = timm.create_model("test_resnet", features_only=True, out_indices=[1, 2, 3]).eval()
    assert own.feature_info.module_name() == list(made["layers"])
    own.load_state_dict(model.state_dict(), strict=False)
    settings = timm.data.resolve_data_config(model.pretrained_cfg)
    mean, std = (torch.tensor(settings[name]).view(3, 1, 1) for name in ("mean", "std"))
    found, expected = (own((images - mean) / std) for images in (output, target))
    close(made["vq"](output, target), sum(map(F.mse_loss, found, expected)) / len(found))


def test_monai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, (output, target) = built("MONAI"), pictures(-1, 1)
    quiet = {"pnet_rand": True, "verbose": False}
    monkeypatch.setattr(monai_module, "LPIPS", lambda pretrained, net, verbose: lpips.LPIPS(net=net, **quiet))
    reference = OfMonai(2, "alex")
    with_weights_of(made["loss"], reference.perceptual_function.net)
    close(made["loss"](output, target), reference(output, target))
    scans = (2 * torch.rand(2, 1, 1, 31, 32, 33) - 1).unbind(0)
    close(made["volume"](*scans), OfMonai3(reference)(*scans))
    assert made["half"].share == 0.5
    (model,) = made["resnet"].network.body.modules
    whole = resnet50(weights=None)
    whole.load_state_dict(model.state_dict(), strict=False)
    torch.save(whole.state_dict(), tmp_path / "resnet50.pth")
    in_0_1 = pictures()
    own = made["resnet"](*in_0_1)
    before = in_0_1[0].clone()
    close(own, OfMonai(2, "resnet50", pretrained_path=str(tmp_path / "resnet50.pth"))(*in_0_1))
    assert not torch.equal(in_0_1[0], before)  # it writes its normalisation into them


def OfMonai3(flat: OfMonai) -> OfMonai:  # noqa: N802
    volume = OfMonai(3, "alex", is_fake_3d=True, fake_3d_ratio=1.0)
    volume.perceptual_function = flat.perceptual_function
    return volume


@pytest.mark.filterwarnings("ignore:.*has all values in")  # for use_input_norm=False, where it is so
def test_basicsr() -> None:
    made, (output, target) = built("BasicSR"), pictures()

    def of(name: str, shown: Callable[[Tensor], Tensor], pair: tuple[Tensor, Tensor], gram: bool = False) -> Tensor:
        found = [features(made[name], shown(images), ["conv5_4"])[0] for images in pair]
        if gram:
            found = [x.flatten(2) @ x.flatten(2).mT / x[0].numel() for x in found]
        return F.l1_loss(*found)

    content, style = of("content", imagenet, (output, target)), of("style", imagenet, (output, target), gram=True)
    close(made["content"](output, target), content)
    close(made["style"](output, target), style)
    made["content"].network = made["style"].network = made["both"].losses["feature_reconstruction"].network
    made["both"].losses["style_reconstruction"].network = made["content"].network
    terms = list(made["both"].terms(output, target).values())
    close(terms[0], 0.1 * of("content", imagenet, (output, target)))
    close(terms[1], 10 * of("style", imagenet, (output, target), gram=True))
    close(made["signed"](2 * output - 1, 2 * target - 1), of("signed", imagenet, (output, target)))
    close(made["raw"](output, target), of("raw", lambda images: images, (output, target)))
    close(made["smooth"](output, target), ((output - target) ** 2 + 1e-12).sqrt().mean())
    down, across = output[..., 1:, :] - output[..., :-1, :], output[..., 1:] - output[..., :-1]
    close(made["variation"](output), down.abs().mean() + across.abs().mean())


def tokens(network: LossNetwork, images: Tensor) -> list[Tensor]:
    """Return what each block of a vision transformer gives, (N, P, C), without the tokens that have no place."""
    (model,) = network.body.modules
    kept: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _, __, found: kept.append(found), prepend=True) for block in model.blocks
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    return [found[:, model.num_prefix_tokens :] for found in kept]


def test_dino() -> None:
    made, (output, target) = built("dino-perceptual and dino-loss"), pictures(-1, 1, side=160)
    network = made["perceptual"].network
    (model,) = network.body.modules
    assert model.num_prefix_tokens == 1
    assert model.num_features == made["width"]
    pairs = list(zip(tokens(network, output), tokens(network, target), strict=True))
    assert len(pairs) == made["blocks"]
    unit = [(F.normalize(f, dim=-1) - F.normalize(g, dim=-1)).square().mean((1, 2)) for f, g in pairs]
    close(made["perceptual"](output, target), torch.stack(unit).mean(0))
    output, target = pictures(side=160)
    pairs = list(zip(tokens(made["dino"].network, output), tokens(made["dino"].network, target), strict=True))
    close(made["dino"](output, target), torch.stack([F.l1_loss(f, g) for f, g in (pairs[i] for i in (1, 3, 4))]).mean())


def test_pictures_of_another_range_are_refused_or_said() -> None:
    loss: Loss = built("pyiqa")["loss"]
    with pytest.raises(InputError, match=r"input_range=\(0, 255\)"):
        loss(*(255 * torch.rand(2, 1, 3, 64, 64)))
