"""The laws of a loss's numbers: each returns the figure that it saw, or raises with the likely cause."""

from __future__ import annotations

import torch

from perceptualloss.testing.subject import TINY, BrokenError, IdleError, Subject, most, norm, off_by

_NEVER_ZERO = "Let no root, norm or division see zero: an epsilon under the root, in 32 bits, or a where."


def equal(s: Subject) -> str:
    """See that equal pictures give the least value, and a gradient of zero."""
    if s.minimum is None:
        raise IdleError("minimum=None: no value is known for equal pictures")
    if not s.takes_target:
        raise IdleError("it is called without a target")
    _, target = s.pictures()
    usual, usual_gradient = s.usual
    value, gradient = s.slope(target, target)
    minimum = s.minimum * (len(target) if getattr(s.loss, "reduction", "") == "sum" else 1)
    off = most((value - minimum).abs())
    if not off <= 1e-5 * most(usual.abs()) + 1e-7:
        cause = "Both pictures must go the same way through it; if the least value is another one, say minimum=."
        raise BrokenError(f"{most(value):.3g} for equal pictures, not {minimum:g}", cause)
    ratio = norm(gradient) / max(norm(usual_gradient), TINY)
    if not ratio <= 1e-3:
        figure = f"at equal pictures a gradient of {ratio:.3g} of that at others"
        raise BrokenError(figure, f"The least value has none. {_NEVER_ZERO}")
    return f"{most(value):.3g}, gradient {ratio:.2g} of the usual one"


def finite(s: Subject) -> str:
    """See that equal, black, grey and white pictures give finite values and gradients."""
    return f"{_finite(s)} pairs of pictures"


def bf16(s: Subject) -> str:
    """See that they do under autocast to bf16, too, and others give the value of 32 bits within 5 percent."""
    with torch.autocast(s.device.type, torch.bfloat16):
        pairs = _finite(s, torch.bfloat16)
        rounded = s(*s.pictures())
    off = off_by(rounded, s.usual[0])
    if not off <= 0.05:
        cause = "Compute differences, norms and means in 32 bits: torch.autocast(..., enabled=False), x.float()."
        raise BrokenError(f"{off:.2g} off the value of 32 bits", cause)
    return f"{pairs} pairs of pictures, {off:.2g} off the value of 32 bits"


def _finite(s: Subject, dtype: torch.dtype = torch.float32) -> int:
    """Return of how many pairs of pictures values and gradients are finite: of all, or raise."""
    output, target = s.pictures(1)
    black, grey, white = (s.plain(level, 1) for level in (0.0, 0.5, 1.0))
    pairs = {
        "equal pictures": (target, target),
        "black for black": (black, black),
        "white for white": (white, white),
        "grey for grey": (grey, grey),
        "white for black": (white, black),
        "black for white": (black, white),
        "a picture for black": (output, black),
        "black for a picture": (black, target),
    }
    for name, (one, other) in pairs.items():
        for what, tensor in zip(("value", "gradient"), s.slope(one.to(dtype), other), strict=True):
            if not tensor.isfinite().all():
                raise BrokenError(f"a {what} that is not finite at {name}", _NEVER_ZERO)
    return len(pairs)


def precision(s: Subject) -> str:
    """See that values of 32 bits are those of 64 within 1e-4, and gradients within 1 percent."""
    value, gradient = s.usual
    exact, exact_gradient = s.wide.usual
    off, bent = off_by(value, exact), norm(gradient - exact_gradient) / max(norm(exact_gradient), TINY)
    figure = f"value {off:.2g}, gradient {bent:.2g} off those of 64 bits"
    if not (off <= 1e-4 and bent <= 1e-2):
        cause = "A difference of nearly equal numbers, or a sum in a short type: compute it from centred values."
        raise BrokenError(figure, cause)
    return figure


def gradient(s: Subject) -> str:
    """See that in 64 bits the gradient is the slope of the values, by finite differences in two directions."""
    if not norm(s.usual[1]) > 0:
        raise BrokenError("pictures that differ have no gradient", "Rounding, a threshold or a detach cuts it off.")
    wide = s.wide
    output, target = wide.pictures()
    _, slope = wide.usual
    worst = 0.0
    for seed in range(2):
        direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed)).to(output)
        step = 1e-7 * direction * (output.max() - output.min())
        with torch.no_grad():
            rise = wide(output + step, target).sum() - wide(output - step, target).sum()
        along = 2 * norm(slope) * norm(step) / step.numel() ** 0.5  # what a random direction rises by, about
        worst = max(worst, float((rise - 2 * (slope * step).sum()).abs()) / along)
    if not worst <= 0.02:
        cause = "A backward pass of its own, a detach on the way, or rounding of values hides a part of the slope."
        raise BrokenError(f"{worst:.2g} off finite differences", cause)
    return f"{worst:.2g} off finite differences"


def batch(s: Subject) -> str:
    """See that a batch gives the mean over its pictures, or what its reduction says, in any order."""
    if not s.repeats:
        raise IdleError("its values do not repeat")
    output, target = s.pictures(3)
    whole = s(output, target).detach()
    single = torch.stack([s(output[i : i + 1], target[i : i + 1]).detach().sum() for i in range(3)])
    reduction = "none" if whole.numel() > 1 else getattr(s.loss, "reduction", "mean")
    expected = {"none": single, "mean": single.mean(), "sum": single.sum()}[reduction]
    off = off_by(whole, expected)
    if s.random and not off <= 1e-3:
        raise IdleError("it draws for each picture of a batch anew")
    if not off <= 1e-3:
        cause = "It divides by the batch twice or never, or a picture's value depends on its neighbours."
        raise BrokenError(f"{most(whole):.4g} for 3 pictures whose {reduction} is {most(expected):.4g}", cause)
    order = torch.tensor([2, 0, 1])
    turned = off_by(s(output[order], target[order]), whole[order] if reduction == "none" else whole)
    if not turned <= 1e-3:
        raise BrokenError(f"another order is {turned:.2g} off", "A picture's value depends on its neighbours.")
    return f"the {reduction} of the pictures within {max(off, turned):.2g}"
