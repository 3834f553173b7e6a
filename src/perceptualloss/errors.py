"""Errors that say what was expected, what came and what to do about it."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line knows errors before it needs PyTorch
    from torch import Tensor


class InputError(ValueError):
    """Something that the user gave cannot be used: what was expected, what was got, and what to do.

    It is a ``ValueError``. The command line prints its message alone, without a traceback.
    """

    def __init__(self, expected: str, got: str, remedy: str = "") -> None:
        self.expected, self.got, self.remedy = expected, got, remedy
        super().__init__(f"expected {expected}, got {got}" + (f". {remedy}" if remedy else ""))


@cache
def warn_once(message: str) -> None:
    """Warn of something that is likely a mistake, in one line, once in a process."""
    warnings.warn(message, stacklevel=3)


def check_choice(what: str, name: str, choices: Iterable[str], remedy: str = "") -> str:
    """Return ``name`` if it is one of ``choices``, else raise with the nearest spelling, and a remedy if there is one.

    >>> check_choice("layer", "relu2_2", ["relu1_2", "relu2_2"])
    'relu2_2'
    >>> check_choice("layer", "relu22", ["relu1_2", "relu2_2"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected layer to be one of relu1_2, relu2_2, got 'relu22'. Did you mean ...
    """
    known = list(choices)
    if name in known:
        return name
    shown = repr(name) if len(str(name)) <= 60 else f"{str(name)[:57]!r}..."
    near = difflib.get_close_matches(str(name)[:60], known, n=1)
    meant = f"Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{what} to be one of {', '.join(known)}", shown, f"{meant} {remedy}".strip())


def check_idle(settings: Mapping[str, Any], usual: Mapping[str, Any], where: str) -> None:
    """Raise if a setting is not as usual although it does nothing here, so that nobody believes it did.

    Args:
        settings: the settings that do nothing, by name.
        usual: what they are unless somebody sets them.
        where: what they do nothing in, such as "without style_layers".

    >>> check_idle({"steps": 5}, {"steps": 100}, "with --method network")
    Traceback (most recent call last):
    perceptualloss.errors.InputError: expected no steps with --method network, got 5. It would do nothing: leave it out.
    """
    for name, value in settings.items():
        if value is not usual[name] and value != usual[name]:
            text = repr(value) if isinstance(value, str | bool) else str(value)
            raise InputError(f"no {name} {where}", text[:80], "It would do nothing: leave it out.")


def check_image_batch(name: str, images: Tensor) -> None:
    """Raise unless ``images`` has the shape and type of an image batch: floating point, (N, 3, H, W).

    Reads no values, so it never waits for a GPU; :func:`perceptualloss.pictures.ranges.check_values` does that.
    """
    from torch import Tensor  # noqa: PLC0415

    if not isinstance(images, Tensor):
        array = "An array (H, W, 3) of 8 bits: torch.from_numpy(array).permute(2, 0, 1)[None] / 255."
        remedy = array if type(images).__name__ == "ndarray" else "perceptualloss.read_image gives one from a file."
        raise InputError(f"{name} to be a tensor of shape (N, 3, H, W)", type(images).__name__, remedy)
    shape = tuple(images.shape)
    if images.ndim != 4 or images.shape[1] != 3:
        remedy = ""
        if images.ndim == 3 and shape[0] == 3:
            remedy = "Add the batch dimension: images.unsqueeze(0)."
        elif images.ndim == 4 and shape[1] == 1:
            remedy = (
                "Put GreyLoss(loss) in place of a loss; elsewhere repeat the channel: images.expand(-1, 3, -1, -1)."
            )
        elif images.ndim == 4 and shape[1] == 4:
            remedy = "Drop the alpha channel: images[:, :3]."
        elif images.ndim == 5:
            remedy = "Losses of clips and volumes: VideoLoss(loss, layout=...), VolumeLoss(loss)."
        elif images.ndim == 4 and shape[3] in (3, 4):
            remedy = "Channels come second: images.permute(0, 3, 1, 2)."
        raise InputError(f"{name} of shape (N, 3, H, W)", str(shape), remedy)
    if images.numel() == 0:
        raise InputError(f"{name} with at least one picture of at least one pixel", str(shape))
    if not images.is_floating_point():
        raise InputError(
            f"{name} in floating point with values in [0, 1]",
            str(images.dtype).removeprefix("torch."),
            "Convert 8-bit pictures with images.float() / 255.",
        )


def check_same_shape(name: str, images: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless both batches have the same shape."""
    if images.shape != other.shape:
        raise InputError(
            f"{name} and {other_name} of the same shape",
            f"{tuple(images.shape)} and {tuple(other.shape)}",
            "perceptualloss.resize brings one to the other's size.",
        )


class TrainingInterrupted(Exception):
    """The user stopped the training; it goes on from the newest checkpoint in ``folder``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"training interrupted; what is in {folder} resumes it")
        self.folder = folder
