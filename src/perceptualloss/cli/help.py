"""How ``--help`` of a command reads: options as users type them, what they do, and their default."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action
from typing import Any

from jsonargparse import DefaultHelpFormatter

_OPTION = re.compile(r"--[a-z][\w.]*")
_APPEND = re.compile(r", --[\w.]+\+(?: [A-Z_]+)?")  # jsonargparse's second spelling for lists
_MARKUP = re.compile(r":\w+:`([^`]+)`|``([^`]+)``")  # of docstrings, from which most options have their help


class Help(DefaultHelpFormatter):
    """jsonargparse's help, without Python's types, docstrings' markup and underscores in options."""

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options, whose heading is a docstring's first line."""
        super().start_section(heading if heading is None else plain_text(heading))

    def _format_usage(self, *args: Any, **kwargs: Any) -> str:
        return dashed(super()._format_usage(*args, **kwargs))

    def _format_action_invocation(self, action: Action) -> str:
        return dashed(_APPEND.sub("", super()._format_action_invocation(action)))

    def _get_help_string(self, action: Action) -> str:
        text = plain_text(action.help or "")
        if not action.option_strings or action.default is SUPPRESS or "default" in text:
            return text
        note = "required" if action.required else shown_default(action.default)
        return f"{text.rstrip('.')} ({note})" if note else text


def dashed(text: str) -> str:
    """Return a text with the options in it as users type them.

    >>> dashed("[--loss_network LOSS_NETWORK]")
    '[--loss-network LOSS_NETWORK]'
    """
    return _OPTION.sub(lambda option: option[0].replace("_", "-"), text)


def plain_text(text: str) -> str:
    """Return a docstring's text without its markup.

    >>> plain_text("a folder with the inputs to ``photos`` (see :class:`StyleTransfer`)")
    'a folder with the inputs to photos (see StyleTransfer)'
    """
    return _MARKUP.sub(lambda found: found[1] or found[2], text)


def shown_default(value: object) -> str:
    """Return what is said of a default; nothing of one that is nothing.

    >>> shown_default(["mse", "perceptual"]), shown_default(0.5), shown_default(None), shown_default(False)
    ('default: mse perceptual', 'default: 0.5', '', '')
    """
    if value is None or isinstance(value, bool) or value in ((), []):
        return ""
    values = value if isinstance(value, list | tuple) else [value]
    return f"default: {' '.join(map(str, values))}"
