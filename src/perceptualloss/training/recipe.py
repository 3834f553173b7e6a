"""One training run from a recipe: what every setting of the YAML files in ``recipes/`` means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
from torch import nn

from perceptualloss.checks import InputError
from perceptualloss.data.damage import Blur, Grey, InTurn, Jpeg, MotionBlur, Noise, OldPhoto
from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.data.module import PhotoData, TrainingData
from perceptualloss.data.paired import PairedData
from perceptualloss.losses.loss import Loss
from perceptualloss.losses.settings import KINDS, loss_from_settings
from perceptualloss.losses.weighted import WeightedLoss
from perceptualloss.networks.checkpoint import load_network, save_network
from perceptualloss.networks.critic import Critic
from perceptualloss.networks.generator import Generator
from perceptualloss.networks.network import TransformationNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.super_resolution import SuperResolutionNetwork
from perceptualloss.networks.upscale import Upscale2x, Upscale4x
from perceptualloss.training.adversarial import Adversarial, Game
from perceptualloss.training.fit import CHECKPOINT, Budget, Precision, fit
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.supervised import Supervised

# Imported for the names that a recipe may give to `network`, `critic`, `degradation` and `loss`.
NAMED = (
    *(ResidualUpscaler, Upscale2x, Upscale4x, Generator, SuperResolutionNetwork, Critic),
    *(Downscale, Noise, Jpeg, Blur, MotionBlur, Grey, OldPhoto, InTurn),
    *(WeightedLoss, *KINDS),
)
SMOKE_CROP = 48  # pixels of the target: at 32 a critic ends in 1 x 1, of which oneDNN spoils the gradient in bf16


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run.

    Args:
        network: the transformation network, such as Upscale2x.
        loss: the loss: a name such as MSELoss or perceptual (a preset), a sum such as
            ``{FeatureReconstructionLoss: {weight: 1.0, network: compact}, L1Loss: 0.5}``
            (see :func:`loss_from_settings`), or ``class_path`` and ``init_args`` of a class of your own.
        degradation: what makes the input from a photo, such as Downscale.
        inputs: instead of a degradation, a folder with the inputs to the photos in ``photos``, matched by name.
        photos: a folder with photos; without it, the built-in ones.
        validation: how many of the photos, the last by name, are for validation; below 1, what share.
        crop: height and width of the training targets in pixels.
        batch_size: samples a step on each device.
        steps: optimiser steps.
        warm_up_steps: how many of them, at the start, train with MSE.
        learning_rate: Adam's.
        betas: Adam's two decays.
        schedule: how the learning rate changes: ``{kind: cosine}``, ``{kind: constant}`` or
            ``{kind: steps, at: [5000, 8000], factor: 0.5}``.
        gradient_clip: the largest norm of the gradient; 0 for any.
        ema: decay of a moving average of the weights, such as 0.999, which then is what is validated and saved; 0 for
            none.
        freeze: names of submodules of the network that stay as they are.
        start_from: a saved network (.safetensors) to start from.
        adversarial: trains against a critic, by these rules; ``loss`` is what the adversarial loss is added to.
        critic: that critic; without it, Critic.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        precision: number format; "auto" takes bf16 where the hardware computes in it, else 32 bits.
        device: "auto", "cpu", "gpu" or "mps".
        devices: how many GPUs or processes on this machine, or "auto".
        num_nodes: how many machines.
        workers: processes that load samples; 0 loads them in the training process.
        seed: of the first weights, crops and flips.
    """

    network: TransformationNetwork
    loss: Loss | str | dict[str, Any] | list[Any]
    degradation: Degradation | None = None
    inputs: Path | None = None
    photos: Path | None = None
    validation: float = 0.1
    crop: int = 64
    batch_size: int = 16
    steps: int = 10_000
    warm_up_steps: int = 0
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Schedule = field(default_factory=Schedule)
    gradient_clip: float = 0.0
    ema: float = 0.0
    freeze: tuple[str, ...] = ()
    start_from: Path | None = None
    adversarial: Game | None = None
    critic: nn.Module | None = None
    validate_every: int = 500
    checkpoint_every: int = 500
    precision: Literal["auto"] | Precision = "auto"
    device: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: int | Literal["auto"] = "auto"
    num_nodes: int = 1
    workers: int = 0
    seed: int = 0


