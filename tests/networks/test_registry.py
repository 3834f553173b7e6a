"""Networks of one's own by name: in recipes, in files, on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from perceptualloss import cli, load_network, register_network, save_network
from perceptualloss.errors import InputError
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.course import Generator
from perceptualloss.networks.registry import NETWORKS, build_network, registered_name


class Tinted(TransformationNetwork):
    def __init__(self, width: int = 2, shift: float = 0.0) -> None:
        super().__init__()
        self.width, self.shift = width, shift
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) + self.shift


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    before = dict(NETWORKS)
    yield
    NETWORKS.clear()
    NETWORKS.update(before)


def test_a_file_of_a_registered_network_loads_and_of_another_does_not(tmp_path: Path) -> None:
    network = Tinted(3, 0.25)
    with pytest.raises(InputError, match=r"after perceptualloss\.register_network"):
        save_network(network, tmp_path / "a.safetensors")
    assert register_network(Tinted, "my_tint") is Tinted
    file = save_network(network, tmp_path / "a.safetensors")
    assert read_metadata(file)["network"] == "my_tint"
    loaded, x = load_network(file), torch.rand(1, 3, 7, 5)
    assert isinstance(loaded, Tinted)
    assert (loaded.width, loaded.shift) == (3, 0.25)
    assert torch.equal(loaded(x), network(x))
    del NETWORKS["my_tint"]
    with pytest.raises(InputError, match=r"got 'my_tint'\. A class of your own is known after perceptualloss.register"):
        load_network(file)


def test_a_recipe_and_the_command_line_name_it(small_photos: Path, tmp_path: Path) -> None:
    register_network(Tinted)
    words = ["train", "--network", "Tinted", "--network.width", "5", "--loss", "L1Loss", "--degradation", "Grey"]
    words += ["--photos", str(small_photos), "--validation", "1", "--smoke", "--device", "cpu", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    loaded = load_network(tmp_path / "train" / "network.safetensors")
    assert isinstance(loaded, Tinted)
    assert loaded.width == 5


def test_a_cell_that_runs_twice_registers_the_newer_class() -> None:
    def define(scale: int) -> type[TransformationNetwork]:
        class Mine(Tinted):
            factor = scale

        return register_network(Mine)

    define(1)
    newer = define(2)
    assert NETWORKS["Mine"] is newer
    assert build_network("Mine", {"width": 4}).factor == 2


class _Anything(Tinted):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (nn.Conv2d, None, "a subclass of TransformationNetwork, got Conv2d"),
        (Tinted(), None, "a subclass of TransformationNetwork"),
        (Tinted, "Generator", "a name that is free for .*Tinted, got 'Generator'"),
        (Tinted, "my tint", "a name in letters and digits"),
        (Tinted, "", "a name in letters and digits"),
        (_Anything, None, r"arguments of _Anything with names and types, got \*\*options"),
    ],
)
def test_what_cannot_be_registered_says_why(kind: Any, name: str | None, message: str) -> None:
    before = dict(NETWORKS)
    with pytest.raises(InputError, match=message):
        register_network(kind, name)
    assert before == NETWORKS


def test_another_class_of_a_registered_name_is_not_saved_as_that(tmp_path: Path) -> None:
    namesake = type("Generator", (Tinted,), {})()
    with pytest.raises(InputError, match="another class of this name"):
        save_network(namesake, tmp_path / "a.safetensors")
    assert registered_name(Generator(width=1)) == "Generator"
    assert not list(tmp_path.iterdir())


def test_a_network_that_forgets_its_arguments_is_not_saved(tmp_path: Path) -> None:
    class Forgetful(Tinted):
        def __init__(self, depth: int = 1) -> None:
            super().__init__()

    register_network(Forgetful)
    with pytest.raises(InputError, match=r"none named depth\. Its constructor says self.depth = depth"):
        save_network(Forgetful(), tmp_path / "a.safetensors")
    network = Tinted()
    network.shift = torch.zeros(1)  # type: ignore[assignment]
    register_network(Tinted)
    with pytest.raises(InputError, match="arguments of Tinted that are data"):
        save_network(network, tmp_path / "a.safetensors")
