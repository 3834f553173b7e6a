r"""How well a loss network stands for VGG-16: what it sees, the gradients it gives, and the styles it transfers.

- explained variance and relative error of Gram matrices, a layer, over photos as they are and under ten distortions;
- cosine between the gradients of :math:`\|\phi(x) - \phi(y)\|^2` with respect to x, through it and through VGG-16,
  where x is y shrunk and enlarged three times;
- the relative style loss of VGG-16 after a photo was optimised through it, and through VGG-16 itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from loss_network_photos import validation_photos
from perceptualloss.apply.optimize_picture import optimize_picture
from perceptualloss.data.decoding import middle
from perceptualloss.data.distortions import STRENGTHS, down_up
from perceptualloss.features.architectures import layers_before_pooling
from perceptualloss.features.network import loss_network
from perceptualloss.losses.style import gram_matrix
from perceptualloss.losses.style_objective import style_picture
from perceptualloss.metrics.imitation import Imitation
from perceptualloss.pictures.listing import picture_files

KINDS = ("blur", "motion", "noise", "speckle", "jpeg", "down-up", "pixelate", "quantise", "gamma", "wave")
STRENGTH = 2  # the middle one of five
LAYERS = tuple(layers_before_pooling("compact"))
STYLES, STYLE_SIDE, PHOTO_SIDE, STEPS = 2, 256, 160, 200  # VGG-16 at larger sizes takes most of the time

Network = Callable[[Tensor], Mapping[str, Tensor]]


def imitation(data: Path | None, teacher: Path, styles: Path, *, size: int, weights: Mapping[str, str]) -> None:
    """Print the three tables for what ships and, where ``weights`` names a file, for that."""
    networks: dict[str, Network] = {"compact": loss_network("compact", LAYERS)}
    if "compact" in weights:
        networks[weights["compact"]] = loss_network("compact", LAYERS, weights["compact"])
    tables(networks, loss_network("vgg16", LAYERS, weights=teacher), validation_photos(data, size), styles)


def tables(networks: Mapping[str, Network], vgg: Network, photos: Tensor, styles: Path) -> None:
    """Print what the networks see of VGG-16, their gradients' cosines with its own, and what styles they transfer."""
    print(f"{len(photos)} photos of {photos.shape[-1]} x {photos.shape[-1]}; of each layer:")
    print("explained variance / error of the Gram matrix\n")
    print_row("photos", "network", *LAYERS)
    print_row(*["---"] * (len(LAYERS) + 2))
    for kind in ("as they are", *KINDS):
        for name, cells in seen(networks, vgg, photos, kind).items():
            print_row(kind, name, *cells)
    print()
    print_row("cosine of gradients", *LAYERS)
    print_row(*["---"] * (len(LAYERS) + 1))
    for name, values in cosines(networks, vgg, photos).items():
        print_row(name, *(f"{value:.2f}" for value in values))
    print(f"\nVGG-16's relative style loss after {STEPS} steps through each,")
    print(f"photos of {PHOTO_SIDE} x {PHOTO_SIDE}, style pictures of {STYLE_SIDE} pixels\n")
    print_row("style", "photo as it is", "VGG-16", *networks)
    print_row(*["---"] * (len(networks) + 3))
    files = picture_files(styles)
    for number, file in enumerate(files[:: max(1, len(files) // STYLES)][:STYLES]):
        photo, style = middle(photos[number % len(photos)], PHOTO_SIDE)[None], style_picture(file, STYLE_SIDE)
        results = [optimised(network, vgg, photo, style) for network in (vgg, *networks.values())]
        start = style_error(vgg(photo), grams(vgg, style)).item()
        print_row(file.stem, *(f"{value:.4f}" for value in (start, *results)))


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


@torch.no_grad()
def seen(networks: Mapping[str, Network], vgg: Network, photos: Tensor, kind: str) -> dict[str, list[str]]:
    """Return what each network sees of VGG-16 in each layer."""
    found = {name: Imitation() for name in networks}
    for photo in photos:
        picture = photo
        if kind in STRENGTHS:
            distort, strengths = STRENGTHS[kind]
            picture = distort(photo, strengths[STRENGTH])
        wanted = vgg(picture[None])
        for name, network in networks.items():
            found[name].update(network(picture[None]), wanted)
    return {
        name: [f"{layer.explained:.3f} / {layer.gram_error:.2f}" for layer in one.compute().values()]
        for name, one in found.items()
    }


def cosines(networks: Mapping[str, Network], vgg: Network, photos: Tensor) -> dict[str, list[float]]:
    """Return the mean cosine, a layer, between the gradients through each network and through VGG-16."""
    totals = {name: torch.zeros(len(LAYERS)) for name in networks}
    for photo in photos:
        start = down_up(photo, 3)[None]
        wanted = gradients(vgg, start, photo[None])
        for name, network in networks.items():
            pairs = zip(gradients(network, start, photo[None]), wanted, strict=True)
            totals[name] += torch.stack([torch.cosine_similarity(a, b, dim=0) for a, b in pairs])
    return {name: (total / len(photos)).tolist() for name, total in totals.items()}


def gradients(network: Network, start: Tensor, goal: Tensor) -> list[Tensor]:
    """Return the gradient at ``start`` of the squared distance to ``goal`` in each layer, flat."""
    picture = start.clone().requires_grad_()
    found = network(picture)
    with torch.no_grad():
        wanted = network(goal)
    losses = [(found[layer] - wanted[layer]).square().sum() for layer in LAYERS]
    return [torch.autograd.grad(loss, picture, retain_graph=True)[0].flatten() for loss in losses]


@torch.no_grad()
def grams(network: Network, picture: Tensor) -> dict[str, Tensor]:
    return {layer: gram_matrix(maps) for layer, maps in network(picture).items()}


def style_error(maps: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> Tensor:
    """Return the mean over the layers of the squared difference of Gram matrices over the style's squared one."""
    parts = [(gram_matrix(maps[layer]) - style[layer]).square().sum() / style[layer].square().sum() for layer in LAYERS]
    return torch.stack(parts).mean()


def optimised(network: Network, vgg: Network, photo: Tensor, style: Tensor) -> float:
    """Return VGG-16's relative style loss of the picture that the network makes of a photo."""
    wanted = grams(network, style)
    found = optimize_picture(lambda picture: {"style": style_error(network(picture), wanted)}, photo, STEPS)
    with torch.no_grad():
        return style_error(vgg(found.picture), grams(vgg, style)).item()
