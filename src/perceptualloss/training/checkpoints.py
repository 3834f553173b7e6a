"""A run's checkpoints: the last few, each written whole, with a hash of its content in its name."""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from perceptualloss.errors import InputError
from perceptualloss.files import PART, is_first_process, whole_file
from perceptualloss.training.finite import is_well

log = logging.getLogger(__name__)
FOLDER = "checkpoints"  # in the folder of a run
KEPT = 3
NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.ckpt")


def checkpoint_files(run: Path) -> list[Path]:
    """Return the checkpoints in the folder of a run, the newest first, whole or not."""
    dated = []
    for file in (run / FOLDER).glob("step-*.ckpt"):
        with suppress(FileNotFoundError):  # a run that still writes lets its oldest go
            if NAME.fullmatch(file.name):
                dated.append((step_of(file), file.stat().st_mtime_ns, file))
    return [file for *_, file in sorted(dated, reverse=True)]


def step_of(file: Path) -> int:
    """Return after how many steps a checkpoint was written.

    >>> step_of(Path("step-500-0123456789abcdef.ckpt"))
    500
    """
    match = NAME.fullmatch(file.name)
    return int(match[1]) if match else 0


def newest_checkpoint(run: Path) -> Path | None:
    """Return the newest whole checkpoint in the folder of a run, or None if there is none at all.

    Warns of each damaged one, whose content has another hash than its name, and goes back to the one before.

    Raises:
        InputError: if there are checkpoints, but all are damaged.
    """
    files = checkpoint_files(run)
    for file in files:
        if is_whole(file):
            return file
        log.warning("%s is damaged: its content has another hash than its name; the one before it is taken", file)
    if files:
        raise InputError(f"a whole checkpoint in {run / FOLDER}", "damaged ones only", "Start a new run.")
    return None


def is_whole(file: Path) -> bool:
    """Whether a checkpoint's content has the hash in its name."""
    match = NAME.fullmatch(file.name)
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return False
    return match is not None and digest.startswith(match[2])


def save_checkpoint(trainer: L.Trainer, run: Path) -> bool:
    """Write all state into the folder of a run, and let the oldest checkpoints go; all processes call it at once.

    What was written after a later step belongs to a future that did not come, and goes, too.

    Returns:
        Whether it was written: not if something in it, or the last step, is not finite (:func:`is_well`).
    """
    if not is_well(trainer):
        return False
    folder, step = run / FOLDER, trainer.global_step
    trainer.save_checkpoint(folder / f"step-{step}.ckpt")
    if trainer.is_global_zero:
        files = checkpoint_files(run)
        newest = {step_of(file): file for file in reversed(files) if step_of(file) <= step}  # one of each step
        kept = sorted(newest)[-KEPT:]
        for file in files:
            if file not in [newest[number] for number in kept]:
                file.unlink(missing_ok=True)
        for file in folder.glob(f".step-*{PART}"):  # of a process that was killed while it wrote
            file.unlink(missing_ok=True)
    return True


def last_good(run: Path, suspect: int | None) -> str:
    """Say which checkpoint is the last good one, after a training has gone wrong.

    Args:
        run: the folder of the run.
        suspect: a checkpoint of this step is no good one, and is removed if there is an older one to go back to.
    """
    files = checkpoint_files(run)
    if len(files) > 1 and step_of(files[0]) == suspect:
        if is_first_process():
            files[0].unlink(missing_ok=True)
        files = files[1:]
    return f"The last good checkpoint is {files[0]}." if files else "There is no checkpoint yet."


class HashedCheckpoints(TorchCheckpointIO):
    """Lightning's way to write a checkpoint, without its detour through TMPDIR, and with a hash in the name."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``NAME-HASH.ckpt`` for the path ``NAME.ckpt``."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with whole_file(path, lambda: path.with_stem(f"{path.stem}-{digest.hexdigest()[:16]}")) as file:
            torch.save(checkpoint, cast(BinaryIO, _Hashing(file, digest)))


class _Hashing:
    """A file that hashes what goes into it."""

    def __init__(self, file: BinaryIO, digest: Any) -> None:
        self.file, self.digest = file, digest

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()
