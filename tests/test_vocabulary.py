"""One vocabulary: what is called otherwise now ends, on the command line, in YAML and in Python, with the new name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

from perceptualloss import cli, stylize, upscale
from perceptualloss.apply.device import find_device
from perceptualloss.apply.optimize_style import StyleOptimization
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.cli import COMMANDS
from perceptualloss.errors import InputError
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.studies.compare.settings import Settings, read_settings
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.layers.loss_map import layer_losses
from perceptualloss.studies.layers.reconstruct import reconstruct_layers
from perceptualloss.studies.loss_network.train import train_loss_network
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run import LIGHTNING, Budget
from perceptualloss.vocabulary import OLD_NAMES, OLD_VALUES, Device, Precision

RECIPE = "network: Upscale2x\nloss: L1Loss\ndegradation: Downscale\n"
OPTIONS = [
    (["compare", "--data", "photos"], "--data is called --photos."),
    (["compare", "--data=photos"], "--data is called --photos."),
    (["compare", "--warm-up", "5"], "--warm-up is called --warm-up-steps."),
    (["compare", "--warm_up", "5"], "--warm-up is called --warm-up-steps."),
    (["compare", "--device", "gpu"], "device cuda, got 'gpu'. It is called cuda."),
    (["reconstruct", "a.png", "--network", "vgg16"], "--network is called --loss-network."),
    (["reconstruct", "a.png", "--smooth", "1"], "--smooth is called --total-variation."),
    (["loss-map", "a.png", "b.png", "--network", "vgg16"], "--network is called --loss-network."),
    (["loss-map", "a.png", "b.png", "--device=gpu"], "It is called cuda."),
    (["upscale", "a.png", "--device", "gpu"], "It is called cuda."),
    (["upscale", "a.png", "--precision", "16-mixed"], "It is called fp16."),
    (["stylize", "a.png", "--style", "wave", "--precision", "bf16-mixed"], "It is called bf16."),
    (["evaluate", "a", "b", "--device", "gpu"], "It is called cuda."),
    (["train", "{recipe}", "--precision", "32-true"], "It is called fp32."),
    (["train", "{recipe}", "--device", "gpu"], "It is called cuda."),
    (["train", "{old}"], "old.yaml, got 'bf16-mixed'. It is called bf16."),
    (["train", "--resume", "{run}"], "config.yaml, got 'gpu'. It is called cuda."),
    (["train-loss-network", "--precision", "bf16-mixed"], "It is called bf16."),
    (["train-loss-network", "{old}"], "old.yaml, got 'bf16-mixed'. It is called bf16."),
]


@pytest.mark.parametrize(("words", "message"), OPTIONS, ids=lambda value: " ".join(value) if value else "")
def test_the_command_line_says_the_new_name(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "old.yaml").write_text("precision: bf16-mixed\n")
    (tmp_path / "run" / "config.yaml").write_text(f"{RECIPE}device: gpu\n")
    places = {name: tmp_path / f"{name}.yaml" for name in ("recipe", "old")} | {"run": tmp_path / "run"}
    assert cli.main([word.format(**places) for word in words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


PICTURE = torch.rand(1, 3, 16, 16)
OWN = ResidualUpscaler(2, 4, 1)
ANY: dict[str, Any] = {}
CALLS: list[tuple[str, Callable[..., object]]] = [
    ("data is called photos", lambda: Settings(data=Path("a"), **ANY)),  # type: ignore[call-arg]
    ("warm_up is called warm_up_steps", lambda: Settings(warm_up=5, **ANY)),  # type: ignore[call-arg]
    ("network is called loss_network", lambda: StyleOptimization(network="vgg16", **ANY)),  # type: ignore[call-arg]
    ("network is called loss_network", lambda: layer_losses(PICTURE, PICTURE, [], network="vgg16", **ANY)),  # type: ignore[call-arg]
    ("network is called loss_network", lambda: reconstruct_layers(PICTURE, [], network="vgg16", **ANY)),  # type: ignore[call-arg]
    ("smooth is called total_variation", lambda: reconstruct_layers(PICTURE, [], smooth=1.0, **ANY)),  # type: ignore[call-arg]
    ("called cuda", lambda: find_device("gpu")),
    ("called cuda", lambda: upscale(PICTURE, network=OWN, device="gpu")),
    ("called cuda", lambda: stylize(PICTURE, PICTURE, method="optimize", device="gpu")),
    ("called cuda", lambda: Budget(5, device="gpu").check()),  # type: ignore[arg-type]
    ("called fp32", lambda: Budget(5, precision="32-true").check()),  # type: ignore[arg-type]
    ("called fp16", lambda: transform_in_tiles(OWN, PICTURE, precision="16-mixed")),  # type: ignore[arg-type]
    ("called bf16", lambda: upscale(PICTURE, network=OWN, precision="bf16-mixed")),  # type: ignore[call-overload]
    ("called bf16", lambda: build_recipe({"network": "Upscale2x", "loss": "L1Loss", "precision": "bf16-mixed"})),
    ("precision to be one of", lambda: Budget(5, precision="half").check()),  # type: ignore[arg-type]
    ("device to be one of", lambda: Budget(5, device="tpu").check()),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("message", "call"), CALLS)
def test_python_says_the_new_name(message: str, call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_an_old_comparison_says_the_new_name(tmp_path: Path) -> None:
    Settings().write(tmp_path)
    assert read_settings(tmp_path) == Settings()
    written = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps({"data": None} | written))
    with pytest.raises(InputError, match="data is called photos"):
        read_settings(tmp_path)


def test_the_same_words_everywhere() -> None:
    for thing in (Settings, Budget, Recipe, train_loss_network, evaluate):
        assert get_type_hints(thing)["device"] == Device
    for thing in (Budget, Recipe, train_loss_network, transform_in_tiles, upscale, stylize):
        assert get_type_hints(thing)["precision"] == Precision
    assert set(LIGHTNING) == {word for word in get_args(Precision) if word != "auto"}
    assert set(OLD_NAMES) - set(COMMANDS) == {"StyleOptimization"}
    for new in OLD_VALUES["precision"].values():
        assert new in get_args(Precision)
    for name, words in OLD_NAMES.items():
        if name in COMMANDS:
            parser = __import__(f"perceptualloss.cli.{name.replace('-', '_')}", fromlist=["x"]).build_parser()
            options = {action.dest for action in parser._actions}
            assert options >= set(words.values())
            assert not options & set(words)


def test_old_names_of_one_command_are_names_of_others(tmp_path: Path) -> None:
    assert cli.main(["upscale", str(tmp_path / "none.png"), "--network", "a.safetensors"]) == 1
