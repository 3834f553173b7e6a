"""Networks run by onnxruntime in place of PyTorch."""

from __future__ import annotations

import copy
import hashlib
import logging
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from perceptualloss.apply.transformer import Networks
from perceptualloss.errors import InputError, check_choice
from perceptualloss.files import write_whole
from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork
from perceptualloss.networks.cascade import Cascade
from perceptualloss.networks.export import FAR, OPSET, check_installed, export_network
from perceptualloss.networks.onnx_network import OnnxNetwork, load_onnx
from perceptualloss.vocabulary import Backend, Precision

log = logging.getLogger(__name__)

_SIZE = (1, 3, 19, 30)  # of the picture by which a kept file is checked


@dataclass(frozen=True)
class OnnxNetworks:
    """Gives the networks that others give, to be run by onnxruntime.

    Attributes:
        networks: gives them.
    """

    networks: Networks
    _made: dict[nn.Module, nn.Module] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, factor: float | None) -> nn.Module:
        """Return the network for an enlargement; it is exported when it is first run."""
        network = self.networks.at(factor)
        if isinstance(network, Cascade) and network not in self._made:
            self._made[network] = Cascade([self._one(each) for each in network.networks])
        return self._one(network)

    def _one(self, network: nn.Module) -> nn.Module:
        if isinstance(network, OnnxNetwork):
            return network
        if network not in self._made:
            self._made[network] = ExportedNetwork(network)
        return self._made[network]


def on_backend(networks: Networks, backend: Backend, place: torch.device, precision: Precision) -> Networks:
    """Return networks that a backend runs: "torch" leaves them as they are, "onnx" has onnxruntime run them.

    Args:
        networks: gives the networks.
        backend: "torch" or "onnx".
        place: where to compute.
        precision: in what.

    Raises:
        InputError: an unknown backend; with "onnx", no onnxruntime, another device than the CPU, or another precision
            than 32 bits.
    """
    check_choice("backend", backend, get_args(Backend))
    if backend == "torch":
        return networks
    if place.type != "cpu":
        raise InputError("the device cpu with the backend onnx", str(place), "Say device cpu, or backend torch.")
    if precision not in ("auto", "fp32"):
        raise InputError("precision fp32 with the backend onnx", precision, "Say backend torch for 16 bits.")
    check_installed()
    return OnnxNetworks(networks)


class ExportedNetwork(TransformationNetwork):
    """A network as onnxruntime runs it, on the CPU in 32 bits: its results differ by at most 0.001 (1e-5 is usual).

    It is exported when it is first run, which takes seconds; the file is kept in ``perceptualloss-onnx`` in torch.hub's
    folder by the hash of the weights, and compared to the network each time it is opened.

    Args:
        network: one of this package's or of one's own, as :func:`export_network` takes it.

    Raises:
        InputError: a network that enlarges with reference to the picture's size, which could not be cut into tiles.
    """

    precisions = ("fp32",)

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if isinstance(network, InterpolatingNetwork) or not isinstance(network, TransformationNetwork):
            name = type(network).__name__
            raise InputError("a network that can be exported and cut into tiles", name, "Say backend torch.")
        self._source = (network,)  # in a tuple, so that its weights are not this module's
        self.scale, self.whole, self.grid = network.scale, network.whole, network.grid
        self._run: OnnxNetwork | None = None

    @property
    def reach(self) -> int | None:
        """How many pixels of the input, to either side, an output pixel depends on; None if nobody said."""
        return self._source[0].reach

    @property
    def bytes_per_pixel(self) -> int | None:
        """About how much memory a pixel of the input needs."""
        return self._source[0].bytes_per_pixel

    def forward(self, x: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1]."""
        if self._run is None:
            self._run = exported(self._source[0])
        result: Tensor = self._run(x)
        return result


def exported(network: TransformationNetwork) -> OnnxNetwork:
    """Return a network as its file has it, which is kept; see :func:`exported_file`.

    Raises:
        InputError: a network that cannot be exported, or whose file does not give what it gives.
    """
    with tempfile.TemporaryDirectory() as folder:
        return load_onnx(exported_file(network, Path(folder)))


def exported_file(network: TransformationNetwork, spare: Path) -> Path:
    """Return the ONNX file of a network: the one that is kept and gives what the network gives, or a new one.

    Args:
        network: one of this package's or of one's own.
        spare: a folder for the file where none can be kept.

    Raises:
        InputError: a network that cannot be exported, or whose file does not give what it gives.
    """
    plain = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    file = Path(torch.hub.get_dir()) / "perceptualloss-onnx" / f"{_hash(plain)}.onnx"
    if file.is_file() and _is_right(plain, file):
        return file
    log.info("exporting the network for onnxruntime")
    written = export_network(plain, spare / file.name).path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(written.read_bytes(), file)
    except OSError as error:
        log.info("nothing is kept in %s: %s", file.parent, error)
        return written
    return file


def _is_right(network: TransformationNetwork, file: Path) -> bool:
    """Whether a kept file gives what the network gives."""
    pictures = torch.rand(*_SIZE, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            found, wanted = load_onnx(file)(pictures), network(pictures)
    except Exception as error:  # a damaged file may raise anything
        log.info("%s is made anew: %s", file, error)
        return False
    return found.shape == wanted.shape and float((found - wanted).abs().max()) <= FAR


def _hash(network: nn.Module) -> str:
    digest = hashlib.sha256(repr((type(network).__name__, OPSET, version("perceptualloss"), version("torch"))).encode())
    for name, value in network.state_dict().items():
        digest.update(repr((name, value.shape, value.dtype)).encode())
        digest.update(value.contiguous().view(torch.uint8).numpy().tobytes() if value.ndim else repr(value).encode())
    return digest.hexdigest()[:32]
