"""``perceptualloss restore``."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.restore import restorer
from perceptualloss.cli.tools import add_running_options, run_tool, tool_parser


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = tool_parser("restore")
    parser.add_argument(
        "--of",
        nargs="+",
        type=str,
        required=True,
        help="what to take away: noise, jpeg (blocks and ringing) or blur, or several in turn; or a network's name",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="how much of the network's result: 0 is the picture as it was, 1 all",
    )
    add_running_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss restore``."""
    names = ("of", "strength", "tile", "device", "precision", "backend")
    run_tool(parser, options, lambda: restorer(**{name: options[name] for name in names}), "restored")
