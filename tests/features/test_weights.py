import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from perceptualloss.errors import InputError, warn_once
from perceptualloss.features import weights
from perceptualloss.features.architectures import squeezenet_features, vgg16_features
from perceptualloss.features.network import loss_network, why_no_imagenet
from perceptualloss.metrics.registry import at_hand


@pytest.fixture(scope="module")
def features() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return vgg16_features().state_dict()


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(weights, "IMAGENET", dict(weights.IMAGENET))


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
    assert torch.equal(found.body.modules[0].weight, features["0.weight"])


def test_the_folder_variable_comes_first(
    features: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({f"features.{name}": value for name, value in features.items()}, tmp_path / "vgg16-397923af.pth")
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    found = loss_network("vgg16", ["relu1_1"])
    assert torch.equal(found.body.modules[0].weight, features["0.weight"])


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


def cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


@pytest.fixture(scope="module")
def small() -> dict[str, torch.Tensor]:
    """SqueezeNet's features, which are read sooner than VGG's."""
    torch.manual_seed(4)
    return squeezenet_features().state_dict()


def in_cache(content: bytes, network: str = "vgg16") -> Path:
    """Put a file into the cache under a name that has the content's hash, and let torchvision's table name it."""
    name = f"{network}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    weights.IMAGENET[network] = SimpleNamespace(url=f"http://localhost:9/{name}")  # type: ignore[assignment]
    cache().mkdir(parents=True, exist_ok=True)
    (cache() / name).write_bytes(content)
    return cache() / name


def saved(state: object, **how: object) -> bytes:
    out = io.BytesIO()
    torch.save(state, out, **how)  # type: ignore[arg-type]
    return out.getvalue()


def whole_network(features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = {f"features.{name}": nn.Parameter(value) for name, value in features.items()}
    return state | {"classifier.0.weight": torch.zeros(100)}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the whole files whose SHA-256 was taken."""
    found: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda stream, kind: found.append(Path(stream.name).name) or digest(stream, kind)
    )
    return found


def test_a_whole_network_in_the_cache_is_hashed_once_and_its_features_are_kept(
    small: dict[str, torch.Tensor], hashed: list[str]
) -> None:
    full = in_cache(saved(whole_network(small), _use_new_zipfile_serialization=False), "squeezenet")
    for _ in range(3):
        assert torch.equal(weights.imagenet_weights("squeezenet")["0.weight"], small["0.weight"])
    assert hashed == [full.name]
    kept = cache() / f"{full.stem}-features.safetensors"
    assert weights.find_imagenet_file("squeezenet") == kept
    assert full.is_file()  # it is torch's, and others read it
    with safe_open(kept, framework="pt") as opened:
        assert set(opened.keys()) == set(small)
        assert len(opened.metadata()["sha256"]) == 64


def test_a_cache_that_cannot_be_written_serves_and_is_hashed_once(
    small: dict[str, torch.Tensor], hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = in_cache(saved(whole_network(small)), "squeezenet")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(weights, "write_whole", refused)
    for _ in range(3):
        assert torch.equal(weights.imagenet_weights("squeezenet")["0.weight"], small["0.weight"])
    assert hashed == [full.name]
    assert [file.name for file in cache().iterdir()] == [full.name]


def damaged(features: dict[str, torch.Tensor], how: str) -> Path:
    """Put a damaged file into the cache and return it."""
    content = saved(whole_network(features))
    file = in_cache(content)
    if how.startswith("features"):
        file.unlink()
        file = cache() / f"{file.stem}-features.safetensors"
        digest = weights._digest(features)
        save_file(features, file, {"sha256": digest})
        content = file.read_bytes()
    altered = content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:]
    file.write_bytes(content[: len(content) // 2] if how.endswith("cut off") else altered)
    return file


@pytest.mark.parametrize("how", ["cut off", "altered", "features, cut off", "features, altered"])
def test_a_damaged_file_in_the_cache_is_refused_with_the_remedy_and_does_without_where_that_is_possible(
    small: dict[str, torch.Tensor], how: str, hashed: list[str]
) -> None:
    file = damaged(small, how)
    for _ in range(2):
        with pytest.raises(InputError, match=rf"{file.name}.*delete it"):
            loss_network("vgg16", ["relu1_1"])
    assert len(hashed) <= 1
    warn_once.cache_clear()
    with pytest.warns(UserWarning, match="delete it") as warned:
        found = [at_hand("comparison")[0] for _ in range(2)]  # as at two validation pictures
    assert not any("lpips-vgg" in names for names in found)
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert "delete it" in at_hand("comparison")[1]["lpips-vgg"]
    names, why = at_hand("course")
    assert "lpips-vgg" not in names
    assert "delete it" in why["lpips-vgg"]
    assert len(hashed) <= 1
    file.unlink()
    assert "they are not here" in at_hand("comparison")[1]["lpips-vgg"]


def test_a_whole_file_of_good_hash_after_a_damaged_one_is_seen(features: dict[str, torch.Tensor]) -> None:
    file = damaged(features, "features, cut off")
    with pytest.raises(InputError, match="delete it"):
        weights.find_imagenet_file("vgg16")
    file.unlink()
    assert weights.find_imagenet_file("vgg16") is None
    in_cache(saved(whole_network(features)))
    assert why_no_imagenet("vgg16") == ""
    assert "lpips-vgg" in at_hand("comparison")[0]


def test_another_networks_file_in_the_named_folder_is_refused_and_measures_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / weights.features_file_name("vgg16"))
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="another network"):
        loss_network("vgg16", ["relu1_1"])
    with pytest.warns(UserWarning, match="another network"):
        assert "lpips-vgg" not in at_hand("comparison")[0]


class _Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served over HTTP, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before zip"])
def test_a_download_is_verified_and_its_features_are_kept(
    small: dict[str, torch.Tensor], served: tuple[Path, str], old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    content = saved(whole_network(small), _use_new_zipfile_serialization=not old)
    name = f"squeezenet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    monkeypatch.setitem(weights.IMAGENET, "squeezenet", SimpleNamespace(url=f"{address}/{name}"))
    found = loss_network("squeezenet", ["relu1_1"])
    assert torch.equal(found.body.modules[0].weight, small["0.weight"])
    assert [file.name for file in cache().iterdir()] == [f"{name[:-4]}-features.safetensors"]
    (folder / name).unlink()
    assert torch.equal(loss_network("squeezenet", ["relu1_1"]).body.modules[0].weight, small["0.weight"])


def test_a_download_of_another_hash_is_not_kept(
    small: dict[str, torch.Tensor], served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "squeezenet-12345678.pth").write_bytes(saved(small))
    monkeypatch.setitem(weights.IMAGENET, "squeezenet", SimpleNamespace(url=f"{address}/squeezenet-12345678.pth"))
    with pytest.raises(InputError, match=r"download failed.*hash"):
        loss_network("squeezenet", ["relu1_1"])
    assert not list(cache().iterdir())


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


def test_random_weights_follow_the_seed() -> None:
    torch.manual_seed(5)
    first = loss_network("vgg16", ["relu1_1"], weights=None).body.modules[0].weight
    torch.manual_seed(5)
    assert torch.equal(first, loss_network("vgg16", ["relu1_1"], weights=None).body.modules[0].weight)
