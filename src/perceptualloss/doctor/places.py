"""Where weights and copies are: those that ship, ImageNet's, and the folders of caches."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import perceptualloss
from perceptualloss.doctor.findings import Finding, gibibytes
from perceptualloss.errors import InputError

WEIGHTS, CACHES = "Weights", "Caches"
SHIPPED = ("features/embedded", "networks/trained")
ROOT = Path(perceptualloss.__file__).parent
_ANEW = "pip install --force-reinstall --no-deps perceptualloss"


def shipped_weights() -> Iterator[Finding]:
    """Compare the weights that ship with the hashes of the wheel, where one was installed."""
    files = [file for folder in SHIPPED for file in sorted((ROOT / folder).glob("*.safetensors"))]
    hashes = {path.name: path.hash for path in metadata.files("perceptualloss") or [] if path.suffix == ".safetensors"}
    damaged = [file.name for file in files if (known := hashes.get(file.name)) and _digest(file) != known.value]
    gone = [name for name in hashes if name not in {file.name for file in files}]
    for name in damaged:
        yield Finding(WEIGHTS, f"{name} is not what was installed (another SHA-256)", "broken", _ANEW)
    for name in gone:
        yield Finding(WEIGHTS, f"{name} was installed and is gone", "broken", _ANEW)
    if not files:
        yield Finding(WEIGHTS, f"none of the networks that ship are in {ROOT}", "broken", _ANEW)
        return
    size = gibibytes(sum(file.stat().st_size for file in files))
    checked = "as installed (SHA-256)" if hashes else "of a source tree, so their hashes are not known"
    if not damaged:
        yield Finding(WEIGHTS, f"{len(files)} files that ship, {size}, {checked}")


def imagenet_weights() -> Iterator[Finding]:
    """Say where ImageNet's weights are looked for, which are there, and whether their hashes are right."""
    from perceptualloss.features.weights import (  # noqa: PLC0415
        FOLDER_VARIABLE,
        IMAGENET,
        check_cached,
        features_file_name,
        hub_cache,
        imagenet_file_name,
    )

    named = os.environ.get(FOLDER_VARIABLE)
    if named and not Path(named).is_dir():
        remedy = "Make it, name another one, or unset the variable."
        yield Finding(WEIGHTS, f"{FOLDER_VARIABLE} names {named}, which is no folder", "broken", remedy)
    places = (
        f"{named} ({FOLDER_VARIABLE}), then {hub_cache()}" if named else f"{hub_cache()} ({FOLDER_VARIABLE} is not set)"
    )
    yield Finding(WEIGHTS, f"ImageNet's are looked for in {places}")
    missing = []
    for network in IMAGENET:
        names = (features_file_name(network), imagenet_file_name(network))
        own = next((Path(named) / name for name in names if (Path(named) / name).is_file()), None) if named else None
        try:
            found = own or next((file for name in names if (file := check_cached(hub_cache() / name))), None)
        except InputError as error:
            yield Finding(WEIGHTS, f"{network}: got {error.got}", "broken", error.remedy)
            continue
        if found is None:
            missing.append(network)
        else:
            yield Finding(WEIGHTS, f"{network}: {found}" + ("" if own else ", hash right"))
    if missing:
        remedy = "ImageNet's weights are downloaded when a loss first asks for vgg16; offline, say network='compact'."
        yield Finding(WEIGHTS, f"not here yet: {', '.join(missing)}", "note", remedy)


def caches() -> Iterator[Finding]:
    """Say where copies are kept, and whether something can be written there."""
    from perceptualloss.data.picture_cache import cache_folder  # noqa: PLC0415
    from perceptualloss.features.weights import hub_cache  # noqa: PLC0415

    places = {"decoded photos": cache_folder(), "weights of torchvision": hub_cache()}
    try:
        from perceptualloss.networks.hub import hub_cache as shared  # noqa: PLC0415

        places["shared networks"] = shared()
    except ImportError:  # without the extra hub
        pass
    for what, folder in places.items():
        there = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
        if os.access(there, os.W_OK):
            yield Finding(CACHES, f"{what}: {folder}" + ("" if there == folder else " (not there yet)"))
        else:
            remedy = "Let it be yours, or name another one: PERCEPTUALLOSS_CACHE, TORCH_HOME, HF_HOME."
            yield Finding(CACHES, f"{what}: {folder} cannot be written", "note", remedy)


def _digest(file: Path) -> str:
    """Return a hash as the RECORD of a wheel writes it."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
