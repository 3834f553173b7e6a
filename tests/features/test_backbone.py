"""Networks of torchvision and timm, and of one's own, as loss networks: against the libraries' own features."""

import copy
import threading
import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from perceptualloss.errors import InputError, warn_once
from perceptualloss.features.backbone import Backbone
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.layout import find_layout
from perceptualloss.features.network import layer_names_of, loss_network

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def file_of(model: nn.Module, folder: Path) -> Path:
    """Save random weights, with statistics of batch norms that are not those of new ones."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    torch.save(model.state_dict(), folder / "weights.pth")
    return folder / "weights.pth"


def hooked(model: nn.Module, x: Tensor, paths: list[str]) -> dict[str, Tensor]:
    """Return copies of what modules give, as forward hooks of one's own see it."""
    kept: dict[str, Tensor] = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(lambda m, i, out, path=path: kept.update({path: out.clone()}))
    with torch.no_grad():
        model.eval()(x)
    return kept


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    model = torchvision.models.resnet18(weights=None)
    return model, file_of(model, tmp_path_factory.mktemp("resnet"))


def test_torchvisions_features_are_those_of_its_own_extractor(resnet: tuple[nn.Module, Path]) -> None:
    model, file = resnet
    x = torch.rand(2, 3, 70, 94)
    layers = ["maxpool", "layer1", "layer2.0", "layer3"]
    found = loss_network("torchvision/resnet18", layers, file)(x)
    extractor = create_feature_extractor(model.eval(), layers)
    with torch.no_grad():
        expected = extractor((x - MEAN) / STD)
    assert list(found) == layers
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer])


def test_features_that_a_later_module_writes_into_are_kept(resnet: tuple[nn.Module, Path]) -> None:
    model, file = resnet
    x = torch.rand(1, 3, 64, 64)
    layers = ["bn1", "layer1.0.bn2", "layer2"]  # after which come ReLUs in place and +=
    found = loss_network("torchvision/resnet18", layers, file)(x)
    expected = hooked(copy.deepcopy(model), (x - MEAN) / STD, layers)
    assert (found["bn1"] < 0).any()
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer])


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("test_vit", (48, 80)),
        ("test_vit2", (64, 32)),  # registers
        ("test_vit3", (48, 48)),
        ("vit_tiny_patch16_dinov3_qkvb", (32, 64)),  # rotary positions, a class token and registers
        ("vit_small_patch14_reg4_dinov2", (42, 28)),
    ],
)
def test_tokens_are_maps_as_timm_lays_them_out(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True)
    file = file_of(model, tmp_path)
    config = model.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    x = torch.rand(2, 3, *size)
    last = len(model.blocks) - 1
    found = loss_network(f"timm/{name}", ["blocks.1", f"blocks.{last}", "norm"], file)(x)
    with torch.no_grad():
        options = {"intermediates_only": True, "output_fmt": "NCHW"}
        plain = model.eval().forward_intermediates((x - mean) / std, [1, last], **options)
        (normed,) = model.forward_intermediates((x - mean) / std, [last], norm=True, **options)
    for layer, expected in zip(found, [*plain, normed], strict=True):
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["test_convnext", "test_efficientnet", "test_resnet", "test_mambaout"])
def test_stages_are_those_of_timms_features_only(name: str, tmp_path: Path) -> None:
    model = timm.create_model(name)
    x = torch.rand(1, 3, 96, 64)
    config = model.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    file = file_of(model, tmp_path)
    info = timm.create_model(name, features_only=True)
    info.load_state_dict(_renamed(model.state_dict(), info), strict=True)
    with torch.no_grad():
        expected = info.eval()((x - mean) / std)
    layers = info.feature_info.module_name()
    found = loss_network(f"timm/{name}", layers[1:], file)(x)
    formats = {"test_mambaout": (0, 3, 1, 2)}
    for layer, features in zip(layers[1:], expected[1:], strict=True):
        torch.testing.assert_close(found[layer], features.permute(*formats.get(name, range(4))), rtol=1e-4, atol=1e-5)


def _renamed(state: dict[str, Tensor], like: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights under the names of timm's wrapper, which joins paths by underscores."""
    flat = {name.replace(".", "_"): value for name, value in state.items()}
    return {name: flat[name.replace(".", "_")] for name in like.state_dict()}


def test_pictures_are_brought_to_the_networks_own_statistics(tmp_path: Path) -> None:
    model = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True)  # of mean 0.5, not ImageNet's
    file, x = file_of(model, tmp_path), torch.rand(1, 3, 32, 32)
    expected = hooked(model, (x - 0.5) / 0.5, ["patch_embed.proj"])["patch_embed.proj"]
    ranges = {(0, 1): x, (-1, 1): 2 * x - 1, (0, 255): 255 * x, "imagenet": (x - MEAN) / STD}
    for input_range, images in ranges.items():
        network = loss_network("timm/test_vit", ["patch_embed.proj"], file, input_range)
        torch.testing.assert_close(network(images)["patch_embed.proj"], expected, rtol=1e-4, atol=1e-5)