def smoke(recipe: Recipe) -> Recipe:
    """Return the recipe at a size that takes seconds: four steps on two small crops, from fresh weights.

    It shows that a recipe works, and nothing of what it is good for.
    """
    scale = recipe.network.scale
    return replace(
        recipe,
        steps=4,
        warm_up_steps=min(1, recipe.warm_up_steps),
        crop=max(1, min(recipe.crop, SMOKE_CROP) // scale) * scale,
        batch_size=2,
        start_from=None,
    )


def train(recipe: Recipe, folder: Path, *, resume: bool = False, progress: bool = False) -> dict[str, float]:
    """Train as the recipe says; write TensorBoard's files, ``last.ckpt`` and ``network.safetensors``.

    Args:
        recipe: what to train and how. Seed the random generators before building its network.
        folder: for everything that is written.
        resume: whether to go on from the folder's ``last.ckpt``.
        progress: whether to show a progress bar.

    Returns:
        The last validation's scores.

    Raises:
        InputError: for unusable settings, photos, weights or checkpoint, or a full disk.
        TrainingInterrupted: after Ctrl-C, once the checkpoint is written.
    """
    checkpoint = folder / CHECKPOINT
    if resume and not checkpoint.is_file():
        raise InputError("a checkpoint to resume", f"no file {checkpoint}", "Start without --resume.")
    loss = loss_from_settings(recipe.loss)
    if recipe.start_from is not None and not resume:
        _start_from(recipe.network, recipe.start_from)
    data = _data(recipe)
    L.seed_everything(recipe.seed, verbose=False)
    task = _task(recipe, loss)
    budget = Budget(
        steps=recipe.steps,
        validate_every=recipe.validate_every,
        checkpoint_every=recipe.checkpoint_every,
        precision=recipe.precision,
        device=recipe.device,
        devices=recipe.devices,
        num_nodes=recipe.num_nodes,
    )
    fit(task, data, folder, budget, resume=checkpoint if resume else None, progress=progress)
    save_network(task.result, folder / "network.safetensors", steps=str(recipe.steps))
    return {name: curve[-1][1] for name, curve in task.history.items()}


def _data(recipe: Recipe) -> TrainingData:
    options: dict[str, Any] = {
        name: getattr(recipe, name) for name in ("validation", "crop", "batch_size", "seed", "workers")
    }
    scale = recipe.network.scale
    if recipe.degradation is not None and recipe.inputs is None:
        if scale != recipe.degradation.scale:
            raise InputError(f"a degradation of scale {scale}, the network's", str(recipe.degradation.scale))
        return PhotoData(recipe.degradation, recipe.photos, **options)
    if recipe.degradation is not None or recipe.inputs is None or recipe.photos is None:
        got = ", ".join(f"{name}={getattr(recipe, name)}" for name in ("degradation", "inputs", "photos"))
        raise InputError("a degradation, or the folders inputs and photos", got)
    return PairedData(recipe.inputs, recipe.photos, scale, **options)


def _task(recipe: Recipe, loss: Loss) -> Supervised:
    names = ("learning_rate", "warm_up_steps", "betas", "schedule", "gradient_clip", "ema", "freeze")
    options: dict[str, Any] = {name: getattr(recipe, name) for name in names}
    if recipe.adversarial is None:
        return Supervised(recipe.network, loss, **options)
    critic = Critic() if recipe.critic is None else recipe.critic
    return Adversarial(recipe.network, critic, loss, recipe.adversarial, seed=recipe.seed, **options)


def _start_from(network: TransformationNetwork, file: Path) -> None:
    saved = load_network(file)
    if type(saved) is not type(network):
        raise InputError(f"a saved {type(network).__name__} to start from", f"{type(saved).__name__} in {file}")
    network.load_state_dict(saved.state_dict())
