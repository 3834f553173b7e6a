"""Train a small loss network to see what VGG-16 sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn

from perceptualloss.features.architectures import layer_names, layers_before_pooling
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.chain import run_layers
from perceptualloss.metrics.imitation import Imitation, gram_errors
from perceptualloss.pictures.ranges import normalised
from perceptualloss.studies.loss_network.followed import FollowedPictures
from perceptualloss.training.average import moving_average
from perceptualloss.training.finite import zero_not_finite
from perceptualloss.training.schedule import Schedule, over_run

OTHER_LAYERS = 0.25  # weight of layers that are not before a pooling
STUDENT, TEACHER = "compact", "vgg16"
DECAY = 0.95  # of the moving average of a layer's variance


class Distillation(L.LightningModule):
    r"""Bring a student's features to a teacher's, for pictures as they are and damaged.

    For each layer, with the student's features :math:`s`, the teacher's :math:`t`, their variance
    :math:`\sigma^2` and, for a damaged picture, the changes :math:`\Delta s` and :math:`\Delta t` that damage makes:

    .. math::

        \frac{\|s - t\|^2}{\sigma^2}
        + \lambda_\Delta \frac{\|\Delta s - \Delta t\|^2}{\|\Delta t\|^2 + 0.05 \sigma^2}
        + \lambda_G \frac{\|G(s) - G(t)\|_F^2}{\|G(t)\|_F^2}

    The first is for what there is to see, the second for gradients, which a loss is used for (a small change has to
    count as it counts for the teacher), and the third for Gram matrices, which least squares alone would make small.
    Layers that are not before a pooling have the first alone, at a quarter of the weight, and maps at full size are
    compared in their upper left quarter: on a CPU these would take most of a step.

    With ``followed``, the first damaged picture of each batch gives way to one that is being optimised through the
    student (see :class:`FollowedPictures`).

    Args:
        student: its layers have the teacher's names and widths; it is trained in place.
        teacher: with all layers that the student has.
        learning_rate: Adam's highest.
        change: :math:`\lambda_\Delta`.
        gram: :math:`\lambda_G`.
        gradient_clip: the largest norm of the gradient.
        ema: decay of the moving average of the weights, which is what is validated and exported.
        followed: pictures to be optimised on the way; None leaves them out.

    Logs "Loss" and, at validation, "explained variance/LAYER" and "Gram error/LAYER" over the photos as they are.
    """

    variances: Tensor

    def __init__(
        self,
        student: nn.Sequential,
        teacher: LossNetwork,
        *,
        learning_rate: float = 5e-4,
        change: float = 0.5,
        gram: float = 12.0,
        gradient_clip: float = 5.0,
        ema: float = 0.999,
        followed: FollowedPictures | None = None,
    ) -> None:
        super().__init__()
        self.student = student.to(memory_format=torch.channels_last)
        self.average = moving_average(self.student, ema)
        self.teacher = teacher
        self.names = layer_names(student)
        self.main = layers_before_pooling(STUDENT)
        self.names_compared = teacher.layers
        self.learning_rate, self.change, self.gram, self.gradient_clip = learning_rate, change, gram, gradient_clip
        self.followed = followed
        self.register_buffer("variances", torch.zeros(len(teacher.layers)))
        self.figures: dict[str, float] = {}
        self._imitation = Imitation()

    @property
    def result(self) -> nn.Sequential:
        """The network that the training made."""
        return cast(nn.Sequential, self.average.module)

    def forward(self, images: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return the student's features of [0, 1] images (N, 3, H, W); in evaluation those of its average."""
        x = normalised(images).to(memory_format=torch.channels_last)
        modules = list(self.student if self.training else self.result)
        return run_layers(modules, self.names, x, layers or self.names_compared, in_place=False)

    def _seen_before_pooling(self, images: Tensor) -> dict[str, Tensor]:
        return self.forward(images, self.main)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of a batch of damaged pictures and the same pictures as they are."""
        damaged, clean = batch
        if self.followed is not None and len(clean) > 1:
            moved, photo = self.followed(self._seen_before_pooling, clean)
            damaged, clean = torch.cat([moved, damaged[1:]]), torch.cat([photo, clean[1:]])
        images = torch.cat([damaged, clean])
        with torch.no_grad():
            teacher = self.teacher(images)
        student = self(images)
        parts = [
            self.layer_loss(
                _compared(student[name], images), _compared(teacher[name], images), number, name in self.main
            )
            for number, name in enumerate(self.names_compared)
        ]
        loss = torch.stack(parts).sum()
        self.log("Loss", loss.detach(), prog_bar=True)
        return loss

    def layer_loss(self, student: Tensor, teacher: Tensor, number: int, main: bool) -> Tensor:
        """Return the loss of one layer's features (2 N, C, H, W); the first N are those of the damaged pictures."""
        variance = self._variance(teacher, number)
        error = student - teacher
        squares: Tensor = error.square().sum(1).mean() / variance
        if not main:
            return OTHER_LAYERS * squares
        damaged, clean = teacher.chunk(2)
        changed = (damaged - clean).square().sum(1).mean((1, 2))
        wrong = torch.sub(*error.chunk(2)).square().sum(1).mean((1, 2))
        change = (wrong / (changed + 0.05 * variance)).mean()
        gram = gram_errors(student, teacher).square().mean()
        return squares + self.change * change + self.gram * gram

    @torch.no_grad()
    def _variance(self, teacher: Tensor, number: int) -> Tensor:
        """Return the moving average of a layer's variance, summed over its channels."""
        new = (teacher.square().mean((0, 2, 3)) - teacher.mean((0, 2, 3)).square()).sum()
        old = self.variances[number]
        self.variances[number] = torch.where(old == 0, new, torch.lerp(new, old, DECAY))
        return self.variances[number].clone()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Take one validation photo as it is."""
        self._imitation.update(self(batch[1]), self.teacher(batch[1]))

    def on_validation_epoch_end(self) -> None:
        """Log what the student sees."""
        for layer, share in self._imitation.compute().items():
            self.figures |= {f"explained variance/{layer}": share.explained, f"Gram error/{layer}": share.gram_error}
        self.log_dict(self.figures)
        self.log("seen", self.figures[f"explained variance/{self.main[-1]}"], prog_bar=True)
        self._imitation = Imitation()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what of a gradient is not finite as zero."""
        zero_not_finite(self.parameters())

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Shorten a gradient that is too long."""
        self.clip_gradients(optimizer, self.gradient_clip, "norm")

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Do the step, and let the average follow before a checkpoint can be written."""
        super().optimizer_step(*arguments, **named)
        self.average.update_parameters(self.student)

    def configure_optimizers(self) -> Any:
        """Return Adam, whose learning rate falls to zero along half a cosine."""
        optimizer = torch.optim.Adam(self.student.parameters(), lr=self.learning_rate, betas=(0.9, 0.99))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, over_run(Schedule(), self.trainer))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _compared(features: Tensor, images: Tensor) -> Tensor:
    """Return the part of the features that is compared, in 32 bits."""
    height, width = features.shape[-2:]
    if (height, width) == images.shape[-2:]:
        features = features[..., : height // 2, : width // 2]
    return features.float()
