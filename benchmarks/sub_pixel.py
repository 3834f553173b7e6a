"""What even sums of taps are for: the same network trained on with a perceptual loss, with them and without.

    python benchmarks/sub_pixel.py NETWORK.safetensors [--steps 250] [--photos DIR] [--out runs/sub_pixel]

NETWORK is a ``SubPixelUpscaler``, trained for pixels. Both runs start from its very function: for the second one the
even kernels are written down as they are, and may then go where the loss likes. Printed are PSNR (RGB) and, as
``loss_network.py`` measures a grid in flat areas, the energy and the peak at 2 and 4 pixels over the ground truth's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from loss_network_grid import figures_of
from loss_network_photos import PHOTOS
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.registry import build_loss
from perceptualloss.metrics.psnr import psnr
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.named import load_network
from perceptualloss.networks.sub_pixel import EvenSubPixel, SubPixelUpscaler
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.supervised import Supervised


class Unbound(EvenSubPixel):
    """The layer with its weights as they are."""

    def even_weight(self) -> Tensor:
        """Return ``weight``."""
        return self.weight


def unbound(network: SubPixelUpscaler) -> SubPixelUpscaler:
    """Free the sub-pixel layers; what the network gives stays the same until it is trained."""
    network.enlarge = nn.ModuleList(_free(layer) for layer in network.enlarge)
    network.last = _free(network.last)
    return network


def _free(layer: nn.Module) -> Unbound:
    if not isinstance(layer, EvenSubPixel):
        raise InputError("a sub-pixel layer", type(layer).__name__)
    free = Unbound(layer.weight.shape[1], len(layer.bias), layer.scale)
    free.load_state_dict({"weight": layer.even_weight(), "bias": layer.bias})
    return free


def load(file: Path) -> SubPixelUpscaler:
    network = load_network(file)
    if not isinstance(network, SubPixelUpscaler):
        raise InputError("a SubPixelUpscaler", f"a {type(network).__name__} in {file}")
    return network.fused().train()


@torch.no_grad()
def report(name: str, network: TransformationNetwork, data: PhotoData) -> None:
    pairs = [(network.eval()(low).clamp(0, 1), high) for _, low, high in data.validation_pairs()]
    outputs, truths = ([pair[i] for pair in pairs] for i in (0, 1))
    mean = torch.cat([psnr(*pair) for pair in pairs]).mean().item()
    figures = figures_of(outputs, truths)
    cells = [f"{figures[period][i]:.2f}" for i in (0, 1) for period in (2, 4)]
    print(f"| {name} | {mean:.2f} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="a folder with photos, the last 20 for measuring")
    parser.add_argument("--out", type=Path, default=Path("runs/sub_pixel"))
    options = parser.parse_args()
    validation = 20 if options.photos is not None else 0.1
    heads = ["", "PSNR (dB)", *(f"{figure}, {period} px" for figure in ("energy", "peak") for period in (2, 4))]
    for name in ("even", "unbound"):
        network = load(options.network)
        if name == "unbound":
            unbound(network)
        crop = 24 * network.scale
        data = PhotoData(Downscale(network.scale), options.photos, validation=validation, crop=crop, batch_size=8)
        if name == "even":
            print(f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", sep="\n")
            report("as it was", network, data)
        task = Supervised(network, build_loss("perceptual", network="compact"), learning_rate=5e-4)
        budget = Budget(options.steps, validate_every=options.steps, checkpoint_every=options.steps)
        fit(task, data, options.out / name, budget, progress=False)
        report(name, network, data)


if __name__ == "__main__":
    main()
