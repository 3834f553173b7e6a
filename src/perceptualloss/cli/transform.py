"""``perceptualloss transform``."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.transform import transformer
from perceptualloss.cli.tools import add_running_options, run_tool, tool_parser


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = tool_parser("transform")
    parser.add_argument(
        "--network",
        type=str,
        required=True,
        help="the name of one that ships, or a file: of perceptualloss train, of another package (.pth), or .onnx",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="how much of the network's result: 0 is the picture as it was, 1 all",
    )
    parser.add_argument("--color", action="store_true", help="let a network that colours make grey pictures coloured")
    add_running_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss transform``."""
    names = ("network", "strength", "color", "tile", "device", "precision", "backend")
    run_tool(parser, options, lambda: transformer(**{name: options[name] for name in names}), "transformed")
