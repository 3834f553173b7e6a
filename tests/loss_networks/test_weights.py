from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg16

from perceptualloss.checks import InputError
from perceptualloss.loss_networks import weights
from perceptualloss.loss_networks.loss_network import loss_network
from perceptualloss.loss_networks.vgg import vgg16_features


@pytest.fixture(scope="module")
def features() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return vgg16_features().state_dict()


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "features."])
def test_reads_whole_networks_and_features_alone(
    features: dict[str, torch.Tensor], tmp_path: Path, suffix: str, prefix: str
) -> None:
    state = {prefix + name: value for name, value in features.items()}
    if prefix:
        state["classifier.0.weight"] = torch.zeros(2, 2)
    file = tmp_path / f"vgg{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    found = loss_network("vgg16", ["relu1_1"], weights=file)
    assert torch.equal(found._frozen[0].weight, features["0.weight"])


def test_the_folder_variable_comes_first(
    features: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({f"features.{name}": value for name, value in features.items()}, tmp_path / "vgg16-397923af.pth")
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    found = loss_network("vgg16", ["relu1_1"])
    assert torch.equal(found._frozen[0].weight, features["0.weight"])


def test_without_file_and_net_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_net(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_net)
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth .*PERCEPTUALLOSS_WEIGHTS.*compact"):
        loss_network("vgg16", ["relu1_1"])


def test_a_download_keeps_the_features_alone(
    features: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(url: str, file: str, hash_prefix: str) -> None:
        assert hash_prefix == "397923af"
        state = {f"features.{name}": value for name, value in features.items()}
        torch.save(state | {"classifier.0.weight": torch.zeros(100)}, file)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    found = weights.imagenet_weights("vgg16")
    kept = list((Path(torch.hub.get_dir()) / "checkpoints").iterdir())
    assert [file.name for file in kept] == ["vgg16-397923af-features.safetensors"]
    assert set(found) == set(features)
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    assert torch.equal(weights.imagenet_weights("vgg16")["0.weight"], features["0.weight"])


def test_a_damaged_file_in_the_cache_is_refused() -> None:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    cache.mkdir(parents=True)
    (cache / "vgg16-397923af.pth").write_bytes(b"cut off")
    with pytest.raises(InputError, match="delete the file"):
        loss_network("vgg16", ["relu1_1"])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x{suffix}"
    file.write_bytes(b"not weights")
    with pytest.raises(InputError, match="does not load"):
        loss_network("vgg16", ["relu1_1"], weights=file)


def test_a_missing_file_and_another_networks_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file at"):
        loss_network("vgg16", ["relu1_1"], weights=tmp_path / "none.pth")
    save_file({"0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="another network"):
        loss_network("vgg16", ["relu1_1"], weights=tmp_path / "other.safetensors")


def test_runs_no_code_from_a_pickle(tmp_path: Path) -> None:
    torch.save(vgg16, tmp_path / "code.pth")  # a function, which unpickling would import
    with pytest.raises(InputError, match="does not load"):
        loss_network("vgg16", ["relu1_1"], weights=tmp_path / "code.pth")


def test_random_weights_follow_the_seed() -> None:
    torch.manual_seed(5)
    first = loss_network("vgg16", ["relu1_1"], weights=None)._frozen[0].weight
    torch.manual_seed(5)
    assert torch.equal(first, loss_network("vgg16", ["relu1_1"], weights=None)._frozen[0].weight)
