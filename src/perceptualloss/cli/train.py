"""``perceptualloss train``."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import as_option, bold, fields_of, free_folder, tell
from perceptualloss.cli.recipe_options import NESTED, plain
from perceptualloss.networks.checkpoint import NETWORKS
from perceptualloss.training.recipe import Recipe, smoke, train
from perceptualloss.training.recipe_checks import RANGES, check_range
from perceptualloss.training.recipe_settings import CRITICS, DEGRADATIONS, build_recipe

_OPTIONS = "; its options follow it, as in"
_NESTED_HELP = {
    "network": f"one of {', '.join(NETWORKS)}{_OPTIONS} --network.width 32",
    "loss": f"a loss, or several with weights (docs/losses.md){_OPTIONS} --loss.L1Loss.weight 0.5",
    "degradation": f"one of {', '.join(DEGRADATIONS)}{_OPTIONS} --degradation.scale 2",
    "critic": f"the critic of adversarial training: {', '.join(CRITICS)}{_OPTIONS} --critic.width 8",
}


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = ArgumentParser(
        exit_on_error=False, description="Train one network from a recipe; every setting can be overridden."
    )
    parser.add_argument("--recipe", action="config", help="a YAML file; 'train FILE' says the same")
    for name, text in _NESTED_HELP.items():
        parser.add_argument(f"--{name}", type=plain, help=text)
    parser.add_class_arguments(Recipe, skip=set(NESTED))
    parser.add_argument("--name", type=str, default="train", help="name of the folder in --out")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where that folder goes")
    parser.add_argument("--smoke", action="store_true", help="four steps on small crops, to see that a recipe works")
    parser.add_argument("--resume", type=Path | None, help="the folder of an interrupted run to go on with")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train``."""
    folder = options.resume or free_folder(options.out, options.name)
    with as_option():
        check_range("seed", options.seed, RANGES["seed"])
        L.seed_everything(options.seed, verbose=False)  # the network's first weights
        recipe = build_recipe(fields_of(Recipe, parser.instantiate_classes(options)))
    if options.smoke:
        recipe = smoke(recipe)
    tell("Writing to ", bold(folder), f"; watch with: tensorboard --logdir {options.out}")
    scores = train(recipe, folder, resume=options.resume is not None, progress=True)
    tell("Validation: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    tell("Saved ", bold(folder / "network.safetensors"))
