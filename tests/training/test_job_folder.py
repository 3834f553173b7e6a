"""One folder for all processes of a run, and for all starts of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perceptualloss.errors import InputError
from perceptualloss.files import write_json
from perceptualloss.training import job_folder
from perceptualloss.training.job_folder import check_same, check_shared, run_place
from perceptualloss.training.launch import Launch
from perceptualloss.training.run_folder import CONFIGURATION, JOB, RECORD


def started(monkeypatch: pytest.MonkeyPatch, job: str | None = "torchrun mine", rank: int = 0) -> None:
    found = Launch("torchrun", rank, 1, 1, job)
    monkeypatch.setattr(job_folder, "launch", lambda: found)


def begin(folder: Path, recipe: str = "steps: 6") -> None:
    (folder / CONFIGURATION).write_text(recipe)
    write_json({"settings": {}}, folder / RECORD)


def test_a_job_that_is_started_again_goes_on_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_place(tmp_path, "mine", None, "steps: 6") as other:  # another run of the name
        begin(other.folder)
    started(monkeypatch)
    with run_place(tmp_path, "mine", None, "steps: 6") as place:
        assert (place.folder, place.goes_on, place.job) == (tmp_path / "mine-2", False, None)
    with run_place(tmp_path, "mine", None, "steps: 6") as place:  # it was killed before anything was written
        assert (place.folder, place.goes_on) == (tmp_path / "mine-2", False)
        begin(place.folder)
    with run_place(tmp_path, "mine", None, "steps: 6") as place:
        assert (place.folder, place.goes_on, place.job) == (tmp_path / "mine-2", True, "torchrun mine")
    with (
        pytest.raises(InputError, match="the recipe of the job 'torchrun mine'"),
        run_place(tmp_path, "mine", None, "b"),
    ):
        pass
    with run_place(tmp_path, "mine", None, "steps: 6\nnew: 1") as place:  # of a later version
        assert place.goes_on
    started(monkeypatch, "torchrun another")
    with run_place(tmp_path, "mine", None, "steps: 6") as place:
        assert place.folder == tmp_path / "mine-3"


def test_after_an_error_the_folder_is_found_again_or_was_never_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(monkeypatch)
    with pytest.raises(InputError, match="photos"), run_place(tmp_path, "mine", None, "steps: 6"):
        raise InputError("photos", "none")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="photos"), run_place(tmp_path, "mine", None, "steps: 6") as place:
        raise InputError("photos" if begin(place.folder) is None else "", "none")
    assert (tmp_path / "mine" / JOB).is_file()


def test_a_job_without_a_name_finds_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, None)
    for number in ("mine", "mine-2"):
        with run_place(tmp_path, "mine", None, "steps: 6") as place:
            begin(place.folder)
            assert (place.folder, place.job) == (tmp_path / number, None)


def test_a_folder_to_resume_is_that_one_in_any_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch)
    with run_place(tmp_path, "mine", tmp_path, "steps: 6") as place:
        assert (place.folder, place.goes_on, place.job) == (tmp_path, True, None)
    with (
        pytest.raises(InputError, match="the folder of an interrupted run"),
        run_place(tmp_path, "mine", tmp_path / "nothing", ""),
    ):
        pass


def test_a_folder_that_another_machine_does_not_share_is_refused(tmp_path: Path) -> None:
    write_json({"job": None, "token": "word"}, tmp_path / JOB)
    check_shared(tmp_path, "word", seconds=0)
    for folder, token in ((tmp_path, "another"), (tmp_path / "nothing", "word")):
        with pytest.raises(InputError, match="a folder that all machines share"):
            check_shared(folder, token, seconds=0)


def test_processes_that_would_train_something_else_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    first: dict[str, Any] = {"settings": {"steps": "6", "seed": "0"}, "data": {"files": 3, "folders": ["/a"]}}
    monkeypatch.setattr(job_folder, "from_first", lambda what, make: first)
    check_same({"settings": {"steps": "6", "seed": "0"}, "data": {"files": 3, "folders": ["/b"]}})
    with pytest.raises(InputError, match=r"got steps 7 on .* and 6 in the first process.*Others: files"):
        check_same({"settings": {"steps": "7", "seed": "0"}, "data": {"files": 4, "folders": ["/a"]}})
