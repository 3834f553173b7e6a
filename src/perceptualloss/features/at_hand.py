"""Whether ImageNet's weights are at hand, for what can do without them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from perceptualloss.errors import InputError, warn_once
from perceptualloss.features.network import loss_network
from perceptualloss.features.weights import find_imagenet_file, how_to_get


def why_no_imagenet(network: str) -> str:
    """Return why a network's ImageNet weights cannot be had here and what to do, or "" if they can. Never downloads.

    The answer is remembered: a file is read once in a process, unless its size or time changes. One that is there but
    cannot be used is warned of, once.

    >>> why_no_imagenet("vgg16") in ("", f"they are not here. {how_to_get('vgg16')}")
    True
    """
    try:
        file = find_imagenet_file(network)
        if file is None:
            return f"they are not here. {how_to_get(network)}"
        facts = file.stat()
        why = _unusable(network, file, facts.st_size, facts.st_mtime_ns)
    except (InputError, OSError) as error:
        why = str(error)
    if why:
        warn_once(f"without {network}'s ImageNet weights: {why}")
    return why


@cache
def _unusable(network: str, file: Path, size: int, modified: int) -> str:
    """Return what keeps the file that is found for a network from being used; another size or time is another file."""
    try:
        loss_network(network, ["relu1_1"])
    except InputError as error:
        return str(error)
    return ""
