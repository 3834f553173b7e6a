"""Every odd file and situation gives what it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import table
from odd_case import Outcome


@pytest.mark.filterwarnings("ignore")  # libraries warn of files that are odd
@pytest.mark.parametrize(
    ("title", "attempt"), list(table.attempts()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_it_gives_what_it_must(title: str, attempt: Callable[[Path], Outcome], tmp_path: Path) -> None:
    outcome = attempt(tmp_path)
    assert not outcome.wrong, f"{title}: {outcome.wrong}; it said: {outcome.words}"


def test_the_page_has_them_all() -> None:
    page = table.PAGE.read_text(encoding="utf-8")
    titles = [title for title, _ in table.attempts()]
    assert len(set(titles)) == len(titles) >= 120
    missing = [title for title in titles if f"| {title} |" not in page]
    assert not missing, "python tests/odd_files/table.py --write"
