"""What a short training against each critic gives beside none.

    python benchmarks/critics.py [--steps 150] [--photos FOLDER] [--out runs/critics]

trains the x4 upscaler that ships with MSE on, for equally many steps beside L1 and a perceptual loss: against no
critic, and against each, small ones. A run that is stopped goes on where it was. It prints PSNR and ST-LPIPS of the
held-out photos, the last six by name. What critics cost, ``network_costs.py`` says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from loss_network_photos import PHOTOS, validation_photos
from perceptualloss.data.degrade import Downscale
from perceptualloss.files import write_json
from perceptualloss.losses.adversarial import Kind
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.st_lpips import st_lpips
from perceptualloss.networks.course import Critic
from perceptualloss.networks.critics import MultiScaleCritic, PatchCritic
from perceptualloss.networks.named import load_network, shipped
from perceptualloss.networks.projected_critic import ProjectedCritic
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.networks.unet_critic import UNetCritic
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.train import train

LAYERS = ("relu1_2", "relu2_2", "relu3_3")
SMALL: dict[str, tuple[Callable[[], nn.Module] | None, Kind]] = {
    "none": (None, "hinge"),
    "Critic(8)": (partial(Critic, 8), "relativistic_average"),
    "PatchCritic(16, 2)": (partial(PatchCritic, 16, 2), "hinge"),
    "MultiScaleCritic(2, 16, 2)": (partial(MultiScaleCritic, 2, 16, 2), "hinge"),
    "UNetCritic(16)": (partial(UNetCritic, 16), "non_saturating"),
    "ProjectedCritic(16)": (partial(ProjectedCritic, "compact", LAYERS, 16), "hinge"),
}
LOSS = {
    "FeatureReconstructionLoss": {"network": "compact", "layers": {"relu1_2": 4.0, "relu2_2": 4.0}, "distance": "unit"},
    "L1Loss": 0.1,
}
HELD_OUT, SIZE = 6, 256


def trained(name: str, photos: Path | None, steps: int, out: Path) -> Path:
    """Train against one critic, or go on with it, or find it done; return the network's file."""
    folder = out / name.replace(" ", "")
    file = folder / "network.safetensors"
    if file.is_file():
        return file
    build, kind = SMALL[name]
    torch.manual_seed(0)
    recipe = Recipe(
        network=SubPixelUpscaler(4),
        loss=LOSS,
        degradation=Downscale(4),
        photos=photos,
        start_from=shipped()[4, "mse"],
        adversarial=build and Game(kind, weight=0.05, ramp_steps=steps // 5, betas=(0.5, 0.99)),
        critic=build and build(),
        validation=0.1 if photos is None else HELD_OUT,
        crop=64,
        batch_size=4,
        steps=steps,
        learning_rate=2e-4,
        validate_every=steps,
        checkpoint_every=50,
        gradient_clip=1.0,
        device="cpu",
    )
    train(recipe, folder, resume=folder.is_dir(), progress=False)
    return file


@torch.no_grad()
def scores(file: Path, photos: Tensor) -> dict[str, float]:
    """Return the means over the photos, of what the network makes of their quarters."""
    network = load_network(file)
    found: dict[str, list[float]] = {"PSNR (dB)": [], "ST-LPIPS Alex": [], "ST-LPIPS VGG": []}
    for photo in photos:
        output = network(Downscale(4)(photo[None], np.random.default_rng(0))).clamp(0, 1)
        found["PSNR (dB)"].append(float(psnr(output, photo[None])))
        found["ST-LPIPS Alex"].append(float(st_lpips(output, photo[None], "alex")))
        found["ST-LPIPS VGG"].append(float(st_lpips(output, photo[None], "vgg")))
    return {name: sum(values) / len(values) for name, values in found.items()}


def train_all(photos: Path | None, steps: int, out: Path) -> None:
    """Train against each critic, and print what the held-out photos say."""
    results = out / "scores.json"
    known: dict[str, dict[str, float]] = json.loads(results.read_text()) if results.is_file() else {}
    held_out = validation_photos(photos, SIZE, HELD_OUT)
    for name in SMALL:
        if name not in known:
            known[name] = scores(trained(name, photos, steps, out), held_out)
            write_json(known, results)
    print("| critic | " + " | ".join(known["none"]) + " |\n|---|" + "---:|" * len(known["none"]))
    for name in SMALL:
        psnr_of, *others = known[name].values()
        print(f"| {name} | {psnr_of:.2f} | " + " | ".join(f"{value:.4f}" for value in others) + " |")


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--out", type=Path, default=Path("runs/critics"))
    options = parser.parse_args()
    train_all(options.photos, options.steps, options.out)


if __name__ == "__main__":
    main()
