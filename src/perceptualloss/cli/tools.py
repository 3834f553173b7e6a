"""What the commands share that put pictures and clips through a network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.preview import preview
from perceptualloss.apply.tool import Tool
from perceptualloss.cli.console import (
    OptionError,
    add_backend_option,
    add_computing_options,
    check_unused,
    command_parser,
    inform,
)
from perceptualloss.cli.each import PIPE, Tell, do_each
from perceptualloss.cli.targets import Targets, add_target_options, check_new, targets
from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import is_video
from perceptualloss.pictures.verify import unlike


def tool_parser(name: str) -> ArgumentParser:
    """Return the parser of such a command, with where pictures come from and go to."""
    parser = command_parser(name)
    parser.add_argument("paths", nargs="+", type=Path, help="pictures, videos and folders; - for the standard input")
    add_target_options(parser, Path("runs") / name, "files")
    return parser


def add_running_options(parser: ArgumentParser) -> None:
    """Add how the network is run."""
    parser.add_argument(
        "--tile", type=int | None, help="longest side in pixels of the tiles of large pictures (default: by memory)"
    )
    add_clip_options(parser)
    add_computing_options(parser)
    add_backend_option(parser)


def add_clip_options(parser: ArgumentParser) -> None:
    """Add what is about videos alone."""
    parser.add_argument("--smooth", type=float, default=0.0, help="less flicker in videos, from 0 (as it is) to 1")
    parser.add_argument(
        "--preview",
        type=str | None,
        metavar="TIME",
        help="of videos, write only one frame, before and after, as a picture, and say how long all would take; TIME "
        "is in seconds (12.5), in minutes (1:30), or middle",
    )


def run_tool(parser: ArgumentParser, options: Namespace, tool: Callable[[], Tool], past: str) -> None:
    """Put all that the options name through a network.

    Args:
        parser: of the command, from :func:`tool_parser`.
        options: of the command.
        tool: loads the network, once it is clear what is to be done.
        past: what became of the files, such as "enlarged".
    """
    with targets(options, videos=True) as to:
        check_clip_options(parser, options, to)
        use_tool(to, tool(), options, past)


def check_clip_options(parser: ArgumentParser, options: Namespace, to: Targets) -> None:
    """Raise InputError for options of videos that cannot be, or do nothing because there is no video."""
    if not 0 <= options.smooth <= 1:
        raise InputError("smooth from 0 to 1", f"{options.smooth:g}")
    if not to.clips:
        check_unused(parser, options, ["smooth"], "for pictures: it is against flicker in videos")
        check_unused(parser, options, ["preview"], "for pictures: it shows a frame of a video")
    if options.preview is not None:
        check_unused(parser, options, ["smooth", "skip_existing"], "with --preview, which writes one frame")
        if to.out == PIPE:
            raise OptionError("no --preview with --out -", "both", "Name a file or a folder as --out.")


def use_tool(to: Targets, tool: Tool, options: Namespace, past: str) -> None:
    """Put files through a network, or of clips one frame with ``--preview``."""
    if options.preview is not None:
        _preview(to, tool, options.preview)
        return

    def work(source: Path, target: Path, tell: Tell) -> None:
        if is_video(source):
            tool.video(source, target, options.smooth, tell, to.overwrite)
        else:
            tool.file(source, target, tell, to.writing)

    def verify(source: Path, target: Path) -> str:
        return unlike(source, target, tool.size_of, to.max_pixels)

    do_each(to.plan, to.out, work, to.what, past, to.existing, verify)


def _preview(to: Targets, tool: Tool, when: str) -> None:
    """Write one frame of each clip as a picture, and say how long the whole clip would take."""
    at = None if when == "middle" else seconds_of(when)
    clips = [(source, target) for source, target in to.plan.pairs if is_video(source)]
    left_out = to.plan.left_out + Counter(source.suffix for source, _ in to.plan.pairs if not is_video(source))
    pairs = [(source, target.with_name(f"{target.stem}-preview.png")) for source, target in clips]

    for _, target in pairs[: to.plan.single]:
        check_new(target, to.overwrite)

    def work(source: Path, target: Path, tell: Tell) -> None:
        seen = preview(tool, source, target, at, to.overwrite)
        lasts = f"its {seen.frames} frames about {duration(seen.frames * seen.seconds)}" if seen.frames else "all more"
        where = f"{source.name}, the frame at {seen.at:.2f} s: before at the left, after at the right."
        inform(f"{where} It takes {duration(seen.seconds)}, {lasts}.")

    do_each(replace(to.plan, pairs=pairs, left_out=left_out), to.out, work, "previews", "previewed", to.existing)


def seconds_of(text: str) -> float:
    """Return the seconds that a time says.

    Raises:
        OptionError: for something else.

    >>> seconds_of("12.5"), seconds_of("1:30"), seconds_of("1:00:00")
    (12.5, 90.0, 3600.0)
    """
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(0 <= number < math.inf for number in numbers):
        raise OptionError("--preview with seconds, minutes:seconds, or middle", repr(text))
    return sum(number * float(60**power) for power, number in enumerate(reversed(numbers)))


def duration(seconds: float) -> str:
    """Return how long something takes, as people say it.

    >>> duration(0.456), duration(75), duration(5000)
    ('0.46 s', '1.2 min', '1.4 h')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 3600 else f"{seconds / 3600:.2g} h"
