"""Masks in a training's batches, (input, target, mask): how much each pixel of the target counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_idle
from perceptualloss.losses.base import Loss
from perceptualloss.losses.mask import Masking, unread_masks

log = logging.getLogger(__name__)


def mask_in(batch: Sequence[Tensor]) -> Tensor | None:
    """Return the mask of a batch (input, target, mask); None for a batch (input, target)."""
    return batch[2] if len(batch) > 2 else None


def masked_terms(
    loss: Loss, output: Tensor, target: Tensor, mask: Tensor | None, masking: Masking
) -> dict[str, Tensor]:
    """Return a loss's terms, under the mask if there is one; a crop of which nothing counts gives no gradient."""
    with unread_masks():  # and does not end the training
        return loss.terms(output, target, mask, masking="area" if mask is None else masking)


def say_what_counts(loss: Loss, output: Tensor, target: Tensor, mask: Tensor | None, masking: Masking) -> None:
    """Warn in the log if nothing counts in a picture of a batch, and say what it would take."""
    if mask is not None:
        try:
            with torch.no_grad():
                loss.terms(output.detach(), target, mask, masking=masking)
        except InputError as error:
            log.warning("such pictures give no gradient: %s", error)


def without_mask(batch: Sequence[Tensor], task: object) -> tuple[Tensor, Tensor]:
    """Return input and target of a batch for a task that takes no masks.

    Raises:
        InputError: for a batch with a mask.
    """
    if mask_in(batch) is not None:
        remedy = "Leave masks away from the data; Supervised takes them."
        raise InputError(f"batches (input, target) for {type(task).__name__}", "a mask, too", remedy)
    return batch[0], batch[1]


def check_no_masking(options: Mapping[str, Any], task: str) -> None:
    """Raise InputError if the options of a task that takes no masks say what masks mean."""
    given = {"masking": options.get("masking", "area")}
    check_idle(given, {"masking": "area"}, f"with {task}, which takes no masks")
