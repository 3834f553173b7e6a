r"""How well a loss network stands for VGG-16: what it sees, the gradients it gives, and the styles it transfers.

- explained variance and relative error of Gram matrices, a layer, over photos as they are and under ten distortions;
- cosine between the gradients of :math:`\|\phi(x) - \phi(y)\|^2` with respect to x, through it and through VGG-16,
  where x is y shrunk and enlarged three times;
- the relative style loss of VGG-16 after a photo was optimised through it, and through VGG-16 itself.

``compact``, whose layers have other widths, gets a linear map to VGG-16's, fitted to photos for training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from loss_network_photos import validation_photos
from perceptualloss.apply.optimize_picture import optimize_picture
from perceptualloss.data.distortions import STRENGTHS, down_up
from perceptualloss.data.folder import split_files
from perceptualloss.data.module import middle
from perceptualloss.features.architectures import layers_before_pooling
from perceptualloss.features.network import LossNetwork, loss_network
from perceptualloss.losses.style import gram_matrix
from perceptualloss.losses.style_objective import style_picture
from perceptualloss.metrics.imitation import Imitation
from perceptualloss.pictures.images import picture_files, read_image
from perceptualloss.studies.loss_network.layerwise import least_squares

KINDS = ("blur", "motion", "noise", "speckle", "jpeg", "down-up", "pixelate", "quantise", "gamma", "wave")
STRENGTH = 2  # the middle one of five
LAYERS = tuple(layers_before_pooling("distilled"))
FITTED_ON = 40  # photos
STYLE_SIDE, STEPS = 384, 200

Network = Callable[[Tensor], Mapping[str, Tensor]]


def imitation(data: Path | None, teacher: Path, styles: Path, *, size: int, weights: Mapping[str, str]) -> None:
    """Print the three tables for ``distilled`` and ``compact``."""
    vgg = loss_network("vgg16", LAYERS, weights=teacher)
    distilled, compact = (loss_network(name, LAYERS, weights.get(name, "default")) for name in ("distilled", "compact"))
    networks: dict[str, Network] = {"distilled": distilled, "compact, mapped": mapped(compact, vgg, data, size)}
    photos = validation_photos(data, size)
    print(f"{len(photos)} photos of {size} x {size}; of each layer: explained variance / error of the Gram matrix\n")
    print("| network | photos | " + " | ".join(LAYERS) + " |", "|---" * (len(LAYERS) + 2) + "|", sep="\n")
    for name, network in networks.items():
        for kind in ("as they are", *KINDS):
            print(f"| {name} | {kind} | {' | '.join(seen(network, vgg, photos, kind))} |", flush=True)
    print("\n| cosine of gradients | " + " | ".join(LAYERS) + " |", "|---" * (len(LAYERS) + 1) + "|", sep="\n")
    for name, network in networks.items():
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in cosines(network, vgg, photos))} |", flush=True)
    print(f"\nVGG-16's relative style loss after {STEPS} steps through each, style pictures of {STYLE_SIDE} pixels\n")
    print(
        "| style | photo as it is | VGG-16 | " + " | ".join(networks) + " |",
        "|---" * (len(networks) + 3) + "|",
        sep="\n",
    )
    for number, file in enumerate(picture_files(styles)):
        photo, style = photos[number % len(photos)][None], style_picture(file, STYLE_SIDE)
        through: list[Network] = [vgg, *networks.values()]
        results = [optimised(network, vgg, photo, style) for network in through]
        cells = [style_error(vgg, style, photo).item(), *results]
        print(f"| {file.stem} | " + " | ".join(f"{value:.4f}" for value in cells) + " |", flush=True)


@torch.no_grad()
def mapped(network: LossNetwork, vgg: LossNetwork, data: Path | None, size: int) -> Network:
    """Return ``network`` with the linear map, a layer, that comes closest to ``vgg`` on photos for training."""
    files = split_files(picture_files(data or Path()), 20)[0][:FITTED_ON]
    photos = torch.cat([middle(read_image(file)[0], size)[None] for file in files])
    inputs: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    outputs: dict[str, list[Tensor]] = {layer: [] for layer in LAYERS}
    for photo in photos.split(1):
        for layer, maps in network(photo).items():
            chosen = torch.randperm(maps[0, 0].numel())[:1024]
            inputs[layer].append(maps[0].flatten(1)[:, chosen].mT)
            outputs[layer].append(vgg(photo)[layer][0].flatten(1)[:, chosen].mT)
    maps_to = {layer: least_squares(torch.cat(inputs[layer]), torch.cat(outputs[layer])) for layer in LAYERS}

    def features(pictures: Tensor) -> dict[str, Tensor]:
        found = {}
        for layer, maps in network(pictures).items():
            matrix, bias = maps_to[layer]
            found[layer] = (maps.movedim(1, -1) @ matrix + bias).movedim(-1, 1)
        return found

    return features


@torch.no_grad()
def seen(network: Network, vgg: Network, photos: Tensor, kind: str) -> Iterable[str]:
    """Return what the network sees of VGG-16 in each layer."""
    found = Imitation()
    for photo in photos:
        picture = photo
        if kind in STRENGTHS:
            distort, strengths = STRENGTHS[kind]
            picture = distort(photo, strengths[STRENGTH])
        found.update(network(picture[None]), vgg(picture[None]))
    return [f"{one.explained:.3f} / {one.gram_error:.2f}" for one in found.compute().values()]


def cosines(network: Network, vgg: Network, photos: Tensor) -> list[float]:
    """Return the mean cosine, a layer, between the gradients through both."""
    total = torch.zeros(len(LAYERS))
    for photo in photos:
        start = down_up(photo, 3)[None]
        pairs = zip(*(gradients(each, start, photo[None]) for each in (network, vgg)), strict=True)
        total += torch.stack([torch.cosine_similarity(a, b, dim=0) for a, b in pairs])
    return (total / len(photos)).tolist()


def gradients(network: Network, start: Tensor, goal: Tensor) -> list[Tensor]:
    """Return the gradient at ``start`` of the squared distance to ``goal`` in each layer, flat."""
    picture = start.clone().requires_grad_()
    found = network(picture)
    with torch.no_grad():
        wanted = network(goal)
    losses = [(found[layer] - wanted[layer]).square().sum() for layer in LAYERS]
    return [torch.autograd.grad(loss, picture, retain_graph=True)[0].flatten() for loss in losses]


def style_error(network: Network, style: Tensor, picture: Tensor) -> Tensor:
    """Return the mean over the layers of the squared difference of Gram matrices over the style's squared one."""
    with torch.no_grad():
        wanted = {layer: gram_matrix(maps) for layer, maps in network(style).items()}
    found = {layer: gram_matrix(maps) for layer, maps in network(picture).items()}
    parts = [(found[layer] - wanted[layer]).square().sum() / wanted[layer].square().sum() for layer in LAYERS]
    return torch.stack(parts).mean()


def optimised(network: Network, vgg: Network, photo: Tensor, style: Tensor) -> float:
    """Return VGG-16's relative style loss of the picture that the network makes of a photo."""
    error = partial(style_error, network, style)
    found = optimize_picture(lambda picture: {"style": error(picture)}, photo, STEPS)
    with torch.no_grad():
        return style_error(vgg, style, found.picture).item()
