"""Trained networks as files for other programs: ONNX, PyTorch's exported program, or safetensors."""

from __future__ import annotations

import copy
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.files import write_whole
from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.onnx_network import INPUT, OUTPUT, load_onnx

Format = Literal["onnx", "pt2", "safetensors"]
FORMATS: tuple[Format, ...] = get_args(Format)
OPSET = 18  # what onnxruntime 1.14 and onnxruntime-web have known since 2023
CHECKED = ((1, 19, 30), (2, 32, 24), (1, 41, 27))  # pictures, height, width: odd sizes and a batch
_EXAMPLE = (2, 24, 20)
FAR = 1e-3  # a quarter of a step of 8 bits


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        format: its kind.
        difference: the largest difference to the network itself, over random pictures of :data:`CHECKED` sizes in
            [0, 1]; None for safetensors, which hold the weights themselves.
        bytes: its size.
    """

    path: Path
    format: Format
    difference: float | None
    bytes: int


def export_network(network: TransformationNetwork, path: str | Path, format: Format | None = None) -> Exported:
    """Write a network as a file that other programs run, and compare what the file gives to what the network gives.

    Pictures are RGB in [0, 1], (N, 3, H, W), of any number and size; the result is not clamped. In ONNX the input is
    called "image" and the output "result"; the file's metadata say the scale and how far the network looks, for tiles.
    A network that was trained with wider kernels is written in its fused form.

    Args:
        network: on the CPU, one of this package's or of one's own.
        path: where to; the folder must be there.
        format: "onnx", "pt2" (for ``torch.export.load``) or "safetensors" (for :func:`load_network`); None is what the
            path ends in.

    Raises:
        InputError: an unknown format, the package onnx not installed, a network that cannot be written in this format,
            or a file that does not give what the network gives.
    """
    path = Path(path)
    format = _format(path, format)
    network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False).fused()
    if format == "safetensors":
        save_network(network, path)
        return Exported(path, format, None, path.stat().st_size)
    data = _onnx(network) if format == "onnx" else _program(network)
    with tempfile.TemporaryDirectory() as folder:  # so that a file that is there stays until the new one is known good
        trial = Path(folder) / path.name
        trial.write_bytes(data)
        difference = _difference(network, load_onnx(trial) if format == "onnx" else _load_program(trial))
    if not difference <= FAR:
        remedy = "Nothing was written. safetensors keep the network exactly."
        raise InputError(f"a file that gives what the network gives, to {FAR:g}", f"{difference:.3g}", remedy)
    try:
        write_whole(data, path)
    except OSError as error:
        raise InputError(f"{path} to be writable", str(error.strerror or error), "Choose another place.") from error
    return Exported(path, format, difference, len(data))


def _format(path: Path, format: Format | None) -> Format:
    ending = path.suffix.lower().removeprefix(".")
    if format is None:
        named: dict[str, Format] = {name: name for name in FORMATS}
        return named[check_choice("the ending of the file", ending, FORMATS)]
    check_choice("format", format, FORMATS)
    if ending != format:
        raise InputError(f"a file name that ends in .{format}", repr(path.name))
    return format


def _onnx(network: TransformationNetwork) -> bytes:
    check_installed()
    options: dict[str, Any] = {"dynamo": True, "verbose": False, "external_data": False, "opset_version": OPSET}
    options |= {"input_names": [INPUT], "output_names": [OUTPUT], "dynamic_shapes": _dynamic()}
    with _quiet(), _as_export("ONNX"):
        model: Any = getattr(torch.onnx.export(network, (_pictures(*_EXAMPLE),), **options), "model_proto")  # noqa: B009
    facts = {
        "perceptualloss": version("perceptualloss"),
        "network": type(network).__name__,
        "scale": str(network.scale),
        "reach": json.dumps(network.reach),
        "whole": json.dumps(network.whole or isinstance(network, InterpolatingNetwork)),
        "grid": str(network.grid),
        "pictures": "RGB in [0, 1], (N, 3, H, W)",
    }
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString()
    return content


def check_installed() -> None:
    """Raise InputError unless the packages are there that write and run ONNX files."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InputError("the package onnx", f"no {missing[0]}", "Install it: pip install 'perceptualloss[onnx]'.")


def _program(network: TransformationNetwork) -> bytes:
    buffer = io.BytesIO()
    with _quiet(), _as_export("an exported program"):
        torch.export.save(torch.export.export(network, (_pictures(*_EXAMPLE),), dynamic_shapes=_dynamic()), buffer)
    return buffer.getvalue()


def _load_program(path: Path) -> nn.Module:
    """Load what was just written; others' programs are not opened by this package."""
    return torch.export.load(path).module()


def _dynamic() -> tuple[dict[int, Any]]:
    return (dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC),)


def _pictures(number: int, height: int, width: int) -> Tensor:
    return torch.rand(number, 3, height, width, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _difference(network: nn.Module, other: nn.Module) -> float:
    """Return the largest difference over pictures of several sizes."""
    pairs = ((network(pictures), other(pictures)) for pictures in (_pictures(*size) for size in CHECKED))
    return max(float((one - two).abs().max()) if one.shape == two.shape else float("inf") for one, two in pairs)


@contextmanager
def _as_export(what: str) -> Iterator[None]:
    """Within it, whatever PyTorch's export raises is one line."""
    try:
        yield
    except Exception as error:  # it raises nearly anything
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
        raise InputError(f"a network that can be written as {what}", reason, "safetensors hold any network.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it, the exporter's advice to its developers is not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
