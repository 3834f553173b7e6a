"""Training of loss networks: on labelled pictures, on photos by their crops, or on the strengths of distortions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal, cast

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from perceptualloss.data.classes import ClassPictures, CropBatches, Labelled, PhotoCrops, read_classes, read_photos
from perceptualloss.data.crops import Numbers
from perceptualloss.data.strengths import OrderedBatches
from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.features.architectures import ARCHITECTURES, layers_before_pooling
from perceptualloss.features.weights import start_weights
from perceptualloss.pictures.ranges import normalised
from perceptualloss.studies.loss_network.distillation import STUDENT, distil
from perceptualloss.studies.loss_network.folding import with_batch_norm, without_batch_norm, write_run_time_weights
from perceptualloss.studies.loss_network.ordering import OrderedData, Ordering
from perceptualloss.training.finite import zero_not_finite
from perceptualloss.training.run import Budget, Precision, fit
from perceptualloss.training.run_folder import WriteRecord, data_record, in_words, resumed_from
from perceptualloss.training.schedule import run_steps
from perceptualloss.training.seeded_steps import own_randomness

NO_SETTINGS = ("folder", "resume", "progress", "command")
FIXED = ("architecture", "strengths", "steps", "learning_rate", "weight_decay")  # a checkpoint holds the schedule
TRAINABLE = (STUDENT, "compact", "judge")
SIZES = ("batch_size", "crop", "learning_rate", "crops_per_photo", "weight_decay")
KNOWN = "Give the Trainer max_steps, or max_epochs and data that have a length."
SCALED_ON = 400  # crops over which activations are brought to a mean of 1


@dataclass(frozen=True)
class _Alone:
    """What is usual without a teacher."""

    batch_size: int = 128
    crop: int = 48
    learning_rate: float = 3e-3
    crops_per_photo: int = 50
    weight_decay: float = 0.05


class CropData(L.LightningDataModule):
    """Batches of labelled crops from the step at which the trainer is."""

    def __init__(self, batches: CropBatches) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return the batches of an epoch, or of all steps of a run by steps alone."""
        return DataLoader(self.batches, batch_size=None, sampler=Numbers(self.trainer, 1, self.batches.per_epoch))


