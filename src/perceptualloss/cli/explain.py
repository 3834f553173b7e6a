"""What is wrong with the options of a command, in one line: which option, what it takes, what it got."""

from __future__ import annotations

import difflib
import re
from argparse import Action
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from jsonargparse import ArgumentParser

from perceptualloss.cli.console import OptionError

_VALUE = re.compile(r'(?:Parser key|argument) "?(?P<option>[\w./-]+)"?:\s*(?P<why>.*)', re.DOTALL)
_GIVEN = re.compile(r"(?:Given value|Got value): (?P<value>.*)", re.DOTALL)
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    str: "a word",
    list: "several values",
    dict: "names with values",
}


def explained(parser: ArgumentParser, message: str) -> OptionError:
    """Return the error that says in one line what the parser's message says in many.

    Args:
        parser: of the command.
        message: of the parser, of what it could not use.
    """
    command = f"{parser.prog} --help lists the options."
    if message.startswith("the following arguments are required: "):
        names = message.partition(": ")[2].split(", ")
        shown = " and ".join(_shown(parser, name) for name in names)
        remedy = command if any(_is_option(parser, name) for name in names) else _before(parser) or command
        return OptionError(f"{shown} for {parser.prog}", "none", remedy)
    if message.startswith("unrecognized arguments: "):
        word = message.partition(": ")[2].split(" ")[0]
        if not word.startswith("-"):
            return OptionError(f"words that {parser.prog} knows", repr(word), command)
        name = word.partition("=")[0].replace("_", "-")
        near = difflib.get_close_matches(name, _options(parser), n=1, cutoff=0.7)
        return OptionError(f"an option of {parser.prog}", name, f"Did you mean {near[0]}?" if near else command)
    found = _VALUE.match(message)
    action = None if found is None else _action(parser, found["option"])
    if found is None or action is None:
        return OptionError(f"options that {parser.prog} --help lists", " ".join(message.split()))
    name, taken = _shown(parser, action.dest), described(getattr(action, "_typehint", None) or action.type)
    given = _GIVEN.search(found["why"])
    if given is None:
        return OptionError(f"{name} {taken}".rstrip(), "no value" if "expected" in found["why"] else found["why"])
    return OptionError(f"{name} {taken}".rstrip(), " ".join(given["value"].split())[:80])


def described(kind: Any) -> str:
    """Return in words what an option of a type takes.

    >>> described(Literal[2, 4] | None), described(int | None), described(list[float])
    ('2 or 4', 'a whole number', 'several values')
    """
    if get_origin(kind) is Literal:
        *others, last = map(str, get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    kinds = [one for one in get_args(kind) if one is not NoneType] if get_origin(kind) not in _WORDS else []
    if kinds:
        return " or ".join(dict.fromkeys(filter(None, map(described, kinds))))
    return _WORDS.get(get_origin(kind) or kind, "")


def _before(parser: ArgumentParser) -> str:
    """Return what to do where words without an option are missing, if an option may have taken them for its own."""
    greedy = [action.dest for action in parser._actions if action.option_strings and action.nargs == "+"]
    shown = " or ".join(_shown(parser, name) for name in greedy)
    return f"If they stand behind {shown}, which takes several words, put them before it." if greedy else ""


def _options(parser: ArgumentParser) -> list[str]:
    words = [word for action in parser._actions for word in action.option_strings]
    return [word.replace("_", "-") for word in words if "print" not in word]


def _action(parser: ArgumentParser, name: str) -> Action | None:
    """Return the option of a name, written as on the command line (also with its short form) or as in Python."""
    names = name.rsplit("/", maxsplit=1)[-1].lstrip("-").replace("-", "_")
    return next((action for action in parser._actions if names == action.dest), None)


def _is_option(parser: ArgumentParser, name: str) -> bool:
    action = _action(parser, name)
    return action is None or bool(action.option_strings)


def _shown(parser: ArgumentParser, name: str) -> str:
    """Return an option as users type it; of a word without a name, what it is."""
    action = _action(parser, name)
    if action is None or action.option_strings:
        return f"--{name.replace('_', '-')}"
    return f"{name} ({action.help})" if action.help else name
