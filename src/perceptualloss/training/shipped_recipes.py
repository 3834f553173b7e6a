"""The recipes that ship with the package: their names, what their first comments say, and how a word finds one."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perceptualloss.errors import InputError
from perceptualloss.networks.hub import RECIPE, hub_file, is_hub_address

FOLDER = Path(__file__).parent / "recipes"
Command = Literal["train", "train-loss-network"]
_LIST = "perceptualloss recipes lists those that ship."


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe of the package's.

    Attributes:
        name: by which commands take it.
        file: where it is.
        command: what trains it.
        summary: the first line of its first comment.
        cost: what the line of that comment says that begins with "Cost:"; "" where nothing was measured.
    """

    name: str
    file: Path
    command: Command
    summary: str
    cost: str

    def text(self) -> str:
        """Return the whole file."""
        return self.file.read_text(encoding="utf-8")


def shipped_recipes() -> dict[str, ShippedRecipe]:
    """Return all recipes that ship, by name.

    >>> shipped_recipes()["denoise"].summary
    'Noise away: Gaussian noise of any strength up to 50 of 255.'
    >>> shipped_recipes()["denoise"].cost
    '0.6 s a step on one CPU core with AVX-512 in 32 bits: 30 minutes in all'
    """
    return {file.stem: _read(file) for file in sorted(FOLDER.glob("*.yaml"))}


def _read(file: Path) -> ShippedRecipe:
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("# ") for line in itertools.takewhile(lambda line: line.startswith("# "), lines)]
    cost = next((line.removeprefix("Cost: ").split(". ")[0] for line in comment if line.startswith("Cost: ")), "")
    command: Command = "train-loss-network" if any(line.startswith("architecture:") for line in lines) else "train"
    return ShippedRecipe(file.stem, file, command, comment[0], cost.rstrip("."))


def find_recipe(word: str | Path, command: Command | None = None) -> Path:
    """Return the file that a word means: the name of a recipe that ships, a path, or ``hf://user/name`` on the hub.

    A name goes before a file that is called like it; ``./name`` is the file.

    Args:
        word: the name, path or address.
        command: what is to train it, if that is known.

    Raises:
        InputError: for neither, with the nearest names; for one that ships, by its place in earlier versions
            (``recipes/NAME.yaml``) or for another command, with what to write instead.

    >>> find_recipe("denoise").name
    'denoise.yaml'
    """
    shipped, given, path = shipped_recipes(), str(word), Path(word)
    if given in shipped:
        recipe = shipped[given]
        if command not in (None, recipe.command):
            remedy = f"Say perceptualloss {recipe.command} {given}."
            raise InputError(f"a recipe for {command}", f"{given}, which is one for {recipe.command}", remedy)
        return recipe.file
    if _is_file(path):
        return path
    if is_hub_address(word):
        return hub_file(word, RECIPE)
    if path.suffix in (".yaml", ".yml") and path.stem in shipped:
        own = shipped[path.stem]
        remedy = f"{own.name} ships with the package and is called by its name: perceptualloss {own.command} {own.name}"
        raise InputError("a recipe", f"no file {path}", remedy)
    near = difflib.get_close_matches(path.stem[:60], shipped, n=3)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    raise InputError("a recipe: a YAML file, or the name of one that ships", f"no file {path}", meant + _LIST)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or with what no name has
        return False
