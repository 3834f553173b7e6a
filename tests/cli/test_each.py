"""Many files: no single one ends the run, none that is there is lost, and what became of all is counted."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from perceptualloss.cli.console import Interrupted
from perceptualloss.cli.each import Existing, Tell, do_each
from perceptualloss.errors import InputError
from perceptualloss.files import write_whole
from perceptualloss.pictures.folders import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Three files, and where their copies go."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.png").write_text(name)
    return Plan([(tmp_path / "in" / f"{n}.png", tmp_path / "out" / f"{n}.png") for n in "abc"])


def copied(plan: Plan, existing: Existing = "keep", fail: dict[str, BaseException] | None = None) -> None:
    """Copy all files; fail at those whose names are in ``fail``."""

    def work(source: Path, target: Path, tell: Tell) -> None:
        tell(1, 2)
        if fail and source.stem in fail:
            raise fail[source.stem]
        write_whole(source.read_bytes(), target, overwrite=existing == "overwrite")

    def verify(source: Path, target: Path) -> str:
        return "" if target.read_bytes() == source.read_bytes() else "not whole"

    do_each(plan, plan.pairs[0][1].parent, work, "pictures", "copied", existing, verify)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a picture", "none"), "a.png: expected a picture, got none"),
        (IndexError("list index\nout of range"), "a.png: IndexError: list index out of range (each.py:"),
        (MemoryError(), "a.png: more memory is needed than there is"),
        (PermissionError(errno.EACCES, "Permission denied"), "a.png: PermissionError: [Errno 13] Permission denied"),
        (AssertionError(), "a.png: AssertionError:"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_exception_of_a_file_ends_the_run(
    error: Exception, said: str, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"3 pictures, got 1 that were not copied"):
        copied(plan, fail={"a": error})
    assert contents(tmp_path / "out") == {"b.png": "b", "c.png": "c"}
    shown = capsys.readouterr()
    (line,) = [line for line in shown.err.splitlines() if line.startswith("not copied: ")]
    assert said in line
    assert "Traceback" not in shown.err
    out = re.escape(str(tmp_path / "out"))
    assert re.fullmatch(rf"Wrote 2 pictures into {out}(, \S+ megapixels a second)?; 1 failed\n", shown.out)


def test_one_file_that_fails_is_one_line(plan: Plan) -> None:
    one = Plan(plan.pairs[:1], single=True)
    with pytest.raises(InputError, match=r"expected .*a.png to be copied, got IndexError: odd \(each.py:\d+\)$"):
        copied(one, fail={"a": IndexError("odd")})


def test_what_is_there_is_kept_and_counted_with_its_reason(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_text("theirs")
    (tmp_path / "out" / "c.png").symlink_to("nowhere")
    copied(plan)
    assert (tmp_path / "out" / "a.png").read_text() == "a"
    assert (tmp_path / "out" / "b.png").read_text() == "theirs"
    assert (tmp_path / "out" / "c.png").is_symlink()
    shown = capsys.readouterr().out
    out = re.escape(str(tmp_path / "out"))
    what = r"skipped 2 \(b.png, c.png: there already; --overwrite"
    assert re.match(rf"Wrote 1 picture into {out}(, \S+ megapixels a second)?; {what}", shown)


def test_overwriting_is_asked_for(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_text("theirs")
    copied(plan, "overwrite")
    assert contents(tmp_path / "out") == {"a.png": "a", "b.png": "b", "c.png": "c"}


def test_going_on_makes_anew_what_is_not_whole_and_loses_nothing(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").mkdir()
    for name, text in {"a.png": "a", "b.png": "theirs", "b.png.before": "older", "c.png": ""}.items():
        (tmp_path / "out" / name).write_text(text)
    copied(plan, "skip")
    kept = {"a.png": "a", "b.png": "b", "b.png.before": "older", "b.png.before-2": "theirs", "c.png": "c"}
    assert contents(tmp_path / "out") == kept
    assert "2 pictures into" in (shown := capsys.readouterr().out)
    assert "skipped 1 (a.png: whole already)" in shown
    assert "b.png is not whole: it is made anew, and the old one kept as" in caplog.text


def test_what_cannot_be_made_anew_gets_its_name_back(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_text("theirs")
    with pytest.raises(InputError, match="1 that were not copied"):
        copied(plan, "skip", fail={"b": InputError("a picture", "none")})
    assert contents(tmp_path / "out") == {"a.png": "a", "b.png": "theirs", "c.png": "c"}


@pytest.mark.parametrize("existing", ["keep", "skip", "overwrite"])
def test_a_folder_in_the_place_of_a_target_stays(existing: Existing, plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out" / "b.png").mkdir(parents=True)
    with pytest.raises(InputError, match="1 that were not copied"):
        copied(plan, existing)
    assert (tmp_path / "out" / "b.png").is_dir()
    assert (tmp_path / "out" / "c.png").is_file()


def test_a_full_disk_ends_it_with_one_line(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    full = InputError("b.png to be writable", "the error 'No space left on device'")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(
        InputError, match=r"space on the disk for .*b.png, got none. Wrote 1 picture into .* go on with"
    ):
        copied(plan, fail={"b": full, "c": AssertionError("it went on")})
    assert "not copied" not in capsys.readouterr().err


def test_ctrl_c_says_what_was_done(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="Wrote 1 picture into"):
        copied(plan, fail={"b": KeyboardInterrupt()})
    assert contents(tmp_path / "out") == {"a.png": "a"}


def test_what_cannot_be_looked_at_is_a_failure_and_other_files_are_counted(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "in" / "two\nlines\x1b[31m.png"
    found = Plan(plan.pairs, Counter({".txt": 3, ".mov": 1}), {odd: "a link to nothing"})
    with pytest.raises(InputError, match="4 pictures, got 1 that were not copied"):
        copied(found)
    shown = capsys.readouterr()
    assert f"not copied: {tmp_path}/in/two lines\ufffd[31m.png: a link to nothing\n" in shown.err
    assert "; 1 failed; left out 3 .txt, 1 .mov\n" in shown.out


def _copy_in_a_process(
    _: int, plan: Plan, start: multiprocessing.synchronize.Barrier, lost: multiprocessing.Queue[str]
) -> None:
    def work(source: Path, target: Path, tell: Tell) -> None:
        start.wait()  # both have seen that no target is there
        write_whole(f"{source.read_text()} by {os.getpid()}".encode(), target, overwrite=False)
        lost.put(target.name)

    do_each(plan, plan.pairs[0][1].parent, work, "pictures", "copied", "keep")


def test_two_runs_at_once_into_one_folder(plan: Plan, tmp_path: Path, in_processes: Callable[..., None]) -> None:
    context = multiprocessing.get_context("forkserver")
    start, wrote = context.Barrier(2), context.Queue()
    in_processes(_copy_in_a_process, plan, start, wrote, processes=2)
    assert sorted(wrote.get(timeout=5) for _ in plan.pairs) == ["a.png", "b.png", "c.png"]  # each by one of them
    assert wrote.empty()
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["a.png", "b.png", "c.png"]
