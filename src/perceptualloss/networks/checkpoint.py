"""Save and load transformation networks: safetensors with the name and the arguments of the constructor."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from perceptualloss.arguments import checked_arguments, shown
from perceptualloss.errors import InputError
from perceptualloss.files import write_whole
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.limits import outline
from perceptualloss.networks.registry import NETWORKS, registered_name

LARGEST_HEADER = 2**23  # bytes; a network of a thousand tensors has 0.1 MB


def save_network(network: TransformationNetwork, path: str | Path, **notes: str) -> Path:
    """Save a network as safetensors, with its class name and constructor arguments, and return the path.

    The arguments are read from the attributes of the same names. The file is written beside its place and then renamed,
    so an interrupted save leaves the old file whole. :func:`load_network` reads it.

    Args:
        network: one of the package's transformation networks, or a registered one (:func:`register_network`).
        path: a file that ends in ``.safetensors``.
        notes: more entries for the file's metadata, such as ``loss="mse"``.

    Raises:
        InputError: for a network that is not registered or does not keep its arguments, another suffix, weights that
            are not finite, or a file that cannot be written.
    """
    path = Path(path)
    name = registered_name(network)
    if path.suffix != ".safetensors":
        raise InputError("a file name that ends in .safetensors", str(path))
    metadata = {"network": name, "arguments": _arguments_of(network), **notes}
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    for key, value in state.items():
        if not value.isfinite().all():
            remedy = "The training has failed: lower its learning rate. Nothing was written."
            raise InputError(f"a {name} with finite weights to save", f"NaN or infinity in {key}", remedy)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(save(state, metadata), path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} to be writable", str(error), "Is the disk full?") from error
    return path


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return what is written in a saved network beside its weights: network, arguments and notes.

    Raises:
        InputError: if there is no such file, or it is no safetensors file.
    """
    return read_header(Path(path))[0]


def load_saved(path: Path) -> TransformationNetwork:
    """Load a network that :func:`save_network` saved, in evaluation mode.

    A file is data: it names a registered network, and nothing is built that is larger than the file.

    Raises:
        InputError: if the file is missing, unreadable, or not a saved network of this package; for an unknown network
            or argument, or weights that are missing, too many, of another shape or not finite.
    """
    metadata, shapes = read_header(path)
    if "network" not in metadata:
        raise InputError("a network saved by perceptualloss.save_network", f"{path} without a network's name")
    kind, arguments = _described(path, metadata)
    elements = sum(math.prod(shape) for shape in shapes.values())
    network = outline(kind, arguments, len(shapes), elements, f"That is what {path} has weights for.")
    network.load_state_dict(read_state(path, network.state_dict(), shapes, kind.__name__), assign=True)
    return network.eval()


def read_state(
    path: Path, expected: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str
) -> dict[str, Tensor]:
    """Return copies of the weights in a file, in the types of the network's.

    Args:
        path: the file.
        expected: the network's own weights by name, which need no memory ("meta").
        shapes: those in the file, as :func:`read_header` gives them.
        what: the network, for messages.

    Raises:
        InputError: for weights that are missing, too many, of another shape or type, or not finite.
    """
    _check_shapes(f"{what} in {path}", expected, shapes)
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError("a safetensors file", f"{path}, which does not load: {error}") from error
    return {name: _weight(f"{name} in {path}", state[name], like) for name, like in expected.items()}


def read_header(path: Path) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Return a file's metadata and the shapes of its tensors, without reading these.

    Raises:
        InputError: if there is no such file, or it is no safetensors file.
    """
    if not path.is_file():
        raise InputError("a saved network", f"no file at {path}", "Check the path.")
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
        if size > LARGEST_HEADER and size < path.stat().st_size:
            raise InputError(f"a header of at most {LARGEST_HEADER:,} bytes", f"{size:,} in {path}")
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no dict)
            return dict(file.metadata() or {}), shapes
    except (OSError, SafetensorError) as error:
        raise InputError("a safetensors file", f"{path}, which does not load: {error}") from error


def _arguments_of(network: TransformationNetwork) -> str:
    """Return the arguments that a network was built with, as JSON."""
    kind = type(network)
    names = inspect.signature(kind).parameters
    missing = next((name for name in names if not hasattr(network, name)), None)
    if missing is not None:
        remedy = f"Its constructor says self.{missing} = {missing}."
        raise InputError(f"a {kind.__name__} that keeps its arguments as attributes", f"none named {missing}", remedy)
    try:
        return json.dumps({name: getattr(network, name) for name in names})
    except (TypeError, ValueError) as error:
        raise InputError(f"arguments of {kind.__name__} that are data", str(error)) from error


def _described(path: Path, metadata: Mapping[str, str]) -> tuple[type[TransformationNetwork], dict[str, Any]]:
    """Return the class that the metadata names, and the arguments for it."""
    remedy = "A class of your own is known after perceptualloss.register_network, or with --trust MODULE."
    name = metadata["network"]
    if name not in NETWORKS:
        raise InputError(f"{path} to hold one of {', '.join(NETWORKS)}", shown(name), remedy)
    try:
        arguments = json.loads(metadata.get("arguments", "{}"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the arguments of {name} in {path} as JSON", shown(metadata["arguments"])) from error
    if not isinstance(arguments, dict):
        raise InputError(f"the arguments of {name} in {path} by name", shown(arguments))
    return NETWORKS[name], checked_arguments(NETWORKS[name], arguments, name)


def _check_shapes(what: str, expected: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, value in expected.items():
        if name not in shapes:
            raise InputError(f"the weights of {what}", f"none for {name}")
        if shapes[name] != tuple(value.shape):
            raise InputError(f"the weights of {what}, with {name} of shape {tuple(value.shape)}", str(shapes[name]))
    for name in shapes:
        if name not in expected:
            raise InputError(f"the weights of {what} and no others", f"some for {shown(name)}, too")


def _weight(what: str, value: Tensor, like: Tensor) -> Tensor:
    """Return a copy of weights from a file in the type of the network's."""
    if value.is_floating_point() != like.is_floating_point() or value.is_complex():
        raise InputError(f"{what} in {like.dtype}", str(value.dtype))
    if not value.to(torch.float64 if value.dtype == torch.float64 else torch.float32).isfinite().all():
        raise InputError(f"finite weights for {what}", "NaN or infinity", "The training that wrote it has failed.")
    return value.to(like.dtype, copy=True)
