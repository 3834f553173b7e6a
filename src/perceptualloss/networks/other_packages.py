"""Networks of other packages, such as Real-ESRGAN's, whose architectures spandrel knows by their weights."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.features.weight_files import read_weights
from perceptualloss.networks.base import TransformationNetwork, convolution_reach
from perceptualloss.networks.limits import bounded
from perceptualloss.networks.style_transfer import mirror

log = logging.getLogger(__name__)

SUFFIXES = (".pth", ".pt", ".ckpt")
_FARTHEST = 64  # pixels: a tile with more around it would be mostly its surroundings
_SPARE = 4  # times as many parameters as the file has: some layers are built twice, for training and for use
_EXACT = 1e-4
_INSTALL = "pip install 'perceptualloss[spandrel]'"


class SpandrelNetwork(TransformationNetwork):
    """A network of another package with the contract of this one's: RGB in [0, 1], any size, ``scale`` times as large.

    Sizes that the network does not take are mirrored at the right and bottom up to the next that it does, and the
    result is cut. The result is within [0, 1] and has no gradient: such a network is for use, not for training.

    Args:
        descriptor: what ``spandrel.ModelLoader`` gives.

    Raises:
        InputError: for a network of other than three channels, one that fills in what a mask hides, or one for faces.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.descriptor, self.model, self.scale = descriptor, descriptor.model, descriptor.scale
        self.architecture: str = descriptor.architecture.name
        if descriptor.purpose not in ("SR", "Restoration"):
            got = f"{self.architecture}, which is for {descriptor.purpose}"
            raise InputError("a network that enlarges or restores whole pictures", got)
        channels = descriptor.input_channels, descriptor.output_channels
        if channels != (3, 3):
            got = f"{self.architecture} from {channels[0]} channels to {channels[1]}"
            raise InputError("a network from three channels to three (RGB)", got)
        formats = {"fp32": True, "fp16": descriptor.supports_half, "bf16": descriptor.supports_bfloat16}
        self.precisions = tuple(name for name, supported in formats.items() if supported)
        # Whoever restores light or colours from all of a picture would give every tile another light.
        self.whole = descriptor.tiling.name == "INTERNAL" or (
            descriptor.tiling.name == "DISCOURAGED" and descriptor.purpose == "Restoration"
        )

    @cached_property
    def reach(self) -> int | None:
        """How many pixels of the input, to either side, an output pixel depends on; None beyond 64, or if none can say.

        It is measured when it is first asked for. A line in the log says so where it is None: tiles then do not see all
        that the network would see of the whole picture.
        """
        if convolution_reach(self.model) <= 2 * _FARTHEST:  # deeper ones would take long and look farther
            with contextlib.suppress(RuntimeError, ValueError):  # where some architecture does not take a strip
                reach = measured_reach(self, _FARTHEST)
                if reach is not None:
                    return reach
        log.warning(
            "%s looks farther than tiles overlap, or not everywhere alike: near their edges the result may differ a "
            "little from that of the whole picture",
            self.architecture,
        )
        return None

    def forward(self, x: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W) in [0, 1], one after another."""
        check_image_batch("x", x)
        height, width = x.shape[-2:]
        more_columns, more_rows = self.descriptor.size_requirements.get_padding(width, height)
        if more_columns or more_rows:
            x = mirror(x, (0, more_rows), (0, more_columns))
        pictures = [self.descriptor(one[None].clone()) for one in x]  # a copy: some change their input in its place
        return torch.cat(pictures)[..., : self.scale * height, : self.scale * width]


def load_other(path: Path) -> SpandrelNetwork:
    """Load a file of another package's network, in evaluation mode: ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors``.

    The file is read without running code (:func:`read_weights`), spandrel sees the weights alone, and nothing is built
    that has many more parameters than the file. Random numbers are left as they were.

    Raises:
        InputError: without spandrel, for a file that cannot be read or holds more than weights, for weights that
            spandrel does not know or that are not finite, or for a network that :class:`SpandrelNetwork` refuses.
    """
    if find_spec("spandrel") is None:
        got = f"{path}{_nameless(path)} and no such package"
        raise InputError("spandrel, which knows the networks of other packages", got, f"Install it: {_INSTALL}.")
    state = read_weights(path)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # the architectures' own, to their developers
        network = SpandrelNetwork(_recognised(path, state))
    for name, value in network.named_parameters():
        if not value.isfinite().all():
            raise InputError(f"finite weights in {path}", f"NaN or infinity in {name[:60]}")
    return network.eval().requires_grad_(False)


def _recognised(path: Path, state: Mapping[str, Tensor]) -> Any:
    """Return spandrel's description of the network that the weights are of, with the network."""
    from spandrel import MAIN_REGISTRY, UnsupportedModelError  # noqa: PLC0415 (takes a second)

    if any(len(number) > 4 for name in state for number in re.findall(r"\d+", name)):
        raise InputError(f"weights of at most 9,999 layers in {path}", "a name that counts more")  # all would be built
    elements = sum(value.numel() for value in state.values())
    try:
        with bounded(f"a network in {path}", _SPARE * len(state), _SPARE * elements):
            descriptor = MAIN_REGISTRY.load(dict(state))
    except InputError:
        raise
    except UnsupportedModelError as error:
        known = "a network saved by perceptualloss.save_network, or of an architecture that spandrel knows"
        raise InputError(known, f"{path}{_nameless(path)}, of another architecture") from error
    except Exception as error:  # spandrel deduces sizes from shapes, and raises nearly anything where they do not fit
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"the weights of one network in {path}", f"some that do not fit each other ({reason})"
        ) from error
    return descriptor


