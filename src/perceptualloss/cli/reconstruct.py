"""``perceptualloss reconstruct``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from perceptualloss.apply.device import find_device
from perceptualloss.apply.optimize_picture import Space, Step
from perceptualloss.apply.stylist import with_longer_side
from perceptualloss.bars import bars
from perceptualloss.cli.console import (
    add_device_option,
    add_loss_network_options,
    add_reading_options,
    command_parser,
    console,
    errors,
    inform,
    make_folder,
)
from perceptualloss.cli.targets import add_overwrite, new_place
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image
from perceptualloss.studies.layers.reconstruct import Kind, reconstruct_layers, write_reconstructions

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu3_3", "relu4_3"]


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("reconstruct")
    parser.add_argument("picture", type=Path, help="a photo")
    parser.add_argument(
        "--layers",
        nargs="+",
        type=str,
        default=LAYERS,
        help="layers, each on its own; relu1_1+relu2_1 for both together",
    )
    parser.add_argument(
        "--kind", type=Kind, default="feature", help="what is matched: features, or Gram matrices (style)"
    )
    add_loss_network_options(parser)
    parser.add_argument("--steps", type=int, default=100, help="steps of L-BFGS for each layer")
    parser.add_argument("--size", type=int, default=192, help="the picture's longer side is shrunk to it")
    parser.add_argument(
        "--total_variation", type=float, default=0.1, help="weight of the total variation, which keeps noise down"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise that it begins with")
    parser.add_argument(
        "--space", type=Space, default="frequencies", help="what is moved: pixels, or their frequencies"
    )
    add_device_option(parser)
    add_reading_options(parser)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/reconstruct"), help="the folder for results")
    add_overwrite(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss reconstruct``."""
    for name in ("steps", "size"):
        if options[name] < 1:
            raise InputError(f"{name} to be at least 1", str(options[name]))
    out = new_place(parser, options)
    photo = read_image(options.picture, options.max_pixels)
    size = min(options.size, max(photo.shape[-2:]))
    photo = with_longer_side(photo, size).clamp(0, 1).to(find_device(options.device))
    make_folder(out)  # before the work, so that mistakes show now
    settings = {
        name: options[name] for name in ("loss_network", "weights", "kind", "steps", "total_variation", "seed", "space")
    }
    with bars(errors) as shown:
        bar = shown.add_task("", total=options.steps * len(options.layers))

        def progress(number: int, step: Step) -> None:
            done = number * options.steps + step.number
            shown.update(bar, description=f"{options.layers[number]} {step.loss:.3g}", completed=done)

        reconstructions = reconstruct_layers(photo, options.layers, **settings, progress=progress)
    files = write_reconstructions(photo, reconstructions, out, {"picture": str(options.picture), **settings})
    table = Table("layer", "error of the " + ("features" if options.kind == "feature" else "Gram matrices"))
    for heading in ("PSNR (dB)", "SSIM", "evaluations", "seconds"):
        table.add_column(heading, justify="right")
    for one in reconstructions:
        figures = [f"{one.error:.3g}", f"{one.psnr:.1f}", f"{one.ssim:.2f}", str(one.evaluations), f"{one.seconds:.0f}"]
        table.add_row(one.layers, *figures)
    console.print(table)
    inform(f"Wrote {files[0]}, {files[1].name} and a picture for each layer")
