"""A recipe as it is written down: what its words stand for, and how large its numbers may be.

A recipe is data. It names networks, critics, degradations and losses that are registered, and nothing that it says is
imported or called. Classes of one's own are registered by code (``register_network``, ``register_degradation``,
``register_loss``), or all
those of a module by :func:`trust`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from perceptualloss.arguments import Known, checked_arguments, named_part
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.registry import LOSSES, register_loss
from perceptualloss.losses.settings import check_loss_settings
from perceptualloss.metrics.registry import FUNCTIONS
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.diffusers_autoencoder import DiffusersAutoencoder
from perceptualloss.networks.limits import build_bounded
from perceptualloss.networks.registry import CRITICS, NETWORKS
from perceptualloss.registry import name_in, register
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.vocabulary import check_names

KNOWN: Known = {TransformationNetwork: NETWORKS, nn.Module: CRITICS, Degradation: DEGRADATIONS}
PARTS: dict[str, type] = {"network": TransformationNetwork, "critic": nn.Module, "degradation": Degradation}
LISTS: tuple[tuple[type, dict[str, Any]], ...] = (
    (TransformationNetwork, NETWORKS),
    (Loss, LOSSES),
    (Degradation, DEGRADATIONS),
    (nn.Module, CRITICS),  # last: networks and losses are modules, too
)
LARGEST = 10**12  # of a recipe's own whole numbers, before check_recipe looks closer


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check the names and types of a recipe's settings, all or some of them, without building networks.

    Raises:
        InputError: for what is no setting of a recipe, a class that is not on the lists, an unknown option of a part,
            or a value of another type.
    """
    check_names(settings, "train")
    own = {name: value for name, value in settings.items() if name not in PARTS}
    checked_arguments(Recipe, own, "the recipe", KNOWN, LARGEST, whole=False)
    if settings.get("loss") is not None:
        check_loss_settings(settings["loss"])
    for name, kind in PARTS.items():
        if settings.get(name) is not None and not isinstance(settings[name], kind):
            named_part(name, settings[name], kind, KNOWN)


def build_recipe(settings: Mapping[str, Any]) -> Recipe:
    """Build the recipe that settings describe, its parts by name and options, as YAML has them.

    Args:
        settings: the fields of :class:`Recipe`. Objects of the right class are taken as they are. Seed the random
            generators before: the network and the critic draw their first weights.

    Raises:
        InputError: for what :func:`check_settings` refuses, a network or critic of an absurd size, or what
            :func:`check_recipe` refuses.

    >>> build_recipe({"network": "Upscale2x", "loss": "L1Loss", "degradation": "Downscale"}).network.scale
    2
    """
    for name in ("network", "loss"):
        if settings.get(name) is None and not (name == "network" and settings.get("autoencoder") is not None):
            raise InputError(f"{name} in the recipe", "none", "perceptualloss recipes lists those that ship.")
    check_settings(settings)
    own = {name: value for name, value in settings.items() if name not in (*PARTS, "loss")}
    values = checked_arguments(Recipe, own, "the recipe", KNOWN, LARGEST, whole=False)
    parts = {name: _part(name, settings.get(name), kind) for name, kind in PARTS.items()}
    if values.get("autoencoder") is not None:
        if parts["network"] is not None:
            raise InputError("a network or an autoencoder", "both", "Leave network out.")
        parts["network"] = DiffusersAutoencoder(values["autoencoder"])
    recipe = Recipe(loss=settings["loss"], **parts, **values)
    check_recipe(recipe)
    return recipe


def _part(name: str, given: Any, kind: type) -> Any:
    if given is None or isinstance(given, kind):
        return given
    cls, arguments = named_part(name, given, kind, KNOWN)
    return build_bounded(cls, arguments) if issubclass(cls, nn.Module) else cls(**arguments)


def trust(module: str) -> list[str]:
    """Import a module of one's own and let recipes and files name the classes that it defines; return their names.

    Networks are subclasses of :class:`TransformationNetwork`, and a file of one is loaded wherever this was called
    before. Degradations and losses are subclasses of :class:`Degradation` and :class:`Loss`; every other
    ``nn.Module`` counts as a critic. Metrics are functions that it registers (``register_metric``). Importing runs the
    module, so call it with modules that you know.

    Args:
        module: its name, as ``import`` takes it.

    Raises:
        InputError: if it cannot be imported, defines no such class, or one of a name that is taken.
    """
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise InputError("a module to trust", f"{module!r}, which does not import: {error}") from error
    names = []
    for registry in (LOSSES, FUNCTIONS):
        functions = (own for _, own in inspect.getmembers(loaded, inspect.isfunction))
        names += [name for own in functions if (name := name_in(registry, own))]
    for name, kind in inspect.getmembers(loaded, inspect.isclass):
        known = next((known for base, known in LISTS if issubclass(kind, base)), None)
        if known is None or kind.__module__ != loaded.__name__ or inspect.isabstract(kind):
            continue
        names.append(name_in(known, kind) or name)
        if name_in(known, kind) is None:
            if issubclass(kind, Loss):
                register_loss(kind, name)
            else:
                register(known, kind, object, name)
    if not names:
        raise InputError(f"networks, losses, degradations, critics or metrics in {module}", "none that it defines")
    return names
