"""Where to compute."""

from __future__ import annotations

import torch
from torch import nn

from perceptualloss.errors import InputError


def find_device(name: str) -> torch.device:
    """Return the device of a name: "auto" (a GPU if there is one), "cpu", "gpu", "mps", or torch's, as "cuda:1".

    Raises:
        InputError: no such name, or a device that this machine does not have.

    >>> find_device("cpu")
    device(type='cpu')
    """
    has = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind, count in has.items() if count))
    try:
        device = torch.device("cuda" if name == "gpu" else name)
    except RuntimeError as error:
        raise InputError("a device: auto, cpu, gpu, mps or cuda:0", repr(name)) from error
    if (device.index or 0) >= has.get(device.type, 0):
        raise InputError(f"the device {name} in this machine", "none that torch finds", "Say device cpu.")
    return device


def device_for(network: nn.Module, device: str | None) -> torch.device:
    """Return the device of a name; without a name, where the network is; without weights, as ``auto``."""
    first = next(network.parameters(), None)
    return first.device if device is None and first is not None else find_device(device or "auto")
