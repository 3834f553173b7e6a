"""Draw the figures of the course: why MSE blurs, the networks, the losses; once in English, once in German.

    python benchmarks/course_figures.py

writes docs/images/course/NAME.svg and NAME-de.svg. The drawings carry their own paper and follow the reader's choice
of light or dark. What they say of a network's layers is read from the network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

from torch import nn

from perceptualloss.networks.course import Critic, Generator, ResNetBlock, Upscale2x, Upscale4x
from svg import Drawing

GERMAN = {
    "input": "Eingabe",
    "output": "Ausgabe",
    "target": "Zielbild",
    "network": "Netz",
    "bilinear": "bilinear",
    "features": "Merkmale",
    "frozen": "eingefroren",
    "learns": "lernt",
    "gradient": "Gradient",
    "no gradient": "kein Gradient",
    "mean |difference|": "Mittel |Differenz|",
    "line here": "Linie hier",
    "or there": "oder dort",
    "the mean": "das Mittel",
    "black": "schwarz",
    "small picture": "kleines Bild",
    "answer": "Antwort",
    "if the line is left": "liegt die Linie links",
    "if it is right": "liegt sie rechts",
    "expected MSE": "erwarteter MSE",
    "at low resolution": "in kleiner Auflösung",
    "at full size": "in voller Größe",
    "shortcut": "Abkürzung",
    "1 x 1 if the channels change": "1 x 1, wenn sich die Kanäle ändern",
    "small photo": "kleines Foto",
    "score": "Punktzahl",
    "critic": "Kritiker",
    "generator": "Generator",
    "1. the critic's step": "1. Schritt des Kritikers",
    "2. the generator's step": "2. Schritt des Generators",
    "detached": "detach()",
    "loss of the critic": "Verlust des Kritikers",
    "loss of the generator": "Verlust des Generators",
    "mean": "Mittel",
    "cut here: features[:16]": "hier endet features[:16]",
    "not used: classifier, 1000 classes": "nicht gebraucht: Klassifikator, 1000 Klassen",
    "channels": "Kanäle",
    "mean over all places": "Mittel über alle Orte",
    "photo": "Foto",
    "seconds": "Sekunden",
    "in": "ein",
    "out": "aus",
}


def grey(value: float) -> str:
    """Return the colour of a pixel."""
    level = round(255 * value)
    return f"rgb({level},{level},{level})"


def pixels(drawing: Drawing, x: float, y: float, values: Sequence[float], side: float = 44) -> None:
    """Draw a row of pixels with their values; what is wider than ``side`` is a pixel of the small picture."""
    for i, value in enumerate(values):
        drawing.rect(x + i * side, y, side, 36, grey(value))
        ink = "#ffffff" if value < 0.5 else "#1b1f24"
        drawing.parts.append(
            f'<text x="{x + (i + 0.5) * side:g}" y="{y + 23:g}" font-size="13" text-anchor="middle" fill="{ink}">'
            f"{value:g}</text>"
        )


def why_mse_blurs(drawing: Drawing) -> None:
    """Draw two pictures that fit one small picture, and what each answer costs on average."""
    left, right = [0.0, 0, 1, 0, 0, 0], [0.0, 0, 0, 1, 0, 0]
    answers = {
        "line here": left,
        "or there": right,
        "the mean": [(a + b) / 2 for a, b in zip(left, right, strict=True)],
        "black": [0.0] * 6,
    }
    small = [(a + b) / 2 for a, b in zip(left[::2], left[1::2], strict=True)]
    drawing.text(16, 49, "small picture", anchor="start")
    pixels(drawing, 140, 26, small, 88)
    drawing.text(16, 92, "answer", 12, "muted", "start")
    columns = {440: "if the line is left", 580: "if it is right", 700: "expected MSE"}
    for x, words in columns.items():
        drawing.text(x, 92, words, 12, "muted")
    for row, (name, answer) in enumerate(answers.items()):
        y = 106 + row * 52
        if name == "the mean":
            drawing.rect(8, y - 7, 744, 50, "paper", "orange")
        drawing.text(16, y + 23, name, anchor="start")
        pixels(drawing, 140, y, answer)
        costs = [sum((a - b) ** 2 for a, b in zip(answer, truth, strict=True)) / 6 for truth in (left, right)]
        for x, cost in zip(columns, [*costs, sum(costs) / 2], strict=True):
            drawing.text(x, y + 23, f"{cost:.3f}", 14, "orange" if name == "the mean" and x == 700 else "ink")


def layers_of(network: nn.Module) -> list[list[str]]:
    """Return a box's lines for each layer of a course's network that is worth one."""
    boxes = []
    for layer in cast(nn.Sequential, network).children():
        if isinstance(layer, ResNetBlock):
            size = layer.conv1.kernel_size[0]
            boxes.append(["ResNetBlock", f"{size} x {size}", f"{layer.conv1.in_channels} → {layer.conv1.out_channels}"])
        elif isinstance(layer, nn.Conv2d):
            size = layer.kernel_size[0]
            boxes.append(["Conv2d", f"{size} x {size}", f"{layer.in_channels} → {layer.out_channels}"])
        elif isinstance(layer, nn.PixelShuffle):
            boxes.append(["PixelShuffle", f"x {layer.upscale_factor}"])
    return boxes


def chain(drawing: Drawing, boxes: Sequence[Sequence[str]], y: float, start: float, step: float) -> list[float]:
    """Draw boxes in a row with arrows between, and return where they stand."""
    places = [start + i * step for i in range(len(boxes))]
    for x, lines in zip(places, boxes, strict=True):
        edge = "blue" if lines[0] == "ResNetBlock" else "line"
        drawing.box(x, y, lines, (90, 66), edge)
    for a, b in pairwise(places):
        drawing.arrow((a + 45, y), (b - 46, y))
    return places


def upscaler(network: Upscale2x | Upscale4x) -> Callable[[Drawing], None]:
    """Return what draws one of the upscalers: interpolate first, then refine at full size."""

    def draw(drawing: Drawing) -> None:
        y = 92.0
        boxes = [["Upsample", f"x {network.scale}", drawing.say("bilinear")], *layers_of(network.model)]
        drawing.text(30, y + 4, "input")
        drawing.arrow((60, y), (75, y))
        places = chain(drawing, boxes, y, 121, 108)
        end = places[-1] + 76
        drawing.arrow((places[-1] + 45, y), (end - 12, y))
        drawing.plus(end, y)
        fork = (places[0] + places[1]) / 2
        drawing.arrow((fork, y), (fork, 30), (end, 30), (end, y - 12), edge="orange")
        drawing.text((fork + end) / 2, 22, "shortcut", 12, "muted")
        drawing.arrow((end + 11, y), (end + 32, y))
        drawing.text(end + 66, y + 4, "output")
        drawing.text((places[0] + places[-1]) / 2, y + 58, "at full size", 12, "muted")

    return draw


def generator(drawing: Drawing) -> None:
    """Draw the generator: blocks at low resolution, then PixelShuffle, plus the interpolated picture."""
    y, boxes = 92.0, layers_of(Generator().model)
    drawing.text(30, y + 4, "input")
    drawing.arrow((60, y), (75, y))
    places = chain(drawing, boxes, y, 121, 106)
    end = places[-1] + 76
    drawing.arrow((places[-1] + 45, y), (end - 12, y))
    drawing.plus(end, y)
    drawing.box((places[0] + end) / 2, 28, [f"Upsample x 4, {drawing.say('bilinear')}"], (190, 30))
    middle = (places[0] + end) / 2
    drawing.arrow((66, y), (66, 28), (middle - 96, 28), edge="orange")
    drawing.arrow((middle + 95, 28), (end, 28), (end, y - 12), edge="orange")
    drawing.arrow((end + 11, y), (end + 30, y))
    drawing.text(end + 66, y + 4, "output")
    drawing.text((places[0] + places[4]) / 2, y + 58, "at low resolution", 12, "muted")
    drawing.text((places[5] + places[6]) / 2 + 12, y + 58, "at full size", 12, "muted")


def resnet_block(drawing: Drawing) -> None:
    """Draw the residual block with batch norm behind the non-linearity."""
    y = 92.0
    first, second = [["Conv2d", "k x k"], ["ReLU"], ["BatchNorm"], ["Conv2d", "k x k"]], [["ReLU"], ["BatchNorm"]]
    drawing.text(24, y + 4, "in")
    drawing.arrow((38, y), (71, y))
    places = chain(drawing, first, y, 117, 112)
    end = places[-1] + 74
    drawing.arrow((places[-1] + 45, y), (end - 12, y))
    drawing.plus(end, y)
    drawing.arrow((end + 11, y), (end + 29, y))
    last = chain(drawing, second, y, end + 75, 112)
    drawing.arrow((last[-1] + 45, y), (last[-1] + 66, y))
    drawing.text(last[-1] + 84, y + 4, "out")
    drawing.arrow((54, y), (54, 28), (end, 28), (end, y - 12), edge="orange")
    drawing.rect((54 + end) / 2 - 128, 12, 256, 32, "paper", "orange")
    drawing.text((54 + end) / 2, 33, "1 x 1 if the channels change", 12.5)


def critic(drawing: Drawing) -> None:
    """Draw the critic's convolutions, with the size of what they see of 256 pixels."""
    y, size = 70.0, 256
    convolutions = [layer for layer in Critic().features if isinstance(layer, nn.Conv2d)]
    drawing.text(38, y + 4, "256 x 256")
    boxes = []
    for layer in convolutions:
        size //= 2
        kernel = layer.kernel_size[0]
        boxes.append([f"{layer.in_channels} → {layer.out_channels}", f"{kernel} x {kernel}, / 2", f"{size} x {size}"])
    boxes.append([drawing.say("mean"), "1 x 1"])
    boxes.append(["Linear", f"{convolutions[-1].out_channels} → 1"])
    drawing.arrow((72, y), (85, y))
    places = chain(drawing, boxes, y, 131, 104)
    drawing.arrow((places[-1] + 45, y), (places[-1] + 62, y))
    drawing.text(places[-1] + 100, y + 4, "score")
    drawing.text((places[0] + places[5]) / 2, y + 56, "Conv2d, stride 2, LeakyReLU(0.2)", 12, "muted")


