"""A training from a recipe: the data, losses and task that its settings stand for, and what is written in the end."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from perceptualloss.data.degrade import Degradation, Unchanged
from perceptualloss.data.masks import MaskSource
from perceptualloss.data.module import PhotoData, TrainingData
from perceptualloss.data.paired import PairedData
from perceptualloss.data.shards.names import is_address, shards_in
from perceptualloss.data.shards.training import ShardData
from perceptualloss.errors import InputError, check_idle
from perceptualloss.files import is_first_process
from perceptualloss.losses.base import Loss
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.style_objective import objective_note, style_objective, style_picture
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Critic
from perceptualloss.networks.diffusers_autoencoder import DiffusersAutoencoder
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.listing import picture_files
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.job_folder import check_same, checkpoint_to_resume
from perceptualloss.training.randomness import own_randomness
from perceptualloss.training.recipe import Recipe, whole_places
from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.run_folder import WriteRecord, data_record, in_words, versions
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

log = logging.getLogger(__name__)

VALIDATION_STYLE = 512  # pixels: the largest side of validation photos in style transfer, of larger ones the middle


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    progress: bool = False,
    command: str = "",
    configuration: str = "",
) -> dict[str, float]:
    """Train as a recipe says, and return the scores of the last validation.

    It writes into ``folder``: ``run.json`` (what made the run), files for TensorBoard, checkpoints, and at the end
    ``network.safetensors``. The decoder of an autoencoder of diffusers is written into a folder ``autoencoder``
    instead.

    Args:
        recipe: what to train and how (:func:`build_recipe` makes one of plain settings). Seed the random generators
            before you build its network.
        folder: for everything that is written.
        resume: go on from the folder's newest whole checkpoint. A run that was stopped before its first one begins
            anew.
        progress: show a progress bar.
        command: the command line, for the record.
        configuration: the recipe as YAML, to be written as ``config.yaml``.

    Returns:
        The last validation's scores by name, such as ``psnr`` in dB.

    Raises:
        InputError: for unusable settings, photos, weights or checkpoints; to resume, another network or critic than the
            run has; a full disk; or processes that would not train the same thing into one folder.
        TrainingInterrupted: after Ctrl-C or SIGTERM, once the checkpoint is written.
    """
    check_recipe(recipe)
    settings = {field.name: in_words(getattr(recipe, field.name)) for field in fields(recipe)}
    checkpoint = checkpoint_to_resume(folder, settings) if resume else None
    losses = _losses(recipe)
    if recipe.start_from is not None and checkpoint is None:
        _start_from(recipe.network, recipe.start_from)
    data = training_data(recipe)
    with own_randomness(recipe.seed):
        task = _task(recipe, losses)
    files = data.record() if isinstance(data, ShardData) else data_record(data.files)
    check_same({"settings": settings, "data": files, "versions": versions()})
    whole = settings | {name: in_words(places) for name, places in whole_places(recipe).items()}
    record = WriteRecord(folder, whole, files, command, configuration, resumed=resume)
    fit(task, data, folder, _budget(recipe), resume=checkpoint, progress=progress, callbacks=[record])
    if is_first_process():
        _save(task.result.fused(), result_in(folder, recipe), _card(recipe, settings, files))
    return {name: curve[-1][1] for name, curve in task.history.items()}


def result_in(folder: Path, recipe: Recipe) -> Path:
    """Return where a run writes its result: a file, or for an autoencoder of diffusers a folder for it."""
    return folder / ("autoencoder" if isinstance(recipe.network, DiffusersAutoencoder) else "network.safetensors")


def _save(network: TransformationNetwork, place: Path, card: Mapping[str, str]) -> None:
    if isinstance(network, DiffusersAutoencoder):
        network.save(place, **card)
    else:
        save_network(network, place, **card)


def _budget(recipe: Recipe) -> Budget:
    return Budget(**{field.name: getattr(recipe, field.name) for field in fields(Budget)})


def training_data(recipe: Recipe) -> TrainingData:
    """Return the photos, shards or pairs of a recipe.

    Raises:
        InputError: for settings that do not go together, or a folder without usable pictures.
    """
    options: dict[str, Any] = {
        name: getattr(recipe, name)
        for name in ("validation", "crop", "batch_size", "seed", "workers", "masks", "memory_gib", "cache_gib")
    }
    if recipe.inputs is None:
        options |= {"shorter_side": recipe.shorter_side, "degrade_on": recipe.degrade_on}
    elif recipe.shorter_side is not None:
        raise InputError("a shorter_side without inputs", f"inputs={recipe.inputs}", "Shrink the pictures beforehand.")
    if recipe.style is not None:
        return _photo_data(recipe, Unchanged(), validation_size=VALIDATION_STYLE, **options)
    scale = recipe.network.scale
    if recipe.degradation is not None and recipe.inputs is None:
        if scale != recipe.degradation.scale:
            raise InputError(f"a degradation of scale {scale}, the network's", str(recipe.degradation.scale))
        return _photo_data(recipe, recipe.degradation, **options)
    if recipe.degradation is not None or recipe.inputs is None or recipe.photos is None:
        got = ", ".join(f"{name}={getattr(recipe, name)}" for name in ("degradation", "inputs", "photos"))
        raise InputError("a degradation, or the folders inputs and photos", got)
    if is_address(recipe.photos):
        raise InputError("pairs in folders", f"photos={recipe.photos}", "Shards are for a degradation or a style.")
    return PairedData(recipe.inputs, Path(recipe.photos), scale, **options)


def _photo_data(
    recipe: Recipe, degradation: Degradation, *, masks: MaskSource | None, memory_gib: float, **options: Any
) -> TrainingData:
    """Return the data of photos that are degraded, be they in a folder or in shards."""
    shards = shards_in(recipe.photos)
    if shards is None:
        photos = None if recipe.photos is None else Path(recipe.photos)
        return PhotoData(degradation, photos, masks=masks, memory_gib=memory_gib, **options)
    if masks is not None:
        raise InputError("masks of photos in a folder", f"photos={recipe.photos}", "Shards have none.")
    check_idle({"memory_gib": memory_gib}, {"memory_gib": Recipe.memory_gib}, "with shards, which are not kept decoded")
    if not any(is_address(shard) for shard in shards):
        own, usual = {"cache_gib": recipe.cache_gib}, {"cache_gib": Recipe.cache_gib}
        check_idle(own, usual, "with shards on this machine, which are read where they lie")
    return ShardData(degradation, shards, **options)


def _losses(recipe: Recipe) -> list[Loss]:
    """Return the loss, or one for each style."""
    if recipe.style is not None:
        size, strength = recipe.style_size, recipe.style_strength
        return [style_objective(recipe.loss, file, size, strength) for file in style_files(recipe.style)]
    return [loss_from_settings(recipe.loss)]


def _task(recipe: Recipe, losses: list[Loss]) -> Supervised:
    names = ("learning_rate", "warm_up_steps", "betas", "schedule", "gradient_clip", "ema", "freeze", "balance")
    options: dict[str, Any] = {name: getattr(recipe, name) for name in names}
    if recipe.masks is not None:
        options["masking"] = recipe.masking
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
    on_the_card = (
        "loss",
        "degradation",
        "inputs",
        "masks",
        "style",
        "adversarial",
        "balance",
        "start_from",
        "autoencoder",
        "steps",
        "seed",
    )
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
    own = network.state_dict()
    fitting = {name: value for name, value in saved.state_dict().items() if _fits(value, own.get(name))}
    if 2 * sum(value.numel() for value in fitting.values()) < sum(value.numel() for value in own.values()):
        got = f"one of which {len(fitting)} of {len(own)} weights fit, in {file}"
        raise InputError(f"a {type(network).__name__} of nearly the same sizes to start from", got)
    if new := [name for name in own if name not in fitting]:
        log.warning("start_from gives %d of %d weights; these begin anew: %s", len(fitting), len(own), ", ".join(new))
    network.load_state_dict(own | fitting)


def _fits(value: Tensor, place: Tensor | None) -> bool:
    return place is not None and place.shape == value.shape
