"""``perceptualloss doctor``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perceptualloss.doctor.diagnosis import advice, as_data, examine, folded, is_healthy, lines
from perceptualloss.errors import InputError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    from perceptualloss.cli.console import command_parser  # noqa: PLC0415

    parser = command_parser("doctor")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, for programs")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss doctor``."""
    if not diagnose(options.json):
        raise InputError("an installation in which nothing is broken", "one in which something is", "See above.")


def without_libraries(words: Sequence[str]) -> int:
    """Run the command where not even the libraries of the command line load; return its exit status."""
    return 0 if diagnose("--json" in words) else 1


def diagnose(as_json: bool) -> bool:
    """Print what is found and what to do about it, with Python alone; return whether nothing is broken."""
    findings, part = [], None
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(lines(finding, part))
            part = finding.part
    if as_json:
        _print(json.dumps(as_data(findings), indent=2, ensure_ascii=False))
    else:
        _print("\nWhat to do\n" + "\n".join(folded(line, "  ", "    ") for line in advice(findings)))
    return is_healthy(findings)


def _print(text: str) -> None:
    printable = "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(printable.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