def vgg16(drawing: Drawing) -> None:
    """Draw VGG-16's layers by block, their places in ``features``, and where the course cuts."""
    blocks = {64: 2, 128: 2, 256: 3, 512: 3, 513: 3}
    index, size = 0, 224
    for block, (channels, count) in enumerate(blocks.items(), start=1):
        x = 24 + (block - 1) * 156
        drawing.text(x + 66, 24, f"{channels // 2 * 2} {drawing.say('channels')}", 13)
        drawing.text(x + 66, 42, f"{size} x {size}", 12, "muted")
        used = block <= 3
        for number in range(1, count + 1):
            for row, kind in enumerate(("conv", "relu")):
                y = 56 + (2 * (number - 1) + row) * 32
                edge = "orange" if (block, number, kind) == (3, 3, "relu") else "blue" if used else "line"
                drawing.rect(x, y, 132, 27, "box" if used else "paper", edge)
                drawing.text(x + 20, y + 18, str(index), 11.5, "muted")
                drawing.text(x + 78, y + 18, f"{kind}{block}_{number}", 13, "ink" if used else "muted")
                index += 1
        y = 56 + 2 * count * 32
        used = block <= 2
        drawing.rect(x, y, 132, 27, "paper", "blue" if used else "line")
        drawing.text(x + 20, y + 18, str(index), 11.5, "muted")
        drawing.text(x + 78, y + 18, f"pool{block}", 13, "ink" if used else "muted")
        index, size = index + 1, size // 2
        if block < len(blocks):
            drawing.arrow((x + 132, y + 13), (x + 144, y + 13), (x + 144, 69), (x + 155, 69))
    drawing.text(402, 306, "cut here: features[:16]", 13, "orange")
    drawing.text(650, 306, "not used: classifier, 1000 classes", 12, "muted")


