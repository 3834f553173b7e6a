"""The course's pages: a chapter in each language, with the task's commands and the solution that the package has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import perceptualloss.course.solutions

COURSE = Path(__file__).parents[1] / "docs" / "course"
SOLUTIONS = Path(perceptualloss.course.solutions.__file__).parent
CHAPTERS = {
    "1-perceptual-loss": "perceptual",
    "2-upscale2x": "upscale2x",
    "3-training": "train_step",
    "4-comparing": "comparison",
    "5-upscale4x": "upscale4x",
    "6-generator": "generator",
    "7-critic": "adversarial",
    "8-style": "style",
    "9-layers": "reconstruct",
}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_both_languages_have_the_same_pages() -> None:
    pages = {page.name for page in COURSE.glob("*.md")}
    assert pages == {page.name for page in (COURSE / "de").glob("*.md")} - {"index.md"}
    assert pages == {f"{name}.md" for name in (*CHAPTERS, "0-start", "results")}
    for overview in (COURSE.parent / "course.md", COURSE / "de" / "index.md"):
        text = overview.read_text(encoding="utf-8")
        assert all(name in text for name in pages)


@pytest.mark.parametrize("folder", [COURSE, COURSE / "de"], ids=["en", "de"])
@pytest.mark.parametrize(("page", "file"), CHAPTERS.items())
def test_a_chapter_has_its_commands_and_the_packages_solution(folder: Path, page: str, file: str) -> None:
    text = (folder / f"{page}.md").read_text(encoding="utf-8")
    assert f"perceptualloss course start {page[0]}" in text
    assert f"perceptualloss course check {page[0]} {file}.py" in text
    solution = (SOLUTIONS / f"{file}.py").read_text(encoding="utf-8").rstrip() + "\n"
    folded = text.partition('<details class="success" markdown>')[2].partition("</details>")[0]
    assert BLOCK.findall(folded) == [solution], f"copy {file}.py of course/solutions into {page}.md"


@pytest.mark.parametrize("page", ["0-start", *CHAPTERS])
def test_both_languages_show_the_same_code(page: str) -> None:
    def code(folder: Path) -> list[str]:
        blocks = BLOCK.findall((folder / f"{page}.md").read_text(encoding="utf-8"))
        return [re.sub(r"  # .*", "", block) for block in blocks]

    assert code(COURSE) == code(COURSE / "de")
