"""Networks and critics by name: what recipes, files and the command line may say."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

from perceptualloss.arguments import checked_arguments
from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.autoencoder import Autoencoder
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.course import Critic, Generator, Upscale2x, Upscale4x
from perceptualloss.networks.critics import CriticNetwork, MultiScaleCritic, PatchCritic
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.projected_critic import ProjectedCritic
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.networks.unet_critic import UNetCritic
from perceptualloss.registry import check_constructor, name_in, register

Network = TypeVar("Network", bound=type[TransformationNetwork])

_NETWORKS: tuple[type[TransformationNetwork], ...] = (
    Upscale2x,
    Upscale4x,
    ResidualUpscaler,
    SubPixelUpscaler,
    Generator,
    StyleTransferNetwork,
    SuperResolutionNetwork,
    Autoencoder,
)
NETWORKS: dict[str, type[TransformationNetwork]] = {kind.__name__: kind for kind in _NETWORKS}
_CRITICS: tuple[type[CriticNetwork], ...] = (
    Critic,
    PatchCritic,
    MultiScaleCritic,
    UNetCritic,
    ProjectedCritic,
)
CRITICS: dict[str, type[nn.Module]] = {kind.__name__: kind for kind in _CRITICS}


def register_network(kind: Network, name: str | None = None) -> Network:
    """Let recipes, saved files and ``load_network`` name a network of one's own; return its class.

    Nothing else adds to the list: a recipe or a file names what was registered by code that you ran, or by
    ``perceptualloss --trust MODULE`` on the command line, and imports nothing.

    Args:
        kind: a subclass of :class:`TransformationNetwork`, whose constructor takes named arguments with types of data,
            keeps them as attributes of the same names, and reads no values of its weights (files are checked against a
            network without memory).
        name: how recipes and files call it; None is the class's own name.

    Raises:
        InputError: for another kind of class, one that takes ``*args`` or ``**kwargs``, or a name that is taken (see
            :func:`perceptualloss.registry.register`).

    >>> from torch import Tensor
    >>> @register_network
    ... class Negative(TransformationNetwork):
    ...     def __init__(self, strength: float = 1.0) -> None:
    ...         super().__init__()
    ...         self.strength = strength
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return x.lerp(1 - x, self.strength)
    >>> build_network("Negative", {"strength": 0.5}).strength
    0.5
    >>> del NETWORKS["Negative"]
    """
    if isinstance(kind, type):
        check_constructor(kind)
    return register(NETWORKS, kind, TransformationNetwork, name)


def registered_name(network: nn.Module) -> str:
    """Return the name of a network's class.

    Raises:
        InputError: for a class that is not registered.
    """
    kind = type(network)
    name = name_in(NETWORKS, kind)
    if name is None:
        remedy = "A class of your own is known after perceptualloss.register_network."
        check_choice("network", kind.__name__, NETWORKS, remedy)
        raise InputError(f"the registered {kind.__name__}", f"another class of this name, in {kind.__module__}", remedy)
    return name


def build_network(name: str, arguments: dict[str, Any] | None = None) -> TransformationNetwork:
    """Build a transformation network by its registered name with its constructor's arguments.

    Raises:
        InputError: for an unknown network or argument, or arguments of another type.
    """
    kind = NETWORKS[check_choice("network", name, NETWORKS)]
    return kind(**checked_arguments(kind, arguments or {}, name))
