"""What the commands share that put pictures and clips through a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.apply.tool import Tool
from perceptualloss.cli.console import add_backend_option, add_computing_options, check_unused, command_parser
from perceptualloss.cli.each import Tell, do_each
from perceptualloss.cli.targets import Targets, add_target_options, targets
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
    parser.add_argument("--tile", type=int | None, help="side of the tiles that large pictures are done in")
    add_clip_options(parser)
    add_computing_options(parser)
    add_backend_option(parser)


def add_clip_options(parser: ArgumentParser) -> None:
    """Add what is about videos alone."""
    parser.add_argument("--smooth", type=float, default=0.0, help="from 0 to 1: against flicker in videos")


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
        use_tool(to, tool(), options.smooth, past)


def check_clip_options(parser: ArgumentParser, options: Namespace, to: Targets) -> None:
    """Raise InputError for options of videos that cannot be, or do nothing because there is no video."""
    if not 0 <= options.smooth <= 1:
        raise InputError("smooth from 0 to 1", f"{options.smooth:g}")
    if not to.clips:
        check_unused(parser, options, ["smooth"], "for pictures: it is against flicker in videos")


def use_tool(to: Targets, tool: Tool, smooth: float, past: str) -> None:
    """Put files through a network."""

    def work(source: Path, target: Path, tell: Tell) -> None:
        if is_video(source):
            tool.video(source, target, smooth, tell, to.overwrite)
        else:
            tool.file(source, target, tell, to.writing)

    def verify(source: Path, target: Path) -> str:
        return unlike(source, target, tool.size_of, to.max_pixels)

    do_each(to.plan, to.out, work, to.what, past, to.existing, verify)
