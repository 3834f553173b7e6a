"""Open registries: classes of one's own under the names by which recipes, files and the command line know them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from perceptualloss.errors import InputError

Registered = TypeVar("Registered", bound=type)
Entry = TypeVar("Entry")


def register(registry: dict[str, Any], kind: Registered, base: type, name: str | None = None) -> Registered:
    """Put a class into a registry and return it.

    A class that is defined again (the same module and name, as when a notebook's cell runs twice) takes the place of
    the former one; this package's own keep theirs.

    Args:
        registry: the classes by name.
        kind: the class.
        base: what it has to be a subclass of.
        name: how data calls it; None is the class's own name.

    Raises:
        InputError: for something that is no such class or is abstract, or for a name that is taken or is none.

    >>> numbers: dict[str, type] = {}
    >>> register(numbers, bool, int, "yes_or_no")
    <class 'bool'>
    >>> numbers
    {'yes_or_no': <class 'bool'>}
    """
    if not inspect.isclass(kind) or not issubclass(kind, base):
        raise InputError(f"a subclass of {base.__name__}", getattr(kind, "__name__", None) or repr(kind))
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(getattr(kind, "__abstractmethods__", ())))
        raise InputError(f"a {base.__name__} with all its methods", f"{kind.__name__} without {missing}")
    return enter(registry, kind, kind.__name__ if name is None else name)


def enter(registry: dict[str, Any], entry: Entry, name: str) -> Entry:
    """Put a class or function into a registry and return it.

    Raises:
        InputError: for a name that is taken or is none.
    """
    if not re.fullmatch(r"[A-Za-z_]\w{0,99}", name):
        raise InputError("a name in letters and digits", repr(name))
    former = registry.get(name)
    if former is not None and former is not entry and not defined_again(former, entry):
        place = f"{entry.__module__}.{getattr(entry, '__qualname__', name)}"
        raise InputError(f"a name that is free for {place}", repr(name), "Choose another.")
    registry[name] = entry
    return entry


def name_in(registry: Mapping[str, Any], kind: Any) -> str | None:
    """Return the name under which a class or function is registered, or None.

    >>> name_in({"Yes": bool}, bool), name_in({"int": bool}, int)
    ('Yes', None)
    """
    return next((name for name, known in registry.items() if known is kind), None)


def check_constructor(kind: Callable[..., Any]) -> None:
    """Raise for a class or function that takes ``*args`` or ``**kwargs``, which nothing can check or write down.

    Raises:
        InputError: for such a one.
    """
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InputError(f"arguments of {kind.__name__} with names and types", f"{parameter}")


def defined_again(former: Any, kind: Any) -> bool:
    """Return whether two classes or functions are one, defined twice; this package's own never are."""
    own = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    place = (former.__module__, getattr(former, "__qualname__", None))
    return not own and place == (kind.__module__, kind.__qualname__)
