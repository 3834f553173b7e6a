"""``perceptualloss train``."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import console, fields_of, free_folder
from perceptualloss.training.recipe import Recipe, smoke, train


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = ArgumentParser(description="Train one network from a recipe; every setting can be overridden.")
    parser.add_argument("--recipe", action="config", help="a YAML file; 'train FILE' says the same")
    parser.add_class_arguments(Recipe)
    parser.add_argument("--name", type=str, default="train", help="name of the folder in --out")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where that folder goes")
    parser.add_argument("--smoke", action="store_true", help="four steps on small crops, to see that a recipe works")
    parser.add_argument("--resume", type=Path | None, help="the folder of an interrupted run to go on with")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train``."""
    folder = options.resume or free_folder(options.out, options.name)
    L.seed_everything(options.seed, verbose=False)  # the network's first weights
    recipe = Recipe(**fields_of(Recipe, parser.instantiate_classes(options)))
    if options.smoke:
        recipe = smoke(recipe)
    console.print(f"Writing to [bold]{folder}[/]; watch with: tensorboard --logdir {options.out}", soft_wrap=True)
    scores = train(recipe, folder, resume=options.resume is not None, progress=True)
    console.print("Validation: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    console.print(f"Saved [bold]{folder / 'network.safetensors'}[/]", soft_wrap=True)
