"""Networks that are built from data, from a recipe or a file, are built no larger than they may be."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from perceptualloss.errors import InputError

TENSORS = 4_000  # of parameters in a network: thirty times those of EDSR, with its 32 blocks
ELEMENTS = 2**30  # numbers in these, 4 GB in 32 bits

Built = TypeVar("Built", bound=nn.Module)


@contextmanager
def bounded(what: str, tensors: int, elements: int, remedy: str = "") -> Iterator[None]:
    """Within it, stop the building of a network as soon as it is too large.

    Args:
        what: the network, for messages.
        tensors: how many parameters it may have.
        elements: how many numbers these may have together.
        remedy: what to do about it.

    Raises:
        InputError: at the parameter that is too much.
    """
    thread, counted = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is None or threading.get_ident() != thread:
            return
        counted[0] += 1
        counted[1] += parameter.numel()
        if counted[0] > tensors:
            raise InputError(f"{what} with at most {tensors:,} parameter tensors", "more of them", remedy)
        if counted[1] > elements:
            raise InputError(f"{what} with at most {elements:,} parameters", f"{counted[1]:,} or more", remedy)

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def outline(kind: type[Built], arguments: Mapping[str, Any], tensors: int, elements: int, remedy: str = "") -> Built:
    """Return a network without memory for its weights (on torch's "meta" device), if it is within the bounds.

    Raises:
        InputError: if it is larger (see :func:`bounded`), or its constructor does not take the arguments.

    >>> outline(nn.Linear, {"in_features": 10**6, "out_features": 10**6}, 2, 10**13).weight.shape
    torch.Size([1000000, 1000000])
    """
    name = kind.__name__
    try:
        with bounded(name, tensors, elements, remedy), torch.device("meta"):
            return kind(**arguments)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        reason = f"{', '.join(f'{key}={value}' for key, value in arguments.items())} ({str(error).splitlines()[0]})"
        raise InputError(f"arguments with which {name} can be built", reason[:200]) from error


def build_bounded(kind: type[Built], arguments: Mapping[str, Any]) -> Built:
    """Build a network with arguments from data, once it is clear that it is of a usual size.

    Raises:
        InputError: for more than 4,000 parameter tensors or 2^30 parameters, or arguments that do not go together.
    """
    if kind.__module__.startswith("perceptualloss."):  # a user's own need not work on the meta device
        outline(kind, arguments, TENSORS, ELEMENTS, "Lower its width or its number of blocks.")
    with bounded(kind.__name__, TENSORS, ELEMENTS):
        return kind(**arguments)
