"""Chapter 2: a network for twice the size."""

from torch import Tensor, nn

from perceptualloss import ResNetBlock


class Upscale2x(nn.Module):
    """Enlarge a picture by interpolation, and add the details that residual blocks find missing."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.model = nn.Sequential(
            ResNetBlock(3, 64, kernel_size=9),
            ResNetBlock(64, 32, kernel_size=7),
            ResNetBlock(32, 16, kernel_size=5),
            nn.Conv2d(16, 3, kernel_size=5, padding=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn pictures (N, 3, H, W) into pictures (N, 3, 2 * H, 2 * W)."""
        up = self.upsample(x)
        enlarged: Tensor = up + self.model(up)
        return enlarged
