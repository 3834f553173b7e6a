"""Chapter 4: photos split before they are compared, PSNR by its formula, and a validation that changes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any

import torch
from torch import Tensor, nn

from perceptualloss.course.answer import Answer, Mistake
from perceptualloss.course.checks.values import about, flat, number_of, plain_number
from perceptualloss.course.checks.watched import WatchedNetwork
from perceptualloss.course.stand_in import StandIns

_BITS = 255


def check_comparison(answer: Answer, told: StandIns) -> None:
    """Check ``split``, ``psnr`` and ``validate``."""
    _check_split(answer)
    _check_psnr(answer)
    _check_validate(answer)


def _check_split(answer: Answer) -> None:
    photos, held_out = [f"photo{number:02}.jpg" for number in range(12)], 4
    halves = []
    for given in (list(photos), list(photos)):
        halves.append(_halves(answer.call("split", given, held_out)))
        if given != photos:
            raise Mistake("split.changed")
    training, validation = halves[0]
    if common := sorted({*training} & {*validation}):
        raise Mistake("split.overlap", got=len(common))
    if {*training, *validation} != {*photos}:
        raise Mistake("split.lost", got=len({*photos} - {*training, *validation}))
    if len(training) == held_out:
        raise Mistake("split.exchanged")
    if len(validation) != held_out:
        raise Mistake("split.size", got=len(validation), expected=held_out)
    if halves[0] != halves[1]:
        raise Mistake("split.differs")


def _halves(found: Any) -> tuple[list[Any], list[Any]]:
    if not isinstance(found, Sequence) or len(found) != 2 or not all(isinstance(part, Sized) for part in found):
        raise Mistake("split.returns")
    return list(found[0]), list(found[1])


def _psnr(output: Tensor, target: Tensor) -> float:
    """Return the mean over the pictures."""
    errors = (output - target).square().flatten(1).mean(1)
    return float((-10 * errors.log10()).mean())


def _check_psnr(answer: Answer) -> None:
    target = 0.2 + 0.6 * torch.rand(1, 3, 8, 8)
    output = target + 0.1 * (torch.rand(1, 3, 8, 8) - 0.3)
    found = number_of(answer.call("psnr", output, target), "PSNR", "psnr")
    error = float((output - target).square().mean())
    wanted = -10 * math.log10(error)
    sizes = 20 * math.log10(_BITS)
    known = {
        "psnr.sign": -wanted,
        "psnr.natural_log": -10 * math.log(error),
        "psnr.half": wanted / 2,
        "psnr.no_root": 2 * wanted,
        "psnr.maximum": wanted + sizes,
        "psnr.absolute": -20 * math.log10(float((output - target).abs().mean())),
    }
    if not about(found, wanted):
        key = next((key for key, value in known.items() if about(found, value)), "psnr.value")
        raise Mistake(key, got=f"{found:.2f}", expected=f"{wanted:.2f}")
    pair = torch.cat([target, target]), torch.cat([output, target + 0.02])
    found, wanted = number_of(answer.call("psnr", pair[1], pair[0]), "PSNR", "psnr"), _psnr(pair[1], pair[0])
    if not about(found, wanted):
        raise Mistake("psnr.batch", got=f"{found:.2f}", expected=f"{wanted:.2f}")


def _check_validate(answer: Answer) -> None:
    model = WatchedNetwork(nn.Sequential(nn.BatchNorm2d(3), nn.Upsample(scale_factor=2)))
    low = 0.2 + 0.6 * torch.rand(3, 3, 6, 8)
    with torch.no_grad():
        pictures = nn.functional.interpolate(low, scale_factor=2)
    high = pictures + torch.tensor([0.01, 0.03, 0.1])[:, None, None, None]
    pairs = [(low[:2], high[:2]), (low[2:], high[2:])]
    before = flat(list(model.state_dict().values()))
    model.train()
    found = answer.call("validate", model, pairs)
    if not isinstance(found, Mapping) or not {"mse", "psnr"} <= {*found}:
        raise Mistake("validate.returns")
    if not model.calls:
        raise Mistake("validate.model_unused")
    if any(call.training for call in model.calls):
        raise Mistake("validate.train_mode")
    if any(call.recorded for call in model.calls):
        raise Mistake("validate.gradients")
    if not torch.equal(before, flat(list(model.state_dict().values()))):
        raise Mistake("validate.changes")
    if not model.training:
        raise Mistake("validate.left_in_eval")
    with torch.no_grad():
        output = model.eval()(low)
    errors = (output - high).square().flatten(1).mean(1)
    mse = plain_number(found["mse"], "mse", "validate")
    halves = [part.mean() for part in (errors[:2], errors[2:])]
    if about(mse, float(sum(halves)) / 2) and not about(mse, float(errors.mean())):
        raise Mistake("validate.batch_means", what="MSE")
    if about(mse, float(errors.sum())) or about(mse, float(errors[-1])):
        raise Mistake("validate.not_all", what="MSE")
    _same("MSE", mse, float(errors.mean()))
    psnr, each = plain_number(found["psnr"], "psnr", "validate"), -10 * errors.log10()
    if about(psnr, -10 * math.log10(float(errors.mean()))):
        raise Mistake("validate.psnr_of_mean")
    if about(psnr, float(_of_batches(each))):
        raise Mistake("validate.batch_means", what="PSNR")
    if about(psnr, float(each[-1])):
        raise Mistake("validate.not_all", what="PSNR")
    _same("PSNR", psnr, float(each.mean()))


def _of_batches(each: Tensor) -> Tensor:
    """Return the mean of the two batches' means."""
    return (each[:2].mean() + each[2:].mean()) / 2


def _same(what: str, found: float, wanted: float) -> None:
    if not about(found, wanted):
        raise Mistake("validate.value", what=what, got=f"{found:.4g}", expected=f"{wanted:.4g}")
