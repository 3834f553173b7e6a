"""A run of distillation: photos, the teacher, the first weights, and what is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import lightning as L
import torch
from torch import nn

from perceptualloss.data.damage import Blur, InTurn, Jpeg, MotionBlur, Noise
from perceptualloss.data.disturb import Blocks, Clouds, Enlarged, Light, OneOf
from perceptualloss.data.module import PhotoData
from perceptualloss.features.architectures import ARCHITECTURES, layer_names
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.weight_files import read_features
from perceptualloss.features.weights import start_weights
from perceptualloss.pictures.ranges import normalised
from perceptualloss.studies.loss_network.distillation import STUDENT, TEACHER, Distillation
from perceptualloss.studies.loss_network.folding import write_weights
from perceptualloss.studies.loss_network.followed import FollowedPictures
from perceptualloss.studies.loss_network.layerwise import fit_layerwise
from perceptualloss.training.randomness import own_randomness
from perceptualloss.training.run import Budget, fit

FITTED_ON = 128  # samples, each a crop and a damaged one, on which the first weights are fitted


class WriteWeights(L.Callback):
    """Write the average of the weights at every validation, so that it can be used, and gone on from, at any time."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def on_validation_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Write them."""
        if trainer.is_global_zero:
            write_weights(cast(Distillation, task).result, self.out)


def distillation_data(photos: Path, validation: float, crop: int, batch_size: int, seed: int) -> PhotoData:
    """Return crops of the photos, damaged and as they are, of every kind that trainings make on their way."""
    damages = [Noise((0.01, 0.25)), Enlarged(), Jpeg((5, 90)), Light(), Clouds(), Blocks(), Blur(), MotionBlur()]
    several = InTurn([Enlarged((1.0, 4.0)), Noise((0.0, 0.1)), Light((0.0, 0.3)), Jpeg((20, 95))], chance=0.5)
    damage = OneOf([*damages, several])
    return PhotoData(
        damage, photos, validation=validation, seed=seed, crop=crop, batch_size=batch_size, validation_size=256
    )


def vgg16_teacher(weights: Path) -> LossNetwork:
    """Return VGG-16 with the weights of a file, its borders repeated as the student's are, in all the student's layers.

    Raises:
        InputError: if the file holds no weights of VGG-16.
    """
    features = ARCHITECTURES[TEACHER]()
    features.load_state_dict(read_features(weights, features.state_dict()))
    layers = [name for name in layer_names(ARCHITECTURES[STUDENT]()) if name.startswith("relu")]
    for i, module in enumerate(features):
        if isinstance(module, nn.Conv2d):
            repeating = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1, padding_mode="replicate")
            repeating.load_state_dict(module.state_dict())
            features[i] = repeating
    return LossNetwork(features, layers)


def first_weights(student: nn.Sequential, teacher: LossNetwork, data: PhotoData, seed: int) -> None:
    """Fit the student to the teacher layer by layer, on samples that no step of a training takes."""
    samples = [data.crops[sys.maxsize - 1 - number] for number in range(FITTED_ON)]
    images = torch.stack([picture for sample in samples for picture in sample])
    fit_layerwise(student, nn.Sequential(*teacher.modules_in_turn()), normalised(images), seed)


def distil(
    teacher: Path,
    photos: Path,
    out: Path,
    *,
    budget: Budget,
    folder: Path,
    start_from: str | None = None,
    validation: float = 0.1,
    crop: int = 128,
    batch_size: int = 4,
    learning_rate: float = 5e-4,
    resume: Path | None = None,
    progress: bool = False,
    callbacks: Sequence[L.Callback] = (),
) -> dict[str, float]:
    """Train ``compact`` to see what a VGG-16 sees in photos, and write its weights at half precision.

    Args:
        teacher: a file with VGG-16's weights.
        photos: a folder with photos.
        out: the .safetensors file to write, at every validation and at the end.
        budget: steps, intervals, precision and device; its seed gives the same crops in the same order.
        folder: for checkpoints and TensorBoard's files.
        start_from: weights of an earlier training, a file or "default" for the embedded ones; without them the first
            ones are fitted layer by layer.
        validation: how many of the photos, the last by name, stay out; below 1, what share.
        crop: height and width of the crops in pixels.
        batch_size: crops a step; each is seen as it is and damaged.
        learning_rate: Adam's highest.
        resume: a checkpoint to go on from.
        progress: whether to show a progress bar.
        callbacks: more callbacks for the trainer.

    Returns:
        For each layer "explained variance/LAYER" and "Gram error/LAYER" (see :class:`Imitation`) over the middles of
        the photos that stayed out.

    Raises:
        InputError: for unusable weights, photos, settings or checkpoint, or a full disk.
        TrainingInterrupted: after Ctrl-C, once the checkpoint is written.
    """
    frozen = vgg16_teacher(teacher)
    data = distillation_data(photos, validation, crop, batch_size, budget.seed)
    with own_randomness(budget.seed):
        student = ARCHITECTURES[STUDENT]()
        if start_from is not None:
            student.load_state_dict(start_weights(STUDENT, start_from, student.state_dict()))
        elif resume is None:
            first_weights(student, frozen, data, budget.seed)
        task = Distillation(student, frozen, learning_rate=learning_rate, followed=FollowedPictures(crop))
    fit(task, data, folder, budget, resume=resume, progress=progress, callbacks=[WriteWeights(out), *callbacks])
    return task.figures
