"""Where the commands print, and what several of them need."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from perceptualloss.bars import progress_is_shown
from perceptualloss.cli import COMMANDS
from perceptualloss.cli.examples import examples_of
from perceptualloss.cli.help import Help
from perceptualloss.errors import InputError, check_idle
from perceptualloss.files import is_first_process
from perceptualloss.pictures.reading.decoded import MAX_PIXELS
from perceptualloss.vocabulary import Backend, Precision

if TYPE_CHECKING:
    from perceptualloss.metrics.metric import Metric

# Of several processes that train one network, the first one speaks; errors, which may be another's alone, all tell.
console = Console(markup=False, quiet=not is_first_process())  # names of files and what files say are no markup
errors = Console(stderr=True, markup=False)


_FIRST = 10  # letters for names in a table, so that "perceptual" stays in one piece
_VALUE = 6  # of a value, such as 0.1234


class OptionError(InputError):
    """An option or a recipe that cannot be used; the command ends with 2 instead of 1."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of many files; its text says what was done, and ``--skip-existing`` goes on."""


@contextmanager
def as_option() -> Iterator[None]:
    """Within it, bad input is a bad option.

    Raises:
        OptionError: for an InputError.
    """
    try:
        yield
    except InputError as error:
        raise OptionError(error.expected, error.got, error.remedy) from error


class Parser(ArgumentParser):
    """jsonargparse's parser with our help, also for the parts of a recipe that have a help of their own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        part = re.match(r"Help for (--[\w.]+)\.help=", options.get("description") or "")
        if part:  # jsonargparse makes a parser of this class for --adversarial.help
            options |= {"prog": "perceptualloss train", "description": f"The settings of {part[1]}."}
        super().__init__(*args, **{"formatter_class": Help, **options})


def command_parser(name: str, usage: str | None = None) -> ArgumentParser:
    """Return the parser of a command, with its description and no options yet.

    Args:
        name: of the command.
        usage: what is said of how it is called, in place of all its options.
    """
    return Parser(
        prog=f"perceptualloss {name}",
        usage=usage,
        description=COMMANDS[name],
        epilog=examples_of(name),
        exit_on_error=False,
        allow_abbrev=False,  # half an option may be another one tomorrow
    )


def given_options(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the names of the options among words, and for each what stands behind it.

    >>> given_options(["--recipe", "a.yaml", "--steps=5", "--smoke"]), given_options([])
    ([('recipe', 'a.yaml'), ('steps', '5'), ('smoke', '')], [])
    """
    pairs = [(word.partition("="), after) for word, after in zip(words, [*words, ""][1:], strict=True)]
    return [(name[2:], value if equals else after) for (name, equals, value), after in pairs if name.startswith("--")]


def check_unused(parser: ArgumentParser, options: Namespace, names: Iterable[str], where: str) -> None:
    """Raise for options that somebody has set although they do nothing in this run.

    Args:
        parser: of the command.
        options: its options.
        names: of those that do nothing.
        where: what they do nothing in, such as "with --method network".

    Raises:
        OptionError: for one that is not as it is unless it is set.
    """
    shown = {name: f"--{name.replace('_', '-')}" for name in names}
    with as_option():
        check_idle(
            {shown[name]: options[name] for name in shown}, {shown[n]: parser.get_default(n) for n in shown}, where
        )


def bold(value: object) -> Text:
    """Return a value as bold text."""
    return Text(printable(str(value)), "bold")


def printable(text: str) -> str:
    r"""Return a text from a file or its name without what would steer the terminal.

    >>> printable("red \x1b[31m.png")
    'red \ufffd[31m.png'
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def one_line(text: str) -> str:
    r"""Return a text, in which names of files may have line breaks, in one line.

    >>> one_line("two\nlines.png")
    'two lines.png'
    """
    return " ".join(text.split())


def say(line: str) -> None:
    """Print a line about what happens now, which ``--quiet`` leaves out."""
    if progress_is_shown():
        console.print(bold(line))


def inform(*parts: str | Text) -> None:
    """Print a sentence about what was done, which ``--quiet`` leaves out."""
    if progress_is_shown():
        tell(*parts)


def tell(*parts: str | Text) -> None:
    """Print a sentence as it is, however long."""
    console.print(_sentence(parts), highlight=False, soft_wrap=True)


def note(sentence: str) -> None:
    """Print what the user should know of a result."""
    tell(Text("note:", "yellow"), f" {sentence}")


def complain(what: str, why: str, style: str = "red") -> None:
    """Print what went wrong, and why, for people and not for programs that read the result."""
    errors.print(_sentence((Text(what, style), f" {why}")), highlight=False, soft_wrap=True)


def _sentence(parts: tuple[str | Text, ...]) -> Text:
    return Text.assemble(*(printable(part) if isinstance(part, str) else part for part in parts))


def metric_table(first: str, metrics: Sequence[Metric], **options: Any) -> Table:
    """Return an empty table with a column for each metric, so narrow that the usual ones fit into 80 letters."""
    headings = [f"{metric.title} {metric.arrow}" for metric in metrics]
    widths = [max(_VALUE, *map(len, heading.split())) for heading in headings]
    tight = _FIRST + sum(width + 2 for width in widths) + 3 > console.width
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0 if tight else 1, 0, 0), show_edge=not tight, **options)
    table.add_column(first, min_width=_FIRST, overflow="fold")
    for heading, width in zip(headings, widths, strict=True):
        lines = textwrap.fill(heading, width, break_long_words=False, break_on_hyphens=False)
        shown = lines if tight else heading  # Rich would take the letters that lack from the last column
        table.add_column(shown, justify="right", min_width=width, overflow="fold")
    return table


def add_device_option(parser: ArgumentParser) -> None:
    """Add where a network runs."""
    help = "where to compute: auto (a GPU if there is one), cpu, cuda, mps or cuda:1"
    parser.add_argument("--device", type=str, default="auto", help=help)


def add_loss_network_options(parser: ArgumentParser) -> None:
    """Add which network looks at pictures."""
    help = "the loss network: compact, vgg16, timm/convnext_tiny, ..."
    parser.add_argument("--loss_network", type=str, default="compact", help=help)
    parser.add_argument("--weights", type=str, default="default", help="default, or a file with the network's weights")


def add_computing_options(parser: ArgumentParser) -> None:
    """Add where and in which number format a network runs, for commands that use one."""
    add_device_option(parser)
    parser.add_argument(
        "--precision",
        type=Precision,
        default="auto",
        help="number format: fp32, or layers in 16 bits with bf16 or fp16; auto is fp16 on CUDA, else fp32",
    )


def add_backend_option(parser: ArgumentParser) -> None:
    """Add what runs a network, for commands that take any."""
    help = "what computes: torch, or onnx (onnxruntime, on the CPU in 32 bits; pip install 'perceptualloss[onnx]')"
    parser.add_argument("--backend", type=Backend, default="torch", help=help)


def add_reading_options(parser: ArgumentParser) -> None:
    """Add how large a picture may be, for commands that read pictures which are named."""
    parser.add_argument(
        "--max_pixels",
        type=int,
        default=MAX_PIXELS,
        help="a picture of more pixels is refused before it is decoded",
    )


def fields_of(kind: type, options: Namespace) -> dict[str, Any]:
    """Return the options that are fields of the dataclass ``kind``."""
    return {field.name: options[field.name] for field in fields(kind)}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        InputError: where that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"a folder {folder}", str(error), "Choose another place.") from error
