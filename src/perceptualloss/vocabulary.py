"""The words that command line, recipes and Python share, and what those that they no longer know are called now."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args

from perceptualloss.errors import InputError, check_choice

Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""What a network computes in. "fp32": 32 bits. "bf16" and "fp16": its layers in 16 bits, bfloat16 with the range of 32
or float16 with finer steps and a small range, for which a training scales its loss, while weights, distances and norms
stay in 32 (PyTorch's autocast). "auto" takes what suits the hardware."""
Device = Literal["auto", "cpu", "cuda", "mps"]
"""Where to compute: "cuda" is an NVIDIA or AMD GPU, "mps" an Apple one, "auto" a GPU if there is one."""

Backend = Literal["torch", "onnx"]
"""What runs a network: PyTorch, or onnxruntime, which needs the extra ``onnx`` and computes on the CPU in 32 bits."""

OLD_VALUES: Mapping[str, Mapping[str, str]] = {
    "precision": {"32-true": "fp32", "bf16-mixed": "bf16", "16-mixed": "fp16"},
    "device": {"gpu": "cuda"},
}
OLD_NAMES: Mapping[str, Mapping[str, str]] = {  # by command, whose functions in Python take the same names, or by class
    "compare": {"data": "photos", "warm_up": "warm_up_steps"},
    "reconstruct": {"network": "loss_network", "smooth": "total_variation"},
    "loss-map": {"network": "loss_network"},
    "StyleOptimization": {"network": "loss_network"},
}
Thing = TypeVar("Thing", bound=Callable[..., Any])


def check_value(name: str, value: object, where: str = "") -> None:
    """Raise for a value that is called otherwise now.

    >>> check_value("precision", "bf16-mixed")
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected precision bf16, got 'bf16-mixed'. It is called bf16.
    """
    new = OLD_VALUES.get(name, {}).get(value) if isinstance(value, str) else None
    if new is not None:
        raise InputError(f"{name} {new}{where}", repr(value), f"It is called {new}.")


def check_names(given: Mapping[str, Any], command: str, where: str = "", option: bool = False) -> None:
    """Raise for a name, or a value of a name, that is called otherwise now.

    Args:
        given: values by name.
        command: what they are for: a key of ``OLD_NAMES``, or another command, whose names are what they were.
        where: where they stand, such as " in config.yaml".
        option: whether they are options of the command line.

    >>> check_names({"data": "photos/"}, "compare")
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected photos, got data. data is called photos.
    """
    for name, value in given.items():
        new = OLD_NAMES.get(command, {}).get(name)
        if new is not None:
            old, new = (f"--{word.replace('_', '-')}" if option else word for word in (name, new))
            raise InputError(f"{new}{where}", old, f"{old} is called {new}.")
        check_value(name, value, where)


def check_precision(value: str) -> None:
    """Raise InputError unless a value is a precision."""
    check_value("precision", value)
    check_choice("precision", value, get_args(Precision))


def check_device(value: str) -> None:
    """Raise InputError unless a value is a kind of device."""
    check_value("device", value)
    check_choice("device", value, get_args(Device))


def renamed(command: str) -> Callable[[Thing], Thing]:
    """Let a function or class refuse the names that its arguments had, with those that they have now.

    >>> @renamed("compare")
    ... def compare(photos: str) -> str:
    ...     return photos
    >>> compare(data="mine")
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected photos, got data. data is called photos.
    """

    def decorate(thing: Thing) -> Thing:
        called: Callable[..., Any] = thing.__init__ if inspect.isclass(thing) else thing

        @functools.wraps(called)
        def checked(*arguments: Any, **named: Any) -> Any:
            check_names(dict.fromkeys(named), command)
            return called(*arguments, **named)

        if inspect.isclass(thing):
            setattr(thing, "__init__", checked)  # noqa: B010 (to which type checkers object otherwise)
            return thing
        return checked  # type: ignore[return-value]

    return decorate
