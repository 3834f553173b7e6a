"""Where the loss networks' weights come from: the package, a file, a folder, or torchvision's download."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import tempfile
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor
from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights, VGG19_Weights

from perceptualloss.errors import InputError
from perceptualloss.features.weight_files import read_features
from perceptualloss.files import write_whole

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
    packed = files("perceptualloss.features").joinpath("embedded", f"{network}.safetensors").read_bytes()
    return {name: value.float() for name, value in load(packed).items()}


def start_weights(network: str, weights: str, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights to go on from: "default" names the embedded ones of ``network``, all else a file.

    Raises:
        InputError: no such file, or one with other weights.
    """
    return embedded_weights(network) if weights == "default" else read_features(Path(weights), expected)


def imagenet_weights(network: str, expected: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Return torchvision's ImageNet weights of a network's features: ``{"0.weight": ..., "0.bias": ..., ...}``.

    Looked for in the folder that ``PERCEPTUALLOSS_WEIGHTS`` names, then where torch.hub caches, then
    downloaded there (see :func:`find_imagenet_file`).

    Args:
        network: "vgg16", "vgg19", "alexnet" or "squeezenet".
        expected: a state dict whose names and shapes the weights must have.

    Raises:
        InputError: for a damaged file; without a file and without a network connection, within seconds.
    """
    file = find_imagenet_file(network)
    if file is None:
        file = _download(network)
    return read_features(file, expected)


def imagenet_file_name(network: str) -> str:
    """Return torchvision's file name, such as ``vgg16-397923af.pth``."""
    return Path(IMAGENET[network].url).name


def find_imagenet_file(network: str) -> Path | None:
    """Return the weights file in the named folder or in torch.hub's cache, or None. Never downloads.

    A whole network in the cache is verified by the SHA-256 prefix in torchvision's file name; then its features are
    kept beside it (58.9 MB of 528 MB for VGG-16), with a SHA-256 of their own, and found in its place from then on.
    A file is verified once in a process, unless its size or time changes. The named folder's are the user's and are
    taken as they are.

    Raises:
        InputError: for a file in the cache that was cut off or altered.
    """
    name, kept = imagenet_file_name(network), features_file_name(network)
    folder = os.environ.get(FOLDER_VARIABLE)
    for named in (name, kept) if folder else ():
        if (Path(str(folder)) / named).is_file():
            return Path(str(folder)) / named
    for file in (hub_cache() / kept, hub_cache() / name):
        if check_cached(file) is not None:
            return file if file.name == kept else _keep_features(file, network)
    return None


def check_cached(file: Path) -> Path | None:
    """Return a file of the cache if it is there and as it was written, by the SHA-256 that it or its name says.

    Raises:
        InputError: for one that was cut off or altered.
    """
    if not file.is_file():
        return None
    facts = file.stat()
    damage = _damage(file, facts.st_size, facts.st_mtime_ns)
    if damage:
        remedy = "It was cut off or altered: delete it, and it is made or downloaded anew."
        raise InputError(f"{file} as it was written", damage, remedy)
    return file


def features_file_name(network: str) -> str:
    """Return the name of the file that keeps the features alone, such as ``vgg16-397923af-features.safetensors``."""
    return f"{Path(imagenet_file_name(network)).stem}-features.safetensors"


def how_to_get(network: str) -> str:
    """Return the sentence that tells where ImageNet's weights come from and where to put them."""
    name = imagenet_file_name(network)
    return (
        f"Download {IMAGENET[network].url} on a machine with a connection and put {name} into "
        f"{hub_cache()} or into the folder that the environment variable {FOLDER_VARIABLE} names, "
        "or give its path as weights."
    )


def hub_cache() -> Path:
    """Return the folder in which torch.hub, and with it torchvision, keeps weights."""
    return Path(torch.hub.get_dir()) / "checkpoints"


@cache
def _damage(file: Path, size: int, modified: int) -> str:
    """Return how a file of the cache differs from what it was, or "". Size and time make a changed file another one."""
    if file.suffix == ".safetensors":
        return _features_damage(file)
    prefix = _hash_prefix(file.name)
    if not prefix:
        return ""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return "" if digest.startswith(prefix) else f"a SHA-256 of {digest[: len(prefix)]}... where its name says {prefix}"


def _features_damage(file: Path) -> str:
    try:
        with safe_open(file, framework="pt") as opened:
            written = (opened.metadata() or {}).get("sha256")
        digest = _digest(read_features(file)) if written else written  # files of earlier versions say none
    except (InputError, OSError, SafetensorError) as error:
        return f"a file that does not open ({error})"
    return "" if digest == written else "weights of another SHA-256"


def _digest(features: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(features):
        digest.update(name.encode() + features[name].contiguous().numpy().data)
    return digest.hexdigest()


def _hash_prefix(name: str) -> str:
    """Return the first digits of the SHA-256 in a name such as ``vgg16-397923af.pth``, or ""."""
    digits = Path(name).stem.rpartition("-")[2]
    return digits if re.fullmatch("[0-9a-f]{8,64}", digits) else ""


def _keep_features(full: Path, network: str) -> Path:
    """Keep the features of a whole network that was verified in the cache, and return the file to read."""
    features = {name: value for name, value in read_features(full).items() if "classifier" not in name}
    kept = hub_cache() / features_file_name(network)
    metadata = {"source": IMAGENET[network].url, "sha256": _digest(features)}
    try:
        write_whole(save({name: value.contiguous() for name, value in features.items()}, metadata), kept)
    except (OSError, SafetensorError):  # a cache that cannot be written, or a full disk: the whole file serves
        return full
    return kept


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
    name = imagenet_file_name(network)
    try:
        hub_cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=hub_cache()) as folder, _timeout(DOWNLOAD_TIMEOUT):
            full = Path(folder) / name
            torch.hub.download_url_to_file(IMAGENET[network].url, str(full), hash_prefix=_hash_prefix(name))
            kept = _keep_features(full, network)
            if kept == full:
                raise OSError(f"{hub_cache()} has no room for the features")
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, OSError, RuntimeError) as error:
        raise InputError(
            f"{network}'s ImageNet weights ({name})",
            f"no file, and the download failed ({error})",
            how_to_get(network) + " Offline, network='compact' works without any download.",
        ) from error
    return kept
