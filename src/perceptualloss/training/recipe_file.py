"""Recipes as files: YAML of bounded size that is data and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml
from jsonargparse import get_loader

from perceptualloss.arguments import checked, shown
from perceptualloss.errors import InputError

LARGEST = 2**20  # bytes of a file; the project's have one or two thousand
MOST, DEEPEST = 10_000, 20  # values in it, and lists and mappings within each other
_TAG = "tag:yaml.org,2002:"


def read_recipe(file: Path) -> dict[str, Any]:
    """Return the settings in a YAML file.

    Raises:
        InputError: if there is no such file, or it is too large, no YAML, no mapping, or more than data: tags that
            stand for Python objects, references to other parts of the file, or a name twice.
    """
    if not file.is_file():
        raise InputError("a recipe", f"no file {file}", "find_recipe finds one that ships by its name.")
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"a recipe of at most {LARGEST:,} bytes", f"{file.stat().st_size:,} in {file}")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} to be a recipe in UTF-8", str(error)) from error
    settings = read_data(text, str(file))
    if not isinstance(settings, dict):
        raise InputError(f"names with values in {file}", shown(settings), "Such as steps: 1000.")
    return settings


def read_data(text: str, where: str) -> Any:
    """Return what YAML says, if it is plain data of a bounded size.

    Raises:
        InputError: for what :func:`read_recipe` refuses.
    """
    try:
        _check_events(text, where)
        _check_names(yaml.compose(text, Loader=yaml.CSafeLoader), where)
        return get_loader("yaml")(text)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where} in YAML", " ".join(str(error).split())[:200]) from error


def check_places(settings: Mapping[str, Any], file: Path, names: tuple[str, ...]) -> None:
    """Check that a recipe's places to write to lie below the folder in which the command runs.

    Raises:
        InputError: for an absolute path, or one that leads upwards.
    """
    for name in names:
        place = settings.get(name)
        if place is None:
            continue
        kinds = (PurePosixPath, PureWindowsPath)
        text = str(place)
        checked(f"{name} in {file}", place, str)
        if any(kind(text).is_absolute() or kind(text).drive or ".." in kind(text).parts for kind in kinds):
            remedy = f"If you trust the recipe, say --{name.replace('_', '-')} on the command line."
            raise InputError(f"{name} in {file} to lie below this folder", shown(text), remedy)


def _check_events(text: str, where: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{where} to be data, without references", f"*{event.anchor}", "Write it out.")
        tag = getattr(event, "tag", None)
        if tag is not None and (tag == "!" or not tag.startswith(_TAG) or "python" in tag):
            raise InputError(f"{where} to be data, without tags", shown(tag.replace(_TAG, "!!")), "Leave it out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InputError(f"{where} with at most {DEEPEST} lists and names within each other", "more")
        if count > MOST:
            raise InputError(f"{where} with at most {MOST:,} values", "more")


def _check_names(node: yaml.Node | None, where: str) -> None:
    """Refuse names that are there twice, of which YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise InputError(f"every name once in {where}", f"{shown(twice)} twice")
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    for one in inner:
        for part in one if isinstance(one, tuple) else (one,):
            _check_names(part, where)
