"""Run a training task: device, precision, progress, TensorBoard, checkpoints, resuming."""

from __future__ import annotations

import errno
import logging
import pickle
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import TensorBoardLogger

from perceptualloss.errors import InputError
from perceptualloss.files import is_first_process
from perceptualloss.training.checkpoint_callbacks import KeepState
from perceptualloss.training.checkpoints import HashedCheckpoints, checkpoint_files, last_good
from perceptualloss.training.data_wait import DataWait
from perceptualloss.training.finite import NotFinite, WatchFinite
from perceptualloss.training.launch import devices_and_nodes, say_how_many
from perceptualloss.training.meeting import all_are_ready, from_first
from perceptualloss.training.precision import LIGHTNING, KeepPrecision, best_precision, precision_of
from perceptualloss.training.processes import check_group
from perceptualloss.training.progress import ImageRows, ProgressBar
from perceptualloss.training.randomness import SeededSteps, own_randomness
from perceptualloss.training.run_folder import alone_in
from perceptualloss.vocabulary import Device, Precision, check_device, check_precision

FULL_OR_FORBIDDEN = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Budget:
    """How long to train and how often to look up from it.

    Args:
        steps: optimiser steps.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        precision: "fp32", "bf16" or "fp16" (see :mod:`perceptualloss.vocabulary`); "auto" takes what
            a resumed run had, else bf16 where the hardware is faster in it, else fp32 (:func:`best_precision`).
        device: "auto", "cpu", "cuda" or "mps".
        devices: how many GPUs or processes on this machine, or "auto": as many as torchrun or srun started, else
            all GPUs, or one process on the CPU.
        num_nodes: how many machines; what torchrun or srun started, too, unless set.
        checkpoint_minutes: the most minutes between two checkpoints, however many steps these are.
        seed: of what a step draws (see :class:`SeededSteps`).
    """

    steps: int
    validate_every: int = 500
    checkpoint_every: int = 500
    precision: Precision = "auto"
    device: Device = "auto"
    devices: int | Literal["auto"] = "auto"
    num_nodes: int = 1
    checkpoint_minutes: float = 10.0
    seed: int = 0

    def check(self) -> None:
        """Raise InputError for numbers or words that cannot be."""
        check_precision(self.precision)
        check_device(self.device)
        if self.steps < 1 or self.validate_every < 1 or self.checkpoint_every < 1:
            raise InputError("steps, validate_every and checkpoint_every from 1", str(self))
        if not self.checkpoint_minutes > 0:
            raise InputError("checkpoint_minutes above 0", repr(self.checkpoint_minutes), "Such as 10.")


def fit(
    task: L.LightningModule,
    data: L.LightningDataModule,
    folder: Path,
    budget: Budget,
    *,
    resume: Path | None = None,
    progress: bool = True,
    callbacks: Sequence[L.Callback] = (),
) -> None:
    """Train ``task`` on ``data``; write TensorBoard's scalars and pictures and the last checkpoints into ``folder``.

    Args:
        task: what a step does.
        data: where samples come from.
        folder: for everything that is written; made if missing. Of several processes, the first one alone writes.
        budget: steps, intervals, precision and device, and the seed of what a step draws.
        resume: a checkpoint to go on from, such as :func:`newest_checkpoint` finds; the result is the same as of a run
            that was never stopped.
        progress: whether to show a progress bar.
        callbacks: more callbacks for the trainer.

    Raises:
        InputError: for an impossible budget or device, a folder in which another run has written or still writes, a
            checkpoint that does not load, a full disk, or another number of processes than was started.
        LostProcess: where another process has ended.
        NotFinite: where losses, gradients or weights are not finite (see :class:`WatchFinite`).
        TrainingInterrupted: after Ctrl-C, SIGTERM or SIGUSR1, once the checkpoint is written.
    """
    budget.check()
    devices, num_nodes = devices_and_nodes(budget.devices, budget.num_nodes)
    budget = replace(budget, devices=devices, num_nodes=num_nodes)
    _quiet()
    keep = KeepState(folder, budget.checkpoint_every, budget.checkpoint_minutes)
    last = [*([ProgressBar()] if progress else []), DataWait()]
    always = [SeededSteps(budget.seed), WatchFinite(), *callbacks, KeepPrecision(), keep, ImageRows(), *last]
    trainer = None
    try:
        with alone_in(folder), own_randomness(budget.seed):
            if resume is None:
                _check_unused(folder)
            trainer = _trainer(budget, folder, always, _precision(budget, resume))
            say_how_many(trainer.world_size)
            all_are_ready()
            with keep.listening():
                trainer.fit(task, data, ckpt_path=resume, weights_only=True)
            keep.save(trainer)
    except NotFinite as error:
        raise error.with_kept(last_good(folder, error.suspect)) from error
    except MisconfigurationException as error:
        raise InputError("a device and precision that this machine has", str(error).splitlines()[0]) from error
    except OSError as error:
        if error.errno in FULL_OR_FORBIDDEN or trainer is None:
            raise _explained(error, folder) from error
        raise
    except (RuntimeError, pickle.UnpicklingError, KeyError) as error:
        check_group(error, last_good(folder, None))
        if resume is not None and trainer is not None and trainer.global_step == 0:
            what = f"a checkpoint of this run in {resume}"
            raise InputError(what, str(error).splitlines()[0][:200], "Was it made with other settings?") from error
        if "file write failed" in str(error) or "PytorchStreamWriter" in str(error):
            raise _explained(error, folder) from error
        raise


