"""The one folder of a run that several processes train: chosen by the first, seen by all, found again by a restart."""

from __future__ import annotations

import json
import logging
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perceptualloss.errors import InputError
from perceptualloss.files import write_json
from perceptualloss.training.checkpoints import checkpoint_files
from perceptualloss.training.launch import Launch, launch
from perceptualloss.training.meeting import from_first, tells_of_failure, until
from perceptualloss.training.run_folder import (
    CONFIGURATION,
    JOB,
    Record,
    changes,
    claimed_folder,
    read_record,
    resumed_from,
)

log = logging.getLogger(__name__)
SEEN = 60.0  # seconds after which a network disk shows on all machines what one has written


@dataclass(frozen=True)
class Place:
    """Where a run writes, and whether it goes on with what is there.

    Args:
        folder: the run's.
        goes_on: whether it was begun before.
        job: by which job, where that is started again; else None.
    """

    folder: Path
    goes_on: bool
    job: str | None = None


@contextmanager
def run_place(parent: Path, name: str, resume: Path | None, configuration: str) -> Iterator[Place]:
    """Choose the folder of a run for all of its processes.

    That is the one to resume, if there is one; else the one that this job, which torchrun or SLURM has started again,
    had before; else a new one, which is let go after an error before anything was written into it.

    Args:
        parent: where new folders go.
        name: of a new one.
        resume: the folder that the user wants to go on with.
        configuration: the recipe as YAML.

    Raises:
        InputError: for a folder that cannot be made or that not all machines see, or a job with another recipe.
    """
    launched = launch()
    if launched is not None and launched.rank == 0 and not launched.restarts_safely:
        log.warning("a restart may fail to connect: set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun")
    with tells_of_failure(), ExitStack() as stack:

        def choose() -> Record:
            before = None if resume or launched is None else _folder_of(launched.job, parent, name, configuration)
            place = resume or before or stack.enter_context(claimed_folder(parent, name))
            token = _marked(place, launched)
            goes_on = resume is not None or (before is not None and _has_begun(before))
            return {"folder": str(place), "path": str(place.absolute()), "goes_on": goes_on, "token": token}

        chosen = from_first("folder", choose)
        folder = Path(chosen["folder"])
        if launched is not None and launched.rank > 0:
            folder = Path(chosen["path"])
            if launched.by != "Lightning":  # which starts its processes on this machine
                check_shared(folder, chosen["token"])
        again = launched.job if launched is not None and resume is None and chosen["goes_on"] else None
        yield Place(folder, chosen["goes_on"], again)


def _folder_of(job: str | None, parent: Path, name: str, configuration: str) -> Path | None:
    """Return the folder that a job has begun to train in, if there is one.

    Raises:
        InputError: where it trained by another recipe there.
    """
    numbered = (path for path in parent.glob(f"{name}*") if path.name.removeprefix(name).lstrip("-").isdigit())
    for folder in (parent / name, *numbered):
        if job is not None and _marks(folder).get("job") == job:
            if _differ(folder / CONFIGURATION, configuration):
                remedy = "Name the job (torchrun --rdzv-id) or the run (--name) otherwise, or --resume the folder."
                raise InputError(f"the recipe of the job '{job}' in {folder}", "another one", remedy)
            return folder
    return None


def _differ(written: Path, configuration: str) -> bool:
    """Whether a setting is another one in a recipe that was written; another version may have more of them."""
    if not written.is_file():
        return False
    before, now = yaml.safe_load(written.read_text(encoding="utf-8")), yaml.safe_load(configuration)
    if not isinstance(before, dict) or not isinstance(now, dict):
        return bool(before != now)
    return any(before[name] != now[name] for name in before if name in now)


def _has_begun(folder: Path) -> bool:
    return read_record(folder) is not None or bool(checkpoint_files(folder))


def _marked(folder: Path, launched: Launch | None) -> str:
    """Write into a folder whose it is, and a word by which other processes know it."""
    if launched is None or launched.by == "Lightning":
        return ""
    if not folder.is_dir():
        raise InputError("the folder of an interrupted run", str(folder), "Start without --resume.")
    token = secrets.token_hex(8)
    write_json({"job": launched.job, "token": token}, folder / JOB)
    return token


def _marks(folder: Path) -> dict[str, Any]:
    try:
        written = json.loads((folder / JOB).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def check_shared(folder: Path, token: str, seconds: float = SEEN) -> None:
    """Wait until what the first process has written into a folder is seen from here.

    Raises:
        InputError: where it is not: the folder is another one on this machine.
    """
    if not until(lambda: _marks(folder).get("token") == token, seconds):
        got = f"{folder} on {socket.gethostname()}, in which the first process has written nothing"
        raise InputError("a folder that all machines share", got, "Give --out on a disk that all of them mount.")


def checkpoint_to_resume(folder: Path, settings: dict[str, str]) -> Path | None:
    """Return the checkpoint that all processes go on from: the one that the first of them finds (:func:`resumed_from`).

    Raises:
        InputError: as that does, or where it is not seen from here.
    """
    fixed = ("network", "critic")
    found = from_first("checkpoint", lambda: {"name": _name(resumed_from(folder, settings, fixed))})["name"]
    if found is None:
        return None
    checkpoint: Path = folder / found
    if not until(checkpoint.is_file, SEEN):
        got = f"{folder} on {socket.gethostname()} without {found}"
        raise InputError("a folder that all machines share", got, "Give --out on a disk that all of them mount.")
    return checkpoint


def _name(checkpoint: Path | None) -> str | None:
    return None if checkpoint is None else f"{checkpoint.parent.name}/{checkpoint.name}"


def check_same(record: Record) -> None:
    """Refuse processes that would train something else than the first one.

    Args:
        record: settings, data and versions.

    Raises:
        InputError: for what differs.
    """
    agreed = from_first("record", lambda: record)
    different = {name: both for name, both in changes(agreed, record).items() if name != "folders"}
    if different:
        name, (first, here) = next(iter(different.items()))
        got = f"{name} {here} on {socket.gethostname()} and {first} in the first process"
        others = f" Others: {', '.join(list(different)[1:])}." if len(different) > 1 else ""
        raise InputError("the same settings, data and versions in all processes", got, f"Make them equal.{others}")
