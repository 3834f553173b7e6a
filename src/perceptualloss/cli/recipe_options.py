"""A recipe on the command line: its file, checked, and options for parts of what it says of a loss or a network."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perceptualloss.arguments import shown
from perceptualloss.cli.console import given_options
from perceptualloss.errors import InputError, check_choice
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_file import check_places, read_data, read_recipe
from perceptualloss.training.recipe_settings import PARTS, check_settings
from perceptualloss.training.shipped_recipes import Command, find_recipe
from perceptualloss.vocabulary import check_names

NESTED = ("loss", *PARTS)  # settings that are written by names and options
_FIELDS = (*inspect.signature(Recipe).parameters, "name", "out")
_FORM = ("class_path", "init_args")


def plain(value: Any) -> Any:
    """Return a setting that is written by names and options: of a text on the command line, what YAML makes of it."""
    return read_data(value, "the option") if isinstance(value, str) else value


def values_of(option: str, words: list[str]) -> list[str]:
    """Return what the words give to an option, once for each time that it is there.

    >>> values_of("recipe", ["--recipe", "a.yaml", "--recipe=b.yaml", "--steps", "5"])
    ['a.yaml', 'b.yaml']
    """
    return [value for name, value in given_options(words) if name == option]


def recipe_in(words: list[str], command: Command) -> tuple[list[str], Path | None]:
    """Return the words after a command, a recipe's name or file among them as ``--recipe FILE``, and that file.

    Raises:
        InputError: for several recipes, or one that is not there or not for this command.
    """
    if words and not words[0].startswith("-"):
        words = ["--recipe", *words]
    given = values_of("recipe", words)
    if not given:
        return words, None
    if len(given) > 1:
        raise InputError("one recipe", " and ".join(given))
    file = find_recipe(given[0], command)
    at = next(n for n, word in enumerate(words) if word.partition("=")[0] == "--recipe")
    after = at + (1 if "=" in words[at] else 2)
    return [*words[:at], "--recipe", str(file), *words[after:]], file


def with_checked_recipe(words: list[str]) -> list[str]:
    """Check the recipe that the words after ``train`` name; return them with one option for each nested setting.

    jsonargparse would replace all that is said of a loss or a network by the one option that is named:
    ``--loss.L1Loss.weight 2`` changes that, and leaves the rest of the loss.

    Raises:
        InputError: for a recipe that is not data, or with unknown names or values of another type.
    """
    words, file = recipe_in(words, "train")
    settings = read_recipe(file) if file is not None else {}
    if file is not None:
        for name in settings:
            check_choice(f"setting in {file}", str(name), _FIELDS)
        check_names(settings, "train", f" in {file}")
        check_places(settings, file, ("name", "out"))
        if "name" in settings and not re.fullmatch(r"\w[\w .+-]{0,99}", str(settings["name"])):
            raise InputError(f"name in {file} to be that of one folder, in letters and digits", shown(settings["name"]))
        check_settings({name: value for name, value in settings.items() if name not in ("name", "out")})
    kept, changed = _merged(words, {name: settings.get(name) for name in NESTED})
    check_settings(changed)
    return [*kept, *(word for name, value in changed.items() for word in (f"--{name}", json.dumps(value)))]


def _merged(words: list[str], settings: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return the words without the options for nested settings, and the settings that these change."""
    kept: list[str] = []
    changed: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        first, *keys = name.removeprefix("--").split(".") if name.startswith("--") else [""]
        if first not in settings:
            kept.append(word)
            continue
        data = read_data(value if equals else next(rest, ""), name)
        if keys:
            settings[first] = _set(settings[first], keys if first == "loss" else _long(keys), data, first == "loss")
        else:
            settings[first] = data
        changed[first] = settings[first]
    return kept, changed


def _long(keys: list[str]) -> list[str]:
    """Let ``--network.width`` stand for ``--network.init_args.width``."""
    return keys if keys[0] in _FORM else ["init_args", *keys]


def _set(settings: Any, keys: list[str], value: Any, is_loss: bool) -> dict[str, Any]:
    """Return settings with an option among nested ones.

    Of a loss, a bare name is kept as one with no options, and a bare weight on the way as an option ``weight``; of
    another part, a bare name is kept as its class.
    """
    key, *inner = keys
    if isinstance(settings, str):
        merged: dict[str, Any] = {settings: {}} if is_loss else {"class_path": settings}
    elif isinstance(settings, Mapping):
        merged = dict(settings)
    elif settings is None:
        merged = {}
    else:
        raise InputError(f"names with values, to set {'.'.join(keys)}", repr(settings))
    if inner and isinstance(merged.get(key), int | float):
        merged[key] = {"weight": merged[key]}
    merged[key] = _set(merged.get(key), inner, value, is_loss) if inner else value
    return merged
