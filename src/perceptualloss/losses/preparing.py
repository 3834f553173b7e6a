"""What every loss has to do with targets that stay the same: preparing them, and taking what was prepared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.prepared import Maps, Prepared

if TYPE_CHECKING:
    from perceptualloss.losses.base import Loss


class Preparing(nn.Module):
    """The part of a :class:`Loss` that knows prepared targets."""

    needs_target: bool = True

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Raise InputError unless shapes, types and values are as promised; reads the values."""
        raise NotImplementedError

    @torch.inference_mode(False)
    def prepare(self, target: Tensor) -> Prepared:
        """Return what this loss needs of targets that stay the same, computed once: ``loss(output, prepared)``.

        Features or styles for what looks through a network, and the pictures where something looks at the pixels. In
        memory that is often more than the pictures. It can be written to a file (:class:`Prepared`).

        Args:
            target: a batch as a call takes it.

        Raises:
            InputError: for an unusable batch, a loss that needs no target, or one that changes it at each call
                (``augment``).
        """
        if not self.needs_target:
            raise InputError("a loss that needs a target, to prepare it", type(self).__name__)
        self.check(target, target)
        with torch.no_grad():
            pixels, maps = self._keep(target.detach())
        return Prepared(tuple(target.shape), maps, target.detach().clone() if pixels else None)

    def _keep(self, target: Tensor) -> tuple[bool, Maps]:
        """Return whether the target itself is needed, and what is computed of it (see :class:`Prepared`)."""
        return self.needs_target, {}

    @staticmethod
    def _keep_together(losses: Mapping[str, Loss], target: Tensor) -> tuple[bool, Maps]:
        """Return what :meth:`_keep` gives for several losses of this family together."""
        kept = [loss._keep(target) for loss in losses.values()]
        return any(pixels for pixels, _ in kept), {made: found for _, maps in kept for made, found in maps.items()}

    @property
    def _takes_prepared(self) -> bool:
        """Whether :meth:`_per_image` takes a prepared target as it is, not its picture."""
        return False

    def _taken(self, target: Any) -> Any:
        """Return a target as :meth:`_per_image` takes it."""
        if isinstance(target, Tensor):
            return target.detach()
        if not isinstance(target, Prepared) or self._takes_prepared:
            return target
        if not self.needs_target:
            return None
        if target.picture is None:
            remedy = "Prepare it by this loss: loss.prepare(target)."
            raise InputError(f"a target prepared for {type(self).__name__}, which looks at pixels", "none", remedy)
        return target.picture

    def _target_of(self, output: Tensor, target: Any) -> Any:
        """Return a target as :meth:`_per_image` takes it, which is the output of a loss that needs none."""
        taken = self._taken(target)
        return output.detach() if taken is None else taken
