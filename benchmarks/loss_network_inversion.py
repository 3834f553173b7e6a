"""What a layer keeps: a picture with the same features as a photo, found from noise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from loss_network_photos import validation_photos
from perceptualloss.images import write_image
from perceptualloss.loss_networks.loss_network import LossNetwork, loss_network
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim

# label: network, its last layer before the third pool, whether its weights are random
NETWORKS = {
    "compact, relu3_3": ("compact", "relu3_3", False),
    "judge, relu3_2": ("judge", "relu3_2", False),
    "compact, random weights, relu3_3": ("compact", "relu3_3", True),
}
SMOOTH = 0.1  # weight of the squared differences between neighbouring pixels


def invert(network: LossNetwork, photo: Tensor, steps: int = 120, seed: int = 0) -> tuple[Tensor, float]:
    r"""Return a picture (1, 3, H, W) in [0, 1] whose features are near those of ``photo``, and their relative error.

    L-BFGS minimises :math:`\|\phi(x) - \phi(y)\|^2 / \|\phi(y)\|^2` (the error; 0 is equal) plus :data:`SMOOTH` times
    the mean squared difference of neighbouring pixels, which keeps out what the layer does not see. It starts from
    noise and moves the picture's Fourier coefficients, each in units of what photos have there (1 / frequency):
    from pixels, it would find edges long before colours.
    """
    wanted = torch.cat([maps.flatten() for maps in network(photo).values()])
    height, width = photo.shape[-2:]
    down, across = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    usual = 0.1 / torch.hypot(down[:, None], across).clamp(min=1 / max(height, width))
    noise = 0.02 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed))
    spectrum = torch.view_as_real(torch.fft.rfft2(noise, norm="ortho")).clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [spectrum], max_iter=steps, history_size=20, line_search_fn="strong_wolfe", tolerance_change=0.0
    )

    def picture() -> Tensor:
        found: Tensor = torch.fft.irfft2(torch.view_as_complex(spectrum) * usual, s=(height, width), norm="ortho")
        return 0.5 + found

    def error(images: Tensor) -> Tensor:
        found = torch.cat([maps.flatten() for maps in network(images).values()])
        return (found - wanted).square().sum() / wanted.square().sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        images = picture()
        rough = images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean()
        value = error(images) + SMOOTH * rough
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        found = picture().clamp(0, 1)
        return found, error(found).item()


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
        start = time.perf_counter()
        found, error = invert(loss_network(architecture, [layer], weights=chosen), photo)
        seconds = time.perf_counter() - start
        figures = f"{error:.4f} | {psnr(found, photo).item():.1f} | {ssim(found, photo).item():.2f} | {seconds:.0f}"
        print(f"| {label} | {figures} |", flush=True)
        row.append(found)
    folder.mkdir(parents=True, exist_ok=True)
    write_image(torch.cat(row, dim=3), folder / "inversion.png")
    print(f"pictures: {folder / 'inversion.png'}")
