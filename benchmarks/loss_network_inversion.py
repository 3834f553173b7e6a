"""What a layer keeps: a picture with the same features as a photo, found from noise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from loss_network_photos import validation_photos
from perceptualloss.features.network import loss_network
from perceptualloss.pictures.images import write_image
from perceptualloss.studies.layers.reconstruct import reconstruct

# label: network, its last layer before the third pool, whether its weights are random
NETWORKS = {
    "compact, relu3_3": ("compact", "relu3_3", False),
    "judge, relu3_2": ("judge", "relu3_2", False),
    "compact, random weights, relu3_3": ("compact", "relu3_3", True),
}
STEPS = 120


def inversion(
    folder: Path, data: Path | None, *, size: int = 224, number: int = 13, weights: Mapping[str, str] | None = None
) -> None:
    """Invert each of :data:`NETWORKS` on one validation photo; print a table, write ``inversion.png`` into ``folder``.

    From left to right: the photo, then a picture per network. ``number`` says which validation photo, by name.
    """
    photos = validation_photos(data, size)
    photo = photos[number % len(photos)][None]
    row = [photo]
    print(f"inversion from noise, {size} x {size}; error: of the features, relative")
    print("| features of | error | PSNR | SSIM | seconds |", "|---" * 5 + "|", sep="\n")
    for label, (architecture, layer, random) in NETWORKS.items():
        torch.manual_seed(0)
        chosen = None if random else (weights or {}).get(architecture, "default")
        found = reconstruct(photo, loss_network(architecture, [layer], weights=chosen), steps=STEPS)
        figures = f"{found.error:.4f} | {found.psnr:.1f} | {found.ssim:.2f} | {found.seconds:.0f}"
        print(f"| {label} | {figures} |", flush=True)
        row.append(found.picture)
    folder.mkdir(parents=True, exist_ok=True)
    write_image(torch.cat(row, dim=3), folder / "inversion.png")
    print(f"pictures: {folder / 'inversion.png'}")