def perceptual_loss(drawing: Drawing) -> None:
    """Draw the way of two pictures through one frozen network to one number."""
    top, bottom = 52.0, 148.0
    drawing.box(64, top, ["small photo", "x"], (104, 50))
    drawing.box(192, top, ["network", "Upscale2x"], (104, 50), "blue")
    for y, name, sign in ((top, "output", "G(x)"), (bottom, "target", "y")):
        drawing.box(320, y, [name, sign], (104, 50))
        drawing.box(448, y, ["224 x 224", "interpolate"], (104, 50))
        drawing.box(576, y, ["VGG-16 [:16]", "frozen"], (104, 50))
        drawing.box(704, y, ["relu3_3", "features"], (104, 50))
        for x in (372, 500, 628):
            drawing.arrow((x, y), (x + 23, y), edge="line")
    drawing.arrow((116, top), (139, top))
    drawing.arrow((244, top), (267, top))
    middle = (top + bottom) / 2
    drawing.box(840, middle, ["L1", "mean |difference|"], (112, 50), "orange")
    drawing.arrow((756, top), (840, top), (840, middle - 26))
    drawing.arrow((756, bottom), (840, bottom), (840, middle + 26))
    drawing.arrow((783, middle), (192, middle), (192, top + 26), edge="orange", dashed=True)
    drawing.text(450, middle - 6, "gradient", 12, "orange")
    drawing.text(576, bottom + 42, "no gradient", 12, "muted")


