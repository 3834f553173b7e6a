"""``perceptualloss serve``."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from importlib.util import find_spec

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.cli.console import add_computing_options, as_option, bold, command_parser, inform, note, tell
from perceptualloss.errors import InputError


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("serve")
    parser.add_argument(
        "--host", type=str, default="127.0.0.1", help="the address to listen at; 0.0.0.0 lets other machines in"
    )
    parser.add_argument("--port", type=int, default=8000, help="the port; 0 takes a free one")
    parser.add_argument("--name", nargs="+", type=str, default=[], help="further names of this machine, for browsers")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--max_pixels", type=int, default=24_000_000, help="pixels that an upload may have")
    parser.add_argument("--max_result", type=int, default=200_000_000, help="pixels that a result may have")
    parser.add_argument("--max_megabytes", type=int, default=64, help="megabytes that an upload may have")
    parser.add_argument("--jobs", type=int, default=1, help="how many pictures are computed at the same time")
    parser.add_argument("--queue", type=int, default=20, help="how many pictures may wait")
    parser.add_argument("--keep", type=float, default=30, help="minutes after which unused pictures are deleted")
    add_computing_options(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss serve``."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        remedy = "Install them with pip install 'perceptualloss[serve]'."
        raise InputError("the packages starlette and uvicorn", "none", remedy)
    from perceptualloss.page.server import serve  # noqa: PLC0415 (what an extra brings)
    from perceptualloss.page.settings import MEGA, PageSettings  # noqa: PLC0415

    names = ("host", "port", "max_pixels", "max_result", "jobs", "queue", "device", "precision")
    with as_option():
        settings = PageSettings(
            **{name: options[name] for name in names},
            names=tuple(options.name),
            max_bytes=options.max_megabytes * MEGA,
            keep=60 * options.keep,
        )

    def ready(address: str) -> None:
        tell("The page is at ", bold(address))
        if not settings.is_local:
            note("whoever reaches this machine can use the page: it has neither a password nor encryption.")
        inform("Ctrl-C ends it and deletes all that was uploaded or made.")
        if options.open:
            webbrowser.open(address)

    with suppress(KeyboardInterrupt):
        serve(settings, ready)
    inform("Ended; uploads and results are deleted.")
