"""``perceptualloss loss-map``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from perceptualloss.apply.device import find_device
from perceptualloss.cli.console import (
    add_device_option,
    add_loss_network_options,
    add_reading_options,
    command_parser,
    console,
    inform,
    make_folder,
    say,
)
from perceptualloss.cli.targets import add_overwrite, new_place
from perceptualloss.errors import InputError
from perceptualloss.files import whole_file
from perceptualloss.pictures.images import read_image
from perceptualloss.studies.layers.loss_map import layer_losses, loss_map_panel


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("loss-map")
    parser.add_argument("output", type=Path, help="the picture to look at")
    parser.add_argument("target", type=Path, help="what it should look like, of the same size")
    parser.add_argument(
        "--layers",
        nargs="+",
        type=str,
        default=["relu1_1", "relu2_2", "relu3_3"],
        help="layers of the network, a map for each",
    )
    add_loss_network_options(parser)
    parser.add_argument(
        "--distance", type=Literal["mse", "l1", "unit"], default="mse", help="distance of features; unit is as in LPIPS"
    )
    add_device_option(parser)
    add_reading_options(parser)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/loss-map.png"), help="the PNG file to write")
    add_overwrite(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss loss-map``."""
    if options.out.suffix.lower() != ".png":
        raise InputError("a file name that ends in .png", str(options.out))
    out = new_place(parser, options)
    make_folder(out.parent)  # before the work, so that mistakes show now
    device = find_device(options.device)
    say(f"Looking through {options.loss_network}")
    output, target = (read_image(file, options.max_pixels).to(device) for file in (options.output, options.target))
    layers = layer_losses(output, target, options.layers, options.loss_network, options.weights, options.distance)
    panel = loss_map_panel(layers, output, target)
    try:
        with whole_file(out, overwrite=options.overwrite) as file:
            panel.save(file, "PNG")
    except OSError as error:
        raise InputError(f"{out} to be writable", str(error)) from error
    table = Table("layer", "loss")
    for layer in layers:
        table.add_row(layer.layer, f"{layer.loss:.4g}")
    console.print(table)
    inform(f"Wrote {out}")
