"""Training feed-forward networks for style transfer: one style, or several in one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.network_loss import share_networks
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training.masks import check_no_masking, without_mask
from perceptualloss.training.stability import draw_jolt, instability
from perceptualloss.training.supervised import Supervised, check_reduced

CHECKED = "validation/"  # before the names of what is measured on validation photos


def styles_of(seed: int, first: int, count: int, styles: int) -> list[int]:
    """Return the styles of samples ``first`` to ``first + count - 1``: each of (seed, sample) alone.

    Of every ``styles`` samples in a row (from a multiple of that number), each has another style, in random order.

    >>> sorted(styles_of(seed=0, first=8, count=4, styles=4))
    [0, 1, 2, 3]
    """
    orders = {
        n: np.random.default_rng([seed, n, 2]).permutation(styles)
        for n in range(first // styles, (first + count - 1) // styles + 1)
    }
    return [int(orders[n // styles][n % styles]) for n in range(first, first + count)]


class StyleTransfer(Supervised):
    r"""Train a network to give photos a style, in one pass.

    Minimises, over photos x, :math:`\ell_{content}(f(x), x) + \ell_{style}(f(x), s) + \ell_{TV}(f(x))`, as
    ``objectives`` have it. With several styles, every photo of a batch is given its own: the samples take turns
    in a random order that depends on the seed alone.

    With ``stability``, that times :math:`\|f(T x + n) - T f(x)\|^2` is added, with a shift T by a few whole
    pixels and slight noise n, so that a video does not flicker where nothing happens.

    Args:
        network: takes pictures (N, 3, H, W), and with several styles, which of them, (N,).
        objectives: the loss of each style, such as :func:`style_objective` gives: ``objective(output, content)``.
        pictures: the styles, (1, 3, H, W) each, to be shown in TensorBoard.
        stability: the weight of that term.
        seed: of the order of the styles and of the shifts.
        options: as :class:`Supervised`.

    Raises:
        InputError: for a network that changes the size of pictures, or has another number of styles; for masks.

    Logs "Loss" and its terms at each step, and "validation/objective" and its terms on whole validation photos; of
    several styles, each photo is given one in turn.

    Source: Johnson et al. 2016; several styles: Dumoulin et al., "A Learned Representation For Artistic Style",
    ICLR 2017; noise against flicker: Rainy and de Berker, "Stabilizing neural style-transfer for video", 2018;
    with motion: after Wang et al., "Consistent Video Style Transfer via Compound Regularization", AAAI 2020.
    """

    def __init__(
        self,
        network: TransformationNetwork,
        objectives: Sequence[Loss],
        pictures: Sequence[Tensor],
        *,
        stability: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        count = int(getattr(network, "styles", 1))
        if network.scale != 1:
            raise InputError("a network of scale 1 for style transfer", f"one of scale {network.scale}")
        if not count == len(objectives) == len(pictures):
            remedy = f"Set --network.init_args.styles {len(objectives)}, or give {count} with --style."
            raise InputError(f"as many style pictures as the network has styles, {count}", str(len(objectives)), remedy)
        check_no_masking(options, "a style")
        if options.get("balance") is not None:
            raise InputError("style transfer without a balance", "one", "Weigh its terms in the loss.")
        if not stability >= 0:
            raise InputError("stability from 0", repr(stability))
        super().__init__(network, objectives[0], **options)
        for objective in objectives[1:]:
            check_reduced(objective)
        share_networks(part for objective in objectives for part in objective.modules() if isinstance(part, Loss))
        self.objectives = nn.ModuleList(objectives)
        self.styles, self.stability, self.seed = [picture.detach() for picture in pictures], stability, seed

    def setup(self, stage: str) -> None:
        """On a CPU, take the network out of channels_last: instance norm wants planes, and a step is 10% faster.

        Before the parameters are shared among processes: their gradients lie in memory as the parameters did then.
        """
        if self.trainer.strategy.root_device.type == "cpu":
            for network in (self.network, self.result):
                network.to(memory_format=torch.contiguous_format)

    def forward(self, low: Tensor, styles: Sequence[int] = (0,)) -> Tensor:
        """Give pictures (N, 3, H, W) their styles; in evaluation with the average, where there is one."""
        network = self.network if self.training else self.result
        x = low if low.device.type == "cpu" else low.to(memory_format=torch.channels_last)
        output: Tensor = network(x) if len(self.styles) == 1 else network(x, torch.tensor(styles, device=low.device))
        return output

    def outputs(self, batch: tuple[Tensor, Tensor], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the network's pictures of a step's batch, each with its style; in evaluation the average's."""
        content = batch[0]
        return self(content, self._styles_at(step, len(content))), {}

    def _styles_at(self, step: int, count: int) -> list[int]:
        first = (step * self.trainer.world_size + self.global_rank) * count
        return styles_of(self.seed, first, count, len(self.styles))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of one batch, for the trainer to minimise."""
        content, _ = without_mask(batch, self)
        styles = self._styles_at(self.global_step, len(content))
        output = self(content, styles)
        if self.global_step < self.warm_up_steps:
            return self.sum_of(self.pixel_loss.terms(output, content))
        terms = self.terms(output, content, styles)
        if self.stability:
            before = self.global_rank * len(content)
            jolt = draw_jolt(content, self.seed, self.global_step, before=before)
            again = self(jolt(content), styles)
            terms["stability"] = self.stability * instability(output, again, jolt).mean()
        return self.sum_of(terms)

    def terms(self, output: Tensor, content: Tensor, styles: Sequence[int]) -> dict[str, Tensor]:
        """Return the terms of the objective, each photo's style compared with its own, reduced over the batch."""
        if len(set(styles)) == 1:
            return self._objective(styles[0]).terms(output, content)
        sums: dict[str, Tensor] = {}
        for style in sorted(set(styles)):
            own = [n for n, other in enumerate(styles) if other == style]
            objective = self._objective(style)
            share_of_batch = 1 if objective.reduction == "sum" else len(own) / len(styles)
            for name, value in objective.terms(output[own], content[own]).items():
                share = value * share_of_batch
                sums[name] = sums[name] + share if name in sums else share
        return sums

    def _objective(self, style: int) -> Loss:
        return cast(Loss, self.objectives[style])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Measure the objective on one validation photo."""
        content, _ = without_mask(batch, self)
        styles = [batch_index % len(self.styles)]
        terms = self.terms(self(content, styles), content, styles)
        measured = {"objective": torch.stack(list(terms.values())).sum(), **terms}
        for name, value in measured.items():
            self.log(CHECKED + name, value, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Keep the curves for whoever runs the training."""
        if self.trainer.sanity_checking:  # of a Trainer of one's own, on a few photos
            return
        for tag, value in self.trainer.callback_metrics.items():
            if tag.startswith(CHECKED):
                self.history.setdefault(tag.removeprefix(CHECKED), []).append((self.global_step, float(value)))

    def pictures(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the pictures of a row for TensorBoard: the content, and the result beside each style."""
        content, _ = without_mask(batch, self)
        row = {"content": content}
        for number, style in enumerate(self.styles):
            which = f" {number}" if len(self.styles) > 1 else ""
            row["result" + which] = self(content, [number])
            row["style" + which] = fill(style.to(content), content.shape[-2], content.shape[-1])
        return row


def fill(picture: Tensor, height: int, width: int) -> Tensor:
    """Return the middle of a picture (N, 3, H, W) as large as it fills height x width.

    >>> fill(torch.rand(1, 3, 90, 50), 20, 30).shape
    torch.Size([1, 3, 20, 30])
    """
    factor = max(height / picture.shape[-2], width / picture.shape[-1])
    size = [max(least, round(side * factor)) for side, least in zip(picture.shape[-2:], (height, width), strict=True)]
    large = F.interpolate(picture, size=size, mode="bilinear", antialias=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return large[..., top : top + height, left : left + width]
