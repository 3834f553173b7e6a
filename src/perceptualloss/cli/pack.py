"""``perceptualloss pack``."""

from __future__ import annotations

import re
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from perceptualloss.bars import bars
from perceptualloss.cli.console import as_option, bold, check_unused, command_parser, complain, errors, inform
from perceptualloss.data.shards.pack import Packing, pack
from perceptualloss.errors import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("pack")
    parser.add_argument("folder", type=Path, help="the folder of pictures")
    parser.add_argument("out", type=Path, help="where shards go: a new folder, or that of an interrupted packing")
    parser.add_argument("--shard_size", type=str, default="256MB", help="the size of a shard, such as 1GB")
    parser.add_argument(
        "--shorter_side", type=int | None, help="shrink the shorter side of larger pictures to so many pixels"
    )
    parser.add_argument(
        "--tile",
        type=int | None,
        help="cut larger pictures into pieces of so many pixels a side, and up to twice as many",
    )
    parser.add_argument("--quality", type=int, default=95, help="quality of JPEG, for pictures that are shrunk or cut")
    parser.add_argument("--lossless", action="store_true", help="write these as PNG in place of JPEG")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order of the pictures")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss pack``."""
    if options.shorter_side is None and options.tile is None:
        check_unused(
            parser, options, ("quality", "lossless"), "without --shorter-side or --tile: files stay as they are"
        )
    if options.lossless:
        check_unused(parser, options, ("quality",), "with --lossless")
    quality = None if options.lossless else options.quality
    with as_option():
        size = bytes_of(options.shard_size)
        packing = Packing(size, options.shorter_side, options.tile, quality, options.seed)
    try:
        with bars(errors) as shown:
            bar = shown.add_task("Packing", total=None)
            done = pack(options.folder, options.out, packing, lambda n, of: shown.update(bar, completed=n, total=of))
    except KeyboardInterrupt:
        complain("\nInterrupted;", "the same command goes on with the next shard.", "")
        raise
    told = f"; skipped {done.skipped} file{'s' * (done.skipped != 1)}" if done.skipped else ""
    told += f"; {done.found} of the shards were there already" if done.found else ""
    shards = f"{done.shards} shard{'s' * (done.shards != 1)}"
    inform(
        "Wrote ",
        bold(f"{done.pictures:,} pictures"),
        f" into {shards} in {options.out}, {done.bytes / 1e6:,.1f} MB in all{told}",
    )


def bytes_of(text: str) -> int:
    """Return a size in bytes.

    Raises:
        InputError: for a text that says none.

    >>> bytes_of("256MB"), bytes_of("1 GiB"), bytes_of("1.5k")
    (256000000, 1073741824, 1500)
    """
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMG]I?)?B?", text.strip().upper())
    size = round(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
    if size < 1:
        raise InputError("a size such as 256MB or 1GB", repr(text))
    return size
