"""``perceptualloss stylize``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.optimize_style import Start, StyleOptimization, StyleProgress
from perceptualloss.apply.style_optimizer import style_optimizer
from perceptualloss.apply.stylist import stylist
from perceptualloss.cli.console import OptionError, add_computing_options, check_unused
from perceptualloss.cli.each import PIPE, Tell, do_each
from perceptualloss.cli.targets import Targets, targets
from perceptualloss.cli.tools import add_clip_options, check_clip_options, tool_parser, use_tool
from perceptualloss.errors import InputError
from perceptualloss.pictures.verify import unlike

_OPTIMIZE = ("steps", "scales", "start", "style_size", "loss_network")  # options of --method optimize alone


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = tool_parser("stylize")
    parser.add_argument(
        "--style",
        type=str | None,
        help="the name of a style that ships, or a network's file; with --network, one of its styles or a blend such "
        "as wave:0.3,udnie:0.7; with --method optimize, a picture",
    )
    parser.add_argument("--network", type=Path | None, help="a network of your own, from perceptualloss train")
    parser.add_argument(
        "--size",
        type=int | None,
        help="longer side in pixels to which pictures are resized first; without it they keep theirs",
    )
    parser.add_argument(
        "--strength", type=float, default=1.0, help="how much of the painting: 0 is the picture as it was, 1 all"
    )
    parser.add_argument(
        "--keep_colors",
        action="store_true",
        help="keep the colours of the picture; take only light and dark from the painting",
    )
    add_clip_options(parser)
    parser.add_argument(
        "--method",
        type=Literal["network", "optimize"],
        default="network",
        help="one pass of a network, or optimisation of each picture, without training, in minutes",
    )
    defaults = StyleOptimization()
    parser.add_argument("--steps", type=int, default=defaults.steps, help="optimize: steps at each scale")
    parser.add_argument(
        "--scales", type=int, default=defaults.scales, help="optimize: how many sizes, each twice the last"
    )
    parser.add_argument("--start", type=Start, default=defaults.start, help="optimize: from the content or from noise")
    parser.add_argument("--style_size", type=int | None, help="optimize: longer side of the style picture in pixels")
    parser.add_argument(
        "--loss_network", type=str, default=defaults.loss_network, help="optimize: compact, vgg16 or vgg19"
    )
    parser.add_argument("--every", type=int | None, help="optimize: write the picture after every so many steps")
    add_computing_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss stylize``."""
    optimize = options.method == "optimize"
    idle = ("network", "smooth", "preview", "precision") if optimize else (*_OPTIMIZE, "every")
    check_unused(parser, options, idle, f"with --method {options.method}")
    with targets(options, videos=True) as to:
        check_clip_options(parser, options, to)
        if not optimize:
            if options.style is None and options.network is None:
                raise InputError("a --style or a --network", "neither")
            names = ("style", "network", "size", "strength", "keep_colors", "device", "precision")
            use_tool(to, stylist(**{name: options[name] for name in names}), options, "painted")
            return
        if options.every is not None and not 1 <= options.every <= options.steps:
            raise OptionError(f"--every from 1 to {options.steps}, the steps", str(options.every))
        if options.every is not None and to.out == PIPE:
            raise OptionError("no --every with --out -", str(options.every), "One picture goes to the standard output.")
        _optimize(options, to)


def _optimize(options: Namespace, to: Targets) -> None:
    """Paint pictures by optimisation, after a style picture."""
    if options.style is None:
        raise InputError("a picture as --style for --method optimize", "none")
    names = ("style", "size", "strength", "keep_colors", "device", *_OPTIMIZE)
    tool = style_optimizer(**{name: options[name] for name in names})

    def paint(source: Path, target: Path, tell: Tell) -> None:
        def show(at: StyleProgress) -> None:
            side = max(at.step.picture.shape[2:])
            tell(at.done, at.total, f"{side} px, loss {at.step.loss:.4g}")

        tool.file(source, target, show, options.every, to.writing)

    def verify(source: Path, target: Path) -> str:
        return unlike(source, target, tool.size_of, to.max_pixels)

    do_each(to.plan, to.out, paint, to.what, "painted", to.existing, verify, "steps")
