"""Degradations by name: what recipes and the command line may say."""

from __future__ import annotations

from typing import TypeVar

from perceptualloss.data.damage import Blur, Faded, Grey, InTurn, Jpeg, MotionBlur, Noise, OldPhoto, Scratches
from perceptualloss.data.degrade import Degradation, Downscale, Unchanged
from perceptualloss.data.disturb import Blocks, Clouds, Enlarged, Light, OneOf
from perceptualloss.registry import check_constructor, register

Kind = TypeVar("Kind", bound=type[Degradation])

_DEGRADATIONS: tuple[type[Degradation], ...] = (
    Unchanged,
    Downscale,
    Noise,
    Jpeg,
    Blur,
    MotionBlur,
    Grey,
    Faded,
    Scratches,
    OldPhoto,
    InTurn,
    Enlarged,
    Blocks,
    Light,
    Clouds,
    OneOf,
)
DEGRADATIONS: dict[str, type[Degradation]] = {kind.__name__: kind for kind in _DEGRADATIONS}


def register_degradation(kind: Kind, name: str | None = None) -> Kind:
    """Let recipes name a degradation of one's own, alone or as a part of ``InTurn`` or ``OneOf``; return its class.

    Args:
        kind: a subclass of :class:`Degradation`, whose constructor takes named arguments with types of data.
        name: how recipes call it; None is the class's own name.

    Raises:
        InputError: for another kind of class, one that takes ``*args`` or ``**kwargs``, or a name that is taken (see
            :func:`perceptualloss.registry.register`).

    >>> @register_degradation
    ... class Dark(Degradation):
    ...     def __call__(self, target, random):
    ...         return target / 2
    >>> DEGRADATIONS["Dark"]().scale
    1
    >>> del DEGRADATIONS["Dark"]
    """
    if isinstance(kind, type):
        check_constructor(kind)
    return register(DEGRADATIONS, kind, Degradation, name)