def test_googlenet_changes_pictures_as_it_was_trained_with() -> None:
    network = loss_network("torchvision/googlenet", ["conv1"], weights=None)
    (model,) = network.body.modules
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(
        network(x)["conv1"], model.conv1((x - 0.5) / 0.5), rtol=1e-3, atol=1e-4
    )  # of mean 0.5 as in TensorFlow


def test_runs_no_further_than_the_deepest_layer_and_lets_go_of_the_rest(resnet: tuple[nn.Module, Path]) -> None:
    network = loss_network("torchvision/resnet18", ["layer2"], resnet[1])
    (model,) = network.body.modules
    assert sum(p.numel() for p in model.parameters()) < 0.07 * sum(p.numel() for p in resnet[0].parameters())
    assert network.names[-1] == "layer2"
    runs: list[str] = []
    model.layer2.register_forward_hook(lambda *_: runs.append("layer2"))
    assert list(network(torch.rand(1, 3, 64, 64), ["layer1"])) == ["layer1"]
    assert not runs
    with pytest.raises(InputError, match="deeper than those that the network was built with"):
        LossNetwork(copy.deepcopy(resnet[0]), ["layer1"])(torch.rand(1, 3, 64, 64), ["layer2"])


def test_is_frozen_for_good_batch_norms_too(resnet: tuple[nn.Module, Path]) -> None:
    network = loss_network("torchvision/resnet18", ["layer1"], resnet[1])
    owner = nn.Sequential(network, nn.Linear(2, 2)).train().requires_grad_(True)
    (model,) = network.body.modules
    before = model.bn1.running_mean.clone()
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(x)["layer1"].sum().backward()
    assert torch.equal(model.bn1.running_mean, before)
    assert not model.training
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert set(owner.state_dict()) == {"1.weight", "1.bias"} == {name for name, _ in owner.named_parameters()}
    assert x.grad is not None


