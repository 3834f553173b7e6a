"""The building block that the course's networks share."""

from __future__ import annotations

from torch import Tensor, nn

from perceptualloss.errors import InputError


class ResNetBlock(nn.Module):
    """A residual block with batch norm after the non-linearity, after the course's.

    conv k (no bias) -> ReLU -> BN -> conv k (no bias) -> + shortcut -> ReLU -> BN, where the shortcut is the
    identity, or a 1 x 1 convolution without bias where the number of channels changes. Keeps height and
    width: (N, in_channels, H, W) -> (N, out_channels, H, W).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd size of both convolutions.

    Raises:
        InputError: for an even kernel size, which cannot keep the size of the picture.

    Source: the course "Perceptual Loss", exercise 2. Its text has the arguments, padding that keeps the size, batch
    norm behind the non-linearity, and a shortcut that brings the input to the output's channels; the block itself is
    a picture there. Two convolutions, their lack of a bias, the 1 x 1 convolution of the shortcut, and ReLU and batch
    norm after the addition are this project's reconstruction.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise InputError("an odd kernel_size", str(kernel_size))
        padding = kernel_size // 2
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size, padding=padding, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.shortcut = (
            nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, in_channels, H, W) into (N, out_channels, H, W)."""
        y = self.norm1(self.relu(self.conv1(x)))
        y = self.conv2(y) + self.shortcut(x)
        out: Tensor = self.norm2(self.relu(y))
        return out
