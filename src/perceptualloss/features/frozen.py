"""Tensors that are no parameters and must live as long as their loss: whatever is done to the module that holds it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError

_OUTSIDE = (
    "Build it outside of torch.device('meta'), or inside of it under torch.device('cpu'), and move it with .to(...)."
)


def check_values_exist() -> None:
    """Raise InputError under ``torch.device("meta")``, where weights have shapes and no values."""
    probe = nn.Module()  # a registered parameter, as accelerate's init_empty_weights changes these alone
    probe.register_parameter("weight", nn.Parameter(torch.empty(0)))
    if probe.get_parameter("weight").is_meta:
        raise InputError("a device with values for the weights of a loss network", "torch.device('meta')", _OUTSIDE)


def trainable_through(module: nn.Module) -> nn.Module:
    """Return a module that gradients go through: tensors made under ``torch.inference_mode`` are copied.

    Raises:
        InputError: for tensors without values, on torch's "meta" device.
    """
    with torch.inference_mode(False), torch.no_grad():
        for part in module.modules():
            for name, value in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                if value.is_meta:
                    raise InputError("a loss network with values", f"{name} on the device 'meta'", _OUTSIDE)
                if value.is_inference():
                    copy = value.clone()
                    own = nn.Parameter(copy, requires_grad=False) if isinstance(value, nn.Parameter) else copy
                    setattr(part, name, own)
    return module


def keeping_values(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return what ``nn.Module._apply`` does to a tensor, but for what would lose its values: they are moved then.

    ``model.to_empty(device=...)``, which follows building on torch's "meta" device, gives memory without values, for
    a checkpoint to fill; but no checkpoint holds those of a loss. It is known by what it makes of a tensor that has
    none: nothing else can bring that to a device.
    """
    with torch.no_grad():
        try:
            made = fn(torch.empty(1, device="meta"))
        except (NotImplementedError, RuntimeError):  # "cannot copy out of meta tensor": values are wanted
            return fn
    return fn if made.is_meta else lambda tensor: tensor.to(made.device)
