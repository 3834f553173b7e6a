"""``perceptualloss stylize``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.optimize_style import Start, StyleOptimization, StyleProgress
from perceptualloss.apply.style_optimizer import style_optimizer
from perceptualloss.apply.stylist import longer_side, stylist
from perceptualloss.cli.console import OptionError, add_computing_options, check_unused, command_parser
from perceptualloss.cli.each import PIPE, Tell, Work, do_each
from perceptualloss.cli.targets import Targets, add_target_options, targets
from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import is_video
from perceptualloss.pictures.verify import unlike

_OPTIMIZE = ("steps", "scales", "start", "style_size", "loss_network")  # options of --method optimize alone


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("stylize")
    parser.add_argument("paths", nargs="+", type=Path, help="pictures, videos and folders; - for the standard input")
    add_target_options(parser, Path("runs/stylize"), "files")
    parser.add_argument(
        "--style",
        type=str | None,
        help="the name of a style that ships, or a network's file; with --network, one of its styles or a blend such "
        "as wave:0.3,udnie:0.7; with --method optimize, a picture",
    )
    parser.add_argument("--network", type=Path | None, help="a network of your own, from perceptualloss train")
    parser.add_argument("--size", type=int | None, help="longer side in pixels to which pictures are resized first")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, as it was, to 1")
    parser.add_argument("--keep_colors", action="store_true", help="keep the colours of the picture")
    parser.add_argument("--smooth", type=float, default=0.0, help="from 0 to 1: against flicker in videos")
    parser.add_argument(
        "--method",
        type=Literal["network", "optimize"],
        default="network",
        help="one pass of a network, or optimisation of each picture, without training, in minutes",
    )
    defaults = StyleOptimization()
    parser.add_argument("--steps", type=int, default=defaults.steps, help="optimize: steps at each scale")
    parser.add_argument("--scales", type=int, default=defaults.scales, help="optimize: sizes, each twice the last")
    parser.add_argument("--start", type=Start, default=defaults.start, help="optimize: from the content or from noise")
    parser.add_argument("--style_size", type=int | None, help="optimize: longer side of the style picture")
    parser.add_argument(
        "--loss_network", type=str, default=defaults.loss_network, help="optimize: compact, vgg16 or vgg19"
    )
    parser.add_argument("--every", type=int | None, help="optimize: write the picture after every so many steps")
    add_computing_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss stylize``."""
    optimize = options.method == "optimize"
    idle = ("network", "smooth", "precision") if optimize else (*_OPTIMIZE, "every")
    check_unused(parser, options, idle, f"with --method {options.method}")
    with targets(options, videos=True) as to:
        if not 0 <= options.smooth <= 1:
            raise InputError("smooth from 0 to 1", f"{options.smooth:g}")
        if not any(is_video(source) for source, _ in to.plan.pairs):
            check_unused(parser, options, ["smooth"], "for pictures: it is against flicker in videos")
        if options.every is not None and not 1 <= options.every <= options.steps:
            raise OptionError(f"--every from 1 to {options.steps}, the steps", str(options.every))
        if options.every is not None and to.out == PIPE:
            raise OptionError("no --every with --out -", str(options.every), "One picture goes to the standard output.")
        work = (_optimization if optimize else _painter)(options, to)

        def verify(source: Path, target: Path) -> str:
            return unlike(source, target, lambda height, width: longer_side(height, width, options.size), to.max_pixels)

        unit = "steps" if optimize else "megapixels"
        do_each(to.plan, to.out, work, "files", "painted", to.existing, verify, unit)


def _painter(options: Namespace, to: Targets) -> Work:
    """Return what paints a picture or a video with a network."""
    if options.style is None and options.network is None:
        raise InputError("a --style or a --network", "neither")
    names = ("style", "network", "size", "strength", "keep_colors", "device", "precision")
    tool = stylist(**{name: options[name] for name in names})

    def paint(source: Path, target: Path, tell: Tell) -> None:
        if is_video(source):
            tool.video(source, target, options.smooth, tell, overwrite=to.overwrite)
        else:
            tool.file(source, target, tell, to.writing)

    return paint


def _optimization(options: Namespace, to: Targets) -> Work:
    """Return what paints a picture by optimisation, after a style picture."""
    if options.style is None:
        raise InputError("a picture as --style for --method optimize", "none")
    names = ("style", "size", "strength", "keep_colors", "device", *_OPTIMIZE)
    tool = style_optimizer(**{name: options[name] for name in names})

    def paint(source: Path, target: Path, tell: Tell) -> None:
        def show(at: StyleProgress) -> None:
            side = max(at.step.picture.shape[2:])
            tell(at.done, at.total, f"{side} px, loss {at.step.loss:.4g}")

        tool.file(source, target, show, options.every, to.writing)

    return paint
