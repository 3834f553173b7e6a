"""Arguments that come as data, from a recipe or a network's file: their names and types are checked, nothing else."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from perceptualloss.errors import InputError, check_choice

Known = Mapping[type, Mapping[str, type]]
"""Which classes data may name where a class is wanted: by that class, {name: class}."""

LARGEST = 2**16  # of whole numbers within a part: no width, size or count of layers is larger
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}
_LISTS: tuple[Any, ...] = (list, tuple, Sequence, Iterable)


class _Misfit(Exception):
    """The value is not of the type."""


def named_part(what: str, given: Any, kind: type, known: Known) -> tuple[type, dict[str, Any]]:
    """Return the class that data names, and the arguments for it: ``Name``, or ``class_path`` and ``init_args``.

    Names are looked up in ``known`` alone: nothing is imported. Parts among the arguments are built.

    Args:
        what: what it is, for messages.
        given: the data.
        kind: what is wanted: a key of ``known``.
        known: the classes that may be named.

    Raises:
        InputError: for another name or form, an unknown or missing argument, or one of another type.

    >>> from fractions import Fraction
    >>> named_part("number", {"class_path": "Half"}, Fraction, {Fraction: {"Half": Fraction}})
    (<class 'fractions.Fraction'>, {})
    """
    name, arguments = given, None
    if isinstance(given, Mapping):
        for key in given:
            check_choice(f"key of {what}", str(key), ("class_path", "init_args"))
        name, arguments = given.get("class_path"), given.get("init_args")
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        remedy = "Write a name, or class_path and init_args."
        raise InputError(f"{what} by its name, with options", shown(given), remedy)
    short = short_name(name, known[kind])
    if short not in known[kind]:
        remedy = "One of your own is admitted with --trust MODULE." if "." in name else ""
        check_choice(what, shown(name).strip("'"), known[kind], remedy)
    part = known[kind][short]
    return part, checked_arguments(part, arguments, short, known)


def short_name(name: str, classes: Mapping[str, Any]) -> str:
    """Return the name of a class or function on a list, which may be written with its package or module.

    >>> from fractions import Fraction
    >>> short_name("fractions.Fraction", {"Fraction": Fraction}), short_name("os.Fraction", {"Fraction": Fraction})
    ('Fraction', 'os.Fraction')
    """
    package, _, last = name.partition(".")[0], *name.rpartition(".")[1:]
    known = last in classes and classes[last].__module__.partition(".")[0] == package
    return last if known else name


def checked_arguments(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    what: str,
    known: Known | None = None,
    largest: float = LARGEST,
    whole: bool = True,
) -> dict[str, Any]:
    """Return the arguments for ``function`` in ``given``, each of the type in its signature.

    Args:
        function: a function or class with typed arguments.
        given: arguments by name, as YAML or JSON gives them; objects of the right class pass, too.
        what: what the function is, for messages.
        known: classes that may be named where one is wanted (see :func:`named_part`).
        largest: the largest whole number.
        whole: whether all arguments that have no default have to be there.

    Raises:
        InputError: for an unknown or missing argument, one of another type, or a number that is not
            finite or too large.

    >>> checked_arguments(checked, {"what": "size", "value": None, "kind": int, "largest": 1}, "checked")["largest"]
    1.0
    """
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    for name in given:
        if not parameters:
            raise InputError(f"no options of {what}", shown(str(name)))
        check_choice(f"option of {what}", str(name), parameters)
    for name, parameter in parameters.items():
        named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if whole and named and parameter.default is parameter.empty and name not in given:
            raise InputError(f"{name} of {what}", "none")
    return {
        name: checked(f"{name} of {what}", value, hints.get(name, Any), known, largest) for name, value in given.items()
    }


def checked(what: str, value: Any, kind: Any, known: Known | None = None, largest: float = LARGEST) -> Any:
    """Return ``value`` as the type ``kind``: lists become tuples where those are wanted, texts paths, names objects.

    Raises:
        InputError: if it is of another type.

    >>> checked("size", [1, 2], tuple[int, int] | None)
    (1, 2)
    >>> checked("size", "large", int | None)
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected size to be a whole number or null, got 'large'
    """
    try:
        return _fit(what, value, kind, known or {}, largest)
    except _Misfit:
        raise InputError(f"{what} to be {described(kind)}", shown(value)) from None


def shown(value: Any) -> str:
    """Return a value as text for a message, in one line and no more than 60 characters."""
    if isinstance(value, int) and abs(value) > 10**20:
        return f"a number of {int(math.log10(abs(value))) + 1} digits"
    text = " ".join((value[:80] if isinstance(value, str) else repr(value)).split())
    text = repr(text) if isinstance(value, str) else text
    return text if len(text) <= 60 else f"{text[:57]}..."


def described(kind: Any) -> str:
    """Return a type in words.

    >>> described(dict[str, float] | None)
    'names with values or null'
    """
    origin = get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(described(one) for one in get_args(kind)))
    if kind is NoneType:
        return "null"
    if kind in _LISTS or origin in _LISTS:
        return f"a list of {_elements(kind)}"
    if kind in (dict, Mapping) or origin in (dict, Mapping) or is_dataclass(kind):
        return "names with values"
    return _WORDS.get(kind, f"a {getattr(kind, '__name__', kind)}")


def _elements(kind: Any) -> str:
    inner = [one for one in get_args(kind) if one is not Ellipsis]
    count = f"{len(inner)}: " if get_origin(kind) is tuple and Ellipsis not in get_args(kind) else ""
    return count + (", ".join(dict.fromkeys(described(one) for one in inner)) or "values")


def _fit(what: str, value: Any, kind: Any, known: Known, largest: float) -> Any:
    origin = get_origin(kind) or kind
    fitted = value
    if origin in (Union, UnionType):
        fitted = _first(what, value, get_args(kind), known, largest)
    elif kind in _WORDS:
        fitted = _plain(what, value, kind, largest)
    elif origin in _LISTS:
        fitted = _list(what, value, kind, known, largest)
    elif origin in (dict, Mapping):
        fitted = _mapping(what, value, kind, known, largest)
    elif origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in get_args(kind)):
            raise _Misfit
    elif kind is NoneType:
        if value is not None:
            raise _Misfit
    elif kind is not Any:
        fitted = _object(what, value, kind, known, largest)
    return fitted


def _first(what: str, value: Any, kinds: tuple[Any, ...], known: Known, largest: float) -> Any:
    for kind in kinds:
        try:
            return _fit(what, value, kind, known, largest)
        except _Misfit:
            continue
    raise _Misfit


def _plain(what: str, value: Any, kind: type, largest: float) -> Any:
    if kind is float and type(value) in (int, float):
        if not abs(value) < 1e100:  # also what is not finite
            raise InputError(f"{what} to be a finite number", shown(value))
        return float(value)
    if isinstance(value, str):
        _check_text(what, value)
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    if type(value) is int is kind and abs(value) > largest:
        raise InputError(f"{what} up to {largest:,.0f}", shown(value))
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise _Misfit


def _check_text(what: str, text: str) -> None:
    """Refuse what the file system would stumble over, should the text be a path."""
    known = text.isprintable() and all(len(part.encode("utf-8", "replace")) <= 255 for part in text.split("/"))
    if not known or len(text) > 4000:
        raise InputError(f"{what} in letters, a path in names of at most 255 of them", shown(text))


def _list(what: str, value: Any, kind: Any, known: Known, largest: float) -> Any:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise _Misfit
    inner = get_args(kind) or (Any, ...)
    fixed = get_origin(kind) is tuple and Ellipsis not in inner
    if fixed and len(inner) != len(value):
        raise _Misfit
    kinds = inner if fixed else [inner[0]] * len(value)
    fitted = [_fit(what, one, own, known, largest) for one, own in zip(value, kinds, strict=True)]
    return tuple(fitted) if get_origin(kind) is tuple else fitted


def _mapping(what: str, value: Any, kind: Any, known: Known, largest: float) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _Misfit
    keys, values = get_args(kind) or (Any, Any)
    return {
        _fit(what, key, keys, known, largest): _fit(f"{key} in {what}", one, values, known, largest)
        for key, one in value.items()
    }


def _object(what: str, value: Any, kind: type, known: Known, largest: float) -> Any:
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    if kind in known and isinstance(value, str | Mapping):
        found, arguments = named_part(what.split(" of ", maxsplit=1)[0], value, kind, known)
        return found(**arguments)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return kind(**checked_arguments(kind, value, what.split(" of ", maxsplit=1)[0], known, largest))
    raise _Misfit
