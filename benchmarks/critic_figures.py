"""How the critics are built, for ``network_figures.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from torch import nn

import perceptualloss as p
from columns import BLUE, ORANGE, Row, channels, conv, end, plus, size
from svg import Drawing


def critic() -> Iterator[Row]:
    it = p.Critic()
    convolutions = [layer for layer in it.features if isinstance(layer, nn.Conv2d)]
    yield end("picture", size(3))
    for number, layer in enumerate(convolutions, 1):
        yield Row([conv(layer), "LeakyReLU"], size(channels(layer), f"H/{2**number}"))
    yield Row(["mean over all places"], str(it.score.in_features))
    yield Row([f"linear, {it.score.in_features} → 1"], "1")
    yield end("score", "")


def patch_critic() -> Iterator[Row]:
    it = p.PatchCritic()
    yield end("picture", size(3))
    for number, layer in enumerate(it.layers):
        inside = cast(nn.Sequential, layer)[0]
        norm = ", norm" if number else ""
        factor = f"H/{2 ** (number + 1)}" if number < it.n_layers else f"H/{2**it.n_layers}-1"
        yield Row([conv(inside), f"LeakyReLU{norm}" if not norm else "norm, LeakyReLU"], size(channels(inside), factor))
    yield Row([conv(it.score[0])], size(1, f"H/{2**it.n_layers}-2"))
    yield end("scores of patches", "")


def unet_critic() -> Iterator[Row]:
    it = p.UNetCritic()
    yield end("picture", size(3))
    yield Row([conv(it.first), "LeakyReLU"], size(it.width))
    for number, layer in enumerate(it.down, 1):
        yield Row([conv(layer), "LeakyReLU"], size(channels(layer), f"H/{2**number}"))
    for number, layer in enumerate(it.up):
        factor = ("H/4", "H/2", "")[number]
        yield Row(["bilinear x 2", conv(layer, ", LeakyReLU")], size(channels(layer), factor))
        yield plus(f"the features of {size(channels(layer), factor)}", 3 - number, number + 1)
    yield Row(["2 times conv 3 x 3, LeakyReLU", conv(it.last[0])], size(it.width))
    yield Row([conv(it.score)], size(1))
    yield end("scores of pixels", "")


def multi_scale(drawing: Drawing) -> None:
    """Draw the same critic at three sizes of the picture."""
    it = p.MultiScaleCritic()
    sizes = ("H x W", *(f"H/{2**n} x W/{2**n}" for n in range(1, it.scales)))
    for number, words in enumerate(sizes):
        y = 44.0 + 84 * number
        side = 64.0 - 12 * number
        drawing.box(70, y, ["picture", words], (100, side))
        drawing.arrow((120, y), (165, y))
        drawing.box(236, y, ["PatchCritic", f"width {it.width}"], (140, 46), BLUE)
        drawing.arrow((306, y), (335, y))
        drawing.text(342, y + 4, "scores", 12.5, "ink", "start")
        if number + 1 < it.scales:
            below = y + 84 - (side - 12) / 2
            drawing.arrow((70, y + side / 2), (70, below - 1))
            drawing.text(80, (y + side / 2 + below) / 2 + 4, "mean of 3 x 3, / 2", 11.5, "muted", "start")


def projected(drawing: Drawing) -> None:
    """Draw the frozen network's layers, the random projections between them, and a head for each."""
    it = p.ProjectedCritic(width=4)
    drawing.text(70, 18, "frozen network", 12, "muted")
    drawing.text(220, 18, "drawn once, never trained", 12, "muted")
    drawing.text(370, 18, "learns", 12, "muted")
    drawing.text(70, 44, "picture")
    for number, name in enumerate(it.layers):
        y = 84.0 + 74 * number
        drawing.arrow((70, 50 if number == 0 else y - 74 + 18), (70, y - 19))
        drawing.box(70, y, [name], (96, 36))
        drawing.arrow((118, y), (159, y))
        drawing.box(220, y, ["mix 1 x 1"], (120, 36), ORANGE)
        drawing.arrow((280, y), (321, y))
        drawing.box(370, y, ["head → map"], (96, 36), BLUE)
        if number + 1 < len(it.layers):
            drawing.arrow((220, y + 56), (220, y + 19), edge=ORANGE)
            drawing.text(228, y + 42, "+ conv 3 x 3, enlarged", 11.5, "muted", "start")


COLUMNS: dict[str, Callable[[], Iterator[Row]]] = {
    "Critic": critic,
    "PatchCritic": patch_critic,
    "UNetCritic": unet_critic,
}
OTHERS: dict[str, tuple[float, Callable[[Drawing], None]]] = {
    "MultiScaleCritic": (260, multi_scale),
    "ProjectedCritic": (340, projected),
}
