"""``perceptualloss course``: what it prints and writes, in both languages."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

from perceptualloss import cli
from perceptualloss.cli.console import console
from perceptualloss.course import stand_in
from perceptualloss.course.chapters import CHAPTERS
from perceptualloss.course.texts import LANGUAGES, texts

PACKAGE = Path(cli.__file__).parents[1]


def run(*words: object) -> int:
    try:
        return cli.main(["course", *map(str, words)])
    except SystemExit as end:
        return int(str(end.code))


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(stand_in, "WIDTH", 8)
    monkeypatch.chdir(tmp_path)


def test_both_languages_have_the_same_sentences_and_values() -> None:
    english, german = texts("en"), texts("de")
    assert [*english] == [*german]
    for key, sentence in english.items():
        fields = [{part[1] for part in string.Formatter().parse(one)} - {None} for one in (sentence, german[key])]
        assert fields[0] == fields[1], key
        assert sentence.strip() == sentence != ""


def test_every_sentence_is_used() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (PACKAGE / "course").rglob("*.py"))
    code += (PACKAGE / "cli" / "course.py").read_text(encoding="utf-8")
    built = {f"{chapter.number}.{part}" for chapter in CHAPTERS for part in ("title", "idea", "task", "checked")}
    built |= {f"adv.no_{part}" for part in ("critic_step", "generator_step", "adversarial", "perceptual", "tv")}
    for key in texts("en"):
        name = key.removeprefix("mistake.")
        known = name in built or f'"{name}"' in code or name.partition(".")[0] in ("list", "show")
        assert known, key


def test_the_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 160)  # so that no title is broken
    assert run() == 0
    shown = capsys.readouterr().out
    assert run("list", "--language", "de") == 0
    german = capsys.readouterr().out
    for chapter in CHAPTERS:
        assert chapter.title("en") in shown
        assert chapter.title("de") in german
        assert all(name in shown for name in chapter.calls)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chapter_is_shown_with_its_page(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    for chapter in CHAPTERS:
        assert run("show", chapter.number, "--language", language) == 0
        shown = capsys.readouterr().out
        assert (Path(__file__).parents[2] / chapter.page(language)).is_file()  # type: ignore[arg-type]
        assert chapter.page(language) in shown  # type: ignore[arg-type]
        assert f"check {chapter.number} {chapter.file}" in shown
        assert max(map(len, shown.splitlines())) <= 100


def test_the_terminals_language(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    run("show", 1)
    assert "Die Aufgabe" in capsys.readouterr().out
    run("show", 1, "--language", "en")
    assert "The task" in capsys.readouterr().out


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.file)
def test_a_skeleton_runs_and_is_told_to_be_unfinished(chapter: object, capsys: pytest.CaptureFixture[str]) -> None:
    number, file = chapter.number, chapter.file  # type: ignore[attr-defined]
    assert run("start", number, "--language", "de") == 0
    written = Path(file).read_text(encoding="utf-8")
    empty = sum(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(written)))
    assert written.count("    raise NotImplementedError") == empty
    assert texts("de")[f"{number}.task"][:25] in written
    assert run("start", number) == 1
    assert Path(file).read_text(encoding="utf-8") == written
    assert "got one that is there" in capsys.readouterr().err
    assert run("check", number, file) == 1
    line = next(at for at, text in enumerate(written.splitlines(), 1) if "    raise NotImplementedError" in text)
    assert f"Not yet. {file}, line {line}:\n  Here is still" in capsys.readouterr().out


def test_the_solution_is_the_file_and_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("solution", 9) == 0
    printed = capsys.readouterr().out
    assert printed == (PACKAGE / "course" / "solutions" / "reconstruct.py").read_text(encoding="utf-8")
    Path("mine.py").write_text(printed, encoding="utf-8")
    assert run("check", 9, "mine.py") == 0
    assert capsys.readouterr().out.startswith("Right.\n  The picture moves")


def test_a_mistake_is_named_in_german(capsys: pytest.CaptureFixture[str]) -> None:
    solution = (PACKAGE / "course" / "solutions" / "style.py").read_text(encoding="utf-8")
    Path("mine.py").write_text(solution.replace(" / (c * h * w)", ""), encoding="utf-8")
    assert run("check", 8, "mine.py", "--language", "de") == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("Noch nicht. mine.py: Die Gram-Matrix wird nicht geteilt")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["chek", "1"], 2, "Did you mean 'check'?"),
        (["show"], 2, "perceptualloss course lists them"),
        (["show", "0"], 2, "a chapter from 1 to 9, got 0"),
        (["show", "one"], 2, "number"),
        (["list", "3"], 2, "no chapter"),
        (["check", "1"], 2, "the file to check"),
        (["check", "1", "none.py"], 1, "none.py, got none"),
        (["start", "1", "a.py"], 2, "-o FILE"),
        (["start", "1", "-o", "none/a.py"], 1, "a file that can be written"),
        (["solution", "1", "-o", "a.py"], 2, "no --out"),
        (["--language", "fr"], 2, "language"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_told_in_a_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == code
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
