"""Weights of torchvision's and timm's networks: from files, from the libraries' caches, never silently random."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.features import libraries
from perceptualloss.features.network import loss_network
from perceptualloss.features.weights import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)


def weight(network: str, layer: str = "conv1", **options: object) -> torch.Tensor:
    """Return the first weights of a loss network's."""
    (model,) = loss_network(network, [layer], **options).body.modules
    return next(model.get_submodule(layer).parameters())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("head", [True, False])
def test_reads_whole_networks_and_those_without_a_head(tmp_path: Path, suffix: str, head: bool) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    if not head:
        state = {name: value for name, value in state.items() if not name.startswith(("fc", "layer4"))}
    file = tmp_path / f"resnet{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save({"state_dict": state}, file)
    assert torch.equal(weight("torchvision/resnet18", weights=file), state["conv1.weight"])
    loss_network("torchvision/resnet18", ["layer3"], file)
    if not head:
        with pytest.raises(InputError, match=r"layer4.*none of that name.*torchvision/resnet18"):
            loss_network("torchvision/resnet18", ["layer4"], file)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "18.pth")
    with pytest.raises(InputError, match=r"another network|none of that name"):
        loss_network("torchvision/resnet50", ["layer1"], tmp_path / "18.pth")
    with pytest.raises(InputError, match=r"none of that name|others"):
        loss_network("timm/test_vit", ["blocks.1"], tmp_path / "18.pth")
    with pytest.raises(InputError, match="no file at"):
        loss_network("timm/test_vit", ["blocks.1"], tmp_path / "none.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(InputError, match="holds more than weights"):
        loss_network("timm/test_vit", ["blocks.1"], tmp_path / "module.pth")


@pytest.mark.parametrize(
    ("network", "layer", "words"),
    [
        ("torchvision/resnet18", "layer1", r"resnet18-f37072fd\.pth.*checkpoints.*PERCEPTUALLOSS_WEIGHTS"),
        ("torchvision/resnet50.IMAGENET1K_V1", "layer1", r"resnet50-0676ba61\.pth.*weights='IMAGENET1K_V1'"),
        ("timm/test_vit", "blocks.1", r"test_vit\.r160_in1k\.safetensors.*timm\.create_model\('test_vit\.r160_in1k'"),
    ],
)
def test_without_a_file_the_error_says_which_from_where_and_where_to(network: str, layer: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        loss_network(network, [layer])


def test_torchvisions_cache_is_used_and_its_hash_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, out = torchvision.models.resnet18(weights=None).state_dict(), io.BytesIO()
    torch.save(state, out)
    name = f"resnet18-{hashlib.sha256(out.getvalue()).hexdigest()[:8]}.pth"
    known = torchvision.models.ResNet18_Weights.DEFAULT
    fake = SimpleNamespace(url=f"http://localhost:9/{name}", transforms=known.transforms, name=known.name)
    sets = SimpleNamespace(__members__={"DEFAULT": fake})
    monkeypatch.setattr(libraries.torchvision.models, "get_model_weights", lambda _: sets)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    file = tmp_path / "hub" / "checkpoints" / name
    file.write_bytes(out.getvalue())
    assert torch.equal(weight("torchvision/resnet18"), state["conv1.weight"])
    file.write_bytes(out.getvalue()[:-10] + bytes(10))
    with pytest.raises(InputError, match="delete it"):
        loss_network("torchvision/resnet18", ["layer1"])


def test_the_cache_of_huggingface_hub_is_used(tmp_path: Path) -> None:
    state = timm.create_model("test_vit").state_dict()
    repository = tmp_path / "hf" / "models--timm--test_vit.r160_in1k"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    save_file(state, repository / "snapshots" / "abc" / "model.safetensors")
    assert torch.equal(weight("timm/test_vit", "patch_embed.proj"), state["patch_embed.proj.weight"])


def test_the_folder_for_weights_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    vit, resnet = timm.create_model("test_vit").state_dict(), torchvision.models.resnet18(weights=None).state_dict()
    save_file(vit, tmp_path / "test_vit.r160_in1k.safetensors")
    torch.save(resnet, tmp_path / "resnet18-f37072fd.pth")
    assert torch.equal(weight("timm/test_vit", "patch_embed.proj"), vit["patch_embed.proj.weight"])
    assert torch.equal(weight("torchvision/resnet18"), resnet["conv1.weight"])


def test_densenets_of_2017_are_read(tmp_path: Path) -> None:
    model: nn.Module = torchvision.models.densenet121(weights=None)
    names = {name: name.replace("norm1", "norm.1").replace("conv2", "conv.2") for name in model.state_dict()}
    torch.save({names[name]: value for name, value in model.state_dict().items()}, tmp_path / "dense.pth")
    expected = model.features.denseblock1.denselayer1.conv2.weight
    layer = "features.denseblock1.denselayer1.conv2"
    assert torch.equal(weight("torchvision/densenet121", layer, weights=tmp_path / "dense.pth"), expected)


def test_a_network_says_what_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "weights: embedded in the package" in repr(loss_network("compact", ["relu1_1"]))
    assert "weights: random" in repr(loss_network("timm/test_vit", ["blocks.1"], None))
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "test_vit.r160_in1k.safetensors")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert "weights: timm/test_vit.r160_in1k in " in repr(loss_network("timm/test_vit", ["blocks.1"]))
    squeeze = loss_network("squeezenet", ["relu1_1"], None).body.modules[0].state_dict()
    torch.save(torchvision.models.squeezenet1_1().state_dict(), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    found = loss_network("squeezenet", ["relu1_1"])
    assert found.weights == "SqueezeNet1_1_Weights.IMAGENET1K_V1"
    assert set(found.body.modules[0].state_dict()) == set(squeeze)


def test_random_weights_follow_the_seed() -> None:
    torch.manual_seed(5)
    first = weight("timm/test_vit", "patch_embed.proj", weights=None)
    torch.manual_seed(5)
    assert torch.equal(first, weight("timm/test_vit", "patch_embed.proj", weights=None))
