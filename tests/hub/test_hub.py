"""Networks and recipes from the hub: by address everywhere, as data alone, at a commit, from the cache when offline."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss import cli, from_pretrained, load_network, save_network
from perceptualloss.errors import InputError
from perceptualloss.networks.hub import hub_file, parse_address
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.shipped_recipes import find_recipe

RECIPE = b"network: Upscale2x\nloss: L1Loss\ndegradation: Downscale\n"


@pytest.fixture
def saved(tmp_path: Path) -> bytes:
    return save_network(SubPixelUpscaler(2, 8, 1), tmp_path / "made.safetensors").read_bytes()


@pytest.fixture
def shared(hub: Any, saved: bytes) -> str:
    """A public repository with a network and a recipe; its commit."""
    return hub.add("anna/net", **{"network.safetensors": saved, "recipe.yaml": RECIPE})


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize(
    "address",
    ["hf://anna", "hf://anna/net@", "hf://anna/../net", "hf://anna/net/../../x.safetensors", "hf:anna/net", "hf://-a/b",
     "hf://anna/net@main/a b.safetensors", "hf://anna/net\n"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="an address such as hf://user/name"):
        parse_address(address)


def test_a_network_comes_at_its_commit_and_nobody_is_asked_twice(
    hub: Any, shared: str, saved: bytes, tmp_path: Path
) -> None:
    mine, newer = from_pretrained("anna/net"), SubPixelUpscaler(2, 8, 1)
    assert hub_file("hf://anna/net").read_bytes() == saved
    save_network(newer, tmp_path / "newer.safetensors")
    hub.add("anna/net", **{"network.safetensors": (tmp_path / "newer.safetensors").read_bytes()})
    hub.asked.clear()
    assert same(from_pretrained("anna/net", revision=shared), mine)
    assert hub.asked == []
    assert same(load_network("hf://anna/net"), newer)
    assert same(load_network(Path(f"hf://anna/net@{shared}/network.safetensors")), mine)


def test_without_the_hub_the_cache_serves(hub: Any, shared: str, caplog: pytest.LogCaptureFixture) -> None:
    mine = from_pretrained("anna/net")
    hub.broken = True
    assert same(from_pretrained("anna/net"), mine)
    assert "the hub cannot be reached (status 503): anna/net is taken from the cache" in caplog.text
    with pytest.raises(InputError, match=r"no copy in .*Connect once, or put recipe.yaml on this machine"):
        find_recipe("hf://anna/net")


def test_without_a_network_it_is_a_line(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(InputError, match=r"no connection to the hub .*and no copy in"):
        from_pretrained("anna/net")


def test_offline_mode_is_no_connection(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"no connection to the hub .*offline"):
        from_pretrained("anna/net")


def test_a_private_one_needs_a_token(hub: Any, shared: str) -> None:
    hub.repositories["anna/net"].private = True
    with pytest.raises(InputError, match="a private one needs a token: hf auth login"):
        from_pretrained("anna/net")
    assert from_pretrained("anna/net", token=hub.token).scale == 2


def pickle_only(hub: Any) -> str:
    hub.add("anna/pickle", **{"pytorch_model.bin": b"cos\nsystem\n"})
    return "hf://anna/pickle"


def too_large(hub: Any) -> str:
    hub.sizes["network.safetensors"] = 2**40
    return "hf://anna/net"


def large_recipe(hub: Any) -> str:
    hub.sizes["recipe.yaml"] = 2**21
    return "hf://anna/net"


def altered(hub: Any) -> str:
    hub.altered = True
    return "hf://anna/net"


def under_another_name(hub: Any) -> str:
    hub.add("anna/many", **{"x4/a.safetensors": b"", "README.md": b""})
    return "hf://anna/many"


NETWORKS: list[tuple[str | Callable[[Any], str], str]] = [
    ("hf://anna/other", "a repository anna/other on the hub, got none that may be read"),
    ("hf://anna/net@v7", "a commit, tag or branch v7 in anna/net"),
    ("hf://anna/net/model.bin", "ends in .safetensors .*Files of other kinds may run code"),
    ("hf://anna/net/recipe.yaml", "ends in .safetensors"),
    (pickle_only, "got only pytorch_model.bin, which may run code and is not fetched. Ask its author for safetensors"),
    (too_large, "of at most 4,303,355,904 bytes in anna/net, got 1,099,511,627,776"),
    (altered, "with the hash .* of the hub, got .*It was cut off or altered: delete"),
    (under_another_name, "got x4/a.safetensors. Name one: hf://anna/many/x4/a.safetensors"),
]


@pytest.mark.parametrize(("address", "message"), NETWORKS, ids=lambda value: getattr(value, "__name__", value)[:40])
def test_what_cannot_be_used_is_refused(
    address: str | Callable[[Any], str], message: str, hub: Any, shared: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_network(address if isinstance(address, str) else address(hub))


def test_a_damaged_copy_in_the_cache_is_refused(shared: str) -> None:
    file = hub_file("hf://anna/net").resolve()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="It was cut off or altered: delete"):
        from_pretrained("anna/net")


def test_a_stranger_s_file_is_read_as_any_other(hub: Any, shared: str) -> None:
    hub.add("anna/net", **{"network.safetensors": b"cposix\nsystem\n"})
    with pytest.raises(InputError, match="does not load"):
        from_pretrained("anna/net")


def test_recipes_come_by_address(hub: Any, shared: str) -> None:
    assert read_recipe(find_recipe("hf://anna/net"))["loss"] == "L1Loss"
    assert find_recipe(f"hf://anna/net@{shared}/recipe.yaml").read_bytes() == RECIPE
    large_recipe(hub)
    with pytest.raises(InputError, match=r"recipe.yaml of at most 1,048,576 bytes"):
        find_recipe("hf://anna/net")


def test_without_the_package_it_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="pip install 'perceptualloss\\[hub\\]'"):
        load_network("hf://anna/net")


def test_the_command_line_takes_addresses(
    hub: Any, shared: str, small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = str(next(small_photos.iterdir()))
    logging.getLogger().handlers.clear()
    assert cli.main(["upscale", photo, "-o", "large.png", "--network", "hf://anna/net", "--quiet"]) == 0
    assert cli.main(["transform", photo, "-o", "too.png", "--network", f"hf://anna/net@{shared}", "--quiet"]) == 0
    assert Path("large.png").read_bytes() == Path("too.png").read_bytes()
    assert cli.main(["evaluate", "--network", "hf://anna/net", "--targets", photo, "--metrics", "psnr", "--quiet"]) == 0
    words = ["train", "hf://anna/net", "--smoke", "--photos", str(small_photos), "--validation", "1", "--quiet"]
    assert cli.main([*words, "--out", "runs"]) == 0
    assert cli.main(["upscale", photo, "--network", "hf://anna/none"]) == 1
