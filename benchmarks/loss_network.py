"""What the embedded loss networks are worth: everything that docs/loss-network-study.md says of them, measured.

    python benchmarks/loss_network.py [PART ...] [--photos DIR] [--weights judge=FILE ...]

Parts, all by default:

- agreement: how far they find distorted photos (``loss_network_agreement.py`` says what the figures mean);
- yardsticks: whether they rank distorted photos as ST-LPIPS and SSIMULACRA 2 do, and which of the judge's variants is
  to be ``perceptual_distance`` (``loss_network_yardsticks.py`` has the rule); 25 minutes on an idle core;
- metrics: whether they rank distorted photos as FSIM, VSI, HaarPSI and MDSI do, which agree well with people;
- training: super-resolution trained with each as the loss: PSNR and distances, panels;
- grid: the energy at the pooling's period in flat areas of what was trained (``loss_network_grid.py``);
- inversion: photos found again from their features;
- imitation: how well compact stands for VGG-16, its teacher (``loss_network_imitation.py``); needs --teacher;
- cost: forward and backward per megapixel, against VGG-16.

Random networks and mean squared error stand beside them. Photos: the last ones of --photos by name, which no
training of the loss networks saw. Where other programs run too, set OMP_NUM_THREADS=1: threads that wait for each other
are slower than one. cost with one thread is timed by what the thread computes; with more it needs an idle machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from loss_network_agreement import agreement
from loss_network_cost import cost
from loss_network_grid import grid
from loss_network_imitation import imitation
from loss_network_inversion import inversion
from loss_network_metrics import metrics
from loss_network_photos import PHOTOS
from loss_network_training import training
from loss_network_yardsticks import yardsticks

STYLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "styles"
TRAINED = "upscale4x"  # in --out

PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "agreement": lambda o: agreement(o.photos, size=o.size, weights=o.weights),
    "yardsticks": lambda o: yardsticks(o.photos, o.out, size=o.size, weights=o.weights),
    "metrics": lambda o: metrics(o.photos, size=o.size, weights=o.weights),
    "training": lambda o: training(
        o.out / TRAINED,
        o.photos,
        network=o.network,
        steps=o.steps,
        warm_up=o.warm_up_steps,
        weights=o.weights,
        resume=o.resume,
    ),
    "grid": lambda o: grid(o.compared or o.out / TRAINED),
    "inversion": lambda o: inversion(o.out, o.photos, weights=o.weights),
    "imitation": lambda o: (
        imitation(o.photos, o.teacher, o.styles, size=o.size, weights=o.weights)
        if o.teacher
        else print("left out: name a file with VGG-16's weights, --teacher FILE")
    ),
    "cost": lambda o: cost(),
}


def weights_file(text: str) -> tuple[str, str]:
    """Return the network and the file of ``network=file``."""
    network, _, file = text.partition("=")
    if network not in ("compact", "judge") or not file:
        raise argparse.ArgumentTypeError(f"expected compact=FILE or judge=FILE, got {text!r}")
    return network, file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; without any, all of them")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help=f"a folder with photos (default: {PHOTOS})")
    parser.add_argument("--out", type=Path, default=Path("runs/loss_network"), help="for panels, pictures, networks")
    parser.add_argument("--weights", nargs="+", type=weights_file, default=[], help="compact=FILE or judge=FILE")
    parser.add_argument("--teacher", type=Path, help="imitation: a file with VGG-16's weights")
    parser.add_argument("--styles", type=Path, default=STYLES, help="imitation: a folder with pictures of styles")
    parser.add_argument(
        "--size",
        type=int,
        default=256,
        help="agreement, yardsticks, metrics, imitation: height and width of the photos",
    )
    parser.add_argument(
        "--network", choices=("residual", "course"), default="residual", help="training: what is trained"
    )
    parser.add_argument("--steps", type=int, default=1600, help="training: steps of each network")
    parser.add_argument("--warm-up-steps", type=int, default=800, help="training: how many of these are with MSE")
    parser.add_argument("--resume", action="store_true", help="training: go on with an interrupted one")
    parser.add_argument("--compared", type=Path, help="grid: of another finished comparison, such as runs/compare/...")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    options.weights = dict(options.weights)
    for part in options.parts or PARTS:
        print(f"\n## {part}\n", flush=True)
        PARTS[part](options)


if __name__ == "__main__":
    main()
