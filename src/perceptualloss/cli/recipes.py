"""``perceptualloss recipes``."""

from __future__ import annotations

from typing import get_args

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import as_option, bold, command_parser, say, tell
from perceptualloss.errors import check_choice
from perceptualloss.training.shipped_recipes import Command, shipped_recipes


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("recipes")
    parser.add_argument("name", nargs="?", type=str, help="the recipe to print; without it, all are listed")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss recipes``."""
    shipped = shipped_recipes()
    if options.name is not None:
        with as_option():
            check_choice("recipe", options.name, shipped)
        tell(shipped[options.name].text().rstrip("\n"))
        return
    for command in get_args(Command):
        say(f"perceptualloss {command} NAME")
        for recipe in (recipe for recipe in shipped.values() if recipe.command == command):
            tell("  ", bold(recipe.name))
            tell(f"      {recipe.summary}")
            tell(f"      Cost: {recipe.cost or 'not measured'}.")
    tell("perceptualloss recipes NAME prints one, to be changed in a file of your own.")