class Classifier(L.LightningModule):
    """A loss network's layers with batch norm, averaged over the picture and given to one linear layer.

    Args:
        features: the layers in the shape that they run in; they are trained in place.
        classes: how many classes are to be told apart.
        held_out: pictures to check on; their "top1" is logged every ``check_every`` steps and after the last one.
        learning_rate: AdamW's highest, reached after 15% of the steps; then it falls to zero along a cosine.
        weight_decay: AdamW's, on filters alone.
        check_every: steps between two checks.
    """

    def __init__(
        self,
        features: nn.Sequential,
        classes: int,
        held_out: ClassPictures | None = None,
        *,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.05,
        check_every: int = 500,
    ) -> None:
        super().__init__()
        self.features = with_batch_norm(features).to(memory_format=torch.channels_last)
        widths = [module.out_channels for module in features if isinstance(module, nn.Conv2d)]
        self.head = nn.Linear(widths[-1], classes)
        self.held_out, self.check_every = held_out, check_every
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.figures: dict[str, float] = {}
        self._checked_at = -1

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes) of [0, 1] images (N, 3, H, W)."""
        maps = self.features(normalised(images).to(memory_format=torch.channels_last))
        scores: Tensor = self.head(maps.mean((2, 3)))
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the cross-entropy with a tenth of label smoothing."""
        crops, labels = batch
        scores = self(crops)
        loss = F.cross_entropy(scores.float(), labels, label_smoothing=0.1)
        self.log("Loss", loss.detach(), prog_bar=True)
        self.log("train top1", _right(scores, labels).mean(), prog_bar=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Check on the held-out pictures now and then."""
        if self.global_step % self.check_every == 0 or self.global_step == run_steps(self.trainer):
            self._check()
            if "top1" in self.figures:
                self.log("top1", self.figures["top1"], prog_bar=True)

    def on_train_end(self) -> None:
        """Check after the last step, where only the trainer knew that it was the last."""
        if self._checked_at != self.global_step:
            self._check()

    def _check(self) -> None:
        if self.held_out is not None and len(self.held_out):
            self.figures["top1"] = self.accuracy(self.held_out)
        self.figures["loss"] = float(self.trainer.callback_metrics["Loss"])
        self._checked_at = self.global_step

    @torch.no_grad()
    def accuracy(self, pictures: ClassPictures) -> float:
        """Return the share of ``pictures``, taken whole, for which the highest score is the right one."""
        training = self.training
        self.eval()
        right = []
        for rows in torch.arange(len(pictures)).chunk(-(-len(pictures) // 250)):
            scores = self(pictures.pictures[rows].to(self.device).float() / 255)
            right.append(_right(scores.cpu(), pictures.labels[rows]))
        self.train(training)
        return torch.cat(right).mean().item()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what of a gradient is not finite as zero."""
        zero_not_finite(self.parameters())

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule over the trainer's steps.

        Raises:
            InputError: where their number cannot be known.
        """
        steps = run_steps(self.trainer)
        if not 0 < steps < math.inf:
            raise InputError("a number of steps, for a learning rate that rises and falls over them", str(steps), KNOWN)
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in self.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=int(steps) + 1, pct_start=0.15, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def export(self, crops: Tensor, out: Path) -> None:
        """Write the run-time weights at half precision: batch norm folded, mean activations 1 over [0, 1] ``crops``."""
        write_run_time_weights(without_batch_norm(self.features), crops, out)


def train_loss_network(
    architecture: Literal["distilled", "compact", "judge"],
    out: Path,
    *,
    teacher: Path | None = None,
    classes: Path | None = None,
    photos: Path | None = None,
    strengths: bool = False,
    start_from: str | None = None,
    validation: float = 0.1,
    steps: int = 5000,
    batch_size: int | None = None,
    crop: int | None = None,
    crops_per_photo: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    folder: Path = Path("runs/loss-network"),
    check_every: int = 500,
    precision: Literal["auto"] | Precision = "auto",
    device: Literal["auto", "cpu", "gpu", "mps"] = "auto",
    resume: bool = False,
    progress: bool = False,
    seed: int = 0,
    command: str = "",
) -> dict[str, float]:
    """Train a loss network and write its run-time weights to ``out``.

    Four signals. With ``teacher``, what VGG-16 sees in ``photos``, which is what "distilled" is made for (see
    :class:`Distillation`). For the other architectures: with ``classes``, which class a picture is of; with ``photos``,
    which photo a crop is from, for which nobody has to label anything; with ``photos`` and ``strengths``, which of two
    distortions of one kind is the stronger one, which makes a network that measures (see :class:`Ordering`). The last
    one goes well after another one: name the file of that in ``start_from``.

    Args:
        architecture: "distilled" with a teacher; "compact" or "judge" without.
        out: the .safetensors file to write, at half precision: convolutions alone, and mean activation 1 in every layer
            or, with a teacher, the teacher's activations.
        teacher: a file with VGG-16's weights, torchvision's or others of that architecture.
        classes: a folder or zip file with a folder of pictures per class, or with such folders in train/ and val/.
        photos: a folder with unlabelled photos.
        strengths: whether to learn the order of strengths of distortions of ``photos``.
        start_from: with ``strengths`` or a teacher, weights to start from: a file, or "default" for the embedded ones.
        validation: how many of ``photos``, the last by name, stay out; below 1, what share.
        steps: optimiser steps.
        batch_size: crops a step, 128 unless given; with a teacher 4, each as it is and damaged.
        crop: height and width of the crops in pixels, 48 unless given, with a teacher 128; with ``classes`` at most 64,
            the size of the pictures.
        crops_per_photo: how many crops of each photo make an epoch, 50 unless given; not with a teacher.
        learning_rate: the highest, 3e-3 unless given, reached after 15% of the steps; with a teacher 5e-4, after 20.
        weight_decay: AdamW's, on filters alone, 0.05 unless given; not with a teacher.
        folder: for checkpoints and TensorBoard's files.
        check_every: steps between two checkpoints, and two checks on held-out pictures.
        precision: number format; "auto" takes bf16 where the hardware computes in it, else 32 bits.
        device: "auto", "cpu", "gpu" or "mps".
        resume: whether to go on with the interrupted training in ``folder``.
        progress: whether to show a progress bar.
        seed: the same seed gives the same crops in the same order, also after resuming.
        command: the command line, for the record in ``run.json``.

    Returns:
        "loss", the last step's; "top1", the share of held-out pictures classified right, where there are any; and with
        ``strengths`` "ordered", the share of the last step's pairs in the right order. With a teacher, for each layer
        "explained variance" and "Gram error" over the photos that stayed out.

    Raises:
        InputError: neither or both sources given, a source or setting that cannot be used, a folder in which another
            training has written, a run to resume that has other settings in its checkpoint, or a full disk.
        TrainingInterrupted: after Ctrl-C, once the checkpoint is written.
    """
    check_choice("architecture", architecture, TRAINABLE)
    given = {name: value for name, value in locals().items() if name not in NO_SETTINGS}
    _check_idle(given)
    settings = {name: in_words(value) for name, value in given.items()}
    chosen: dict[str, Any] = {name: given[name] for name in SIZES if given[name] is not None}
    checkpoint = resumed_from(folder, settings, FIXED) if resume else None
    record = WriteRecord(folder, settings, data_record(_files(classes or photos)), command, resumed=resume)
    budget = Budget(
        steps, check_every if teacher else steps, check_every, precision=precision, device=device, devices=1, seed=seed
    )
    run: dict[str, Any] = {"resume": checkpoint, "progress": progress, "callbacks": [record]}
    if teacher is not None:
        seen: dict[str, Any] = {"start_from": start_from, "validation": validation}
        return distil(teacher, cast(Path, photos), out, folder=folder, budget=budget, **seen, **run, **chosen)
    alone = _Alone(**chosen)
    source, held_out = _sources(classes, photos, alone.crop, alone.crops_per_photo, validation)
    with own_randomness(seed):
        features = ARCHITECTURES[architecture]()
        task: Classifier | Ordering
        data: CropData | OrderedData
        if isinstance(source, PhotoCrops) and strengths:
            if start_from is not None:
                features.load_state_dict(start_weights(architecture, start_from, features.state_dict()))
            task = Ordering(features, layers_before_pooling(architecture), alone.learning_rate)
            levels = [levels[0] for levels in source.levels]
            data = OrderedData(OrderedBatches(levels, alone.batch_size, alone.crop, seed))
        elif strengths or start_from is not None:
            got = "start_from without strengths" if start_from is not None else "strengths without photos"
            raise InputError("strengths with photos, and start_from with strengths", got)
        else:
            task = Classifier(
                features,
                source.classes,
                held_out,
                learning_rate=alone.learning_rate,
                weight_decay=alone.weight_decay,
                check_every=check_every,
            )
            data = CropData(CropBatches(source, alone.batch_size, alone.crop, seed))
    fit(task, data, folder, budget, **run)
    generator = torch.Generator().manual_seed(seed)
    items = torch.randperm(len(source), generator=generator)[:SCALED_ON]
    task.export(source.cut(items, alone.crop, generator)[0].float() / 255, out)
    return task.figures


def _check_idle(given: dict[str, Any]) -> None:
    """Refuse an architecture and a signal that do not go together, and settings that do nothing for the signal."""
    usual = {name: parameter.default for name, parameter in signature(train_loss_network).parameters.items()}
    taught = given["teacher"] is not None
    if (given["architecture"] == STUDENT) != taught:
        got = f"architecture {given['architecture']!r} {'with' if taught else 'without'} a teacher"
        remedy = "Name VGG-16's weights: --teacher FILE."
        raise InputError("distilled with a teacher, or compact or judge without", got, "" if taught else remedy)
    if taught and given["photos"] is None and given["classes"] is None:
        raise InputError("photos on which the teacher is imitated", "none", "Name a folder: --photos.")
    signal: str = ""
    idle: tuple[str, ...] = ()
    if taught:
        signal, idle = "a teacher", ("classes", "strengths", "crops_per_photo", "weight_decay")
    elif given["strengths"]:
        signal, idle = "strengths", ("weight_decay", "crops_per_photo")
    elif given["classes"] is not None:
        signal, idle = "classes", ("validation", "crops_per_photo")
    check_idle({name: given[name] for name in idle}, usual, f"with {signal}")


def _sources(
    classes: Path | None, photos: Path | None, crop: int, per_photo: int, validation: float
) -> tuple[Labelled, ClassPictures | None]:
    """Return what to train on and what to check on."""
    if classes is not None and photos is None:
        training, held_out = read_classes(classes)
        if not 8 <= crop <= training.pictures.shape[-1]:
            raise InputError(f"crop from 8 to {training.pictures.shape[-1]} with classes", str(crop))
        return training, held_out
    if photos is not None and classes is None:
        return read_photos(photos, crop, per_photo, validation), None
    got = "neither" if photos is None else "both"
    raise InputError("either classes (a folder per class) or photos (a folder without labels)", got)


def _files(source: Path | None) -> list[Path]:
    """Return the files of a source: a zip file, or all in a folder."""
    if source is None or source.is_file():
        return [source] if source is not None else []
    return [file for file in source.rglob("*") if file.is_file()]


def _right(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(1) == labels).float()
