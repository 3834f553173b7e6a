"""Somebody's loss through every law, and the report of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.base import Loss
from perceptualloss.pictures.ranges import InputRange, check_input_range
from perceptualloss.testing import conduct, numbers
from perceptualloss.testing.subject import BrokenError, IdleError, Subject, may_draw, seeded

LAWS: Mapping[str, Callable[[Subject], str]] = {
    law.__name__: law
    for law in (
        *(numbers.equal, numbers.finite, numbers.bf16, conduct.inputs, conduct.ranges, conduct.network_range),
        *(numbers.precision, numbers.gradient, conduct.training, conduct.parameters, conduct.repeatable, numbers.batch),
        conduct.mask,
    )
}


@dataclass(frozen=True)
class LossReport:
    """What the laws say of a loss that breaks none.

    Attributes:
        loss: its name.
        checked: what was seen, by law.
        idle: why a law says nothing about it, by law.
    """

    loss: str
    checked: Mapping[str, str]
    idle: Mapping[str, str]

    def __str__(self) -> str:
        width = max(map(len, LAWS))
        lines = [f"{self.loss}: {len(self.checked)} laws hold, {len(self.idle)} say nothing"]
        lines += [f"  {law:<{width}}  {self.checked.get(law) or '- ' + self.idle[law]}" for law in LAWS]
        return "\n".join(lines)


def check_loss(
    loss: Callable[..., Tensor],
    shape: tuple[int, ...] = (3, 64, 64),
    minimum: float | None = 0.0,
    input_range: InputRange | None = None,
    random: bool | None = None,
    skip: Collection[str] = (),
) -> LossReport:
    """Put a loss to the laws that those of this package obey.

    - ``equal``: equal pictures give ``minimum``, and a gradient of zero
    - ``finite``: equal, black, grey and white pictures give finite values and gradients
    - ``bf16``: so they do under autocast to bf16, and others the value of 32 bits within 5 percent
    - ``inputs``: no gradient reaches the target, and neither picture is changed
    - ``ranges``: pictures of 8 bits for another range, and what is not finite, are refused (a ``Loss``)
    - ``network_range``: loss networks inside get black and white as they expect them
    - ``precision``: values and gradients are those of 64 bits within 1e-4 and 1 percent
    - ``gradient``: the gradient is the slope of the values, by finite differences in 64 bits
    - ``training``: neither ``train()`` nor calls after it change a value (a module)
    - ``parameters``: nothing of it is in ``parameters()`` or ``state_dict()`` (a module)
    - ``repeatable``: two calls give the same bits in evaluation
    - ``batch``: a batch gives the mean over its pictures, or what its ``reduction`` says, in any order
    - ``mask``: a mask of ones (``weight``) changes no bit, an empty one is refused, where it takes one

    The loss itself is left as it is: a module is copied. Random generators are left as they were.

    Args:
        loss: a ``Loss``, or anything that is called as ``loss(output, target)`` and gives one number, or one for each
            picture of the batch.
        shape: of one picture of noise that it is shown, or of a clip or volume, without the batch. Large enough for the
            loss, and no larger: it is called some sixty times.
        minimum: the value for equal pictures, such as the epsilon of a Charbonnier loss; None where none is known.
        input_range: of the pictures: by default that of a ``Loss``, and (0, 1) of anything else.
        random: whether it draws at random by design; by default what a ``Loss`` says of itself, and False of anything
            else.
        skip: laws to leave out, by name; the report says so.

    Returns:
        What was seen, and which laws say nothing about such a loss. Nothing is left out silently.

    Raises:
        AssertionError: for broken laws, each with the figure and its likely cause.
        InputError: for an unknown law or range, or pictures that the loss does not take.

    >>> from perceptualloss.losses.pixel import L1Loss
    >>> print(str(check_loss(L1Loss(), (3, 8, 8), skip=["gradient"])).splitlines()[0])
    L1Loss: 11 laws hold, 2 say nothing
    >>> check_loss(lambda x, y: (x - y.detach()).square().mean().sqrt(), (3, 8, 8))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: <lambda> breaks 4 of 13 laws:
      equal: at equal pictures a gradient of nan of that at others. ...
      finite: a gradient that is not finite at equal pictures. Let no root, norm or division see zero: ...
      bf16: a gradient that is not finite at black for black. ...
      batch: 0.1... for 3 pictures whose mean is 0.1...
    """
    for law in skip:
        check_choice("law to skip", law, LAWS)
    if input_range == "imagenet" and len(shape) != 3:
        raise InputError('pictures of (3, H, W) in the range "imagenet"', f"shape {tuple(shape)}")
    name = type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", type(loss).__name__)
    given = getattr(loss, "input_range", None) if isinstance(loss, Loss) else None
    if given is not None and input_range is not None and check_input_range(input_range) != given:
        raise InputError("no input_range for a Loss, which has its own", repr(input_range))
    pictures = check_input_range(given or input_range or (0.0, 1.0))
    subject = Subject(loss, tuple(shape), pictures, minimum, bool(random)).copied()
    if random is None:
        subject = replace(subject, random=may_draw(subject.loss))
    checked: dict[str, str] = {}
    idle: dict[str, str] = {}
    broken: dict[str, str] = {}
    with seeded():
        subject(*subject.pictures())  # what it does not take at all is its own error
        for law, check in LAWS.items():
            if law in skip:
                idle[law] = "left out by skip="
                continue
            try:
                checked[law] = check(subject)
            except IdleError as reason:
                idle[law] = str(reason)
            except BrokenError as error:
                broken[law] = str(error)
            except (RuntimeError, TypeError, ValueError) as error:
                broken[law] = f"it raises {type(error).__name__}: {str(error).splitlines()[0]}"
    if broken:
        lines = "".join(f"\n  {law}: {figure}" for law, figure in broken.items())
        raise AssertionError(f"{name} breaks {len(broken)} of {len(LAWS)} laws:{lines}")
    return LossReport(name, checked, idle)
