"""The command line: options of typed functions, and printing.

One file a command, named after it: ``build_parser`` has its options, ``run`` calls what lives in the rooms below and
prints what comes of it; nothing is computed here. Only the command that is called is imported: this file, which prints
the commands' names, loads neither PyTorch nor jsonargparse.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

COMMANDS = {
    "compare": "Train the same network once per loss and show the difference.",
    "train": "Train one network from a recipe; every setting can be overridden.",
    "train-loss-network": "Train a loss network on your own pictures, labelled or not.",
    "pack": "Pack a folder of pictures into shards, tar files that trainings read: pack PHOTOS SHARDS.",
    "recipes": "List the recipes that ship, or print one: recipes NAME.",
    "evaluate": "Measure pictures, folders of pictures and networks against targets: "
    "evaluate OUTPUTS... TARGETS, or evaluate --network NET... --targets DIR.",
    "upscale": "Enlarge pictures, folders and videos with a trained network.",
    "restore": "Take noise, JPEG's artefacts or blur out of pictures, folders and videos.",
    "stylize": "Paint pictures, folders and videos in a style.",
    "transform": "Run any trained network over pictures, folders and videos.",
    "serve": "Upscale, restore and stylize on a page in the browser, for this machine alone unless told.",
    "export": "Write a trained network as ONNX, as PyTorch's exported program or as safetensors, and compare results.",
    "share": "Put a trained network or a recipe on the Hugging Face hub, with a card: share RUN_FOLDER USER/NAME.",
    "doctor": "Say what is installed, what this machine is good for, and what to do.",
    "reconstruct": "Show what each layer of a loss network keeps of a picture: find one like it from noise.",
    "course": "Learn how it works: nine chapters, each with a task and a check that names the mistake that you made.",
    "loss-map": "Show where two pictures differ for each layer of a loss network.",
}

_EPILOG = """examples:
  perceptualloss compare --scale 4
  perceptualloss upscale photo.jpg -o large.png
  perceptualloss train upscale4x-perceptual --photos my-photos

perceptualloss COMMAND --help lists the options of a command, with examples."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 for bad input, 2 for bad options or a bad recipe, or 130 after Ctrl-C."""
    words = list(sys.argv[1:] if words is None else words)
    modules, others = split_trust(words)
    if others and others[0] in COMMANDS:
        try:
            from perceptualloss.cli.run import run  # noqa: PLC0415 (it loads what a command needs)
        except (ImportError, OSError) as error:  # a package that is not there, or a library of one
            return _not_installed(others, error)
        return run(words, modules, others)
    try:
        parser = _parser()
        parser.parse_args(words)
        parser.error("no command")
    except argparse.ArgumentError as error:
        from perceptualloss.cli.console import complain  # noqa: PLC0415

        complain("error:", str(_explained(others, str(error))), "bold red")
    return 2


def _not_installed(words: Sequence[str], error: Exception) -> int:
    """Say what does not load, with Python alone; the doctor, which needs nothing, says more."""
    if words[0] == "doctor":
        from perceptualloss.cli.doctor import without_libraries  # noqa: PLC0415

        return without_libraries(words)
    text = " ".join(str(error).split())
    sys.stderr.write(f"error: the installation is broken ({text}). perceptualloss doctor says what to do.\n")
    return 1


def _explained(words: Sequence[str], message: str) -> Exception:
    """Return what is wrong with words that begin with no command."""
    from perceptualloss.cli.console import OptionError  # noqa: PLC0415
    from perceptualloss.errors import InputError, check_choice  # noqa: PLC0415

    if not words or words[0].startswith("-"):
        return OptionError("a command and options that perceptualloss --help lists", message)
    try:
        return OptionError(check_choice("the command", words[0], COMMANDS), message)
    except InputError as error:
        return error


def split_trust(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the modules that ``--trust MODULE`` names, anywhere among the words, and the other words.

    >>> split_trust(["train", "--trust", "mine", "a.yaml", "--trust=ours"])
    (['mine', 'ours'], ['train', 'a.yaml'])
    """
    modules: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, module = word.partition("=")
        if name == "--trust":
            modules.append(module if equals else next(rest, ""))
        else:
            others.append(word)
    return modules, others


class _Parser(argparse.ArgumentParser):
    """Raises, where argparse would print and end."""

    def error(self, message: str) -> NoReturn:
        raise argparse.ArgumentError(None, message)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of what stands before a command; of the commands it knows names and descriptions alone."""
    parser = _Parser(
        prog="perceptualloss",
        description="Image transformation with perceptual losses.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('perceptualloss')}")
    parser.add_argument(
        "--trust", metavar="MODULE", help="a module of your own, whose classes recipes and files may name"
    )
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, description in COMMANDS.items():
        choices.add_parser(name, help=description)
    return parser