def adversarial(drawing: Drawing) -> None:
    """Draw the two steps of the loop: which network learns in each, and from what."""
    for offset, title, learns in ((0, "1. the critic's step", "critic"), (216, "2. the generator's step", "generator")):
        first = learns == "critic"
        y, low = offset + 76.0, offset + 158.0
        drawing.text(16, offset + 28, title, 15, "ink", "start")
        drawing.box(68, y, ["small photo", "x"], (104, 50))
        drawing.box(212, y, ["generator", "frozen" if first else "learns"], (112, 50), "line" if first else "blue")
        drawing.box(356, y, ["output", "detached" if first else "G(x)"], (104, 50))
        drawing.box(500, y, ["critic", "learns" if first else "frozen"], (112, 50), "blue" if first else "line")
        drawing.arrow((120, y), (155, y))
        drawing.arrow((268, y), (303, y))
        drawing.arrow((408, y), (443, y))
        drawing.box(356, low, ["target", "y"], (104, 50))
        if first:
            drawing.arrow((408, low), (500, low), (500, y + 26))
            lines = ["loss of the critic", "-mean C(y) + mean C(G(x))"]
            drawing.box(712, y, lines, (196, 54), "orange")
            drawing.arrow((556, y), (613, y))
            drawing.arrow((712, y + 28), (712, low + 34), (530, low + 34), (530, y + 26), edge="orange", dashed=True)
            drawing.text(622, low + 28, "gradient", 12, "orange")
            continue
        drawing.box(500, low, ["VGG-16", "frozen"], (112, 50))
        drawing.arrow((408, low), (443, low))
        drawing.arrow((400, y + 25), (452, low - 26))
        lines = ["loss of the generator", "λw · (-mean C(G(x)))", "+ λp · VGG + λtv · TV"]
        drawing.box(712, (y + low) / 2, lines, (196, 70), "orange")
        drawing.arrow((556, y), (614, (y + low) / 2 - 16))
        drawing.arrow((556, low), (614, (y + low) / 2 + 16))
        drawing.arrow(
            (712, (y + low) / 2 - 36), (712, offset + 36), (212, offset + 36), (212, y - 26), edge="orange", dashed=True
        )
        drawing.text(500, offset + 30, "gradient", 12, "orange")


FIGURES: dict[str, tuple[float, float, Callable[[Drawing], None]]] = {
    "why-mse-blurs": (760, 322, why_mse_blurs),
    "upscale2x": (738, 164, upscaler(Upscale2x())),
    "upscale4x": (846, 164, upscaler(Upscale4x())),
    "generator": (948, 164, generator),
    "resnet-block": (870, 150, resnet_block),
    "critic": (1012, 140, critic),
    "vgg16": (804, 322, vgg16),
    "perceptual-loss": (908, 204, perceptual_loss),
    "adversarial": (828, 420, adversarial),
}


def main() -> None:
    """Draw all figures in both languages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/course"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, (width, height, draw) in FIGURES.items():
        for german in (False, True):
            drawing = Drawing(width, height, GERMAN if german else {})
            draw(drawing)
            (options.out / f"{name}{'-de' if german else ''}.svg").write_text(str(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
