"""Chapter 9: the picture moves, and it alone, until it has a layer's features."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from perceptualloss.course.answer import Answer, Mistake
from perceptualloss.course.checks.values import flat, shape_of
from perceptualloss.course.checks.watched import WatchedNetwork
from perceptualloss.course.stand_in import StandIns

_NAME = "reconstruct"
_STEPS, _RATE = 40, 0.05
_ALIKE = 0.5  # correlation of a picture with the one a step before, at least
_NEARER = 0.5  # of the distance at the start, at most


def check_reconstruct(answer: Answer, told: StandIns) -> None:
    """Check ``reconstruct``."""
    network = WatchedNetwork(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)))
    photo = torch.rand(1, 3, 12, 16)
    given = photo.clone().requires_grad_()
    before = flat(list(network.parameters()))
    try:
        found = answer.call(_NAME, network, given, steps=_STEPS, learning_rate=_RATE)
    except Mistake as mistake:
        if mistake.key == "raises" and "second time" in str(mistake.values["error"]):
            raise Mistake("rec.target_not_detached", mistake.line) from mistake
        if mistake.key == "raises" and "does not require grad" in str(mistake.values["error"]):
            raise Mistake("rec.no_gradient", mistake.line) from mistake
        raise
    if not network.calls:
        raise Mistake("rec.network_unused")
    if not torch.equal(before, flat(list(network.parameters()))):
        raise Mistake("rec.network_moved")
    if not torch.equal(given.detach(), photo):
        raise Mistake("rec.photo_moved")
    if given.grad is not None and given.grad.any():
        raise Mistake("rec.target_not_detached")
    if not isinstance(found, Tensor):
        raise Mistake("returns", name=_NAME, got=type(found).__name__)
    if found.shape != photo.shape:
        raise Mistake("rec.shape", got=shape_of(found), expected=shape_of(photo))
    if found.grad_fn is not None:
        raise Mistake("rec.graph")
    _check_path(network, photo, found.detach())


def _check_path(network: WatchedNetwork, photo: Tensor, found: Tensor) -> None:
    """Look at the pictures that the network was shown, from the first to what came out."""
    calls = [call for call in network.calls if call.inputs[0].shape == photo.shape]
    calls = [call for call in calls if not torch.equal(call.inputs[0], photo)]
    others = [call.inputs[0] for call in calls]
    start = others[0] if others else photo
    if not others or torch.corrcoef(torch.stack([start.flatten(), photo.flatten()]))[0, 1] > 0.9:
        raise Mistake("rec.begins_at_photo")
    if all(torch.equal(picture, start) for picture in [*others, found]):
        raise Mistake("rec.never_moves" if any(call.asked and call.recorded for call in calls) else "rec.no_gradient")
    pairs = [torch.stack([one.flatten(), other.flatten()]) for one, other in pairwise(others)]
    if pairs and all(torch.corrcoef(pair)[0, 1] < _ALIKE for pair in pairs):
        raise Mistake("rec.new_noise")
    with torch.no_grad():
        wanted = network.inside(photo)
        far, near = ((network.inside(picture) - wanted).square().mean() for picture in (start, found))
    if near > far:
        raise Mistake("rec.away")
    if len(others) < _STEPS // 2:
        raise Mistake("rec.steps", got=len(others), expected=_STEPS)
    if near > _NEARER * far:
        raise Mistake("rec.not_nearer", percent=round(100 * float(near / far)))
