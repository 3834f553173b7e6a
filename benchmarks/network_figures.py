"""Draw how each network is built, for docs/networks/.

    python benchmarks/network_figures.py

writes docs/images/networks/NAME.svg: a column of layers with what comes out of each, narrow enough for a phone. What
the drawings say of layers is read from the networks at their usual settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from torch import nn

import critic_figures
import perceptualloss as p
from columns import BLUE, ORANGE, WIDTH, Row, channels, column, conv, end, plus, size, tall
from filling import ROOT
from svg import Drawing


def sub_pixel() -> Iterator[Row]:
    it = p.SubPixelUpscaler()
    width, final = it.width, f"{it.scale}H"
    yield end("input", size(3))
    yield Row([conv(it.first)], size(width))
    yield Row([f"{it.blocks} residual blocks", "conv 3 x 3, ReLU, conv 3 x 3, + input"], size(width), BLUE)
    yield Row([conv(it.body[-1])], size(width))
    yield plus("what entered the blocks", 1)
    large = 1
    for layer in it.enlarge:
        large *= cast(int, layer.scale)
        yield Row([f"EvenSubPixel x {layer.scale}, {width} → {it.detail}, ReLU"], size(it.detail, f"{large}H"))
    yield Row([f"EvenSubPixel x {it.last.scale}, {it.detail} → 3"], size(3, final))
    yield plus(f"the input, bilinear x {it.scale}", 0, 3)
    yield end("output", size(3, final))


def residual() -> Iterator[Row]:
    it = p.ResidualUpscaler()
    yield end("input", size(3))
    yield Row([conv(it.first)], size(it.width))
    yield Row([f"{it.blocks} residual blocks", "conv 3 x 3, ReLU, conv 3 x 3, + input"], size(it.width), BLUE)
    yield Row([conv(it.body[-1])], size(it.width))
    yield plus("what entered the blocks", 1)
    large = 1
    for factor, layer in zip(it.factors, it.enlarge, strict=True):
        large *= factor
        repeated = [f"every pixel {factor} x {factor} times"] if factor > 1 else []
        yield Row([*repeated, conv(layer, ", ReLU")], size(it.detail, f"{large}H"))
    yield Row([conv(it.last)], size(3, f"{it.scale}H"))
    yield plus(f"the input, bilinear x {it.scale}", 0, 3)
    yield end("output", size(3, f"{it.scale}H"))


def blocks(layers: Sequence[nn.Module], factor: str) -> Iterator[Row]:
    """Yield the residual blocks of the course."""
    for layer in layers:
        if isinstance(layer, p.ResNetBlock):
            first = layer.conv1
            words = f"ResNetBlock {first.kernel_size[0]} x {first.kernel_size[0]}"
            yield Row([f"{words}, {first.in_channels} → {first.out_channels}"], size(first.out_channels, factor), BLUE)


def resnet_block() -> Iterator[Row]:
    yield end("in", "")
    yield Row(["conv k x k", "ReLU, batch norm"])
    yield Row(["conv k x k"])
    yield plus("the input, 1 x 1 if channels change", 0)
    yield Row(["ReLU, batch norm"])
    yield end("out", "")


def upscale(it: p.Upscale2x | p.Upscale4x) -> Iterator[Row]:
    final = f"{it.scale}H"
    yield end("input", size(3))
    yield Row([f"bilinear x {it.scale}, corners aligned"], size(3, final))
    yield from blocks([*it.model], final)
    yield Row([conv(it.model[-1])], size(3, final))
    yield plus("the enlarged picture", 1)
    yield end("output", size(3, final))


def generator() -> Iterator[Row]:
    it = p.Generator()
    *layers, shuffle, last = it.model
    final, inputs = f"{it.scale}H", cast(nn.Conv2d, last).in_channels
    yield end("input", size(3))
    yield from blocks(layers, "")
    yield Row([f"PixelShuffle x {cast(nn.PixelShuffle, shuffle).upscale_factor}"], size(inputs, final))
    yield Row([conv(last)], size(3, final))
    yield plus(f"the input, bilinear x {it.scale}", 0)
    yield end("output", size(3, final))


def super_resolution() -> Iterator[Row]:
    it = p.SuperResolutionNetwork()
    yield end("input", size(3))
    yield Row([conv(it.first[0]), "batch norm, ReLU"], size(it.width))
    lines = [f"{it.blocks} residual blocks", "conv 3 x 3, batch norm, ReLU,", "conv 3 x 3, batch norm, + input"]
    yield Row(lines, size(it.width), BLUE)
    large = 1
    for _ in it.enlarge:
        large *= 2
        lines = ["every pixel 2 x 2 times", f"conv 3 x 3, {it.width} → {it.width}, batch norm, ReLU"]
        yield Row(lines, size(it.width, f"{large}H"))
    yield Row([conv(it.last)], size(3, f"{large}H"))
    yield Row(["0.5 + 150/255 tanh"], size(3, f"{large}H"))
    yield end("output", size(3, f"{large}H"))


def style_transfer() -> Iterator[Row]:
    it = p.StyleTransferNetwork()
    pad, after = 8 * it.blocks, "norm, ReLU"
    yield end("input", size(3))
    yield Row([f"mirror {pad} pixels at each side"], f"3 x (H+{2 * pad}) x (W+{2 * pad})")
    factors = ("full size", "a half", "a quarter")
    for layer, factor in zip(it.shrink, factors, strict=True):
        inside = cast(nn.Sequential, layer.convolution)[0]
        yield Row([conv(inside), after], f"{channels(inside)}, {factor}")
    lines = [
        f"{it.blocks} residual blocks, without padding",
        "conv 3 x 3, norm, ReLU,",
        "conv 3 x 3, norm, + middle of the input",
    ]
    yield Row(lines, size(4 * it.width, "H/4"), BLUE)
    for layer, factor in zip(it.enlarge, ("H/2", ""), strict=True):
        inside = cast(nn.Sequential, layer.convolution)[-1]
        yield Row(["bilinear x 2", f"{conv(inside)}, {after}"], size(channels(inside), factor))
    yield Row([conv(it.last)], size(3))
    yield plus("luminance, with luminance_skip", 0, 3)
    yield Row(["0.5 + 150/255 tanh"], size(3))
    yield end("output", size(3))


def autoencoder() -> Iterator[Row]:
    it = p.Autoencoder()
    block = f"{it.blocks} residual block"
    convolutions = [layer for layer in it.encoder if isinstance(layer, nn.Conv2d)]
    yield end("input", size(3))
    yield Row(["pixels to channels, 2 x 2"], size(12, "H/2"))
    for layer, factor in zip(convolutions[:-1], ("H/2", "H/4", "H/8"), strict=True):
        yield Row([conv(layer), block], size(channels(layer), factor), BLUE)
    yield Row([conv(convolutions[-1])], size(channels(convolutions[-1]), "H/8"))
    yield Row(["code", "mean; in training a draw around it"], size(it.channels, "H/8"), ORANGE)
    first, *middle, detail, last = [layer for layer in it.decoder if isinstance(layer, nn.Conv2d)]
    yield Row([conv(first), block], size(channels(first), "H/8"), BLUE)
    for layer, factor in zip(middle, ("H/4", "H/2"), strict=True):
        yield Row(["every pixel 2 x 2 times", conv(layer), block], size(channels(layer), factor), BLUE)
    yield Row(["every pixel 2 x 2 times", conv(detail, ", ReLU")], size(it.detail))
    yield Row([conv(last, ", + 0.5")], size(3))
    yield end("output", size(3))


COLUMNS: dict[str, Callable[[], Iterator[Row]]] = {
    "SubPixelUpscaler": sub_pixel,
    "ResidualUpscaler": residual,
    "ResNetBlock": resnet_block,
    "Upscale2x": lambda: upscale(p.Upscale2x()),
    "Upscale4x": lambda: upscale(p.Upscale4x()),
    "Generator": generator,
    "SuperResolutionNetwork": super_resolution,
    "StyleTransferNetwork": style_transfer,
    "Autoencoder": autoencoder,
    **critic_figures.COLUMNS,
}


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "networks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    drawings = {}
    for name, build in COLUMNS.items():
        rows = list(build())
        drawings[name] = Drawing(WIDTH, tall(rows), {})
        column(drawings[name], rows)
    for name, (height, draw) in critic_figures.OTHERS.items():
        drawings[name] = Drawing(WIDTH, height, {})
        draw(drawings[name])
    for name, drawing in drawings.items():
        (options.out / f"{name}.svg").write_text(str(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
