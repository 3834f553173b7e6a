"""What commands do with results: where they go, what happens to a file that is there, ``-`` for a pipe."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from PIL import Image

from perceptualloss.cli.console import OptionError, add_reading_options, as_option
from perceptualloss.cli.each import PIPE, Existing
from perceptualloss.errors import InputError, check_choice
from perceptualloss.pictures.change import Writing
from perceptualloss.pictures.folders import Plan, is_video, pair_up
from perceptualloss.pictures.kinds import WRITE_SUFFIXES, kept_suffix


def add_target_options(parser: ArgumentParser, out: Path, what: str) -> None:
    """Add where results go, how they are written, and what happens to a file that is there.

    Args:
        parser: of the command.
        out: the folder, unless somebody says otherwise.
        what: the files, such as "pictures".
    """
    help_of_out = f"where results go: a file for one, a folder for several {what}, or - for the standard output"
    parser.add_argument("-o", "--out", type=str, default=str(out), help=help_of_out)
    add_overwrite(parser)
    parser.add_argument(
        "--skip_existing",
        action="store_true",
        help="go on where a run stopped: leave results that are whole, of the right size and not older than the source",
    )
    parser.add_argument(
        "--strip", action="store_true", help="keep no date, place, camera or anything else that is not pixels"
    )
    add_reading_options(parser)
    parser.add_argument(
        "--format",
        type=str | None,
        help="kind of the pictures that are written, such as png, where --out does not say it",
    )


def add_overwrite(parser: ArgumentParser) -> None:
    """Add what happens to files that are there, for commands with results of one input; see :func:`new_place`."""
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")


def new_place(parser: ArgumentParser, options: Namespace) -> Path:
    """Return ``--out``, a file or a folder; where that is taken and nobody has named it, one with a number behind it.

    Raises:
        InputError: a file, or a folder with something in it, that somebody has named, unless with ``--overwrite``.
    """
    out = place = Path(options.out)
    if options.overwrite or out != parser.get_default("out"):
        check_new(out, options.overwrite)
        return out
    number = 1
    while _taken(place):
        number += 1
        place = out.with_stem(f"{out.stem}-{number}")
    return place


def check_new(place: Path, overwrite: bool) -> None:
    """Raise InputError for a file that is there, or a folder with something in it, unless ``overwrite``."""
    if not overwrite and _taken(place):
        what = "a new or empty folder" if place.is_dir() else "a new file"
        raise InputError(f"{what} {place}", "one that is there already", "--overwrite replaces what has the same name.")


def _taken(place: Path) -> bool:
    return any(place.iterdir()) if place.is_dir() else os.path.lexists(place)


@dataclass(frozen=True)
class Targets:
    """The plan of a command, and how its files are read and written.

    Attributes:
        plan: sources and targets.
        out: what the user named.
        existing: what happens to a file that is there.
        strip: whether nothing is kept beside the pixels.
        max_pixels: a larger source is refused.
    """

    plan: Plan
    out: Path
    existing: Existing
    strip: bool
    max_pixels: int

    @property
    def overwrite(self) -> bool:
        """Whether a file that is there, or comes meanwhile, is replaced."""
        return self.existing == "overwrite"

    @property
    def clips(self) -> bool:
        """Whether there are clips among the sources."""
        return any(is_video(source) for source, _ in self.plan.pairs)

    @property
    def what(self) -> str:
        """What the sources are called: pictures, or files where there are clips among them."""
        return "files" if self.clips else "pictures"

    @property
    def writing(self) -> Writing:
        """How a picture's file is made of another."""
        return Writing(self.overwrite, self.strip, self.max_pixels)


@contextmanager
def targets(options: Namespace, videos: bool = False) -> Iterator[Targets]:
    """Give what the options of :func:`add_target_options`, and ``paths``, name, before the work.

    Args:
        options: of the command.
        videos: whether it takes videos, too.

    Raises:
        InputError: what cannot be meant, or one file whose target is there.
    """
    if options.overwrite and options.skip_existing:
        raise OptionError("--overwrite or --skip-existing", "both", "One replaces what the other keeps.")
    existing: Existing = "overwrite" if options.overwrite else "skip" if options.skip_existing else "keep"
    suffix = None
    if options.format is not None:
        with as_option():
            kinds = [known.removeprefix(".") for known in WRITE_SUFFIXES]
            suffix = "." + check_choice("--format", options.format.lower().removeprefix("."), kinds)
    paths, out = list(options.paths), Path(options.out)
    with _piped(paths, out) if PIPE in (*paths, out) else nullcontext((paths, out, None)) as (sources, target, kind):
        is_folder = options.out.endswith(("/", os.sep))
        plan = pair_up(sources, target, videos, suffix or kind, is_folder)
        if suffix is not None and (plan.pairs[0][1] == target and target.suffix.lower() != suffix):
            raise OptionError(f"--format {target.suffix.removeprefix('.')}, which --out says", options.format)
        replaces = plan.single and existing == "keep" and options.get("preview") is None
        if replaces and os.path.lexists(plan.pairs[0][1]):
            remedy = "--overwrite replaces it; --skip-existing keeps it if it is what would be made."
            raise InputError(f"a new file {plan.pairs[0][1]}", "one that is there already", remedy)
        yield Targets(plan, out, existing, options.strip, options.max_pixels)


@contextmanager
def _piped(paths: list[Path], out: Path) -> Iterator[tuple[list[Path], Path, str | None]]:
    """Let files in a private folder stand for the standard input and output.

    Gives sources, what stands for ``out``, and what it ends in if nobody says it.

    Raises:
        InputError: several files, or a terminal at either end.
    """
    if len(paths) > 1 or paths[0].is_dir():
        raise InputError("one picture for -, the standard input or output", "several", "Name a folder as --out.")
    if out == PIPE and sys.stdout.isatty():
        raise InputError("a pipe or a file at the standard output", "a terminal", "Add > result.png, or name an --out.")
    with tempfile.TemporaryDirectory(prefix="perceptualloss-") as folder:
        source = _received(Path(folder)) if paths[0] == PIPE else paths[0]
        if out != PIPE:
            yield [source], out, None
            return
        results = Path(folder) / "results"
        results.mkdir()
        yield [source], results, kept_suffix(source)
        for result in (path for path in results.iterdir() if path.stem == source.stem):
            sys.stdout.buffer.write(result.read_bytes())
        sys.stdout.buffer.flush()


def _received(folder: Path) -> Path:
    """Write what stands at the standard input into a file with the ending of its kind."""
    if sys.stdin.isatty():
        raise InputError("a picture at the standard input", "a terminal", "Add: < picture.jpg, or name the file.")
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("a picture at the standard input", "nothing")
    file = folder / f"standard-input{_ending(data)}"
    file.write_bytes(data)
    return file


def _ending(data: bytes) -> str:
    """Return the ending that files of a picture's kind have, such as Pillow knows; .png for what it does not know."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format
    except Exception:  # Pillow raises nearly anything; the decoder says what is wrong
        return ".png"
    known = Image.registered_extensions()
    return next((ending for ending in (".jpg", ".png", ".tif", *WRITE_SUFFIXES) if known.get(ending) == kind), ".png")
