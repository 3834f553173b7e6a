"""Where to compute."""

from __future__ import annotations

import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.memory import free_main_memory
from perceptualloss.vocabulary import check_value


def find_device(name: str) -> torch.device:
    """Return the device of a name: "auto" (a GPU if there is one), "cpu", "cuda", "mps", or torch's, as "cuda:1".

    Raises:
        InputError: no such name, or a device that this machine does not have.

    >>> find_device("cpu")
    device(type='cpu')
    """
    check_value("device", name)
    has = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind, count in has.items() if count))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError("a device: auto, cpu, cuda, mps or cuda:1", repr(name)) from error
    if (device.index or 0) >= has.get(device.type, 0):
        raise InputError(f"the device {name} in this machine", "none that torch finds", "Say device cpu.")
    return device


def device_for(network: nn.Module, device: str | None) -> torch.device:
    """Return the device of a name; without a name, where the network is; without weights, as ``auto``."""
    first = next(network.parameters(), None)
    return first.device if device is None and first is not None else find_device(device or "auto")


def free_memory(place: torch.device) -> int | None:
    """Return the bytes that are free on a device; None where nothing says so (macOS, Windows).

    In a container, what its limit leaves counts.
    """
    if place.type == "cuda":
        free, _ = torch.cuda.mem_get_info(place)
        return free + torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    if place.type != "cpu":
        return None
    return free_main_memory()
