"""Weights for a network of low rank that imitate a teacher, layer by layer and without any training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptualloss.features.modules import FactorisedConv2d, HeadedConv2d

POSITIONS = 40_000  # at which a layer is fitted
RIDGE = 1e-4  # of the mean variance of the inputs


@torch.no_grad()
def fit_layerwise(student: nn.Sequential, teacher: nn.Sequential, images: Tensor, seed: int = 0) -> None:
    r"""Give every convolution of ``student`` the weights with which it comes closest to the teacher's, in turn.

    A layer is fitted to what the student, not the teacher, gives it: :math:`Y \approx X W` by least squares, with
    the teacher's values before its ReLU in :math:`Y` and patches of the student's features in :math:`X`, cut to the
    principal directions of :math:`X W` that the layer's rank has room for. In a narrow layer, whose ReLU works on
    few channels, these are the teacher's channels that tell the most of the others.

    Args:
        student: convolutions of :mod:`perceptualloss.features.modules`, ReLUs and pools.
        teacher: as many convolutions, with their ReLUs and pools.
        images: (N, 3, H, W), normalised.
        seed: of the positions.

    Source: Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection", 2016
    (response reconstruction, asymmetric: each layer knows what those before it have lost).
    """
    generator = torch.Generator().manual_seed(seed)
    convolutions = [module for module in teacher if isinstance(module, nn.Conv2d)]
    maps = [batch.contiguous(memory_format=torch.channels_last) for batch in images.split(8)]
    target, place = list(maps), 0
    for module in student:
        if isinstance(module, HeadedConv2d | FactorisedConv2d):
            target, place = _up_to(teacher, convolutions.pop(0), target, place)
            _fit(module, maps, target, generator)
        maps = [module(batch) for batch in maps]


def _up_to(teacher: nn.Sequential, last: nn.Conv2d, maps: list[Tensor], place: int) -> tuple[list[Tensor], int]:
    """Return the teacher's maps after the convolution ``last``, and the number of the module after it."""
    for number in range(place, len(teacher)):
        module = teacher[number]
        maps = [F.relu(batch) if isinstance(module, nn.ReLU) else module(batch) for batch in maps]
        if module is last:
            return maps, number + 1
    raise ValueError("the teacher has fewer convolutions than the student")


def _fit(
    module: HeadedConv2d | FactorisedConv2d, maps: list[Tensor], target: list[Tensor], generator: torch.Generator
) -> None:
    if isinstance(module, FactorisedConv2d) and isinstance(module.reduce, nn.Conv2d):
        energy = sum((torch.einsum("nchw,ndhw->cd", x, x) for x in maps), torch.zeros(()))
        directions = torch.linalg.eigh(energy.double())[1][:, -module.reduce.out_channels :].float()
        module.reduce.weight.copy_(directions.mT[:, :, None, None])
        maps = [module.reduce(x) for x in maps]
    inputs, outputs = _samples(maps, target, generator)
    matrix, bias = least_squares(inputs, outputs)
    narrow = module.conv.out_channels
    if isinstance(module, FactorisedConv2d):
        basis = _principal(inputs @ matrix, narrow)
        module.conv.weight.copy_(_filters(matrix @ basis, module.conv))
        module.expand.weight.copy_(basis[:, :, None, None])
        module.expand.bias.copy_(bias)  # type: ignore[union-attr]
        return
    chosen = telling_channels(F.relu(inputs @ matrix + bias), narrow)
    module.conv.weight.copy_(_filters(matrix[:, chosen], module.conv))
    module.conv.bias.copy_(bias[chosen])  # type: ignore[union-attr]
    head, offset = least_squares(inputs @ matrix[:, chosen] + bias[chosen], outputs)
    module.head.weight.copy_(head.mT[:, :, None, None])
    module.head.bias.copy_(offset)  # type: ignore[union-attr]


def least_squares(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return :math:`W` (D, K) and :math:`b` (K) for which :math:`X W + b` is nearest to :math:`Y`, slightly ridged.

    Args:
        inputs: :math:`X`, (M, D).
        outputs: :math:`Y`, (M, K).
    """
    x, y = inputs.double(), outputs.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x = x - x_mean
    gram = x.mT @ x
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    matrix = torch.linalg.solve(gram, x.mT @ (y - y_mean))
    return matrix.float(), (y_mean - x_mean @ matrix).float()


def telling_channels(features: Tensor, count: int) -> list[int]:
    """Return ``count`` of the columns of ``features`` (M, K), chosen in turn: each explains the most of what is left.

    >>> a, b = torch.tensor([1.0, -1, 1, -1]), torch.tensor([1.0, 1, -1, -1])
    >>> telling_channels(torch.stack([0 * a, 3 * a, 2 * b], dim=1), 2)
    [1, 2]
    """
    centred = (features - features.mean(0)).double()
    left = centred.mT @ centred
    chosen: list[int] = []
    for _ in range(count):
        gain = left.square().sum(1) / left.diagonal().clamp(min=1e-9)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left = left - torch.outer(left[:, best], left[best]) / left[best, best].clamp(min=1e-9)
    return chosen


def _samples(maps: list[Tensor], target: list[Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return patches of 3 x 3 of ``maps``, (M, 9 C), and the values of ``target`` at their middles, (M, K)."""
    share = min(1.0, POSITIONS / sum(x[:, 0].numel() for x in maps))
    patches, values = [], []
    for x, y in zip(maps, target, strict=True):
        positions = x[:, 0].numel()
        chosen = torch.randperm(positions, generator=generator)[: max(1, int(positions * share))]
        columns = F.unfold(F.pad(x.contiguous(), (1, 1, 1, 1), mode="replicate"), 3)
        patches.append(columns.mT.reshape(positions, -1)[chosen])
        values.append(y.permute(0, 2, 3, 1).reshape(positions, -1)[chosen])
    return torch.cat(patches), torch.cat(values)


def _principal(values: Tensor, rank: int) -> Tensor:
    """Return the first principal directions of ``values`` (M, K) as columns, (K, rank)."""
    centred = (values - values.mean(0)).double()
    directions: Tensor = torch.linalg.eigh(centred.mT @ centred)[1]
    return directions[:, -rank:].float()


def _filters(columns: Tensor, convolution: nn.Conv2d) -> Tensor:
    return columns.mT.reshape(convolution.weight.shape)
