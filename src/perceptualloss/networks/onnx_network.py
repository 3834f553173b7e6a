"""Networks in ONNX files, run by onnxruntime: what this package exports, and other programs' of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.networks.base import TransformationNetwork

INPUT, OUTPUT = "image", "result"
_TRIAL = 32  # pixels of a side, to see how many times larger a picture becomes
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxNetwork(TransformationNetwork):
    """A network in an ONNX file, on the CPU: RGB in [0, 1], (N, 3, H, W), to ``scale`` times the size, no gradients.

    What a file of :func:`export_network` says of itself (scale, reach, whether it looks at the whole picture) is
    believed; of another file the scale is found by a trial, and tiles overlap by 64 pixels.

    Args:
        path: the file. ONNX holds operations and numbers, no code.

    Raises:
        InputError: onnxruntime not installed, a file that it does not load, or a network of another kind: several
            inputs, other than three channels, or sizes that are fixed.
    """

    precisions = ("fp32",)

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.session = _session(Path(path))
        (given,), made = self.session.get_inputs(), self.session.get_outputs()
        self.kind = _TYPES.get(given.type)
        shape = list(given.shape)
        if self.kind is None or len(shape) != 4 or shape[1] != 3 or len(made) != 1:
            got = f"{given.type} of {shape} to {len(made)} outputs"
            raise InputError("a network from RGB pictures (N, 3, H, W) to pictures", got)
        if isinstance(shape[2], int) or isinstance(shape[3], int):
            remedy = "Export it with dynamic sizes."
            raise InputError("a network that takes pictures of any size", f"one for {shape[2]} x {shape[3]}", remedy)
        self.input = given.name
        facts = self.session.get_modelmeta().custom_metadata_map
        self.whole = facts.get("whole") == "true"
        self.grid = _number(facts, "grid") or 1
        self._reach = _number(facts, "reach", least=0)
        self.scale = _number(facts, "scale") or self._scale()

    @property
    def reach(self) -> int | None:
        """How many pixels of the input, to either side, an output pixel depends on; None if the file does not say."""
        return self._reach

    def forward(self, x: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1]; the result is on their device."""
        check_image_batch("x", x)
        (result,) = self.session.run(None, {self.input: x.detach().cpu().numpy().astype(self.kind)})
        return torch.from_numpy(result.astype(np.float32)).to(x.device)

    def _scale(self) -> int:
        side = int(self(torch.full((1, 3, _TRIAL, _TRIAL), 0.5)).shape[-1])
        if side % _TRIAL or not side:
            raise InputError(
                "a network that makes pictures a whole number of times larger", f"{_TRIAL} to {side} pixels"
            )
        return side // _TRIAL


def _number(facts: Mapping[str, str], name: str, least: int = 1) -> int | None:
    """Return a number that the file says of itself, or None; a file may say anything."""
    text = facts.get(name, "null")
    if text == "null":
        return None
    if not (text.isdecimal() and len(text) < 5 and int(text) >= least):
        raise InputError(f"a whole number from {least} to 9999 as the file's {name}", repr(text[:40]))
    return int(text)


def load_onnx(path: Path) -> OnnxNetwork:
    """Load a network from an ONNX file; see :class:`OnnxNetwork`."""
    return OnnxNetwork(path).eval()


def _session(path: Path) -> Any:
    if find_spec("onnxruntime") is None:
        raise InputError("the package onnxruntime", "none installed", "Install it: pip install 'perceptualloss[onnx]'.")
    if not path.is_file():
        raise InputError(f"a network in {path}", "no such file")
    import onnxruntime  # noqa: PLC0415  an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises a dozen classes of its own
        raise InputError(f"{path} to be a network in ONNX", str(error).splitlines()[0][:160]) from error
    if len(session.get_inputs()) != 1:
        raise InputError(f"{path} to hold a network with one input", f"{len(session.get_inputs())}")
    return session
