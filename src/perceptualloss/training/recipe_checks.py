"""Refuses, before anything is built, numbers of a recipe that cannot be meant, and settings that would do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from perceptualloss.arguments import shown
from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import has_style_term
from perceptualloss.networks.diffusers_autoencoder import DiffusersAutoencoder
from perceptualloss.training.balance import check_game
from perceptualloss.training.recipe import Recipe

Bounds = tuple[float, float]
LONGEST = 10**9  # steps: 30 years at one a second
RANGES: dict[str, Bounds] = {
    "style_size": (1, 2**14),
    "shorter_side": (1, 2**14),
    "crop": (1, 2**13),
    "batch_size": (1, 2**16),
    "steps": (1, LONGEST),
    "warm_up_steps": (0, LONGEST),
    "validate_every": (1, LONGEST),
    "checkpoint_every": (1, LONGEST),
    "checkpoint_minutes": (1e-3, 1e6),
    "learning_rate": (0, 1e3),
    "devices": (1, 64),
    "num_nodes": (1, 2**16),
    "workers": (0, 128),
    "memory_gib": (0, 1e6),
    "cache_gib": (0, 1e6),
    "seed": (0, 2**32 - 1),
}
GAME: dict[str, Bounds] = {
    "start": (0, LONGEST),
    "ramp_steps": (0, LONGEST),
    "feature_matching": (0, 1e9),
    "r1": (0, 1e9),
    "r2": (0, 1e9),
    "lecam": (0, 1e9),
    "penalty_every": (1, 1000),
    "n_critic": (1, 1000),
    "generator_every": (1, 1000),
    "learning_rate": (0, 1e3),
}
BATCH = 2**28  # pixels of a batch: 3 GB of targets


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe's numbers, and that every setting does something in a run of its kind.

    Raises:
        InputError: for a number beyond its range, or a setting that this kind of run ignores.
    """
    _check_kind(recipe)
    check_ranges({field.name: getattr(recipe, field.name) for field in fields(recipe)}, RANGES)
    check_betas("betas", recipe.betas)
    if (game := recipe.adversarial) is not None:
        game.check()
        for name, bounds in GAME.items():
            check_range(f"adversarial.{name}", getattr(game, name), bounds)
        check_betas("adversarial.betas", game.betas)
    _check_autoencoder(recipe)
    if recipe.balance is not None:
        recipe.balance.build()
        recipe.balance.check_layer(recipe.network)
        if recipe.adversarial is not None:
            check_game(recipe.balance, recipe.adversarial)
    _check_idle(recipe)


def check_ranges(settings: Mapping[str, Any], ranges: Mapping[str, Bounds]) -> None:
    """Check numbers by name, and the pixels of a batch.

    Raises:
        InputError: for a number beyond its range, or too many pixels in a batch.
    """
    for name, bounds in ranges.items():
        check_range(name, settings[name], bounds)
    crop, batch_size = settings["crop"], settings["batch_size"]
    if crop**2 * batch_size > BATCH:
        got = f"{batch_size} of {crop} x {crop}"
        raise InputError(f"at most {BATCH:,} pixels in a batch", got, "Lower batch_size or crop.")


def check_range(name: str, value: object, bounds: Bounds) -> None:
    """Raise unless a number lies within its bounds; what is no number passes.

    Raises:
        InputError: for one beyond them.
    """
    if isinstance(value, int | float) and not bounds[0] <= value <= bounds[1]:
        raise InputError(f"{name} from {bounds[0]:,} to {bounds[1]:,}", shown(value))


def check_betas(name: str, betas: tuple[float, float]) -> None:
    """Raise unless both of Adam's decays are from 0 to below 1."""
    if not all(0 <= beta < 1 for beta in betas):
        raise InputError(f"{name} from 0 to below 1", f"{betas[0]:g} and {betas[1]:g}")


def _check_kind(recipe: Recipe) -> None:
    """Raise for kinds of training that exclude each other, or a style that is missing."""
    if recipe.style is not None:
        for name in ("degradation", "inputs", "adversarial", "balance"):
            if (other := getattr(recipe, name)) is not None:
                raise InputError(f"a style without {name}", f"{name}={shown(other)}")
    for name in ("style", "adversarial"):
        if recipe.masks is not None and getattr(recipe, name) is not None:
            remedy = "A critic sees whole pictures." if name == "adversarial" else "A style is compared as a whole."
            raise InputError(f"masks without {name}", f"masks={shown(str(recipe.masks))}", remedy)
    sources = (recipe.style, recipe.degradation, recipe.inputs)
    if all(source is None for source in sources) and has_style_term(recipe.loss):
        raise InputError("the picture of a style", "none", "Name one: --style picture.jpg.")


def _check_autoencoder(recipe: Recipe) -> None:
    """Raise for what the decoder of an autoencoder of diffusers is not trained with."""
    if isinstance(recipe.network, DiffusersAutoencoder) and recipe.start_from is not None:
        remedy = "Name the folder of the network to start from: autoencoder."
        raise InputError("no start_from for an autoencoder of diffusers", str(recipe.start_from), remedy)
    if recipe.autoencoder is not None and not isinstance(recipe.network, DiffusersAutoencoder):
        raise InputError("a network or an autoencoder", "both", "build_recipe opens the autoencoder.")


def _check_idle(recipe: Recipe) -> None:
    """Raise for a setting that does nothing in this kind of run."""
    usual = {field.name: field.default for field in fields(recipe)}
    needs = {  # what each setting needs to have an effect
        "style": ("style_size", "style_strength", "stability"),
        "adversarial": ("critic",),
        "photos": ("validation", "masks"),
        "masks": ("masking",),
        "degradation": ("degrade_on",),
    }
    for needed, names in needs.items():
        for name in names:
            paired = name == "validation" and recipe.inputs is not None  # which needs photos anyway
            if not paired and getattr(recipe, needed) is None and getattr(recipe, name) != usual[name]:
                got = "the critic" if name == "critic" else f"{name}={shown(getattr(recipe, name))}"
                remedy = f"Give {needed}, or leave {name} out."
                raise InputError(f"{name} together with {needed}", f"{got} alone", remedy)
    if recipe.warm_up_steps >= recipe.steps:
        got = f"{recipe.warm_up_steps} of {recipe.steps}"
        raise InputError("warm_up_steps below steps, so that the loss is used", got, "Lower warm_up_steps.")
    game = recipe.adversarial
    if game is not None and game.start >= recipe.steps - recipe.warm_up_steps:
        got = f"{game.start} of {recipe.steps - recipe.warm_up_steps}"
        raise InputError(
            "adversarial.start below the steps after the warm-up, so that the critic plays", got, "Lower it."
        )
