"""One training run from a recipe: what every setting of its YAML file means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from perceptualloss.data.degrade import Degradation, Unchanged
from perceptualloss.data.module import PhotoData, TrainingData
from perceptualloss.data.paired import PairedData
from perceptualloss.errors import InputError
from perceptualloss.files import is_first_process
from perceptualloss.losses.base import Loss
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.style_objective import objective_note, style_objective, style_picture
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Critic
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import picture_files
from perceptualloss.training.adversarial import Adversarial, Game
from perceptualloss.training.randomness import own_randomness
from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.training.run import Budget, Precision, fit
from perceptualloss.training.run_folder import WriteRecord, data_record, in_words, resumed_from, versions
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

SMOKE_CROP = 48  # pixels of the target: at 32 a critic ends in 1 x 1, of which oneDNN spoils the gradient in bf16
VALIDATION_STYLE = 512  # pixels: the largest side of validation photos in style transfer, of larger ones the middle


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run.

    Args:
        network: the transformation network, such as Upscale2x.
        loss: the loss: a name such as MSELoss or perceptual (a preset), or a sum such as
            ``{FeatureReconstructionLoss: {weight: 1.0, network: compact}, L1Loss: 0.5}``
            (see :func:`loss_from_settings`).
        degradation: what makes the input from a photo, such as Downscale.
        inputs: instead of a degradation, a folder with the inputs to the photos in ``photos``, matched by name.
        style: instead of both, the picture of a style to give the photos (or several, or a folder with them, for a
            network of as many styles), which the loss's style terms compare with.
        style_size: the longer side in pixels that the style picture is resized to: larger ones have larger strokes.
        style_strength: multiplies the loss's style terms.
        stability: weight of a term against flicker in videos (see :class:`StyleTransfer`).
        photos: a folder with photos; without it, the built-in ones.
        validation: how many of the photos, the last by name, are for validation; below 1, what share.
        shorter_side: pixels to which the shorter side of larger photos is shrunk before they are cropped, such as 256
            for crops that see whole scenes; None leaves the photos.
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
        start_from: a saved network (.safetensors) to start from, or the name of one that ships.
        adversarial: trains against a critic, by these rules; ``loss`` is what the adversarial loss is added to.
        critic: that critic; without it, Critic.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        checkpoint_minutes: the most minutes between two checkpoints, however many steps these are.
        precision: number format; "auto" takes bf16 where the hardware computes in it, else 32 bits.
        device: "auto", "cpu", "gpu" or "mps".
        devices: how many GPUs or processes on this machine, or "auto".
        num_nodes: how many machines.
        workers: processes that load samples; 0 loads them in the training process.
        seed: of the first weights, crops and flips, and what a step draws.
    """

    network: TransformationNetwork
    loss: Loss | str | dict[str, Any] | list[Any]
    degradation: Degradation | None = None
    inputs: Path | None = None
    style: Path | list[Path] | None = None
    style_size: int | None = None
    style_strength: float = 1.0
    stability: float = 0.0
    photos: Path | None = None
    validation: float = 0.1
    shorter_side: int | None = None
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
    checkpoint_minutes: float = 10.0
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


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    progress: bool = False,
    command: str = "",
    configuration: str = "",
) -> dict[str, float]:
    """Train as the recipe says; write ``run.json``, TensorBoard's files, checkpoints and ``network.safetensors``.

    Args:
        recipe: what to train and how. Seed the random generators before building its network.
        folder: for everything that is written.
        resume: whether to go on from the folder's newest whole checkpoint; a run that was stopped before its first
            one begins anew.
        progress: whether to show a progress bar.
        command: the command line, for the record.
        configuration: the recipe as YAML, to be written as ``config.yaml``.

    Returns:
        The last validation's scores.

    Raises:
        InputError: for unusable settings, photos, weights or checkpoints, another network or critic than the run to
            resume has, or a full disk.
        TrainingInterrupted: after Ctrl-C or SIGTERM, once the checkpoint is written.
    """
    check_recipe(recipe)
    settings = {field.name: in_words(getattr(recipe, field.name)) for field in fields(recipe)}
    checkpoint = resumed_from(folder, settings, ("network", "critic")) if resume else None
    losses = _losses(recipe)
    if recipe.start_from is not None and checkpoint is None:
        _start_from(recipe.network, recipe.start_from)
    data = _data(recipe)
    with own_randomness(recipe.seed):
        task = _task(recipe, losses)
    files = data_record(data.files)
    record = WriteRecord(folder, settings, files, command, configuration, resumed=resume)
    fit(task, data, folder, _budget(recipe), resume=checkpoint, progress=progress, callbacks=[record])
    if is_first_process():
        save_network(task.result.fused(), folder / "network.safetensors", **_card(recipe, settings, files))
    return {name: curve[-1][1] for name, curve in task.history.items()}


