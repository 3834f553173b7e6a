"""Where the loss networks' weights come from: the package, a file, a folder, or torchvision's download."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor
from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights, VGG19_Weights

from perceptualloss.checks import InputError

IMAGENET = {
    "vgg16": VGG16_Weights.IMAGENET1K_V1,
    "vgg19": VGG19_Weights.IMAGENET1K_V1,
    "alexnet": AlexNet_Weights.IMAGENET1K_V1,
    "squeezenet": SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
FOLDER_VARIABLE = "PERCEPTUALLOSS_WEIGHTS"
DOWNLOAD_TIMEOUT = 8  # seconds without an answer


def embedded_weights(network: str) -> dict[str, Tensor]:
    """Return the weights of a network that ships with the package, as float32."""
    packed = files("perceptualloss.loss_networks").joinpath("embedded", f"{network}.safetensors").read_bytes()
    return {name: value.float() for name, value in load(packed).items()}


def imagenet_weights(network: str) -> dict[str, Tensor]:
    """Return torchvision's ImageNet weights of a network's features: ``{"0.weight": ..., "0.bias": ..., ...}``.

    Looked for in the folder that ``PERCEPTUALLOSS_WEIGHTS`` names, then where torch.hub caches, then
    downloaded there. After a download only the features are kept (58.9 MB of 528 MB for VGG-16). Files from
    the cache and the net are verified by the SHA-256 prefix in torchvision's file name.

    Raises:
        InputError: without a file and without a network connection, within seconds.
    """
    file = find_imagenet_file(network)
    if file is None:
        file = _download(network)
    return read_features(file)


def imagenet_file_name(network: str) -> str:
    """Return torchvision's file name, such as ``vgg16-397923af.pth``."""
    return Path(IMAGENET[network].url).name


def find_imagenet_file(network: str) -> Path | None:
    """Return the weights file in the named folder or in torch.hub's cache, or None. Never downloads."""
    name = imagenet_file_name(network)
    candidates = [name, features_file_name(network)]
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        for candidate in candidates:
            if (Path(folder) / candidate).is_file():
                return Path(folder) / candidate
    cached = _cache() / features_file_name(network)
    if cached.is_file():
        return cached
    full = _cache() / name
    if full.is_file():
        _verify(full, name)
        return full
    return None


def features_file_name(network: str) -> str:
    """Return the name of the file that keeps the features alone, such as ``vgg16-397923af-features.safetensors``."""
    return f"{Path(imagenet_file_name(network)).stem}-features.safetensors"


def how_to_get(network: str) -> str:
    """Return the sentence that tells where ImageNet's weights come from and where to put them."""
    name = imagenet_file_name(network)
    return (
        f"Download {IMAGENET[network].url} on a machine with a connection and put {name} into "
        f"{_cache()} or into the folder that the environment variable {FOLDER_VARIABLE} names, "
        "or give its path as weights."
    )


def read_features(file: Path, expected: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Read the features' weights from a ``.pth`` or ``.safetensors`` file, without running code from it.

    The file may hold a whole network (``features.0.weight``, ...) or its features only (``0.weight``, ...).

    Args:
        file: the weights file.
        expected: a state dict whose names and shapes the weights must have.

    Raises:
        InputError: if the file is missing, unreadable, or holds other weights.
    """
    if not file.is_file():
        raise InputError("a weights file", f"no file at {file}", "Check the path.")
    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            state = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    except (OSError, RuntimeError, SafetensorError, EOFError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0][:200]
    except Exception as error:  # unpickling raises what it likes: UnpicklingError, KeyError, IndexError
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    else:
        prefixed = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
        found = {name: value.float() for name, value in (prefixed or state).items()}
        if expected is not None:
            _check_shapes(file, found, expected)
            found = {name: found[name] for name in expected}
        return found
    raise InputError("a .pth or .safetensors file of weights", f"{file}, which does not load: {reason}")


def _check_shapes(file: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        if name not in found:
            raise InputError(f"weights named {name!r} or 'features.{name}' in {file}", "none of that name")
        if found[name].shape != value.shape:
            raise InputError(
                f"{name} of shape {tuple(value.shape)} in {file}",
                f"{tuple(found[name].shape)}",
                "Are these the weights of another network?",
            )


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _verify(file: Path, name: str) -> None:
    prefix = Path(name).stem.rsplit("-", 1)[1]
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(prefix):
        raise InputError(
            f"{file} to have a SHA-256 that starts with {prefix}",
            digest[: len(prefix)],
            "The download was cut off or altered: delete the file and try again.",
        )


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(network: str) -> Path:
    """Download the whole network, keep its features, and return the file with them."""
    kept = _cache() / features_file_name(network)
    name = imagenet_file_name(network)
    try:
        _cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_cache()) as folder, _timeout(DOWNLOAD_TIMEOUT):
            full = Path(folder) / name
            prefix = Path(name).stem.rsplit("-", 1)[1]
            torch.hub.download_url_to_file(IMAGENET[network].url, str(full), hash_prefix=prefix)
            features = {k: v.contiguous() for k, v in read_features(full).items() if "classifier" not in k}
            part = Path(folder) / kept.name
            save_file(features, part, metadata={"source": IMAGENET[network].url})
            part.replace(kept)
    except (urllib.error.URLError, TimeoutError, OSError, RuntimeError) as error:
        raise InputError(
            f"{network}'s ImageNet weights ({name})",
            f"no file, and the download failed ({error})",
            how_to_get(network) + " Offline, network='compact' works without any download.",
        ) from error
    return kept
