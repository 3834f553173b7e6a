"""A recipe: the settings of one training, and what each of them means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from perceptualloss.data.degrade import Degradation
from perceptualloss.data.inputs import DegradeOn
from perceptualloss.data.shards.names import is_address
from perceptualloss.losses.base import Loss
from perceptualloss.losses.mask import Masking
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training.balance import Balancing
from perceptualloss.training.game import Game
from perceptualloss.training.schedule import Schedule
from perceptualloss.vocabulary import Device, Precision

SMOKE_CROP = 48  # pixels of the target: at 32 a critic ends in 1 x 1, of which oneDNN spoils the gradient in bf16


PLACES = ("inputs", "photos", "masks", "style", "start_from", "autoencoder")  # settings that are paths


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run.

    Args:
        network: the transformation network, such as Upscale2x.
        loss: the loss: a name such as MSELoss or perceptual (a preset), or a sum such as
            ``{FeatureReconstructionLoss: {weight: 1.0, network: compact}, L1Loss: 0.5}``
            (see :func:`loss_from_settings`).
        degradation: what makes the input from a photo, such as Downscale.
        degrade_on: where inputs are made of photos: one by one in the "loader", or on the "device" that trains, a
            batch at once; "auto" is the device if that is a GPU, or a CPU without workers. The inputs are the same (see
            :class:`Inputs`).
        inputs: in place of a degradation, a folder with the inputs to the photos in ``photos``, matched by name.
        style: in place of a degradation and inputs, the picture of a style to give the photos (or several, or a folder
            with them, for a network of as many styles), which the loss's style terms compare with.
        style_size: the longer side in pixels that the style picture is resized to: larger ones have larger strokes.
        style_strength: multiplies the loss's style terms.
        stability: weight of a term against flicker in videos (see :class:`StyleTransfer`).
        photos: a folder with photos, or shards: a folder, a pattern or an address of tar files (see
            :class:`ShardData`); without it, the built-in ones.
        masks: which pixels of the photos count: "alpha" for their own transparency, or a folder with grey pictures of
            their names and sizes, white where a pixel counts (see :class:`Masks`); by default all count.
        masking: what a mask means: "area", a layer's positions count as much as the pixels under them; or "exact",
            those count that see white pixels alone (see :class:`Loss`).
        validation: how many of the photos, the last by name, are for validation; below 1, what share.
        shorter_side: pixels to which the shorter side of larger photos is shrunk before they are cropped, such as 256
            for crops that see whole scenes; by default photos stay as they are.
        crop: height and width of the training targets in pixels.
        batch_size: how many samples a step takes on each device.
        steps: how many steps the optimiser takes.
        warm_up_steps: how many of the steps, at the start, train with MSE.
        learning_rate: the learning rate of Adam.
        betas: the two decays of Adam.
        schedule: how the learning rate changes: ``{kind: cosine}``, ``{kind: constant}`` or
            ``{kind: steps, at: [5000, 8000], factor: 0.5}``.
        gradient_clip: the largest norm of the gradient; 0 allows any.
        ema: decay of a moving average of the weights, such as 0.999, which then is what is validated and saved; 0 for
            none.
        freeze: names of submodules of the network that stay as they are.
        start_from: a saved network (.safetensors) to start from, or the name of one that ships.
        autoencoder: in place of a network, a folder with an AutoencoderKL of diffusers, whose decoder is trained (see
            :class:`DiffusersAutoencoder`); the result is a folder that diffusers opens.
        adversarial: trains against a critic, by these rules; ``loss`` is what the adversarial loss is added to.
        critic: that critic; without it, Critic.
        balance: weights of the loss's terms, the critic's among them, that follow their gradients, such as
            ``{shares: {l1: 1.0, adversarial: 0.5}, of: output, average: 0.99}``.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        checkpoint_minutes: the most minutes between two checkpoints, however many steps these are.
        precision: fp32 (32 bits), bf16 or fp16 (layers in 16 bits, weights and losses in 32); auto takes bf16 where the
            hardware is faster in it, else fp32; a resumed run keeps what it had.
        device: where to compute: auto (a GPU if there is one), cpu, cuda or mps.
        devices: how many GPUs or processes on this machine, or "auto".
        num_nodes: how many machines.
        workers: processes that load samples; 0 loads them in the training process.
        memory_gib: gibibytes of memory for decoded photos, which the workers of a training process share.
        cache_gib: gibibytes of the disk, in the cache folder, for decoded photos beyond that, and for copies of shards
            from afar; 0 for none.
        seed: the seed of first weights, crops and flips, and of what a step draws.
    """

    network: TransformationNetwork
    loss: Loss | str | dict[str, Any] | list[Any]
    degradation: Degradation | None = None
    degrade_on: DegradeOn = "auto"
    inputs: Path | None = None
    style: Path | list[Path] | None = None
    style_size: int | None = None
    style_strength: float = 1.0
    stability: float = 0.0
    photos: str | Path | None = None
    masks: Literal["alpha"] | Path | None = None
    masking: Masking = "area"
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
    autoencoder: Path | None = None
    adversarial: Game | None = None
    critic: nn.Module | None = None
    balance: Balancing | None = None
    validate_every: int = 500
    checkpoint_every: int = 500
    checkpoint_minutes: float = 10.0
    precision: Precision = "auto"
    device: Device = "auto"
    devices: int | Literal["auto"] = "auto"
    num_nodes: int = 1
    workers: int = 0
    memory_gib: float = 2.0
    cache_gib: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Let all photos but an address be a path."""
        if isinstance(self.photos, str) and not is_address(self.photos):
            object.__setattr__(self, "photos", Path(self.photos))


def whole_places(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that are paths, whole, so that they mean the same in any folder; those not given are None."""
    found: dict[str, Any] = {}
    for name in PLACES:
        places = getattr(recipe, name)
        listed = places if isinstance(places, list) else [places]
        whole = [
            str(place.resolve() if name == "photos" or place.exists() else place) if isinstance(place, Path) else place
            for place in listed  # others are a word in place of a path, such as a network's name, or an address
        ]
        found[name] = whole if isinstance(places, list) else whole[0]
    return found


def smoke(recipe: Recipe) -> Recipe:
    """Return the recipe at a size that takes seconds: four steps on two small crops, from fresh weights.

    It shows that a recipe works, and nothing of what it is good for.
    """
    scale, balance, game = recipe.network.scale, recipe.balance, recipe.adversarial
    return replace(
        recipe,
        steps=4,
        warm_up_steps=min(1, recipe.warm_up_steps),
        crop=max(1, min(recipe.crop, SMOKE_CROP) // scale) * scale,
        batch_size=2,
        start_from=None,
        adversarial=game and replace(game, start=min(1, game.start)),
        balance=balance and replace(balance, start={part: min(1, step) for part, step in balance.start.items()}),
    )