def _check_unused(folder: Path) -> None:
    if is_first_process() and (others := checkpoint_files(folder)):
        remedy = "Resume that run, or choose another folder."
        raise InputError(
            f"a folder without another run's checkpoints to begin in, not {folder}", others[0].name, remedy
        )


def _precision(budget: Budget, resume: Path | None) -> Precision:
    if budget.precision != "auto":
        return budget.precision
    several = budget.num_nodes > 1 or budget.devices not in (1, "auto")

    def best() -> Precision:
        return (precision_of(resume) if resume is not None else None) or best_precision(budget.device, several)

    found: Precision = from_first("precision", best) if several else best()  # machines may differ
    return found


def _trainer(budget: Budget, folder: Path, callbacks: list[L.Callback], precision: Precision) -> L.Trainer:
    return L.Trainer(
        accelerator=budget.device,
        devices=budget.devices if budget.device != "cpu" or budget.devices != "auto" else 1,
        num_nodes=budget.num_nodes,
        precision=LIGHTNING[precision],
        max_steps=budget.steps,
        val_check_interval=min(budget.validate_every, budget.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        sync_batchnorm=torch.cuda.is_available() and budget.device != "cpu",  # it has no CPU version
        log_every_n_steps=min(10, budget.steps),
        logger=TensorBoardLogger(folder, name="", version=""),
        callbacks=callbacks,
        plugins=_plugins(),
        default_root_dir=folder,
        enable_progress_bar=False,  # ours counts steps, not an epoch's batches
        enable_model_summary=False,
        enable_checkpointing=False,
    )


def _plugins() -> list[Any]:
    """Return how checkpoints are written; under SLURM, also that Lightning does not queue the job again by itself.

    It would write a checkpoint of its own, in the middle of a step, and without a hash.
    """
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():  # torchrun runs in SLURM, too
        return [HashedCheckpoints()]
    return [HashedCheckpoints(), SLURMEnvironment(auto_requeue=False)]


def _explained(error: Exception, folder: Path) -> InputError:
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    remedy = "Check the folder's permissions, or choose another one."
    if getattr(error, "errno", None) in FULL_OR_FORBIDDEN[:2] or free < 2**26:
        remedy = "The disk is full: free some space or choose another folder; the last checkpoint resumes the run."
    return InputError(f"to write into {folder}", str(error).splitlines()[0], remedy)


def _quiet() -> None:
    """Keep Lightning's advice and its start-up lines off the user's terminal."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    launcher = logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script")
    launcher.setLevel(logging.INFO)  # says that a process has ended, before it ends the others
    if not launcher.handlers:
        launcher.addHandler(logging.StreamHandler())
        launcher.propagate = False  # Lightning's handler and the command line's would both say it
    for message in (
        ".*does not have many workers.*",
        ".*`isinstance.treespec.*",
        ".*module.s. in eval mode.*",  # frozen parts
        ".*your dataloader is not resumable.*",  # PhotoData starts at the sample where the run stopped
    ):
        warnings.filterwarnings("ignore", message)
