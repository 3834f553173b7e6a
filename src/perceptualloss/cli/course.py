"""``perceptualloss course``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from jsonargparse import ArgumentParser, Namespace
from rich import box
from rich.table import Table
from rich.text import Text

from perceptualloss.cli.console import OptionError, as_option, bold, check_unused, command_parser, console, tell
from perceptualloss.course.chapters import CHAPTERS, Chapter, find_chapter
from perceptualloss.course.texts import Language, language_of, text, wrapped
from perceptualloss.errors import InputError, check_choice

Action = Literal["list", "show", "start", "check", "solution"]
_USAGE = """perceptualloss course
       perceptualloss course show N
       perceptualloss course start N [-o FILE]
       perceptualloss course check N FILE
       perceptualloss course solution N
       each with [--language en|de]"""
_WIDEST = 100  # letters in a line of running text


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("course", usage=_USAGE)
    parser.add_argument(
        "action",
        nargs="?",
        type=str,
        default="list",
        help="list the chapters; show the idea and the task of one; start it with a file to fill in; check what you "
        "wrote, which runs the file; print the solution",
    )
    parser.add_argument("number", nargs="?", type=int, help=f"the chapter, from 1 to {len(CHAPTERS)}")
    parser.add_argument("file", nargs="?", type=Path, help="the Python file to check")
    parser.add_argument("--language", type=Language, help="en or de (default: the terminal's, else en)")
    parser.add_argument("-o", "--out", type=Path, help="the file that start writes; one that is there is kept")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss course``."""
    with as_option():
        action = check_choice("the action", options.action, get_args(Action))
    language = options.language or language_of(os.environ)
    where = f"with perceptualloss course {action}"
    check_unused(parser, options, () if action == "start" else ("out",), where)
    if action != "check" and options.file is not None:
        raise OptionError(f"no file {where}", str(options.file), "-o FILE says what start writes.")
    if action == "list":
        if options.number is not None:
            raise OptionError("no chapter with perceptualloss course list", str(options.number))
        _list(language)
        return
    if options.number is None:
        raise OptionError(f"the number of a chapter {where}", "none", "perceptualloss course lists them.")
    with as_option():
        chapter = find_chapter(options.number)
    if action == "show":
        _show(chapter, language)
    elif action == "start":
        _start(chapter, language, options.out or Path(chapter.file))
    elif action == "check":
        if options.file is None:
            raise OptionError(
                f"the file to check {where}", "none", f"perceptualloss course check {chapter.number} FILE"
            )
        _check(chapter, language, options.file)
    else:
        tell(chapter.solution().rstrip("\n"))


def _list(language: Language) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("number", "title", "write", "minutes"):
        side: Literal["left", "right"] = "right" if name in ("number", "minutes") else "left"
        table.add_column(text(language, f"list.{name}"), justify=side, overflow="fold")
    for chapter in CHAPTERS:
        names = ", ".join(chapter.calls)
        table.add_row(str(chapter.number), bold(chapter.title(language)), names, str(chapter.minutes))
    console.print(table)
    _paragraph(text(language, "list.next"))


def _show(chapter: Chapter, language: Language) -> None:
    number = chapter.number
    tell(bold(f"{number}. {chapter.title(language)}"))
    for part in ("idea", "task"):
        tell("")
        tell(bold(text(language, f"show.{part}")))
        _paragraph(text(language, f"{number}.{part}"))
    tell("")
    tell(bold(text(language, "show.calls")))
    for call in chapter.calls.values():
        _paragraph(call)
    tell("")
    tell(bold(text(language, "show.next")))
    words = {"start": f"start {number}", "check": f"check {number} {chapter.file}", "solution": f"solution {number}"}
    width = max(map(len, words.values()))
    for action, given in words.items():
        tell(f"  perceptualloss course {given:<{width}}  {text(language, f'show.{action}')}")
    tell("")
    _paragraph(text(language, "show.page", {"page": chapter.page(language)}))


def _start(chapter: Chapter, language: Language, file: Path) -> None:
    """Write the skeleton; "x" fails where something is, also if it comes at the same moment."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(chapter.skeleton(language, str(file)))
    except FileExistsError as error:
        raise InputError(f"a new file {file}", "one that is there", "Name another one: -o FILE.") from error
    except OSError as error:
        raise InputError(
            f"a file that can be written, {file}", f"{error.strerror}", "Name another one: -o FILE."
        ) from error
    _paragraph(text(language, "start.done", {"file": file, "number": chapter.number}))


def _check(chapter: Chapter, language: Language, file: Path) -> None:
    from perceptualloss.course.answer import Mistake  # noqa: PLC0415 (the list of chapters needs no PyTorch)
    from perceptualloss.course.checks import check  # noqa: PLC0415

    if chapter.number == 1:
        _paragraph(text(language, "check.stand_in"))
    try:
        check(chapter.number, file)
    except Mistake as mistake:
        place = text(
            language, "check.file" if mistake.line is None else "check.line", {"file": file, "line": mistake.line}
        )
        tell(Text(text(language, "check.wrong"), "bold red"), f" {place}")
        _paragraph(text(language, f"mistake.{mistake.key}", mistake.values))
        raise SystemExit(1) from None
    tell(Text(text(language, "check.right"), "bold green"))
    _paragraph(text(language, f"{chapter.number}.checked"))
    more = chapter.number < len(CHAPTERS)
    _paragraph(text(language, "check.next" if more else "check.end", {"number": chapter.number + 1}))


def _paragraph(words: str) -> None:
    """Print running text in lines that fit the terminal."""
    width = min(console.width, _WIDEST) - 2
    tell("\n".join(f"  {line}" for line in wrapped(words, width)))
