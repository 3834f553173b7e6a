"""Training of loss networks: on labelled pictures, on photos by their crops, or on the strengths of distortions."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal, cast

import torch

from perceptualloss.data.classes import ClassPictures, CropBatches, Labelled, PhotoCrops, read_classes, read_photos
from perceptualloss.data.strengths import OrderedBatches
from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.features.architectures import ARCHITECTURES, layers_before_pooling
from perceptualloss.features.weights import start_weights
from perceptualloss.studies.loss_network.classification import Classifier, CropData
from perceptualloss.studies.loss_network.distil import distil
from perceptualloss.studies.loss_network.distillation import STUDENT
from perceptualloss.studies.loss_network.ordering import OrderedData, Ordering
from perceptualloss.training.randomness import own_randomness
from perceptualloss.training.recipe_checks import LONGEST, RANGES, Bounds
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.run_folder import WriteRecord, data_record, in_words, resumed_from
from perceptualloss.vocabulary import Device, Precision

NO_SETTINGS = ("folder", "resume", "progress", "command")
FIXED = ("architecture", "strengths", "steps", "learning_rate", "weight_decay")  # a checkpoint holds the schedule
TRAINABLE = (STUDENT, "judge")
SIZES = ("batch_size", "crop", "learning_rate", "crops_per_photo", "weight_decay")
SCALED_ON = 400  # crops over which activations are brought to a mean of 1
BOUNDS: dict[str, Bounds] = {
    **{name: RANGES[name] for name in ("steps", "batch_size", "crop", "learning_rate", "seed")},
    "check_every": (1, LONGEST),
    "crops_per_photo": (1, 2**20),
    "weight_decay": (0, 1e3),
}


@dataclass(frozen=True)
class _Alone:
    """What is usual without a teacher."""

    batch_size: int = 128
    crop: int = 48
    learning_rate: float = 3e-3
    crops_per_photo: int = 50
    weight_decay: float = 0.05


def train_loss_network(
    architecture: Literal["compact", "judge"],
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
    precision: Precision = "auto",
    device: Device = "auto",
    resume: bool = False,
    progress: bool = False,
    seed: int = 0,
    command: str = "",
) -> dict[str, float]:
    """Train a loss network and write its run-time weights to ``out``.

    Four signals. With ``teacher``, what VGG-16 sees in ``photos``, which is what "compact" is made for (see
    :class:`Distillation`). For "judge": with ``classes``, which class a picture is of; with ``photos``,
    which photo a crop is from, for which nobody has to label anything; with ``photos`` and ``strengths``, which of two
    distortions of one kind is the stronger one, which makes a network that measures (see :class:`Ordering`). The last
    one goes well after another one: name the file of that in ``start_from``.

    Args:
        architecture: "compact" with a teacher; "judge" without.
        out: the .safetensors file to write, at half precision: convolutions alone, and mean activation 1 in every layer
            or, with a teacher, the teacher's activations.
        teacher: a file with VGG-16's weights, torchvision's or others of that architecture.
        classes: a folder or zip file with a folder of pictures per class, or with such folders in train/ and val/.
        photos: a folder with unlabelled photos.
        strengths: whether to learn the order of strengths of distortions of ``photos``.
        start_from: with ``strengths`` or a teacher, weights to start from: a file, or "default" for the embedded ones.
        validation: how many of ``photos``, the last by name, stay out; below 1, what share.
        steps: how many steps the optimiser takes.
        batch_size: how many crops a step takes, 128 unless given; with a teacher 4, each as it is and damaged.
        crop: height and width of the crops in pixels, 48 unless given, with a teacher 128; with ``classes`` at most 64,
            the size of the pictures.
        crops_per_photo: how many crops of each photo make an epoch, 50 unless given; not with a teacher.
        learning_rate: the highest learning rate, 3e-3 unless given, reached after 15% of the steps; with a teacher
            5e-4, after 20 steps.
        weight_decay: the weight decay of AdamW, on filters alone, 0.05 unless given; not with a teacher.
        folder: the folder for checkpoints and TensorBoard's files.
        check_every: steps between two checkpoints, and two checks on held-out pictures.
        precision: "fp32" (32 bits), "bf16" or "fp16" (layers in 16 bits, weights and losses in 32); "auto" takes bf16
            where the hardware computes in it, else fp32.
        device: where to compute: "auto" (a GPU if there is one), "cpu", "cuda" or "mps".
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
        options: dict[str, Any] = {"start_from": start_from, "validation": validation}
        return distil(teacher, cast(Path, photos), out, folder=folder, budget=budget, **options, **run, **chosen)
    alone = _Alone(**chosen)
    source, held_out = _sources(classes, photos, alone.crop, alone.crops_per_photo, validation)
    if (strengths or start_from is not None) and not (strengths and isinstance(source, PhotoCrops)):
        got = "start_from without strengths" if start_from is not None else "strengths without photos"
        raise InputError("strengths with photos, and start_from with strengths", got)
    with own_randomness(seed):
        task: Classifier | Ordering
        data: CropData | OrderedData
        if isinstance(source, PhotoCrops) and strengths:
            task, data = _ordering(architecture, source, start_from, alone, seed)
        else:
            rates: dict[str, Any] = {"learning_rate": alone.learning_rate, "weight_decay": alone.weight_decay}
            features = ARCHITECTURES[architecture]()
            task = Classifier(features, source.classes, held_out, check_every=check_every, **rates)
            data = CropData(CropBatches(source, alone.batch_size, alone.crop, seed))
    fit(task, data, folder, budget, **run)
    generator = torch.Generator().manual_seed(seed)
    items = torch.randperm(len(source), generator=generator)[:SCALED_ON]
    task.export(source.cut(items, alone.crop, generator)[0].float() / 255, out)
    return task.figures


def _ordering(
    architecture: str, source: PhotoCrops, start_from: str | None, alone: _Alone, seed: int
) -> tuple[Ordering, OrderedData]:
    """Return the task of the strengths of distortions, and its samples."""
    features = ARCHITECTURES[architecture]()
    if start_from is not None:
        features.load_state_dict(start_weights(architecture, start_from, features.state_dict()))
    levels = [levels[0] for levels in source.levels]
    data = OrderedData(OrderedBatches(levels, alone.batch_size, alone.crop, seed))
    return Ordering(features, layers_before_pooling(architecture), alone.learning_rate), data


def usual_sizes(teacher: Path | None) -> dict[str, int]:
    """Return the batch size and the crop of a training that is given neither.

    >>> usual_sizes(None), usual_sizes(Path("vgg16.pth"))
    ({'batch_size': 128, 'crop': 48}, {'batch_size': 4, 'crop': 128})
    """
    if teacher is None:
        return {"batch_size": _Alone.batch_size, "crop": _Alone.crop}
    taught = signature(distil).parameters
    return {name: taught[name].default for name in ("batch_size", "crop")}


def _check_idle(given: dict[str, Any]) -> None:
    """Refuse an architecture and a signal that do not go together, and settings that do nothing for the signal."""
    usual = {name: parameter.default for name, parameter in signature(train_loss_network).parameters.items()}
    taught = given["teacher"] is not None
    if (given["architecture"] == STUDENT) != taught:
        got = f"architecture {given['architecture']!r} {'with' if taught else 'without'} a teacher"
        remedy = "Name VGG-16's weights: --teacher FILE."
        raise InputError("compact with a teacher, or judge without", got, "" if taught else remedy)
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
