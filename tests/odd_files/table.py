"""Print the table of odd files and situations with what each gives: ``python tests/odd_files/table.py``.

With ``--write`` the table of docs/odd-files.md is written anew. The files are made by the modules beside this one, and
what is read is compared to independent decoders and to answers known by construction. Ends with 1 if anything is wrong.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import odd_clips
import odd_commands
import odd_formats
import odd_png
import odd_tiff
from odd_case import Outcome, try_picture

PAGE = Path(__file__).resolve().parents[2] / "docs" / "odd-files.md"
_MOST = 90  # letters of what was said
_SPEED = re.compile(r"(: \d[\d.]* s)?, [\d.e-]+ (megapixels|frames)(/s| a second)")  # differs from run to run


def attempts() -> Iterator[tuple[str, Callable[[Path], Outcome]]]:
    """Yield every title with what tries it in a folder."""
    for module in (odd_png, odd_tiff, odd_formats):
        for case in module.CASES:
            yield case.title, lambda folder, case=case: try_picture(case, folder)
    for situation in odd_commands.CASES:
        yield situation.title, lambda folder, case=situation: odd_commands.try_situation(case, folder)
    for clip in odd_clips.CASES:
        yield clip.title, lambda folder, case=clip: odd_clips.try_clip(case, folder)


def rows() -> Iterator[tuple[str, Outcome]]:
    """Try everything, each in an empty folder."""
    for title, attempt in attempts():
        with tempfile.TemporaryDirectory() as folder:
            outcome = attempt(Path(folder))
            yield title, Outcome(*(text.replace(folder, "") for text in vars(outcome).values()))


def as_markdown(title: str, outcome: Outcome) -> str:
    """Return a row of the table."""
    shown = "".join(letter if letter.isprintable() else " " for letter in _SPEED.sub("", outcome.words))
    words = " ".join(shown.split()).replace("|", "/").replace("<", "&lt;")
    words = words if len(words) <= _MOST else words[: _MOST - 1] + "…"
    return f"| {title} | {outcome.expected} | {outcome.got} | {words} |"


def main() -> int:
    """Print or write the table."""
    lines, wrong = ["| odd | expected | got | said |", "| --- | --- | --- | --- |"], 0
    for title, outcome in rows():
        lines.append(as_markdown(title, outcome))
        print(lines[-1] + (f" WRONG: {outcome.wrong}" if outcome.wrong else ""), flush=True)
        wrong += bool(outcome.wrong)
    print(f"{len(lines) - 2} odd files and situations, {wrong} wrong")
    if "--write" in sys.argv:
        before, mark, _ = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
        PAGE.write_text(before + mark + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
