"""Print the table of odd files and situations with what each gives: ``python tests/odd_files/table.py``.

With ``--write`` the table of docs/odd-files.md is written anew. The files are made by the modules beside this one, and
what is read is compared to independent decoders and to answers known by construction. Ends with 1 if anything is wrong.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import odd_clips
import odd_commands
import odd_formats
import odd_png
import odd_tiff
from odd_case import Case, Outcome, try_picture

PAGE = Path(__file__).resolve().parents[2] / "docs" / "odd-files.md"
_MOST = 90  # letters of what was said
_CHANGING = re.compile(  # speeds, and folders for a while: they differ from run to run
    r"(: \d[\d.]* s)?, [\d.e-]+ (megapixels|frames)(/s| a second)|/\S*/perceptualloss-\w+/"
)
_LONG = re.compile(r"(\w)\1{20,}")  # a name of 250 letters would make its column as wide
SECTIONS: dict[str, Sequence[Case | odd_commands.Situation | odd_clips.Clip]] = {
    "PNG": odd_png.CASES,
    "TIFF": odd_tiff.CASES,
    "JPEG": odd_formats.JPEG,
    "Other kinds of pictures": odd_formats.OTHERS,
    "Names, links, and files that are no pictures": odd_formats.NO_PICTURES,
    "Folders, and what is there already": odd_commands.FOLDERS,
    "Targets and options": odd_commands.NAMES,
    "What is kept": odd_commands.KEPT,
    "Pairs and measures": odd_commands.PAIRS,
    "Videos": odd_clips.CASES,
}


def attempts() -> Iterator[tuple[str, Callable[[Path], Outcome]]]:
    """Yield every title with what tries it in a folder."""
    for cases in SECTIONS.values():
        for case in cases:
            yield case.title, partial(_try, case)


def _try(case: Case | odd_commands.Situation | odd_clips.Clip, folder: Path) -> Outcome:
    if isinstance(case, Case):
        return try_picture(case, folder)
    if isinstance(case, odd_clips.Clip):
        return odd_clips.try_clip(case, folder)
    return odd_commands.try_situation(case, folder)


def as_markdown(title: str, outcome: Outcome) -> str:
    """Return a row of the table."""
    shown = "".join(letter if letter.isprintable() else " " for letter in _CHANGING.sub("", outcome.words))
    words = _LONG.sub(r"\1\1\1…", " ".join(shown.split())).replace("|", "/").replace("<", "&lt;")
    words = words if len(words) <= _MOST else words[: _MOST - 1] + "…"
    return f"| {title} | {outcome.expected} | {outcome.got} | {words} |"


def main() -> int:
    """Print or write the table."""
    lines, count, wrong = list[str](), 0, 0
    for section, cases in SECTIONS.items():
        lines += ["", f"### {section}", "", "| odd | expected | got | said |", "| --- | --- | --- | --- |"]
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                outcome = Outcome(*(text.replace(folder, "") for text in vars(_try(case, Path(folder))).values()))
            lines.append(as_markdown(case.title, outcome))
            print(lines[-1] + (f" WRONG: {outcome.wrong}" if outcome.wrong else ""), flush=True)
            count, wrong = count + 1, wrong + bool(outcome.wrong)
    print(f"{count} odd files and situations, {wrong} wrong")
    if "--write" in sys.argv:
        before, mark, _ = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
        PAGE.write_text(before + mark + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
