"""``perceptualloss stylize``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from torch import Tensor

from perceptualloss.apply.device import find_device
from perceptualloss.apply.optimize_style import Start, StyleOptimization, StyleProgress, optimize_style
from perceptualloss.apply.steady import Steady
from perceptualloss.apply.stylist import stylist, with_longer_side
from perceptualloss.apply.tiles import Precision
from perceptualloss.cli.console import OptionError, check_unused, command_parser
from perceptualloss.cli.each import Tell, Work, do_each
from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import is_video, pair_up
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.picture import Picture, change_file, fill_hidden
from perceptualloss.pictures.video import transform_video

_OPTIMIZE = ("steps", "scales", "start", "style_size", "loss_network", "every")  # options of --method optimize alone


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("stylize")
    parser.add_argument("paths", nargs="+", type=Path, help="pictures, videos and folders")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/stylize"), help="a file for one, or a folder")
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
    parser.add_argument("--loss_network", type=str, default=defaults.network, help="optimize: compact, vgg16 or vgg19")
    parser.add_argument("--every", type=int | None, help="optimize: write the picture after every so many steps")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, gpu, mps or cuda:1")
    parser.add_argument("--precision", type=Precision, default="auto", help="auto is fp16 on CUDA, else fp32")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss stylize``."""
    optimize = options.method == "optimize"
    idle = ("smooth", "precision") if optimize else _OPTIMIZE
    check_unused(parser, options, idle, f"with --method {options.method}")
    pairs = pair_up(options.paths, options.out, videos=True)
    if not 0 <= options.smooth <= 1:
        raise InputError("smooth from 0 to 1", f"{options.smooth:g}")
    if not any(is_video(source) for source, _ in pairs):
        check_unused(parser, options, ["smooth"], "for pictures: it is against flicker in videos")
    if options.every is not None and not 1 <= options.every <= options.steps:
        raise OptionError(f"--every from 1 to {options.steps}, the steps", str(options.every))
    work = _Optimization(options).file if optimize else _painter(options)
    do_each(pairs, options.out, work, "files", "painted")


def _painter(options: Namespace) -> Work:
    """Return what paints a picture or a video with a network."""
    if options.style is None and options.network is None:
        raise InputError("a --style or a --network", "neither")
    tool = stylist(
        options.style,
        options.network,
        options.size,
        options.strength,
        options.keep_colors,
        options.device,
        options.precision,
    )

    def paint(source: Path, target: Path, tell: Tell) -> None:
        if not is_video(source):
            tool.file(source, target, tell)
            return
        steady = Steady(options.smooth)

        def change(frame: Tensor) -> Tensor:
            content = with_longer_side(frame, tool.size)
            return steady(tool.paint(content), content)

        transform_video(source, target, change, tell)

    return paint


class _Optimization:
    """Paints pictures by optimisation, after a style picture."""

    def __init__(self, options: Namespace) -> None:
        if options.style is None or options.network is not None:
            got = "none" if options.style is None else "a network"
            raise InputError("a picture as --style, and nothing else, for --method optimize", got)
        names = ("steps", "scales", "start", "keep_colors", "style_size")
        self.settings = StyleOptimization(network=options.loss_network, **{name: options[name] for name in names})
        self.options, self.device = options, find_device(options.device)
        self.style = read_image(options.style).to(self.device)

    def file(self, source: Path, target: Path, tell: Tell) -> None:
        """Paint the picture in one file into another."""
        if is_video(source):
            raise InputError("pictures for --method optimize", "a video", "Train a network for the style.")
        change_file(lambda picture: self.picture(picture, target, tell), source, target)

    def picture(self, picture: Picture, target: Path, tell: Tell) -> Picture:
        """Paint a picture; write what there is on the way beside ``target``."""
        size, every = self.options.size, self.options.every
        colours, alpha = picture.colours, picture.alpha
        if alpha is not None:
            colours, alpha = fill_hidden(colours, alpha), with_longer_side(alpha, size)
        content = with_longer_side(colours, size).clamp(0, 1)

        def progress(at: StyleProgress) -> None:
            tell(
                at.done, at.total, f"{max(content.shape[2:]) >> (at.scales - 1 - at.scale)} px, loss {at.step.loss:.4g}"
            )
            if every and at.step.number and at.step.number % every == 0:
                name = f"{target.stem}-scale{at.scale + 1}-step{at.step.number:04d}.png"
                write_image(at.step.picture, target.with_name(name))

        found = optimize_style(content.to(self.device), self.style, self.settings, progress).picture.to(content)
        painted = content.lerp(found, self.options.strength)
        return Picture(painted, alpha, picture.grey and self.settings.keep_colors, picture.bits)