def _budget(recipe: Recipe) -> Budget:
    return Budget(**{field.name: getattr(recipe, field.name) for field in fields(Budget)})


def _data(recipe: Recipe) -> TrainingData:
    options: dict[str, Any] = {
        name: getattr(recipe, name) for name in ("validation", "crop", "batch_size", "seed", "workers")
    }
    if recipe.inputs is None:
        options["shorter_side"] = recipe.shorter_side
    elif recipe.shorter_side is not None:
        raise InputError("a shorter_side without inputs", f"inputs={recipe.inputs}", "Shrink the pictures beforehand.")
    if recipe.style is not None:
        return PhotoData(Unchanged(), recipe.photos, validation_size=VALIDATION_STYLE, **options)
    scale = recipe.network.scale
    if recipe.degradation is not None and recipe.inputs is None:
        if scale != recipe.degradation.scale:
            raise InputError(f"a degradation of scale {scale}, the network's", str(recipe.degradation.scale))
        return PhotoData(recipe.degradation, recipe.photos, **options)
    if recipe.degradation is not None or recipe.inputs is None or recipe.photos is None:
        got = ", ".join(f"{name}={getattr(recipe, name)}" for name in ("degradation", "inputs", "photos"))
        raise InputError("a degradation, or the folders inputs and photos", got)
    return PairedData(recipe.inputs, recipe.photos, scale, **options)


def _losses(recipe: Recipe) -> list[Loss]:
    """Return the loss, or one for each style."""
    if recipe.style is not None:
        size, strength = recipe.style_size, recipe.style_strength
        return [style_objective(recipe.loss, file, size, strength) for file in style_files(recipe.style)]
    return [loss_from_settings(recipe.loss)]


def _task(recipe: Recipe, losses: list[Loss]) -> Supervised:
    names = ("learning_rate", "warm_up_steps", "betas", "schedule", "gradient_clip", "ema", "freeze")
    options: dict[str, Any] = {name: getattr(recipe, name) for name in names}
    if recipe.style is not None:
        pictures = [style_picture(file, recipe.style_size) for file in style_files(recipe.style)]
        options |= {"stability": recipe.stability, "seed": recipe.seed}
        return StyleTransfer(recipe.network, losses, pictures, **options)
    if recipe.adversarial is None:
        return Supervised(recipe.network, losses[0], **options)
    critic = Critic() if recipe.critic is None else recipe.critic
    return Adversarial(recipe.network, critic, losses[0], recipe.adversarial, seed=recipe.seed, **options)


def style_files(style: Path | list[Path] | None) -> list[Path]:
    """Return the style pictures that a recipe names: of a folder, all that are in it, by name.

    Raises:
        InputError: for a folder without pictures.
    """
    named = [style] if isinstance(style, Path) else style or []
    return [file for path in named for file in (picture_files(path) if path.is_dir() else [path])]


def _card(recipe: Recipe, settings: Mapping[str, str], files: Mapping[str, Any]) -> dict[str, str]:
    """Return what the saved network says of how it was trained."""
    on_the_card = ("loss", "degradation", "inputs", "style", "adversarial", "start_from", "steps", "seed")
    card = {name: settings[name] for name in on_the_card if getattr(recipe, name) is not None}
    card |= {"data": json.dumps(files), "versions": json.dumps(versions())}
    if recipe.style is None:
        return card
    names = [file.stem for file in style_files(recipe.style)]
    return card | objective_note(recipe.loss, names, recipe.style_size, recipe.style_strength)


def _start_from(network: TransformationNetwork, file: Path) -> None:
    saved = load_network(file)
    if type(saved) is not type(network):
        raise InputError(f"a saved {type(network).__name__} to start from", f"{type(saved).__name__} in {file}")
    network.load_state_dict(saved.state_dict())