class Tiny(nn.Module):
    """A network of one's own: batch norm, a ReLU that is used twice, attention between tokens, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.SiLU(inplace=True)
        self.mix = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.act(self.stem(x))))
        return self.head(self.mix(x.flatten(2).mT).mean(1))


def test_a_network_of_ones_own_gives_gradients_that_are_right() -> None:
    network = LossNetwork(Tiny(), ["norm", "act", "mix"]).double()
    assert network.channels() == {"norm": 8, "act": 8, "mix": 8}
    x = torch.rand(1, 3, 6, 4, dtype=torch.float64, requires_grad=True)
    found = network(x)
    assert {layer: tuple(v.shape) for layer, v in found.items()} == dict.fromkeys(found, (1, 8, 3, 2))
    torch.testing.assert_close(found["act"], nn.functional.silu(found["norm"]))  # its last use
    assert torch.autograd.gradcheck(lambda images: tuple(network(images).values()), x)


def test_follows_its_owner_and_is_copied_whole(resnet: tuple[nn.Module, Path]) -> None:
    network = loss_network("torchvision/resnet18", ["layer1"], resnet[1])
    twin, x = copy.deepcopy(network).double(), torch.rand(1, 3, 64, 64)
    assert twin(x.double())["layer1"].dtype == torch.float64
    torch.testing.assert_close(twin(x.double())["layer1"].float(), network(x)["layer1"], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"\.double\(\)"):
        network(x.double())


def test_threads_do_not_see_each_others_features(resnet: tuple[nn.Module, Path]) -> None:
    network = loss_network("torchvision/resnet18", ["layer1", "layer2"], resnet[1])
    images = [torch.rand(1, 3, 64, 64) for _ in range(4)]
    expected, found = [network(x)["layer1"] for x in images], {}

    def look(number: int) -> None:
        for _ in range(5):
            found.setdefault(number, []).append(network(images[number], ["layer1"])["layer1"])

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, expected[number]) for number, some in found.items() for one in some)


def test_compiles_in_one_graph() -> None:
    network = loss_network("timm/test_vit", ["blocks.1"], weights=None)
    x = torch.rand(1, 3, 32, 48)
    expected = network(x)["blocks.1"].square().mean()
    compiled = torch.compile(
        lambda images: network(images)["blocks.1"].square().mean(), fullgraph=True, backend="eager"
    )
    torch.testing.assert_close(compiled(x), expected)


def test_other_sizes_than_multiples_of_the_patch_are_brought_to_the_nearest_with_a_line() -> None:
    network = loss_network("timm/test_vit", ["blocks.1"], weights=None)
    x = torch.rand(1, 3, 50, 70)
    warn_once.cache_clear()
    with pytest.warns(UserWarning, match=r"multiples of 16.*50 x 70 at 48 x 64"):
        found = network(x)["blocks.1"]
    shown = nn.functional.interpolate(x, size=(48, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, network(shown)["blocks.1"])


def test_one_size_alone_and_too_small_a_picture_are_refused_with_the_remedy() -> None:
    network = loss_network("torchvision/vit_b_32", ["encoder.layers.encoder_layer_0"], weights=None)
    assert network(torch.rand(1, 3, 224, 224))["encoder.layers.encoder_layer_0"].shape == (1, 768, 7, 7)
    with pytest.raises(InputError, match=r"resize=\(224, 224\)"):
        network(torch.rand(1, 3, 96, 96))
    small = loss_network("timm/test_convnext", ["stages.1"], weights=None)
    with pytest.raises(InputError, match=r"large enough for stages\.1 of timm/test_convnext, got 4 x 4"):
        small(torch.rand(1, 3, 4, 4))
    assert small(torch.rand(1, 3, 8, 8))["stages.1"].shape[2:] == (1, 1)


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        ("torchvision/resnet18", "layer22", r"Near: layer2, .*layer_names_of\('torchvision/resnet18'\)"),
        ("torchvision/resnet18", "avgpool", r"'avgpool' \(it keeps no places\)"),
        ("torchvision/resnet18", "fc", r"'fc' \(it keeps no places\)"),
        ("timm/test_vit", "relu2_2", "a layer of timm/test_vit"),
        ("torchvision/resnet8", "layer1", "Did you mean 'resnet18'"),
        ("torchvision/resnet18.V7", "layer1", "IMAGENET1K_V1"),
        ("torchvision/fcos_resnet50_fpn", "layer1", "network of torchvision to be one of"),
        ("timm/vit_smal_patch14_dinov2", "blocks.1", "vit_small_patch14_dinov2"),
        ("timm/resnet50.zzz", "layer1", "a1_in1k"),
        ("tim/resnet50", "layer1", "library of the network"),
        ("resnet50", "layer1", "torchvision/NAME or timm/NAME"),
    ],
)
def test_errors_name_what_is_near(network: str, layer: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss_network(network, [layer], weights=None)


def test_without_timm_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(InputError, match=r"perceptualloss\[backbones\]"):
        loss_network("timm/test_vit", ["blocks.1"], weights=None)


def test_layers_are_listed_without_weights_in_the_order_in_which_they_are_done() -> None:
    names = layer_names_of("timm/test_vit")
    assert names.index("patch_embed") < names.index("blocks.0") < names.index("blocks.1") < names.index("norm")
    assert "head" not in names
    assert "fc_norm" not in names
    assert layer_names_of("torchvision/resnet18")[-1] == "layer4"
    with pytest.raises(InputError, match="network to be one of"):
        layer_names_of("vgg17")


@settings(deadline=None, max_examples=15)
@given(height=st.integers(17, 70), width=st.integers(17, 70), batch=st.integers(1, 2))
def test_any_size_gives_what_the_module_gives(height: int, width: int, batch: int) -> None:
    model = Tiny().eval()
    network = LossNetwork(copy.deepcopy(model), ["act", "mix"])
    x = torch.rand(batch, 3, height, width)
    found = network(x)
    expected = hooked(model, (x - MEAN) / STD, ["act", "mix"])
    torch.testing.assert_close(found["act"], expected["act"])
    torch.testing.assert_close(found["mix"].flatten(2).mT, expected["mix"])
    assert found["mix"].shape == found["act"].shape


@given(
    row=st.integers(2, 40), patch=st.integers(1, 16), channels=st.integers(1, 300), prefix=st.integers(0, 5),
    last=st.booleans(),
)  # fmt: skip
def test_every_layout_is_told_from_two_shapes(row: int, patch: int, channels: int, prefix: int, last: bool) -> None:
    side, many = row * patch, 4 * row * row
    maps = ((1, row, row, channels), (1, 2 * row, 2 * row, channels))
    tokens = ((1, prefix + row * row, channels), (1, prefix + many, channels))
    if not last:
        maps = tuple((1, channels, *shape[1:3]) for shape in maps)
        tokens = tuple((1, channels, shape[1]) for shape in tokens)
    for shapes, size in ((maps, (2, 3)), (tokens, (2, 3))):
        layout = find_layout(*shapes, side)
        assert layout is not None
        assert layout.channels == channels
        values = torch.arange(channels * 6.0).view(1, channels, *size)
        output = values
        if shapes is tokens:
            output = torch.cat([torch.full((1, channels, prefix), -1.0), values.flatten(2)], dim=2)
        output = (output.permute(0, 2, 3, 1) if shapes is maps else output.mT) if last else output
        assert torch.equal(layout.maps(output, size[0] * patch, size[1] * patch), values)
    assert find_layout((1, 3, row, row), (1, 3, 4 * row, 4 * row), side) is None  # attention between tokens
    assert find_layout((1, channels), (1, channels), side) is None


def test_a_network_that_takes_no_pictures_is_refused() -> None:
    with pytest.raises(InputError, match="to take images"):
        Backbone(nn.Linear(3, 3), ["0"])
    with warnings.catch_warnings(), pytest.raises(InputError, match="at least one layer"):
        loss_network("timm/test_vit", [], weights=None)
