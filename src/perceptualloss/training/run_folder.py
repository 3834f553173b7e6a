"""The folder of a run says all that made it, and belongs to one run at a time."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from perceptualloss.data.degrade import Degradation
from perceptualloss.errors import InputError
from perceptualloss.files import is_first_process, write_json, write_whole
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.precision import precision_word

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
RECORD, CONFIGURATION, LOCK = "run.json", "config.yaml", ".lock"
JOB = ".job"  # which job of torchrun or SLURM trains there
Record = dict[str, Any]
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # in memory, which is another one in every process


def claim_folder(parent: Path, name: str) -> Path:
    """Make ``parent/name``, or one with a number behind it, that no other run has taken, and return it.

    Making a folder is one step: two runs that begin at the same moment get two folders. Of several processes of one
    run, the first one makes it, and the others write nothing.

    Raises:
        InputError: where no folder can be made.
    """
    folder, number = parent / name, 1
    if not is_first_process():
        return folder
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
                folder = parent / f"{name}-{number}"
            else:
                return folder
    except OSError as error:
        raise InputError(f"a folder {folder}", str(error), "Choose another place.") from error


@contextmanager
def claimed_folder(parent: Path, name: str) -> Iterator[Path]:
    """Claim a folder, and let it go after an error before anything was written into it."""
    folder = claim_folder(parent, name)
    try:
        yield folder
    except BaseException:
        if is_first_process():
            with suppress(OSError):
                if {file.name for file in folder.iterdir()} <= {LOCK, JOB}:
                    shutil.rmtree(folder)
        raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and keep other runs out of it; the system lets go when the process ends, however that is.

    Raises:
        InputError: if another run is writing there.
        OSError: where no folder can be made.
    """
    if not is_first_process():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                remedy = "Wait for that run, stop it, or choose another folder."
                raise InputError(f"{folder} for one run alone", "another one that is writing there", remedy) from error
            except OSError as error:  # a network disk without locks
                log.info("no lock on %s: %s", folder, error)
        yield


@dataclass
class WriteRecord(L.Callback):
    """Writes ``run.json`` when the training starts: when, by which command, with which versions, settings and data.

    A resumed run adds itself to the record. What has changed since is said in a line each, and kept.

    Args:
        folder: the run's.
        settings: in words, by name.
        data: what :func:`data_record` says.
        command: the command line, if there was one.
        configuration: what to write as ``config.yaml``, which the command line reads to repeat or resume the run.
        resumed: whether the run goes on, if there was one.
    """

    folder: Path
    settings: Mapping[str, str]
    data: Record
    command: str = ""
    configuration: str = ""
    resumed: bool = False

    def on_fit_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Write it."""
        if trainer.is_global_zero:
            batch = getattr(trainer.datamodule, "batch_size", 1)  # type: ignore[attr-defined]
            record = self.record(trainer.world_size, batch)
            write_json({**record, "precision": precision_word(trainer)}, self.folder / RECORD)
            if self.configuration:
                write_whole(self.configuration.encode(), self.folder / CONFIGURATION)

    def record(self, processes: int = 1, batch: int = 1) -> Record:
        """Return what is to be written of a run of so many processes, each with a batch of so many samples."""
        now: Record = {"settings": dict(self.settings), "data": self.data, "versions": versions()}
        now["machines"] = {"processes": processes}
        begun = {"command": self.command, "started": datetime.now().astimezone().isoformat(timespec="seconds")}
        before = read_record(self.folder) if self.resumed else None
        if before is None:
            return {**begun, **now, "resumed": []}
        changed = changes(before, now)
        for name, (old, new) in changed.items():
            step = f": a step takes {batch * processes} samples, {batch} each" if name == "processes" else ""
            log.warning("%s was %s before, and is %s from here on%s", name, old, new, step)
        return {**before, **now, "resumed": [*before.get("resumed", []), {**begun, "changed": changed}]}


def read_record(folder: Path) -> Record | None:
    """Return what ``run.json`` says, or None where there is none that can be read, or that is no record."""
    try:
        written = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    parts = ("settings", "data", "versions")
    known = isinstance(written, dict) and all(isinstance(written.get(part, {}), dict) for part in parts)
    return written if known and isinstance(written.get("resumed", []), list) else None


def resumed_from(folder: Path, settings: Mapping[str, str], fixed: Sequence[str]) -> Path | None:
    """Return the checkpoint to go on from, or None for a run that was stopped before its first one.

    Args:
        folder: the run's.
        settings: of the run that goes on, in words.
        fixed: names of settings that must be what they were.

    Raises:
        InputError: if nothing was ever trained there, a fixed setting is another one, or all checkpoints are damaged.
    """
    before, checkpoint = read_record(folder), newest_checkpoint(folder)
    if before is None and checkpoint is None:
        raise InputError("the folder of an interrupted run", str(folder), "Start without --resume.")
    old = (before or {}).get("settings", {})
    for name in fixed:
        if name in old and old[name] != settings.get(name):
            raise InputError(f"the {name} of the run in {folder}, {old[name]}", str(settings.get(name)))
    return checkpoint


def changes(before: Record, now: Record) -> dict[str, tuple[str, str]]:
    """Return (old, new) of every setting, version and figure of the data that is not what it was.

    Parts that the record from before does not have, as an older version wrote it, count as they were.

    >>> changes({"settings": {"steps": "5"}}, {"settings": {"steps": "7"}})
    {'steps': ('5', '7')}
    """
    changed = {}
    for part in [part for part in now if part in before]:
        old, new = before[part] or {}, now[part]
        for name in (*new, *(name for name in old if name not in new)):
            if str(old.get(name)) != str(new.get(name)):
                changed[name] = (str(old.get(name)), str(new.get(name)))
    return changed


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    own = {name: version(name) for name in ("perceptualloss", "lightning")}
    return {"python": platform.python_version(), "torch": torch.__version__, **own}


def data_record(files: Sequence[Path]) -> Record:
    """Return how many files there are, in which folder, and a hash of their names and sizes."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0{file.stat().st_size}\n".encode())
    folders = sorted({str(folder.resolve()) for folder in {file.parent for file in files}})
    return {"folders": folders, "files": len(files), "names_and_sizes": digest.hexdigest()[:16]}


def in_words(value: Any) -> str:
    """Return a setting in words: of an object, its class and the arguments that made it, or what it keeps of them.

    The same in every process, for words of before, or of other processes, are compared with them.

    >>> in_words({"L1Loss": 0.5}), in_words((0.9, 0.999)), in_words(nn.ReLU())
    ('{L1Loss: 0.5}', '[0.9, 0.999]', 'ReLU(inplace=False)')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {in_words(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(in_words(inner) for inner in value) + "]"
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
    elif isinstance(value, nn.Module):
        names = [name for name in inspect.signature(type(value)).parameters if hasattr(value, name)]
    elif isinstance(value, Degradation) or type(value).__module__.startswith("perceptualloss."):
        arguments = list(inspect.signature(type(value)).parameters)
        names = arguments if all(hasattr(value, name) for name in arguments) else list(vars(value))
    else:
        return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else _ADDRESS.sub("", str(value))
    return f"{type(value).__name__}({', '.join(f'{name}={in_words(getattr(value, name))}' for name in names)})"
