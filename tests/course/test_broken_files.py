"""Files that do not run, hang, end the program or lack what is asked for: told with the line of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptualloss import cli
from perceptualloss.course import answer as answers
from perceptualloss.course.answer import Mistake
from perceptualloss.course.checks import check
from perceptualloss.course.texts import LANGUAGES, text
from perceptualloss.errors import InputError

BROKEN = [
    ("", "name", None, "The file has no train_step. The check calls train_step(model, loss, optimizer, low, high)."),
    ("def train(a):\n    pass\n", "name_near", None, "but train"),
    ("train_step = 3\n", "not_callable", None, "neither a class nor a function"),
    ("def train_step(model):\n    pass\n", "signature", 1, "It is called as train_step(model, loss,"),
    ("x = 1\ndef f(:\n", "syntax", 2, "SyntaxError"),
    ("a = 'a\0b'\n", "syntax", None, "cannot read"),
    ("# \xff\n", "name", None, "no train_step"),
    ("import torch\nimport nothing_like_this\n", "no_module", 2, "nothing_like_this"),
    ("from perceptualloss.misc import ResNetBlock\n", "no_module", 1, "from perceptualloss import ResNetBlock"),
    ("a = 1\nb = a / 0\n", "raises", 2, "ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit(0)\n", "exits", 2, "sys.exit"),
    ("raise BaseException('no')\n", "raises", 1, "BaseException: no"),
    ("name = input()\n", "asks", 1, "input()"),
    ("while True:\n    pass\n", "too_long", None, "if __name__"),
    ("try:\n    while True:\n        pass\nexcept Exception:\n    pass\n", "too_long", None, "busy"),
    ("def train_step(model, loss, optimizer, low, high):\n    raise NotImplementedError\n", "unfinished", 2, "body"),
    ("from perceptualloss.numerics import wide as train_step\n", "not_own", None, "comes from the package"),
    ("class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E\n", "raises", 4, "stops with E."),
    ("def f():\n    return f()\nf()\n", "raises", 2, "RecursionError"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "key", "line", "words"), BROKEN, ids=[repr(row[0][:30]) for row in BROKEN])
def test_it_is_told_with_its_line(
    source: str,
    key: str,
    line: int | None,
    words: str,
    answer: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.3)
    with pytest.raises(Mistake) as told:
        check(3, answer(source))
    assert told.value.key == key
    assert line is None or told.value.line == line
    assert words in text("en", f"mistake.{key}", told.value.values)
    for language in LANGUAGES:
        assert "\n" not in text(language, f"mistake.{key}", told.value.values)


def test_the_line_is_that_of_the_file_where_a_library_raises(answer: Callable[[str], Path]) -> None:
    source = "def train_step(model, loss, optimizer, low, high):\n    return loss(\n        model(low[:, :1]), high)\n"
    with pytest.raises(Mistake) as told:
        check(3, answer(source))
    assert told.value.line == 3
    assert "expected input" in str(told.value.values["error"])


def test_bytes_that_are_no_text_and_a_message_that_steers_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    for source, words in ((b"\xff\xfe\x00", "cannot read"), (b"raise ValueError('\\x1b[31m{x}')", "\ufffd[31m{x}")):
        file.write_bytes(source)
        with pytest.raises(SystemExit):
            cli.main(["course", "check", "3", str(file), "--language", "en"])
        shown = capsys.readouterr().out
        assert words in shown
        assert "\x1b" not in shown


def test_what_is_no_python_file(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    for file, words in ((tmp_path, "a folder"), (tmp_path / "none.py", "none"), (tmp_path / "a.ipynb", "the notebook")):
        with pytest.raises(InputError, match=words):
            check(1, file)
    with pytest.raises(InputError, match="a chapter from 1 to 9, got 10"):
        check(10, tmp_path / "none.py")


def test_files_beside_it_can_be_imported_and_nothing_stays(answer: Callable[[str], Path]) -> None:
    import sys  # noqa: PLC0415

    file = answer("from beside_the_answer import train_step\n")
    (file.parent / "beside_the_answer.py").write_text("from answer_solution import *\n")
    with pytest.raises(Mistake, match="no_module"):
        check(3, file)
    assert str(file.parent) not in sys.path
    assert sys.gettrace() is None or "look" not in repr(sys.gettrace())
