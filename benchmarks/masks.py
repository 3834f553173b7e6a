"""What a mask weighs in each layer, by area and exactly, and what comes in from outside.

    python benchmarks/masks.py [--out runs/masks]

A photo of 192 x 192 pixels of which a disc is not to count, compared with a blurred one by features of the embedded
loss network. Draws the weights of the positions of each layer, and where the gradient is, into OUT/masks.jpg; prints
what share of the gradient's norm lies outside the mask, and by how much the value changes when noise takes the place of
what is outside.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import torch
from matplotlib.figure import Figure
from torch import Tensor

from perceptualloss import FeatureReconstructionLoss, resize
from perceptualloss.data.folder import builtin_photos
from perceptualloss.losses.mask import Masking, checked_mask
from perceptualloss.losses.places import places
from perceptualloss.pictures.images import read_image

LAYERS = ("relu1_2", "relu2_2", "relu3_3")
SIZE = 192


def main() -> None:
    """Print the figures and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/masks"))
    options = parser.parse_args()
    target, output, mask = scene()
    print("| masking | layer | positions that count | gradient outside | change of the value by noise outside |")
    print("|---|---|---:|---:|---:|")
    for masking in get_args(Masking):
        for layer in LAYERS:
            counted, outside, change = leak(target, output, mask, layer, masking)
            print(f'| `"{masking}"` | {layer} | {counted:.0%} | {outside:.1%} | {change:.1%} |')
    options.out.mkdir(parents=True, exist_ok=True)
    draw(target, output, mask).savefig(options.out / "masks.jpg", dpi=100)
    print(f"Wrote {options.out / 'masks.jpg'}")


def scene() -> tuple[Tensor, Tensor, Tensor]:
    """Return a photo, a blurred one, and the mask of all but a disc."""
    photo = read_image(builtin_photos("validation")[0])[..., 20 : 20 + SIZE, 100 : 100 + SIZE]
    blurred = resize(resize(photo, 0.5), size=(SIZE, SIZE)).clamp(0, 1)
    rows, columns = torch.arange(SIZE).view(-1, 1), torch.arange(SIZE)
    disc = (rows - 70) ** 2 + (columns - 115) ** 2 < 34**2
    return photo, blurred, (~disc).float()[None, None]


def leak(target: Tensor, output: Tensor, mask: Tensor, layer: str, masking: Masking) -> tuple[float, float, float]:
    """Return the share of positions that count, of the gradient's norm outside, and the value's change by noise."""
    loss = FeatureReconstructionLoss("compact", [layer], "unit")
    value, gradient = value_and_gradient(loss, output, target, mask, masking)
    noisy = torch.where(mask == 1, output, torch.rand(output.shape, generator=torch.Generator().manual_seed(0)))
    other, _ = value_and_gradient(loss, noisy, target, mask, masking)
    weights = places(checked_mask(mask, output, masking), loss.network, loss.network(output))[layer]
    outside = (gradient * (1 - mask)).norm() / gradient.norm()
    return float(weights.positions.mean()), float(outside), abs(other / value - 1)


def value_and_gradient(
    loss: FeatureReconstructionLoss, output: Tensor, target: Tensor, mask: Tensor, masking: Masking
) -> tuple[float, Tensor]:
    """Return the loss under the mask, and its gradient."""
    output = output.clone().requires_grad_()
    value = loss(output, target, mask, masking=masking)
    (gradient,) = torch.autograd.grad(value, output)
    return float(value.detach()), gradient


def draw(target: Tensor, output: Tensor, mask: Tensor) -> Figure:
    """Draw a row for each meaning: the photo, each layer's weights, and the gradient."""
    loss = FeatureReconstructionLoss("compact", LAYERS, "unit")
    figure = Figure(figsize=(12.5, 5.4), layout="constrained")
    for row, masking in enumerate(get_args(Masking)):
        found = places(checked_mask(mask, output, masking), loss.network, loss.network(output))
        _, gradient = value_and_gradient(loss, output, target, mask, masking)
        strength = gradient[0].abs().amax(dim=0)
        panels = [target[0].permute(1, 2, 0), *(found[layer].positions[0, 0] for layer in LAYERS)]
        panels.append((strength / strength.max()).clamp(1e-4).log10())
        titles = [f'"{masking}"', *(f"weights at {layer}" for layer in LAYERS), "gradient, log scale"]
        for column, (panel, title) in enumerate(zip(panels, titles, strict=True)):
            axes = figure.add_subplot(2, 5, 5 * row + column + 1)
            scale = (0, 1) if column < 4 else (-4, 0)
            axes.imshow(
                panel, cmap="gray" if column < 4 else "magma", vmin=scale[0], vmax=scale[1], extent=(0, 1, 1, 0)
            )
            axes.contour(mask[0, 0], levels=[0.5], colors="#00b4d8", linewidths=1, extent=(0, 1, 0, 1))
            axes.set_title(title, fontsize=10)
            axes.set_xlim(0, 1)
            axes.set_ylim(1, 0)
            axes.set_xticks([])
            axes.set_yticks([])
    return figure


if __name__ == "__main__":
    main()
