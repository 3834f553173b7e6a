"""What a comparison is made of: its settings, their command line, and their file."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from perceptualloss.arguments import checked_arguments
from perceptualloss.errors import InputError
from perceptualloss.files import write_json
from perceptualloss.vocabulary import Device, check_names, renamed

FILE = "settings.json"
FITTED = "fitted_minutes"  # is found and not asked for
LARGEST = 10**12  # of the whole numbers in settings.json
STEPS = 2000  # where there is time
WARM_UP_STEPS = 1000
MINUTES = 5.0
NetworkName = Literal["course", "residual"]
AS_SET = ("course", "VGG16PerceptualLoss")  # losses that the course sets alone, without another one before


@renamed("compare")
@dataclass(frozen=True)
class Settings:
    """All that a comparison's result depends on; the options of the command line have the same names.

    Args:
        scale: how many times larger the networks make a picture: 2 or 4.
        network: which network: course (Upscale2x, Upscale4x) or residual (ResidualUpscaler, faster); by default the
            course's, and the other one where too few of its steps fit the minutes.
        photos: a folder with photos; without it, the photos that scikit-image ships.
        losses: the losses to compare, by preset: mse, l1, perceptual, johnson, course.
        loss_network: the network that perceptual losses look through: compact (embedded), vgg16 or vgg19.
        steps: training steps of each network; by default 2000, or as many as fit the minutes.
        minutes: without steps: how long the whole comparison may take on this machine (5 by default). A few steps are
            timed first.
        warm_up_steps: how many of the steps, at the start, train with MSE whatever the loss; by default half of them,
            at most 1000, and none in a comparison with the course's loss, which is set alone.
        crop: height and width of the training targets in pixels.
        batch_size: how many crops a step takes.
        learning_rate: the learning rate of Adam, which falls to zero along half a cosine.
        validation: how many of the folder's photos, the last by name, are for validation; below 1, what share.
        seed: the seed of first weights, crops and flips.
        device: where to compute: auto (a GPU if there is one), cpu, cuda or mps.
        workers: processes that load samples; 0 loads them in the training process.
        fitted_minutes: the minutes that steps and network were fitted to; none where they were given.
    """

    scale: Literal[2, 4] = 2
    network: NetworkName | None = None
    photos: Path | None = None
    losses: tuple[str, ...] = ("mse", "perceptual")
    loss_network: str = "compact"
    steps: int | None = None
    minutes: float | None = None
    warm_up_steps: int | None = None
    crop: int = 48
    batch_size: int = 4
    learning_rate: float = 1e-3
    validation: float = 0.1
    seed: int = 0
    device: Device = "auto"
    workers: int = 0
    fitted_minutes: float | None = None

    @property
    def length(self) -> int:
        """Steps of each network: as asked, or of a comparison that has time."""
        return STEPS if self.steps is None else self.steps

    @property
    def shared_steps(self) -> int:
        """How many steps at the start are the same MSE steps for all losses.

        >>> Settings().shared_steps, Settings(steps=600).shared_steps, Settings(losses=("mse", "course")).shared_steps
        (1000, 300, 0)
        """
        if self.warm_up_steps is not None:
            return self.warm_up_steps
        return 0 if set(AS_SET) & set(self.losses) else min(WARM_UP_STEPS, self.length // 2)

    @property
    def architecture(self) -> NetworkName:
        """The network: as asked, or the course's."""
        return self.network or "course"

    def begun_in(self, folder: Path) -> Settings | None:
        """Return the settings with the steps that an interrupted comparison with these in the folder was fitted to.

        Raises:
            InputError: if another comparison has written there.
        """
        if not (folder / FILE).is_file():
            return None
        begun = read_settings(folder)
        asked = replace(begun, network=self.network, steps=None, minutes=self.minutes, fitted_minutes=None)
        if asked != self or begun.fitted_minutes != (self.minutes or MINUTES):
            raise _others(folder)
        return begun

    def command(self) -> str:
        """Return the command line that runs this comparison."""
        words = ["perceptualloss", "compare"]
        for name, value in asdict(self).items():
            if name != FITTED and value != getattr(Settings, name):
                values = [str(v) for v in value] if isinstance(value, tuple) else [str(value)]
                words += [f"--{name.replace('_', '-')}", *values]
        return shlex.join(words)

    def write(self, folder: Path) -> None:
        """Write ``settings.json``, which :func:`read_settings` reads to resume.

        Raises:
            InputError: if another comparison has written there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / FILE
        if file.is_file() and read_settings(folder) != self:
            raise _others(folder)
        write_json(asdict(self), file)


def _others(folder: Path) -> InputError:
    return InputError(f"the settings of the comparison in {folder}", "others", "Choose another folder.")


def read_settings(folder: Path) -> Settings:
    """Return the settings of the comparison in ``folder``.

    Raises:
        InputError: if there is none.
    """
    file = folder / FILE
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        check_names(written, "compare", f" in {file}")
        return Settings(**checked_arguments(Settings, dict(written), "the comparison", largest=LARGEST))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError("the folder of an interrupted comparison", f"{folder} ({error})") from error
