"""Save and load transformation networks: safetensors with the name and the arguments of the constructor."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from perceptualloss.checks import InputError, check_choice
from perceptualloss.networks.generator import Generator
from perceptualloss.networks.network import TransformationNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.super_resolution import SuperResolutionNetwork
from perceptualloss.networks.upscale import Upscale2x, Upscale4x

NETWORKS: dict[str, type[TransformationNetwork]] = {
    "Upscale2x": Upscale2x,
    "Upscale4x": Upscale4x,
    "ResidualUpscaler": ResidualUpscaler,
    "Generator": Generator,
    "StyleTransferNetwork": StyleTransferNetwork,
    "SuperResolutionNetwork": SuperResolutionNetwork,
}


def build_network(name: str, arguments: dict[str, Any] | None = None) -> TransformationNetwork:
    """Build a transformation network by class name with its constructor's arguments.

    Raises:
        InputError: for an unknown network or argument.
    """
    network = NETWORKS[check_choice("network", name, NETWORKS)]
    for argument in arguments or {}:
        check_choice(f"argument of {name}", argument, inspect.signature(network).parameters)
    return network(**(arguments or {}))


def save_network(network: TransformationNetwork, path: str | Path, **notes: str) -> Path:
    """Save ``network`` as safetensors, with its class name and constructor arguments, and return the path.

    The arguments are read from the attributes of the same names. Written beside the file first and then
    renamed, so that an interrupted save leaves the old file whole.

    Args:
        network: one of the package's transformation networks.
        path: a file that ends in ``.safetensors``.
        notes: more entries for the file's metadata, such as ``loss="mse"``.

    Raises:
        InputError: for another network, another suffix, or a file that cannot be written.
    """
    path = Path(path)
    name = check_choice("network", type(network).__name__, NETWORKS)
    if path.suffix != ".safetensors":
        raise InputError("a file name that ends in .safetensors", str(path))
    parameters = inspect.signature(type(network)).parameters
    arguments = {p: getattr(network, p) for p in parameters}
    metadata = {"network": name, "arguments": json.dumps(arguments), **notes}
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, part, metadata)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path} to be writable", str(error), "Is the disk full?") from error
    return path


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return what is written in a saved network beside its weights: network, arguments and notes.

    Raises:
        InputError: if there is no such file, or it is no safetensors file.
    """
    if not Path(path).is_file():
        raise InputError("a saved network", f"no file at {path}", "Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise InputError("a safetensors file", f"{path}, which does not load: {error}") from error


def load_network(path: str | Path, device: str = "cpu") -> TransformationNetwork:
    """Load a network that :func:`save_network` saved, in evaluation mode.

    Raises:
        InputError: if the file is missing, unreadable, or not a saved network of this package.
    """
    metadata = read_metadata(path)
    if "network" not in metadata:
        raise InputError("a network saved by perceptualloss.save_network", f"{path} without a network's name")
    network = build_network(metadata["network"], json.loads(metadata.get("arguments", "{}")))
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"the weights of {metadata['network']} in {path}", str(error).splitlines()[0]) from error
    return network.to(device).eval()
