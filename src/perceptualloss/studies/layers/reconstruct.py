"""What a layer keeps: a picture with the same features, or the same Gram matrix, as a photo, found from noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.apply.optimize_picture import Space, Step, noise, optimize_picture
from perceptualloss.drawing.cells import lay_out, text_cell, whole_cell
from perceptualloss.errors import InputError, check_choice, check_image_batch
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network as named_loss_network
from perceptualloss.files import write_json
from perceptualloss.losses.style import gram_matrix
from perceptualloss.losses.total_variation import total_variation as variation_of
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim
from perceptualloss.pictures.images import write_image
from perceptualloss.pictures.ranges import check_values
from perceptualloss.vocabulary import renamed

Kind = Literal["feature", "style"]
JOIN = "+"  # between layers that are matched together
_IN_A_ROW = 6


@dataclass(frozen=True)
class Reconstructed:
    """A picture, (1, 3, H, W) in [0, 1], found from what a layer says of a photo.

    Attributes:
        layers: the layer, or several that were matched together, joined by "+".
        error: of the features or Gram matrices, squared and relative to theirs: 0 is equal, 1 as far as black;
            the mean over the layers.
        psnr: against the photo, in dB. High where the layer keeps the picture; it means nothing where only the
            layout or the texture is kept.
        ssim: the same.
        losses: the error plus the weighted total variation after each step, the start first.
        evaluations: of network and gradient.
        seconds: the time it took.
    """

    picture: Tensor = field(repr=False)
    layers: str
    error: float
    psnr: float
    ssim: float
    losses: tuple[float, ...] = field(repr=False)
    evaluations: int
    seconds: float


def reconstruct(
    photo: Tensor,
    network: LossNetwork,
    kind: Kind = "feature",
    steps: int = 100,
    total_variation: float = 0.1,
    seed: int = 0,
    space: Space = "frequencies",
    progress: Callable[[Step], None] | None = None,
) -> Reconstructed:
    r"""Find a picture that the network's layers cannot tell from a photo, starting from noise.

    Minimises the mean over the layers j of :math:`\|\phi_j(x) - \phi_j(y)\|_2^2 / \|\phi_j(y)\|_2^2`, or the same
    of Gram matrices, plus ``total_variation`` times that (the mean of :math:`d_x^2 + d_y^2`), which keeps out what the
    layers do not see, by L-BFGS.

    Args:
        photo: (1, 3, H, W) in [0, 1].
        network: its ``layers`` are matched.
        kind: "feature", which keeps places, or "style", which keeps what goes together wherever it is.
        steps: of L-BFGS.
        total_variation: weight of the total variation.
        seed: of the noise.
        space: what is moved, "frequencies" or "pixels" (see :mod:`perceptualloss.apply.optimize_picture`). From
            pixels, edges come long before colours; from frequencies, the Gram matrices of the first layer, which say
            nothing of large areas, can leave some saturated.
        progress: called with each step.

    Raises:
        InputError: for more than one photo, an unknown kind, or settings out of range.

    Source: Mahendran and Vedaldi, CVPR 2015; Johnson et al. 2016, figures 3 and 4; Gatys et al., CVPR 2016.

    >>> kept = reconstruct(torch.rand(1, 3, 16, 16), named_loss_network("compact", ["relu1_1"]), steps=2)
    >>> kept.layers, kept.picture.shape, kept.losses[2] < kept.losses[0]
    ('relu1_1', torch.Size([1, 3, 16, 16]), True)
    """
    check_image_batch("photo", photo)
    check_values("photo", photo, 0, 1, setting="")
    if len(photo) != 1:
        raise InputError("one photo, (1, 3, H, W)", str(tuple(photo.shape)), "Give one at a time.")
    if not total_variation >= 0:
        raise InputError("total_variation to be at least 0", f"{total_variation:g}")
    view = _sight(network, kind)
    with torch.no_grad():
        target = view(photo)
        norms = {layer: values.square().sum() for layer, values in target.items()}

    def terms(picture: Tensor) -> dict[str, Tensor]:
        parts = [(values - target[j]).square().sum() / norms[j] for j, values in view(picture).items()]
        variation = total_variation * variation_of(picture, "power")[0]
        return {"error": torch.stack(parts).mean(), "total_variation": variation}

    size = (int(photo.shape[-2]), int(photo.shape[-1]))
    start = noise(size, seed, space).to(photo)
    optimized = optimize_picture(terms, start, steps, space=space, progress=progress)
    return Reconstructed(
        optimized.picture,
        JOIN.join(network.layers),
        optimized.terms[-1]["error"],
        float(psnr(optimized.picture, photo)),
        float(ssim(optimized.picture, photo)),
        optimized.losses,
        optimized.evaluations[-1],
        optimized.seconds[-1],
    )


@renamed("reconstruct")
def reconstruct_layers(
    photo: Tensor,
    layers: Sequence[str],
    loss_network: str = "compact",
    weights: str | Path | None = "default",
    kind: Kind = "feature",
    steps: int = 100,
    total_variation: float = 0.1,
    seed: int = 0,
    space: Space = "frequencies",
    progress: Callable[[int, Step], None] | None = None,
) -> list[Reconstructed]:
    """Reconstruct a photo (1, 3, H, W) from each layer on its own, or from several joined by "+".

    Args:
        photo: (1, 3, H, W) in [0, 1].
        layers: such as ``["relu1_2", "relu2_2", "relu1_2+relu2_2"]``.
        loss_network: its name.
        weights: its weights (see :func:`loss_network`).
        kind: as the rest, see :func:`reconstruct`.
        steps: of each.
        total_variation: weight of the total variation.
        seed: of the noise.
        space: what is moved, "frequencies" or "pixels".
        progress: called with the number of the layer, from 0, and each step.

    Raises:
        InputError: as :func:`reconstruct`, or for an unknown network or layer.
    """
    # All of them first, so that mistakes show before the work.
    networks = [named_loss_network(loss_network, names.split(JOIN), weights) for names in layers]
    reconstructions = []
    for number, one in enumerate(networks):
        tell = None if progress is None else _numbered(progress, number)
        network = one.to(photo.device)
        reconstructions.append(reconstruct(photo, network, kind, steps, total_variation, seed, space, tell))
    return reconstructions


def reconstruction_panel(photo: Tensor, reconstructions: Sequence[Reconstructed], column: int = 256) -> Image.Image:
    """Draw the photo and what was reconstructions from each layer, with its figures."""
    cells = [("photo", photo, [f"{photo.shape[-1]} x {photo.shape[-2]}"])]
    for one in reconstructions:
        figures = [f"error {one.error:.2g}", f"PSNR {one.psnr:.1f} dB, SSIM {one.ssim:.2f}"]
        cells.append((one.layers.replace(JOIN, f" {JOIN} "), one.picture, figures))
    rows = []
    for first in range(0, len(cells), _IN_A_ROW):
        some = cells[first : first + _IN_A_ROW]
        rows.append([text_cell([name], 18, column, bold=True) for name, _, _ in some])
        rows.append([whole_cell(picture, (), column) for _, picture, _ in some])
        rows.append([text_cell(figures, 15, column) for _, _, figures in some])
    return lay_out(rows, column)


def write_reconstructions(
    photo: Tensor, reconstructions: Sequence[Reconstructed], folder: Path, settings: Mapping[str, object]
) -> list[Path]:
    """Write ``panel.png``, ``photo.png``, a picture for each layer and ``figures.json``; return the paths.

    Raises:
        InputError: for a folder that cannot be written to.
    """
    pictures = {"photo": photo} | {one.layers: one.picture for one in reconstructions}
    figures = [{k: v for k, v in vars(one).items() if k != "picture"} for one in reconstructions]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reconstruction_panel(photo, reconstructions).save(folder / "panel.png")
        write_json({"settings": settings, "layers": figures}, folder / "figures.json")
    except OSError as error:
        raise InputError(f"{folder} to be writable", str(error)) from error
    for name, picture in pictures.items():
        write_image(picture, folder / f"{name}.png")
    return [folder / "panel.png", folder / "figures.json", *(folder / f"{name}.png" for name in pictures)]


def _sight(network: LossNetwork, kind: str) -> Callable[[Tensor], dict[str, Tensor]]:
    """Return what gives the features, or the Gram matrices, of the network's layers."""
    if check_choice("kind", kind, get_args(Kind)) == "feature":
        return network
    return lambda picture: {layer: gram_matrix(features) for layer, features in network(picture).items()}


def _numbered(progress: Callable[[int, Step], None], number: int) -> Callable[[Step], None]:
    return lambda step: progress(number, step)
