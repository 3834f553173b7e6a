"""No option is silently ignored: one that would do nothing in this run is refused, in one line that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss import cli
from perceptualloss.apply.optimize_style import StyleOptimization, optimize_style
from perceptualloss.apply.stylize import stylize
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.upscale import upscale
from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.features.network import loss_network
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.networks.course import Critic
from perceptualloss.networks.named import shipped_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.settings import Settings
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.loss_network.train import train_loss_network
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.train import train

SHARES = "{{l1: 1, adversarial: 1}}"
STYLIZE = ["stylize", "{photo}", "--style"]
COMMANDS: list[tuple[list[str], str]] = [
    ([*STYLIZE, "wave", "--steps", "5"], "no --steps with --method network"),
    ([*STYLIZE, "wave", "--scales", "1"], "no --scales with --method network"),
    ([*STYLIZE, "wave", "--start", "noise"], "no --start with --method network"),
    ([*STYLIZE, "wave", "--loss-network", "vgg16"], "no --loss-network with --method network"),
    ([*STYLIZE, "wave", "--style-size", "99"], "no --style-size with --method network"),
    ([*STYLIZE, "wave", "--every", "5"], "no --every with --method network"),
    ([*STYLIZE, "wave", "--smooth", "0.5"], "no --smooth for pictures"),
    ([*STYLIZE, "{photo}", "--method", "optimize", "--smooth", "0.5"], "no --smooth with --method optimize"),
    ([*STYLIZE, "{photo}", "--method", "optimize", "--precision", "bf16"], "no --precision with --method optimize"),
    (
        [*STYLIZE, "{photo}", "--method", "optimize", "--network", "a.safetensors"],
        "no --network with --method optimize",
    ),
    ([*STYLIZE, "{photo}", "--method", "optimize", "--every", "500"], "--every from 1 to"),
    (["share", "{recipe}", "anna/net", "--out", "{folder}/out", "--public"], "no --public with --out"),
    (["compare", "--resume", "{folder}", "--steps", "5"], "no --steps with --resume"),
    (["compare", "--resume", "{folder}", "--name", "mine"], "no --name with --resume"),
    (["compare", "--runs", "{folder}", "{folder}", "--steps", "5"], "no --steps with --runs"),
    (["compare", "--runs", "{folder}", "{folder}", "--resume", "{folder}"], "no --resume with --runs"),
    (["train", "{recipe}", "--autoencoder", "{folder}"], "a network or an autoencoder"),
    (["train", "{recipe}", "--validation", "2"], "validation together with photos"),
    (["train", "{recipe}", "--critic", "Critic"], "critic together with adversarial"),
    (["train", "{recipe}", "--masks", "alpha"], "masks together with photos"),
    (["train", "{recipe}", "--masking", "exact"], "masking together with masks"),
    (["train", "{recipe}", "--style-size", "64"], "style_size together with style"),
    (["train", "{recipe}", "--style-strength", "2"], "style_strength together with style"),
    (["train", "{recipe}", "--stability", "2"], "stability together with style"),
    (
        ["train", "{recipe}", "--adversarial", "{{penalty: 10, weight: 0.1}}", "--balance.shares", SHARES],
        "no adversarial.weight with a share of adversarial in balance",
    ),
    (["train", "{recipe}", "--warm-up-steps", "20000"], "warm_up_steps below steps"),
    (["train", "{recipe}", "--adversarial", "{{kind: hinge, start: 10000}}"], "adversarial.start below the steps"),
    (["train", "{recipe}", "--adversarial", "{{kind: hinge, penalty_every: 16}}"], "no penalty_every without penalty"),
]


@pytest.mark.parametrize(("words", "message"), COMMANDS, ids=lambda value: " ".join(value[-3:]) if value else "")
def test_the_command_line_refuses(
    words: list[str], message: str, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("network: Upscale2x\nloss: L1Loss\ndegradation: Downscale\n")
    places = {"photo": next(small_photos.iterdir()), "folder": tmp_path, "recipe": tmp_path / "recipe.yaml"}
    assert cli.main([word.format(**places) for word in words]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def own_network() -> Any:
    return loss_network("compact", ["relu1_1", "relu2_2"])


PICTURE = torch.zeros(1, 3, 64, 64)
CALLS: dict[str, Callable[[], object]] = {
    "style_distance without": lambda: PerceptualLoss("compact", ["relu1_1"], style_distance="wasserstein"),
    "style_scales without": lambda: PerceptualLoss("compact", ["relu1_1"], style_scales=3),
    "distance without layers": lambda: PerceptualLoss("compact", None, "l1", ["relu1_1"]),
    "weights with a network": lambda: FeatureReconstructionLoss(own_network(), ["relu1_1"], weights="other.pth"),
    "input_range with a network": lambda: FeatureReconstructionLoss(own_network(), ["relu1_1"], input_range=(-1, 1)),
    "exponent with kind": lambda: TotalVariationLoss("l1", exponent=1.5),
    "factor in the schedule": lambda: Schedule("constant", factor=0.1),
    "perception": lambda: upscale(PICTURE, network=ResidualUpscaler(2, 4, 1), perception=0.5),
    "kind": lambda: upscale(PICTURE, network=ResidualUpscaler(2, 4, 1), kind="perceptual"),
    "the kind 'mse'": lambda: shipped_network(2, "mse", perception=0.5),
    "validation without": lambda: PhotoData(Noise(), validation=3),
    "masking without masks": lambda: evaluate([Path("a")], Path("b"), masking="exact"),
    "scale with the protocol": lambda: evaluate([Path("a")], Path("b"), scale=4, protocol="rgb"),
    "loss_network for mse and l1": lambda: compare(Settings(losses=("mse", "l1"), loss_network="vgg16"), Path("none")),
    **{
        f"no {name} with the method 'network'": lambda name=name, value=value: stylize(  # type: ignore[misc]
            PICTURE, StyleTransferNetwork(4, 1), **{name: value}
        )
        for name, value in (
            ("steps", 5),
            ("scales", 1),
            ("start", "noise"),
            ("style_size", 99),
            ("loss_network", "vgg16"),
        )
    },
    "no network with the method 'optimize'": lambda: stylize(
        PICTURE, PICTURE, method="optimize", network="a.safetensors"
    ),
    "no precision with the method 'optimize'": lambda: stylize(PICTURE, PICTURE, method="optimize", precision="bf16"),
    "overlap for a network": lambda: transform_in_tiles(StyleTransferNetwork(4, 1), PICTURE, overlap=8),
    "seed with start": lambda: optimize_style(PICTURE, PICTURE, StyleOptimization(seed=3)),
    "validation with classes": lambda: train_loss_network("judge", Path("a"), classes=Path("b"), validation=3),
    "crops_per_photo with classes": lambda: train_loss_network(
        "judge", Path("a"), classes=Path("b"), crops_per_photo=3
    ),
    "weight_decay with strengths": lambda: train_loss_network(
        "judge", Path("a"), photos=Path("b"), strengths=True, weight_decay=0.1
    ),
}


@pytest.mark.parametrize("message", CALLS)
def test_python_refuses(message: str) -> None:
    with pytest.raises(InputError, match=message):
        CALLS[message]()


def test_a_recipe_in_python_refuses(tmp_path: Path) -> None:
    style = Recipe(StyleTransferNetwork(4, 1), "johnson_style", style=tmp_path, critic=Critic(2))
    plain = Recipe(ResidualUpscaler(1, 4, 1), "L1Loss", Noise(), critic=Critic(2))
    for recipe in (style, plain):
        with pytest.raises(InputError, match="critic together with adversarial"):
            train(recipe, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_a_network_of_ones_own_has_already_may_be_said_again() -> None:
    network = loss_network("compact", ["relu1_1"], input_range=(-1.0, 1.0))
    assert FeatureReconstructionLoss(network, ["relu1_1"], input_range=(-1, 1)).input_range == (-1.0, 1.0)
