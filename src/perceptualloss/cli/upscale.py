"""``perceptualloss upscale``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.upscale import upscaler
from perceptualloss.cli.tools import add_running_options, run_tool, tool_parser
from perceptualloss.networks.named import Kind


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = tool_parser("upscale")
    parser.add_argument("--scale", type=float | None, help="how many times larger, up to 16, such as 1.5 (default: 4)")
    parser.add_argument("--width", type=int | None, help="width of the results in pixels, in place of --scale")
    parser.add_argument("--height", type=int | None, help="height of the results in pixels, in place of --scale")
    parser.add_argument("--megapixels", type=float | None, help="megapixels of the results, in place of --scale")
    parser.add_argument(
        "--kind",
        type=Kind | None,
        help="what the network was trained with: mse (close; default), perceptual (sharp), adversarial (textured)",
    )
    parser.add_argument(
        "--network",
        type=Path | None,
        help="in place of --kind: a file, such as from perceptualloss train, or the name of one that ships",
    )
    parser.add_argument(
        "--perception", type=float | None, help="in place of --kind: between mse (0) and perceptual (1)"
    )
    parser.add_argument("--match_histogram", action="store_true", help="give each result the histogram of its picture")
    add_running_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss upscale``."""
    sizes = ("scale", "width", "height", "megapixels")
    names = (*sizes, "kind", "network", "perception", "match_histogram", "tile", "device", "precision", "backend")
    run_tool(parser, options, lambda: upscaler(**{name: options[name] for name in names}), "enlarged")