def _nameless(path: Path) -> str:
    """Return what to say of a file that could have named one of this package's networks."""
    return " without a network's name" if path.suffix == ".safetensors" else ""


@torch.inference_mode()
def measured_reach(network: TransformationNetwork, farthest: int) -> int | None:
    """Return how many pixels of the input, to either side, an output pixel depends on, or None.

    A NaN in the input spreads as far as the network looks, whatever its weights are. It is put into the middle of two
    strips, one along either axis. A network that does not give the same when the first line of the strip is cut off,
    but for the lines within its reach, works on a grid of its own (as windows do), and a tile would get another one.

    Args:
        network: one with weights, in evaluation mode.
        farthest: pixels; of what looks farther None is returned.

    >>> from perceptualloss.networks.residual import ResidualUpscaler
    >>> network = ResidualUpscaler(2, width=4, blocks=1, detail=4).eval()
    >>> network.reach, measured_reach(network, 64), measured_reach(network, 4)
    (6, 6, None)
    """
    first = next(network.parameters())
    length, random = 2 * farthest + 3, torch.Generator().manual_seed(0)
    strip = torch.rand(1, 3, length, 16, generator=random).to(first.device)
    reaches = []
    for turned in (False, True):
        x = strip.mT.contiguous() if turned else strip
        spoiled = x.clone()
        spoiled[..., x.shape[-2] // 2, x.shape[-1] // 2] = torch.nan
        shorter = x[..., 1:] if turned else x[..., 1:, :]
        whole, spread, cut = (_along(network, picture, turned) for picture in (x, spoiled, shorter))
        lines = spread.isnan().any(dim=1).nonzero().flatten() // network.scale
        if not len(lines):
            return None
        reach = int((lines - length // 2).abs().max())
        if reach > farthest or not torch.allclose(
            whole[network.scale * (1 + reach) :], cut[network.scale * reach :], rtol=0, atol=_EXACT
        ):
            return None
        reaches.append(reach)
    return max(reaches)


def _along(network: nn.Module, x: Tensor, turned: bool) -> Tensor:
    """Return a network's result for a strip (1, 3, H, W) line by line along it, (scale * length, values of a line)."""
    out: Tensor = network(x)[0]
    return (out.permute(2, 0, 1) if turned else out.permute(1, 0, 2)).flatten(1)
