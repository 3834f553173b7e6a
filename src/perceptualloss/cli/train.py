"""``perceptualloss train``."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import as_option, bold, command_parser, fields_of, inform
from perceptualloss.cli.recipe_options import NESTED, plain, values_of, with_checked_recipe
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.losses.registry import LOSSES
from perceptualloss.networks.registry import CRITICS, NETWORKS
from perceptualloss.training.job_folder import run_place
from perceptualloss.training.recipe import Recipe, smoke, whole_places
from perceptualloss.training.recipe_checks import RANGES, check_range
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run_folder import CONFIGURATION
from perceptualloss.training.train import result_in, train

SMOKED = ("steps", "warm_up_steps", "crop", "batch_size", "schedule", "balance", "adversarial")  # what a smoke run sets
_OPTIONS = "; its options follow it, as in"


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("train", "%(prog)s [RECIPE] [OPTIONS]")
    parser.add_argument(
        "--recipe", action="config", help="a YAML file, or the name of a recipe that ships; 'train NAME' says the same"
    )
    for name, text in _nested_help().items():
        parser.add_argument(f"--{name}", type=plain, help=text)
    parser.add_class_arguments(Recipe, skip=set(NESTED))
    parser.add_argument("--name", type=str, default="train", help="name of the folder in --out")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where that folder goes")
    parser.add_argument("--smoke", action="store_true", help="four steps on small crops, to see that a recipe works")
    parser.add_argument("--resume", type=Path | None, help="the folder of a run to go on with; it knows the recipe")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train``."""
    command = options.pop("command_line", "")
    with as_option():
        check_range("seed", options.seed, RANGES["seed"])
        L.seed_everything(options.seed, verbose=False)  # the network's first weights
        recipe = build_recipe(fields_of(Recipe, parser.instantiate_classes(options)))
    if options.smoke:
        recipe = smoke(recipe)
    configuration = _yaml(parser, options, recipe)
    record: dict[str, Any] = {"progress": True, "command": command, "configuration": configuration}
    with run_place(options.out, options.name, options.resume, configuration) as place:
        folder = place.folder
        inform("Writing to ", bold(folder), f"; watch with: tensorboard --logdir {folder}")
        if place.job is not None:
            inform(f"The job '{place.job}' was started again and goes on there.")
        scores = train(recipe, folder, resume=place.goes_on, **record)
    inform("Validation: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    inform("Saved ", bold(result_in(folder, recipe)))


def with_recipe(words: list[str]) -> list[str]:
    """Return the words after ``train`` with a recipe that is checked: the one named, or that of ``--resume FOLDER``.

    Raises:
        InputError: for a recipe that cannot be used.
    """
    return with_checked_recipe(with_own_recipe(words))


def with_own_recipe(words: list[str]) -> list[str]:
    """Return the words, in which ``--resume FOLDER`` without a recipe stands for the one in that folder.

    >>> with_own_recipe(["--resume", "nowhere"])
    ['--resume', 'nowhere']
    """
    folders = values_of("resume", words)
    if not folders or values_of("recipe", words) or not words[0].startswith("-"):
        return words
    own = Path(folders[0]) / CONFIGURATION
    return ["--recipe", str(own), *words] if own.is_file() else words


def _nested_help() -> dict[str, str]:
    """Return what --help says of the parts that are named: all that are registered by now."""
    return {
        "network": f"one of {', '.join(NETWORKS)}{_OPTIONS} --network.width 32",
        "loss": f"one of {', '.join(LOSSES)}, several, or with weights{_OPTIONS} --loss.L1Loss.weight 0.5",
        "degradation": f"one of {', '.join(DEGRADATIONS)}{_OPTIONS} --degradation.scale 2",
        "critic": f"the critic of adversarial training: {', '.join(CRITICS)}{_OPTIONS} --critic.width 8",
    }


def _yaml(parser: ArgumentParser, options: Namespace, recipe: Recipe) -> str:
    """Return all that was set, as a recipe: with whole paths, so that it means the same in any folder."""
    settings = yaml.safe_load(parser.dump(options, skip_link_targets=False))
    kept = {name: settings[name] for name in (*fields_of(Recipe, options), "name") if settings.get(name) is not None}
    for name in SMOKED if options.smoke else ():
        value = getattr(recipe, name)
        if value is not None:
            kept[name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    for name, places in whole_places(recipe).items():
        if places is None:
            kept.pop(name, None)
        else:
            kept[name] = places
    return str(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
