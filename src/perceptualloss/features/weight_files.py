"""Files of weights: every kind that torch has written since 2017, and safetensors, read without running code."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from perceptualloss.errors import InputError

KINDS = "a .pth of torch (old or new) or a .safetensors file, of a whole network or of its features"
_ZIP, _HDF5, _JSON = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"{"
_CONTAINERS = ("state_dict", "params_ema", "params", "model")  # in which scripts keep weights beside other things
_SHARED = 4  # tensors that may share their numbers, as layers with the same weights do
_CUT_OFF = "Perhaps it was cut off: get it again."
_CONVERT = "Save the network's state_dict with torch or safetensors where that kind of file is at home."


def read_features(file: Path, expected: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Read the features' weights from a file of torch or a ``.safetensors`` file, in 32 bits, without running its code.

    The file may hold a whole network (``features.0.weight``, ...) or its features only (``0.weight``, ...), in 16, 32
    or 64 bits; ``state_dict`` or ``model`` around them and ``module.`` before their names are taken away. Files of
    torch may be of the format before 1.6, as torchvision's VGG of 2017 are, and hold Parameters in place of tensors.

    Args:
        file: the weights file; what kind it is, its first bytes say.
        expected: a state dict whose names and shapes the weights must have; others are left out.

    Raises:
        InputError: if the file is missing, cut off, of another kind, holds more than weights, or other weights.
    """
    state = read_weights(file)
    prefixed = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    features = prefixed or state
    if expected is not None:
        _check_shapes(file, features, expected)
        features = {name: features[name] for name in expected}
    return features


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read all weights of a file by their names, in 32 bits, without running its code (see :func:`read_features`).

    Raises:
        InputError: if the file is missing, cut off, of another kind, or holds more than weights, or none.
    """
    if not file.is_file():
        raise InputError("a weights file", f"no file at {file}", "Check the path.")
    tensors = _weights(_read(file))
    if not tensors:
        raise _refusal(file, "one without a tensor in it", f"It takes {KINDS}.")
    numbers, size = sum(value.numel() for value in tensors.values()), file.stat().st_size
    if numbers > _SHARED * size:  # torch's files may say that one number fills a tensor of any size
        raise _refusal(file, f"{numbers:,} numbers in {size:,} bytes")
    return {name: value.detach().float() for name, value in tensors.items()}


def _read(file: Path) -> Any:
    """Return what is in a file, tensors and plain containers alone."""
    try:
        with file.open("rb") as stream:
            start = stream.read(9)
            stream.seek(257)
            tar = stream.read(5) == b"ustar"
    except OSError as error:
        raise _refusal(file, f"one that cannot be read ({error.strerror or error})") from error
    if start == b"" or file.suffix.lower() == ".onnx" or start.startswith(_HDF5) or tar:
        kind = "empty" if start == b"" else "ONNX" if file.suffix.lower() == ".onnx" else "HDF5 (Keras)"
        kind = "torch's .tar format of 2016" if tar else kind
        remedy = f"It takes {KINDS}. {_CUT_OFF if start == b'' else _CONVERT}"
        raise _refusal(file, f"one that is {kind}", remedy)
    try:
        if start[8:] == _JSON and not start.startswith(_ZIP):  # a length of eight bytes, then JSON
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=start.startswith(_ZIP))
    except pickle.UnpicklingError as error:
        raise _refusal(file, *_why_not_unpickled(str(error))) from error
    except Exception as error:  # broken files raise nearly anything: EOFError, KeyError, RuntimeError, SafetensorError
        if "TorchScript" in str(error):
            raise _refusal(file, "a program (TorchScript)", _CONVERT) from error
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise _refusal(file, f"one that does not load ({reason})", _CUT_OFF) from error


def _why_not_unpickled(message: str) -> tuple[str, str]:
    """Return what a pickle holds beside weights, and the remedy; torch's own message proposes to run it."""
    named = re.search(r"GLOBAL ([\w.]+)|function <[^>]*?([\w.]+)[ >]", message)
    if named is None:
        return "one that does not load (no pickle of weights)", f"{_CUT_OFF} It takes {KINDS}."
    name = named[1] or named[2]
    remedy = "Nothing of it was run. Save the weights alone: torch.save(network.state_dict(), file)."
    return f"one that holds more than weights ({name})", remedy


def _weights(content: Any) -> dict[str, Tensor]:
    """Return the tensors by name, out of the containers that are usual around them."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _CONTAINERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        return {}
    named = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    return {name.removeprefix("module."): value for name, value in named.items()}


def _refusal(file: Path, got: str, remedy: str = "") -> InputError:
    return InputError(f"weights in {file}", got, remedy)


def _check_shapes(file: Path, features: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, value in expected.items():
        if name not in features:
            raise InputError(f"weights named {name!r} or 'features.{name}' in {file}", "none of that name")
        if features[name].shape != value.shape:
            raise InputError(
                f"{name} of shape {tuple(value.shape)} in {file}",
                f"{tuple(features[name].shape)}",
                "Are these the weights of another network?",
            )
