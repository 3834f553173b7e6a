"""How ``--help`` of a command reads: options as users type them, what they do, and their default."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action
from collections.abc import Iterable
from typing import Any

from jsonargparse import DefaultHelpFormatter

_OPTION = re.compile(r"--[a-z][\w.]*")
_APPEND = re.compile(r", --[\w.]+\+(?: (?:[A-Z_]+|\[ITEM,\.\.\.\]))?")  # jsonargparse's second spelling for lists
_SEE = re.compile(r"\s+\(see\s+:\w+:`[^`]+`\)")  # where Python's users read on
_MARKUP = re.compile(r":\w+:`([^`]+)`|``([^`]+)``")  # of docstrings, from which most options have their help
_OWN_WORDS = {  # for options that jsonargparse adds
    "print_config": "print the recipe that these words make, and exit",
    "adversarial.help": "show the settings of the game, and exit",
    "balance.help": "show the settings of the balance, and exit",
    "schedule": "these settings in one, such as '{kind: constant}'",
}


class Help(DefaultHelpFormatter):
    """jsonargparse's help, without Python's types, docstrings' markup and underscores in options."""

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options, whose heading is a docstring's first line."""
        super().start_section(heading if heading is None else plain_text(heading))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap a description; examples stay as they are, a line each."""
        return text if text.startswith("examples:\n") else super()._fill_text(text, width, indent)

    def _format_usage(
        self, usage: str | None, actions: Iterable[Action], groups: Iterable[Any], prefix: str | None
    ) -> str:
        """Say what must be given, in the order in which it is understood; the list of options follows anyhow."""
        if usage is not None:
            return super()._format_usage(usage, actions, groups, prefix)
        actions = list(actions)
        text = super()._format_usage(None, [one for one in actions if not one.option_strings], [], prefix).rstrip()
        needed = [dashed(_invocation(action)) for action in actions if action.option_strings and action.required]
        return " ".join([text, *needed, "[OPTIONS]"]) + "\n\n"

    def _format_action_invocation(self, action: Action) -> str:
        return dashed(_APPEND.sub("", super()._format_action_invocation(action)))

    def _get_help_string(self, action: Action) -> str:
        text = _OWN_WORDS.get(action.dest, plain_text(action.help or ""))
        text = text if text.endswith("...") else text.removesuffix(".")
        if not action.option_strings or action.default is SUPPRESS or "default" in text:
            return text
        note = "required" if action.required else shown_default(action.default, switch=action.nargs == 0)
        return f"{text} ({note})" if note else text


def _invocation(action: Action) -> str:
    """Return an option that must be given, with its value."""
    value = str(action.metavar or action.dest.rpartition(".")[2].upper())
    return f"{action.option_strings[-1]} {value}" + (f" [{value} ...]" if action.nargs == "+" else "")


def dashed(text: str) -> str:
    """Return a text with the options in it as users type them.

    >>> dashed("[--loss_network LOSS_NETWORK]")
    '[--loss-network LOSS_NETWORK]'
    """
    return _OPTION.sub(lambda option: option[0].replace("_", "-"), text)


def plain_text(text: str) -> str:
    """Return a docstring's text without its markup.

    >>> plain_text("a folder with the inputs to ``photos`` (see :class:`StyleTransfer`)")
    'a folder with the inputs to photos'
    """
    return _MARKUP.sub(lambda found: found[1] or found[2], _SEE.sub("", text))


def shown_default(value: object, switch: bool = False) -> str:
    """Return what is said of a default; nothing of one that is nothing, nor of an option without a value.

    >>> shown_default(["mse", "perceptual"]), shown_default(0.5), shown_default(None), shown_default("")
    ('default: mse perceptual', 'default: 0.5', '', '')
    >>> shown_default(False), shown_default(False, switch=True)
    ('default: false', '')
    """
    if switch or value is None or (not isinstance(value, bool) and value in ((), [], "", {})):
        return ""
    values = value if isinstance(value, list | tuple) else [str(value).lower() if isinstance(value, bool) else value]
    return f"default: {' '.join(map(str, values))}"
